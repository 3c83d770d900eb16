"""When a Program's own sources fire; the host works it out and streams it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.program import POISSON
from ...counter_hash import POISSON_SOURCE, random

if TYPE_CHECKING:
    from numpy.typing import NDArray


def generated(
    generators: NDArray[np.void], start: int, steps: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps, counted from ``start``, and channels in which generators fire."""
    fires = np.zeros((steps, len(generators)), bool)
    poisson = generators["kind"] == POISSON
    g = generators[poisson]
    if len(g):
        for i in range(steps):
            fires[i, poisson] = random(g["seed"], start + i, g["key"], POISSON_SOURCE) < g["value"]
    g = generators[~poisson]
    since = np.arange(start, start + steps)[:, None] - g["phase"].astype(np.int64)
    fires[:, ~poisson] = (since >= 0) & (since % g["value"].astype(np.int64) == 0)
    step, which = np.nonzero(fires)
    return step, generators["channel"][which].astype(np.int64)


def merged(*columns: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Host's and generators' spikes in one list, sorted by step and channel."""
    step = np.concatenate([columns[0], columns[2]]).astype(np.int64)
    channel = np.concatenate([columns[1], columns[3]]).astype(np.int64)
    order = np.lexsort((channel, step))
    return step[order], channel[order]
