"""How many clock cycles the generated hardware would take, for devices that have no clock.

A device counts per step how many words of synapses the spikes of neurons and generators walk; the
rest of what the formula (``hdl/cycles.py``) asks for follows from the Program and the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.program import DENSE
from ..hdl.cycles import StepWork, step_cycles

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..compiler.program import CoreImage, Program
    from .backend import Events

_CHUNK = 1 << 20
"""Synapses that are looked at at a time, so that temporary arrays stay small."""
_STEPS = 1 << 13
"""Steps whose cycles are computed at a time: few calls, arrays that fit the processor's cache."""


@dataclass(frozen=True, eq=False)
class Timing:
    """What the cycles of a Program's steps follow from.

    Attributes:
        words: (channels + neurons,) int64, words that a spike of each walks, one cycle each; zeros
            where cycles are not known.
        groups: groups of neurons, as many in each as the hardware has lanes.
        generator_groups: groups of generators.
        why_not: why cycles are not known, or nothing where they are.
    """

    words: NDArray[np.int64]
    groups: int = 0
    generator_groups: int = 0
    why_not: str = ""

    @staticmethod
    def of(program: Program, lanes: int | None = None) -> Timing:
        """The timing of a verified Program.

        Args:
            program: of any number of cores; cycles are known where it is one and nothing learns.
            lanes: of the hardware, a power of two; by default the target's.
        """
        cores, why_not = len(program.cores), ""
        if program.rules:
            why_not = "a program that learns, which the generated hardware cannot in this version"
        elif cores != 1:
            why_not = (
                f"a program of {cores} cores, and what cores do to each other's time is "
                "not defined in this version"
            )
        if why_not:
            nothing = np.zeros(program.channels + program.neurons, np.int64)
            return Timing(nothing, why_not=why_not)
        P = program.target.lanes if lanes is None else lanes
        core = program.cores[0]
        of_axon = _sums(row_words(core, P), core.axon_start)
        return Timing(
            np.concatenate(
                [
                    _sums(of_axon[program.channel_to["axon"]], program.channel_start),
                    _sums(of_axon[core.spike_to["axon"]], core.spike_start),
                ]
            ),
            groups=-(-core.neurons // P),
            generator_groups=-(-len(program.generators) // P),
        )


class CycleCounter:
    """The cycles of one run.

    Args:
        timing: of the Program.
        steps: length of the run.
        events: its input.
    """

    def __init__(self, timing: Timing, steps: int, events: Events) -> None:
        self._timing, self._events = timing, events
        self._cycles = None if timing.why_not else np.zeros(steps, np.int64)
        self._done = self._waiting = 0
        self._parts: list[NDArray[np.int64]] = []

    def add(self, words: NDArray[np.int64]) -> None:
        """Go on counting where the last call ended.

        Args:
            words: (2, steps) that the spikes of neurons and those of generators walked; not
                written to any more.
        """
        if self._cycles is None:
            return
        self._parts.append(words)
        self._waiting += words.shape[1]
        if self._waiting >= _STEPS:
            self._count()

    def result(self) -> tuple[NDArray[np.int64] | None, str]:
        """``RunData.cycles`` and ``RunData.why_no_cycles``."""
        self._count()
        return self._cycles, self._timing.why_not

    def _count(self) -> None:
        if not self._parts or self._cycles is None:
            return
        timing, parts = self._timing, self._parts
        words = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        self._parts, self._waiting = [], 0
        for low in range(0, words.shape[1], _STEPS):
            neurons, generators = words[:, low : low + _STEPS]
            steps, start = len(neurons), self._done
            self._done += steps
            host, graded = self._input(start, steps)
            work = StepWork(
                neurons, host, generators, graded, timing.groups, timing.generator_groups
            )
            self._cycles[start : self._done] = step_cycles(work)

    def _input(self, start: int, steps: int) -> tuple[ArrayLike, ArrayLike]:
        """Words of the host's spikes and its graded events, in each step or in all of them."""
        events, words, graded = self._events, 0, 0
        bounds = (start, start + steps)
        if len(events.spike_step):
            these = slice(*np.searchsorted(events.spike_step, bounds))
            cost = self._timing.words[events.spike_channel[these]]
            words = np.bincount(events.spike_step[these] - start, cost, steps)
        if len(events.graded_step):
            these = slice(*np.searchsorted(events.graded_step, bounds))
            graded = np.bincount(events.graded_step[these] - start, minlength=steps)
        return words, graded


def row_words(core: CoreImage, lanes: int) -> NDArray[np.int64]:
    """(rows,) words of synapse memory that each row group takes on hardware of so many lanes.

    A dense row takes the aligned groups of lanes that it touches. Of a sparse row, a word holds at
    most one synapse per lane, and lane ``l`` only targets that are ``l`` modulo ``lanes``; so it
    takes as many words as its fullest lane has synapses.
    """
    rows = core.rows
    count = rows["count"].astype(np.int64)
    words = -(-(rows["base"].astype(np.int64) % lanes + count) // lanes)
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
        words[some] = in_lane.reshape(len(some), lanes).max(axis=1)
        low, done = high, end
    return words


def _sums(values: NDArray[np.int64], start: NDArray[np.integer]) -> NDArray[np.int64]:
    """Sums of ``values[start[i]:start[i + 1]]``."""
    total = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return total[start[1:]] - total[start[:-1]]
