"""Counting clock cycles beside the compiled kernel: what ``sl_walk`` (cycles.c) works on."""

from __future__ import annotations

import ctypes
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtime.timing import CycleCounter
from . import native

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events
    from ...runtime.timing import Timing

LAST_PART, _PLASTIC, _MADE = 128, 64, 28
"""As in kernel.h."""
_PLASTIC_COSTS = ("prepare", "after_rows", "after_plastic", "written")


class Clock:
    """A Program's rows in the order of walking, a part for each lane that takes part in a row.

    Args:
        library: the kernel's library.
        program: of one core.
        timing: its timing, with rows.
    """

    def __init__(self, library: native.Library, program: Program, timing: Timing) -> None:
        self._library, self._timing = library, timing
        rows = timing.rows
        assert rows is not None
        entries = rows.entries
        if rows.plastic is not None:  # a lane of their own
            entries = np.append(entries, rows.plastic.groups[:, None], axis=1)
        entries = entries[rows.row]
        row, place = np.nonzero(entries)
        lane = np.where(place == rows.entries.shape[1], _PLASTIC, place)
        part = lane.astype(np.uint8)
        part[np.flatnonzero(np.diff(row, append=-1))] |= LAST_PART
        first = np.searchsorted(row, np.arange(len(entries) + 1))
        self._arrays = {
            "start": first[rows.start].astype(np.int64),
            "part": part,
            "cost": entries[row, place],
            **sender_sets(program),
        }
        # What plastic rows cost, with learning off and on.
        self._costs = [self._arrays["cost"]]
        if rows.plastic is not None:
            self._costs = [
                np.where(lane == _PLASTIC, (taken | made << _MADE)[rows.row[row]], part).astype(
                    np.int32
                )
                for taken, made in (rows.plastic.costs(on) for on in (False, True))
                for part in self._costs
            ]
        self._counter = native.Counter(
            lanes=rows.entries.shape[1],
            queue=timing.queue,
            pass_=timing.gap,
            **dict(zip(_PLASTIC_COSTS, timing.plastic, strict=True)),
            channels=program.channels,
            **{name: array.ctypes.data for name, array in self._arrays.items()},
        )

    def begin(
        self, steps: int, events: Events, fired: NDArray[np.int32], learning: bool = False
    ) -> None:
        """A run of so many steps begins after one in which ``fired`` fired."""
        if len(self._costs) > 1:
            self._counter.cost = self._costs[learning].ctypes.data
        self._cycles = CycleCounter(self._timing, steps, events)
        self._arrays["before"][: len(fired)] = fired
        self._counter.before_count, self._counter.host = len(fired), 0

    def add(self, machine: native.Machine, steps: int) -> None:
        """The machine has just computed so many steps and recorded all spikes."""
        self._cycles.add(steps, partial(self._walk, machine))

    def result(self) -> NDArray[np.int64] | None:
        """``RunData.cycles``."""
        return self._cycles.result()[0]

    def _walk(self, machine: native.Machine, earliest: NDArray[np.int64]) -> NDArray[np.int64]:
        steps = earliest.shape[1]
        walked = np.empty(steps, np.int64)
        counter = self._counter
        counter.stride = steps
        counter.earliest, counter.walked = earliest.ctypes.data, walked.ctypes.data
        self._library.walk(ctypes.byref(counter), ctypes.byref(machine), steps)
        return walked


class MicroClock:
    """Of the small core, whose cycles are computed from a run's spikes: everything is recorded."""

    def begin(
        self, steps: int, events: Events, fired: NDArray[np.int32], learning: bool = False
    ) -> None:
        """Nothing has to be prepared."""

    def add(self, machine: native.Machine, steps: int) -> None:
        """Nothing is counted while it runs."""

    def result(self) -> None:
        """``MicroWork.cycles`` comes after it."""


def sender_sets(program: Program) -> dict[str, NDArray[Any]]:
    """Of ``native.Counter``: channels that generators drive, and room for what fires in a step."""
    words = -(-program.channels // 64)
    driven = np.zeros((words, 64), np.uint8)
    driven.flat[program.generators["channel"].astype(np.int64)] = 1
    return {
        "driven": np.packbits(driven, axis=1, bitorder="little").view(np.uint64),
        "set": np.zeros(words, np.uint64),
        "before": np.zeros(max(1, program.neurons), np.uint32),
    }
