"""Who ends up connected with whom."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import spikeloom as sl
from spikeloom.compiler.connectors import stable_order, table


def connect(n_pre: int, n_post: int, *, same: bool = False, **arguments: Any) -> list[tuple]:
    """(pre, post, weight, delay in steps) of every synapse."""
    net = sl.Network(dt=1e-3)
    post = net.population("post", n_post, sl.LIF(20e-3))
    pre: Any = post if same else net.source("pre", n_pre)
    s = net.connect(pre, post, **arguments).synapses
    return list(
        zip(s.pre.tolist(), s.post.tolist(), s.weight.tolist(), s.delay.tolist(), strict=True)
    )


def test_dense() -> None:
    assert connect(2, 2, weights=[[1.0, 0.0], [3.0, 4.0]]) == [
        (0, 0, 1.0, 1),
        (0, 1, 0.0, 1),
        (1, 0, 3.0, 1),
        (1, 1, 4.0, 1),
    ]


def test_dense_with_a_delay_each() -> None:
    found = connect(2, 2, weights=np.ones((2, 2)), delay=np.array([[0, 1], [2, 63]]) * 1e-3)
    assert [delay for *_, delay in found] == [0, 1, 2, 63]


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
def test_sparse_keeps_explicit_zeros(form: str) -> None:
    matrix = scipy.sparse.coo_array(([2.0, 0.0, 3.0], ([1, 0, 0], [0, 2, 1])), shape=(2, 3))
    assert connect(2, 3, weights=matrix.asformat(form)) == [
        (0, 1, 3.0, 1),
        (0, 2, 0.0, 1),
        (1, 0, 2.0, 1),
    ]


def test_sparse_delays_in_either_form() -> None:
    matrix = scipy.sparse.csr_array(np.array([[0.0, 1.0], [2.0, 0.0]]))
    delays = scipy.sparse.csr_array(np.array([[0.0, 5e-3], [7e-3, 0.0]]))
    expected = [(0, 1, 1.0, 5), (1, 0, 2.0, 7)]
    assert connect(2, 2, weights=matrix, delay=delays) == expected
    assert connect(2, 2, weights=matrix, delay=delays.toarray()) == expected
    with pytest.raises(sl.NetworkError, match="must have exactly the entries of weights"):
        connect(2, 2, weights=matrix, delay=scipy.sparse.eye_array(2) * 1e-3)


def test_lists_may_repeat_a_pair_and_are_sorted() -> None:
    synapses = sl.Synapses([1, 0, 1], [0, 1, 0], [1.0, 2.0, 3.0], [3e-3, 1e-3, 2e-3])
    assert connect(2, 2, weights=synapses) == [(0, 1, 2.0, 1), (1, 0, 1.0, 3), (1, 0, 3.0, 2)]


def test_lists_share_scalars() -> None:
    assert connect(2, 2, weights=sl.Synapses([0, 1], [1, 0], 0.5), delay=4e-3) == [
        (0, 1, 0.5, 4),
        (1, 0, 0.5, 4),
    ]
    assert connect(2, 2, weights=sl.Synapses([], [], [])) == []


def test_all_to_all() -> None:
    assert connect(2, 2, weights=0.5, connector=sl.AllToAll()) == [
        (i, j, 0.5, 1) for i in range(2) for j in range(2)
    ]
    without = connect(0, 3, same=True, weights=0.5, connector=sl.AllToAll(self_connections=False))
    assert without == [(i, j, 0.5, 1) for i in range(3) for j in range(3) if i != j]
    # Between different populations i -> i is an ordinary pair.
    assert len(connect(3, 3, weights=1.0, connector=sl.AllToAll(self_connections=False))) == 9


def test_one_to_one() -> None:
    assert connect(2, 2, weights=[1.0, 2.0], connector=sl.OneToOne(), delay=[0.0, 2e-3]) == [
        (0, 0, 1.0, 0),
        (1, 1, 2.0, 2),
    ]
    with pytest.raises(sl.NetworkError, match="OneToOne needs equal sizes, got 2 -> 3"):
        connect(2, 3, weights=1.0, connector=sl.OneToOne())


def test_fixed_probability_picks_from_arrays() -> None:
    weights = np.arange(200.0).reshape(10, 20)
    found = connect(10, 20, weights=weights, connector=sl.FixedProbability(0.3, seed=4))
    assert 30 < len(found) < 90
    assert all(w == weights[i, j] for i, j, w, _ in found)


def test_fixed_probability_is_a_function_of_its_seed() -> None:
    def pairs(seed: int) -> list[tuple]:
        return connect(30, 30, weights=1.0, connector=sl.FixedProbability(0.2, seed=seed))

    assert pairs(1) == pairs(1)
    assert pairs(1) != pairs(2)
    # These bits do not depend on NumPy's version, the platform, or other projections.
    assert [(i, j) for i, j, *_ in pairs(1)][:4] == [(0, 4), (0, 7), (0, 9), (0, 10)]


def test_fixed_probability_extremes() -> None:
    assert connect(3, 3, weights=1.0, connector=sl.FixedProbability(0.0)) == []
    assert len(connect(3, 3, weights=1.0, connector=sl.FixedProbability(1.0))) == 9
    none = sl.FixedProbability(1.0, self_connections=False)
    assert len(connect(0, 3, same=True, weights=1.0, connector=none)) == 6


def test_fixed_probability_has_the_right_statistics() -> None:
    """Counts per row and column are binomial: 400 pairs of p = 0.1 each, five sigma."""
    found = connect(400, 400, weights=1.0, connector=sl.FixedProbability(0.1, seed=9))
    for axis in (0, 1):
        counts = np.bincount([pair[axis] for pair in found], minlength=400)
        assert abs(counts.mean() - 40) < 5 * np.sqrt(400 * 0.09) / np.sqrt(400)
        assert abs(counts.var() / (400 * 0.09) - 1) < 5 * np.sqrt(2 / 400)
    assert len({(i, j) for i, j, *_ in found}) == len(found)


def test_from_graph() -> None:
    graph = nx.DiGraph()
    graph.add_edge("a", "b", weight=1.0, delay=2e-3)
    graph.add_edge("b", "a", weight=-2.0, delay=3e-3)
    synapses = sl.Synapses.from_graph(graph, pre=["a", "b"])
    assert connect(2, 2, weights=synapses) == [(0, 1, 1.0, 2), (1, 0, -2.0, 3)]
    undirected = nx.Graph()
    undirected.add_edge(0, 1, w=0.5)
    assert connect(2, 2, weights=sl.Synapses.from_graph(undirected, weight="w")) == [
        (0, 1, 0.5, 1),
        (1, 0, 0.5, 1),
    ]


def test_from_graph_tells_everything() -> None:
    graph = nx.DiGraph()
    graph.add_edge("a", "b", weight=1.0)
    graph.add_edge("b", "c")
    with pytest.raises(sl.NetworkError) as caught:
        sl.Synapses.from_graph(graph, pre=["a", "b"])
    assert str(caught.value).startswith(
        "Synapses.from_graph: 2 problems\n"
        "  - node 'c' is in no list of nodes\n"
        "  - edge 'b' -> 'c' has no 'weight'\n"
        "  where: test_connectors.py:"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            {"weights": sl.Synapses([0, 5], [0, -1], 1.0)},
            "projection 'pre->post': 2 problems\n"
            "  - pre[1] is 5, but 'pre' has neurons 0 to 1\n"
            "  - post[1] is -1, but 'post' has neurons 0 to 1\n",
        ),
        (
            {"weights": sl.Synapses([0], [0], 1.0, 1e-3), "delay": 1e-3},
            "projection 'pre->post': delay is given twice: in Synapses and to connect\n",
        ),
        (
            {"weights": sl.Synapses([0, 1], [0, 1], 1.0), "delay": [1e-3] * 3},
            "projection 'pre->post': delay has 3 values for 2 synapses\n",
        ),
        (
            {"weights": 1.0, "connector": "all"},
            "projection 'pre->post': connector must be AllToAll(…), OneToOne() or "
            "FixedProbability(…), got 'all'\n",
        ),
        (
            {"weights": sl.Synapses([0], [0], 1.0), "connector": sl.AllToAll()},
            "projection 'pre->post': weights that name the pairs themselves go without a "
            "connector\n",
        ),
        (
            {"weights": [1.0, 2.0], "connector": sl.AllToAll()},
            "projection 'pre->post': weights must have 0 or 2 dimensions, got shape (2,)\n",
        ),
    ],
)
def test_refusals(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(sl.NetworkError) as caught:
        connect(2, 2, **arguments)
    assert str(caught.value).startswith(reason)


def test_list_refusals() -> None:
    with pytest.raises(sl.NetworkError) as caught:
        sl.Synapses([0, 1], [0.5, 1.0], [1.0, 2.0, 3.0], delay=[np.nan, 1.0])
    assert str(caught.value).startswith(
        "Synapses: 4 problems\n"
        "  - post must be a 1-D array of integers, got float64 (2,)\n"
        "  - delay[0] is not a number: nan\n"
        "  - post has 0 values for 2 synapses (the length of pre)\n"
        "  - weight has 3 values for 2 synapses (the length of pre)\n"
    )
    with pytest.raises(sl.NetworkError, match=r"p is above 1: 1\.5"):
        sl.FixedProbability(1.5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 20), max_size=60))
def test_stable_order_is_a_stable_sort(keys: list[int]) -> None:
    expected = np.argsort(np.array(keys, np.int64), kind="stable")
    np.testing.assert_array_equal(stable_order(np.array(keys, np.int64), 21), expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), max_size=60))
def test_table_sorts_by_pre_and_post(pairs: list[tuple[int, int]]) -> None:
    pre, post = (np.array([p[i] for p in pairs], np.int64) for i in (0, 1))
    start, targets, (rank,) = table(6, 8, pre, post, np.arange(len(pairs)))
    expected = sorted(range(len(pairs)), key=lambda i: pairs[i])  # Python's sort is stable
    assert rank.tolist() == expected
    assert targets.tolist() == [pairs[i][1] for i in expected]
    assert np.diff(start).tolist() == [sum(p == i for p, _ in pairs) for i in range(6)]
