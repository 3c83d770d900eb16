"""Pass 10: row groups, axons and the synapse memories.

Every sender that has a synapse on a core gets one axon there; the axon owns the row groups of
all projections. Rows lie in the order of axons, so that a walked axon reads consecutive memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .connectors import stable_order
from .ir import PopulationNode, ProjectionEdge, require
from .mapped import GROUP, Placed, Routed
from .program import DENSE, SPARSE
from .rows import row_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Route:
    """Build row groups and number axons."""

    def apply(self, ir: Placed) -> Routed:
        """The routed network."""
        found = [_groups(ir, edge) for edge in ir.graph.projections if len(edge.synapses)]
        groups = np.concatenate([np.zeros(0, GROUP), *(f.groups for f in found)])
        groups["sender"] += _twin(ir, groups)
        order = np.lexsort((groups["row"]["projection"], groups["sender"], groups["core"]))
        groups = groups[order]
        row = groups["row"]
        place = np.zeros(len(groups), np.int64)  # where a group starts in all cores' memory
        totals = {}
        for kind in (SPARSE, DENSE):
            own = np.flatnonzero(row["kind"] == kind)
            count = row["count"][own].astype(np.int64)
            place[own] = np.cumsum(count) - count
            totals[kind] = int(count.sum())
            cores = groups["core"][own]
            first = np.searchsorted(cores, cores)  # first group of the same core and kind
            row["offset"][own] = place[own] - place[own[first]]
        unsorted = np.empty_like(place)
        unsorted[order] = place
        plastic = any(edge.plastic for edge in ir.graph.projections)
        memory = _Memory(totals[SPARSE], totals[DENSE], plastic)
        at = 0
        for f in found:
            memory.write(f, unsorted[at : at + len(f.groups)])
            at += len(f.groups)
        axon = _axons(groups)
        return Routed(
            **{**ir.fields(), "usage": _usage(ir, groups, axon)},
            groups=groups,
            axon=axon,
            sparse_target=memory.target,
            sparse_weight=memory.weight,
            sparse_delay=memory.delay,
            dense_weight=memory.dense,
            sparse_enable=memory.sparse_enable,
            dense_enable=memory.dense_enable,
        )


@dataclass(frozen=True, eq=False)
class _Found:
    """Row groups of one projection and its synapses in their order."""

    groups: NDArray[np.void]
    slot: NDArray[np.uint16]
    weight: NDArray[np.int16]
    delay: NDArray[np.uint8]
    enable: NDArray[np.uint8] | None


class _Memory:
    """The synapse memories of all cores, laid end to end."""

    def __init__(self, sparse: int, dense: int, plastic: bool) -> None:
        self.target = np.zeros(sparse, np.uint16)
        self.weight = np.zeros(sparse, np.int16)
        self.delay = np.zeros(sparse, np.uint8)
        self.dense = np.zeros(dense, np.int16)
        self.sparse_enable = np.zeros(sparse, np.uint8) if plastic else None
        self.dense_enable = np.zeros(dense, np.uint8) if plastic else None

    def write(self, found: _Found, place: NDArray[np.int64]) -> None:
        """Copy a projection's synapses to where its groups start."""
        row = found.groups["row"]
        count = row["count"].astype(np.int64)
        start = np.cumsum(count) - count
        address = np.repeat(place - start, count) + np.arange(len(found.weight))
        dense = row["kind"] == DENSE
        if found.enable is not None:
            assert self.sparse_enable is not None
            assert self.dense_enable is not None
            own = np.repeat(dense, count)
            self.dense_enable[address[own]] = found.enable[own]
            self.sparse_enable[address[~own]] = found.enable[~own]
        if dense.all():
            self.dense[address] = found.weight
            return
        if dense.any():
            own = np.repeat(dense, count)
            self.dense[address[own]] = found.weight[own]
            own = ~own
            address = address[own]
            slot, weight, delay = found.slot[own], found.weight[own], found.delay[own]
        else:
            slot, weight, delay = found.slot, found.weight, found.delay
        self.target[address] = slot
        self.weight[address] = weight
        self.delay[address] = delay


