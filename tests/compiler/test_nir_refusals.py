"""NIR graphs that are refused, and in which words."""

from __future__ import annotations

import re
from typing import Any

import nir
import numpy as np
import pytest
from support.nir_graphs import DT, READOUT, affine, check_equal, graph, lif

import spikeloom as sl
from spikeloom.compiler.nir.graph import FIELDS


def test_all_unsupported_nodes_are_named_at_once() -> None:
    g = graph({"x": lif(4)}, "in4 c, c p, p x, x out4")
    g.nodes["c"], g.nodes["p"] = type("Conv3d", (), {})(), type("MaxPool2d", (), {})()
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.from_nir(g)
    assert str(caught.value) == (
        "The network has nodes that are not imported.\n"
        "  found: 'c' (Conv3d), 'p' (MaxPool2d)\n"
        "  expected: Input, Output, Affine, Linear, Scale, LIF, LI, CubaLIF, CubaLI, IF, I, Delay, "
        "Flatten, Threshold, Conv1d, Conv2d, SumPool2d, AvgPool2d\n"
        "  where: NIRGraph\n"
        "  remedy: replace them by nodes of this list"
    )


def test_every_node_of_the_specification_is_imported() -> None:
    nodes = {item for item in vars(nir).values() if isinstance(item, type)}
    made = {item.__name__ for item in nodes if issubclass(item, nir.NIRNode)}
    assert made - {"NIRNode"} == {*FIELDS, "NIRGraph"}


def test_analog_values_do_not_travel() -> None:
    g = graph(
        {"a": affine(3, 2), "x": READOUT["LI"](2), "b": affine(2, 2), "y": lif(2)},
        "in3 a, a x, x b, b y, y out2",
    )
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.from_nir(g, dt=DT)
    assert str(caught.value) == (
        "A neuron that does not spike feeds other nodes; only spikes travel.\n"
        "  found: 'x' (LI) -> 'b'\n"
        "  expected: 'x' -> Output\n"
        "  where: NIRGraph\n"
        "  remedy: make it the last layer, or a spiking one"
    )


@pytest.mark.parametrize(
    ("edges", "problem"),
    [
        ("in3 a, a b, b a, a x, x out2", "The graph has a loop without a neuron"),
        ("in3 a, a x, x out2, out2 a", "An edge leaves an Output or enters an Input."),
        ("in4 a, a x, x out2", "The shapes of the graph do not fit together."),
        ("a x, x out2", "The graph has no neurons or no Input."),
        ("in3 a, a x, x oot", "An edge leads to a node that does not exist."),
    ],
)
def test_impossible_graphs(edges: str, problem: str) -> None:
    g = graph({"a": affine(3, 2), "b": affine(2, 3), "x": lif(2)}, edges)
    if "a x" not in edges or "b a" not in edges:
        del g.nodes["b"]
    with pytest.raises(sl.FileError, match=f"^{re.escape(problem)}"):
        sl.from_nir(g, dt=DT)


@pytest.mark.parametrize("field", ["weight", "bias", "r", "v_leak", "v_threshold", "v_reset"])
def test_numbers_that_overflow_are_refused(field: str) -> None:
    g = graph(
        {"a": affine(3, 2), "x": lif(2), "b": affine(2, 2), "c": affine(2, 2), "y": lif(2)},
        "in3 a, a x, x b, b c, c y, y out2",
    )
    for node in g.nodes.values():
        if hasattr(node, field):
            getattr(node, field)[:] = 1e308
    if field in ("v_threshold", "v_reset"):
        assert np.isfinite(sl.from_nir(g, dt=DT).populations["y"].params["v_init"]).all()
        return
    with pytest.raises(sl.SpikeloomError):
        sl.from_nir(g, dt=DT)


def test_a_threshold_node_may_be_negative_under_any_reset() -> None:
    g = graph(
        {"a": affine(4, 3), "x": nir.Threshold(np.array([-0.5, 0, 0.5]))}, "in4 a, a x, x out3"
    )
    check_equal(g, "in4 a x", reset="subtract")


@pytest.mark.parametrize("value", ["path", 3, None])
def test_neither_file_nor_graph(value: Any) -> None:
    with pytest.raises(sl.FileError):
        sl.from_nir(value)
