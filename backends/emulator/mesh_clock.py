"""Counting clock cycles of several cores beside the compiled kernel: ``sl_walk_mesh`` (mesh.c)."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from . import native
from .clock import LAST_PART, Clock, sender_sets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.timing import Timing


class MeshClock(Clock):
    """As ``Clock``: flits of each sender, and the rows behind each axon number.

    Args:
        library: the kernel's library.
        program: of several cores.
        timing: its timing, with a mesh.
    """

    def __init__(self, library: native.Library, program: Program, timing: Timing) -> None:
        self._library, self._timing = library, timing
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
        self._arrays = {
            "part": part,
            "cost": entries[row, lane],
            **sender_sets(program),
        }
        self._network = {
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
        self._costs = [self._arrays["cost"]]
        self._counter = native.Counter(
            lanes=entries.shape[1],
            queue=timing.queue,
            pass_=timing.gap,
            channels=program.channels,
            **{name: array.ctypes.data for name, array in self._arrays.items()},
        )
        self._mesh = native.Mesh(
            counter=ctypes.pointer(self._counter),
            cores=mesh.rows * mesh.columns,
            offered=mesh.offered,
            arrived=mesh.arrived,
            **{name: array.ctypes.data for name, array in self._network.items()},
        )

    def _walk(self, machine: native.Machine, earliest: NDArray[np.int64]) -> NDArray[np.int64]:
        steps = earliest.shape[1]
        walked = np.zeros((1 + self._mesh.cores, steps), np.int64)
        counter = self._counter
        counter.stride = steps
        counter.earliest, counter.walked = earliest.ctypes.data, walked.ctypes.data
        mesh, of = ctypes.byref(self._mesh), ctypes.byref(machine)
        if not self._library.walk_mesh(mesh, of, steps):
            raise MemoryError("the network between cores does not fit into memory")
        return walked[: len(earliest) - 1]


def _starts(sizes: NDArray[np.int64] | list[int]) -> NDArray[np.int64]:
    """Where parts of these sizes begin."""
    ends = np.cumsum(np.asarray(sizes, np.int64))
    return ends - sizes
