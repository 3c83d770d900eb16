"""Synapses as the NumPy kernel walks them: one long table, sorted by source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import DENSE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import CoreWeights
    from .wiring import Wiring

_CHUNK = 1 << 20
"""Synapses that are laid out at a time, so that temporary arrays stay small."""


@dataclass(frozen=True, eq=False)
class Rows:
    """All synapses; source ``i`` owns ``start[i]:start[i + 1]``.

    Attributes:
        start: (sources + 1,) int64.
        place: (k,) where a synapse adds, relative to the slot of the current step, in a wheel of
            shape (depth, receptors, n) laid flat; int32 unless the wheel is too large for it.
        value: (k,) what it adds, in the narrowest type that holds all.
    """

    start: NDArray[np.int64]
    place: NDArray[np.signedinteger]
    value: NDArray[np.signedinteger]


def build_rows(
    program: Program, wiring: Wiring, weights: tuple[CoreWeights, ...], receptors: int
) -> Rows:
    """Follow every source's destinations to its synapses."""
    tables = _Tables(program, weights)
    pairs = wiring.core, wiring.axon
    axon = tables.first_axon[pairs[0]] + pairs[1]
    groups = np.diff(tables.axon_start)[axon]
    group = _ranges(tables.axon_start[axon], groups)
    count = tables.count[group]
    per_destination = np.concatenate([[0], np.cumsum(count)])[
        np.concatenate([[0], np.cumsum(groups)])
    ]
    start = per_destination[wiring.start]
    n = program.neurons
    small = program.wheel_depth * receptors * max(1, n) < 1 << 31
    place = np.empty(int(start[-1]), np.int32 if small else np.int64)
    value = np.empty(len(place), tables.value_type)
    ends = np.cumsum(count)
    low = 0
    while low < len(group):
        done = int(ends[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        span = slice(done, int(ends[high - 1]))
        place[span], value[span] = tables.synapses(group[low:high], receptors, n)
        low = high
    return Rows(start, place, value)


class _Tables:
    """The cores' row groups and synapses laid end to end."""

    def __init__(self, program: Program, weights: tuple[CoreWeights, ...]) -> None:
        cores = program.cores
        groups = np.cumsum([0, *(len(c.rows) for c in cores)])
        self.first_axon = np.cumsum([0, *(c.axons for c in cores)])
        starts = [c.axon_start[:-1] + g for c, g in zip(cores, groups[:-1], strict=True)]
        self.axon_start = np.concatenate([*starts, groups[-1:]]).astype(np.int64)
        sparse_base = np.cumsum([0, *(len(c.sparse_target) for c in cores)])
        dense_base = np.cumsum([0, *(len(c.dense_weight) for c in cores)]) + sparse_base[-1]
        core = np.repeat(np.arange(len(cores)), np.diff(groups))

        def column(name: str) -> NDArray[np.int64]:
            parts = [np.zeros(0, np.int64), *(c.rows[name] for c in cores)]
            return np.concatenate(parts).astype(np.int64)

        self.count = column("count")
        self._dense = column("kind") == DENSE
        base = np.where(self._dense, dense_base[core], sparse_base[core])
        self._offset = column("offset") + base
        self._exponent, self._receptor = column("exponent"), column("receptor")
        self._delay = column("delay")
        self._target = program.core_base[core] + column("base")
        parts = [np.zeros(0, np.int8), *(w.sparse for w in weights), *(w.dense for w in weights)]
        self._weight = np.concatenate(parts)
        self._sparse_target = np.concatenate(
            [np.zeros(0, np.uint16), *(c.sparse_target for c in cores)]
        )
        self._sparse_delay = np.concatenate(
            [np.zeros(0, np.uint8), *(c.sparse_delay for c in cores)]
        )
        bits = 8 * self._weight.dtype.itemsize + int(self._exponent.max(initial=0))
        self.value_type = np.int8 if bits <= 8 else np.int16 if bits <= 16 else np.int32

    def synapses(
        self, group: NDArray[np.int64], receptors: int, n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places and values of all synapses of the row groups, in order."""
        count = self.count[group]
        synapse = _ranges(self._offset[group], count)
        target = np.repeat(self._target[group], count)
        delay = np.repeat(self._delay[group], count)
        dense = np.repeat(self._dense[group], count)
        first = np.repeat(np.cumsum(count) - count, count)
        target[dense] += (np.arange(len(synapse)) - first)[dense]
        sparse = ~dense
        target[sparse] += self._sparse_target[synapse[sparse]]
        delay[sparse] = self._sparse_delay[synapse[sparse]]
        receptor = np.repeat(self._receptor[group], count)
        value = self._weight[synapse].astype(np.int64) << np.repeat(self._exponent[group], count)
        return (delay * receptors + receptor) * n + target, value


def _ranges(start: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """``start[0] … start[0] + count[0] − 1``, then those of ``start[1]``, and so on."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(start - (ends - count), count)


def gather(rows: Rows, sources: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of all synapses of ``sources``."""
    start = rows.start[sources]
    return _ranges(start, rows.start[sources + 1] - start)
