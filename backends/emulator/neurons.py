"""Neuron parameters as the kernels want them: decay factors, masks, and runs of equal neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import EXPONENTIAL, HOLD, RESET_SUBTRACT
from . import native as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program

SHORTEST_RUN = 64
"""Shorter runs of equal neurons are not worth a segment of their own."""


def profile_table(profiles: NDArray[np.void]) -> NDArray[np.int32]:
    """(P_COUNT, m) what the kernels read, one column per profile.

    Choices become masks, 0 or −1. Either leak is written so that both can be applied to every
    neuron: exponential with L = 0, linear with the factor 4096.
    """
    table = np.zeros((c.P_COUNT, len(profiles)), np.int32)
    exponential = profiles["leak"] == EXPONENTIAL
    shift = profiles["shift"].astype(np.int32)
    table[c.P_DECAY_U0] = 4096 - profiles["decay_u"][:, 0].astype(np.int32)
    table[c.P_DECAY_U1] = 4096 - profiles["decay_u"][:, 1].astype(np.int32)
    table[c.P_SHIFT], table[c.P_SCALE], table[c.P_LIMIT] = shift, 1 << shift, 1 << (30 - shift)
    table[c.P_SPIKING] = -(profiles["spiking"] != 0).astype(np.int32)
    table[c.P_DECAY_V] = np.where(exponential, 4096 - profiles["decay_v"].astype(np.int32), 4096)
    table[c.P_LEAK_STEP] = np.where(exponential, 0, profiles["leak_step"])
    table[c.P_SUBTRACT] = -(profiles["reset"] == RESET_SUBTRACT).astype(np.int32)
    table[c.P_DELAYED] = -(profiles["reset_delay"] != 0).astype(np.int32)
    table[c.P_V_RESET] = profiles["v_reset"]
    table[c.P_REFRACTORY] = profiles["refractory"]
    table[c.P_HOLD] = -(profiles["refractory_mode"] == HOLD).astype(np.int32)
    table[c.P_ADAPT_STEP] = profiles["adapt_step"]
    table[c.P_ADAPT_DECAY] = 4096 - profiles["adapt_decay"].astype(np.int32)
    return table


@dataclass(frozen=True, eq=False)
class Neurons:
    """All neurons of a Program; ``n`` global neurons.

    Attributes:
        table: (P_COUNT, m) distinct parameter sets of all cores.
        row: (n,) each neuron's column of ``table``.
        core_base: (cores + 1,) first global neuron of each core.
        theta, bias: (n,) int32.
        key: (n,) uint32, address in the counter hash.
    """

    table: NDArray[np.int32]
    row: NDArray[np.int64]
    core_base: NDArray[np.int64]
    theta: NDArray[np.int32]
    bias: NDArray[np.int32]
    key: NDArray[np.uint32]

    @staticmethod
    def of(program: Program) -> Neurons:
        """Gather the parameters of all cores."""
        cores = program.cores
        tables = [np.zeros((c.P_COUNT, 0), np.int32), *(profile_table(k.profiles) for k in cores)]
        bases = np.cumsum([0, *(t.shape[1] for t in tables[1:])])
        rows = [k.profile + base for k, base in zip(cores, bases[:-1], strict=True)]
        table, inverse = np.unique(np.concatenate(tables, axis=1), axis=1, return_inverse=True)
        row = _concatenate(rows, np.int64)
        return Neurons(
            table=table,
            row=inverse.reshape(-1)[row].astype(np.int64),
            core_base=program.core_base,
            theta=_concatenate([k.threshold for k in cores], np.int32),
            bias=_concatenate([k.bias for k in cores], np.int32),
            key=_concatenate([k.key for k in cores], np.uint32),
        )

    def parameter(self, code: int) -> NDArray[np.int32]:
        """(n,) one parameter of every neuron."""
        return self.table[code][self.row]

    def segments(self, cuts: NDArray[np.int64]) -> list[tuple[int, int, int, bool]]:
        """Consecutive neurons that can be updated together.

        Args:
            cuts: further places (global neuron numbers) that no segment may cross.

        Returns:
            (first, end, core, shared): ``shared`` where all have the same parameters.
        """
        n = len(self.row)
        places = np.concatenate([self.core_base, cuts, np.flatnonzero(np.diff(self.row)) + 1])
        starts = np.unique(places[places < n])
        ends = np.append(starts[1:], n)[: len(starts)]
        walls = set(self.core_base.tolist()) | set(cuts.tolist())
        cores = np.searchsorted(self.core_base, starts, side="right") - 1
        found: list[tuple[int, int, int, bool]] = []
        for first, end, core in zip(starts.tolist(), ends.tolist(), cores.tolist(), strict=True):
            if end - first >= SHORTEST_RUN:
                found.append((first, end, core, True))
            elif found and not found[-1][3] and first not in walls:
                found[-1] = (found[-1][0], end, core, False)
            else:
                found.append((first, end, core, False))
        return found


def _concatenate(parts: list[NDArray], dtype: type) -> NDArray:
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)
