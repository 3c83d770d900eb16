"""How many clock cycles the generated hardware would take, for devices that have no clock.

A device knows who sends in which step; the rest of what the formula (``hdl/cycles.py``) asks for
follows from the Program and the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.program import DENSE
from ..errors import UnsupportedError
from ..hdl.cycles import (
    AFTER_PLASTIC,
    AFTER_ROWS,
    PASS,
    PREPARE,
    READ,
    SenderRows,
    cycles_around,
    first_cycles,
    walk_rows,
)
from ..hdl.flits import FlitTimes, SentFlits
from ..hdl.geometry import QUEUE, default_update_lanes, waiting_rows
from ..hdl.mesh_cycles import MeshRows, carry_flits, mesh_cycles, walk_mesh
from .learning_work import LearningWork
from .mesh_routes import MeshRoutes
from .micro_work import MicroWork
from .row_cost import plastic_rows
from .row_plan import plan_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..compiler.program import CoreImage, Program
    from ..hdl.cycles import Senders
    from .backend import Events

_CHUNK = 1 << 20
"""Synapses that are looked at at a time, so that temporary arrays stay small."""


@dataclass(frozen=True, eq=False)
class Timing:
    """What the cycles of a Program's steps follow from.

    Attributes:
        rows: of all channels, then all neurons; nothing where cycles are not counted.
        groups: groups of neurons, as many in each as the hardware updates at a time.
        generator_groups: groups of generators.
        why_not: why cycles are not counted, or nothing where they are.
        queue: rows that may wait in each lane.
        gap: cycles from one row's leaving a full queue to the start of the one that replaces it.
        learning: what happens after the update, where something learns.
        mesh: of several cores, what there is instead of ``rows`` and groups.
        plastic: what plastic rows take besides their own cycles, as in ``hdl.cycles``.
        micro: of the small core, what there is instead of all that.
    """

    rows: SenderRows | None = None
    groups: int = 0
    generator_groups: int = 0
    why_not: str = ""
    queue: int = QUEUE
    gap: int = PASS
    learning: LearningWork | None = None
    plastic: tuple[int, int, int, int] = (PREPARE, AFTER_ROWS, AFTER_PLASTIC, READ)
    mesh: MeshRows | None = None
    micro: MicroWork | None = None

    @property
    def counts(self) -> bool:
        """Whether cycles are counted."""
        return self.rows is not None or self.mesh is not None or self.micro is not None

    @staticmethod
    def of(program: Program, lanes: int | None = None) -> Timing:
        """The timing of a verified Program.

        Args:
            program: of any number of cores; several do not learn, and are on a mesh.
            lanes: of the hardware, a power of two; by default the target's.
        """
        P = program.target.lanes if lanes is None else lanes
        U = default_update_lanes(P)
        cores = len(program.cores)
        if not cores:
            return Timing(why_not="a program without cores")
        if cores > 1:
            if program.rules:
                return Timing(why_not="cores of a mesh cannot learn in this version")
            try:
                return Timing.of_mesh(program, P)
            except UnsupportedError as error:
                return Timing(why_not=f"{error.problem}: {error.found}")
        if program.target.micro:
            if lanes not in (None, 1):
                return Timing(why_not="a small core has one lane")
            return Timing(micro=MicroWork(program))
        core = program.cores[0]
        plan = plan_rows(program)
        starts = (plan.channel_start, plan.neuron_start[1:] + len(plan.channel_axon))
        axon = np.concatenate([plan.channel_axon, plan.neuron_axon])
        first, count = plan.axon_start[axon], np.diff(plan.axon_start)[axon]
        ends = np.cumsum(count, dtype=np.int64)
        row = np.arange(int(ends[-1]) if len(ends) else 0)
        row += np.repeat(first - (ends - count), count)
        entries = row_entries(core, P)
        if program.rules:
            entries = plan.static(entries).astype(np.int32)
        return Timing(
            SenderRows(
                np.append(0, ends)[np.concatenate(starts)],
                row.astype(np.int32),
                entries,
                plastic_rows(program, plan, P),
            ),
            groups=-(-core.neurons // U),
            generator_groups=-(-len(program.generators) // U),
            queue=waiting_rows(P),
            learning=LearningWork(program, P) if program.rules else None,
        )

    @staticmethod
    def of_mesh(program: Program, lanes: int) -> Timing:
        """The timing of a Program on a mesh, also of one core.

        Raises:
            UnsupportedError: there is no such mesh.
        """
        mesh = mesh_rows(program, lanes, default_update_lanes(lanes))
        return Timing(mesh=mesh, queue=waiting_rows(lanes))

    def walk(
        self, senders: Senders, sent: NDArray[np.int64], earliest: NDArray[np.int64], on: bool
    ) -> NDArray[np.int64]:
        """``hdl.cycles.walk_rows`` with these rows; of a mesh, (1 + cores, steps) both arrays of
        ``hdl.mesh_cycles.walk_mesh``, one above the other."""
        if self.mesh is not None:
            last, ends = walk_mesh(self.mesh, senders, sent, earliest)
            return np.concatenate([last[None], ends])
        if self.rows is None:
            raise ValueError(f"cycles are not counted: {self.why_not}")
        return walk_rows(self.rows, senders, sent, earliest, on=on)

    def carry(self, sent: SentFlits, earliest: NDArray[np.int64]) -> FlitTimes:
        """``hdl.mesh_cycles.carry_flits`` with this mesh."""
        if self.mesh is None:
            raise ValueError("there is no mesh")
        return carry_flits(self.mesh, sent, earliest)

    def around(
        self, walk: Callable[[NDArray[np.int64]], NDArray[np.int64]], graded: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """(steps,) cycles of each step, without what learning takes after the update.

        Args:
            walk: makes of ``earliest`` what ``self.walk`` makes of it and the senders.
            graded: (steps,) graded events.
        """
        if self.mesh is None:
            return cycles_around(walk, graded, self.groups, self.generator_groups)
        # The third kind is there once for each core, whose generators it is.
        found = walk(first_cycles(graded, self.mesh.generator_groups[:, None]))
        return mesh_cycles(self.mesh, graded, found[0], found[1:])


class CycleCounter:
    """The cycles of one run.

    Args:
        timing: of the Program.
        steps: length of the run.
        events: its input.
    """

    def __init__(self, timing: Timing, steps: int, events: Events) -> None:
        self._timing, self._events = timing, events
        self._cycles = np.zeros(steps, np.int64) if timing.counts else None
        self._done = 0

    def add(self, steps: int, walk: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> None:
        """Go on counting where the last call ended, if anything is counted.

        Args:
            steps: how many.
            walk: makes of ``earliest`` what ``Timing.walk`` makes of it and the senders.
        """
        if self._cycles is None or not steps:
            return
        timing, start = self._timing, self._done
        bounds = np.searchsorted(self._events.graded_step, (start, start + steps))
        graded = np.bincount(self._events.graded_step[slice(*bounds)] - start, minlength=steps)
        self._done += steps
        self._cycles[start : self._done] = timing.around(walk, graded)

    def result(self) -> tuple[NDArray[np.int64] | None, str]:
        """``RunData.cycles`` and ``RunData.why_no_cycles``."""
        return self._cycles, self._timing.why_not


def mesh_rows(program: Program, lanes: int, update_lanes: int) -> MeshRows:
    """What spikes do on the mesh that a Program of several cores gets.

    Raises:
        UnsupportedError: there is no such mesh.
    """
    routes = MeshRoutes.of(program)
    U = update_lanes
    driven = routes.home[: program.channels][program.generators["channel"]]
    starts = [core.axon_start.astype(np.int64) for core in program.cores]
    return MeshRows(
        rows=routes.rows,
        columns=routes.columns,
        home=routes.home,
        start=routes.start,
        cores=routes.cores,
        number=routes.number,
        row_start=tuple(s[axon] for s, axon in zip(starts, routes.axon, strict=True)),
        row_end=tuple(s[axon + 1] for s, axon in zip(starts, routes.axon, strict=True)),
        entries=tuple(row_entries(core, lanes) for core in program.cores),
        groups=np.array([-(-core.neurons // U) for core in program.cores]),
        generator_groups=-(-np.bincount(driven, minlength=len(starts)) // U),
    )


def row_entries(core: CoreImage, lanes: int) -> NDArray[np.int32]:
    """(rows, lanes) how many cycles each lane of the hardware takes for each row group.

    Lane ``l`` has the targets that are ``l`` modulo ``lanes``. Of a sparse row it walks those; of a
    dense row that has any of them, all groups that the row touches.
    """
    rows = core.rows
    count, base = rows["count"].astype(np.int64), rows["base"].astype(np.int64)
    entries = np.zeros((len(rows), lanes), np.int32)
    dense = np.flatnonzero(rows["kind"] == DENSE)
    groups = -(-(base % lanes + count) // lanes)[dense]
    takes = (np.arange(lanes) - base[dense, None]) % lanes < count[dense, None]
    entries[dense] = takes * groups[:, None]
    sparse = np.flatnonzero(rows["kind"] != DENSE)
    sparse = sparse[np.argsort(rows["offset"][sparse], kind="stable")]
    ends = np.cumsum(count[sparse])
    low = done = 0
    while low < len(sparse):
        # As many rows as have a chunk of synapses, but no more than have a chunk of lanes.
        high = int(np.searchsorted(ends, done + _CHUNK, side="right"))
        high = max(low + 1, min(high, low + _CHUNK // lanes))
        some, end = sparse[low:high], int(ends[high - 1])
        lane = core.sparse_target[done:end] & np.uint16(lanes - 1)
        place = np.repeat(np.arange(0, len(some) * lanes, lanes), count[some]) + lane
        in_lane = np.bincount(place, minlength=len(some) * lanes)
        entries[some] = in_lane.reshape(len(some), lanes)
        low, done = high, end
    return entries
