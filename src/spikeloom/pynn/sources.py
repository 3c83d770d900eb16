"""When spike sources fire; the front end decides it, the same for every device.

Poisson sources draw from the machine's counter hash (docs/machine.md §3), so that all devices see
the same noise, and rates may change between runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyNN import errors

from ..compiler.checks import show
from ..compiler.origin import warn_user
from ..counter_hash import POISSON_SOURCE, key_term, mix, step_term

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_WORD = float(1 << 32)
_BLOCK = 1 << 20


class ArrayTrains:
    """Spikes at given times.

    Args:
        label: of the population, for messages.
        size: number of sources.
    """

    def __init__(self, label: str, size: int) -> None:
        self.label, self.size = label, size
        self.events = np.zeros((0, 2), np.int64)

    def take(
        self, parameters: dict[str, Any], to_steps: Callable[[Any, str], Any], now: int
    ) -> None:
        """Read the spike times; what has to be rounded, merged or comes too late is told.

        Args:
            parameters: with ``spike_times``, one Sequence per source.
            to_steps: ms to steps.
            now: the step that is computed next.

        Raises:
            InvalidParameterValueError: times are negative or not in order.
        """
        parts = []
        for index, sequence in enumerate(parameters["spike_times"]):
            times = np.asarray(getattr(sequence, "value", sequence), np.float64).reshape(-1)
            if not np.isfinite(times).all() or (np.diff(times) < 0).any() or (times < 0).any():
                raise errors.InvalidParameterValueError(
                    f"spike_times of {self.label!r}[{index}] must be finite, not negative and in "
                    f"ascending order, got {show_times(times)}"
                )
            parts.append(np.column_stack([times, np.full(len(times), index)]))
        joined = np.concatenate([np.zeros((0, 2)), *parts])
        steps = to_steps(joined[:, 0], f"spike time of {self.label!r}")
        events = np.unique(np.column_stack([steps, joined[:, 1].astype(np.int64)]), axis=0)
        if len(events) < len(joined):
            warn_user(
                f"{len(joined) - len(events)} spikes of {self.label!r} fall into a step in which "
                "the same source fires already; they count once (use a smaller timestep)"
            )
        known = {tuple(event) for event in self.events[self.events[:, 0] < now].tolist()}
        late = [e for e in events[events[:, 0] < now].tolist() if tuple(e) not in known]
        if late:
            warn_user(
                f"{len(late)} new spike times of {self.label!r} are in the past and do not happen"
            )
        self.events = events

    def emit(self, first: int, steps: int) -> NDArray[np.int64]:
        """(n, 2) step (from ``first``) and index, sorted."""
        low, high = np.searchsorted(self.events[:, 0], [first, first + steps])
        return self.events[low:high] - np.array([first, 0])


class PoissonTrains:
    """Poisson noise: in each step a source fires with probability rate · dt.

    Args:
        label: of the population, for messages.
        size: number of sources.
        dt: ms per step.
        seed: of the counter hash.
        first_key: key of source 0; keys differ between all sources of a network.
    """

    def __init__(self, label: str, size: int, dt: float, seed: int, first_key: int) -> None:
        self.label, self.size, self.dt = label, size, dt
        keys = np.arange(first_key, first_key + size, dtype=np.uint32)
        self.key = key_term(seed, keys, POISSON_SOURCE)
        self.limit = np.zeros(size)
        self.start, self.stop = np.zeros(size), np.zeros(size)

    def take(
        self, parameters: dict[str, Any], to_steps: Callable[[Any, str], Any], now: int
    ) -> None:
        """Read rates (Hz), starts and durations (ms); ``to_steps`` and ``now`` are not needed.

        Raises:
            InvalidParameterValueError: a rate is negative or so high that a source would fire
                more than once in a step.
        """
        rate, start, duration = (
            np.asarray(parameters[name], np.float64) for name in ("rate", "start", "duration")
        )
        p = rate * self.dt * 1e-3
        wrong = ~((p >= 0) & (p <= 1 + 1e-12))
        if wrong.any():
            index = int(np.argmax(wrong))
            raise errors.InvalidParameterValueError(
                f"rate of {self.label!r}[{index}] must be from 0 to {show(1e3 / self.dt)} Hz (one "
                f"spike in every step of {show(self.dt)} ms), got {show(rate[index])}"
            )
        self.limit = np.rint(np.minimum(p, 1.0) * _WORD)
        # A step belongs to the interval when it begins in it.
        self.start = np.ceil(start / self.dt - 1e-9)
        self.stop = np.ceil((start + duration) / self.dt - 1e-9)

    def emit(self, first: int, steps: int) -> NDArray[np.int64]:
        """(n, 2) step (from ``first``) and index, sorted."""
        block = max(1, _BLOCK // max(1, self.size))
        found = [np.zeros((0, 2), np.int64)]
        for begin in range(first, first + steps, block):
            step = np.arange(begin, min(begin + block, first + steps))
            drawn = mix(self.key + step_term(step)[:, None]) < self.limit
            on = (step[:, None] >= self.start) & (step[:, None] < self.stop)
            found.append(np.argwhere(drawn & on) + np.array([begin - first, 0]))
        return np.concatenate(found)


def show_times(times: NDArray[np.float64]) -> str:
    """The first few times, for a message."""
    return "[" + ", ".join(show(t) for t in times[:6]) + (", …]" if len(times) > 6 else "]")
