"""A whole network from a networkx graph: nodes are neurons, edges are synapses."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from .checks import Reasons
from .connectors import Synapses
from .network import Network, Population, Source
from .neurons import LIF
from .origin import did_you_mean
from .sources import Periodic, Poisson

if TYPE_CHECKING:
    import networkx as nx

_FLAGS = (
    "reset",
    "reset_delay",
    "refractory_mode",
    "leak",
    "spiking",
    "discretization",
)
_NEURON = tuple(field.name for field in fields(LIF))
_SOURCE = ("rate", "period", "phase", "seed")
_NODE = ("population", "source", *_NEURON, *_SOURCE)
_EDGE = ("weight", "delay", "receptor")


def from_networkx(
    graph: nx.Graph, dt: float | None = None, *, probes: Sequence[str] = ("spikes",)
) -> Network:
    """Build a Network from a graph whose nodes and edges carry parameters as attributes.

    Nodes become neurons, in the order of the graph: ``population="exc"`` (default
    ``"neurons"``) or ``source="pixels"`` names the group, the other attributes are those of
    :class:`LIF` (``tau_mem=…``, ``v_threshold=…``), or ``rate`` (and ``seed``) or ``period`` and
    ``phase`` of a source that drives itself. Flags such as ``reset`` are one per population. Edges
    have ``weight``, and may have ``delay`` (seconds) and ``receptor``. Other attributes are
    ignored, unless they look like a misspelt one. The graph may have ``dt``, ``seed`` and ``name``.

    Args:
        graph: directed or not (an undirected edge is a synapse in both directions), multigraph
            or not.
        dt: seconds per step; None: the graph's attribute, or 1 ms.
        probes: what to record of every population.

    Returns:
        The network. Neuron ``i`` of a population is its ``i``-th node in the graph's order.

    Raises:
        NetworkError: with everything that is wrong.
    """
    reasons = Reasons("from_networkx")
    groups = _groups(reasons, graph)
    _check_attributes(reasons, graph)
    reasons.done()
    network = Network(
        dt=graph.graph.get("dt", 1e-3) if dt is None else dt,
        seed=graph.graph.get("seed", 0),
        name=str(graph.graph.get("name") or "network"),
    )
    place: dict[Hashable, tuple[str, int]] = {}
    for (kind, name), nodes in groups.items():
        data = [graph.nodes[node] for node in nodes]
        if kind == "source":
            network.source(name, len(nodes), _generator(name, nodes, data))
        else:
            population = network.population(name, len(nodes), _neuron(name, nodes, data))
            network.probe(population, *probes)
        place.update({node: (name, i) for i, node in enumerate(nodes)})
    _connect(network, graph, place)
    return network


def _groups(reasons: Reasons, graph: nx.Graph) -> dict[tuple[str, str], list[Hashable]]:
    groups: dict[tuple[str, str], list[Hashable]] = {}
    for node, data in graph.nodes(data=True):
        if "source" in data and "population" in data:
            reasons.add(f"node {node!r} is in a source and in a population")
        kind = "source" if "source" in data else "population"
        groups.setdefault((kind, data.get(kind, "neurons")), []).append(node)
    if not groups:
        reasons.add("the graph has no nodes")
    return groups


def _check_attributes(reasons: Reasons, graph: nx.Graph) -> None:
    """Attributes of strangers are no concern of ours; misspelt ones of ours are."""
    node_names = {name for _, data in graph.nodes(data=True) for name in data}
    edge_names = {name for _, _, data in graph.edges(data=True) for name in data}
    for what, names, known in (("node", node_names, _NODE), ("edge", edge_names, _EDGE)):
        for name in sorted(map(str, names - set(known))):
            hint = did_you_mean(name, known)
            if hint and len(name) > 3:
                reasons.add(f"no {what} attribute {name!r}; {hint}")


def _column(reasons: Reasons, nodes: list[Any], data: list[dict[str, Any]], name: str) -> Any:
    """An attribute of all nodes of a group; None where no node has it."""
    missing = [node for node, d in zip(nodes, data, strict=True) if name not in d]
    if len(missing) == len(nodes):
        return None
    if missing:
        reasons.add(f"node {missing[0]!r} has no {name!r}, but others of its group have")
        return None
    return [d[name] for d in data]


def _neuron(name: str, nodes: list[Any], data: list[dict[str, Any]]) -> LIF:
    reasons = Reasons(f"population {name!r}")
    given: dict[str, Any] = {}
    for field in _NEURON:
        values = _column(reasons, nodes, data, field)
        if values is None:
            continue
        first = values[0]
        if field in _FLAGS or any(value is None for value in values):
            other = next((i for i, value in enumerate(values) if value != first), None)
            if other is not None:
                reasons.add(
                    f"{field} must be the same for the whole population, got {first!r} at node "
                    f"{nodes[0]!r} and {values[other]!r} at node {nodes[other]!r}"
                )
            given[field] = first
        elif field == "tau_syn" and isinstance(first, tuple):
            columns = (list(column) for column in zip(*values, strict=True))
            given[field] = tuple(None if c.count(None) == len(c) else c for c in columns)
        else:
            given[field] = values
    for stray in _SOURCE:
        if any(stray in d for d in data):
            reasons.add(f"{stray} belongs to sources")
    reasons.done()
    given.setdefault("tau_mem", None)
    return LIF(**given)


def _generator(name: str, nodes: list[Any], data: list[dict[str, Any]]) -> Any:
    reasons = Reasons(f"source {name!r}")
    rate, period, phase, seeds = (_column(reasons, nodes, data, field) for field in _SOURCE)
    if rate is not None and period is not None:
        reasons.add("a source has a rate or a period, not both")
    if phase is not None and period is None:
        reasons.add("a phase goes with a period")
    seed = None if seeds is None else seeds[0]
    if seeds is not None and (rate is None or any(other != seed for other in seeds)):
        reasons.add("a seed goes with a rate, and is one for the whole source")
    reasons.done()
    if rate is not None:
        return Poisson(rate, seed)
    if period is not None:
        return Periodic(period, 0.0 if phase is None else phase)
    return None


def _connect(network: Network, graph: nx.Graph, place: dict[Any, tuple[str, int]]) -> None:
    """One projection per pair of groups and receptor."""
    reasons = Reasons("from_networkx")
    directed = graph if graph.is_directed() else graph.to_directed()
    lists: dict[tuple[str, str, int], list[tuple[int, int, float, float]]] = {}
    for a, b, data in directed.edges(data=True):
        (pre, i), (post, j) = place[a], place[b]
        if "weight" not in data:
            reasons.add(f"edge {a!r} -> {b!r} has no weight")
        if post in network.sources:
            reasons.add(f"edge {a!r} -> {b!r} ends at a source")
        key = (pre, post, data.get("receptor", 0))
        delay = data.get("delay", network.dt)
        lists.setdefault(key, []).append((i, j, data.get("weight", 0.0), delay))
    reasons.done()
    objects: dict[str, Source | Population] = {**network.sources, **network.populations}
    for (pre, post, receptor), synapses in lists.items():
        i, j, weight, delay = zip(*synapses, strict=True)
        network.connect(
            objects[pre],
            network.populations[post],
            weights=Synapses(np.array(i), np.array(j), list(weight), list(delay)),
            receptor=receptor,
        )
