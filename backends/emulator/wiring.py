"""Who sends where, as flat tables; *sources* are all channels, then all global neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program


@dataclass(frozen=True, eq=False)
class Wiring:
    """Destinations of every source.

    Attributes:
        start: (sources + 1,) int64, the destinations of source ``i`` are ``start[i]:start[i+1]``.
        core: (d,) uint16.
        axon: (d,) int32.
    """

    start: NDArray[np.int64]
    core: NDArray[np.uint16]
    axon: NDArray[np.int32]

    @staticmethod
    def of(program: Program) -> Wiring:
        """Lay the tables of channels and cores end to end."""
        starts = [program.channel_start, *(c.spike_start for c in program.cores)]
        tables = [program.channel_to, *(c.spike_to for c in program.cores)]
        counts = np.concatenate([np.diff(start) for start in starts])
        return Wiring(
            start=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
            core=np.concatenate([t["core"] for t in tables]),
            axon=np.concatenate([t["axon"] for t in tables]),
        )

    @property
    def sources(self) -> int:
        """Channels and neurons."""
        return len(self.start) - 1


def receptors_in_use(program: Program) -> int:
    """2 where any row reaches the second receptor, else 1."""
    return 1 + max((int(c.rows["receptor"].max()) for c in program.cores if len(c.rows)), default=0)
