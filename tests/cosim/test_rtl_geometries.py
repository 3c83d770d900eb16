"""Cores of random widths and with random parts, each with a random Program of its own.

Amaranth's simulator needs no compiler, so that many cores cost little; what the few compiled ones
do with hundreds of Programs is in ``test_rtl_programs.py``.
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
from support.rtl import program_that_fits, random_geometry

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl import RtlBackend
from spikeloom.hdl.cycles import step_cycles
from spikeloom.runtime.backend import Events
from spikeloom.runtime.step_work import step_work

pytestmark = pytest.mark.slow

STEPS = 5


@pytest.mark.parametrize("first", range(0, 36, 6))
def test_random_cores_agree_with_the_reference(first):
    for seed in range(first, first + 6):
        geometry = random_geometry(seed)
        neurons = min(geometry.neurons, 5 + seed % 9)
        program = program_that_fits(geometry, seed, neurons=neurons)
        events = random_events(program, STEPS, np.random.default_rng(seed))
        if not geometry.graded:
            none = Events.none()
            events = Events(
                events.spike_step, events.spike_channel,
                none.graded_step, none.graded_neuron, none.graded_value,
            )  # fmt: skip
        record = record_everything(program)
        rtl, reference = RtlBackend(simulator="amaranth", geometry=geometry), ReferenceBackend()
        for each in (rtl, reference):
            each.load(program)
        found = rtl.run(STEPS, events, record)
        assert_same_run(reference.run(STEPS, events, record), found, program, record)
        assert_same_state(reference.read_state(), rtl.read_state(), program)
        work = step_work(rtl.image, STEPS, found, events)
        np.testing.assert_array_equal(found.cycles, step_cycles(work), f"seed {seed}")
        rtl.close()
