"""Writing NIR: as a file in the layout of nir 1.0.5 and later, or as nir's own objects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ...errors import UnsupportedError
from ...regular_file import replacing
from .conventions import Reset
from .export import export
from .graph import Graph, Node

if TYPE_CHECKING:
    import nir

    from ..network import Network

VERSION = "1.0.8"
"""Of nir, whose layout is written."""
_TEXT = h5py.string_dtype("utf-8")


def to_nir(network: Network, *, reset: Reset = "zero", reset_delay: bool = False) -> nir.NIRGraph:
    """The network as a ``nir.NIRGraph``; needs the nir package (``write_nir`` does not).

    ``from_nir(graph, dt=network.dt)`` gives the same network again; a graph for which that
    is not so is never returned. docs/nir.md says how delays, biases and time constants are written.

    Args:
        network: its spikes come from the host, and it does not learn.
        reset, reset_delay: what ``from_nir`` must be told again, since NIR cannot say it. All
            populations that fire share it.

    Raises:
        UnsupportedError: with everything that NIR cannot express; or there is no nir package.
    """
    try:
        import nir
    except ImportError:
        raise UnsupportedError(
            "the nir package is not installed",
            remedy="pip install nir; or write the file without it: sl.write_nir(network, path)",
        ) from None
    graph = export(network, reset, reset_delay)
    nodes = {}
    for name, node in graph.nodes.items():
        assert isinstance(node, Node)  # an export has no sub-graphs
        fields: dict[str, Any] = dict(node.fields)
        if node.type in ("Input", "Output"):
            fields = {f"{node.type.lower()}_type": _port(node)}
        made = getattr(nir, node.type)(**fields)
        made.metadata = dict(node.metadata)
        nodes[name] = made
    return nir.NIRGraph(nodes=nodes, edges=graph.edges, metadata=dict(graph.metadata))


def _port(node: Node) -> dict[str, Any]:
    return {node.type.lower(): node.fields["shape"].astype(np.int64)}


def write_nir(
    network: Network,
    path: str | os.PathLike[str],
    *,
    reset: Reset = "zero",
    reset_delay: bool = False,
) -> Path:
    """Write the network as a .nir file, which ``nir.read`` reads; arguments as of ``to_nir``.

    Raises:
        UnsupportedError: with everything that NIR cannot express.
        FileError: the file cannot be written.
    """
    graph, path = export(network, reset, reset_delay), Path(path)
    with replacing(path, "NIR graph") as partial, h5py.File(partial, "w") as file:
        file.create_dataset("version", data=VERSION, dtype=_TEXT)
        _write_graph(file.create_group("node"), graph)
    return path


def _write_graph(group: h5py.Group, graph: Graph) -> None:
    group.create_dataset("type", data="NIRGraph", dtype=_TEXT)
    edges = np.array(graph.edges, dtype=object).reshape(-1, 2)
    group.create_dataset("edges", data=edges, dtype=_TEXT)
    # In the order of the network: sources and populations are numbered in the order of the file.
    nodes = group.create_group("nodes", track_order=True)
    for name, node in graph.nodes.items():
        assert isinstance(node, Node)
        made = nodes.create_group(name)
        made.create_dataset("type", data=node.type, dtype=_TEXT)
        for field, values in node.fields.items():
            whole = values.astype(np.int64) if field == "shape" else values
            packed = {"compression": "gzip"} if values.size > 64 else {}
            made.create_dataset(field, data=whole, **packed)
        _write_metadata(made, node.metadata)
    _write_metadata(group, graph.metadata)


def _write_metadata(group: h5py.Group, metadata: dict[str, Any], name: str = "metadata") -> None:
    if not metadata:
        return
    made = group.create_group(name)
    for key, value in metadata.items():
        if isinstance(value, dict):
            _write_metadata(made, value, key)
        elif isinstance(value, (str, list)):
            made.create_dataset(key, data=value, dtype=_TEXT)
        else:
            made.create_dataset(key, data=value)
