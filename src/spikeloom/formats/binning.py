"""From times to steps: nothing is dropped or put together without a word."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..stimulus import MAX_RUN_STEPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOISE = 1e-6
"""Steps by which a time may miss a whole step and still be meant to be one."""


def steps_of(times: NDArray[Any], dt: float, where: str) -> NDArray[np.int64]:
    """The step in which each time falls; a time that is a step but for rounding is that step.

    Args:
        times: (n,) in the unit of ``dt``; integers stay exact.
        dt: length of a step.
        where: for messages.

    Raises:
        InputError: a time is negative, no number, or beyond the longest run.
    """
    if times.dtype.kind in "iu" and abs(dt - round(dt)) < 1e-9 * dt and round(dt) >= 1:
        steps = times.astype(np.int64) // round(dt)
        quotient = steps.astype(np.float64)
    else:
        quotient = times.astype(np.float64) / dt
        nearest = np.rint(quotient)
        with np.errstate(invalid="ignore"):  # what is infinite is refused below
            close = np.abs(quotient - nearest) < NOISE
        quotient = np.where(close, nearest, np.floor(quotient))
        steps = None
    wrong = ~((quotient >= 0) & (quotient < MAX_RUN_STEPS))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            "a time lies outside of every run",
            found=f"{times[row]} in event {row}, step {quotient[row]:g}",
            expected=f"0 to {MAX_RUN_STEPS - 1} steps",
            where=where,
        )
    return quotient.astype(np.int64) if steps is None else steps


def unique_events(
    step: NDArray[np.int64], index: NDArray[np.int64], steps: int | None, where: str
) -> tuple[NDArray[np.int64], int]:
    """Sorted events without repetitions, and the number of steps.

    What falls on the same neuron and step is one spike, what lies after the run none; a warning
    says how many.
    """
    if steps is None:
        steps = int(step.max()) + 1 if len(step) else 0
    late = step >= steps
    if late.any():
        warnings.warn(
            f"{where}: {int(late.sum())} of {len(step)} events lie after step {steps - 1} and are "
            "left out",
            stacklevel=4,
        )
        step, index = step[~late], index[~late]
    events = np.unique(np.stack([step, index], axis=1), axis=0)
    lost = len(step) - len(events)
    if lost:
        warnings.warn(
            f"{where}: {lost} of {len(step)} events fall on a neuron and step that already has "
            "one; a neuron fires once in a step",
            stacklevel=4,
        )
    return events.reshape(-1, 2), steps
