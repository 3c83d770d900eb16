"""The generated hardware computes what the reference computes, to the bit, on random Programs.

Compared are the spikes of all neurons and channels, v, u0, u1 and the threshold after every step,
and at the end the whole state: wheel, refractory counters, sticky bits, all counters.
"""

from __future__ import annotations

import numpy as np
import pytest
from support.programs import (
    assert_same_run,
    assert_same_state,
    random_events,
    record_everything,
)
from support.rtl import GEOMETRIES, device, needs_compiler, program_for

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.runtime.backend import Events, Record

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
    for seed in range(90):
        program = program_for(name, seed)
        steps = 20 + seed % 30
        events = events_for(program, steps, seed, GEOMETRIES[name].graded)
        # Runs without state records go through many steps in one go.
        record = record_everything(program) if seed % 3 == 0 else spikes_only(program)
        for each in (rtl, reference):
            each.load(program)
        assert_same_run(
            reference.run(steps, events, record), rtl.run(steps, events, record), program, record
        )
        assert_same_state(reference.read_state(), rtl.read_state(), program)
        for found, core in zip(rtl.read_weights(), program.cores, strict=True):
            np.testing.assert_array_equal(found.sparse, core.sparse_weight)
            np.testing.assert_array_equal(found.dense, core.dense_weight)
    rtl.close()
