"""What a rule remembers of past events: exponential traces and windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .checks import Reasons, numbers
from .microcode import WINDOW

SUMMED = 4.0
"""Impulses that a summing trace has room for on a device, unless ``limit`` says otherwise."""


@dataclass(frozen=True)
class Trace:
    """A trace that decays exponentially: an event adds ``impulse``, or sets it.

    ``n`` steps after an event its share of the trace is ``impulse·exp(-n·dt/tau)``, n = 1, 2 …;
    products never see the events of their own step. (In raw units the machine's integer counts,
    which in step 1 is the impulse itself: docs/machine.md §7.)

    Args:
        tau: time constant in seconds; ``inf``: it never decays.
        impulse: what an event adds (in raw units an integer, 1 to the target's largest trace).
        nearest: an event sets the trace to ``impulse`` instead (nearest-neighbour pairing).
        limit: largest value that a device can hold; None: ``impulse`` with ``nearest``, else
            4 impulses. The closer it is, the finer the device's steps.
        decay: in raw units instead of ``tau``: 4096ths of the value that are lost per step.

    Raises:
        NetworkError: with everything that is wrong.
    """

    tau: float | None = None
    impulse: float = 1.0
    nearest: bool = False
    limit: float | None = None
    decay: int | None = None

    def __post_init__(self) -> None:
        reasons = Reasons("Trace")
        if (self.tau is None) == (self.decay is None):
            reasons.add("either tau or decay must be given")
        if self.tau is not None:
            numbers(reasons, "tau", self.tau, ndim=(0,), above=0.0, infinite=True)
        if self.decay is not None and (type(self.decay) is not int or not 0 <= self.decay <= 4096):
            reasons.add(f"decay must be an integer from 0 to 4096, got {self.decay!r}")
        impulse = numbers(reasons, "impulse", self.impulse, ndim=(0,), above=0.0)
        _check_nearest(reasons, self.nearest)
        if self.limit is not None:
            limit = numbers(reasons, "limit", self.limit, ndim=(0,), above=0.0)
            if limit < impulse:
                reasons.add(f"limit {float(limit):g} is below the impulse {float(impulse):g}")
        reasons.done()

    def factor(self, dt: float) -> float:
        """What is left of the value after a step of ``dt`` seconds."""
        if self.tau is None:
            return 1.0 - (self.decay or 0) / 4096.0
        return float(np.exp(-dt / self.tau))


@dataclass(frozen=True)
class Window:
    """A trace by table: ``values[b]`` for an event ``b + 1`` steps ago.

    Args:
        values: up to 32, none negative (split a window with both signs over two traces).
        nearest: only the youngest event counts; otherwise the values of all events add up.
        limit: largest sum that a device can hold; None: the largest value with ``nearest``, else
            the sum of all values, which nothing can exceed.

    Raises:
        NetworkError: with everything that is wrong.
    """

    values: Sequence[float]
    nearest: bool = False
    limit: float | None = None

    def __post_init__(self) -> None:
        reasons = Reasons("Window")
        values = numbers(reasons, "values", self.values, ndim=(1,), low=0.0)
        if not reasons and not 1 <= len(values) <= WINDOW:
            reasons.add(f"values has {len(values)} entries; a window has 1 to {WINDOW}")
        _check_nearest(reasons, self.nearest)
        if self.limit is not None:
            limit = numbers(reasons, "limit", self.limit, ndim=(0,), above=0.0)
            if limit < values.max(initial=0.0):
                reasons.add(f"limit {float(limit):g} is below the largest value {values.max():g}")
        reasons.done(
            remedy="split a window with both signs over two traces"
            if (np.asarray(values) < 0).any()
            else None
        )
        object.__setattr__(self, "values", tuple(float(v) for v in values))


def _check_nearest(reasons: Reasons, value: object) -> None:
    if not isinstance(value, bool):
        reasons.add(f"nearest must be True or False, got {value!r}")
