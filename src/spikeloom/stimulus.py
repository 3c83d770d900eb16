"""What a run is fed with: spikes for sources, graded values for populations, what learning reads.

Both the devices and the floating-point simulation take their input through
:func:`make_stimulus`, so that a wrong array is refused in the same words everywhere.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .errors import InputError
from .event_arrays import as_numbers, check_events, raster_to_events
from .learning_inputs import (
    MODULATOR,
    TEACHER,
    Key,
    LearningInputs,
    learning_key,
    register_events,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_RUN_STEPS = 1 << 32
"""Steps of one run; the machine's random numbers repeat after as many."""


Registers: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.int64]]"


@dataclass(eq=False)
class Stimulus:
    """Checked input of one run; steps count from the run's first step.

    Attributes:
        spikes: source -> (n, 2) int64 of step and index, sorted, unique.
        graded: population -> ((n, 2) int64 of step and index, sorted, unique; (n,) float64
            values in the network's units).
        teacher: population -> (n, 2) int64 of step and index, sorted, unique.
        third_factor: population -> ((n, 2) int64 of step and index, sorted, unique; (n,) int64
            values, each of which holds until the next one).
        modulator: ((n, 2) int64 of step and 0, sorted, unique; (n,) int64 values), or None.
    """

    spikes: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    graded: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=dict)
    teacher: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    third_factor: dict[str, Registers] = field(default_factory=dict)
    modulator: Registers | None = None


def check_steps(steps: Any) -> int:
    """``steps`` as a Python integer.

    Raises:
        InputError: it is no integer, negative, or absurdly large.
    """
    try:
        number = operator.index(steps)
    except TypeError:
        number = -1
    if isinstance(steps, (bool, np.bool_)) or not 0 <= number <= MAX_RUN_STEPS:
        raise InputError(
            "the number of steps is wrong",
            found=repr(steps),
            expected=f"an integer from 0 to {MAX_RUN_STEPS}",
        )
    return number


def make_stimulus(
    inputs: Mapping[str, Any] | None,
    steps: int,
    sources: Mapping[str, int],
    populations: Mapping[str, int],
    generators: Collection[str] = (),
    learning: LearningInputs | None = None,
) -> Stimulus:
    """Check the input of a run of ``steps`` steps.

    A source takes an (n, 2) integer array of events (step, index), in any order, or a
    (steps, size) raster of booleans, or of zeros and ones. An integer (n, 2) array is always
    events and a boolean array always a raster, also where the shape would allow either.

    A population takes a (steps, size) array of numbers in the network's units, in which zero is
    no event, or a tuple ``(events, values)`` of an (n, 2) integer array and n numbers.

    What rules read: ``"NAME.teacher"`` takes events or a raster, as a source does.
    ``"NAME.third_factor"`` takes (steps, size) integers, every step's values, or a tuple
    ``(events, values)``, and ``"modulator"`` (steps,) integers, or a tuple ``(steps, values)``;
    in the tuples a value holds until the next one, beyond the end of the run, too.

    Args:
        inputs: name -> array, or None for no input.
        steps: length of the run; events lie in 0 … steps - 1.
        sources: name -> size of the sources that the host drives.
        populations: name -> size.
        generators: names of sources that drive themselves, for a clearer error.
        learning: what the network's rules read; None: nothing.

    Raises:
        InputError: naming the source or population and the position of the first wrong entry.
    """
    if inputs is None:
        return Stimulus()
    if not isinstance(inputs, Mapping):
        raise InputError(
            "inputs must be a mapping from names to arrays",
            found=type(inputs).__name__,
            expected='for example {"pixels": events}',
        )
    stimulus = Stimulus()
    learning = learning or LearningInputs()
    for name, given in inputs.items():
        key = learning_key(name, populations)
        named = name in sources or name in populations or name in generators
        if key and (not named or name in learning.names()):
            learning.check(name, key, named)
            _add_learning(stimulus, name, key, given, steps, populations)
        elif name in sources:
            stimulus.spikes[name] = _spikes(name, given, steps, sources[name])
        elif name in populations:
            stimulus.graded[name] = _graded_events(name, given, steps, populations[name])
        else:
            raise unknown_input(name, sources, populations, generators, learning)
    return stimulus


def _add_learning(
    stimulus: Stimulus,
    name: str,
    key: Key,
    given: Any,
    steps: int,
    populations: Mapping[str, int],
) -> None:
    size = populations.get(key.population)
    if key.kind == MODULATOR:
        stimulus.modulator = register_events(name, given, steps, None)
    elif key.kind == TEACHER:
        stimulus.teacher[key.population] = _spikes(name, given, steps, populations[key.population])
    else:
        stimulus.third_factor[key.population] = register_events(name, given, steps, size)


