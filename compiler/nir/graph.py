"""A NIR graph as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FileError
from .hdf5 import Limits, check_name

FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Input": (("shape",), ()),
    "Output": ((), ("shape",)),
    "Affine": (("weight", "bias"), ()),
    "Linear": (("weight",), ()),
    "Scale": (("scale",), ()),
    "LIF": (("tau", "r", "v_leak", "v_threshold"), ("v_reset",)),
    "LI": (("tau", "r", "v_leak"), ()),
    "CubaLIF": (("tau_mem", "tau_syn", "r", "v_leak", "v_threshold"), ("v_reset", "w_in")),
    "CubaLI": (("tau_mem", "tau_syn", "r", "v_leak"), ("w_in",)),
    "IF": (("r", "v_threshold"), ("v_reset",)),
    "I": (("r",), ()),
    "Delay": (("delay",), ()),
    "Flatten": ((), ("input_type", "start_dim", "end_dim")),
    "Threshold": (("threshold",), ()),
}
"""Required and optional fields of every node type that is imported."""

BOOKKEEPING = {"type", "metadata", "input_type", "output_type"}
"""Members of any node that carry nothing to compute with."""

MAY_BE_INFINITE = {"tau", "tau_mem", "tau_syn", "r", "w_in"}
"""A neuron that never leaks has an infinite time constant, and snnTorch then writes r = τ/dt."""

SPIKING = {"LIF", "CubaLIF", "IF", "Threshold"}
READOUTS = {"LI", "CubaLI", "I"}
LINEAR = {"Affine", "Linear", "Scale", "Delay", "Flatten", "Identity"}

MAX_SIZE = 1 << 20
"""Elements of one layer; far above any chip, far below what would hurt."""


@dataclass(frozen=True, eq=False)
class Node:
    """One node; `fields` are float64 arrays of their original shape."""

    type: str
    fields: dict[str, NDArray[np.float64]]
    where: str


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes and identity edges, as NIR has them."""

    nodes: dict[str, Node | Graph]
    edges: list[tuple[str, str]]
    where: str


def make_node(kind: str, fields: Mapping[str, NDArray[np.float64]], where: str) -> Node:
    """Check the values of one node.

    Raises:
        FileError: a field is missing, not finite, or of an impossible shape.
    """
    required = FIELDS[kind][0] if kind in FIELDS else ()
    for name in required:
        if name not in fields:
            raise FileError(
                f"The {kind} node lacks {name}.",
                found=", ".join(sorted(fields)) or "no fields",
                expected=", ".join(required),
                where=where,
            )
    for name, values in fields.items():
        bad = np.isnan(values) if name in MAY_BE_INFINITE else ~np.isfinite(values)
        if bad.any():
            position = tuple(int(i) for i in np.argwhere(bad)[0])
            raise FileError(
                f"{name} contains a value that is not a finite number.",
                found=f"{values[position]} at {position}, {int(bad.sum())} such values in all",
                expected="finite numbers",
                where=where,
            )
    node = Node(kind, dict(fields), where)
    _check_matrix(node)
    return node


def _check_matrix(node: Node) -> None:
    if node.type not in ("Affine", "Linear"):
        return
    weight = node.fields["weight"]
    if weight.ndim != 2 or 0 in weight.shape:
        raise FileError(
            f"The weights of this {node.type} node are no matrix.",
            found=f"shape {weight.shape}",
            expected="(outputs, inputs)",
            where=node.where,
        )
    if node.type == "Affine" and node.fields["bias"].size not in (1, weight.shape[0]):
        raise FileError(
            "The bias does not fit the weights.",
            found=f"bias of shape {node.fields['bias'].shape}",
            expected=f"({weight.shape[0]},), one per row of the weights {weight.shape}",
            where=node.where,
        )


def shape_size(values: NDArray[np.float64], where: str) -> int | None:
    """Number of elements of a shape as NIR stores it; None if it says nothing."""
    if values.size == 0:
        return None
    numbers = [float(v) for v in values.reshape(-1)[:9]]
    size = math.prod(numbers)
    if values.size > 8 or any(v < 1 or v != int(v) for v in numbers) or size > MAX_SIZE:
        raise FileError(
            "A shape is impossible.",
            found=f"{numbers[:8]}",
            expected=f"up to 8 positive whole numbers, {MAX_SIZE} elements at most",
            where=where,
        )
    return int(size)


# --------------------------------------------------------------------------- from Python objects


def from_object(graph: Any, limits: Limits) -> Graph:
    """Take over a `nir.NIRGraph` by its attributes, without importing nir."""
    count = [0]
    return _graph_from_object(graph, "NIRGraph", limits, 0, count)


def _graph_from_object(
    graph: Any, where: str, limits: Limits, depth: int, count: list[int]
) -> Graph:
    check_depth(depth, where, limits)
    nodes: dict[str, Node | Graph] = {}
    for name, item in graph.nodes.items():
        count[0] += 1
        check_count(count[0], where, limits)
        check_name(str(name), where, limits)
        at = f"{where}: node {name!r}"
        kind = type(item).__name__
        if kind == "NIRGraph":
            nodes[str(name)] = _graph_from_object(item, at, limits, depth + 1, count)
        else:
            nodes[str(name)] = make_node(kind, _fields_of(item, kind, at), at)
    edges = [(str(a), str(b)) for a, b in graph.edges]
    return Graph(nodes, edges, where)


def _fields_of(item: Any, kind: str, where: str) -> dict[str, NDArray[np.float64]]:
    fields: dict[str, NDArray[np.float64]] = {}
    for name in sum(FIELDS.get(kind, ((), ())), ()):
        if name in ("shape", "input_type"):
            types = getattr(item, "input_type", None) or {}
            value = types.get("input") if isinstance(types, Mapping) else types
        else:
            value = getattr(item, name, None)
        if value is not None:
            try:
                fields[name] = np.array(value, dtype=np.float64)
            except (TypeError, ValueError, RuntimeError) as error:
                raise FileError(f"{name} is not numeric.", found=str(error), where=where) from error
    return fields


def check_depth(depth: int, where: str, limits: Limits) -> None:
    """Sub-graphs may not nest without end."""
    if depth > limits.depth:
        raise FileError(
            "Sub-graphs are nested too deeply.", expected=f"≤ {limits.depth} levels", where=where
        )


def check_count(count: int, where: str, limits: Limits) -> None:
    """Nodes of the graph with all its sub-graphs."""
    if count > limits.nodes:
        raise FileError(
            "The graph has too many nodes.",
            found=f"more than {limits.nodes}",
            expected=f"≤ {limits.nodes}",
            where=where,
            remedy="pass limits=Limits(nodes=…) if this is what you want",
        )
