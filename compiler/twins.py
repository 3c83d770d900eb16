"""Twins: neurons doubled with all that comes in, where a chip limits how many cores one sends to.

Neurons of the same parameters, the same first state, the same synapses onto them and the same key
of the counter hash are equal for ever, so that their targets may be dealt out among them. Twins lie
on the core of their original: a core has one axon for each sender, which brings the spike to all of
them, and so nobody who sends to them sends to more cores for their sake. The price is neurons and
synapse memory of that core.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .connectors import Table, table
from .ir import build
from .mapped import Flat
from .traffic import reached_in_parts
from .usage import fits, usage_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ir import PopulationNode, ProjectionEdge


@dataclass(frozen=True, eq=False)
class Doubled:
    """A network, and what its neurons are taken to need for their spikes.

    Attributes:
        flat: without twins.
        copies: (n,) int64, each neuron and its twins, from 1.
        messages: (n,) int64, cores that each sends to; 0 where nobody counts them.
        spare: slots of a core that a search leaves free, for twins that its result asks for.
    """

    flat: Flat
    copies: NDArray[np.int64]
    messages: NDArray[np.int64]
    spare: int = 0

    @staticmethod
    def single(ir: Flat) -> Doubled:
        """A network without twins."""
        n = ir.neurons
        return Doubled(ir, np.ones(n, np.int64), np.zeros(n, np.int64))

    @cached_property
    def whole(self) -> Flat:
        """The network with twins."""
        return with_twins(self.flat, self.copies)

    def usage(self, part: NDArray[np.int64]) -> tuple[dict[str, int], ...]:
        """Resource to amount of each part, where ``part`` is (n,) that of each neuron."""
        return usage_of(self.whole, np.repeat(part, self.copies))

    def fits(self, part: NDArray[np.int64], usage: tuple[dict[str, int], ...]) -> bool:
        """Whether each part fits a core, with the messages that are counted."""
        most = self.flat.target.axons_out
        sent = np.bincount(part, self.messages)
        return fits(self.whole, usage) and (most is None or bool((sent <= most).all()))

    def needed(self, part: NDArray[np.int64]) -> Doubled:
        """The network with the twins that a partition asks for; ``self`` where it has just them."""
        target = self.flat.target
        if target.fan_out is None and target.axons_out is None:
            return self
        messages = cores_reached(self.flat, part)
        copies = np.maximum(-(-messages // (target.fan_out or 1 << 30)), 1)
        crowded = np.bincount(part, messages) > (target.axons_out or 1 << 60)
        if (copies == self.copies).all() and not crowded.any():
            return self
        if target.axons_out is None:
            messages = self.messages
        return Doubled(self.flat, copies, messages)

    @property
    def room(self) -> int:
        """Slots of a core that a search may take."""
        return self.flat.target.neurons - self.spare

    def joined(self, other: Doubled, spare: int) -> Doubled:
        """The same network with room for what either needs."""
        return Doubled(
            self.flat,
            np.maximum(self.copies, other.copies),
            np.maximum(self.messages, other.messages),
            spare,
        )


def cores_reached(ir: Flat, part: NDArray[Any]) -> NDArray[np.int64]:
    """(n,) parts that each neuron's spikes go to, its own among them if it has a target there."""
    count = np.zeros(ir.neurons, np.int64)
    for own, reached in reached_in_parts(ir, part, int(part.max(initial=-1)) + 1):
        count[own] = reached.sum(axis=1)
    return count


def with_twins(ir: Flat, copies: NDArray[np.int64]) -> Flat:
    """The network in which neuron ``i`` stands ``copies[i]`` times, one after the other.

    The first one keeps the synapses that go out; each gets all that come in.
    """
    if (copies == 1).all():
        return ir
    graph, number = ir.graph, 0
    of: dict[str, NDArray[np.int64]] = {}
    nodes: list[Any] = list(graph.sources)
    for node in graph.populations:
        own = copies[node.first : node.first + node.size]
        of[node.name] = own
        nodes.append(_node(node, own, number))
        number += nodes[-1].size
    edges = [_edge(edge, of.get(edge.pre), of[edge.post]) for edge in graph.projections]
    per_neuron = ("profile", "threshold", "bias", "v_init", "key")
    return replace(
        ir,
        graph=build(graph, nodes, edges),
        **{name: np.repeat(getattr(ir, name), copies) for name in per_neuron},
    )


def _node(node: PopulationNode, copies: NDArray[np.int64], first: int) -> PopulationNode:
    return replace(
        node,
        size=int(copies.sum()),
        first=first,
        params=np.repeat(node.params, copies),
        scale=np.repeat(node.scale, copies),
    )


def _edge(
    edge: ProjectionEdge, before: NDArray[np.int64] | None, after: NDArray[np.int64]
) -> ProjectionEdge:
    if (before is None or (before == 1).all()) and (after == 1).all():
        return edge
    s = edge.synapses
    place = None if before is None else np.cumsum(before) - before
    size = len(s.start) - 1 if before is None else int(before.sum())
    pre = s.pre if place is None else place[s.pre]
    times = after[s.post]
    which = np.repeat(np.arange(len(s)), times)
    turn = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
    post = (np.cumsum(after) - after)[s.post][which] + turn
    columns = [s.weight[which], s.delay[which]]
    if edge.plastic is not None:
        columns.append(edge.plastic.enable[which])
    start, post, columns = table(size, int(after.sum()), pre[which], post, *columns)
    plastic = edge.plastic and replace(edge.plastic, enable=columns[2])
    return replace(edge, synapses=Table(start, post, columns[0], columns[1]), plastic=plastic)
