"""How long spikes take over a mesh, to the cycle: hdl/router.py as arithmetic.

Nothing that happens in a core has an influence on the network: what is sent waits in the sender,
and what arrives is taken at once. So a step is the network cycle by cycle (``Network.carry``), and
then each core's rows in the order in which their spikes came (``hdl.cycles``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .cycles import OVERHEAD, SCAN, walk_in_order
from .routing import OPPOSITE, PRIORITY, ROOM, Port, neighbour, region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .cycles import Senders

OFFERED = 4
"""A spike is offered to the router so many cycles before its first synapse in a core alone."""
ARRIVED = 6
"""From the cycle in which a router hands a spike to its core to the spike's first synapse."""
QUIET = 1
"""From the last spike's arrival anywhere to the cycle in which all cores know of it."""


@dataclass(frozen=True, eq=False)
class MeshRows:
    """What each sender sends, and the rows that it is for.

    Attributes:
        rows, columns: of the mesh.
        home: (senders,) int64, the core of each sender.
        start: (senders + 1,) int64; sender ``i`` sends flits ``start[i] … start[i + 1]``.
        cores: (flits,) uint64, a bit for each core that a flit is for.
        number: (flits,) int64, number of the axon that it has on all of them.
        row_start, row_end: of each core (numbers,) int64, the rows of an axon number.
        entries: of each core (rows, lanes) int32, cycles that each lane takes for each row.
        groups: (cores,) groups of neurons in use.
        generator_groups: (cores,) groups of generators in use.
        offered, arrived: the constants of that name.
    """

    rows: int
    columns: int
    home: NDArray[np.int64]
    start: NDArray[np.int64]
    cores: NDArray[np.uint64]
    number: NDArray[np.int64]
    row_start: tuple[NDArray[np.int64], ...]
    row_end: tuple[NDArray[np.int64], ...]
    entries: tuple[NDArray[np.int32], ...]
    groups: NDArray[np.int64]
    generator_groups: NDArray[np.int64]
    offered: int = OFFERED
    arrived: int = ARRIVED

    def ways(self) -> dict[str, NDArray[Any]]:
        """What ``routing`` says of this mesh, as tables.

        Returns:
            ``region``: (cores, ports) uint64, cores behind each output, 0 where there is none;
            ``into``: (cores, ports) int32, number of the buffer there (core times ports, and its
            port), -1 of LOCAL; ``priority``: (ports, ports) int32, the inputs that an output
            takes, the first one first, then -1.
        """
        sides = (self.rows, self.columns)
        cores, ports = self.rows * self.columns, len(Port)
        into = np.full((cores, ports), -1, np.int32)
        reached = np.zeros((cores, ports), np.uint64)
        for core in range(cores):
            for port in Port:
                beyond = neighbour(core, port, *sides)
                if beyond is not None:
                    into[core, port] = beyond * ports + OPPOSITE[port]
                if beyond is not None or port == Port.LOCAL:
                    reached[core, port] = region(core, port, *sides)
        priority = np.full((ports, ports), -1, np.int32)
        for port, inputs in PRIORITY.items():
            priority[port, : len(inputs)] = inputs
        return {"region": reached, "into": into, "priority": priority}


