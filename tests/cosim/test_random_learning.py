"""The emulator learns what the reference learns, to the bit, on random plastic Programs.

Compared are all spikes and state variables after every step, and at the end weights, learned
delays, traces, tags, third factors and everything else that is carried on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from support.plastic import with_rule
from support.programs import (
    assert_same_run,
    assert_same_state,
    assert_same_weights,
    random_events,
    random_plastic_program,
    record_everything,
    run_in_parts,
)
from support.tiny import Synapse, tiny_program

from spikeloom.backends.emulator import EmulatorBackend, native
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.compiler.microcode import (
    WINDOW,
    Changes,
    Condition,
    Factor,
    Group,
    LearningRule,
    Product,
    Trace,
    TraceKind,
    When,
)
from spikeloom.compiler.program import DENSE, POISSON, SPARSE, Program
from spikeloom.runtime.backend import Backend, CoreWeights, Events, LearningState

EMULATORS: dict[str, Callable[[], Backend]] = {
    "C kernel": lambda: EmulatorBackend(threads=1, kernel="c"),
    "C kernel, 2 threads": lambda: EmulatorBackend(threads=2, kernel="c"),
    "NumPy kernel": lambda: EmulatorBackend(threads=1, kernel="numpy"),
}
DEVICES: dict[str, Callable[[], Backend]] = {"reference": ReferenceBackend, **EMULATORS}


def loaded(make: Callable[[], Backend], program: Program) -> Backend:
    device = make()
    device.load(program)
    return device


def assert_same(a: Backend, b: Backend, program: Program) -> None:
    """Fail unless two devices are in the same state, weights and delays included."""
    assert_same_state(a.read_state(), b.read_state(), program)
    assert_same_weights(a.read_weights(), b.read_weights(), program)


def check(program: Program, steps: int, seed: int, names: list[str]) -> None:
    """The reference in one run; each emulator in one to three."""
    rng = np.random.default_rng(seed)
    events = random_events(program, steps, rng)
    reference = loaded(ReferenceBackend, program)
    record = record_everything(program)
    expected = reference.run(steps, events, record)
    for number, name in enumerate(names):
        cuts = sorted(rng.integers(0, steps + 1, number).tolist())
        device = loaded(EMULATORS[name], program)
        assert_same_run(expected, run_in_parts(device, program, events, [0, *cuts, steps]), program)
        assert_same(reference, device, program)
        device.close()


@pytest.mark.parametrize("seed", range(12))
def test_emulators_learn_what_the_reference_learns(seed):
    program = random_plastic_program(seed, neurons=None if seed % 4 else 150)
    check(program, 30, seed, list(EMULATORS))


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(10))
def test_emulators_learn_the_same_on_a_thousand_networks(hundred):
    for seed in range(100 * hundred, 100 * hundred + 100):
        # One in eight is large enough for two threads to have work.
        large = seed % 8 == 0
        program = random_plastic_program(seed, neurons=150 if large else None)
        names = [
            "C kernel",
            *(["C kernel, 2 threads"] if large else []),
            *(["NumPy kernel"] if seed % 3 == 1 else []),
        ]
        check(program, 10 if large else 12 + seed % 16, seed, names)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_that_all_have_work_change_nothing(threads):
    for seed in range(5000, 5004):
        program = random_plastic_program(seed, cores=1 + seed % 4, neurons=400)
        events = random_events(program, 12, np.random.default_rng(seed))
        record = record_everything(program)
        one, several = (
            loaded(lambda t=t: EmulatorBackend(threads=t, kernel="c"), program)
            for t in (1, threads)
        )
        assert_same_run(*(d.run(12, events, record) for d in (one, several)), program, record)
        assert_same(one, several, program)
        for device in (one, several):
            device.close()


@pytest.mark.parametrize("number", range(len(native.INSTRUCTION_SETS)))
def test_every_instruction_set_learns_the_same(number, monkeypatch):
    library = native.library()
    if library.instructions < number:
        pytest.skip(f"this processor does not have {native.INSTRUCTION_SETS[number]}")
    monkeypatch.setattr(library, "instructions", number)
    for seed in range(300, 310):
        check(random_plastic_program(seed, neurons=80), 15, seed, ["C kernel"])


@pytest.mark.parametrize(("first", "second"), list(permutations(DEVICES, 2)))
def test_a_snapshot_goes_on_identically_on_another_device(first, second):
    for seed in range(2000, 2003):
        program = random_plastic_program(seed, delays=9, neurons=12)
        events = random_events(program, 40, np.random.default_rng(seed))
        stop = 5 + seed % 20
        here, there = loaded(DEVICES[first], program), loaded(DEVICES[second], program)
        run_in_parts(here, program, events, [0, stop])
        there.run(seed % 4, Events.none(), record_everything(program))  # something to overwrite
        there.write_state(here.read_state())
        there.write_weights(here.read_weights())
        assert_same(here, there, program)
        bounds = [stop, 25, 40]
        assert_same_run(
            run_in_parts(here, program, events, bounds),
            run_in_parts(there, program, events, bounds),
            program,
        )
        assert_same(here, there, program)
        here.close()
        there.close()


@pytest.mark.parametrize("name", list(EMULATORS))
def test_learning_off_and_on_again(name):
    for seed in range(3000, 3006):
        program = random_plastic_program(seed, neurons=25)
        events = random_events(program, 30, np.random.default_rng(seed))
        reference, device = loaded(ReferenceBackend, program), loaded(EMULATORS[name], program)
        for on, bounds in ((True, [0, 10]), (False, [10, 20]), (True, [20, 30])):
            for one in (reference, device):
                one.set_learning(on)
            before = device.read_weights()
            assert_same_run(
                *(run_in_parts(one, program, events, bounds) for one in (reference, device)),
                program,
            )
            assert_same(reference, device, program)
            if not on:
                assert_same_weights(before, device.read_weights(), program)
        device.close()


def other_weights(program: Program, rng: np.random.Generator) -> tuple[CoreWeights, ...]:
    """What somebody may write: anything that the limits allow where it learns."""
    written = []
    for core, like in zip(program.cores, CoreWeights.initial(program), strict=True):
        new = like.copy()
        for row in core.rows[core.rows["rule"] > 0]:
            rule = program.rules[row["rule"] - 1]
            values, enable = (
                (new.sparse, core.sparse_enable)
                if row["kind"] == SPARSE
                else (new.dense, core.dense_enable)
            )
            own = slice(row["offset"], row["offset"] + row["count"])
            drawn = rng.integers(rule.weight_min, rule.weight_max + 1, row["count"])
            values[own] = np.where(enable[own], drawn, values[own])
            if rule.changes_delays and new.delay is not None:
                drawn = rng.integers(rule.delay_min, rule.delay_max + 1, row["count"])
                new.delay[own] = np.where(enable[own], drawn, new.delay[own])
        written.append(new)
    return tuple(written)


@pytest.mark.parametrize("name", list(EMULATORS))
def test_written_weights_learn_on(name):
    for seed in range(4000, 4006):
        program = random_plastic_program(seed, neurons=25)
        rng = np.random.default_rng(seed)
        events, new = random_events(program, 30, rng), other_weights(program, rng)
        reference, device = loaded(ReferenceBackend, program), loaded(EMULATORS[name], program)
        runs = []
        for one in (reference, device):
            run_in_parts(one, program, events, [0, 12])
            one.write_weights(new)
            assert_same_weights(new, one.read_weights(), program)
            runs.append(run_in_parts(one, program, events, [12, 30]))
        assert_same_run(*runs, program)
        assert_same(reference, device, program)
        for weights in new:  # what was handed over is not what the device works on
            weights.sparse[:] = weights.dense[:] = 0
        assert_same(reference, device, program)
        device.close()


def foreign_learning(program: Program, rng: np.random.Generator) -> LearningState:
    """Any state of learning that the widths allow."""
    state = LearningState.initial(program)
    assert state is not None
    for number, rule in enumerate(program.rules):
        start, end = program.trace_start[number : number + 2]
        for side, stored, traces in (
            (0, state.x, (rule.x1, rule.x2)),
            (1, state.y, (rule.y1, rule.y2)),
        ):
            for column, trace in enumerate(traces):
                top = {
                    TraceKind.NONE: 1,
                    TraceKind.EXPONENTIAL: program.target.trace_max + 1,
                    TraceKind.WINDOW: 1 << WINDOW,
                }[trace.kind]
                rows = slice(start[side], end[side])
                stored[rows, column] = rng.integers(0, top, end[side] - start[side])
        bits = rng.integers(0, 1 << 63, end[1] - start[1], dtype=np.uint64)
        state.fired_before[start[1] : end[1]] = bits & np.uint64((1 << rule.post_delay) - 1)
    state.third_factor[:] = rng.integers(-128, 128, program.neurons)
    for core, sparse, dense in zip(program.cores, state.sparse_tag, state.dense_tag, strict=True):
        for tag, enable in ((sparse, core.sparse_enable), (dense, core.dense_enable)):
            tag[:] = rng.integers(-128, 128, len(tag)) * enable
    return replace(state, modulator=-77, on=bool(rng.random() < 0.8))


@pytest.mark.parametrize("name", list(EMULATORS))
def test_any_state_of_learning_has_the_same_future(name):
    for seed in range(6000, 6008):
        program = random_plastic_program(seed, neurons=30)
        rng = np.random.default_rng(seed)
        reference, device = loaded(ReferenceBackend, program), loaded(EMULATORS[name], program)
        start = reference.read_state()
        step = int(rng.choice([0, 2**32 - 7, 2**40 - 3]))
        state = replace(start, step=step, learning=foreign_learning(program, rng))
        events = random_events(program, 20, rng)
        runs = []
        for one in (reference, device):
            one.write_state(state)
            assert_same_state(state, one.read_state(), program)
            runs.append(run_in_parts(one, program, events, [0, 20]))
        assert_same_run(*runs, program)
        assert_same(reference, device, program)
        device.close()


PAIR = LearningRule(
    projection=0,
    groups=(
        Group(When.PRE, Changes.WEIGHT, 6, (Product(-9, Condition.X0, (Factor.Y1,)),)),
        Group(When.POST, Changes.WEIGHT, 6, (Product(12, Condition.Y0, (Factor.X1,)),)),
    ),
    x1=Trace(TraceKind.EXPONENTIAL, impulse=100, decay=300),
    y1=Trace(TraceKind.EXPONENTIAL, replace=True, impulse=100, decay=200),
    weight_min=-50,
    weight_max=90,
)


@pytest.mark.parametrize("name", list(EMULATORS))
def test_poisson_channels_one_to_one_learn(name):
    """Where nothing learns, the compiled kernel does not even list such spikes."""
    n = 200
    generators = [(i, POISSON, 5, i, 1 << 30, 0) for i in range(n)]
    program = tiny_program(
        [{"threshold": 90, "decay_v": 200}] * n,
        [Synapse(f"c{i}", i, 40, 1) for i in range(n)],
        channels=n,
        generators=generators,
    )
    program = with_rule(program, PAIR)
    program = replace(program, target=program.target.with_(products=2))
    reference, device = loaded(ReferenceBackend, program), loaded(EMULATORS[name], program)
    assert_same_run(
        *(run_in_parts(one, program, Events.none(), [0, 60]) for one in (reference, device)),
        program,
    )
    assert_same(reference, device, program)
    (weights,) = device.read_weights()
    assert (weights.sparse != 40).mean() > 0.9
    device.close()


def test_the_random_networks_do_learn():
    """What the comparisons are worth: weights, tags and delays move, in both kinds of row."""
    moved = {"sparse": 0, "dense": 0, "delay": 0, "tag": 0, "x": 0, "y": 0, "before": 0}
    kinds = np.zeros(2, np.int64)
    for seed in range(60):
        program = random_plastic_program(seed)
        program.verify()
        device = loaded(EMULATORS["C kernel"], program)
        device.run(
            30, random_events(program, 30, np.random.default_rng(seed)), record_everything(program)
        )
        for old, new in zip(CoreWeights.initial(program), device.read_weights(), strict=True):
            moved["sparse"] += int((old.sparse != new.sparse).any())
            moved["dense"] += int((old.dense != new.dense).any())
            if old.delay is not None and new.delay is not None:
                moved["delay"] += int((old.delay != new.delay).any())
        state = device.read_state().learning
        if state is not None:
            moved["tag"] += any(tag.any() for tag in (*state.sparse_tag, *state.dense_tag))
            moved["x"] += bool(state.x.any())
            moved["y"] += bool(state.y.any())
            moved["before"] += bool(state.fired_before.any())
        for core in program.cores:
            plastic = core.rows[core.rows["rule"] > 0]
            kinds += np.bincount(plastic["kind"], minlength=2)
        device.close()
    assert min(moved.values()) >= 8, moved
    assert kinds[SPARSE] > 100
    assert kinds[DENSE] > 100
