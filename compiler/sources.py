"""What drives a source when the host does not: generators on the chip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .checks import Reasons, at, more, numbers, show, whole_steps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_WORD = 1 << 32


@dataclass(frozen=True, eq=False)
class Poisson:
    """Every neuron of the source fires in each step with probability ``rate * dt``.

    A Bernoulli draw per step from the counter hash (docs/machine.md §4): the same noise on every
    device and in :func:`spikeloom.simulate`.

    Args:
        rate: mean rate in Hz, scalar or (size,).
        seed: uint32; None means the network's seed. Sources with equal seeds still differ.

    Raises:
        NetworkError: a rate is negative or no number, or the seed is no uint32.
    """

    rate: ArrayLike
    seed: int | None = None

    def __post_init__(self) -> None:
        reasons = Reasons("Poisson")
        object.__setattr__(self, "rate", numbers(reasons, "rate", self.rate, low=0.0))
        if self.seed is not None:
            check_seed(reasons, self.seed)
        reasons.done(remedy="rates are in Hz")

    def threshold(self, size: int, dt: float, reasons: Reasons) -> NDArray[np.int64]:
        """(size,) the hash's limit, 0 … 2^32; 2^32 fires in every step."""
        rate = spread(reasons, "rate", np.asarray(self.rate), size)
        p = rate * dt
        wrong = p > 1.0 + 1e-12
        if wrong.any():
            reasons.add(
                f"{at('rate', wrong)} of {show(rate[wrong][0])} Hz would fire more than once in a "
                f"step of {show(dt)} s (p = {show(p[wrong][0])}){more(wrong)}; use a smaller dt"
            )
        limit = np.rint(np.minimum(p, 1.0) * _WORD).astype(np.int64)
        never = (rate > 0) & (limit == 0)
        if never.any():
            reasons.add(
                f"{at('rate', never)} of {show(rate[never][0])} Hz is less than one spike in 2^33 "
                f"steps of {show(dt)} s{more(never)}; use 0 for none"
            )
        return limit


@dataclass(frozen=True, eq=False)
class Periodic:
    """Every neuron of the source fires at ``phase``, ``phase + period``, ``phase + 2 period`` …

    Args:
        period: seconds, scalar or (size,); a whole number of steps, at least one.
        phase: seconds, scalar or (size,), time of the first spike; a whole number of steps.

    Raises:
        NetworkError: a period is not positive or a phase is negative.
    """

    period: ArrayLike
    phase: ArrayLike = 0.0

    def __post_init__(self) -> None:
        reasons = Reasons("Periodic")
        object.__setattr__(self, "period", numbers(reasons, "period", self.period, above=0.0))
        object.__setattr__(self, "phase", numbers(reasons, "phase", self.phase, low=0.0))
        reasons.done(remedy="times are in seconds")

    def steps(
        self, size: int, dt: float, reasons: Reasons
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(size,) period and (size,) phase in steps."""
        result = []
        for name, value, least in (("period", self.period, 1), ("phase", self.phase, 0)):
            seconds = spread(reasons, name, np.asarray(value), size)
            steps, off = whole_steps(seconds, dt)
            if off.any():
                near = max(int(steps[off][0]), least)
                reasons.add(
                    f"{at(name, off)} of {show(seconds[off][0])} s is no whole number of steps of "
                    f"{show(dt)} s{more(off)}; the nearest is {show(near * dt)} s"
                )
            elif (steps >= _WORD).any():
                reasons.add(f"{name} is longer than 2^32 - 1 steps")
            result.append(np.clip(steps, least, _WORD - 1))
        return result[0], result[1]


def spread(
    reasons: Reasons, name: str, value: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """A scalar or (size,) array as a (size,) array; note a wrong length."""
    if value.ndim == 1 and len(value) != size:
        reasons.add(f"{name} has {len(value)} values for {size} neurons")
        return np.full(size, value[0] if len(value) else 0.0)
    return np.broadcast_to(value, (size,)).copy()


def check_seed(reasons: Reasons, seed: object, name: str = "seed") -> None:
    """Note a seed that is no unsigned 32-bit integer."""
    if (
        isinstance(seed, (bool, np.bool_))
        or not isinstance(seed, (int, np.integer))
        or not 0 <= seed < _WORD
    ):
        reasons.add(f"{name} must be an integer from 0 to 2^32 - 1, got {seed!r}")
