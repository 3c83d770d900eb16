"""Pass 2: one way to say each thing, so that later passes see only that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .connectors import Table
from .ir import Graph, PopulationNode, ProjectionEdge, SourceNode, build
from .program import HOLD, PERIODIC, POISSON, RESET_SUBTRACT, RESET_VALUE

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Canonicalise:
    """Delays become wheel delays; parameters without effect get one value.

    Neurons that behave alike then have equal parameters, so that they can share a profile.
    """

    def apply(self, ir: Graph) -> Graph:
        """The same network in normal form."""
        nodes = [
            *(_source(source) for source in ir.sources),
            *(_population(population) for population in ir.populations),
        ]
        return build(ir, nodes, [_edge(edge) for edge in ir.projections], canonical=True)


def _source(source: SourceNode) -> SourceNode:
    """A Poisson neuron that fires in every step is a periodic one: the hash is always < 2^32."""
    certain = (source.generator == POISSON) & (source.value >> 32 > 0)
    if not certain.any():
        return source
    return replace(
        source,
        generator=np.where(certain, np.uint8(PERIODIC), source.generator).astype(np.uint8),
        value=np.where(certain, 1, source.value),
        phase=np.where(certain, 0, source.phase),
    )


def _population(population: PopulationNode) -> PopulationNode:
    p = population.params.copy()

    def unless(needed: NDArray[np.bool_], name: str, value: float) -> None:
        p[name][~needed] = value

    spiking = p["spiking"] == 1
    unless(spiking, "threshold", 0.0)
    unless(spiking, "reset", RESET_VALUE)
    unless(spiking, "reset_delay", 0)
    unless(spiking, "refractory", 0)
    unless(spiking, "adapt_step", 0.0)
    unless(spiking & (p["reset"] != RESET_SUBTRACT), "v_reset", 0.0)
    unless(p["refractory"] > 0, "refractory_mode", HOLD)
    unless(p["adapt_step"] > 0, "factor_adapt", 1.0)
    return replace(population, params=p)


def _edge(edge: ProjectionEdge) -> ProjectionEdge:
    s = edge.synapses
    if edge.base_delay == 0:
        return edge
    wheel = s.delay - np.uint8(edge.base_delay)
    return replace(edge, synapses=Table(s.start, s.post, s.weight, wheel))
