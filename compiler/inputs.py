"""Neurons with more inputs than a target's neurons may have, or than its cores hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .ir import Graph, PopulationNode, ProjectionEdge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .target import Target


@dataclass(frozen=True, eq=False)
class Inputs:
    """Synapses onto the neurons of a population that have too many; (k,) each.

    Attributes:
        edges: projections, of which ``edge`` is the number here and ``synapse`` that in its table.
        sender: number among all source neurons and neurons.
        post: index in the population.
        delay: wheel delay.
        value: what it adds to the accumulator.
        receptor: of the neuron.
        fixed: whether it never changes.
        size: of the population.
        room: synapses onto a neuron that surely fit.
    """

    edges: tuple[ProjectionEdge, ...]
    edge: NDArray[np.int64]
    synapse: NDArray[np.int64]
    sender: NDArray[np.int64]
    post: NDArray[np.int64]
    delay: NDArray[np.int64]
    value: NDArray[np.int64]
    receptor: NDArray[np.int64]
    fixed: NDArray[np.bool_]
    size: int
    room: int

    @staticmethod
    def of(ir: Graph, population: PopulationNode, target: Target) -> Inputs | None:
        """Those of a population; None where all its neurons fit."""
        size = population.size
        edges = tuple(edge for edge in ir.incoming(population.name) if len(edge.synapses))
        if not edges:
            return None
        room = _room(edges, target)
        count = sum(np.bincount(edge.synapses.post, minlength=size) for edge in edges)
        many = np.asarray(count) > room
        if not many.any():
            return None
        own = [_columns(ir, number, edge, many) for number, edge in enumerate(edges)]
        columns = [np.concatenate(column) for column in zip(*own, strict=True)]
        chosen = _too_many(columns, edges, size, target)[columns[3]]
        if not chosen.any():
            return None
        return Inputs(edges, *(column[chosen] for column in columns), size=size, room=room)

    @property
    def count(self) -> NDArray[np.int64]:
        """(size,) synapses onto each neuron, 0 where they are not too many."""
        return np.bincount(self.post, minlength=self.size)

    def like(self, which: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """What synapses of one sender onto one neuron are alike in, but for their weights."""
        return self.delay[which], self.edge[which]


def _columns(
    ir: Graph, number: int, edge: ProjectionEdge, many: NDArray[np.bool_]
) -> tuple[NDArray[Any], ...]:
    """Columns of ``Inputs``, of one projection's synapses onto neurons that may have too many."""
    s, pre = edge.synapses, ir.graph.nodes[edge.pre]["node"]
    first = pre.first + (ir.channels if isinstance(pre, PopulationNode) else 0)
    own = np.flatnonzero(many[s.post])
    return (
        np.full(len(own), number),
        own,
        first + np.searchsorted(s.start, own, side="right") - 1,
        s.post[own].astype(np.int64),
        s.delay[own].astype(np.int64),
        s.weight[own].astype(np.int64) << edge.exponent,
        np.full(len(own), edge.receptor),
        np.full(len(own), edge.plastic is None),
    )


def _too_many(
    columns: list[NDArray[Any]], edges: tuple[ProjectionEdge, ...], size: int, target: Target
) -> NDArray[np.bool_]:
    """(size,) which neurons have more inputs than one may have, or than any core holds."""
    edge, _, sender, post, *_ = columns
    many = np.bincount(post, minlength=size) > (target.fan_in or 1 << 62)
    if target.cores == 1:  # its own core would have to hold what adds up
        return many
    senders = int(sender.max()) + 1
    for key, most in ((sender, target.axons), (sender + senders * edge, target.rows)):
        pairs = np.unique(post * senders * len(edges) + key)
        many |= np.bincount(pairs // (senders * len(edges)), minlength=size) > most
    width = np.array(_widths(edges, target))
    return many | (np.bincount(post, width[edge], size) > target.synapse_bits)


def _widths(edges: Iterable[ProjectionEdge], target: Target) -> list[int]:
    """Bits that a synapse of each projection takes where a core has a single neuron."""
    return [
        target.synapse_width(dense=not e.own_delays, plastic=e.plastic is not None, tagged=e.tagged)
        for e in edges
    ]


def _room(edges: tuple[ProjectionEdge, ...], target: Target) -> int:
    """Synapses that a neuron may have, whatever they are."""
    most = target.fan_in or 1 << 62
    if target.cores > 1:
        most = min(most, target.axons, target.rows)
        most = min(most, target.synapse_bits // max(_widths(edges, target)))
    return most
