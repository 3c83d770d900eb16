"""Pass 8: put the parts on the mesh, and the neurons into slots by order.

Parts that send each other many spikes go near each other: starting from row-major order, the swap
that shortens the spikes' ways most is made until none does; a thorough placement is annealed before
(Kirkpatrick, Gelatt and Vecchi, 1983). What a network computes never depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .mapped import Partitioned, Placed
from .refine import uniform
from .traffic import flow_between
from .usage import ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOVES = 400
"""Swaps that annealing tries per part."""
MOST_MOVES = 60_000
"""Swaps that it tries at most."""
HOT, COLD = 0.5, 0.005
"""Temperatures at the beginning and the end, of the mean change of a swap."""


@dataclass(frozen=True)
class Place:
    """Assign cores by traffic, slots by order.

    Attributes:
        thorough: anneal.
    """

    thorough: bool = False

    def apply(self, ir: Partitioned) -> Placed:
        """The placed network."""
        core_of_part = arrange(_flow(ir), ir.target.mesh[1], thorough=self.thorough)
        return Placed(
            **ir.fields(),
            core=core_of_part[ir.part].astype(np.uint16),
            slot=ranks(ir.part.astype(np.int64)).astype(np.uint16),
        )


def _flow(ir: Partitioned) -> NDArray[np.float64]:
    """(parts, parts) messages between parts, symmetric."""
    if ir.parts < 3:
        return np.zeros((ir.parts, ir.parts))  # two cores are neighbours wherever they are
    flow = flow_between(ir, ir.part, ir.parts, ir.rate)
    return flow + flow.T


def arrange(
    flow: NDArray[np.float64], columns: int, *, thorough: bool = False
) -> NDArray[np.int64]:
    """(parts,) position of each part, row-major.

    Args:
        flow: (parts, parts) messages between parts, symmetric, nothing on the diagonal.
        columns: of the mesh.
        thorough: anneal before the descent.
    """
    k = len(flow)
    place = np.arange(k)
    if not flow.any():
        return place
    row, column = np.divmod(np.arange(k), columns)
    distance = (np.abs(row[:, None] - row) + np.abs(column[:, None] - column)).astype(np.float64)
    found = [_descend(flow, distance, place)]
    if thorough:
        found.append(_descend(flow, distance, _anneal(flow, distance)))
    return min(found, key=lambda one: float((flow * distance[np.ix_(one, one)]).sum()))


def _anneal(flow: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.int64]:
    """(parts,) positions by swaps that may make ways longer, first often, then hardly ever."""
    k = len(flow)
    place = np.arange(k)
    moves = min(MOVES * k, MOST_MOVES)
    pairs = np.minimum((uniform(2 * moves, 1) * k).astype(np.int64), k - 1).reshape(moves, 2)
    chance = -np.log(np.maximum(uniform(moves, 2), 1e-9))
    scale = float(flow.sum()) / k * float(distance.mean())
    limit = chance * scale * HOT * (COLD / HOT) ** (np.arange(moves) / moves)
    for (i, j), most in zip(pairs.tolist(), limit.tolist(), strict=True):
        if i == j:
            continue
        a, b = place[i], place[j]
        change = (flow[i] - flow[j]) @ (distance[b] - distance[a])[place] + 2 * flow[
            i, j
        ] * distance[a, b]
        if change < most:
            place[i], place[j] = b, a
    return place


def _descend(
    flow: NDArray[np.float64], distance: NDArray[np.float64], place: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Steepest descent over swaps.

    Swapping parts i and j changes the total way by
    ``Σ_k (F_ik − F_jk)(D_jk − D_ik)``, over k other than i and j, times two.
    """
    k = len(flow)
    place = place.copy()
    near = distance[np.ix_(place, place)]
    product = flow @ near
    for _ in range(4 * k):
        own = np.diag(product)
        change = product + product.T - own[:, None] - own[None, :] + 2 * flow * near
        i, j = np.unravel_index(np.argmin(change), change.shape)
        if change[i, j] >= -1e-9 * abs(float(own.sum())):
            break
        both = [int(i), int(j)]
        place[both] = place[both[::-1]]
        changed = distance[np.ix_(place[both], place)]
        product += flow[:, both] @ (changed - near[both])
        near[both], near[:, both] = changed, changed.T
        product[:, both] = flow @ near[:, both]
    return place
