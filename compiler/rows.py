"""How synapses group into rows: shared by partition, which counts, and route, which builds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


RUN = 16
"""A row with gaps is kept as several dense groups if they have at least this many synapses on
average: on every target they then save more bits than the additional groups cost."""


@dataclass(frozen=True, eq=False)
class RowGroups:
    """Synapses that share core and presynaptic neuron, in the order they were given.

    A *run* is a stretch of consecutive slots with equal delays. A row that is one run, or few long
    ones (all-to-all without self-connections has two), becomes a dense group per run: a dense
    weight takes fewer bits than a sparse synapse. Any other row is one sparse group.

    Attributes:
        start: (g,) int64, first synapse of each group.
        count: (g,) int64.
        dense: (g,) bool.
    """

    start: NDArray[np.int64]
    count: NDArray[np.int64]
    dense: NDArray[np.bool_]


def row_groups(
    pre: NDArray[Any],
    slot: NDArray[Any],
    delay: NDArray[Any],
    core: NDArray[Any] | None = None,
    *,
    sparse: bool = False,
) -> RowGroups:
    """Group synapses that are sorted by core, pre, slot.

    Args:
        pre: (k,) presynaptic index.
        slot: (k,) target slot, or any number that is consecutive where slots are.
        delay: (k,) wheel delay.
        core: (k,), or None for a single core.
        sparse: whether every synapse needs a delay of its own, so that no group can be dense.
    """
    k = len(pre)
    if not k:
        empty = np.zeros(0, np.int64)
        return RowGroups(empty, empty, np.zeros(0, bool))
    new = np.empty(k, bool)
    new[0] = True
    np.not_equal(pre[1:], pre[:-1], out=new[1:])
    if core is not None:
        new[1:] |= core[1:] != core[:-1]
    if sparse:
        start = np.flatnonzero(new)
        return RowGroups(start, np.diff(start, append=k), np.zeros(len(start), bool))
    apart = np.zeros(k, bool)
    # Unsigned slots wrap when they descend; a wrapped difference is never 1 either.
    np.not_equal(slot[1:] - slot[:-1], 1, out=apart[1:])
    apart[1:] |= delay[1:] != delay[:-1]
    apart &= ~new
    row = np.flatnonzero(new)
    length = np.diff(row, append=k)
    runs = 1 + np.add.reduceat(apart, row, dtype=np.int64)
    dense = (runs == 1) | (length >= RUN * runs)
    apart &= np.repeat(dense, length)
    start = np.flatnonzero(new | apart)
    groups = np.where(dense, runs, 1)
    return RowGroups(start, np.diff(start, append=k), np.repeat(dense, groups))
