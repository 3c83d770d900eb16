"""Checks of what users hand in: every reason of an object is collected, then raised at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NetworkError
from .origin import did_you_mean, user_origin
from .program import MAX_SIDES

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP_TOLERANCE = 1e-6
"""Relative distance from a whole number of steps that still counts as floating-point noise."""


class Reasons:
    """Collects what is wrong with one object.

    Args:
        subject: how the message calls the object, e.g. ``"population 'exc'"``.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._reasons: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def add(self, reason: str) -> None:
        """Note one reason."""
        self._reasons.append(reason)

    def done(self, remedy: str | None = None) -> None:
        """Raise all reasons together, if there are any.

        Raises:
            NetworkError: at least one reason was added.
        """
        if not self._reasons:
            return
        if len(self._reasons) == 1:
            problem = f"{self.subject}: {self._reasons[0]}"
        else:
            problem = "\n".join(
                [
                    f"{self.subject}: {len(self._reasons)} problems",
                    *(f"  - {r}" for r in self._reasons),
                ]
            )
        raise NetworkError(problem, where=user_origin(), remedy=remedy)


def show(value: float) -> str:
    """A number as a user would write it."""
    return f"{value:.6g}"


def numbers(
    reasons: Reasons,
    name: str,
    value: Any,
    *,
    ndim: Sequence[int] = (0, 1),
    low: float | None = None,
    above: float | None = None,
    infinite: bool = False,
) -> NDArray[np.float64]:
    """``value`` as a float64 copy; what is wrong with it is added to ``reasons``.

    Args:
        reasons: where findings go.
        name: how messages call the value.
        value: a number or an array.
        ndim: allowed numbers of dimensions.
        low: smallest allowed value.
        above: values must be greater than this.
        infinite: whether +inf is allowed.

    Returns:
        The array; zeros of the right rank when it is unusable.
    """
    unusable = np.zeros((1,) * min(ndim))
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in "biuf" or np.ma.is_masked(value):
            raise TypeError
        array = np.array(raw, dtype=np.float64)
    except (TypeError, ValueError):
        reasons.add(f"{name} must be a number or an array of numbers, got {_describe(value)}")
        return unusable
    if array.ndim not in ndim:
        reasons.add(
            f"{name} must have {' or '.join(map(str, ndim))} dimensions, got shape {array.shape}"
        )
        return unusable
    for wrong, what in (
        (np.isnan(array), "is not a number"),
        (np.isinf(array) & ((array < 0) | (not infinite)), "is infinite"),
        (array < low if low is not None else np.zeros(1, bool), f"is below {low}"),
        (array <= above if above is not None else np.zeros(1, bool), f"is not above {above}"),
    ):
        if wrong.any():
            reasons.add(f"{at(name, wrong)} {what}: {show(array[wrong].flat[0])}{more(wrong)}")
            return array
    return array


def at(name: str, wrong: NDArray[np.bool_]) -> str:
    """``name[first index where wrong]``, or just the name of a scalar."""
    if wrong.ndim == 0:
        return name
    index = ", ".join(str(int(axis[0])) for axis in np.nonzero(wrong))
    return f"{name}[{index}]"


def more(wrong: NDArray[np.bool_]) -> str:
    """`` (and 3 more)`` when several elements are wrong."""
    count = int(np.count_nonzero(wrong)) - 1
    return f" (and {count} more)" if count > 0 else ""


def choice(reasons: Reasons, name: str, value: object, allowed: Sequence[str]) -> None:
    """Note a value that is none of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        hint = did_you_mean(value, allowed)
        words = ", ".join(map(repr, allowed))
        reasons.add(
            f"{name} must be one of {words}, got {_describe(value)}" + (f"; {hint}" if hint else "")
        )


def whole_steps(
    seconds: NDArray[np.float64], dt: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Times as steps of ``dt`` seconds.

    Returns:
        The nearest whole numbers of steps (half away from the even neighbour never occurs in
        practice: ties go to the even one), and where the time is no whole number of steps.
    """
    steps = np.asarray(seconds, dtype=np.float64) / dt
    nearest = np.rint(steps)
    off = np.abs(steps - nearest) > STEP_TOLERANCE * np.maximum(1.0, np.abs(nearest))
    return nearest.astype(np.int64), np.asarray(off)


def check_name(reasons: Reasons, name: object) -> None:
    """Note a name that is no printable, non-empty string."""
    if not isinstance(name, str) or not name or not name.isprintable() or name != name.strip():
        reasons.add(
            f"a name must be a non-empty printable string without outer spaces, got {name!r}"
        )


def check_size(reasons: Reasons, size: object) -> int:
    """The size as an int; note one that is no positive integer."""
    if isinstance(size, (bool, np.bool_)) or not isinstance(size, (int, np.integer)) or size < 1:
        reasons.add(f"size must be a positive integer, got {size!r}")
        return 1
    return int(size)


def check_shape(reasons: Reasons, size: object) -> tuple[int, tuple[int, ...]]:
    """A size, or the sides of a layer, as the number of neurons and the sides."""
    if not isinstance(size, tuple):
        checked = check_size(reasons, size)
        return checked, (checked,)
    if not 1 <= len(size) <= MAX_SIDES:
        reasons.add(f"a shape has 1 to {MAX_SIDES} sides, got {len(size)}")
        return 1, (1,)
    sides = tuple(check_size(reasons, side) for side in size)
    return math.prod(sides), sides


def _describe(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:50]}…"