def _groups(ir: Placed, edge: ProjectionEdge) -> _Found:
    s = edge.synapses
    post = ir.population(edge.post)
    own = slice(post.first, post.first + post.size)
    pre, slot, weight, delay = s.pre, ir.slot[own][s.post], s.weight, s.delay
    enable = None if edge.plastic is None else edge.plastic.enable
    core = None
    if (ir.core[own] != ir.core[own][0]).any():
        core = ir.core[own][s.post]
        order = np.argsort(core, kind="stable")
        core, pre, slot = core[order], pre[order], slot[order]
        weight, delay = weight[order], delay[order]
        enable = None if enable is None else enable[order]
    row = _rows(pre, core)
    if ((row[1:] == row[:-1]) & (slot[1:] < slot[:-1])).any():
        order = stable_order(slot, ir.target.neurons)
        order = order[stable_order(row[order], int(row[-1]) + 1)]
        core = None if core is None else core[order]
        pre, slot = pre[order], slot[order]
        weight, delay = weight[order], delay[order]
        enable = None if enable is None else enable[order]
    found = row_groups(pre, slot, delay, core, sparse=edge.own_delays)
    groups = np.zeros(len(found.start), GROUP)
    row = groups["row"]
    groups["core"] = ir.core[own][0] if core is None else core[found.start]
    groups["sender"] = ir.first_sender(edge) + pre[found.start].astype(np.int64)
    row["kind"] = np.where(found.dense, DENSE, SPARSE)
    row["receptor"] = edge.receptor
    row["exponent"] = edge.exponent
    row["delay"] = np.where(found.dense, delay[found.start], 0)
    row["base"] = np.where(found.dense, slot[found.start], 0)
    row["count"] = found.count
    row["projection"] = edge.index
    row["pre"] = _as_named(ir, edge)[pre[found.start]]
    if edge.plastic is not None:
        row["rule"] = 1 + [e.index for e in ir.graph.plastic].index(edge.index)
    return _Found(groups, slot, weight, delay, enable)


def _as_named(ir: Placed, edge: ProjectionEdge) -> NDArray[np.int32]:
    """(n,) index of each presynaptic neuron in the user's network, which has no twins."""
    node = ir.graph.graph.nodes[edge.pre]["node"]
    if isinstance(node, PopulationNode):
        return ir.key[node.first : node.first + node.size] - ir.key[node.first]
    return np.arange(node.size, dtype=np.int32)


def _twin(ir: Placed, groups: NDArray[np.void]) -> NDArray[np.int64]:
    """(g,) which twin of its sender sends to each group's core; 0 is the sender itself."""
    limit, neurons = ir.target.fan_out, ir.neurons
    if limit is None or ir.original.all():
        return np.zeros(len(groups), np.int64)
    senders = ir.graph.channels + neurons
    ways, which = np.unique(  # by sender, then by core
        groups["sender"] * ir.parts + groups["core"], return_inverse=True
    )
    sender = ways // ir.parts
    rank = np.arange(len(ways)) - np.searchsorted(sender, sender)
    copies = np.ones(senders, np.int64)  # a channel sends to any number of cores
    copies[ir.graph.channels :] = np.bincount(ir.key)[ir.key]
    turn = np.where(sender < ir.graph.channels, 0, rank // limit)
    require(bool((turn < copies[sender]).all()), "route", "more cores than twins")
    return turn[which.reshape(-1)]


def _rows(pre: NDArray[Any], core: NDArray[Any] | None) -> NDArray[np.int64]:
    """(k,) number of each synapse's row, of synapses that are sorted by core and pre."""
    new = pre[1:] != pre[:-1]
    if core is not None:
        new |= core[1:] != core[:-1]
    return np.append(0, np.cumsum(new))


def _usage(ir: Placed, groups: NDArray[np.void], axon: NDArray[np.int64]) -> tuple[Any, ...]:
    """What each part takes of its core now that its rows are made; slots change their kinds."""
    row, core = groups["row"], groups["core"]
    width = np.array(
        [
            [
                ir.target.synapse_width(
                    dense=kind == DENSE, plastic=edge.plastic is not None, tagged=edge.tagged
                )
                for kind in (SPARSE, DENSE)
            ]
            for edge in ir.graph.projections
        ],
        np.int64,
    ).reshape(-1, 2)
    bits = width[row["projection"], row["kind"]] * row["count"]
    rows = np.bincount(core, minlength=ir.parts)
    total = np.zeros(ir.parts, np.int64)
    np.add.at(total, core, bits)
    axons = np.zeros(ir.parts, np.int64)
    np.maximum.at(axons, core, axon + 1)
    core_of = np.zeros(ir.parts, np.int64)
    core_of[ir.part] = ir.core
    return tuple(
        {**used, "axons": int(axons[at]), "rows": int(rows[at]), "synapse_bits": int(total[at])}
        for used, at in zip(ir.usage, core_of.tolist(), strict=True)
    )


def _axons(groups: NDArray[np.void]) -> NDArray[np.int64]:
    """Axon of each group: senders of a core in ascending order."""
    core, sender = groups["core"], groups["sender"]
    if not len(groups):
        return np.zeros(0, np.int64)
    new = np.ones(len(groups), np.int64)
    new[1:] = (core[1:] != core[:-1]) | (sender[1:] != sender[:-1])
    number = np.cumsum(new) - 1
    return number - number[np.searchsorted(core, core)]
