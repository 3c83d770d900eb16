"""The flits of a mesh's spikes: who sends which in what order, and what becomes of each.

``Network`` is hdl/router.py as arithmetic, cycle by cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .routing import OPPOSITE, PRIORITY, ROOM, Port, neighbour, region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .cycles import Senders
    from .mesh_cycles import MeshRows

KINDS = 3
"""Of senders: neurons, the host's channels, generators."""


@dataclass(frozen=True, eq=False)
class SentFlits:
    """The flits of a number of steps, in the order of sending: by step, core and kind.

    Attributes:
        flit: (n,) int64, number in ``MeshRows``.
        sender: (n,) int64.
        start: (steps · cores · KINDS + 1,) int64, where those of each kind begin.
        first: (n + 1,) int64, where the arrivals of each begin; there is one for each core that it
            is for.
        core: (arrivals,) int64, ascending within a flit.
    """

    flit: NDArray[np.int64]
    sender: NDArray[np.int64]
    start: NDArray[np.int64]
    first: NDArray[np.int64]
    core: NDArray[np.int64]

    @staticmethod
    def of(mesh: MeshRows, senders: Senders, sent: NDArray[np.int64]) -> SentFlits:
        """Those of the spikes of some steps; ``senders`` and ``sent`` as in
        ``hdl.cycles.StepWork``."""
        steps, cores = sent.shape[1], mesh.rows * mesh.columns
        parts, keys = [], []
        for kind, (own, times) in enumerate(zip(senders, sent, strict=True)):
            step = np.repeat(np.arange(steps), times)
            parts.append(own.astype(np.int64))
            keys.append((step * cores + mesh.home[own]) * KINDS + kind)
        sender, key = np.concatenate(parts), np.concatenate(keys)
        order = np.argsort(key, kind="stable")
        sender, key = sender[order], key[order]
        count = mesh.start[sender + 1] - mesh.start[sender]
        ends = np.cumsum(count)
        start = np.append(0, ends)[np.searchsorted(key, np.arange(steps * cores * KINDS + 1))]
        flit = np.arange(int(ends[-1]) if len(ends) else 0)
        flit += np.repeat(mesh.start[sender] - (ends - count), count)
        which, core = np.nonzero(members(mesh.cores[flit], cores))
        first = np.searchsorted(which, np.arange(len(flit) + 1))
        return SentFlits(flit, np.repeat(sender, count), start, first, core.astype(np.int64))


@dataclass(frozen=True, eq=False)
class FlitTimes:
    """What became of the flits of a number of steps, in cycles from each step's start.

    Attributes:
        taken: (n,) int64, the cycle in which its router took each flit from its core.
        arrived: (arrivals,) int64, in which a router handed it to a core.
        done: (arrivals,) int64, when that core's lanes were through with its rows; if there are
            none, as ``arrived``.
        last: (steps,) int64, the last arrival anywhere, 0 without any.
        ends: (cores, steps) int64, when each core's last lane was through, 0 without any row.
        passed, waited: (cores, ports) int64, flits that left by each output of a router, and the
            cycles that they waited for it as the first ones of a buffer.
    """

    taken: NDArray[np.int64]
    arrived: NDArray[np.int64]
    done: NDArray[np.int64]
    last: NDArray[np.int64]
    ends: NDArray[np.int64]
    passed: NDArray[np.int64]
    waited: NDArray[np.int64]


def members(masks: NDArray[np.uint64], cores: int) -> NDArray[np.uint64]:
    """(masks, cores) 1 for each core that is in a mask, else 0."""
    return masks[:, None] >> np.arange(cores, dtype=np.uint64) & np.uint64(1)


class Network:
    """The routers of a mesh, empty between steps.

    Args:
        rows, columns: of the mesh.
        room: flits that fit into the buffer of a port.

    Attributes:
        cores: of the mesh.
        taken: of the last call of ``carry``, the cycles in which each core's flits left it.
        passed, waited: (cores, ports), as in ``FlitTimes``, of all calls.
    """

    def __init__(self, rows: int, columns: int, room: int = ROOM) -> None:
        self.cores, self.room = rows * columns, room
        self.taken: list[list[int]] = []
        self.passed = np.zeros((self.cores, len(Port)), np.int64)
        self.waited = np.zeros_like(self.passed)
        self._outputs = []
        for core in range(self.cores):
            outputs = []
            for port in Port:
                beyond = neighbour(core, port, rows, columns)
                if beyond is None and port != Port.LOCAL:
                    continue
                into = None if beyond is None else (beyond, int(OPPOSITE[port]))
                inputs = [int(by) for by in PRIORITY[port]]
                outputs.append((int(port), region(core, port, rows, columns), inputs, into))
            self._outputs.append(outputs)

    def carry(
        self, waiting: Sequence[Sequence[tuple[int, int, int]]]
    ) -> list[list[tuple[int, int]]]:
        """Let everything arrive.

        Args:
            waiting: what each core sends, one after the other: first cycle, mask of cores, number.

        Returns:
            what each core gets: cycle and number.
        """
        arrived: list[list[tuple[int, int]]] = [[] for _ in range(self.cores)]
        buffers: list[list[list[tuple[int, int]]]] = [[[] for _ in Port] for _ in range(self.cores)]
        self.taken = [[] for _ in range(self.cores)]
        flits = 0  # in buffers
        cycle = 0
        while True:
            heads = [
                some[len(gone)][0] for some, gone in zip(waiting, self.taken, strict=True)
                if len(gone) < len(some)
            ]  # fmt: skip
            if not flits:
                if not heads:
                    return arrived
                cycle = max(cycle, min(heads))
            # What moves depends on what is there at the cycle's beginning.
            moves = [move for core, own in enumerate(buffers) if any(own)
                     for move in self._choose(core, buffers)]  # fmt: skip
            begins = [
                core for core, (some, gone) in enumerate(zip(waiting, self.taken, strict=True))
                if len(gone) < len(some) and some[len(gone)][0] <= cycle
                and len(buffers[core][Port.LOCAL]) < self.room
            ]  # fmt: skip
            pushed = []
            for core, by, there, into in moves:
                mask, number = buffers[core][by][0]
                if into is None:
                    arrived[core].append((cycle, number))
                else:
                    pushed.append((into, (mask & there, number)))
                # The first flit of a buffer is for whom it has not been sent to.
                buffers[core][by][0] = (mask & ~there, number)
            for core, by in {(core, by) for core, by, *_ in moves}:
                if not buffers[core][by][0][0]:
                    del buffers[core][by][0]
                    flits -= 1
            for core in begins:
                _, mask, number = waiting[core][len(self.taken[core])]
                self.taken[core].append(cycle)
                pushed.append(((core, int(Port.LOCAL)), (mask, number)))
            for (core, by), flit in pushed:
                buffers[core][by].append(flit)
            flits += len(pushed)
            cycle += 1

    def _choose(
        self, core: int, buffers: list[list[list[tuple[int, int]]]]
    ) -> list[tuple[int, int, int, tuple[int, int] | None]]:
        """What leaves a router in a cycle: core, input, the cores behind the output, and the
        buffer there."""
        own, moves = buffers[core], []
        for port, there, inputs, into in self._outputs[core]:
            wanting = [by for by in inputs if own[by] and own[by][0][0] & there]
            if wanting and (into is None or len(buffers[into[0]][into[1]]) < self.room):
                moves.append((core, wanting[0], there, into))
                self.passed[core, port] += 1
                self.waited[core, port] -= 1
            self.waited[core, port] += len(wanting)
        return moves
