"""What each framework means by the same nodes, and files that cannot mean what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import pytest

import spikeloom as sl

STEPS = 80


def one_layer(neuron: Any, weight: np.ndarray, bias: np.ndarray | float = 0.0) -> nir.NIRGraph:
    n_out, n_in = weight.shape
    return nir.NIRGraph(
        {
            "in": nir.Input(np.array([n_in])),
            "w": nir.Affine(weight, np.broadcast_to(bias, (n_out,)) * 1.0),
            "x": neuron,
            "out": nir.Output(np.array([n_out])),
        },
        [("in", "w"), ("w", "x"), ("x", "out")],
        type_check=False,
    )


def raster_of(net: sl.Network, x: np.ndarray) -> np.ndarray:
    result = sl.simulate(net, len(x), inputs={"in": x})
    raster = np.zeros((len(x), net.populations["x"].size))
    raster[tuple(result.spikes["x"].T)] = 1
    return raster


def spikes_in(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((STEPS, n)) < 0.4


def ones(n: int = 4) -> np.ndarray:
    return np.ones(n)


WEIGHT = np.random.default_rng(5).normal(0.3, 1.0, (4, 6))


# ------------------------------------------- equations of frameworks that are not installed


def sinabs_lif(x: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Sinabs' lif_forward_single with norm_input, SingleSpike and MembraneSubtract."""
    alpha, v, out = np.exp(-1.0 / tau), np.zeros(4), []
    for row in x:
        v = alpha * v + (1 - alpha) * (WEIGHT @ row)
        out.append((v >= 0.5) * 1.0)
        v = v - out[-1] * 0.5
    return np.array(out)


def test_sinabs_counts_in_steps_and_decays_exactly() -> None:
    tau = np.array([5.0, 10.0, 20.0, 30.0])
    g = one_layer(nir.LIF(tau, ones(), 0 * ones(), 0.5 * ones()), WEIGHT)
    x = spikes_in(6)
    for dt in (1e-3, 1.0):  # dt only names the step
        net = sl.from_nir(g, dt=dt, source="sinabs", reset="subtract")
        expected = sinabs_lif(x, tau)
        assert expected.sum() > 10
        np.testing.assert_array_equal(raster_of(net, x), expected)


def test_sinabs_iaf_adds_the_weights() -> None:
    x, v, expected = spikes_in(6), np.zeros(4), []
    g = one_layer(nir.IF(ones(), 2.0 * ones()), np.round(WEIGHT))
    for row in x:
        v = v + np.round(WEIGHT) @ row
        expected.append((v >= 2.0) * 1.0)
        v = v - expected[-1] * 2.0
    net = sl.from_nir(g, dt=1e-3, source="sinabs", reset="subtract")
    np.testing.assert_array_equal(raster_of(net, x), expected)


def rockpool(tau_mem: float, tau_syn: float, dt: float, n: int = 4) -> nir.CubaLIF:
    """What Rockpool's exporter writes for a LIFTorch."""
    r = tau_mem / dt * np.exp(-dt / tau_mem)
    return nir.CubaLIF(tau_syn * ones(n), tau_mem * ones(n), r * ones(n), 0 * ones(n), ones(n))


def test_rockpool_decays_the_current_before_v_sees_it() -> None:
    dt, x, expected = 1e-3, spikes_in(6), []
    alpha, beta = np.exp(-dt / 0.02), np.exp(-dt / 0.01)
    v, i = np.zeros(4), np.zeros(4)
    for row in x:
        i = beta * (i + 0.2 * WEIGHT @ row)
        v = alpha * v + i
        expected.append((v >= 1.0) * 1.0)
        v = v - expected[-1]
    g = one_layer(rockpool(0.02, 0.01, dt), 0.2 * WEIGHT)
    net = sl.from_nir(g, dt=dt, source="rockpool", reset="subtract")
    assert np.sum(expected) > 20
    np.testing.assert_array_equal(raster_of(net, x), expected)


def test_rockpools_resistance_tells_a_wrong_dt() -> None:
    g = one_layer(rockpool(0.02, 0.01, 1e-3), WEIGHT)
    with pytest.raises(sl.NetworkError) as caught:
        sl.from_nir(g, dt=1e-4, source="rockpool", reset="subtract")
    assert str(caught.value) == (
        "The resistance does not fit dt as Rockpool writes it: r = τ/dt · exp(−dt/τ).\n"
        "  found: r = 19.0246\n"
        "  expected: 199.002\n"
        "  where: NIRGraph: node 'x'\n"
        "  remedy: dt=0.001 would fit"
    )


# ---------------------------------------------------------------------------------- thresholds


