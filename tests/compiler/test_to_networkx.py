"""Networks as graphs and edge lists, and back."""

from __future__ import annotations

import csv

import networkx as nx
import numpy as np
import pytest
from support.networks import random_network

import spikeloom as sl

PARAMETERS = pytest.mark.filterwarnings("ignore::UserWarning")


@PARAMETERS
@pytest.mark.parametrize("seed", range(12))
def test_there_and_back_gives_the_same_network(seed):
    net = random_network(seed)
    graph = sl.to_networkx(net)
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.number_of_edges() == sum(len(p.synapses) for p in net.projections.values())
    again = sl.from_networkx(graph)
    assert (again.dt, again.seed, again.name) == (net.dt, net.seed, net.name)
    for name, source in net.sources.items():
        other = again.sources[name]
        assert (other.kind, other.size, other.seed) == (source.kind, source.size, source.seed)
        np.testing.assert_array_equal(other.value, source.value)
        np.testing.assert_array_equal(other.phase, source.phase)
    for name, population in net.populations.items():
        np.testing.assert_array_equal(again.populations[name].params, population.params)
    assert synapses(again) == synapses(net)


def synapses(net: sl.Network) -> list[tuple]:
    """All of them; projections of one pair and receptor become one on the way."""
    found = []
    for p in net.projections.values():
        s = p.synapses
        columns = s.pre.tolist(), s.post.tolist(), s.weight.tolist(), s.delay.tolist()
        found += [(p.pre.name, p.post.name, p.receptor, *row) for row in zip(*columns, strict=True)]
    return sorted(found)


def test_parameters_are_those_that_are_not_the_default():
    net = sl.Network(dt=1e-3)
    net.source("noise", 2, sl.Poisson([5.0, 10.0], seed=7))
    model = sl.LIF([10e-3, 20e-3], (None, 5e-3), reset="subtract", v_threshold=2.0)
    net.population("cells", 2, model)
    nodes = dict(sl.to_networkx(net).nodes(data=True))
    assert nodes == {
        ("noise", 0): {"source": "noise", "rate": 5.0, "seed": 7},
        ("noise", 1): {"source": "noise", "rate": 10.0, "seed": 7},
        ("cells", 0): {
            "population": "cells", "tau_mem": 0.01, "tau_syn": (None, 0.005),
            "v_threshold": 2.0, "reset": "subtract",
        },
        ("cells", 1): {
            "population": "cells", "tau_mem": 0.02, "tau_syn": (None, 0.005),
            "v_threshold": 2.0, "reset": "subtract",
        },
    }  # fmt: skip
    again = sl.from_networkx(sl.to_networkx(net))
    np.testing.assert_array_equal(
        again.populations["cells"].params, net.populations["cells"].params
    )


@PARAMETERS
def test_edge_lists(tmp_path):
    net = random_network(3)
    table = np.load(sl.write_edges(net, tmp_path / "edges.npz"))
    with sl.write_edges(net, tmp_path / "edges.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(table)
    assert len(rows) == sum(len(p.synapses) for p in net.projections.values()) > 20
    for name in table:
        column = [row[name] for row in rows]
        kind = table[name].dtype.kind
        given = column if kind == "U" else np.array(column, float)
        assert list(given) == table[name].tolist()
    first = net.projections[rows[0]["projection"]]
    assert (rows[0]["pre"], rows[0]["post"]) == (first.pre.name, first.post.name)
    with pytest.raises(sl.NetworkError, match=r"^an edge list is written as \.csv or \.npz"):
        sl.write_edges(net, tmp_path / "edges.txt")


def test_a_seed_without_a_rate():
    graph = nx.DiGraph()
    graph.add_node("x", source="in", seed=3)
    with pytest.raises(sl.NetworkError, match="a seed goes with a rate"):
        sl.from_networkx(graph)
