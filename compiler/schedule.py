"""Pass 9: the order of synapses within a sparse row, for cycles.

Synapses of a row are sorted by delay, so that neighbours go to the same slot of the wheel; within
a delay they are dealt out to the lanes in turn, so that as many lanes as possible work at once
(the neuron in slot ``i`` belongs to lane ``i mod P``). Sums do not depend on the order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .mapped import Routed
from .program import SPARSE

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 1 << 18
"""Synapses sorted at a time: keys and their permutation stay in the cache."""


@dataclass(frozen=True)
class Schedule:
    """Sort each sparse row by delay, round of lanes, lane."""

    def apply(self, ir: Routed) -> Routed:
        """The same network with synapses in the order of walking."""
        row = ir.groups["row"]
        counts = row["count"][row["kind"] == SPARSE].astype(np.int64)
        ends = np.cumsum(counts)
        order = np.arange(len(ir.sparse_target))
        first = 0
        while first < len(counts):
            base = int(ends[first] - counts[first])
            last = max(int(np.searchsorted(ends, base + CHUNK, side="right")), first + 1)
            part = slice(base, int(ends[last - 1]))
            order[part] = base + _lane_order(
                np.repeat(np.arange(last - first), counts[first:last]),
                ir.sparse_target[part],
                ir.sparse_delay[part],
                ir.target.lanes,
            )
            first = last
        return replace(
            ir,
            sparse_target=ir.sparse_target[order],
            sparse_weight=ir.sparse_weight[order],
            sparse_delay=ir.sparse_delay[order],
            sparse_enable=None if ir.sparse_enable is None else ir.sparse_enable[order],
        )


def _lane_order(
    row: NDArray[np.int64], target: NDArray[np.uint16], delay: NDArray[np.uint8], lanes: int
) -> NDArray[np.int64]:
    """Permutation that sorts by row, delay, round, lane; rounds count a lane's synapses."""
    lane = target % np.uint16(lanes)
    bundle = row * 64 + delay  # synapses that may go together; delays are below 64
    key = bundle * 64 + lane
    by_lane = np.argsort(key, kind="stable")
    key = key[by_lane]
    new = np.ones(len(key), bool)
    new[1:] = key[1:] != key[:-1]
    start = np.flatnonzero(new)
    turn = np.arange(len(key)) - np.repeat(start, np.diff(start, append=len(key)))
    turns = int(turn.max(initial=0)) + 1
    final = (bundle[by_lane] * turns + turn) * 64 + lane[by_lane]
    return by_lane[np.argsort(final, kind="stable")]
