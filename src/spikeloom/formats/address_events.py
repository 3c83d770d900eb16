"""Events of cameras and microphones, (x, y, t, p) as tonic has them, as spikes of a source."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .binning import steps_of, unique_events

if TYPE_CHECKING:
    from numpy.typing import NDArray

MICROSECONDS = 1e6


def bin_events(
    events: NDArray[Any],
    dt: float,
    shape: Sequence[int],
    steps: int | None = None,
    *,
    name: str = "events",
) -> tuple[NDArray[np.int64], int]:
    """Turn address events into spikes of a source with these sides.

    Polarity p, row y and column x of an event are neuron ``(p * height + y) * width + x``; it
    fires in step ``floor((t - t of the first event) / dt)``. In a source of (height, width) or
    (1, height, width) both polarities are the same neuron; in one with a single side x is the
    neuron.

    Args:
        events: (n,) structured, with fields ``x``, ``t`` and, where there are such, ``y`` and
            ``p`` (``polarity``, ``on``); t in microseconds, p 0 or 1 (or -1 and 1).
        dt: length of a step in seconds.
        shape: (polarities, height, width), (height, width) or (size,).
        steps: length of the run; None: up to the last event.
        name: what messages call the events.

    Returns:
        (k, 2) int64 of step and index, sorted, each once; and the number of steps.

    Raises:
        InputError: fields are missing, or an event lies outside of the shape.
    """
    fields = _fields(events, name)
    sides = _sides(shape, fields, name)
    columns = []
    for axis, side in zip(("p", "y", "x"), sides, strict=True):
        values = fields.get(axis, np.zeros(len(events), np.int64))
        if axis == "p" and side == 1:
            _tell_merged(values, name)
            values = np.zeros_like(values)
        wrong = (values < 0) | (values >= side)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                "an event lies outside of the source",
                found=f"{axis} = {values[row]} in event {row}",
                expected=f"0 to {side - 1}, for a source of {tuple(int(s) for s in shape)}",
                where=name,
            )
        columns.append(values)
    p, y, x = columns
    index = (p * sides[1] + y) * sides[2] + x
    t = fields["t"]
    first = t.min() if len(t) else 0
    return unique_events(steps_of(t - first, dt * MICROSECONDS, name), index, steps, name)


def _fields(events: NDArray[Any], name: str) -> dict[str, NDArray[Any]]:
    """x, y, p as int64 and t as it is, by their names."""
    names = events.dtype.names or ()
    alias = {"polarity": "p", "on": "p"}
    found: dict[str, NDArray[Any]] = {}
    for field in names:
        key = alias.get(field, field)
        if key not in ("x", "y", "t", "p"):
            continue
        values = np.ascontiguousarray(events[field])
        kind = values.dtype.kind
        integer = kind in "iub" or (kind == "f" and key == "t")
        if not integer or values.ndim != 1 or key in found:
            raise InputError(
                f"the field {field!r} of the events has the wrong form",
                found=f"{values.dtype} of shape {values.shape}",
                expected="one integer for each event",
                where=name,
            )
        if kind == "u" and key == "t" and len(values) and values.max() > np.iinfo(np.int64).max:
            raise InputError("a time is too large", found=values.max(), where=name)
        found[key] = values if kind == "f" else values.astype(np.int64)
    if events.ndim != 1 or not {"x", "t"} <= found.keys():
        raise InputError(
            "these are no address events",
            found=f"shape {events.shape}, fields {', '.join(names) or 'none'}",
            expected="a structured array (n,) with fields x, y, t, p",
            where=name,
        )
    if "p" in found:
        found["p"] = np.where(found["p"] == -1, 0, found["p"])
    return found


def _sides(
    shape: Sequence[int], fields: dict[str, NDArray[Any]], name: str
) -> tuple[int, int, int]:
    sides = tuple(int(side) for side in shape)
    flat = "y" not in fields or not fields["y"].any()
    if len(sides) > 3 or (len(sides) == 1 and not flat):
        raise InputError(
            "the source's sides do not fit events with x and y",
            found=f"{sides}",
            expected="(polarities, height, width) or (height, width)",
            where=name,
            remedy='give the source its sides: net.source("camera", (2, 128, 128))',
        )
    polarities, height, width = (1, 1, *sides)[-3:]
    return polarities, height, width


def _tell_merged(p: NDArray[np.int64], name: str) -> None:
    kinds, counts = np.unique(p, return_counts=True)
    if len(kinds) > 1:
        told = " and ".join(f"{n} of polarity {k}" for k, n in zip(kinds, counts, strict=True))
        warnings.warn(
            f"{name}: {told} go to the same neurons; a source of (2, height, width) keeps them "
            "apart",
            stacklevel=3,
        )
