"""A Network as a networkx graph, and as a list of its synapses."""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NetworkError, UnsupportedError
from ..regular_file import replacing
from .neurons import LIF
from .sources import Periodic, Poisson

if TYPE_CHECKING:
    import networkx as nx
    from numpy.typing import NDArray

    from .network import Network, Population, Source

_DEFAULTS = {field.name: field.default for field in fields(LIF)}


def to_networkx(network: Network) -> nx.MultiDiGraph:
    """The graph that :func:`from_networkx` makes this network of.

    Nodes are pairs of name and index, with ``source`` or ``population`` (the name) and the
    parameters that are not the default: those of :class:`LIF`, or ``rate``, ``seed``, ``period``
    and ``phase`` of a source. Edges have ``weight``, ``delay`` (seconds), ``receptor`` and
    ``projection`` (its name); two synapses between the same neurons are two edges. The graph has
    ``dt``, ``seed`` and ``name``.

    Raises:
        UnsupportedError: a projection learns, for which graphs have no attributes.
    """
    import networkx as nx

    _refuse_learning(network, "a networkx graph")
    graph = nx.MultiDiGraph(dt=network.dt, seed=network.seed, name=network.name)
    for source in network.sources.values():
        for i, given in enumerate(_spread(_source(source, network), source.size)):
            graph.add_node((source.name, i), source=source.name, **given)
    for population in network.populations.values():
        for i, given in enumerate(_spread(_neuron(population), population.size)):
            graph.add_node((population.name, i), population=population.name, **given)
    for name, p in network.projections.items():
        s = p.synapses
        columns = s.pre.tolist(), s.post.tolist(), s.weight.tolist(), s.delay.tolist()
        for i, j, weight, steps in zip(*columns, strict=True):
            graph.add_edge(
                (p.pre.name, i),
                (p.post.name, j),
                weight=weight,
                delay=steps * network.dt,
                receptor=p.receptor,
                projection=name,
            )
    return graph


def write_edges(network: Network, path: str | Path) -> Path:
    """Write every synapse: a ``.csv`` with a line each, or an ``.npz`` with an array per column.

    Columns: ``projection``, ``pre``, ``pre_index``, ``post``, ``post_index``, ``weight`` (the
    network's units), ``delay`` (seconds), ``receptor``.

    Raises:
        NetworkError: the name ends in something else.
        FileError: the file cannot be written.
    """
    path = Path(path)
    columns = _columns(network)
    if path.suffix == ".csv":
        with (
            replacing(path, "edge list") as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*(c.tolist() for c in columns.values()), strict=True))
    elif path.suffix == ".npz":
        with replacing(path, "edge list") as partial, partial.open("wb") as file:
            np.savez(file, **columns)  # type: ignore[arg-type]
    else:
        raise NetworkError(
            "an edge list is written as .csv or .npz", found=str(path), remedy="edges.csv"
        )
    return path


def _columns(network: Network) -> dict[str, NDArray[Any]]:
    parts: dict[str, list[NDArray[Any]]] = {
        name: []
        for name in (
            "projection", "pre", "pre_index", "post", "post_index", "weight", "delay", "receptor",
        )
    }  # fmt: skip
    for name, p in network.projections.items():
        s = p.synapses
        count = len(s.post)
        rows = (
            np.full(count, name), np.full(count, p.pre.name), s.pre.astype(np.int64),
            np.full(count, p.post.name), s.post.astype(np.int64), s.weight.astype(np.float64),
            s.delay * network.dt, np.full(count, p.receptor),
        )  # fmt: skip
        for column, values in zip(parts.values(), rows, strict=True):
            column.append(values)
    return {
        name: np.concatenate(arrays) if arrays else np.zeros(0) for name, arrays in parts.items()
    }


def _refuse_learning(network: Network, what: str) -> None:
    for name, projection in network.projections.items():
        if projection.learning is not None:
            raise UnsupportedError(
                f"{what} has no learning rules",
                found=f"projection {name!r} learns",
                where=projection.origin,
                remedy="build the network with learning=None",
            )


def _neuron(population: Population) -> dict[str, Any]:
    """Parameters of a population that are not the default; tau_mem in any case."""
    given: dict[str, Any] = {}
    for name, default in _DEFAULTS.items():
        value = getattr(population.neuron, name)
        if name == "tau_syn":
            if value[0] is not None or value[1] is not None:
                given[name] = value[0] if value[0] is value[1] else value
        elif name in ("tau_mem", "tau_threshold"):
            if np.isfinite(value).any():
                given[name] = value
        elif isinstance(value, np.ndarray):
            if (value != default).any():
                given[name] = value
        elif value != default:
            given[name] = value
    return given


def _source(source: Source, network: Network) -> dict[str, Any]:
    if isinstance(source.generator, Poisson):
        own = {} if source.seed == network.seed else {"seed": source.seed}
        return {"rate": source.generator.rate, **own}
    if isinstance(source.generator, Periodic):
        return {"period": source.generator.period, "phase": source.generator.phase}
    return {}


def _spread(given: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """One mapping per neuron."""

    def one(value: Any, i: int) -> Any:
        if isinstance(value, tuple):
            return tuple(one(v, i) for v in value)
        if isinstance(value, np.ndarray):
            return float(value if value.ndim == 0 else value[i])
        return value

    return [{name: one(value, i) for name, value in given.items()} for i in range(size)]
