"""The input of a view: for any window of steps, whatever windows there will be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..learning_inputs import MODULATOR, TEACHER, THIRD_FACTOR
from ..runtime.symbols import Symbols
from ..stimulus import Stimulus, check_steps, make_stimulus

if TYPE_CHECKING:
    from ..compiler.program import Program

Given = Mapping[str, Any] | Callable[[int, int], Mapping[str, Any] | None] | None


class Feeder:
    """Gives each window its part of the input.

    Args:
        program: that the input is for.
        given: a mapping, as ``Device.run`` takes it, or a function ``(start, steps) -> mapping``.
        steps: length of the mapping's input.
        repeat: whether it begins again at its end.

    Raises:
        InputError: the input is malformed, or has no length.
    """

    def __init__(self, program: Program, given: Given, steps: int | None, repeat: bool) -> None:
        self.steps = None if steps is None else check_steps(steps)
        self.repeat = repeat
        self._function = None if given is None or isinstance(given, Mapping) else given
        self._stimulus = Stimulus()
        if not isinstance(given, Mapping):
            if repeat:
                raise InputError(
                    "only arrays can be repeated",
                    found="no inputs" if given is None else "a function",
                    expected="a mapping from names to arrays",
                )
            return
        if not self.steps:
            raise InputError(
                "the length of the input is not known",
                found=f"steps={steps}",
                expected="how many steps the inputs have",
                remedy="view(…, inputs=…, steps=100)",
            )
        s = Symbols(program)
        self._stimulus = make_stimulus(
            given, self.steps, s.hosts, s.sizes, s.generators, s.learning
        )

    def __call__(self, start: int, steps: int) -> Mapping[str, Any] | None:
        """The input of ``steps`` steps from ``start`` steps after the first one on."""
        if self._function is not None:
            return self._function(start, steps)
        if self.steps is None:
            return None
        parts, done = [], 0
        while done < steps:
            at = start + done
            at = at % self.steps if self.repeat else at
            length = min(steps - done, max(self.steps - at, 0)) or steps - done
            parts.append((at, length, done))
            done += length
        return _join([_cut(self._stimulus, *part) for part in parts])


def _cut(stimulus: Stimulus, start: int, steps: int, offset: int) -> dict[str, tuple[Any, ...]]:
    """Columns of each input in ``steps`` steps from ``start`` on, moved to ``offset``."""

    def part(events: Any, *columns: Any) -> tuple[Any, ...]:
        low, high = np.searchsorted(events[:, 0], [start, start + steps])
        return (
            events[low:high] + np.array([offset - start, 0]),
            *(column[low:high] for column in columns),
        )

    found = {name: part(events) for name, events in stimulus.spikes.items()}
    found |= {name: part(*pair) for name, pair in stimulus.graded.items()}
    found |= {f"{name}.{TEACHER}": part(events) for name, events in stimulus.teacher.items()}
    found |= {f"{name}.{THIRD_FACTOR}": part(*p) for name, p in stimulus.third_factor.items()}
    if stimulus.modulator:
        events, values = part(*stimulus.modulator)
        found[MODULATOR] = (events[:, 0], values)
    return found


def _join(parts: list[dict[str, tuple[Any, ...]]]) -> dict[str, Any]:
    """One after the other, in the forms of a run's input."""
    joined = {}
    for name in parts[0]:
        columns = [np.concatenate(column) for column in zip(*(p[name] for p in parts), strict=True)]
        joined[name] = columns[0] if len(columns) == 1 else tuple(columns)
    return joined
