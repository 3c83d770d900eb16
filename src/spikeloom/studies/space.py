"""The points of a study: every combination of its parameters, or some drawn at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError

MOST_POINTS = 1_000_000


@dataclass(frozen=True)
class Parameter:
    """What a study varies.

    Attributes:
        name: a number of a chip, ``chip``, ``mode``, or ``compile.…``.
        values: what it may be, in order; None for a range.
        low, high: of a range.
        points: values of a range in a grid; at random any value between may be drawn.
        log: whether equal ratios count, and not equal differences.
        whole: whether values are whole numbers.
    """

    name: str
    values: tuple[Any, ...] | None = None
    low: float = 0.0
    high: float = 0.0
    points: int = 0
    log: bool = False
    whole: bool = False

    def grid(self) -> tuple[Any, ...]:
        """Its values in a grid, each once."""
        if self.values is not None:
            return self.values
        if self.log:
            found = np.geomspace(self.low, self.high, self.points)
        else:
            found = np.linspace(self.low, self.high, self.points)
        return tuple(dict.fromkeys(self._kind(value) for value in found.tolist()))

    def draw(self, rng: np.random.Generator) -> Any:
        """One value at random."""
        if self.values is not None:
            return self.values[int(rng.integers(len(self.values)))]
        if self.whole and not self.log:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return self._kind(math.exp(rng.uniform(low, high)))
        return self._kind(rng.uniform(self.low, self.high))

    def _kind(self, value: float) -> Any:
        kept = min(max(value, self.low), self.high)  # rounding must not leave the range
        return round(kept) if self.whole else kept

    def size(self) -> float:
        """How many values it can have."""
        if self.values is not None:
            return len(self.values)
        return int(self.high) - int(self.low) + 1 if self.whole else math.inf


def grid_points(parameters: tuple[Parameter, ...]) -> list[dict[str, Any]]:
    """Every combination, the last parameter changing fastest.

    Raises:
        InputError: there are more than a million.
    """
    columns = [parameter.grid() for parameter in parameters]
    amount = math.prod(map(len, columns))
    if amount > MOST_POINTS:
        raise InputError(
            "the grid has too many points", found=amount, expected=f"at most {MOST_POINTS}",
            remedy="fewer values, or search = \"random\"",
        )  # fmt: skip
    found: list[dict[str, Any]] = [{}]
    for parameter, column in zip(parameters, columns, strict=True):
        found = [{**point, parameter.name: value} for point in found for value in column]
    return found


def random_points(
    parameters: tuple[Parameter, ...], amount: int, seed: int
) -> list[dict[str, Any]]:
    """So many different points; the same seed gives the same ones.

    Raises:
        InputError: there are not so many.
    """
    possible = math.prod(parameter.size() for parameter in parameters)
    if possible < amount:
        raise InputError(
            "there are fewer points than the study asks for", found=int(possible), expected=amount,
            remedy="fewer points, more values, or search = \"grid\"",
        )  # fmt: skip
    rng = np.random.default_rng(seed)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    tries = 0
    while len(found) < amount:
        point = {parameter.name: parameter.draw(rng) for parameter in parameters}
        found.setdefault(tuple(point.values()), point)
        tries += 1
        if tries > 1000 * amount:  # nearly all of a finite space is asked for
            raise InputError(
                "random search finds no more points", found=len(found), expected=amount,
                remedy="search = \"grid\"",
            )  # fmt: skip
    return list(found.values())
