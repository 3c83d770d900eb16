"""Pass 1: from the user's Network to the real graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from ..counter_hash import random
from .ir import Graph, Plastic, PopulationNode, ProjectionEdge, SourceNode, build
from .network import Projection, Source
from .program import PERIODIC, POISSON

if TYPE_CHECKING:
    from .network import Network

SEED = 4
"""Purpose of the counter hash for a rule's own seed; 1 to 3 are taken."""
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
                plastic=_plastic(p, index, network.seed),
            )
            for index, p in enumerate(network.projections.values())
        ]
        empty = Graph("real", network.name, network.dt, network.seed, nx.MultiDiGraph())
        return build(empty, nodes, edges, probes=tuple(network.probes), shapes=dict(network.shapes))


def _plastic(projection: Projection, index: int, seed: int) -> Plastic | None:
    """How a projection learns. Rules without a seed of their own get different ones."""
    rule = projection.learning
    if rule is None:
        return None
    assert projection.enable is not None
    seed = int(random(seed, 0, index, SEED)[0]) if rule.seed is None else int(rule.seed)
    if rule.w_max is None:  # it changes no weights: they are their own limits
        learning = projection.synapses.weight[projection.enable == 1]
        limits = float(learning.min(initial=0.0)), float(learning.max(initial=0.0))
    else:
        limits = float(rule.w_min), float(rule.w_max)
    return Plastic(rule, projection.enable, limits, seed)
