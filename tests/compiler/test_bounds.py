"""Worst cases, against the simulation of the worst input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spikeloom as sl
from spikeloom.compiler.bounds import real_drive
from spikeloom.compiler.canonicalise import Canonicalise
from spikeloom.compiler.import_network import ImportNetwork

NEURONS = st.fixed_dictionaries(
    {
        "tau_mem": st.sampled_from([5e-3, 50e-3, None]),
        "tau_syn": st.sampled_from([None, 5e-3]),
        "v_threshold": st.floats(0.1, 5.0),
        "bias": st.floats(-0.5, 0.5),
        "reset_delay": st.booleans(),
        "refractory": st.sampled_from([0.0, 3e-3]),
        "refractory_mode": st.sampled_from(["hold", "mask"]),
        "threshold_step": st.sampled_from([0.0, 2.0]),
        "spiking": st.booleans(),
    }
)


@settings(max_examples=150, deadline=None)
@given(
    neuron=NEURONS,
    leak_rate=st.one_of(st.none(), st.floats(0, 2000)),
    up=st.floats(0, 1),
    down=st.floats(-1, 0),
    seed=st.integers(0, 1 << 20),
)
def test_nothing_leaves_the_bounds(
    neuron: dict, leak_rate: float | None, up: float, down: float, seed: int
) -> None:
    """All excitation in every step, all inhibition in every step, and a random mixture."""
    if leak_rate is not None:
        neuron = {**neuron, "tau_mem": None, "leak": "linear", "leak_rate": leak_rate}
    net = sl.Network()
    cells = net.population("p", 1, sl.LIF(**neuron))
    net.connect(net.source("s", 2), cells, weights=[[up], [down]], delay=0.0)
    net.probe(cells, "u0", "v")
    ir = Canonicalise().apply(ImportNetwork().apply(net))
    drive = real_drive(ir.populations[0], ir.projections)
    always, never = np.ones((80, 1), bool), np.zeros((80, 1), bool)
    random = np.random.default_rng(seed).random((80, 2)) < 0.5
    for raster in (np.hstack([always, never]), np.hstack([never, always]), random):
        states = sl.simulate(net, 80, {"s": raster}).states["p"]
        for values, low, high in (
            (states["u0"], drive.u_low[0], drive.u_high[0]),
            (states["v"], drive.v_low, drive.v_high),
        ):
            slack = 1e-9 * max(1.0, float(np.abs(values).max()))
            assert low[0] - slack <= values.min()
            assert values.max() <= high[0] + slack


def test_bounds_are_not_wider_than_need_be() -> None:
    net = sl.Network()
    cells = net.population("p", 1, sl.LIF(None, leak="linear", leak_rate=500.0, v_threshold=9.0))
    net.connect(net.source("s", 1), cells, weights=[[0.25]])
    ir = Canonicalise().apply(ImportNetwork().apply(net))
    drive = real_drive(ir.populations[0], ir.projections)
    assert (drive.v_low[0], drive.v_high[0]) == (0.0, 0.25)  # the leak takes more than comes in


def test_exponents_end_at_15() -> None:
    """Beyond that the weak projection loses bits; what is left of it is still right."""
    net = sl.Network()
    source, cells = net.source("s", 1), net.population("p", 1, sl.LIF(20e-3))
    net.connect(source, cells, weights=[[1e-5]], name="weak")
    net.connect(source, cells, weights=[[1.0]], name="strong")
    for target in (sl.Target(), sl.Target(weight_bits=4)):
        scale = sl.Quantization(scale=2.0**22)
        report = sl.compile(net, target, scale).report["projections"]
        assert report["strong"]["exponent"] <= 15
        assert report["weak"]["max_error"] <= 2.0 ** (report["weak"]["shift"] - 23)


@pytest.mark.parametrize(("steps", "fits"), [(16, True), (17, False)])
def test_the_deepest_delay(steps: int, fits: bool) -> None:
    net = sl.Network()
    cells = net.population("p", 1, sl.LIF(20e-3))
    net.connect(cells, cells, weights=[[1.0]], delay=steps * 1e-3)
    target = sl.Target(delay_slots=16)
    if fits:
        assert sl.compile(net, target).wheel_depth == 16
    else:
        with pytest.raises(sl.FitError, match="delay_fits_the_wheel"):
            sl.compile(net, target)
