"""Synapses as the NumPy kernel walks them: one long table, sorted by source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import DENSE
from ...runtime.backend import CoreWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
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
        synapse: (k,) int64, where it is in a FlatMemory, or None where nothing learns; where
            delays are learned, ``place`` is that of delay 0 for sparse synapses.
        exponent: (k,) int8, likewise; ``value`` is then empty.
    """

    start: NDArray[np.int64]
    place: NDArray[np.signedinteger]
    value: NDArray[np.signedinteger]
    synapse: NDArray[np.int64] | None = None
    exponent: NDArray[np.int8] | None = None


class FlatMemory:
    """Weights, tags and delays of all cores laid end to end: sparse synapses, then dense ones.

    Args:
        program: a verified Program with rules.
        weights: mantissas and delays per core; copied.

    Attributes:
        weight: (k,) int8 or int16.
        tag: (k,) int8.
        delay: (k,) uint8; 0 for dense synapses.
        sparse_base, dense_base: per core, where its synapses of a kind begin.
        weights: per core views of the above, in the layout of its CoreImage.
    """

    def __init__(self, program: Program, weights: tuple[CoreWeights, ...]) -> None:
        cores = program.cores
        self._enabled = [(len(c.sparse_enable), len(c.dense_enable)) for c in cores]
        sparse = np.cumsum([0, *(len(w.sparse) for w in weights)])
        dense = np.cumsum([0, *(len(w.dense) for w in weights)]) + sparse[-1]
        self.sparse_base, self.dense_base = sparse[:-1], dense[:-1]
        self.weight = np.concatenate([*(w.sparse for w in weights), *(w.dense for w in weights)])
        self.tag = np.zeros(len(self.weight), np.int8)
        self.delay = np.zeros(len(self.weight), np.uint8)
        self.weights = tuple(
            CoreWeights(
                self.weight[sparse[k] : sparse[k + 1]],
                self.weight[dense[k] : dense[k + 1]],
                None if weights[k].delay is None else self.delay[sparse[k] : sparse[k + 1]],
            )
            for k in range(len(cores))
        )
        for k, core in enumerate(cores):
            delay = weights[k].delay
            self.delay[sparse[k] : sparse[k + 1]] = core.sparse_delay if delay is None else delay

    def write_tags(
        self, sparse: tuple[NDArray[np.int8], ...], dense: tuple[NDArray[np.int8], ...]
    ) -> None:
        """Take over tags per core."""
        for given, base in ((sparse, self.sparse_base), (dense, self.dense_base)):
            for tags, first in zip(given, base, strict=True):
                self.tag[first : first + len(tags)] = tags

    def read_tags(self) -> tuple[tuple[NDArray[np.int8], ...], tuple[NDArray[np.int8], ...]]:
        """Copies of the sparse and of the dense tags per core."""
        return (
            tuple(
                self.tag[first : first + sparse].copy()
                for first, (sparse, _) in zip(self.sparse_base, self._enabled, strict=True)
            ),
            tuple(
                self.tag[first : first + dense].copy()
                for first, (_, dense) in zip(self.dense_base, self._enabled, strict=True)
            ),
        )


def build_rows(
    program: Program, wiring: Wiring, weights: tuple[CoreWeights, ...], receptors: int
) -> Rows:
    """Follow every source's destinations to its synapses."""
    tables = _Tables(program, weights)
    pairs = wiring.core, wiring.axon
    axon = tables.first_axon[pairs[0]] + pairs[1]
    groups = np.diff(tables.axon_start)[axon]
    group = ranges(tables.axon_start[axon], groups)
    count = tables.count[group]
    per_destination = np.concatenate([[0], np.cumsum(count)])[
        np.concatenate([[0], np.cumsum(groups)])
    ]
    start = per_destination[wiring.start]
    n = program.neurons
    small = program.wheel_depth * receptors * max(1, n) < 1 << 31
    place = np.empty(int(start[-1]), np.int32 if small else np.int64)
    learns = bool(program.rules)
    value = np.empty(0 if learns else len(place), tables.value_type)
    synapse = np.empty(len(place), np.int64) if learns else None
    exponent = np.empty(len(place), np.int8) if learns else None
    ends = np.cumsum(count)
    low = 0
    while low < len(group):
        done = int(ends[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        span = slice(done, int(ends[high - 1]))
        place[span], index, shift = tables.synapses(group[low:high], receptors, n)
        if synapse is None or exponent is None:
            value[span] = tables.weight[index].astype(np.int64) << shift
        else:
            synapse[span], exponent[span] = index, shift
        low = high
    return Rows(start, place, value, synapse, exponent)


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
        self.weight = np.concatenate(parts)
        self._sparse_target = np.concatenate(
            [np.zeros(0, np.uint16), *(c.sparse_target for c in cores)]
        )
        self._sparse_delay = np.concatenate(
            [np.zeros(0, np.uint8), *(c.sparse_delay for c in cores)]
        )
        if any(rule.changes_delays for rule in program.rules):
            self._sparse_delay = np.zeros_like(self._sparse_delay)
        bits = 8 * self.weight.dtype.itemsize + int(self._exponent.max(initial=0))
        self.value_type = np.int8 if bits <= 8 else np.int16 if bits <= 16 else np.int32

    def synapses(
        self, group: NDArray[np.int64], receptors: int, n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Places, indices of weights, and exponents of all synapses of the row groups, in order."""
        count = self.count[group]
        synapse = ranges(self._offset[group], count)
        target = np.repeat(self._target[group], count)
        delay = np.repeat(self._delay[group], count)
        dense = np.repeat(self._dense[group], count)
        first = np.repeat(np.cumsum(count) - count, count)
        target[dense] += (np.arange(len(synapse)) - first)[dense]
        sparse = ~dense
        target[sparse] += self._sparse_target[synapse[sparse]]
        delay[sparse] = self._sparse_delay[synapse[sparse]]
        receptor = np.repeat(self._receptor[group], count)
        exponent = np.repeat(self._exponent[group], count)
        return (delay * receptors + receptor) * n + target, synapse, exponent


def ranges(start: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """``start[0] … start[0] + count[0] − 1``, then those of ``start[1]``, and so on."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(start - (ends - count), count)


def gather(rows: Rows, sources: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of all synapses of ``sources``."""
    start = rows.start[sources]
    return ranges(start, rows.start[sources + 1] - start)
