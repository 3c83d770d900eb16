"""How a rule's units relate to the machine's integers, and how far those go."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .microcode import Factor


@dataclass(frozen=True)
class Scales:
    """By Factor (without SIGN).

    Attributes:
        lsb: units of the rule per least significant bit.
        span: smallest and largest integer.
        typical: a magnitude to reason with: a trace at its impulse, ``r`` and ``m`` at 1, half
            of what any other can do.
    """

    lsb: dict[Factor, float]
    span: dict[Factor, tuple[int, int]]
    typical: dict[Factor, float]

    def units(self, factors: tuple[int, ...]) -> float:
        """Π of the least significant bits; a sign is a pure number."""
        return math.prod(self.lsb[Factor(f)] for f in factors if not f & Factor.SIGN)

    def largest(self, factors: tuple[int, ...]) -> int:
        """Π of the largest magnitudes."""
        return math.prod(
            max(map(abs, self.span[Factor(f)])) for f in factors if not f & Factor.SIGN
        )

    def usual(self, factors: tuple[int, ...]) -> float:
        """Π of typical magnitudes."""
        return math.prod(self.typical[Factor(f)] for f in factors if not f & Factor.SIGN)

    def range(self, factors: tuple[int, ...]) -> tuple[int, int]:
        """Smallest and largest value of the product of the factors."""
        low, high = 1, 1
        for f in factors:
            a, b = self.span[Factor(f & ~Factor.SIGN)]
            if f & Factor.SIGN:
                a, b = max(-1, min(a, 1)), max(-1, min(b, 1))
            ends = [low * a, low * b, high * a, high * b]
            low, high = min(ends), max(ends)
        return low, high

    @property
    def span_of_weights(self) -> int:
        """Steps from one limit of the weight to the other."""
        low, high = self.span[Factor.W]
        return high - low