def unknown_input(
    name: Any,
    sources: Mapping[str, int],
    populations: Mapping[str, int],
    generators: Collection[str] = (),
    learning: LearningInputs | None = None,
    where: object = None,
) -> InputError:
    """The error for input whose name is none of those that take any."""
    if name in generators:
        return InputError(
            f"source {name!r} drives itself and takes no input",
            where=where or f"inputs[{name!r}]",
            remedy="declare it as a host source: net.source(name, size)",
        )
    from difflib import get_close_matches

    known = [*sources, *populations, *(learning.names() if learning else ())]
    close = get_close_matches(str(name), known, n=1)
    listed = ", ".join(map(repr, known[:10])) + (", …" if len(known) > 10 else "")
    return InputError(
        "input for something that the network does not have",
        found=repr(name),
        expected=f"one of {listed}" if known else "no inputs: nothing here takes any",
        where=where,
        remedy=f"did you mean {close[0]!r}?" if close else None,
    )


def _spikes(name: str, given: Any, steps: int, size: int) -> NDArray[np.int64]:
    array = as_numbers(name, given, "spikes")
    if array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind in "iu":
        return check_events(name, array, steps, size)[0]
    if array.size == 0 and array.shape in ((0,), (0, 2)):
        return np.zeros((0, 2), np.int64)
    if array.shape != (steps, size):
        integers = array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind == "f"
        raise InputError(
            f"input of {name!r} has the wrong {'dtype' if integers else 'shape'}",
            found=f"shape {array.shape}, dtype {array.dtype}",
            expected=f"(n, 2) integers (step, index), or a ({steps}, {size}) raster",
            where=f"inputs[{name!r}]",
            remedy="events are integers: array.astype(int)" if integers else None,
        )
    if array.dtype.kind != "b":
        wrong = (array != 0) & (array != 1)
        if wrong.any():
            step, index = (int(i) for i in np.argwhere(wrong)[0])
            raise InputError(
                f"raster of {name!r} holds something else than zeros and ones",
                found=f"{array[step, index]} at step {step}, index {index}",
                expected="0 or 1: at most one event per step and index",
                where=f"inputs[{name!r}][{step}, {index}]",
            )
    return raster_to_events(array)


def _graded_events(
    name: str, given: Any, steps: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if isinstance(given, tuple):
        return _graded_pair(name, given, steps, size)
    array = as_numbers(name, given, "graded values")
    if array.shape != (steps, size) or array.dtype.kind == "b":
        raise InputError(
            f"input of population {name!r} has the wrong shape or dtype",
            found=f"shape {array.shape}, dtype {array.dtype}",
            expected=f"({steps}, {size}) numbers in the network's units, or a tuple "
            "(events, values)",
            where=f"inputs[{name!r}]",
            remedy="a population takes graded values; spikes go to a source that is connected "
            "to it",
        )
    wrong = ~np.isfinite(array)
    if wrong.any():
        step, index = (int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"graded values of population {name!r} must be finite",
            found=f"{array[step, index]} at step {step}, index {index}",
            where=f"inputs[{name!r}][{step}, {index}]",
        )
    events = raster_to_events(array)
    return events, array[events[:, 0], events[:, 1]].astype(np.float64)


def _graded_pair(
    name: str, given: tuple[Any, ...], steps: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    where = f"inputs[{name!r}]"
    if len(given) != 2:
        raise InputError(
            f"input of population {name!r}: a tuple must be (events, values)",
            found=f"{len(given)} entries",
            expected="(n, 2) integers and n numbers",
            where=where,
        )
    events, values = as_numbers(name, given[0], "events"), as_numbers(name, given[1], "values")
    if events.size == 0:
        events = np.zeros((0, 2), np.int64)
    if events.ndim != 2 or events.shape[1] != 2 or events.dtype.kind not in "iu":
        raise InputError(
            f"events of population {name!r} have the wrong shape or dtype",
            found=f"shape {events.shape}, dtype {events.dtype}",
            expected="(n, 2) integers (step, index)",
            where=f"{where}[0]",
        )
    if values.shape != (len(events),) or values.dtype.kind == "b":
        raise InputError(
            f"values of population {name!r} do not match its events",
            found=f"shape {values.shape}, dtype {values.dtype}",
            expected=f"({len(events)},) numbers, one per event",
            where=f"{where}[1]",
        )
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"graded values of population {name!r} must be finite",
            found=f"{values[row]} in row {row}",
            where=f"{where}[1][{row}]",
        )
    events, order = check_events(name, events, steps, size)
    values = values.astype(np.float64)
    return events, values if order is None else values[order]
