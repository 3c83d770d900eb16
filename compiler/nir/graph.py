"""A NIR graph as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FileError
from .hdf5 import Limits, check_name
from .metadata import take_metadata

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
    "Conv1d": (("weight", "stride", "padding", "dilation", "groups"), ("bias", "input_shape")),
    "Conv2d": (("weight", "stride", "padding", "dilation", "groups"), ("bias", "input_shape")),
    "SumPool2d": (("kernel_size", "stride", "padding"), ()),
    "AvgPool2d": (("kernel_size", "stride", "padding"), ()),
}
"""Required and optional fields of every node type that is imported."""

BOOKKEEPING = {"type", "metadata", "input_type", "output_type"}
"""Members of any node that carry nothing to compute with."""

MAY_BE_INFINITE = {"tau", "tau_mem", "tau_syn", "r", "w_in"}
"""A neuron that never leaks has an infinite time constant, and snnTorch then writes r = τ/dt."""

SPIKING = {"LIF", "CubaLIF", "IF", "Threshold"}
READOUTS = {"LI", "CubaLI", "I"}
CONVOLUTIONS = {"Conv1d", "Conv2d"}
WINDOWS = CONVOLUTIONS | {"SumPool2d", "AvgPool2d"}
LINEAR = {"Affine", "Linear", "Scale", "Delay", "Flatten", "Identity"} | WINDOWS

TEXTS = {"padding"}
"""Fields that may be a text instead of numbers."""

MAX_SIZE = 1 << 20
"""Elements of one layer; far above any chip, far below what would hurt."""


@dataclass(frozen=True, eq=False)
class Node:
    """One node; `fields` are float64 arrays of their original shape, `texts` what is no number."""

    type: str
    fields: dict[str, NDArray[np.float64]]
    where: str
    texts: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes and identity edges, as NIR has them."""

    nodes: Mapping[str, Node | Graph]
    edges: list[tuple[str, str]]
    where: str
    metadata: dict[str, Any] = field(default_factory=dict)


def make_node(
    kind: str,
    fields: Mapping[str, NDArray[np.float64]],
    where: str,
    texts: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Node:
    """Check the values of one node.

    Raises:
        FileError: a field is missing, not finite, or of an impossible shape.
    """
    required = FIELDS[kind][0] if kind in FIELDS else ()
    for name in required:
        if name not in fields and name not in (texts or {}):
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
    node = Node(kind, dict(fields), where, dict(texts or {}), dict(metadata or {}))
    _check_matrix(node)
    return node


def _check_matrix(node: Node) -> None:
    if node.type not in {"Affine", "Linear"} | CONVOLUTIONS:
        return
    weight = node.fields["weight"]
    if node.type not in CONVOLUTIONS and (weight.ndim != 2 or 0 in weight.shape):
        raise FileError(
            f"The weights of this {node.type} node are no matrix.",
            found=f"shape {weight.shape}",
            expected="(outputs, inputs)",
            where=node.where,
        )
    bias = node.fields.get("bias")
    if bias is not None and bias.size not in (1, *weight.shape[:1]):
        raise FileError(
            "The bias does not fit the weights.",
            found=f"bias of shape {bias.shape}",
            expected=f"({len(weight)},), one per output channel of the weights {weight.shape}",
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
            fields, texts = _fields_of(item, kind, at)
            remarks = take_metadata(getattr(item, "metadata", None), at)
            nodes[str(name)] = make_node(kind, fields, at, texts, remarks)
    edges = [(str(a), str(b)) for a, b in graph.edges]
    return Graph(nodes, edges, where, take_metadata(getattr(graph, "metadata", None), where))


def _fields_of(
    item: Any, kind: str, where: str
) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    fields: dict[str, NDArray[np.float64]] = {}
    texts: dict[str, str] = {}
    for name in sum(FIELDS.get(kind, ((), ())), ()):
        if name in ("shape", "input_type"):
            types = getattr(item, "input_type", None) or {}
            value = types.get("input") if isinstance(types, Mapping) else types
        else:
            value = getattr(item, name, None)
        if name in TEXTS and isinstance(value, str):
            texts[name] = value
        elif value is not None:
            try:
                fields[name] = np.array(value, dtype=np.float64)
            except (TypeError, ValueError, RuntimeError) as error:
                raise FileError(f"{name} is not numeric.", found=str(error), where=where) from error
    return fields, texts


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
