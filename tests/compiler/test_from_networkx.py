"""Whole networks from graphs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

import spikeloom as sl


def graph() -> nx.DiGraph:
    g = nx.DiGraph(dt=2e-3, seed=9, name="small")
    g.add_node("x", source="in")
    g.add_node("n", source="noise", rate=100.0)
    g.add_node("a", tau_mem=20e-3, v_threshold=1.0, reset="subtract", color="red")
    g.add_node("b", tau_mem=30e-3, v_threshold=2.0, reset="subtract")
    g.add_node("r", population="readout", spiking=False)
    g.add_edge("x", "a", weight=0.5)
    g.add_edge("n", "b", weight=0.25, delay=4e-3)
    g.add_edge("a", "b", weight=-1.0, receptor=1)
    g.add_edge("b", "r", weight=1.0)
    return g


def test_nodes_are_neurons_and_edges_synapses() -> None:
    net = sl.from_networkx(graph())
    assert (net.dt, net.seed, net.name) == (2e-3, 9, "small")
    assert {n: (s.size, s.kind) for n, s in net.sources.items()} == {
        "in": (1, "host"),
        "noise": (1, "poisson"),
    }
    neurons, readout = net.populations["neurons"], net.populations["readout"]
    assert neurons.params["threshold"].tolist() == [1.0, 2.0]
    assert neurons.params["factor_v"] == pytest.approx(np.exp([-0.1, -2 / 30]))
    assert readout.params["spiking"].tolist() == [0]
    assert {
        name: (p.receptor, p.synapses.weight.tolist(), p.synapses.delay.tolist())
        for name, p in net.projections.items()
    } == {
        "in->neurons": (0, [0.5], [1]),
        "noise->neurons": (0, [0.25], [2]),
        "neurons->neurons": (1, [-1.0], [1]),
        "neurons->readout": (0, [1.0], [1]),
    }
    assert [(p.of, p.variable) for p in net.probes] == [
        ("neurons", "spikes"),
        ("readout", "spikes"),
    ]


def test_it_runs() -> None:
    g = graph()
    net = sl.from_networkx(g, probes=("spikes", "v"))
    program = sl.compile(net)
    with sl.open("reference") as device:
        device.load(program)
        result = device.run(50, inputs={"in": np.ones((50, 1), bool)})
    assert len(result.spikes["neurons"]) > 5


def test_undirected_graphs_connect_both_ways() -> None:
    g = nx.Graph()
    g.add_nodes_from([(0, {"v_threshold": 1.0}), (1, {"v_threshold": 2.0})])
    g.add_edge(0, 1, weight=0.5)
    s = sl.from_networkx(g).projections["neurons->neurons"].synapses
    assert list(zip(s.pre.tolist(), s.post.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_everything_wrong_is_told_by_node() -> None:
    g = nx.DiGraph()
    g.add_node("a", tau_men=20e-3)
    g.add_node("b", source="in", population="p")
    g.add_edge("a", "b", wieght=1.0)
    with pytest.raises(sl.NetworkError) as caught:
        sl.from_networkx(g)
    assert str(caught.value).startswith(
        "from_networkx: 3 problems\n"
        "  - node 'b' is in a source and in a population\n"
        "  - no node attribute 'tau_men'; did you mean 'tau_mem'?\n"
        "  - no edge attribute 'wieght'; did you mean 'weight'?\n"
        "  where: test_from_networkx.py:"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"a": {"reset": "value"}}, "population 'neurons': reset must be the same for the whole"),
        ({"a": {"rate": 5.0}}, "population 'neurons': rate belongs to sources"),
        ({"a": {"bias": 5.0}}, "node 'b' has no 'bias', but others of its group have"),
        ({"n": {"period": 4e-3}}, "source 'noise': a source has a rate or a period, not both"),
        ({"x": {"phase": 4e-3}}, "source 'in': a phase goes with a period"),
    ],
)
def test_refusals(change: dict, reason: str) -> None:
    g = graph()
    for node, attributes in change.items():
        g.nodes[node].update(attributes)
    with pytest.raises(sl.NetworkError) as caught:
        sl.from_networkx(g)
    assert reason in str(caught.value)


def test_edges_without_weight_or_into_sources() -> None:
    g = graph()
    g.add_edge("a", "x")
    with pytest.raises(sl.NetworkError) as caught:
        sl.from_networkx(g)
    assert str(caught.value).startswith(
        "from_networkx: 2 problems\n"
        "  - edge 'a' -> 'x' has no weight\n"
        "  - edge 'a' -> 'x' ends at a source\n"
    )
