"""Pass 7: put the parts on the mesh, and the neurons into slots by order.

Parts that talk to each other go near each other: starting from row-major order, the swap that
shortens the spikes' ways most is made until none does. What a network computes never depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .mapped import Partitioned, Placed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Place:
    """Assign cores by traffic, slots by order."""

    def apply(self, ir: Partitioned) -> Placed:
        """The placed network."""
        core_of_part = _arrange(_traffic(ir), ir.target.mesh[1])
        sizes = np.bincount(ir.part, minlength=ir.parts)
        slot = np.arange(ir.neurons) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return Placed(
            **ir.fields(),
            core=core_of_part[ir.part].astype(np.uint16),
            slot=slot.astype(np.uint16),
        )


def _traffic(ir: Partitioned) -> NDArray[np.float64]:
    """(parts, parts) synapses between parts, symmetric, without those within a part."""
    k = ir.parts
    flow = np.zeros((k, k))
    if k < 3:
        return flow  # two cores are neighbours wherever they are
    for edge in ir.graph.projections:
        if not edge.base_delay:
            continue  # sources are fed from outside
        pre, post = ir.population(edge.pre), ir.population(edge.post)
        rows = np.repeat(
            ir.part[pre.first : pre.first + pre.size].astype(np.int64),
            np.diff(edge.synapses.start),
        )
        columns = ir.part[post.first + edge.synapses.post.astype(np.int64)]
        flow += np.bincount(rows * k + columns, minlength=k * k).reshape(k, k)
    flow += flow.T.copy()
    np.fill_diagonal(flow, 0.0)
    return flow


def _arrange(flow: NDArray[np.float64], columns: int) -> NDArray[np.int64]:
    """(parts,) position of each part, row-major, by steepest descent over swaps.

    Swapping parts i and j changes the total way by
    ``Σ_k (F_ik − F_jk)(D_jk − D_ik)``, over k other than i and j, times two.
    """
    k = len(flow)
    place = np.arange(k)
    if not flow.any():
        return place
    row, column = np.divmod(np.arange(k), columns)
    distance = (np.abs(row[:, None] - row) + np.abs(column[:, None] - column)).astype(np.float64)
    for _ in range(k):
        near = distance[np.ix_(place, place)]
        product = flow @ near
        own = np.diag(product)
        change = product + product.T - own[:, None] - own[None, :] + 2 * flow * near
        i, j = np.unravel_index(np.argmin(change), change.shape)
        if change[i, j] >= 0:
            break
        place[[i, j]] = place[[j, i]]
    return place
