"""Dissolving sub-graphs: the whole network as one level of nodes and edges."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

from ...errors import FileError, UnsupportedError
from ..origin import warn_user
from .graph import FIELDS, Graph, Node
from .hdf5 import Limits


@dataclass(frozen=True, eq=False)
class Flat:
    """A graph without sub-graphs; names of inner nodes are joined by dots.

    ``metadata`` has the remarks of nodes and of sub-graphs by name, the whole graph's as "".
    """

    nodes: dict[str, Node]
    edges: list[tuple[str, str]]
    where: str
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)

    def before(self) -> dict[str, list[str]]:
        """Predecessors of every node, in the order of the edges."""
        result: dict[str, list[str]] = {name: [] for name in self.nodes}
        for a, b in self.edges:
            result[b].append(a)
        return result

    def after(self) -> dict[str, list[str]]:
        """Successors of every node, in the order of the edges."""
        result: dict[str, list[str]] = {name: [] for name in self.nodes}
        for a, b in self.edges:
            result[a].append(b)
        return result


def flatten(graph: Graph, limits: Limits) -> Flat:
    """Dissolve sub-graphs; their Input and Output nodes become identities.

    Raises:
        FileError: edges that lead nowhere, names that collide, a sub-graph with no matching port.
        UnsupportedError: node types that are not imported, all of them at once.
    """
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    metadata: dict[str, dict[str, Any]] = {}
    _flatten_into(graph, "", nodes, edges, metadata)
    unknown = [(name, n.type) for name, n in nodes.items() if n.type not in FIELDS | _INNER]
    if unknown:
        raise UnsupportedError(
            "The network has nodes that are not imported.",
            found=", ".join(f"{name!r} ({kind})" for name, kind in unknown[:20]),
            expected=", ".join(FIELDS),
            where=graph.where,
            remedy="replace them by nodes of this list",
        )
    if len(edges) > limits.edges:
        raise FileError(
            "The graph has too many edges.",
            found=len(edges),
            expected=f"≤ {limits.edges}",
            where=graph.where,
        )
    unique = list(dict.fromkeys(edges))
    if len(unique) < len(edges):
        warn_user(
            f"{graph.where}: {len(edges) - len(unique)} edges occur twice and are taken once, "
            "as NIR does"
        )
    metadata |= {name: node.metadata for name, node in nodes.items() if node.metadata}
    return Flat(nodes, unique, graph.where, metadata)


_INNER = {"Identity": ((), ())}


def _flatten_into(
    graph: Graph,
    prefix: str,
    nodes: dict[str, Node],
    edges: list[tuple[str, str]],
    metadata: dict[str, dict[str, Any]],
) -> None:
    if graph.metadata:
        metadata[prefix.removesuffix(".")] = graph.metadata
    for name, item in graph.nodes.items():
        full = prefix + name
        if isinstance(item, Graph):
            _flatten_into(item, f"{full}.", nodes, edges, metadata)
            continue
        if full in nodes:
            raise FileError("Two nodes have the same name.", found=repr(full), where=graph.where)
        if prefix and item.type in ("Input", "Output"):
            shape = item.fields if item.type == "Input" else {}  # an Output's is only a remark
            item = Node("Identity", shape, item.where, metadata=item.metadata)
        nodes[full] = item
    for a, b in graph.edges:
        edges.append((_port(graph, a, "Output", prefix), _port(graph, b, "Input", prefix)))


def _port(graph: Graph, end: str, kind: str, prefix: str) -> str:
    """The node that an edge's end means; a sub-graph stands for its only Input or Output."""
    item = graph.nodes.get(end)
    if isinstance(item, Node):
        return prefix + end
    if item is None:
        outer, _, inner = end.rpartition(".")
        sub = graph.nodes.get(outer)
        if isinstance(sub, Graph) and isinstance(sub.nodes.get(inner), Node):
            return prefix + end
        near = difflib.get_close_matches(end, graph.nodes, n=1)
        raise FileError(
            "An edge leads to a node that does not exist.",
            found=repr(end),
            expected="a node's name" + (f"; did you mean {near[0]!r}?" if near else ""),
            where=graph.where,
        )
    ports = [n for n, inner in item.nodes.items() if isinstance(inner, Node) and inner.type == kind]
    if len(ports) != 1:
        raise FileError(
            f"An edge to a sub-graph needs exactly one {kind} node inside.",
            found=", ".join(map(repr, ports)) or "none",
            where=item.where,
            remedy=f"write the edge to one of them: {end}.<name of the {kind} node>",
        )
    return f"{prefix}{end}.{ports[0]}"
