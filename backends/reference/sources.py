"""Which channels fire in a step (docs/machine.md §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import PERIODIC, POISSON
from ...counter_hash import POISSON_SOURCE, random

if TYPE_CHECKING:
    from numpy.typing import NDArray


def generated(generators: NDArray[np.void], step: int) -> NDArray[np.int64]:
    """Channels whose generators fire.

    Args:
        generators: (g,) of GENERATOR, sorted by channel.
        step: absolute step since the last reset.

    Returns:
        (k,) channels, ascending.
    """
    fires = np.zeros(len(generators), bool)

    poisson = generators["kind"] == POISSON
    g = generators[poisson]
    fires[poisson] = random(g["seed"], step, g["key"], POISSON_SOURCE) < g["value"]

    periodic = generators["kind"] == PERIODIC
    g = generators[periodic]
    since = step - g["phase"].astype(np.int64)
    fires[periodic] = (since >= 0) & (since % g["value"].astype(np.int64) == 0)

    return generators["channel"][fires].astype(np.int64)
