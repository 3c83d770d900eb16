"""The small core computes what the reference computes, to the bit: spikes, states, weights, traces,
counters of saturations, on random plastic Programs; and the emulator counts its clock cycles."""

from __future__ import annotations

import numpy as np
import pytest
from support.micro import BARE, SMALL, small_events, small_programs
from support.programs import (
    assert_same_run,
    assert_same_state,
    assert_same_weights,
    part,
    record_everything,
)
from support.rtl import needs_compiler

from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl import RtlBackend
from spikeloom.compiler.program import Program
from spikeloom.hdl.registers import REGISTER

pytestmark = needs_compiler


def assert_same(a, b, program: Program) -> None:
    assert_same_state(a.read_state(), b.read_state(), program)
    assert_same_weights(a.read_weights(), b.read_weights(), program)


@pytest.mark.parametrize(("g", "count"), [(SMALL, 70), (BARE, 30)], ids=["small", "bare"])
def test_the_small_core_learns_what_the_reference_learns(g, count):
    rtl, reference = RtlBackend(simulator="compiled", geometry=g), ReferenceBackend()
    emulators = [EmulatorBackend(kernel=kernel) for kernel in ("c", "numpy")]
    changed = spikes = taught = kept = clipped = empty = 0
    for seed, program in small_programs(g, count):
        steps = 10 + seed % 8
        events = small_events(program, steps, np.random.default_rng(seed))
        record = record_everything(program)
        for each in (rtl, reference, *emulators):
            each.load(program)
        # Two runs in a row: the second one goes on.
        for start, stop in ((0, steps // 2), (steps // 2, steps)):
            some = part(events, start, stop)
            runs = [each.run(stop - start, some, record) for each in (reference, rtl)]
            assert_same_run(runs[0], runs[1], program, record)
            for emulator in emulators:
                found = emulator.run(stop - start, some, record)
                np.testing.assert_array_equal(found.cycles, runs[1].cycles)
            assert_same(reference, rtl, program)
            spikes += len(runs[0].neuron_step)
        (new,), core = rtl.read_weights(), program.cores[0]
        moved = [new.sparse != core.sparse_weight, new.dense != core.dense_weight]
        changed += any(one.any() for one in moved)
        if len(core.sparse_weight):
            off = core.sparse_enable == 0
            kept += int(off.sum())
            assert not moved[0][off].any()
        taught += len(events.teacher_step)
        clipped += int(np.sum(reference.read_state().saturations))
        empty += int((rtl.image.plan.row < 0).sum())
    assert changed > count / 4
    assert min(spikes, taught, kept, empty) > 20, (spikes, taught, kept, empty)
    assert clipped > 20 or g is BARE
    rtl.close()


def test_learning_is_switched_and_a_state_goes_on_here_and_on_the_reference():
    rtl, reference = RtlBackend(simulator="compiled", geometry=SMALL), ReferenceBackend()
    emulator = EmulatorBackend()
    for seed, program in small_programs(SMALL, 8):
        events = small_events(program, 24, np.random.default_rng(seed))
        record = record_everything(program)
        for each in (rtl, reference, emulator):
            each.load(program)
        for start, stop, on in ((0, 6, False), (6, 13, True), (13, 15, False), (15, 24, True)):
            for each in (rtl, reference, emulator):
                each.set_learning(on)
            before = rtl.read_weights()
            some = part(events, start, stop)
            runs = [each.run(stop - start, some, record) for each in (reference, rtl)]
            assert_same_run(runs[0], runs[1], program, record)
            counted = emulator.run(stop - start, some, record).cycles
            np.testing.assert_array_equal(counted, runs[1].cycles)
            assert_same(reference, rtl, program)
            if not on:
                assert_same_weights(before, rtl.read_weights(), program)
            # Each goes on from what the other one has.
            here, there = rtl.read_state(), rtl.read_weights()
            rtl.load(program)
            rtl.write_weights(reference.read_weights())
            rtl.write_state(reference.read_state())
            reference.load(program)
            reference.write_state(here)
            reference.write_weights(there)
    rtl.close()


def test_counters_are_those_of_what_was_computed():
    rtl = RtlBackend(simulator="compiled", geometry=SMALL)
    for seed, program in small_programs(SMALL, 12):
        rtl.load(program)
        model = rtl.model

        def counted(name: str, model=model) -> int:
            low, high = (model.read(REGISTER[f"{name}_{half}"].address) for half in ("LOW", "HIGH"))
            return high << 32 | low

        names = ("SPIKES", "EVENTS", "CLIPPED_THRESHOLD", "CYCLES")
        before = {name: counted(name) for name in names}
        events = small_events(program, 12, np.random.default_rng(seed))
        run = rtl.run(12, events, record_everything(program))
        rows = program.cores[0].rows
        kind = program.projections[0].pre
        by_sender = np.zeros(program.channels + program.neurons, np.int64)
        source = program.source(kind)
        population = program.population(kind)
        if source is not None:
            places = source.first_channel + np.arange(source.size)
        else:
            assert population is not None
            places = program.channels + population.slot.astype(np.int64)
        np.add.at(by_sender, places[rows["pre"]], rows["count"])
        heard = run.neuron[run.neuron_step < 11]  # in the step after
        walked = by_sender[program.channels + heard].sum() + by_sender[events.spike_channel].sum()
        found = {name: counted(name) - before[name] for name in names}
        assert run.cycles is not None
        assert found == {
            "SPIKES": len(run.neuron), "EVENTS": walked, "CLIPPED_THRESHOLD": 0,
            "CYCLES": int(run.cycles.sum()),
        }, seed  # fmt: skip
        assert len(run.cycles) == 12
        assert (run.cycles > 0).all()
    rtl.close()