@pytest.mark.parametrize(
    ("source", "r", "at_two"),
    [("spikingjelly", 1e4, 1), ("sinabs", 1.0, 1), ("norse", 1.0, 0), ("spec", 1e4, 0)],
)
def test_whether_v_at_the_threshold_fires(source: Any, r: float, at_two: int) -> None:
    g = one_layer(nir.IF(r * ones(1), 2.0 * ones(1)), np.ones((1, 1)))
    net = sl.from_nir(g, source=source, reset="zero")
    raster = raster_of(net, np.ones((3, 1), bool))
    assert raster[:, 0].tolist() == ([0, 1, 0] if at_two else [0, 0, 1])


# -------------------------------------------------------------------------------------- resets


def snntorch(beta: float, n: int = 4) -> nir.LIF:
    tau = 1e-4 / (1 - beta)
    return nir.LIF(tau * ones(n), tau / 1e-4 * ones(n), 0 * ones(n), ones(n))


def test_snntorch_says_which_reset_it_takes() -> None:
    with pytest.warns(UserWarning, match="reset") as caught:
        net = sl.from_nir(one_layer(snntorch(0.9), WEIGHT), source="snntorch")
    assert [str(w.message) for w in caught] == [
        "NIR files do not say how neurons reset; reset='subtract' is taken, the default of "
        "snntorch. Pass reset= to say so yourself"
    ]
    assert caught[0].filename == __file__
    neuron = net.populations["x"].neuron
    assert (neuron.reset, neuron.reset_delay) == ("subtract", True)


@pytest.mark.parametrize(
    ("source", "reset", "delay", "expected"),
    [
        ("snntorch", "subtract", None, ("subtract", True)),
        ("snntorch", "zero", None, ("value", False)),
        ("spec", None, None, ("value", False)),
        ("spec", "subtract", True, ("subtract", True)),
        ("spec", "zero", True, ("value", True)),
        ("spikingjelly", None, None, ("value", False)),
    ],
)
def test_resets(source: Any, reset: Any, delay: bool | None, expected: tuple[str, bool]) -> None:
    g = one_layer(snntorch(0.9), WEIGHT)
    neuron = sl.from_nir(g, source=source, reset=reset, reset_delay=delay).populations["x"].neuron
    assert (neuron.reset, neuron.reset_delay) == expected


def test_snntorchs_immediate_subtraction_is_not_quite_this_machines() -> None:
    with pytest.warns(UserWarning, match=r"^snnTorch with reset_delay=False counts the threshold"):
        net = sl.from_nir(
            one_layer(snntorch(0.9), WEIGHT), source="snntorch", reset="subtract", reset_delay=False
        )
    neuron = net.populations["x"].neuron
    assert (neuron.reset, neuron.reset_delay) == ("subtract", False)


def test_snntorch_without_leak() -> None:
    """β = 1 is written as τ = r = ∞; the gain is 1 all the same."""
    neuron = nir.LIF(np.inf * ones(), np.inf * ones(), 0 * ones(), ones())
    net = sl.from_nir(one_layer(neuron, WEIGHT), source="snntorch", reset="zero")
    assert np.array_equal(net.projections["in->x"].synapses.weight.reshape(6, 4).T, WEIGHT)
    assert (net.populations["x"].params["factor_v"] == 1.0).all()


def test_gains_that_float32_has_rounded_are_one() -> None:
    beta = np.float32(0.9)
    tau = np.float32(1e-4) / (np.float32(1) - beta)
    neuron = nir.LIF(*(np.full(4, v, np.float32) for v in (tau, tau / np.float32(1e-4), 0, 1)))
    net = sl.from_nir(one_layer(neuron, WEIGHT), source="snntorch", reset="zero")
    assert np.array_equal(net.projections["in->x"].synapses.weight.reshape(6, 4).T, WEIGHT)


def test_constant_input_of_current_based_neurons_comes_from_a_source() -> None:
    g = one_layer(rockpool(0.02, 0.01, 1e-3), WEIGHT, bias=np.array([0.1, 0, 0.2, 0.0]))
    net = sl.from_nir(g, dt=1e-3)
    assert net.sources["x.bias"].kind == "periodic"
    gain = 1e-3 / 0.01 * (g.nodes["x"].r * 1e-3 / 0.02)
    np.testing.assert_allclose(
        net.projections["x.bias->x"].synapses.weight, gain * [0.1, 0, 0.2, 0]
    )
    assert not net.populations["x"].params["bias"].any()


# ------------------------------------------------------------------------------- plausibility


def plain(**more: Any) -> nir.LIF:
    fields = {"tau": 0.01 * ones(), "r": ones(), "v_leak": 0 * ones(), "v_threshold": ones()}
    return nir.LIF(**{**fields, **more})


