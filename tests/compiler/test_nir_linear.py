"""NIR's linear nodes between neurons: folding, delays, fan-in, outputs."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest
from support.nir_graphs import DT, RNG, affine, check_equal, cuba, graph, lif

import spikeloom as sl


def test_chain_of_linear_nodes_is_one_projection() -> None:
    g = graph(
        {"s": nir.Scale(np.linspace(1, 2, 6)), "f": nir.Flatten(np.array([2, 3]), 0, -1)}
        | {"a": affine(6, 5), "t": nir.Scale(np.array([0.5])), "b": affine(5, 4), "x": lif(4)},
        "in6 s, s f, f a, a t, t b, b x, x out4",
    )
    flat = graph(
        {"a": nir.Affine(*folded(g)), "x": g.nodes["x"]},
        "in6 a, a x, x out4",
    )
    net = check_equal(g, "in6 a x", flat=flat)
    assert list(net.projections) == ["in6->x"]


def folded(g: Any) -> tuple[np.ndarray, np.ndarray]:
    n = g.nodes
    return (
        n["b"].weight @ (0.5 * n["a"].weight) * n["s"].scale,
        n["b"].weight @ (0.5 * n["a"].bias) + n["b"].bias,
    )


@pytest.mark.parametrize("steps", [[2] * 5, [0, 1, 2, 3, 40]])
@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_delay_nodes(steps: list[int], place: str) -> None:
    nodes = {"d": nir.Delay(np.array(steps) * DT), "x": lif(5), "y": lif(5, 1)}
    nodes |= {"a": affine(5, 5), "b": affine(5, 5, 1, 0), "c": affine(5, 5, 2, 0)}
    edges = {
        "before": "in5 a, a x, x d, d b, b y, y out5",
        "between": "in5 a, a x, x b, b d, d c, c y, y out5",
        "after": "in5 a, a x, x b, b d, d y, y out5",
    }[place]
    g = graph(nodes, edges)
    order = {"before": "d b", "between": "b d c", "after": "b d"}[place]
    check_equal(g, f"in5 a x {order} y", steps=120)


def test_a_delayed_bias_sets_in_late() -> None:
    g = graph(
        {"a": affine(5, 5, bias=1.0), "d": nir.Delay(np.arange(5) * DT), "x": lif(5)},
        "in5 a, a d, d x, x out5",
    )
    net = check_equal(g, "in5 a d x")
    assert sorted(net.sources) == ["in5", *(f"x.bias@{s}" for s in range(1, 5))]


def test_delayed_diagonals_and_pruned_weights_have_no_synapses_of_weight_zero() -> None:
    pruned = nir.Linear(np.where(RNG(0).random((6, 6)) < 0.2, 1.0, 0.0))
    g = graph(
        {"d": nir.Delay(np.arange(6) * DT), "x": lif(6), "w": pruned, "y": lif(6)},
        "in6 d, d x, x w, w y, y out6",
    )
    net = sl.from_nir(g, dt=DT)
    assert len(net.projections["in6->x"].synapses) == 6
    assert net.projections["in6->x"].synapses.delay.tolist() == list(range(6))
    assert len(net.projections["x->y"].synapses) == np.count_nonzero(pruned.weight)


def test_absurd_and_negative_delays() -> None:
    g = graph({"d": nir.Delay(np.array([0.0, 5.0])), "x": lif(2)}, "in2 d, d x, x out2")
    with pytest.raises(sl.NetworkError) as caught:
        sl.from_nir(g, dt=DT)
    assert str(caught.value) == (
        "A delay is absurdly long.\n"
        "  found: 5 s, 5000 steps\n"
        "  expected: ≤ 4096 steps\n"
        "  where: NIRGraph: node 'd'\n"
        "  remedy: is dt right? NIR's delays are in seconds"
    )
    g.nodes["d"].delay[:] = -DT
    with pytest.raises(sl.FileError, match=r"^A delay is negative\."):
        sl.from_nir(g, dt=DT)


def test_delay_that_is_no_whole_step_is_rounded_with_a_warning() -> None:
    g = graph({"d": nir.Delay(np.full(2, 1.4e-3)), "x": lif(2)}, "in2 d, d x, x out2")
    with pytest.warns(UserWarning, match=r"a delay of 0\.0014 s is no whole number of steps"):
        net = sl.from_nir(g, dt=DT)
    assert set(net.projections["in2->x"].synapses.delay) == {1}


def test_fan_in_sums_and_skip_connections_keep_time() -> None:
    g = graph(
        {"a": affine(5, 4), "x": lif(4), "b": affine(4, 4, 1), "y": cuba(4), "c": affine(4, 3, 2)}
        | {"skip": affine(5, 3, 3), "xz": affine(4, 3, 4), "z": lif(3, 5)},
        "in5 a, a x, x b, b y, y c, c z, in5 skip, skip z, x xz, xz z, z out3",
    )
    net = check_equal(g, "in5 a x b y c skip xz z")
    assert net.latency == {"x": 0, "y": 1, "z": 2}
    delays = {n: set(p.synapses.delay.tolist()) for n, p in net.projections.items()}
    assert delays["in5->z"] == {2}
    assert delays["x->z"] == {2}
    assert delays["y->z"] == {1}


def test_input_straight_into_neurons_and_several_layers() -> None:
    g = graph(
        {"x": lif(5, r=np.full(5, 20.0)), "a": affine(5, 3), "y": lif(3)},
        "in5 x, in5 a, a y, x out5, y out3",
    )
    net = check_equal(g, "in5 x a y")
    assert net.latency == {"x": 0, "y": 0}


def test_output_of_a_linear_node_becomes_a_readout() -> None:
    g = graph({"a": affine(5, 4), "x": lif(4), "b": affine(4, 3)}, "in5 a, a x, x b, b out3")
    net = sl.from_nir(g, dt=DT)
    assert [(p.of, p.variable) for p in net.probes] == [("out3", "v")]
    check_equal(g, "in5 a x b out3")
