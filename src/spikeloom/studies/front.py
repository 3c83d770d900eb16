"""Which points are on the Pareto front: no other one is as good in everything and better once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def front(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points nobody beats.

    Args:
        costs: (points, objectives), all to be small, none of them not a number. Points with the
            same costs beat each other not, and are on the front together.

    Returns:
        (points,) booleans.
    """
    found = np.zeros(len(costs), bool)
    if not len(costs):
        return found
    # By falling rank in lexicographic order a point can be beaten only by one before it, and if
    # by any, then by one on the front.
    distinct, inverse = np.unique(costs, axis=0, return_inverse=True)
    kept = np.zeros(len(distinct), bool)
    for number, cost in enumerate(distinct):
        best = distinct[:number][kept[:number]]
        kept[number] = not (best <= cost).all(axis=1).any()
    return kept[inverse.ravel()]
