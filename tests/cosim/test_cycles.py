"""The emulator's clock cycles are the generated hardware's, in every step.

Three computations meet: the hardware counts; the emulator's compiled kernel follows its spikes
through the Program's rows; and ``step_work`` follows the recorded spikes through the packed image,
by the recurrence as ``hdl/cycles.py`` has it, which the NumPy kernel uses, too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.programs import random_events, random_program, record_everything
from support.rtl import GEOMETRIES, needs_compiler, program_for
from support.rtl import device as rtl_device
from support.tiny import Synapse, tiny_program

import spikeloom as sl
from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.rtl import RtlBackend
from spikeloom.backends.rtl.fit import geometry_for
from spikeloom.compiler.program import PERIODIC
from spikeloom.errors import DeviceError, UnsupportedError
from spikeloom.hdl.cycles import step_cycles
from spikeloom.hdl.geometry import default_update_lanes
from spikeloom.runtime import timing as timing_module
from spikeloom.runtime.backend import Events, Record
from spikeloom.runtime.cosim import cosim
from spikeloom.runtime.images import HardwareImage
from spikeloom.runtime.step_work import step_work
from spikeloom.runtime.timing import Timing, row_entries

KERNELS = {
    "C kernel": {"kernel": "c"},
    "C kernel, 3 threads": {"kernel": "c", "threads": 3},
    "NumPy kernel": {"kernel": "numpy"},
}

USUAL = [n for n, g in GEOMETRIES.items() if g.update_lanes == default_update_lanes(g.lanes)]
"""Cores that update as many neurons at a time as the emulator takes them to."""


def emulator(name, program, **options):
    device = EmulatorBackend(**KERNELS[name], **options)
    device.load(program)
    return device


def by_formula(program, lanes, steps, run, events, fired=None):
    image = HardwareImage(program, geometry_for(program, lanes))
    return step_cycles(step_work(image, steps, run, events, fired))


def nothing_recorded(program):
    return Record(np.zeros(program.neurons, bool), np.zeros(program.channels, bool))


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", USUAL)
def test_the_kernels_count_what_the_hardware_takes(name):
    hardware = rtl_device(name)
    different = set()
    for seed in range(3000, 3080):
        program = program_for(name, seed)
        steps = 15 + seed % 30
        events = random_events(program, steps, np.random.default_rng(seed))
        if not GEOMETRIES[name].graded:
            none = Events.none()
            events = replace(
                events,
                graded_step=none.graded_step,
                graded_neuron=none.graded_neuron,
                graded_value=none.graded_value,
            )
        record = nothing_recorded(program)
        hardware.load(program)
        expected = hardware.run(steps, events, record).cycles
        assert expected is not None
        different |= set(expected.tolist())
        for kernel in KERNELS:
            device = emulator(kernel, program)
            found = device.run(steps, events, record)
            np.testing.assert_array_equal(found.cycles, expected, f"seed {seed}, {kernel}")
            device.close()
    assert len(different) > 50
    hardware.close()


@pytest.mark.parametrize("kernel", list(KERNELS))
@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16, 32, 64])
def test_the_kernels_count_by_the_formula(kernel, lanes):
    for seed in range(4000, 4025):
        # Some are large enough for several threads to have work.
        program = random_program(seed, cores=1, neurons=None if seed % 5 else 400)
        events = random_events(program, 25, np.random.default_rng(seed))
        device = emulator(kernel, program, lanes=lanes)
        found = device.run(25, events, record_everything(program))
        expected = by_formula(program, lanes, 25, found, events)
        np.testing.assert_array_equal(found.cycles, expected, f"seed {seed}")
        device.close()


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_where_a_run_is_cut_changes_nothing(kernel):
    for seed in range(5000, 5020):
        program = random_program(seed, cores=1, neurons=200)
        events = random_events(program, 40, np.random.default_rng(seed))
        record = record_everything(program)
        whole, first, second = (emulator(kernel, program) for _ in range(3))
        expected = whole.run(40, events, record).cycles
        stop = 1 + seed % 39
        early, late = (
            Events(
                events.spike_step[spikes] - start,
                events.spike_channel[spikes],
                events.graded_step[graded] - start,
                events.graded_neuron[graded],
                events.graded_value[graded],
            )
            for start, end in ((0, stop), (stop, 40))
            for spikes in [slice(*np.searchsorted(events.spike_step, [start, end]))]
            for graded in [slice(*np.searchsorted(events.graded_step, [start, end]))]
        )
        found = first.run(stop, early, record)
        # What was fired in the last step is walked, and paid for, in the next one.
        second.write_state(first.read_state())
        rest = second.run(40 - stop, late, record)
        np.testing.assert_array_equal(np.append(found.cycles, rest.cycles), expected)
        fired = first.read_state().fired
        by_hand = by_formula(program, None, 40 - stop, rest, late, fired)
        np.testing.assert_array_equal(rest.cycles, by_hand)
        for device in (whole, first, second):
            device.close()


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_long_runs_and_channels_that_the_compiled_kernel_drives_without_rows(kernel):
    """More steps than are computed at a time, and a run of Poisson channels one to one."""
    net = sl.Network(dt=1e-3)
    noise = net.source("noise", 200, sl.Poisson(rate=np.linspace(5, 400, 200), seed=4))
    clock = net.source("clock", 3, sl.Periodic(period=7e-3))
    cells = net.population("cells", 200, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(noise, cells, weights=0.4, connector=sl.OneToOne())
    net.connect(clock, cells, weights=0.2, connector=sl.AllToAll())
    net.connect(cells, cells, weights=0.01, connector=sl.FixedProbability(0.1, seed=1))
    program = sl.compile(net)
    device = emulator(kernel, program)
    steps = 20_000 if kernel == "C kernel" else 2_000
    found = device.run(steps, Events.none(), record_everything(program))
    expected = by_formula(program, None, steps, found, Events.none())
    np.testing.assert_array_equal(found.cycles, expected)
    assert len(np.unique(expected)) > 100
    device.close()


def test_rows_are_those_of_the_image_however_they_are_cut(monkeypatch):
    for seed in range(6000, 6030):
        program = random_program(seed, cores=1)
        for lanes in (1, 4, 16, 64):
            image = HardwareImage(program, geometry_for(program, lanes))
            for chunk in (1, 40, 1 << 20):
                monkeypatch.setattr(timing_module, "_CHUNK", chunk)
                found = row_entries(program.cores[0], lanes)
                np.testing.assert_array_equal(found, image.sender_rows.entries)
            rows = Timing.of(program, lanes).rows
            origins = np.append(image.channel_origin, np.arange(program.neurons))
            for source, origin in enumerate(origins):
                np.testing.assert_array_equal(
                    rows_of(rows, source), rows_of(image.sender_rows, origin)
                )


def rows_of(rows, sender):
    return rows.row[rows.start[sender] : rows.start[sender + 1]]


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_a_step_counted_by_hand(kernel):
    """Two lanes, five neurons, updated one by one. One graded event; n0 fires in step 0."""
    synapses = [
        Synapse("c0", 0, 3),  # lane 0: one
        *(Synapse("c1", target, 0) for target in (0, 2, 4, 1)),  # lane 0: three, lane 1: one
        *(Synapse("n0", target, 0) for target in range(4)),  # two each
    ]
    program = tiny_program([{"threshold": 2}] + [{"threshold": 9}] * 4, synapses, channels=2)
    events = Events(
        np.array([0, 0, 1, 3]),
        np.array([0, 1, 1, 0], np.int32),
        np.array([2]),
        np.array([4], np.int32),
        np.array([1], np.int32),
    )
    device = emulator(kernel, program, lanes=2)
    found = device.run(4, events, record_everything(program))
    assert found.neuron_step.tolist() == [0, 3]
    # A step's overhead is 13, its groups 5; the first synapse of the host comes 8 cycles after the
    # start, that of a neuron 10, and then each lane goes through its own without a pause.
    assert found.cycles is not None
    assert found.cycles.tolist() == [18 + 8 + 4, 18 + 10 + 2 + 3, 18 + 1, 18 + 8 + 1]
    device.close()


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_generators_wait_for_the_end_of_many_graded_events(kernel):
    synapses = [Synapse("c0", target, 1) for target in range(20)]
    generators = [(0, PERIODIC, 0, 0, 1, 0)]
    program = tiny_program(
        [{"threshold": 99}] * 20, synapses, channels=1, generators=generators, lanes=2
    )
    numbers = np.arange(20, dtype=np.int32)
    events = replace(
        Events.none(),
        graded_step=np.zeros(20, np.int64),
        graded_neuron=numbers,
        graded_value=numbers,
    )
    device = emulator(kernel, program)
    hardware = RtlBackend(simulator="amaranth")
    hardware.load(program)
    found = [each.run(2, events, nothing_recorded(program)).cycles for each in (device, hardware)]
    # One group of generators, 20 of neurons: 18, or 8 + 20, until the first of 10 synapses.
    assert [cycles.tolist() for cycles in found if cycles is not None] == [[71, 61]] * 2
    device.close()
    hardware.close()


def test_lanes_are_an_option_and_compared_in_lockstep():
    net = sl.Network(dt=1e-3)
    source = net.source("source", 3)
    net.connect(source, net.population("pair", 2, sl.IF(v_threshold=2.0)), weights=np.ones((3, 2)))
    program = sl.compile(net, quantization=sl.Quantization(scale=16))
    given = {"source": np.ones((4, 3), bool)}
    assert cosim(program, ["emulator", "emulator?kernel=numpy", "reference"], 4, given) is None
    assert cosim(program, ["emulator?lanes=1", "rtl?simulator=amaranth&lanes=1"], 4, given) is None
    found = cosim(program, ["emulator?lanes=2", "emulator?lanes=1"], 4, given)
    assert str(found) == (
        "step 0: cycles of 'device' is 26 on emulator?lanes=2, 29 on emulator?lanes=1"
    )


@pytest.mark.parametrize("kernel", ["c", "numpy"])
def test_counting_is_an_option(kernel):
    program = random_program(7, cores=1, neurons=60)
    events, record = random_events(program, 20, np.random.default_rng(7)), nothing_recorded(program)
    runs = []
    for cycles in ("on", "off", True, False):
        device = EmulatorBackend(kernel=kernel, cycles=cycles)
        device.load(program)
        runs.append(device.run(20, events, record))
        assert device.describe()["cycles"] == (runs[-1].cycles is not None)
        device.close()
    assert [run.cycles is not None for run in runs] == [True, False, True, False]
    assert not any(len(run.neuron) or len(run.channel) for run in runs)
    with sl.open("emulator?cycles=off") as device:
        device.load(tiny_program([{}], []))
        result = device.run(1)
    with pytest.raises(UnsupportedError) as error:
        _ = result.cycles
    assert str(error.value) == (
        "this device does not count clock cycles\n"
        "  found: emulator?cycles=off\n"
        '  remedy: run the Program on "emulator", or on "rtl", the generated hardware'
    )


def test_a_wrong_switch():
    with pytest.raises(DeviceError) as error:
        EmulatorBackend(cycles="no")
    assert str(error.value) == (
        "the emulator's option cycles has no such value\n"
        "  found: 'no'\n"
        "  expected: 'on', 'off' or 'auto'\n"
        "  where: option cycles"
    )


def test_what_is_recorded_does_not_depend_on_counting():
    for seed in range(7000, 7010):
        program = random_program(seed, cores=1, neurons=200)
        rng = np.random.default_rng(seed)
        events = random_events(program, 30, rng)
        record = Record(rng.random(program.neurons) < 0.3, rng.random(program.channels) < 0.5)
        found = []
        for threads, cycles in ((1, "off"), (1, "on"), (3, "on")):
            device = EmulatorBackend(kernel="c", threads=threads, cycles=cycles)
            device.load(program)
            found.append(device.run(30, events, record))
            device.close()
        for run in found[1:]:
            for name in ("neuron_step", "neuron", "channel_step", "channel"):
                np.testing.assert_array_equal(getattr(run, name), getattr(found[0], name))


@pytest.mark.parametrize("lanes", ["3", 128, 0, "many", ""])
def test_a_wrong_number_of_lanes(lanes):
    with pytest.raises(DeviceError) as error:
        EmulatorBackend(lanes=lanes)
    assert str(error.value) == (
        "the generated hardware cannot have that many lanes\n"
        f"  found: {lanes!r}\n"
        "  expected: a power of two from 1 to 64\n"
        "  where: option lanes"
    )


@pytest.mark.parametrize("url", ["emulator", "emulator?kernel=numpy"])
def test_cycles_of_several_cores_are_counted_only_when_asked_for(url):
    program = tiny_program([{}, {"core": 1}], [Synapse("n0", 1, 1)])
    with sl.open(url) as device:
        device.load(program)
        results = list(device.stream(4, every=2))
    for result in (*results, sl.Result.join(results)):
        with pytest.raises(UnsupportedError) as error:
            _ = result.cycles
        assert str(error.value) == (
            "the clock cycles of this run are not known\n"
            "  found: a program of 2 cores, and nobody asked for them "
            "(emulator?cycles=on)\n"
            f"  where: device {url!r}\n"
            '  remedy: open "emulator?cycles=on"; or compile for a target with larger cores'
        )
    with sl.open(url, cycles="on") as device:
        device.load(program)
        assert device.run(2).cycles.tolist() == [15, 15]  # nothing is sent
