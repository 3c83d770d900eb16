"""The generated hardware learns what the reference learns, to the bit, on random plastic Programs.

Compared are all spikes and states after every step, at the end weights, learned delays, traces,
tags and everything else that is carried on; and the clock cycles of each step with the formula,
and with both kernels of the emulator.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from support.edges import rules_at_the_edge
from support.programs import (
    assert_same_run,
    assert_same_state,
    assert_same_weights,
    part,
    random_events,
    record_everything,
)
from support.rtl import needs_compiler
from support.rtl_learning import LEARNING_GEOMETRIES, learning_device, plastic_program_for

import spikeloom as sl
from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl.modelled import ModelledDevice
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.compiler.microcode import When
from spikeloom.errors import FitError
from spikeloom.hdl.cycles import step_cycles
from spikeloom.hdl.geometry import LEARNING_FLAGS, Geometry
from spikeloom.hdl.layout import BANKED
from spikeloom.runtime.backend import Events
from spikeloom.runtime.images import HardwareImage
from spikeloom.runtime.link.transport import InProcess
from spikeloom.runtime.step_work import step_work

pytestmark = [needs_compiler, pytest.mark.slow]

EVERYTHING, SMALL = LEARNING_GEOMETRIES


def events_for(name: str, program, steps: int, seed: int) -> Events:
    events = random_events(program, steps, np.random.default_rng(seed))
    if LEARNING_GEOMETRIES[name].graded:
        return events
    none = Events.none()
    fields = ("graded_step", "graded_neuron", "graded_value")
    return replace(events, **{field: getattr(none, field) for field in fields})


@pytest.mark.parametrize("name", list(LEARNING_GEOMETRIES))
def test_the_hardware_learns_what_the_reference_learns(name):
    rtl, reference = learning_device(name), ReferenceBackend()
    emulators = [EmulatorBackend(kernel=kernel) for kernel in ("c", "numpy")]
    changed = whens = 0
    for seed in range(110):
        program = plastic_program_for(name, seed)
        steps = 12 + seed % 10
        events = events_for(name, program, steps, seed)
        if seed % 2:
            program = rules_at_the_edge(program, events, np.random.default_rng(seed))
            program.verify()
        record = record_everything(program)
        for each in (rtl, reference):
            each.load(program)
        found = rtl.run(steps, events, record)
        assert_same_run(reference.run(steps, events, record), found, program, record)
        assert_same_state(reference.read_state(), rtl.read_state(), program)
        assert_same_weights(reference.read_weights(), rtl.read_weights(), program)
        np.testing.assert_array_equal(
            found.cycles, step_cycles(step_work(rtl.image, steps, found, events)), f"seed {seed}"
        )
        for emulator in emulators:
            emulator.load(program)
            cycles = emulator.run(steps, events, record).cycles
            np.testing.assert_array_equal(found.cycles, cycles, f"seed {seed}")
        (weights,), core = rtl.read_weights(), program.cores[0]
        changed += not (
            np.array_equal(weights.sparse, core.sparse_weight)
            and np.array_equal(weights.dense, core.dense_weight)
        )
        whens |= sum({1 << group.when for rule in program.rules for group in rule.groups})
    assert changed > 50
    assert whens == sum(1 << when for when in When)
    for each in (rtl, *emulators):
        each.close()


def test_rows_that_learn_may_be_longer_than_the_memory_of_others():
    """Where all synapses learn, the memory of the others is as small as can be."""
    net = sl.Network(dt=1e-3)
    few = net.source("few", 5)
    many = net.population("many", 300, sl.LIF(tau_mem=20e-3, v_threshold=0.3))
    weights = np.random.default_rng(0).uniform(0.01, 0.2, (5, 300))
    net.connect(few, many, weights=weights, learning=sl.STDP(w_max=0.25))
    net.probe(many, "spikes", "v")
    program = sl.compile(net, target=sl.TARGETS["core"].with_(lanes=4))
    inputs = {"few": [(step, step % 5) for step in range(40)]}
    assert sl.cosim(program, ["reference", "emulator", "rtl"], steps=40, inputs=inputs) is None
    with sl.open("rtl") as device:
        device.load(program)
        assert device.run(40, inputs).spikes["many"].size
        learned = device.read_weights("few->many")
    assert not np.allclose(learned, weights, atol=0.01)


def test_learning_is_switched_and_a_state_goes_on_here_and_on_the_reference():
    rtl, reference = learning_device(SMALL), ReferenceBackend()
    for seed in range(500, 512):
        program = plastic_program_for(SMALL, seed)
        events = events_for(SMALL, program, 24, seed)
        record = record_everything(program)
        for each in (rtl, reference):
            each.load(program)
        for start, stop, on in ((0, 6, False), (6, 13, True), (13, 15, False), (15, 24, True)):
            for each in (rtl, reference):
                each.set_learning(on)
            before = (start, rtl.read_state().learning)
            fired = rtl.read_state().fired
            some = part(events, start, stop)
            found = rtl.run(stop - start, some, record)
            expected = reference.run(stop - start, some, record)
            assert_same_run(expected, found, program, record)
            work = step_work(rtl.image, stop - start, found, some, fired, before)
            np.testing.assert_array_equal(found.cycles, step_cycles(work))
            assert_same_state(reference.read_state(), rtl.read_state(), program)
            assert_same_weights(reference.read_weights(), rtl.read_weights(), program)
            # Each goes on from what the other one has.
            here, there = rtl.read_state(), rtl.read_weights()
            rtl.load(program)
            rtl.write_weights(reference.read_weights())
            rtl.write_state(reference.read_state())
            reference.load(program)
            reference.write_state(here)
            reference.write_weights(there)
    rtl.close()


def test_a_device_behind_a_link_learns_the_same():
    line = ModelledDevice(LEARNING_GEOMETRIES[SMALL])
    device, reference = RemoteBackend(InProcess(line.exchange)), ReferenceBackend()
    # Loaded one after the other: each Program meets what the one before it left.
    for seed in (3, 4):
        program = plastic_program_for(SMALL, seed)
        events = events_for(SMALL, program, 8, seed)
        record = record_everything(program)
        for each in (device, reference):
            each.load(program)
        found = device.run(8, events, record)
        assert_same_run(reference.run(8, events, record), found, program, record)
        assert_same_state(reference.read_state(), device.read_state(), program)
        assert_same_weights(reference.read_weights(), device.read_weights(), program)
        device.verify()
    device.close()


def test_the_bus_reads_and_writes_the_engines_memories():
    rtl = learning_device(SMALL)
    rtl.load(plastic_program_for(SMALL, 3))
    model, rng = rtl.model, np.random.default_rng(0)
    for table in model.tables.values():
        if table.region < model.tables["plastic"].region:
            continue
        entries = table.depth * (model.lanes(table.name) if table.kind == BANKED else 1)
        before = model.table(table.name)
        for entry in rng.integers(0, entries, 8).tolist():
            for column, width in enumerate(table.widths):
                address = table.address(entry, column)
                assert model.read(address) == before[column][entry], table.name
                before[column][entry] = value = int(rng.integers(1 << width))
                model.write(address, value)
                assert model.read(address) == value, table.name
        for column, words in enumerate(model.table(table.name)):
            np.testing.assert_array_equal(words, before[column])
    rtl.close()


def test_what_a_core_cannot_learn_is_refused():
    g = LEARNING_GEOMETRIES[EVERYTHING]
    sizes = {name: getattr(g, name) for name in ("rules", "plastic", "slots", "code", "factors")}
    widths = {"fraction": 1, "coefficient_bits": 2, "sum_bits": 2}
    none = dict.fromkeys(LEARNING_FLAGS, False)
    named = set()
    for seed in (10, 0, 2, 4):
        with pytest.raises(FitError) as caught:
            HardwareImage(
                plastic_program_for(EVERYTHING, seed),
                replace(g, **dict.fromkeys(sizes, 1), **none, **widths),
            )
        named |= set(re.findall(r"(\w+): \d+ needed", str(caught.value)))
    assert named >= {*sizes, *none, *widths}
    static = {name: Geometry.__dataclass_fields__[name].default for name in (*sizes, *widths)}
    with pytest.raises(FitError, match=r"rules: \d needed, 0 there"):
        HardwareImage(plastic_program_for(EVERYTHING, 10), replace(g, **static, **none))
