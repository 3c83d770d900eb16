"""Move neurons between parts where that saves messages: passes over all of them at once.

A vertex (a neuron, or several that stay together) saves a message of each sender that reaches its
part only for its sake, and costs one of each that does not reach the new part yet. Every pass
takes half of the vertices that would save anything, drawn anew, since the gains of two neighbours
that move at the same time are not the sum of their own. The best state of all passes counts, so
that no pass can do harm. After Fiduccia and Mattheyses (1982), and for many moves at once after
the label propagation of Sanders and Seemaier (2023).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..counter_hash import random
from .traffic import Sparse, best_column, membership

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAPPING = 5
"""Purpose of the counter hash for choices of the mapping."""
PATIENCE = 4
"""Passes without gain before the end."""
LEAST = 2e-4
"""What counts as gain, of the traffic."""


def uniform(n: int, step: int) -> NDArray[np.float32]:
    """(n,) numbers from 0 to 1, others in each step; the same on every machine."""
    return (random(0, step, np.arange(n), MAPPING) / 2.0**32).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Level:
    """A network of vertices, each of them one or more neurons.

    Attributes:
        pins: (senders, vertices) float32, 1 where a sender reaches a vertex.
        wires: (vertices, vertices) float32, how much they have to do with each other.
        rate: (senders,) spikes of each.
        weight: (vertices,) float64, how much of a core each fills at most.
    """

    pins: Sparse
    wires: Sparse
    rate: NDArray[np.float64]
    weight: NDArray[np.float64]


def refine(level: Level, part: NDArray[np.int64], parts: int, passes: int) -> NDArray[np.int64]:
    """A partition with less traffic, or the same one; no part is fuller than a core.

    Args:
        level: what is partitioned.
        part: (vertices,) where each is; parts may be too full.
        parts: how many.
        passes: at most.

    Returns:
        (vertices,) the best one found. It is too full only if none was found that is not.
    """
    state = _State(level, parts)
    best, best_value, quiet = part, np.inf, 0
    for number in range(passes):
        reached = (level.pins @ membership(part, parts)).tocsr()
        size = np.bincount(part, level.weight, parts).astype(np.float64)
        full = bool((size > 1 + 1e-9).any())
        if not full:
            value = float(level.rate @ (np.diff(reached.indptr) - 1.0))
            quiet = 0 if value < best_value * (1 - LEAST) else quiet + 1
            if value < best_value:
                best, best_value = part, value
            if quiet >= PATIENCE:
                break
        to, gain = state.gains(part, reached, size if full else None)
        if full:
            chosen = _surplus(part, to, gain, level.weight, size)
        else:
            chosen = (gain > 0) & (uniform(len(part), number) < 0.5)
        moved = move(part, to, gain, chosen, level.weight, size)
        if moved is None:
            break
        part = moved
    return best if np.isfinite(best_value) else part


class _State:
    """What does not change from pass to pass."""

    def __init__(self, level: Level, parts: int) -> None:
        self.level, self.parts = level, parts
        self.by_vertex = level.pins.T.tocsr()
        self.all = self.by_vertex @ level.rate
        self.sender = np.repeat(np.arange(level.pins.shape[0]), np.diff(level.pins.indptr))

    def gains(
        self, part: NDArray[np.int64], reached: Sparse, size: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The best other part of each vertex, or -1, and what a move there saves.

        Where ``size`` is given, only parts that have room for an average vertex are any good; and
        if a vertex has nothing to do with them, the emptiest of them.
        """
        level = self.level
        vertex = level.pins.indices
        saves = np.zeros(len(self.sender), bool)
        chunk = max(1, (1 << 26) // self.parts)  # senders whose counts are laid out at a time
        for low in range(0, reached.shape[0], chunk):
            pins = slice(*level.pins.indptr[[low, min(low + chunk, reached.shape[0])]])
            counts = reached[low : low + chunk].toarray()
            saves[pins] = counts[self.sender[pins] - low, part[vertex[pins]]] == 1
        benefit = np.bincount(vertex[saves], level.rate[self.sender[saves]], len(part))
        there = reached.copy()
        there.data = np.repeat(level.rate, np.diff(reached.indptr)).astype(np.float32)
        if size is None:
            to, knows, _ = best_column((self.by_vertex @ there).tocsr(), part)
        else:
            roomy = size + level.weight.mean() <= 1
            there.data *= roomy[there.indices]
            to, knows, _ = best_column((self.by_vertex @ there).tocsr(), part)
            to[knows <= 0] = int(np.argmin(size))
        gain = benefit - (self.all - knows)
        gain[to < 0] = -1e30
        return to, gain


def _surplus(
    part: NDArray[np.int64],
    to: NDArray[np.int64],
    gain: NDArray[np.float64],
    weight: NDArray[np.float64],
    size: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Vertices that leave parts that are too full, those first that cost least."""
    order = np.lexsort((-gain, part))
    total = np.append(0, np.cumsum(weight[order]))
    before = total[:-1] - total[np.searchsorted(part[order], part[order])]
    chosen = np.zeros(len(part), bool)
    chosen[order] = before < size[part[order]] - 1 - 1e-9
    return chosen & (to != part)


def move(
    part: NDArray[np.int64],
    to: NDArray[np.int64],
    gain: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    weight: NDArray[np.float64],
    size: NDArray[np.float64],
) -> NDArray[np.int64] | None:
    """Make the moves that there is room for, best first, and exchanges where there is none.

    Returns:
        (vertices,) the new parts, or None where nothing moves.
    """
    order = np.flatnonzero(chosen)
    order = order[np.argsort(-gain[order] / weight[order], kind="stable")]
    new, room, w = part.tolist(), (1 - size).tolist(), weight.tolist()
    goal, waiting, moved = to.tolist(), order.tolist(), 0
    for _ in range(4):  # who leaves makes room for others
        rest = []
        for v in waiting:
            b = goal[v]
            if w[v] <= room[b] + 1e-9:
                room[new[v]] += w[v]
                room[b] -= w[v]
                new[v] = b
                moved += 1
            else:
                rest.append(v)
        if len(rest) == len(waiting):
            break
        waiting = rest
    queues: dict[tuple[int, int], list[int]] = defaultdict(list)
    for v in waiting:
        queues[new[v], goal[v]].append(v)
    for (a, b), there in queues.items():
        for v, u in zip(there, queues.get((b, a), ()) if a < b else (), strict=False):
            more = w[v] - w[u]
            if gain[v] + gain[u] > 0 and more <= room[b] + 1e-9 and -more <= room[a] + 1e-9:
                new[v], new[u] = b, a
                room[a] += more
                room[b] -= more
                moved += 2
    return np.array(new, np.int64) if moved else None
