"""The rtl device as its user meets it: what it takes, what it refuses, and how it says so."""

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
from support.tiny import Synapse, tiny_program

import spikeloom as sl
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl import RtlBackend, tools
from spikeloom.errors import DeviceError, FitError, UnsupportedError
from spikeloom.hdl.cycles import step_cycles
from spikeloom.hdl.geometry import Geometry
from spikeloom.runtime.backend import Events
from spikeloom.runtime.step_work import step_work

SMALL = Geometry(
    neurons=16, lanes=2, axons=64, rows=128, words=256, destinations=64, channels=64,
    generators=64, state_bits=16, weight_bits=8, delay_slots=4, receptors=2, accumulator_bits=20,
)  # fmt: skip


def test_amaranths_own_simulator_computes_the_same():
    for seed in range(3):
        program = random_program(
            seed, cores=1, neurons=12, delays=3, lanes=2, state_bits=16, weight_bits=6,
            accumulator_bits=18, receptors=2,
        )  # fmt: skip
        device, reference = RtlBackend(simulator="amaranth", geometry=SMALL), ReferenceBackend()
        events = random_events(program, 12, np.random.default_rng(seed))
        record = record_everything(program)
        for each in (device, reference):
            each.load(program)
        found = device.run(12, events, record)
        assert_same_run(reference.run(12, events, record), found, program, record)
        assert_same_state(reference.read_state(), device.read_state(), program)
        work = step_work(device.image, 12, found, events)
        np.testing.assert_array_equal(found.cycles, step_cycles(work))
        device.close()


def test_a_program_that_is_reloaded_or_replaced_starts_clean():
    programs = [
        random_program(
            seed, cores=1, neurons=12, delays=3, lanes=2, state_bits=16, weight_bits=6,
            accumulator_bits=18, receptors=2,
        )
        for seed in (11, 12)
    ]  # fmt: skip
    device = RtlBackend(simulator="amaranth", geometry=SMALL)
    runs = []
    for program in (*programs, *programs):
        device.load(program)
        events = random_events(program, 6, np.random.default_rng(0))
        runs.append(device.run(6, events, record_everything(program)))
    assert_same_run(runs[0], runs[2], programs[0])
    assert_same_run(runs[1], runs[3], programs[1])
    device.close()


def test_it_is_opened_by_name_and_counts_cycles():
    net = sl.Network(dt=1e-3)
    source = net.source("source", 3)
    pair = net.population("pair", 2, sl.IF(v_threshold=2.0))
    net.connect(source, pair, weights=np.ones((3, 2)))
    net.probe(pair, "spikes", "v")
    program = sl.compile(net, quantization=sl.Quantization(scale=16))
    raster = np.ones((4, 3), bool)
    results = []
    for url in ("reference", "rtl?simulator=amaranth&lanes=2"):
        with sl.open(url) as device:
            device.load(program)
            results.append(device.run(4, inputs={"source": raster}))
    expected, found = results
    np.testing.assert_array_equal(found.spikes["pair"], expected.spikes["pair"])
    np.testing.assert_array_equal(found.states["pair"]["v"], expected.states["pair"]["v"])
    # 13 of overhead, 2 groups of neurons, 8 until the first synapse, 3 rows of one each.
    assert found.cycles.tolist() == [26, 26, 26, 26]


def test_everything_that_does_not_fit_is_listed_at_once():
    geometry = Geometry(
        neurons=2, axons=1, rows=1, words=1, destinations=1, channels=1, profiles=1, lanes=1,
        weight_bits=16, receptors=2, accumulator_bits=31, delay_slots=2, state_bits=20,
        refractory_bits=2, adaptation=False,
    )  # fmt: skip
    neurons = [{"refractory": 4}, {"adapt_step": 3}, {}]
    synapses = [Synapse("c0", 0, 1), Synapse("c1", 1, 1, delay=5), Synapse("c1", 1, 2, delay=5)]
    with pytest.raises(FitError) as error:
        RtlBackend(simulator="amaranth", geometry=geometry).load(
            tiny_program(neurons, synapses, channels=2)
        )
    assert str(error.value) == (
        "the program does not fit the hardware core\n"
        "  found: neurons: 3 needed, 2 there; axons: 2 needed, 1 there; rows: 2 needed, 1 there;"
        " words: 3 needed, 1 there; destinations: 2 needed, 1 there; channels: 2 needed, 1 there;"
        " profiles: 3 needed, 1 there; delay_slots: 6 needed, 2 there;"
        " refractory_bits: 3 needed, 2 there; adaptation: 1 needed, 0 there;"
        " state_bits: exactly 24 needed, 20 there\n"
        "  remedy: generate a larger core, or compile for a target with this geometry"
    )


def test_graded_events_need_a_core_that_takes_them():
    geometry = Geometry(
        neurons=2, lanes=1, weight_bits=16, receptors=2, accumulator_bits=31, graded=False,
        words=16, delay_slots=1,
    )  # fmt: skip
    device = RtlBackend(simulator="amaranth", geometry=geometry)
    program = tiny_program([{}])
    device.load(program)
    none = Events.none()
    events = Events(
        none.spike_step, none.spike_channel, np.array([0]), np.array([0], np.int32),
        np.array([5], np.int32),
    )  # fmt: skip
    with pytest.raises(UnsupportedError, match=r"^this core is built without graded events"):
        device.run(1, events, record_everything(program))
    device.run(1, none, record_everything(program))
    device.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "lanes=12",
            "the generated hardware cannot have that many lanes\n  found: '12'\n"
            "  expected: a power of two from 1 to 64\n  where: option lanes",
        ),
        (
            "simulator=verilator",
            "no such simulator\n  found: 'verilator'\n  expected: one of auto, compiled, amaranth\n"
            "  where: device 'rtl'",
        ),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(DeviceError) as error:
        sl.open("rtl?" + options)
    assert str(error.value) == message


def test_without_a_compiler_the_slow_simulator_is_used_and_the_fast_one_explained(monkeypatch):
    monkeypatch.setenv("CXX", "/nonexistent/c++")
    assert tools.compiler() is None
    assert RtlBackend().describe()["simulator"] == "amaranth"
    with pytest.raises(DeviceError) as error:
        RtlBackend(simulator="compiled")
    assert str(error.value) == (
        "the core cannot be compiled here\n"
        "  found: no C++ compiler (g++, clang++ or $CXX) on the path\n"
        "  where: device 'rtl'\n"
        '  remedy: install it, or open "rtl?simulator=amaranth", which is slower'
    )
