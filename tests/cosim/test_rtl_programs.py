"""The generated hardware computes what the reference computes, to the bit, on random Programs.

Compared are the spikes of all neurons and channels, v, u0, u1 and the threshold after every step,
at the end the whole state: wheel, refractory counters, sticky bits, all counters; and the clock
cycles of each step with the formula.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.programs import (
    assert_same_run,
    assert_same_state,
    random_events,
    record_everything,
)
from support.rtl import GEOMETRIES, device, host_access, needs_compiler, program_for

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.hdl.cycles import step_cycles
from spikeloom.hdl.registers import IDENT_VALUE, REGISTER
from spikeloom.runtime.backend import CoreWeights, Events, Record, State
from spikeloom.runtime.step_work import step_work

pytestmark = [needs_compiler, pytest.mark.slow]


def events_for(program, steps, seed, graded):
    events = random_events(program, steps, np.random.default_rng(seed))
    if graded:
        return events
    none = Events.none()
    return Events(
        events.spike_step, events.spike_channel,
        none.graded_step, none.graded_neuron, none.graded_value,
    )  # fmt: skip


def spikes_only(program):
    return Record(np.ones(program.neurons, bool), np.ones(program.channels, bool))


@pytest.mark.parametrize("name", list(GEOMETRIES))
def test_rtl_agrees_with_the_reference(name):
    rtl, reference = device(name), ReferenceBackend()
    for seed in range(100):
        program = program_for(name, seed)
        steps = 20 + seed % 30
        events = events_for(program, steps, seed, GEOMETRIES[name].graded)
        # Runs without state records go through many steps in one go.
        record = record_everything(program) if seed % 3 == 0 else spikes_only(program)
        for each in (rtl, reference):
            each.load(program)
        found = rtl.run(steps, events, record)
        assert_same_run(reference.run(steps, events, record), found, program, record)
        assert_same_state(reference.read_state(), rtl.read_state(), program)
        for weights, core in zip(rtl.read_weights(), program.cores, strict=True):
            np.testing.assert_array_equal(weights.sparse, core.sparse_weight)
            np.testing.assert_array_equal(weights.dense, core.dense_weight)
        work = step_work(rtl.image, steps, found, events)
        np.testing.assert_array_equal(found.cycles, step_cycles(work))
    rtl.close()


@pytest.mark.parametrize("name", ["2 lanes, 16 bits", "4 lanes, 24 bits"])
def test_a_state_goes_on_identically_here_and_on_the_reference(name):
    for seed in range(1000, 1012):
        program = program_for(name, seed)
        events = events_for(program, 50, seed, GEOMETRIES[name].graded)
        record = record_everything(program)
        devices = [device(name), ReferenceBackend(), device(name)]
        for each in devices:
            each.load(program)
        one, other, whole = devices
        stop = 5 + seed % 30
        whole_run = whole.run(50, events, record)
        run_part(one, events, 0, stop, record)
        other.write_state(one.read_state())
        one.run(3, Events.none(), record)  # something to overwrite
        one.write_state(other.read_state())
        expected = run_part(other, events, stop, 50, record)
        found = run_part(one, events, stop, 50, record)
        assert_same_run(expected, found, program, record)
        assert_same_state(other.read_state(), one.read_state(), program)
        assert_same_state(whole.read_state(), one.read_state(), program)
        # Where a run is cut changes nothing about a step, its length in cycles included.
        np.testing.assert_array_equal(found.cycles, whole_run.cycles[stop:])
        for each in devices:
            each.close()


def test_the_state_may_be_of_any_step_and_have_counted_more_than_the_hardware_can():
    name = "8 lanes, 18 bits"
    for seed, step in ((5, (1 << 32) - 7), (6, 1 << 40), (7, (1 << 48) + 3)):
        program = program_for(name, seed)
        start = replace(
            State.initial(program), step=step, spikes=1 << 60, synaptic_events=(1 << 60) + 1
        )
        events = random_events(program, 30, np.random.default_rng(seed))
        rtl, reference = device(name), ReferenceBackend()
        for each in (rtl, reference):
            each.load(program)
            each.write_state(start)
        record = record_everything(program)
        assert_same_run(reference.run(30, events, record), rtl.run(30, events, record), program)
        assert_same_state(reference.read_state(), rtl.read_state(), program)
        rtl.close()


def test_written_weights_count_from_the_next_step_on_and_are_read_back():
    name = "1 lane, 12 bits"
    for seed in range(2000, 2008):
        program = program_for(name, seed)
        rng = np.random.default_rng(seed)
        core = program.cores[0]
        new = CoreWeights(*(
            (w * rng.choice([-1, 0, 1], len(w))).clip(-program.target.weight_max).astype(w.dtype)
            for w in (core.sparse_weight, core.dense_weight)
        ))  # fmt: skip
        events = random_events(program, 20, rng)
        runs = []
        for each in (ReferenceBackend(), device(name)):
            each.load(program)
            each.write_weights((new,))
            runs.append(each.run(20, events, record_everything(program)))
            (found,) = each.read_weights()
            np.testing.assert_array_equal(found.sparse, new.sparse)
            np.testing.assert_array_equal(found.dense, new.dense)
            each.close()
        assert_same_run(*runs, program)


def test_the_bus_reads_and_writes_what_the_back_door_does_while_registers_tell_the_geometry():
    name = "4 lanes, 24 bits"
    rtl, program = device(name), program_for(name, 3)
    host_access(program)(rtl)
    assert rtl.model.read(REGISTER["IDENT"].address) == IDENT_VALUE
    rtl.close()


def run_part(each, events, start, stop, record):
    spikes = slice(*np.searchsorted(events.spike_step, [start, stop]))
    graded = slice(*np.searchsorted(events.graded_step, [start, stop]))
    part = Events(
        events.spike_step[spikes] - start,
        events.spike_channel[spikes],
        events.graded_step[graded] - start,
        events.graded_neuron[graded],
        events.graded_value[graded],
    )
    return each.run(stop - start, part, record)
