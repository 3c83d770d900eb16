"""How NIR lies in an HDF5 file, whatever version of nir wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from ...errors import FileError
from ..origin import warn_user
from .datasets import check_numbers, read_numbers
from .graph import (
    BOOKKEEPING,
    FIELDS,
    TEXTS,
    Graph,
    Node,
    check_count,
    check_depth,
    make_node,
)
from .hdf5 import Budget, Limits, child, members, open_file
from .metadata import load_metadata, plan_metadata
from .texts import read_text


@dataclass
class _NodePlan:
    type: str
    data: dict[str, h5py.Dataset]
    where: str
    texts: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class _GraphPlan:
    nodes: dict[str, _NodePlan | _GraphPlan]
    edges: list[tuple[str, str]]
    where: str
    metadata: dict[str, Any] = field(default_factory=dict)


def read_graph(path: Path, limits: Limits) -> Graph:
    """Read a .nir file. Every dataset of the file is checked before the first one is read.

    Raises:
        FileError: damaged, hostile, or not NIR.
    """
    with open_file(path, limits) as (file, budget):
        top = members(file, str(path), budget, 64)
        if "node" not in top:
            raise FileError(
                "This HDF5 file is not a NIR graph.",
                found=f"members {', '.join(top[:8]) or 'none'}",
                expected="a group 'node'",
                where=str(path),
                remedy="write it with nir.write(path, graph)",
            )
        node = child(file, "node", str(path), budget)
        plan = _plan(node, f"{path}: node", budget, 0, [0, 0])
        if not isinstance(plan, _GraphPlan):
            raise FileError(
                "The file holds a single node, not a graph.",
                found=plan.type,
                expected="NIRGraph",
                where=str(path),
                remedy="wrap it: nir.NIRGraph.from_list(node)",
            )
        return _load(plan)


def _plan(
    group: h5py.Group | h5py.Dataset, where: str, budget: Budget, depth: int, counts: list[int]
) -> _NodePlan | _GraphPlan:
    """Check a node's metadata. `counts` holds nodes and edges seen so far."""
    limits = budget.limits
    check_depth(depth, where, limits)
    if not isinstance(group, h5py.Group):
        raise FileError("A node is not a group.", found="a dataset", where=where)
    names = members(group, where, budget, 64)
    kind = _text_member(group, "type", names, where, budget)
    metadata: dict[str, Any] = {}
    if "metadata" in names:
        remarks = child(group, "metadata", where, budget)
        if not isinstance(remarks, h5py.Group):
            raise FileError("metadata is no group.", where=where)
        metadata = plan_metadata(remarks, f"{where}/metadata", budget)
    if kind == "NIRGraph":
        graph = _plan_graph(group, names, where, budget, depth, counts)
        graph.metadata = metadata
        return graph
    data: dict[str, h5py.Dataset] = {}
    texts: dict[str, str] = {}
    required, optional = FIELDS.get(kind, ((), ()))
    for name in names:
        if name not in required + optional or name == "metadata":
            if kind in FIELDS and name not in BOOKKEEPING:
                warn_user(f"{where}: {name!r} is not used")
            continue
        item = child(group, name, where, budget)
        if isinstance(item, h5py.Group) and name in BOOKKEEPING:
            continue
        if not isinstance(item, h5py.Dataset):
            raise FileError(f"{name} is a group, not a dataset.", where=where)
        if h5py.check_string_dtype(item.dtype) is not None and item.shape is not None:
            if name == "input_type":
                continue
            if name in TEXTS:
                texts[name] = "".join(read_text(item, f"{where}/{name}", budget))
                continue
        if item.shape is None and name in optional:
            continue  # None, as some writers put it
        check_numbers(item, f"{where}/{name}", budget)
        data[name] = item
    return _NodePlan(kind, data, where, texts, metadata)


def _plan_graph(
    group: h5py.Group,
    names: list[str],
    where: str,
    budget: Budget,
    depth: int,
    counts: list[int],
) -> _GraphPlan:
    limits = budget.limits
    for name in ("nodes", "edges"):
        if name not in names:
            raise FileError(f"The graph lacks {name}.", found=", ".join(names), where=where)
    inner = child(group, "nodes", where, budget)
    if not isinstance(inner, h5py.Group):
        raise FileError("The graph's nodes are not a group.", where=where)
    nodes: dict[str, _NodePlan | _GraphPlan] = {}
    for name in members(inner, f"{where}/nodes", budget, limits.nodes):
        counts[0] += 1
        check_count(counts[0], where, limits)
        at = f"{where}/nodes/{name}"
        nodes[name] = _plan(
            child(inner, name, f"{where}/nodes", budget), at, budget, depth + 1, counts
        )
    edges = _read_edges(child(group, "edges", where, budget), f"{where}/edges", budget, counts)
    return _GraphPlan(nodes, edges, where)


def _text_member(group: h5py.Group, name: str, names: list[str], where: str, budget: Budget) -> str:
    item = child(group, name, where, budget) if name in names else None
    if not isinstance(item, h5py.Dataset):
        raise FileError(
            f"A node has no {name}.", found=", ".join(names[:8]) or "nothing", where=where
        )
    texts = read_text(item, f"{where}/{name}", budget)
    if len(texts) != 1:
        raise FileError(f"A node's {name} is empty.", where=where)
    return texts[0]


def _read_edges(
    item: h5py.Group | h5py.Dataset, where: str, budget: Budget, counts: list[int]
) -> list[tuple[str, str]]:
    if not isinstance(item, h5py.Dataset):
        raise FileError("The edges are not a dataset.", where=where)
    if item.shape and item.size == 0:
        return []
    if item.shape is None or item.ndim != 2 or item.shape[1] != 2:
        raise FileError(
            "The edges have the wrong shape.", found=item.shape, expected="(n, 2)", where=where
        )
    counts[1] += item.shape[0]
    if counts[1] > budget.limits.edges:
        raise FileError(
            "The graph has too many edges.",
            found=counts[1],
            expected=f"≤ {budget.limits.edges}",
            where=where,
            remedy="pass limits=Limits(edges=…) if this is what you want",
        )
    texts = read_text(item, where, budget, rows=2 * item.shape[0])
    return list(zip(texts[::2], texts[1::2], strict=True))


def _load(plan: _GraphPlan) -> Graph:
    nodes: dict[str, Node | Graph] = {}
    for name, item in plan.nodes.items():
        if isinstance(item, _GraphPlan):
            nodes[name] = _load(item)
        else:
            fields = {k: read_numbers(d, f"{item.where}/{k}") for k, d in item.data.items()}
            remarks = load_metadata(item.metadata, item.where)
            nodes[name] = make_node(item.type, fields, item.where, item.texts, remarks)
    return Graph(nodes, plan.edges, plan.where, load_metadata(plan.metadata, plan.where))
