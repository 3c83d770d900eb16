"""What learning rules are fed with: teacher events, third factors and the modulator, checked.

Their keys among the inputs of a run are ``"NAME.teacher"`` and ``"NAME.third_factor"`` of a
population, and ``"modulator"``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import InputError
from .event_arrays import as_numbers, check_events, raster_to_events

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEACHER, THIRD_FACTOR, MODULATOR = "teacher", "third_factor", "modulator"
LOWEST, HIGHEST = -128, 127
"""Range of third factors and the modulator."""
_READ_AS = {TEACHER: "t0", THIRD_FACTOR: "r", MODULATOR: "m"}


class Key(NamedTuple):
    """What a name among the inputs means to learning; ``population`` is "" for the modulator."""

    kind: str
    population: str


@dataclass(frozen=True)
class LearningInputs:
    """Which inputs a network's rules read.

    Attributes:
        plastic: populations onto which something learns.
        teacher: those with a rule that reads teacher events (t0).
        third_factor: those with a rule that reads the third factor (r).
        modulator: whether a rule reads the modulator (m).
    """

    plastic: Collection[str] = ()
    teacher: Collection[str] = ()
    third_factor: Collection[str] = ()
    modulator: bool = False

    def names(self) -> Iterator[str]:
        """The names of all inputs that are read."""
        yield from (f"{name}.{TEACHER}" for name in self.teacher)
        yield from (f"{name}.{THIRD_FACTOR}" for name in self.third_factor)
        if self.modulator:
            yield MODULATOR

    def check(self, name: str, key: Key, named: bool) -> None:
        """Refuse input that no rule reads, or that could mean two things.

        Args:
            name: the input's.
            key: what it means to learning.
            named: whether a source or population has this name.
        """
        read = name in self.names()
        if named and read:
            raise InputError(
                f"input {name!r} means two things",
                found=f"a source or population of this name, and the {_told(key)}",
                where=f"inputs[{name!r}]",
                remedy="give the source or population another name",
            )
        if read:
            return
        if not self.plastic:
            why, remedy = "nothing learns: no projection has a rule", "net.connect(…, learning=…)"
        elif key.population and key.population not in self.plastic:
            why = f"no projection onto {key.population!r} has a rule"
            remedy = "they belong to the postsynaptic population of the projection that learns"
        else:
            onto = f"of a projection onto {key.population!r} " if key.population else ""
            why = f"no rule {onto}reads {_READ_AS[key.kind]}"
            remedy = f"use {_READ_AS[key.kind]} in the rule's text"
        raise InputError(
            f"input {name!r} would change nothing",
            found=why,
            where=f"inputs[{name!r}]",
            remedy=remedy,
        )


def _told(key: Key) -> str:
    if key.kind == MODULATOR:
        return "modulator"
    return f"{'teacher events' if key.kind == TEACHER else 'third factors'} of {key.population!r}"


def learning_key(name: Any, populations: Mapping[str, int]) -> Key | None:
    """What a name means to learning, if anything."""
    if name == MODULATOR:
        return Key(MODULATOR, "")
    population, _, kind = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    known = kind in (TEACHER, THIRD_FACTOR) and population in populations
    return Key(kind, population) if known else None


def register_events(
    name: str, given: Any, steps: int, size: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Values of third factors or the modulator, as events that hold until the next one.

    Args:
        name: of the input, for errors.
        given: every step's value, (steps, size), or a tuple of (n, 2) events (step, index) and
            (n,) values; integers.
        steps: of the run.
        size: of the population; None for the modulator, which has no index: (steps,) values, or
            (n,) steps and (n,) values.

    Returns:
        (n, 2) events, sorted, unique, and (n,) values.

    Raises:
        InputError: wrong shape, no integers, out of range.
    """
    where = f"inputs[{name!r}]"
    shape = (steps,) if size is None else (steps, size)
    if not isinstance(given, tuple):
        array = as_numbers(name, given, "values")
        if array.shape != shape or (array.dtype.kind not in "iu" and array.size):
            raise InputError(
                f"input {name!r} has the wrong shape or dtype",
                found=f"shape {array.shape}, dtype {array.dtype}",
                expected=f"{shape} integers, or a tuple {_pair(size)}",
                where=where,
            )
        _check_values(name, array, where)
        values = array.reshape(steps, size or 1).astype(np.int64)
        changes = np.ones(values.shape, bool)
        changes[1:] = values[1:] != values[:-1]
        events = raster_to_events(changes)
        return events, values[events[:, 0], events[:, 1]]
    if len(given) != 2:
        raise InputError(
            f"input {name!r}: a tuple must be {_pair(size)}",
            found=f"{len(given)} entries",
            where=where,
        )
    events, values = as_numbers(name, given[0], "events"), as_numbers(name, given[1], "values")
    columns = () if size is None else (2,)
    if events.size == 0:
        events = np.zeros((0, *columns), np.int64)
    fits = events.ndim == 1 + len(columns) and events.shape[1:] == columns
    if not fits or events.dtype.kind not in "iu":
        raise InputError(
            f"events of input {name!r} have the wrong shape or dtype",
            found=f"shape {events.shape}, dtype {events.dtype}",
            expected="(n,) integers (step)" if size is None else "(n, 2) integers (step, index)",
            where=f"{where}[0]",
        )
    if values.shape != (len(events),) or (values.dtype.kind not in "iu" and values.size):
        raise InputError(
            f"values of input {name!r} do not match its events",
            found=f"shape {values.shape}, dtype {values.dtype}",
            expected=f"({len(events)},) integers, one per event",
            where=f"{where}[1]",
        )
    _check_values(name, values, f"{where}[1]")
    if size is None:
        events = np.stack([events, np.zeros_like(events)], axis=1)
    events, order = check_events(name, events, steps, 1 if size is None else size)
    values = values.astype(np.int64)
    return events, values if order is None else values[order]


def _pair(size: int | None) -> str:
    return "(steps, values)" if size is None else "(events, values)"


def _check_values(name: str, values: NDArray[Any], where: str) -> None:
    wrong = (values < LOWEST) | (values > HIGHEST)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"a value of input {name!r} is out of range",
            found=str(values[place]),
            expected=f"{LOWEST} to {HIGHEST}",
            where=f"{where}[{', '.join(map(str, place))}]",
        )
