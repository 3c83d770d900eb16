"""Pass 11: the order of synapses within a sparse row.

Synapses of a row are sorted by delay, so that neighbours go to the same slot of the wheel. Sums do
not depend on the order, and the hardware's cycles do not either: each lane walks its own synapses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .mapped import Routed
from .program import SPARSE

CHUNK = 1 << 18
"""Synapses sorted at a time: keys and their permutation stay in the cache."""


@dataclass(frozen=True)
class Schedule:
    """Sort each sparse row by delay."""

    def apply(self, ir: Routed) -> Routed:
        """The same network with synapses in the order of walking."""
        rows = ir.groups["row"]
        counts = rows["count"][rows["kind"] == SPARSE].astype(np.int64)
        ends = np.cumsum(counts)
        order = np.arange(len(ir.sparse_target))
        first = 0
        while first < len(counts):
            base = int(ends[first] - counts[first])
            last = max(int(np.searchsorted(ends, base + CHUNK, side="right")), first + 1)
            part = slice(base, int(ends[last - 1]))
            row = np.repeat(np.arange(last - first), counts[first:last])
            # Delays are below 64.
            order[part] = base + np.argsort(row * 64 + ir.sparse_delay[part], kind="stable")
            first = last
        return replace(
            ir,
            sparse_target=ir.sparse_target[order],
            sparse_weight=ir.sparse_weight[order],
            sparse_delay=ir.sparse_delay[order],
            sparse_enable=None if ir.sparse_enable is None else ir.sparse_enable[order],
        )
