"""NIR graphs against a forward simulation of NIR's equations that shares nothing with them."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest
from support.nir_forward import NEURONS, Forward, kind
from support.nir_graphs import DT, READOUT, RNG, SPIKING, affine, check_equal, graph, lif

import spikeloom as sl


@pytest.mark.parametrize("second", [*SPIKING, *READOUT])
@pytest.mark.parametrize("first", SPIKING)
def test_two_layers_are_the_forward_simulation_shifted(first: str, second: str) -> None:
    g = graph(
        {"a": affine(6, 5), "x": SPIKING[first](5), "b": affine(5, 4, 1)}
        | {"y": (SPIKING | READOUT)[second](4)},
        "in6 a, a x, x b, b y, y out4",
    )
    net = check_equal(g, "in6 a x b y")
    assert net.latency == {"x": 0, "y": 1}


@pytest.mark.parametrize("kind_of", ["LIF", "CubaLIF"])
def test_reset_by_subtraction(kind_of: str) -> None:
    g = graph({"a": affine(6, 5), "x": SPIKING[kind_of](5)}, "in6 a, a x, x out5")
    check_equal(g, "in6 a x", reset="subtract")


def test_outputs_are_probed() -> None:
    g = graph(
        {"a": affine(3, 2), "x": lif(2), "b": affine(2, 2), "y": READOUT["LI"](2)},
        "in3 a, a x, x b, b y, x out2, y outy2",
    )
    net = sl.from_nir(g, dt=DT)
    assert [(p.of, p.variable) for p in net.probes] == [("x", "spikes"), ("y", "v")]


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs(seed: int) -> None:
    """Layers of random kinds with skip connections, delays, biases and resting potentials."""
    rng = RNG(seed)
    nodes: dict[str, Any] = {}
    edges, order, sizes = [], ["in6"], {"in6": 6}
    for layer in range(4):
        name, n = f"n{layer}", int(rng.integers(2, 6))
        models = [m for m in SPIKING if m != "Threshold"]
        nodes[name] = SPIKING[models[rng.integers(len(models))]](n)
        senders = {list(sizes)[-1], list(sizes)[rng.integers(len(sizes))]}
        for pre in sorted(senders):
            w, d = f"{pre}_{name}", f"{pre}_{name}_d"
            nodes[w] = affine(sizes[pre], n, int(rng.integers(1000)), 0.3)
            nodes[d] = nir.Delay(rng.integers(0, 4, n) * DT if rng.random() < 0.5 else np.zeros(n))
            edges += [f"{pre} {w}", f"{w} {d}", f"{d} {name}"]
            order += [w, d]
        order.append(name)
        sizes[name] = n
    edges.append(f"n3 out{sizes['n3']}")
    g = graph(nodes, ", ".join(edges))
    net = sl.from_nir(g, dt=DT)
    x = RNG(seed + 100).random((80, 6)) < 0.5
    expected = Forward(g, order, DT).run(x)
    shift = max(net.latency.values())
    for name in net.populations:
        net.probe(name)
    long = np.vstack([x, np.zeros((shift, 6), bool)])
    result = sl.simulate(net, len(long), inputs={"in6": long})
    total = 0.0
    for name, population in net.populations.items():
        raster = np.zeros((len(long), population.size))
        raster[tuple(result.spikes[name].T)] = 1
        late = net.latency[name]
        assert not raster[:late].any()
        np.testing.assert_array_equal(raster[late : late + 80], expected[name], err_msg=name)
        total += raster.sum()
    assert total > 20


def test_bias_of_later_layers_waits_for_the_first_step() -> None:
    """v starts where nothing but the bias leads it to 0 when the framework starts."""
    g = graph(
        {"a": affine(4, 4), "x": lif(4), "b": affine(4, 4), "y": lif(4, 1)},
        "in4 a, a x, x b, b y, y out4",
    )
    net = check_equal(g, "in4 a x b y")
    assert list(net.sources) == ["in4"]
    assert net.populations["y"].params["v_init"].any()


def test_bias_that_would_fire_before_the_first_step_comes_from_a_source() -> None:
    strong = nir.Affine(np.ones((2, 2)), np.array([30.0, -30.0]))
    middle = nir.Affine(np.ones((2, 2)), np.zeros(2))
    fast = lif(2, tau=np.full(2, 1.2e-3), r=np.ones(2))
    g = graph(
        {"a": affine(4, 2), "x": lif(2), "b": middle, "y": lif(2), "c": strong, "z": fast},
        "in4 a, a x, x b, b y, y c, c z, z out2",
    )
    net = sl.from_nir(g, dt=DT)
    assert list(net.sources) == ["in4", "z.bias"]
    result = sl.simulate(net, 20, inputs={"in4": np.zeros((20, 4), bool)})
    assert result.spikes["z"][0].tolist() == [2, 0]


def test_threshold_below_rest_in_a_later_layer() -> None:
    g = graph(
        {"a": affine(4, 2), "x": lif(2), "b": affine(2, 2), "y": lif(2, v_threshold=-np.ones(2))},
        "in4 a, a x, x b, b y, y out2",
    )
    with pytest.raises(sl.UnsupportedError, match=r"^These neurons fire at rest"):
        sl.from_nir(g, dt=DT)


def test_every_neuron_kind_is_covered_here() -> None:
    made = {kind(make(2)) for make in (*SPIKING.values(), *READOUT.values())}
    assert made == set(NEURONS)
