"""How long spikes take over a mesh, to the cycle: hdl/router.py as arithmetic.

Nothing that happens in a core has an influence on the network: what is sent waits in the sender,
and what arrives is taken at once. So a step is the network cycle by cycle (``hdl.flits``), and then
each core's rows in the order in which their spikes came (``hdl.cycles``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .cycles import OVERHEAD, SCAN, walk_in_order
from .flits import KINDS, FlitTimes, Network, SentFlits
from .routing import OPPOSITE, PRIORITY, ROOM, Port, neighbour, region

if TYPE_CHECKING:
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
        room: flits that fit into the buffer of a port.
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
    room: int = ROOM

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
        ``last`` and ``ends`` of ``FlitTimes``.
    """
    times = carry_flits(mesh, SentFlits.of(mesh, senders, sent), earliest)
    return times.last, times.ends


def carry_flits(mesh: MeshRows, sent: SentFlits, earliest: NDArray[np.int64]) -> FlitTimes:
    """What becomes of each flit of some steps; ``earliest`` as in ``walk_mesh``."""
    steps, cores = earliest.shape[1], len(mesh.entries)
    network = Network(mesh.rows, mesh.columns, mesh.room)
    masks = mesh.cores[sent.flit].tolist()
    taken = np.zeros(len(sent.flit), np.int64)
    arrived = np.zeros(len(sent.core), np.int64)
    last = np.zeros(steps, np.int64)
    # Of each core, the arrivals in their order, and where steps begin among them.
    order: list[list[int]] = [[] for _ in range(cores)]
    starts = np.zeros((cores, steps + 1), np.int64)
    for step in range(steps):
        waiting: list[list[tuple[int, int, int]]] = []
        for home in range(network.cores):
            waiting.append([])
            for kind in range(KINDS):
                group = (step * network.cores + home) * KINDS + kind
                for i in range(int(sent.start[group]), int(sent.start[group + 1])):
                    row = kind + (home if kind == KINDS - 1 else 0)
                    waiting[home].append((int(earliest[row, step]) - mesh.offered, masks[i], i))
        for core, found in enumerate(network.carry(waiting)[:cores]):
            for cycle, i in found:
                place = int(sent.first[i]) + (masks[i] & ((1 << core) - 1)).bit_count()
                arrived[place] = cycle
                order[core].append(place)
            starts[core, step + 1] = len(order[core])
            last[step] = max(last[step], found[-1][0] if found else 0)
        for flits, cycles in zip(waiting, network.taken, strict=True):
            taken[[i for *_, i in flits]] = cycles
    done = arrived.copy()
    flit = np.repeat(np.arange(len(sent.flit)), np.diff(sent.first))
    ends = np.zeros((cores, steps), np.int64)
    for core, some in enumerate(order):
        places = np.array(some, np.int64)
        number = mesh.number[sent.flit[flit[places]]]
        begin, count = mesh.row_start[core][number], mesh.row_end[core][number]
        count = count - begin
        before = np.append(0, np.cumsum(count))
        row = np.arange(before[-1]) + np.repeat(begin - before[:-1], count)
        first = np.repeat(arrived[places] + mesh.arrived, count)
        walked = np.zeros(len(row), np.int64)
        bounds = before[starts[core]]
        ends[core] = walk_in_order(row, first, bounds, mesh.entries[core], walked=walked)
        np.maximum.at(done, np.repeat(places, count), walked)
    return FlitTimes(taken, arrived, done, last, ends, network.passed, network.waited)
