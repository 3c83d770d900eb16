"""Recurrence and sub-graphs in NIR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from support.nir_graphs import DT, affine, check_equal, graph, lif

import spikeloom as sl


def test_recurrence_as_edges_both_ways() -> None:
    g = graph(
        {"a": affine(5, 4), "x": lif(4), "w": affine(4, 4, 1), "b": affine(4, 3), "y": lif(3)},
        "in5 a, a x, x w, w x, x b, b y, y out3",
    )
    net = check_equal(g, "in5 a x w b y")
    assert set(net.projections["x->x"].synapses.delay.tolist()) == {1}


@pytest.mark.parametrize("place", ["object", "file"])
def test_recurrence_as_a_sub_graph(place: str, tmp_path: Path) -> None:
    inner = graph({"cell": lif(4), "w": affine(4, 4, 1)}, "in4 cell, cell w, w cell, cell out4")
    g = graph({"a": affine(5, 4), "rnn": inner}, "in5 a, a rnn, rnn out4")
    flat = graph(
        {"a": g.nodes["a"], "rnn.cell": inner.nodes["cell"], "w": inner.nodes["w"]},
        "in5 a, a rnn.cell, rnn.cell w, w rnn.cell, rnn.cell out4",
    )
    given: Any = g
    if place == "file":
        given = tmp_path / "rnn.nir"
        nir.write(given, g)
    net = check_equal(given, "in5 a rnn.cell w", flat=flat)
    assert list(net.populations) == ["rnn.cell"]


def test_sub_graph_with_several_inputs_by_name() -> None:
    inner = graph(
        {"p": affine(2, 3), "q": affine(3, 3, 1), "x": lif(3)},
        "in2 p, in3 q, p x, q x, x out3",
    )
    g = graph({"a": affine(4, 2), "b": affine(4, 3), "sub": inner}, "in4 a, in4 b, sub out3")
    g.edges += [("a", "sub.in2"), ("b", "sub.in3")]
    assert list(sl.from_nir(g, dt=DT).projections) == ["in4->sub.x"]
    g.edges[-1] = ("b", "sub")
    with pytest.raises(sl.FileError) as caught:
        sl.from_nir(g, dt=DT)
    assert str(caught.value) == (
        "An edge to a sub-graph needs exactly one Input node inside.\n"
        "  found: 'in2', 'in3'\n"
        "  where: NIRGraph: node 'sub'\n"
        "  remedy: write the edge to one of them: sub.<name of the Input node>"
    )


LOOP = "in4 a, a x, x b, b y, y w, w d, d x, y out4"


def loop(delay: int, edges: str = LOOP) -> nir.NIRGraph:
    return graph(
        {"a": affine(4, 4), "x": lif(4), "b": affine(4, 4, 1), "y": lif(4, 1)}
        | {"w": affine(4, 4, 2, 0), "d": nir.Delay(np.full(4, delay * DT))},
        edges,
    )


def test_loop_over_two_populations_with_time_enough() -> None:
    net = check_equal(loop(1), "in4 a x b y w d")
    assert set(net.projections["y->x"].synapses.delay.tolist()) == {1}


def test_loop_that_is_too_fast() -> None:
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.from_nir(loop(0), dt=DT)
    assert str(caught.value) == (
        "A loop of several populations is faster than the machine, where every hop takes a step.\n"
        "  found: 'x' -> 'y' -> 'x' in 1 step(s)\n"
        "  expected: at least 2 steps\n"
        "  where: NIRGraph\n"
        "  remedy: put a Delay of 1 step(s) into the loop and train with it"
    )


def test_loop_with_two_entries_needs_a_word_from_the_user() -> None:
    g = loop(1, f"{LOOP}, in4 c, c y")
    g.nodes["c"] = affine(4, 4, 5)
    with pytest.raises(sl.FileError) as caught:
        sl.from_nir(g, dt=DT)
    assert "'x' -> 'y' -> 'x'" in str(caught.value) or "'y' -> 'x' -> 'y'" in str(caught.value)
    assert caught.value.remedy == "say which one it is: back_edges=[(from, to)]"
    check_equal(g, "in4 a x b c y w d", back_edges=[("y", "x")])


def test_back_edges_must_exist() -> None:
    with pytest.raises(sl.NetworkError, match=r"^back_edges names a connection that does not"):
        sl.from_nir(loop(1), dt=DT, back_edges=[("y", "z")])


def test_loop_that_no_input_reaches() -> None:
    g = loop(1, f"{LOOP}, p q, q p")
    g.nodes |= {"p": lif(3), "q": lif(3)}
    with pytest.raises(sl.FileError, match=r"^No input reaches these nodes"):
        sl.from_nir(g, dt=DT)
