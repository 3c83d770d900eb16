"""The device ``lava`` against the reference: equal u, v, spikes, state and weights."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same_run, assert_same_state
from support.lava_networks import SMALL_CORES, lava_url, random_input, random_lava_network

import spikeloom as sl
from spikeloom.runtime.backend import Events, Record
from spikeloom.runtime.symbols import Symbols
from spikeloom.stimulus import make_stimulus

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_be_silent\]"),
    pytest.mark.filterwarnings(r"ignore:.*are times given in seconds"),
    pytest.mark.filterwarnings("ignore::spikeloom.RoundingWarning"),
]

STEPS = 50


@pytest.fixture(scope="module")
def lava():
    with sl.open(lava_url()) as device:
        yield device


def compiled(net: sl.Network, quantization: sl.Quantization, seed: int) -> sl.Program:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sl.compile(net, SMALL_CORES if seed % 3 == 0 else "core", quantization)


def everything(program: sl.Program) -> Record:
    everyone = np.arange(program.neurons)
    states: Any = tuple((name, everyone) for name in ("u0", "u1", "v", "threshold"))
    return Record(np.ones(program.neurons, bool), np.ones(program.channels, bool), states)


def cut(events: Events, first: int, last: int) -> Events:
    a = slice(*np.searchsorted(events.spike_step, [first, last]))
    b = slice(*np.searchsorted(events.graded_step, [first, last]))
    return Events(
        events.spike_step[a] - first,
        events.spike_channel[a],
        events.graded_step[b] - first,
        events.graded_neuron[b],
        events.graded_value[b],
    )


def compare(seed: int, reference: sl.Device, lava: sl.Device) -> Counter[str]:
    """One network, run in two pieces; half of them change devices between the pieces.

    Returns:
        What was seen: spikes, kinds of connection, or that the network saturates.
    """
    net, quantization = random_lava_network(seed)
    program = compiled(net, quantization, seed)
    symbols, record = Symbols(program), everything(program)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sl.RoundingWarning)
        events = symbols.encode(
            make_stimulus(
                random_input(net, seed, STEPS), STEPS,
                symbols.hosts, symbols.sizes, symbols.generators,
            )
        )  # fmt: skip
    reference.load(program)
    lava.load(program)
    seen: Counter[str] = Counter(c.kind for c in lava.backend._plan.connections)
    at = int(np.random.default_rng(seed).integers(1, STEPS))
    for first, last in ((0, at), (at, STEPS)):
        expected = reference.backend.run(last - first, cut(events, first, last), record)
        if reference.backend.read_saturation()[0].any():
            with pytest.raises(sl.DeviceError, match="left the range in which Lava and the mach"):
                lava.backend.run(last - first, cut(events, first, last), record)
            return Counter(saturating=1)
        found = lava.backend.run(last - first, cut(events, first, last), record)
        assert_same_run(found, expected, program, record)
        assert_same_state(lava.backend.read_state(), reference.backend.read_state(), program)
        for a, b in zip(lava.backend.read_weights(), reference.backend.read_weights(), strict=True):
            np.testing.assert_array_equal(a.sparse, b.sparse)
            np.testing.assert_array_equal(a.dense, b.dense)
        seen["spikes"] += len(found.neuron)
        if seed % 4 < 2:  # each goes on from where the other one was
            here, there = lava.snapshot(), reference.snapshot()
            lava.restore(there)
            reference.restore(here)
    return seen


def check(seeds: range, lava: sl.Device) -> None:
    seen: Counter[str] = Counter()
    with sl.open("reference") as reference:
        for seed in seeds:
            try:
                one = compare(seed, reference, lava)
            except AssertionError as error:
                raise AssertionError(f"network {seed}: {error}") from error
            seen += one
            seen["lively"] += one["spikes"] > 20
    assert seen["saturating"] < len(seeds) / 10
    assert seen["lively"] > len(seeds) * 0.6
    assert seen["spikes"] > 100 * len(seeds)
    for kind in ("Dense", "Sparse", "DelayDense", "DelaySparse"):
        assert seen[kind] > len(seeds) / 5, kind


def test_eight_networks_are_equal_to_the_reference(lava):
    check(range(1000, 1008), lava)


@pytest.mark.slow
def test_two_hundred_networks_are_equal_to_the_reference(lava):
    check(range(200), lava)


def simple_network() -> sl.Network:
    net = sl.Network(dt=1e-3)
    keys = net.source("keys", 3)
    cells = net.population("cells", 4, sl.LIF(10e-3, 5e-3, v_threshold=1.0, bias=0.01))
    readout = net.population("readout", 2, sl.LI(20e-3, 5e-3))
    rng = np.random.default_rng(1)
    net.connect(keys, cells, weights=rng.uniform(0.1, 0.5, (3, 4)))
    net.connect(cells, cells, weights=rng.uniform(-0.2, 0.2, (4, 4)), delay=4e-3)
    net.connect(cells, readout, weights=rng.uniform(-1, 1, (4, 2)))
    net.probe(keys)
    net.probe(cells, "spikes", "u0", "u1", "v", "threshold")
    net.probe(readout, "v")
    return net


@pytest.fixture(scope="module")
def program():
    return sl.compile(simple_network(), quantization=sl.Quantization(multiple_of=64))


def keys(steps: int) -> dict[str, Any]:
    return {"keys": np.random.default_rng(7).random((steps, 3)) < 0.4}


def assert_same_result(a: sl.Result, b: sl.Result) -> None:
    assert (a.start, a.steps) == (b.start, b.steps)
    for name in b.spikes:
        np.testing.assert_array_equal(a.spikes[name], b.spikes[name])
    for name, states in b.states.items():
        for variable, values in states.items():
            np.testing.assert_array_equal(a.states[name][variable].raw, values.raw)


def test_the_device_as_its_user_sees_it(lava, program):
    """Run, stream, read and write between runs, reset: the same on Lava and on the emulator."""
    with sl.open("emulator") as other:
        for device in (lava, other):
            device.load(program)
        assert_same_result(lava.run(30, keys(30)), other.run(30, keys(30)))
        for name in ("cells", "readout"):
            for variable, values in other.read_state(name).items():
                np.testing.assert_array_equal(lava.read_state(name)[variable].raw, values.raw)
        # Spikes are on their way while the weights change.
        changed = other.read_weights("cells->cells").values * -0.8
        for device in (lava, other):
            device.write_weights("cells->cells", changed)
        np.testing.assert_array_equal(
            lava.read_weights("cells->cells").raw, other.read_weights("cells->cells").raw
        )
        windows = [list(d.stream(20, keys(20), every=7)) for d in (lava, other)]
        for a, b in zip(*windows, strict=True):
            assert_same_result(a, b)
        np.testing.assert_array_equal(
            lava.read_weights("cells->cells").raw, other.read_weights("cells->cells").raw
        )
        assert lava.counters() == other.counters()
        for weights in (False, True):
            for device in (lava, other):
                device.reset(weights=weights)
            assert_same_result(lava.run(25, keys(25)), other.run(25, keys(25)))
        assert_same_result(lava.run(0), other.run(0))


def test_a_long_run_is_cut_into_windows(lava, program, monkeypatch):
    monkeypatch.setattr("spikeloom.backends.lava.backend.WINDOW", 16)
    lava.load(program)
    with sl.open("reference") as other:
        other.load(program)
        assert_same_result(lava.run(70, keys(70)), other.run(70, keys(70)))


def test_lockstep(program):
    devices = ("reference", "emulator", lava_url())
    assert sl.cosim(program, devices, 50, keys(50)) is None


def test_weights_that_lava_cannot_hold_change_nothing(lava):
    net = sl.Network(dt=1e-3)
    a = net.source("a", 2)
    b = net.population("b", 1, sl.LIF(None, v_threshold=100.0))
    net.connect(a, b, weights=[[4.0], [8.0]])
    program = sl.compile(net, quantization=sl.Quantization(scale=16))
    lava.load(program)
    before = lava.read_weights("a->b")
    with pytest.raises(sl.UnsupportedError) as caught:
        lava.write_weights("a->b", [5.0, 8.0])
    assert str(caught.value).startswith(
        "Lava cannot hold the weights of projection 'a->b': they move u by multiples of 2, "
        "Lava's by multiples of 64\n"
    )
    np.testing.assert_array_equal(lava.read_weights("a->b").raw, before.raw)


def test_floating_point_is_the_network_without_rounding(program):
    """Against Lava's equations in NumPy's float64, on the Program's numbers."""
    with sl.open(lava_url(mode="floating_pt")) as device:
        device.load(program)
        first, second = device.run(20, {"keys": keys(50)["keys"][:20]}), None
        second = device.run(30, {"keys": keys(50)["keys"][20:]})
        result = sl.Result.join([first, second])
        matrices = {
            name: np.ldexp(w.raw.astype(float), w.exponent)
            for name in ("keys->cells", "cells->cells")
            for w in [device.read_weights(name)]
        }
        shape = {name: device.read_weights(name) for name in matrices}
    profile, core = program.cores[0].profiles, program.cores[0]
    cells = program.population("cells")
    assert cells is not None
    p = profile[core.profile[cells.slot[0]]]
    into, within = (np.zeros((3, 4)), np.zeros((4, 4)))
    for matrix, name in ((into, "keys->cells"), (within, "cells->cells")):
        matrix[shape[name].pre, shape[name].post] = np.ldexp(matrices[name], p["shift"])
    u, v, bias = np.zeros(4), np.zeros(4), core.bias[cells.slot]
    fired = np.zeros((60, 4))
    raster = np.vstack([np.zeros((1, 3)), keys(50)["keys"]])
    for t in range(50):
        u = u * (1 - p["decay_u"][0] / 4096) + raster[t] @ into
        u += fired[t - 4] @ within if t >= 4 else 0
        v = v * (1 - p["decay_v"] / 4096) + u + bias
        fired[t] = v > core.threshold[cells.slot]
        v[fired[t] > 0] = 0
        assert np.abs(result.states["cells"]["v"].raw[t] - v).max() <= 0.5 + 1e-6
    np.testing.assert_array_equal(result.raster("cells"), fired[:50])
    assert fired.sum() > 10
