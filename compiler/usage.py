"""What each part of any partition needs of a core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .connectors import stable_order
from .rows import row_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ir import ProjectionEdge
    from .mapped import Flat

RESOURCES = ("neurons", "axons", "rows", "profiles", "synapse_bits")
"""What a core has a limited amount of; fields of the target."""


def width(ir: Flat, edge: ProjectionEdge, *, dense: bool) -> int:
    """Bits per synapse of a projection."""
    return ir.target.synapse_width(
        dense=dense, plastic=edge.plastic is not None, tagged=edge.tagged
    )


def ranks(part: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) how many neurons of the same part come before each."""
    order = np.argsort(part, kind="stable")
    rank = np.empty(len(part), np.int64)
    rank[order] = np.arange(len(part)) - np.searchsorted(part[order], part[order])
    return rank


def usage_of(ir: Flat, part: NDArray[np.int64]) -> tuple[dict[str, int], ...]:
    """Resource to amount for each part, with its neurons in slots in the order of their numbers."""
    parts = int(part.max(initial=-1)) + 1
    senders = ir.graph.channels + ir.neurons
    slot = ranks(part)
    rows, bits = np.zeros(parts, np.int64), np.zeros(parts, np.int64)
    pairs = [np.zeros(0, np.int64)]  # part and sender of each axon
    for edge in ir.graph.projections:
        s, node = edge.synapses, ir.population(edge.post)
        if not len(s):
            continue
        own = slice(node.first, node.first + node.size)
        at = part[own][s.post]
        order = stable_order(at, parts)
        at, pre = at[order], s.pre[order].astype(np.int64)
        groups = row_groups(
            pre, slot[own][s.post[order]], s.delay[order], at, sparse=edge.own_delays
        )
        where = at[groups.start]
        wide = np.where(groups.dense, width(ir, edge, dense=True), width(ir, edge, dense=False))
        rows += np.bincount(where, minlength=parts)
        np.add.at(bits, where, groups.count * wide)
        pairs.append(np.unique(where * senders + ir.first_sender(edge) + pre[groups.start]))
    axons = np.bincount(np.unique(np.concatenate(pairs)) // senders, minlength=parts)
    count = len(ir.profiles)
    profiles = np.bincount(np.unique(part * count + ir.profile) // count, minlength=parts)
    neurons = np.bincount(part, minlength=parts)
    columns = (neurons, axons, rows, profiles, bits)
    return tuple(
        dict(zip(RESOURCES, map(int, one), strict=True)) for one in zip(*columns, strict=True)
    )


def fits(ir: Flat, usage: tuple[dict[str, int], ...]) -> bool:
    """Whether there are cores enough, and each part fits one."""
    return len(usage) <= ir.target.cores and all(
        part[name] <= getattr(ir.target, name) for part in usage for name in RESOURCES
    )