def mesh_cycles(
    mesh: MeshRows, graded: NDArray[np.int64], last: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(steps,) clock cycles of each step.

    Args:
        graded: (steps,) graded events of the host, for all cores.
        last, ends: what ``walk_mesh`` returned.
    """
    scan = int(mesh.generator_groups.max(initial=0))
    decided = np.maximum(graded, scan + SCAN if scan else 0)
    quiet = np.maximum(decided, last) + QUIET
    groups = np.maximum(mesh.groups, 1)[:, None]
    return (np.maximum(ends, quiet) + groups).max(axis=0) + OVERHEAD


def walk_mesh(
    mesh: MeshRows, senders: Senders, sent: NDArray[np.int64], earliest: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When spikes have arrived and rows have been walked.

    Args:
        senders, sent: as in ``hdl.cycles.StepWork``.
        earliest: (2 + cores, steps) the first cycle in which a neuron, a channel, a generator of
            each core could have a synapse walked in a core alone.

    Returns:
        (steps,) the last cycle in which a spike arrives, 0 without any; and
        (cores, steps) when each core's last lane is through, 0 without any row.
    """
    steps, cores = sent.shape[1], len(mesh.entries)
    network = Network(mesh.rows, mesh.columns)
    bounds = [np.append(0, np.cumsum(times)) for times in sent]
    last = np.zeros(steps, np.int64)
    rows: list[list[NDArray[np.int64]]] = [[] for _ in range(cores)]
    firsts: list[list[NDArray[np.int64]]] = [[] for _ in range(cores)]
    starts = np.zeros((cores, steps + 1), np.int64)
    for step in range(steps):
        waiting: list[list[tuple[int, int, int]]] = [[] for _ in range(network.cores)]
        for kind in range(3):
            some = senders[kind][bounds[kind][step] : bounds[kind][step + 1]]
            for sender in some.tolist():
                home = int(mesh.home[sender])
                first = int(earliest[kind + (home if kind == 2 else 0), step]) - OFFERED
                for flit in range(int(mesh.start[sender]), int(mesh.start[sender + 1])):
                    waiting[home].append((first, int(mesh.cores[flit]), int(mesh.number[flit])))
        for core, arrived in enumerate(network.carry(waiting)[:cores]):
            starts[core, step + 1] = starts[core, step]
            for cycle, number in arrived:
                last[step] = max(last[step], cycle)
                begin, end = int(mesh.row_start[core][number]), int(mesh.row_end[core][number])
                rows[core].append(np.arange(begin, end))
                firsts[core].append(np.full(end - begin, cycle + ARRIVED))
                starts[core, step + 1] += end - begin
    nothing = np.zeros(0, np.int64)
    ends = [
        walk_in_order(
            np.concatenate([nothing, *rows[core]]),
            np.concatenate([nothing, *firsts[core]]),
            starts[core],
            mesh.entries[core],
        )
        for core in range(cores)
    ]
    return last, np.array(ends).reshape(cores, steps)


class Network:
    """The routers of a mesh, empty between steps."""

    def __init__(self, rows: int, columns: int) -> None:
        self.cores = rows * columns
        self._outputs = []
        for core in range(self.cores):
            outputs = []
            for port in Port:
                beyond = neighbour(core, port, rows, columns)
                if beyond is None and port != Port.LOCAL:
                    continue
                into = None if beyond is None else (beyond, int(OPPOSITE[port]))
                inputs = [int(by) for by in PRIORITY[port]]
                outputs.append((region(core, port, rows, columns), inputs, into))
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
        at = [0] * self.cores
        flits = 0  # in buffers
        cycle = 0
        while True:
            heads = [some[i][0] for some, i in zip(waiting, at, strict=True) if i < len(some)]
            if not flits:
                if not heads:
                    return arrived
                cycle = max(cycle, min(heads))
            # What moves depends on what is there at the cycle's beginning.
            moves = []
            for core, own in enumerate(buffers):
                if not any(own):
                    continue
                for there, inputs, into in self._outputs[core]:
                    for by in inputs:
                        if own[by] and own[by][0][0] & there:
                            if into is None or len(buffers[into[0]][into[1]]) < ROOM:
                                moves.append((core, by, there, into))
                            break
            begins = [
                core for core, some in enumerate(waiting)
                if at[core] < len(some) and some[at[core]][0] <= cycle
                and len(buffers[core][Port.LOCAL]) < ROOM
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
                _, mask, number = waiting[core][at[core]]
                at[core] += 1
                pushed.append(((core, int(Port.LOCAL)), (mask, number)))
            for (core, by), flit in pushed:
                buffers[core][by].append(flit)
            flits += len(pushed)
            cycle += 1
