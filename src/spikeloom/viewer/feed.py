"""What a page has not seen yet: a bounded history of the last steps, and how things stand.

Pages ask for news; nothing is queued for them. The history has an end in steps and in spikes, so a
page that is slow, or steps that go by fast, cost nothing but a gap in what is drawn. Counts are
always of everything.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..recording import Result
    from .facts import Shown

MOST_STEPS = 2000
"""Steps that the history reaches back."""
MOST_SPIKES = 20_000
"""Spikes in the history."""


@dataclass(frozen=True)
class Watched:
    """A neuron whose membrane is drawn.

    Attributes:
        population, index: its name.
        scale: least significant bits per unit of the network.
        threshold: as the Program has it, in bits; None where it never fires.
    """

    population: str
    index: int
    scale: float
    threshold: int | None


@dataclass(frozen=True, eq=False)
class _Window:
    """Consecutive steps of the history.

    ``whole_from`` is the first of them with all of its spikes, ``counts`` are of all spikes before
    ``stop``.
    """

    number: int
    start: int
    stop: int
    whole_from: int
    step: NDArray[np.int64]
    row: NDArray[np.int64]
    counts: list[int]
    watch: int
    membranes: NDArray[np.int64]


class Feed:
    """The history, and how things stand; written by one thread, read by those of the pages.

    Args:
        shown: whose spikes are in it.
        standing: how things stand at first, plain JSON data; see ``tell``.
    """

    def __init__(self, shown: Shown, standing: dict[str, Any]) -> None:
        self._shown = shown
        self._changed = threading.Condition()
        self._standing = dict(standing)
        self._number = self._epoch = self._watch = 0
        self._watched: tuple[Watched, ...] = ()
        self._windows: deque[_Window] = deque()
        self._counts = np.zeros(len(shown.names), np.int64)
        self._step = self._since = 0

    def tell(self, **standing: Any) -> None:
        """Change how things stand: state, speed, learning …"""
        with self._changed:
            self._standing |= standing
            self._news()

    def clear(self, step: int) -> None:
        """Begin again; what was counted is forgotten."""
        with self._changed:
            self._windows.clear()
            self._counts[:] = 0
            self._step = self._since = step
            self._epoch += 1
            self._news()

    def watch(self, watched: tuple[Watched, ...]) -> None:
        """From now on windows have the membranes of these neurons."""
        with self._changed:
            self._watched = watched
            self._watch += 1
            self._news()

    def add(self, result: Result) -> None:
        """Append a window; the oldest steps leave where there are too many."""
        with self._changed:
            self._counts += [len(result.spikes[name]) for name in self._shown.names]
            self._news()
            self._windows.append(self._window(result))
            self._step = result.start + result.steps
            self._forget()

    def _news(self) -> None:
        self._number += 1
        self._changed.notify_all()

    def _window(self, result: Result) -> _Window:
        stop = result.start + result.steps
        parts = [
            result.spikes[name] + [result.start, first]
            for name, first in zip(self._shown.names, self._shown.first_row, strict=False)
        ]
        spikes = np.concatenate([np.zeros((0, 2), np.int64), *parts])
        kept = max(result.start, stop - MOST_STEPS)
        spikes = spikes[spikes[:, 0] >= kept]
        spikes = spikes[np.argsort(spikes[:, 0], kind="stable")]
        if len(spikes) > MOST_SPIKES:
            # Whole steps only, unless not even the last one is small enough.
            kept = int(spikes[-MOST_SPIKES - 1, 0]) + 1
            newest = spikes[spikes[:, 0] >= kept]
            spikes = newest if len(newest) else spikes[-MOST_SPIKES:]
        membranes = [
            result.states[w.population]["v"].raw[:, place]  # type: ignore[index] - devices count
            for w, place in zip(self._watched, self._places(), strict=True)
        ]
        columns = np.stack(membranes) if membranes else np.zeros((0, result.steps), np.int64)
        return _Window(
            self._number,
            result.start,
            stop,
            kept,
            spikes[:, 0],
            spikes[:, 1],
            self._counts.tolist(),
            self._watch,
            columns[:, -MOST_STEPS:].astype(np.int64),
        )

    def _places(self) -> list[int]:
        """Which of its population's recorded neurons each watched one is."""
        seen: dict[str, int] = {}
        places = []
        for watched in self._watched:
            places.append(seen.get(watched.population, 0))
            seen[watched.population] = places[-1] + 1
        return places

    def _forget(self) -> None:
        windows = self._windows
        spikes = sum(len(w.step) for w in windows)
        while len(windows) > 1 and (
            spikes > MOST_SPIKES or self._step - windows[0].stop >= MOST_STEPS
        ):
            spikes -= len(windows.popleft().step)

    def news(self, epoch: int, after: int, patience: float) -> dict[str, Any]:
        """What happened after what a page knows, as plain JSON data.

        Args:
            epoch, after: ``epoch`` and ``number`` of the news that the page had last; -1: none.
            patience: seconds to wait for news at most.

        Returns:
            ``number``, ``epoch``; ``step``, and ``counts`` of all spikes since step ``since``; the
            history's part that is new: spikes as ``t``, steps after ``from``, and ``y``, rows;
            ``whole``, half-open ranges of steps with all of their spikes; ``marks``, counts before
            a step; ``traces`` of the watched neurons in the device's integers; and how things
            stand.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._number > after or self._epoch != epoch, timeout=patience
            )
            known = after if epoch == self._epoch else -1
            new = [w for w in self._windows if w.number > known]
            told = dict(self._standing)
            told |= {"epoch": self._epoch, "number": self._number, "step": self._step}
            told["since"] = self._since
            told["counts"] = self._counts.tolist()
            told["watch"] = self._watch
            told["watched"] = [vars(w) for w in self._watched]
            watch = self._watch
        return told | _history(new, watch)


def _history(windows: list[_Window], watch: int) -> dict[str, Any]:
    base = windows[0].start if windows else 0
    step = np.concatenate([np.zeros(0, np.int64), *(w.step for w in windows)])
    row = np.concatenate([np.zeros(0, np.int64), *(w.row for w in windows)])
    whole: list[list[int]] = []
    for window in windows:
        if whole and whole[-1][1] == window.whole_from:
            whole[-1][1] = window.stop
        elif window.whole_from < window.stop:
            whole.append([window.whole_from, window.stop])
    return {
        "from": base,
        "t": (step - base).tolist(),
        "y": row.tolist(),
        "whole": whole,
        "marks": [{"step": w.stop, "counts": w.counts} for w in windows],
        "traces": [
            {"from": w.stop - w.membranes.shape[1], "v": w.membranes.tolist()}
            for w in windows
            if w.watch == watch and len(w.membranes)
        ],
    }
