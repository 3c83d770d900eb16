"""Pass 1: from the user's Network to the real graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from .ir import Graph, PopulationNode, ProjectionEdge, SourceNode, build
from .network import Source
from .program import PERIODIC, POISSON

if TYPE_CHECKING:
    from .network import Network

_KINDS = {"host": 0, "poisson": POISSON, "periodic": PERIODIC}


@dataclass(frozen=True)
class ImportNetwork:
    """Number channels and neurons in the order of declaration; share the bulk data."""

    def apply(self, network: Network) -> Graph:
        """The real graph of a network."""
        nodes: list[SourceNode | PopulationNode] = []
        channel = neuron = 0
        for source in network.sources.values():
            kinds = np.full(source.size, _KINDS[source.kind], np.uint8)
            nodes.append(
                SourceNode(
                    source.name,
                    source.size,
                    source.kind,
                    kinds,
                    source.value,
                    source.phase,
                    source.seed,
                    channel,
                    source.origin,
                )
            )
            channel += source.size
        for p in network.populations.values():
            ones = np.ones(p.size)
            nodes.append(PopulationNode(p.name, p.size, p.params, neuron, p.origin, ones))
            neuron += p.size
        edges = [
            ProjectionEdge(
                p.name,
                p.pre.name,
                p.post.name,
                p.receptor,
                0 if isinstance(p.pre, Source) else 1,
                p.synapses,
                index,
                p.origin,
            )
            for index, p in enumerate(network.projections.values())
        ]
        empty = Graph("real", network.name, network.dt, network.seed, nx.MultiDiGraph())
        return build(empty, nodes, edges, probes=tuple(network.probes))
