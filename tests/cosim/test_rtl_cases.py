"""Cases whose cycles the documentation names, and lanes by the dozen, on the hardware itself."""

from __future__ import annotations

import numpy as np
import pytest
from support.programs import (
    assert_same_run,
    assert_same_state,
    random_events,
    random_program,
    record_everything,
)
from support.rtl import needs_compiler

import spikeloom as sl
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl import RtlBackend
from spikeloom.hdl.cycles import HOST, OVERHEAD, step_cycles
from spikeloom.runtime.step_work import step_work
from spikeloom.runtime.timing import Timing, row_entries


def cycles_of(sizes, lanes, spikes_in, steps):
    """Cycles per step of a dense feed-forward network in which nobody fires."""
    net = sl.Network(dt=1e-3)
    before = net.source("in", sizes[0])
    for number, size in enumerate(sizes[1:]):
        population = net.population(f"p{number}", size, sl.IF(v_threshold=1e6))
        net.connect(before, population, weights=np.ones((before.size, size)))
        before = population
    program = sl.compile(net, quantization=sl.Quantization(scale=1))
    raster = np.zeros((steps, sizes[0]), bool)
    raster[:, np.linspace(0, sizes[0] - 1, spikes_in).astype(int)] = True
    with sl.open("rtl", lanes=lanes, simulator="amaranth") as device:
        device.load(program)
        return device.run(steps, inputs={"in": raster}).cycles.tolist()


@pytest.mark.slow
def test_ninety_neurons_with_sixty_four_inputs():
    # NeuroCoreX takes 96,000 clock cycles. 8 + 20 · ⌈90 / 8⌉ + 13 + ⌈90 / 4⌉:
    assert cycles_of((64, 90), 8, 20, 3) == [284] * 3


@pytest.mark.parametrize("lanes", [4, pytest.param(8, marks=pytest.mark.slow), 16, 32])
def test_sparse_rows_take_little_more_than_their_synapses_dealt_evenly(lanes):
    """10 % random targets of 256 neurons: within 15 % of ⌈F / P⌉; with 8 lanes on the hardware."""
    net = sl.Network(dt=1e-3)
    source = net.source("in", 256)
    cells = net.population("cells", 256, sl.IF(v_threshold=1e6))
    net.connect(source, cells, weights=1.0, connector=sl.FixedProbability(0.1, seed=1))
    program = sl.compile(net, sl.Target(lanes=lanes), sl.Quantization(scale=1))
    steps, spikes = 8, 26
    raster = np.zeros((steps, 256), bool)
    rng = np.random.default_rng(1)
    for row in raster:
        row[rng.choice(256, spikes, replace=False)] = True
    found = []
    for device in ("emulator", "rtl?simulator=amaranth")[: 2 if lanes == 8 else 1]:
        with sl.open(device, lanes=lanes) as opened:
            opened.load(program)
            found.append(opened.run(steps, inputs={"in": raster}).cycles.tolist())
    assert found[0] == found[-1]
    entries = row_entries(program.cores[0], lanes)[np.nonzero(raster)[1]]
    least = int((-(-entries.sum(axis=1) // lanes)).sum())
    fixed = HOST + OVERHEAD + Timing.of(program, lanes).groups
    walked = sum(found[0]) - steps * fixed
    assert walked <= 1.15 * least
    assert entries.max(axis=1).sum() > 1.15 * least  # what lanes in lock step would take


@needs_compiler
@pytest.mark.slow
def test_neurons_dealt_to_lanes_are_the_same_neurons():
    """Slots out of order: spikes, states, weights, tags, cycles, and a state that moves over."""
    net = sl.Network(dt=1e-3, seed=5)
    source = net.source("in", 40)
    cells = net.population("cells", 56, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    out = net.population("out", 8, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    some = np.random.default_rng(1)
    net.connect(source, cells, weights=some.uniform(0.0, 0.2, (40, 56)))
    random = sl.FixedProbability(0.2, seed=1)
    net.connect(cells, cells, weights=0.25, connector=random, delay=2e-3)
    net.connect(cells, out, weights=some.uniform(0.1, 0.5, (56, 8)), learning=sl.STDP(w_max=1.0))
    net.probe(cells, "spikes", "v")
    net.probe(out, "spikes", "v")
    program = sl.compile(net)
    order = program.population("cells").slot.tolist()
    assert sorted(order) == list(range(56))
    assert order != list(range(56))
    raster = np.random.default_rng(2).random((60, 40)) < 0.2
    with sl.open("emulator") as emulator, sl.open("rtl?simulator=compiled") as rtl:
        results = []
        for device in (emulator, rtl):
            device.load(program)
            results.append(device.run(30, inputs={"in": raster[:30]}))
        rtl.restore(emulator.snapshot())
        results += [device.run(30, inputs={"in": raster[30:]}) for device in (emulator, rtl)]
        weights = [device.read_weights("cells->out").raw for device in (emulator, rtl)]
    for one, other in (results[:2], results[2:]):
        assert one.cycles.tolist() == other.cycles.tolist()
        for name in ("cells", "out"):
            assert len(one.spikes[name])
            np.testing.assert_array_equal(one.spikes[name], other.spikes[name])
            np.testing.assert_array_equal(one.states[name]["v"].raw, other.states[name]["v"].raw)
    np.testing.assert_array_equal(*weights)


@pytest.mark.slow
def test_many_lanes_compute_the_same():
    lanes = 32
    program = random_program(
        50, cores=1, neurons=60, delays=2, lanes=lanes, state_bits=16, weight_bits=8,
        accumulator_bits=20, receptors=1,
    )  # fmt: skip
    device, reference = RtlBackend(simulator="amaranth"), ReferenceBackend()
    events = random_events(program, 6, np.random.default_rng(50))
    record = record_everything(program)
    for each in (device, reference):
        each.load(program)
    found = device.run(6, events, record)
    assert_same_run(reference.run(6, events, record), found, program, record)
    assert_same_state(reference.read_state(), device.read_state(), program)
    work = step_work(device.image, 6, found, events)
    np.testing.assert_array_equal(found.cycles, step_cycles(work))
    assert len(np.unique(found.neuron % lanes)) > 20
    device.close()
