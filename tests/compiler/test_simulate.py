"""The floating-point simulation against arithmetic by hand and against the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import random_input, random_network

import spikeloom as sl


def drive(neuron: sl.LIF, steps: int, **graded: Any) -> sl.Result:
    """One neuron, fed by graded input."""
    net = sl.Network()
    net.population("p", 1, neuron)
    net.probe("p", "spikes", "v", "u0", "threshold")
    values = np.zeros((steps, 1))
    for step, value in graded.items():
        values[int(step[1:])] = value
    return sl.simulate(net, steps, {"p": values})


def v(result: sl.Result) -> list[float]:
    return np.asarray(result.states["p"]["v"])[:, 0].tolist()


def spikes(result: sl.Result) -> list[int]:
    return result.spikes["p"][:, 0].tolist()


def test_leak_is_exponential() -> None:
    result = drive(sl.LIF(10e-3, v_threshold=9.0), 3, t0=1.0)
    assert v(result) == pytest.approx([1.0, np.exp(-0.1), np.exp(-0.2)])
    euler = drive(sl.LIF(10e-3, v_threshold=9.0, discretization="euler"), 3, t0=1.0)
    assert v(euler) == pytest.approx([1.0, 0.9, 0.81])


def test_leak_is_linear_and_stops_at_zero() -> None:
    result = drive(sl.LIF(None, leak="linear", leak_rate=400.0, v_threshold=9.0), 5, t0=-1.0)
    assert v(result) == pytest.approx([-1.0, -0.6, -0.2, 0.0, 0.0])


def test_threshold_must_be_exceeded() -> None:
    assert spikes(drive(sl.IF(1.0), 2, t0=1.0)) == []
    assert spikes(drive(sl.IF(1.0), 2, t0=np.nextafter(1.0, 2.0))) == [0]


def test_resets() -> None:
    assert v(drive(sl.IF(1.0, v_reset=0.25), 2, t0=1.5)) == [0.25, 0.25]
    assert v(drive(sl.IF(1.0, reset="subtract"), 2, t0=1.5)) == [0.5, 0.5]
    assert v(drive(sl.IF(1.0, reset_delay=True), 3, t0=1.5, t1=0.5)) == [1.5, 0.0, 0.0]
    late = drive(sl.IF(1.0, reset="subtract", reset_delay=True), 3, t0=1.5, t1=0.25)
    assert v(late) == [1.5, 0.75, 0.75]


def test_refractory_modes() -> None:
    pushes = {"t0": 2.0, "t1": 0.75, "t2": 0.75, "t3": 0.5}
    hold = drive(sl.IF(1.0, refractory=2e-3), 5, **pushes)
    assert v(hold) == [0.0, 0.0, 0.0, 0.5, 0.5]
    assert spikes(hold) == [0]
    mask = drive(sl.IF(1.0, refractory=2e-3, refractory_mode="mask"), 5, **pushes)
    assert v(mask) == [0.0, 0.75, 1.5, 0.0, 0.0]
    assert spikes(mask) == [0, 3]


def test_threshold_adapts() -> None:
    neuron = sl.IF(1.0, threshold_step=0.5, tau_threshold=10e-3)
    result = drive(neuron, 3, t0=1.25, t1=1.25)
    decay = np.exp(-0.1)
    assert np.asarray(result.states["p"]["threshold"])[:, 0] == pytest.approx(
        [1.5, 1 + 0.5 * decay, 1 + 0.5 * decay**2]
    )
    assert spikes(result) == [0]


def test_readouts_never_fire() -> None:
    result = drive(sl.LI(None), 2, t0=100.0)
    assert (v(result), spikes(result)) == ([100.0, 100.0], [])


def test_delays_and_currents() -> None:
    """From a source d steps, between populations d; receptors decay apart."""
    net = sl.Network()
    source = net.source("s", 1)
    a = net.population("a", 1, sl.IF(0.5))
    b = net.population("b", 1, sl.LI(None, tau_syn=(10e-3, None)))
    net.connect(source, a, weights=[[1.0]], delay=2e-3)
    net.connect(a, b, weights=[[1.0]], delay=3e-3)
    net.connect(source, b, weights=[[2.0]], delay=0.0, receptor=1)
    net.probe(a)
    net.probe(b, "u0", "u1", "v")
    result = sl.simulate(net, 8, {"s": np.array([[1, 0]])})
    assert result.spikes["a"].tolist() == [[3, 0]]
    u0, u1, final = (np.asarray(result.states["b"][name])[:, 0] for name in ("u0", "u1", "v"))
    assert u1.tolist() == [0, 2, 0, 0, 0, 0, 0, 0]
    assert u0 == pytest.approx([0, 0, 0, 0, 0, 0, 1, np.exp(-0.1)])
    assert final[-1] == pytest.approx(3 + np.exp(-0.1))
    assert result.states["b"]["v"].raw is None
    assert result.device == "simulation"


@pytest.mark.filterwarnings("ignore:numbers were clipped")
@pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_(fire|be_silent)\]")
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1 << 20))
def test_same_noise_as_the_device(seed: int) -> None:
    net = random_network(seed)
    with sl.open("reference") as device:
        device.load(sl.compile(net))
        expected = device.run(40, inputs=random_input(net, seed, 40))
    result = sl.simulate(net, 40, random_input(net, seed, 40))
    np.testing.assert_array_equal(result.spikes["poisson"], expected.spikes["poisson"])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 20))
def test_integers_are_exact(seed: int) -> None:
    """Integer weights, linear leak, no decay: at scale 1 float and device agree to the bit."""
    net = random_network(seed, integers=True)
    inputs = random_input(net, seed, 60)
    with sl.open("reference") as device:
        device.load(sl.compile(net, "core", sl.Quantization(scale=1)))
        expected = device.run(60, inputs=inputs)
    result = sl.simulate(net, 60, inputs)
    assert list(result.spikes) == list(expected.spikes)
    for name, events in expected.spikes.items():
        np.testing.assert_array_equal(result.spikes[name], events)
    for name, variables in expected.states.items():
        for variable, values in variables.items():
            np.testing.assert_array_equal(np.asarray(result.states[name][variable]), values)
            np.testing.assert_array_equal(values.raw, np.asarray(values))


def test_wrong_input_is_refused() -> None:
    net = sl.Network()
    net.source("noise", 2, sl.Poisson(10.0))
    net.population("p", 1, sl.IF())
    with pytest.raises(sl.InputError, match="noise"):
        sl.simulate(net, 5, {"noise": np.zeros((5, 2), bool)})
    with pytest.raises(sl.InputError):
        sl.simulate(net, -1)