@pytest.mark.parametrize(
    ("source", "tau", "dt", "remedy"),
    [
        (
            "norse",
            1e-5,
            1e-3,
            "Norse's to_nir writes τ too small by its own dt argument: export with "
            "to_nir(…, dt=1.0), or pass tau_scale=1000 if it was exported with dt=0.001",
        ),
        (
            "spec",
            2e-4,
            1e-3,
            "snnTorch and SpikingJelly write for dt=1e-4: pass dt=1e-4 with source='snntorch' or "
            "source='spikingjelly'",
        ),
        (
            "spec",
            1e-5,
            1e-4,
            "Norse's to_nir writes τ too small by a factor dt: export with to_nir(…, dt=1.0) and "
            "pass source='norse', or pass tau_scale=10000; otherwise choose dt ≤ 1e-05",
        ),
    ],
)
def test_time_constant_shorter_than_a_step(source: Any, tau: float, dt: float, remedy: str) -> None:
    g = one_layer(plain(tau=np.array([0.01, tau, 0.01, 0.01])), WEIGHT)
    with pytest.raises(sl.NetworkError) as caught:
        sl.from_nir(g, dt=dt, source=source)
    assert str(caught.value) == (
        "A time constant is shorter than a step, which forward Euler cannot do.\n"
        f"  found: {tau:.6g} s, {tau / dt:.6g} steps of {dt:.6g} s\n"
        f"  expected: ≥ {dt:.6g} s\n"
        "  where: NIRGraph: node 'x'/tau\n"
        f"  remedy: {remedy}"
    )


def test_absurdly_long_time_constant() -> None:
    with pytest.warns(UserWarning, match="steps") as caught:
        sl.from_nir(one_layer(plain(tau=20 * ones()), WEIGHT))
    assert [str(w.message) for w in caught] == [
        "NIRGraph: node 'x'/tau: 20 s is 200000 steps of 0.0001 s; is dt right?; "
        "Sinabs writes steps: source='sinabs'"
    ]


def test_snntorch_with_another_dt() -> None:
    g = one_layer(snntorch(0.9), WEIGHT)
    with pytest.raises(sl.NetworkError) as caught:
        sl.from_nir(g, dt=5e-4, source="snntorch", reset="subtract")
    assert str(caught.value) == (
        "snnTorch's neurons have the gain r·dt/τ = 1; these do not.\n"
        "  found: 5\n"
        "  expected: 1\n"
        "  where: NIRGraph: node 'x'\n"
        "  remedy: snnTorch writes dt=1e-4 (with another dt, also pass tau_scale=dt/1e-4); for "
        "another framework's file, name it by source="
    )
    scaled = sl.from_nir(g, dt=1e-3, source="snntorch", reset="subtract", tau_scale=10)
    plain = sl.from_nir(g, source="snntorch", reset="subtract")
    a, b = (net.populations["x"].params["factor_v"] for net in (scaled, plain))
    np.testing.assert_allclose(a, b)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: plain(tau=0 * ones()), "A time constant is not positive."),
        (lambda: plain(tau=-ones()), "A time constant is not positive."),
        (lambda: plain(r=np.inf * ones()), "The gain r·dt/τ of a neuron is not finite."),
        (lambda: plain(r=np.nan * ones()), "r contains a value that is not a finite number."),
        (lambda: plain(v_threshold=np.inf * ones()), "v_threshold contains a value"),
    ],
)
def test_impossible_parameters(make: Callable[[], Any], problem: str) -> None:
    with pytest.raises(sl.FileError, match="^" + problem.replace(".", r"\.")):
        sl.from_nir(one_layer(make(), WEIGHT))


@pytest.mark.parametrize(("source", "made"), [("sinabs", "CubaLIF"), ("rockpool", "LIF")])
def test_nodes_that_a_framework_does_not_write(source: Any, made: str) -> None:
    node = plain() if made == "LIF" else rockpool(0.02, 0.01, 1e-3)
    with pytest.raises(sl.UnsupportedError, match=f"^{source} does not write {made} nodes"):
        sl.from_nir(one_layer(node, WEIGHT), dt=1e-3, source=source, reset="subtract")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "snntroch"}, "Unknown source."),
        ({"reset": "soft"}, "Unknown reset."),
        ({"dt": 0}, "dt must be a positive number."),
        ({"dt": float("nan")}, "dt must be a positive number."),
        ({"dt": True}, "dt must be a positive number."),
        ({"tau_scale": -1.0}, "tau_scale must be a positive number."),
    ],
)
def test_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(sl.NetworkError) as caught:
        sl.from_nir(one_layer(plain(), WEIGHT), **options)
    assert caught.value.problem == message
    if message == "Unknown source.":
        assert caught.value.remedy == "did you mean 'snntorch'?"
