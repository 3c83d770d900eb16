"""Counting clock cycles of several cores in C: ``sl_walk_mesh`` and ``sl_carry`` (mesh.c)."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtime.timing import FlitTimes
from . import native
from .clock import LAST_PART, Clock, sender_sets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.timing import SentFlits, Timing

_NO_MEMORY = "the network between cores does not fit into memory"


class _Tables:
    """``native.Mesh`` and its counter, and the arrays that they point to.

    Args:
        timing: with a mesh.
        counted: more of the counter's fields.
    """

    def __init__(self, timing: Timing, **counted: Any) -> None:
        mesh = timing.mesh
        assert mesh is not None
        # Rows of all cores, end to end.
        entries = np.concatenate(mesh.entries)
        base = np.append(0, np.cumsum([len(own) for own in mesh.entries]))
        row, lane = np.nonzero(entries)
        part = lane.astype(np.uint8)
        part[np.flatnonzero(np.diff(row, append=-1))] |= LAST_PART
        place = np.searchsorted(row, np.arange(len(entries) + 1))
        sent = np.bincount(mesh.home, np.diff(mesh.start), len(mesh.entries)).astype(np.int64)
        rows = {"part": part, "cost": entries[row, lane]}
        network = {
            **mesh.ways(),
            "home": mesh.home,
            "start": mesh.start,
            "to": mesh.cores,
            "number": mesh.number,
            "table": _starts([len(own) for own in mesh.row_start]),
            "first": np.concatenate([
                place[b + own] for b, own in zip(base, mesh.row_start, strict=False)
            ]).astype(np.int64),
            "end": np.concatenate([
                place[b + own] for b, own in zip(base, mesh.row_end, strict=False)
            ]).astype(np.int64),
            "list_start": np.resize(_starts(sent), mesh.rows * mesh.columns),
            "list": np.zeros(max(1, len(mesh.number)), np.uint32),
        }  # fmt: skip
        self.arrays = {**rows, **network}
        self.counter = native.Counter(
            lanes=entries.shape[1],
            queue=timing.queue,
            pass_=timing.gap,
            **{name: array.ctypes.data for name, array in rows.items()},
            **counted,
        )
        self.mesh = native.Mesh(
            counter=ctypes.pointer(self.counter),
            cores=mesh.rows * mesh.columns,
            offered=mesh.offered,
            arrived=mesh.arrived,
            room=mesh.room,
            **{name: array.ctypes.data for name, array in network.items()},
        )

    def walked(self, earliest: NDArray[np.int64]) -> NDArray[np.int64]:
        """(1 + cores of the mesh, steps), to be filled in by a call about so many steps."""
        steps = earliest.shape[1]
        walked = np.zeros((1 + self.mesh.cores, steps), np.int64)
        self.counter.stride = steps
        self.counter.earliest, self.counter.walked = earliest.ctypes.data, walked.ctypes.data
        return walked


class MeshClock(Clock):
    """As ``Clock``: flits of each sender, and the rows behind each axon number.

    Args:
        library: the kernel's library.
        program: of several cores.
        timing: its timing, with a mesh.
    """

    def __init__(self, library: native.Library, program: Program, timing: Timing) -> None:
        self._library, self._timing = library, timing
        self._arrays = sender_sets(program)
        pointers = {name: array.ctypes.data for name, array in self._arrays.items()}
        self._tables = _Tables(timing, channels=program.channels, **pointers)
        self._counter = self._tables.counter
        self._costs = [self._tables.arrays["cost"]]

    def _walk(self, machine: native.Machine, earliest: NDArray[np.int64]) -> NDArray[np.int64]:
        walked = self._tables.walked(earliest)
        mesh, of = ctypes.byref(self._tables.mesh), ctypes.byref(machine)
        if not self._library.walk_mesh(mesh, of, earliest.shape[1]):
            raise MemoryError(_NO_MEMORY)
        return walked[: len(earliest) - 1]


class FlitCarrier:
    """``Timing.carry`` of one Program, compiled where there is a kernel.

    Args:
        timing: of the Program, with a mesh.
        compiled: whether to use the kernel; None: where there is one.

    Raises:
        KernelUnavailableError: it is to be used, and is not there.
    """

    def __init__(self, timing: Timing, compiled: bool | None = None) -> None:
        self._timing, self._library = timing, None
        if compiled is not False:
            try:
                self._library = native.library()
            except native.KernelUnavailableError:
                if compiled:
                    raise
        self._tables = _Tables(timing) if self._library else None

    def carry(self, sent: SentFlits, earliest: NDArray[np.int64]) -> FlitTimes:
        """As ``Timing.carry``."""
        if self._library is None or self._tables is None:
            return self._timing.carry(sent, earliest)
        earliest, tables = np.ascontiguousarray(earliest), self._tables
        walked = tables.walked(earliest)
        flits = sent.flit.astype(np.uint32)
        tables.mesh.list = flits.ctypes.data
        read = [np.ascontiguousarray(array, np.int64) for array in (sent.start, sent.first)]
        taken = np.zeros(len(flits), np.int64)
        arrived, done = (np.zeros(len(sent.core), np.int64) for _ in range(2))
        outputs = tables.arrays["region"].shape
        passed, waited = (np.zeros(outputs, np.int64) for _ in range(2))
        arrays = (*read, taken, arrived, done, passed, waited)
        journal = native.Journal(*(array.ctypes.data for array in arrays))
        mesh = ctypes.byref(tables.mesh)
        if not self._library.carry(mesh, ctypes.byref(journal), earliest.shape[1]):
            raise MemoryError(_NO_MEMORY)
        return FlitTimes(
            taken, arrived, done, walked[0], walked[1 : len(earliest) - 1], passed, waited
        )


def _starts(sizes: NDArray[np.int64] | list[int]) -> NDArray[np.int64]:
    """Where parts of these sizes begin."""
    ends = np.cumsum(np.asarray(sizes, np.int64))
    return ends - sizes
