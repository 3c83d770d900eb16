"""Arrays of events as users give them: read as numbers, in range, sorted, at most one of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def raster_to_events(raster: NDArray[Any]) -> NDArray[np.int64]:
    """(n, 2) int64 events (step, index) of the nonzero entries of a (steps, size) raster."""
    return np.argwhere(raster).astype(np.int64, copy=False)


def events_to_raster(events: NDArray[Any], steps: int, size: int) -> NDArray[np.bool_]:
    """(steps, size) boolean raster of (n, 2) events."""
    raster = np.zeros((steps, size), np.bool_)
    raster[events[:, 0], events[:, 1]] = True
    return raster


def as_numbers(name: str, given: Any, what: str) -> NDArray[Any]:
    """``given`` as an array of numbers or booleans."""
    try:
        array = np.asarray(given)
    except (ValueError, TypeError, OverflowError):
        array = None
    if array is None or array.dtype.kind not in "biuf":
        kind = "ragged or no array" if array is None else f"dtype {array.dtype}"
        raise InputError(
            f"input of {name!r}: {what} must be an array of numbers",
            found=f"{type(given).__name__} ({kind})",
            where=f"inputs[{name!r}]",
        )
    return array


def check_events(
    name: str, events: NDArray[Any], steps: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.intp] | None]:
    """Events in range and sorted, and the permutation that sorted them (None: none needed)."""
    # Runs of a few steps are many: the usual case must not cost more than two comparisons.
    inside = not len(events) or (
        events.min() >= 0 and events[:, 0].max() < steps and events[:, 1].max() < size
    )
    for column, what, limit in () if inside else ((0, "step", steps), (1, "index", size)):
        values = events[:, column]
        wrong = (values < 0) | (values >= limit)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"input of {name!r}: {what} out of range",
                found=f"{what} {values[row]} in row {row}",
                expected=f"0 to {limit - 1}" if limit else f"no events: there is no {what}",
                where=f"inputs[{name!r}][{row}, {column}]",
            )
    # astype copies, so that a caller's later changes do not reach into a run.
    checked = events.astype(np.int64)
    key = checked[:, 0] * size + checked[:, 1]
    if (key[1:] > key[:-1]).all():
        return checked, None
    order = np.argsort(key, kind="stable")
    key = key[order]
    twice = key[1:] == key[:-1]
    if twice.any():
        at = int(np.argmax(twice))
        first, second = int(order[at]), int(order[at + 1])
        step, index = (int(i) for i in checked[second])
        may_be_raster = size == 2 and len(events) == steps
        raise InputError(
            f"input of {name!r}: the same event twice",
            found=f"step {step}, index {index} in rows {first} and {second}",
            expected="at most one event per step and index",
            where=f"inputs[{name!r}][{second}]",
            remedy="an (n, 2) integer array is read as events; if it is a raster, give it as bool"
            if may_be_raster
            else "remove the repetition: np.unique(events, axis=0)",
        )
    return checked[order], order
