"""Partition a network coarse first: join neurons that belong together, cut, and refine.

Neurons join the cluster that they have most synapses with, again and again, until a few vertices
per core are left. These are cut in halves along the slowest vibration of their graph (Fiedler,
1973; Pothen, Simon and Liou, 1990), and these again, down to single cores. Then level by level the
clusters are taken apart, and ``refine`` moves what saves messages (after Hendrickson and Leland,
1995).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .refine import Level, refine, uniform
from .traffic import Sparse, best_column, membership

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

ROUNDS = 4
"""Times that every vertex may change its cluster, per level."""
ITERATIONS, ORTHOGONAL = 400, 8
"""Of the power method, per cut; and how many of them until vectors are made orthogonal again."""
VECTORS = 6
"""Vibrations that are looked for side by side."""
PASSES = 24
"""Passes of refinement."""


Joined: TypeAlias = "dict[float, tuple[NDArray[np.int64], Level]]"
"""Clusters of a network's neurons by the room that limits them, and the level that they make."""


def multilevel(
    level: Level, parts: int, *, vertices: int, share: float, known: Joined | None = None
) -> NDArray[np.int64]:
    """A partition into so many parts.

    Args:
        level: the network, a vertex per neuron.
        parts: how many.
        vertices: per part, at which joining ends.
        share: of a core that a cluster fills at most.
        known: of the same network, by earlier calls; more is added.

    Returns:
        (neurons,) the part of each; some may be too full if there is little room.
    """
    levels, labels = [level], []
    while len(level.weight) > vertices * parts:
        limit = min(share, max(12 * float(level.weight.mean()), 4 * float(level.weight.min())))
        if labels or known is None or limit not in known:
            label = join(level, limit, step=1000 * len(labels))
            if label.max() + 1 > 0.9 * len(label):
                break
            coarse = contract(level, label)
            if not labels and known is not None:
                known[limit] = label, coarse
        else:
            label, coarse = known[limit]
        level = coarse
        levels.append(level)
        labels.append(label)
    part = np.zeros(len(level.weight), np.int64)
    _halve(level.wires, level.weight, parts, part, np.arange(len(part)), 0)
    for number in range(len(levels) - 1, -1, -1):
        part = refine(levels[number], part, parts, PASSES)
        if number:
            part = part[labels[number - 1]]
    return part


def join(level: Level, limit: float, step: int) -> NDArray[np.int64]:
    """(vertices,) a cluster for each vertex, numbered without gaps; none heavier than ``limit``."""
    weight = level.weight
    n = len(weight)
    label, size = np.arange(n), weight.copy()
    for number in range(ROUNDS):
        first = uniform(n, step + 3 * number) < 0.5
        for half in (np.flatnonzero(first), np.flatnonzero(~first)):
            table = (level.wires[half] @ membership(label, n)).tocsr()
            row = np.repeat(np.arange(len(half)), np.diff(table.indptr))
            # Among equals by chance.
            table.data *= 1 + np.float32(0.01) * uniform(len(row), step + 3 * number + 1)
            large = size[table.indices] + weight[half][row] > limit
            table.data[large & (table.indices != label[half][row])] = 0
            best, value, stays = best_column(table, label[half])
            go = np.flatnonzero((best >= 0) & (value > stays))
            go = go[np.argsort(-value[go] / weight[half[go]], kind="stable")]
            who, to = _with_room(half[go], best[go], weight, size, limit)
            np.subtract.at(size, label[who], weight[who])
            np.add.at(size, to, weight[who])
            label[who] = to
    return np.unique(label, return_inverse=True)[1].reshape(-1)


def _with_room(
    who: NDArray[np.int64],
    to: NDArray[np.int64],
    weight: NDArray[np.float64],
    size: NDArray[np.float64],
    limit: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those that still find room, first come, first served."""
    order = np.argsort(to, kind="stable")
    who, to = who[order], to[order]
    total = np.append(0, np.cumsum(weight[who]))
    before = total[np.searchsorted(to, to)]
    stay = size[to] + total[1:] - before <= limit
    return who[stay], to[stay]


def contract(level: Level, label: NDArray[np.int64]) -> Level:
    """The level on which each cluster is one vertex."""
    clusters = int(label.max()) + 1
    member = membership(label, clusters)
    pins = (level.pins @ member).tocsr()
    pins.data[:] = 1
    wires = (member.T @ level.wires @ member).tocsr()
    wires.setdiag(0)
    wires.eliminate_zeros()
    weight = np.bincount(label, level.weight, clusters).astype(np.float64, copy=False)
    return Level(pins, wires, level.rate, weight)


def _halve(
    wires: Sparse,
    weight: NDArray[np.float64],
    parts: int,
    part: NDArray[np.int64],
    own: NDArray[np.int64],
    first: int,
) -> None:
    """Write parts ``first … first + parts - 1`` for the vertices ``own``, whose graph is given."""
    if parts == 1 or len(own) < 2:
        part[own] = first
        return
    left = parts // 2
    order = np.argsort(_vibration(wires), kind="stable")
    total = np.cumsum(weight[order])
    cut = int(np.searchsorted(total, total[-1] * left / parts))
    cut = min(max(cut, 1), len(order) - 1)
    for half, count, at in (
        (np.sort(order[:cut]), left, first),
        (np.sort(order[cut:]), parts - left, first + left),
    ):
        _halve(wires[half][:, half], weight[half], count, part, own[half], at)


def _vibration(wires: Sparse) -> NDArray[np.float64]:
    """(vertices,) the slowest vibration of a graph, by the power method."""
    n = wires.shape[0]
    degree = np.asarray(wires.sum(axis=1), np.float64).ravel()
    degree += 1e-6 * max(1.0, float(degree.max(initial=0)))
    root = np.sqrt(degree)
    still = root / np.linalg.norm(root)
    scale = (1 / root)[:, None]
    x = np.stack([uniform(n, k) - 0.5 for k in range(min(VECTORS, n))], axis=1).astype(np.float64)
    for k in range(ITERATIONS):
        x = x + scale * (wires @ (scale * x))
        if k % ORTHOGONAL == 0:
            x -= np.outer(still, still @ x)
            x, _ = np.linalg.qr(x)
    x -= np.outer(still, still @ x)
    x, _ = np.linalg.qr(x)
    _, turn = np.linalg.eigh(x.T @ (scale * (wires @ (scale * x))))
    return (x @ turn[:, -1]) / root
