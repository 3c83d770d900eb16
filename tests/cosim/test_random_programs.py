"""Every software device computes what the reference computes, to the bit, on random Programs.

Compared are the spikes of all neurons and channels, v, u0, u1 and the threshold after every step,
and at the end the whole state: wheel, refractory counters, sticky bits, saturation counters.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.programs import (
    assert_same_run,
    assert_same_state,
    random_events,
    random_program,
    record_everything,
    run_in_parts,
)
from support.tiny import Synapse, tiny_program

from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.compiler.program import DENSE, Program
from spikeloom.runtime.backend import Backend, CoreWeights, Events, State

EMULATORS: dict[str, Callable[[], Backend]] = {
    "C kernel": lambda: EmulatorBackend(threads=1, kernel="c"),
    "C kernel, 2 threads": lambda: EmulatorBackend(threads=2, kernel="c"),
    "NumPy kernel": lambda: EmulatorBackend(threads=1, kernel="numpy"),
}
DEVICES: dict[str, Callable[[], Backend]] = {"reference": ReferenceBackend, **EMULATORS}

# Seeds do not shrink to anything simpler, but sizes, delays and steps do.
programs = st.builds(
    random_program,
    st.integers(0, 1 << 32),
    cores=st.integers(1, 6),
    neurons=st.sampled_from([1, 2, 5, 12, 30]),
    delays=st.sampled_from([0, 1, 3, 7, 20, 63]),
)


def loaded(make: Callable[[], Backend], program: Program) -> Backend:
    device = make()
    device.load(program)
    return device


def check_all_emulators(program: Program, steps: int, seed: int) -> None:
    """The reference in one run; the emulators in one run and in several."""
    rng = np.random.default_rng(seed)
    events = random_events(program, steps, rng)
    reference = loaded(ReferenceBackend, program)
    record = record_everything(program)
    expected = reference.run(steps, events, record)
    state = reference.read_state()
    for number, make in enumerate(EMULATORS.values()):
        cuts = sorted(rng.integers(0, steps + 1, number * 2).tolist())
        device = loaded(make, program)
        found = run_in_parts(device, program, events, [0, *cuts, steps])
        assert_same_run(expected, found, program, record)
        assert_same_state(state, device.read_state(), program)
        device.close()


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs, st.integers(0, 40), st.integers(0, 1000))
def test_emulators_agree_with_the_reference(program, steps, seed):
    check_all_emulators(program, steps, seed)


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(10))
def test_emulators_agree_with_the_reference_on_a_thousand_networks(hundred):
    for seed in range(100 * hundred, 100 * hundred + 100):
        # One in four is large enough for several threads to have work.
        program = random_program(seed, neurons=None if seed % 4 else 150)
        check_all_emulators(program, 30 + seed % 40, seed)


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_threads_that_all_have_work_change_nothing(threads):
    for seed in range(5000, 5012):
        program = random_program(seed, cores=1 + seed % 4, neurons=400)
        events = random_events(program, 40, np.random.default_rng(seed))
        record = record_everything(program)
        alone = loaded(ReferenceBackend, program)
        shared = loaded(lambda: EmulatorBackend(threads=threads, kernel="c"), program)
        runs = [device.run(40, events, record) for device in (alone, shared)]
        assert_same_run(*runs, program, record)
        assert_same_state(alone.read_state(), shared.read_state(), program)
        shared.close()


@pytest.mark.parametrize(("first", "second"), list(permutations(DEVICES, 2)))
def test_a_snapshot_goes_on_identically_on_another_device(first, second):
    for seed in range(2000, 2006):
        program = random_program(seed, delays=9, neurons=12)
        events = random_events(program, 60, np.random.default_rng(seed))
        stop = 5 + seed % 30
        here, there = loaded(DEVICES[first], program), loaded(DEVICES[second], program)
        run_in_parts(here, program, events, [0, stop])
        there.run(seed % 4, Events.none(), record_everything(program))  # something to overwrite
        there.write_state(here.read_state())
        there.write_weights(here.read_weights())
        assert_same_state(here.read_state(), there.read_state(), program)
        bounds = [stop, 60]
        assert_same_run(
            run_in_parts(here, program, events, bounds),
            run_in_parts(there, program, events, bounds),
            program,
        )
        assert_same_state(here.read_state(), there.read_state(), program)
        here.close()
        there.close()


def largest_sums(program: Program) -> np.ndarray:
    """(2, neurons): the most that the weights can add to each accumulator in a step."""
    sums = np.zeros((2, program.neurons), np.int64)
    for core, base in zip(program.cores, program.core_base, strict=False):
        for row in core.rows:
            part = slice(row["offset"], row["offset"] + row["count"])
            if row["kind"] == DENSE:
                target, weight = row["base"] + np.arange(row["count"]), core.dense_weight[part]
            else:
                target, weight = core.sparse_target[part], core.sparse_weight[part]
            size = np.abs(weight.astype(np.int64)) << int(row["exponent"])
            np.add.at(sums[row["receptor"]], base + target.astype(np.int64), size)
    return sums


def random_state(program: Program, rng: np.random.Generator) -> State:
    """Anything that the widths allow, whether or not the network could come to it."""
    n, top, cores = program.neurons, program.target.state_max, len(program.cores)
    # What is on its way may be as much as the accumulator has room for beside the weights.
    room = program.target.accumulator_max - largest_sums(program)
    wheel = (rng.uniform(-1, 1, (program.wheel_depth, 2, n)) * room).astype(np.int32)
    wheel[-1] = 0  # Nothing can be due so late before the next step is computed.
    if program.target.receptors == 1:
        wheel[:, 1] = 0
    u = rng.integers(-top - 1, top + 1, (2, n)).astype(np.int32)
    u[program.target.receptors :] = 0
    return State(
        step=int(rng.choice([0, 1000, 2**31 - 7, 2**32 - 7, 2**32 + 99, 2**40 - 3])),
        u=u,
        v=rng.integers(-top - 1, top + 1, n).astype(np.int32),
        adapt=(rng.integers(0, top + 1, n) * rng.integers(0, 2, n)).astype(np.int32),
        refractory=(rng.integers(0, 65536, n) * (rng.random(n) < 0.2)).astype(np.int32),
        reset_pending=rng.integers(0, 2, n).astype(np.uint8),
        fired=rng.integers(0, 2, n).astype(np.uint8),
        wheel=wheel,
        saturated=rng.integers(0, 8, n).astype(np.uint8),
        saturations=rng.integers(0, 2**40, (cores, 3)),
        spikes=int(rng.integers(2**40)),
        synaptic_events=int(rng.integers(2**40)),
    )


@pytest.mark.parametrize("name", list(EMULATORS))
def test_any_state_has_the_same_future(name):
    for seed in range(6000, 6040):
        program = random_program(seed, neurons=30)
        rng = np.random.default_rng(seed)
        state, events = random_state(program, rng), random_events(program, 20, rng)
        reference, device = (loaded(make, program) for make in (ReferenceBackend, EMULATORS[name]))
        runs = []
        for one in (reference, device):
            one.write_state(state)
            assert_same_state(state, one.read_state(), program)
            runs.append(run_in_parts(one, program, events, [0, 20]))
        assert_same_run(*runs, program)
        assert_same_state(reference.read_state(), device.read_state(), program)
        device.close()


@pytest.fixture(scope="module")
def widest():
    """Cores of 4096 neurons: every bit of slots, delays, weights and exponents is in use."""
    rng = np.random.default_rng(7)
    n, k = 4096 + 100, 12000
    neurons = [
        {"core": number // 4096, "threshold": 1 << 20, "decay_u": (500, 900), "decay_v": 300}
        for number in range(n)
    ]
    ends = [(0, 0), (4095, 4095), (4095, 0), (0, 4095), (n - 1, 4095), (4095, n - 1)]
    places = np.concatenate([ends, rng.integers(0, n, (k, 2))])
    synapses = [
        Synapse(
            pre=f"n{pre}" if number % 3 else f"c{pre % 50}",
            post=int(post),
            weight=int(rng.choice([-32768, 32767, rng.integers(-32768, 32768)])),
            delay=int(rng.choice([0, 63, rng.integers(64)])),
            receptor=int(rng.integers(2)),
            exponent=int(rng.choice([0, 6, 10])),
        )
        for number, (pre, post) in enumerate(places)
    ]
    program = tiny_program(
        neurons,
        synapses,
        channels=50,
        accumulator_bits=31,
        axons=1 << 14,
        rows=1 << 15,
        profiles=4096,
        synapse_bits=1 << 30,
    )
    program.verify()
    return program


@pytest.mark.parametrize("name", list(EMULATORS))
def test_a_full_core(name, widest):
    events = random_events(widest, 100, np.random.default_rng(3))
    reference, device = (loaded(make, widest) for make in (ReferenceBackend, EMULATORS[name]))
    record = record_everything(widest)
    runs = [one.run(100, events, record) for one in (reference, device)]
    assert len(runs[0].neuron) > 1000
    assert_same_run(*runs, widest, record)
    assert_same_state(reference.read_state(), device.read_state(), widest)
    device.close()


@pytest.mark.parametrize("name", list(DEVICES))
def test_several_short_runs_are_one_long_run(name):
    for seed in range(3000, 3010):
        program = random_program(seed, cores=1 + seed % 3)
        events = random_events(program, 50, np.random.default_rng(seed))
        long, short = loaded(DEVICES[name], program), loaded(DEVICES[name], program)
        assert_same_run(
            run_in_parts(long, program, events, [0, 50]),
            run_in_parts(short, program, events, [0, 1, 2, 2, 20, 49, 50]),
            program,
        )
        assert_same_state(long.read_state(), short.read_state(), program)
        long.close()
        short.close()


@pytest.mark.parametrize("name", list(EMULATORS))
def test_written_weights_count_from_the_next_step_on(name):
    for seed in range(4000, 4010):
        program = random_program(seed, neurons=25)
        events = random_events(program, 40, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)

        def changed(weights, rng=rng, top=program.target.weight_max):
            # No larger in magnitude than before: the accumulators' bound still holds.
            sign = rng.choice([-1, 0, 1], len(weights))
            return np.minimum(weights.astype(np.int64) * sign, top).astype(weights.dtype)

        new = tuple(
            CoreWeights(changed(c.sparse_weight), changed(c.dense_weight)) for c in program.cores
        )
        runs, states = [], []
        for make in (ReferenceBackend, EMULATORS[name]):
            device = loaded(make, program)
            run_in_parts(device, program, events, [0, 15])
            device.write_weights(new)
            for mine, theirs in zip(device.read_weights(), new, strict=True):
                assert mine.sparse.dtype == theirs.sparse.dtype
                assert np.array_equal(mine.sparse, theirs.sparse)
                assert np.array_equal(mine.dense, theirs.dense)
            runs.append(run_in_parts(device, program, events, [15, 40]))
            states.append(device.read_state())
            device.close()
        assert_same_run(*runs, program)
        assert_same_state(*states, program)


def test_the_random_programs_are_valid_and_lively():
    """What the comparisons above are worth: every feature in use, few networks dead or stuck."""
    steps, silent, restless, neurons = 40, 0, 0, 0
    saturations = np.zeros(3, np.int64)
    profiles = []
    for seed in range(150):
        program = random_program(seed)
        program.verify()
        device = loaded(ReferenceBackend, program)
        events = random_events(program, steps, np.random.default_rng(seed))
        device.run(steps, events, record_everything(program))
        state = device.read_state()
        saturations += (state.saturations.sum(axis=0) > 0).astype(np.int64)
        silent += state.spikes == 0
        restless += state.spikes >= 0.8 * steps * program.neurons
        neurons += program.neurons
        profiles += [c.profiles for c in program.cores]
    assert silent < 0.15 * 150
    assert restless < 0.1 * 150
    assert (saturations > 10).all()
    assert neurons > 20 * 150
    table = np.concatenate(profiles)
    for name in ("spiking", "leak", "reset", "reset_delay", "refractory_mode"):
        assert set(table[name].tolist()) == {0, 1}, name
    for name in ("decay_v", "adapt_decay"):
        assert {0, 4096} < set(table[name].tolist()), name
    assert {0, 4096} < set(table["decay_u"].ravel().tolist())
    assert set(table["shift"].tolist()) == set(range(16))
