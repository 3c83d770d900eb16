"""Sums of products: what a rule's text becomes, kept in one canonical form.

A product is a real coefficient, the events it needs, and up to a few factors. Products with the
same events and factors are one; ``w_max - w`` and ``w - w_min`` are factors of their own (ABOVE
and BELOW of ``microcode.py``) where that keeps a product shorter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .microcode import Condition, Factor, When

MOST_PRODUCTS = 256
"""An expression that expands to more products than this is refused while it grows."""
SAME = 1e-12
"""Relative distance at which two coefficients cancel or match."""

SYMBOL = {
    Factor.X1: "x1",
    Factor.X2: "x2",
    Factor.Y1: "y1",
    Factor.Y2: "y2",
    Factor.R: "r",
    Factor.M: "m",
    Factor.W: "w",
    Factor.ABOVE: "(w_max - w)",
    Factor.BELOW: "(w - w_min)",
    Factor.TAG: "tag",
    Factor.DELAY: "delay",
}


class Unsummable(Exception):  # noqa: N818 - a signal to the parser, which makes the error of it
    """The operation has no meaning in a rule."""


class TooManyProductsError(Exception):
    """An expression expands beyond MOST_PRODUCTS."""


@dataclass(frozen=True)
class Limits:
    """Limits of the weight in the rule's units; None where not given."""

    w_min: float | None
    w_max: float | None


@dataclass(frozen=True)
class Term:
    """``coefficient · Π factors`` where all events happen.

    Attributes:
        coefficient: real, in the rule's units.
        condition: events of the step that it needs.
        epoch: k of ``u<k>``, or None.
        factors: of Factor, perhaps with SIGN added; ascending.
        at: position in the rule's text.
    """

    coefficient: float
    condition: Condition
    epoch: int | None
    factors: tuple[int, ...]
    at: int

    @property
    def key(self) -> tuple[int, int, tuple[int, ...]]:
        """Equal for products that can be added."""
        return int(self.condition), -1 if self.epoch is None else self.epoch, self.factors

    @property
    def when(self) -> When | None:
        """What makes a synapse evaluate it; None where the events do not say."""
        if self.epoch is not None:
            return None if self.condition else When.EPOCH
        if self.condition & (Condition.Y0 | Condition.T0):
            return When.POST
        return When.PRE if self.condition else None

    def __str__(self) -> str:
        return f"{self.coefficient!r}*{self.symbols}" if self.symbols else f"{self.coefficient!r}"

    @property
    def symbols(self) -> str:
        """The product without its coefficient."""
        names = [
            name
            for bit, name in ((Condition.X0, "x0"), (Condition.Y0, "y0"), (Condition.T0, "t0"))
            if self.condition & bit
        ]
        if self.epoch is not None:
            names.append(f"u{self.epoch}" if self.epoch else "u")
        return "*".join([*names, *map(factor_text, self.factors)])


def factor_text(factor: int) -> str:
    """A factor as it is written in a rule."""
    if factor & Factor.SIGN:
        inner = SYMBOL[Factor(factor & ~Factor.SIGN)]
        return f"sgn{inner}" if inner.startswith("(") else f"sgn({inner})"
    return SYMBOL[Factor(factor)]


@dataclass(frozen=True)
class Sum:
    """Products, no two with the same key, none with coefficient 0; ordered by key."""

    terms: tuple[Term, ...]

    @staticmethod
    def number(value: float, at: int) -> Sum:
        """A constant."""
        return _sum([Term(value, Condition.NONE, None, (), at)])

    @staticmethod
    def event(condition: Condition, at: int) -> Sum:
        """1 where the event happens."""
        return Sum((Term(1.0, condition, None, (), at),))

    @staticmethod
    def epoch(period: int, at: int) -> Sum:
        """1 every ``2^period`` steps."""
        return Sum((Term(1.0, Condition.NONE, period, (), at),))

    @staticmethod
    def factor(factor: Factor, at: int) -> Sum:
        """A value of the synapse or its neurons."""
        return Sum((Term(1.0, Condition.NONE, None, (int(factor),), at),))

    @property
    def constant(self) -> float | None:
        """The number that it is, or None."""
        if not self.terms:
            return 0.0
        only = self.terms[0]
        return only.coefficient if len(self.terms) == 1 and only.key == (0, -1, ()) else None

    def __add__(self, other: Sum) -> Sum:
        return _sum([*self.terms, *other.terms])

    def __mul__(self, other: Sum) -> Sum:
        if len(self.terms) * len(other.terms) > 16 * MOST_PRODUCTS:
            raise TooManyProductsError(_TOO_MANY)
        return _sum([_times(a, b) for a in self.terms for b in other.terms])

    def times(self, number: float) -> Sum:
        """Every product times a number."""
        return _sum([replace(t, coefficient=t.coefficient * number) for t in self.terms])

    def sign(self, at: int) -> Sum:
        """The sign of a single value.

        Raises:
            Unsummable: it is a sum, a product, or has events.
        """
        constant = self.constant
        if constant is not None:
            return Sum.number(math.copysign(1.0, constant) if constant else 0.0, at)
        only = self.terms[0]
        if (
            len(self.terms) > 1
            or len(only.factors) != 1
            or only.condition
            or only.epoch is not None
        ):
            raise Unsummable("sgn takes one value, such as sgn(w), sgn(w_max - w) or sgn(r)")
        factor = only.factors[0] | Factor.SIGN
        sign = math.copysign(1.0, only.coefficient)
        return Sum((Term(sign, Condition.NONE, None, (int(factor),), at),))

    def folded(self, limits: Limits) -> Sum:
        """``c·(w_max - w)`` and ``c·(w - w_min)`` as one product, if that is what it is."""
        if len(self.terms) != 2:
            return self
        by_key = {term.key: term for term in self.terms}
        number, slope = by_key.get((0, -1, ())), by_key.get((0, -1, (int(Factor.W),)))
        if number is None or slope is None:
            return self
        return Sum((merged,)) if (merged := _merge(number, slope, limits)) else self

    def merged(self, limits: Limits) -> Sum:
        """The canonical form: pairs of products ``c·F`` and ``d·F·w`` become one where they can."""
        terms = {term.key: term for term in self.terms}
        for term in self.terms:
            if int(Factor.W) not in term.factors or terms.get(term.key) is not term:
                continue
            rest = list(term.factors)
            rest.remove(int(Factor.W))
            other = terms.get((term.key[0], term.key[1], tuple(rest)))
            if other is None or (new := _merge(other, term, limits)) is None:
                continue
            del terms[term.key], terms[other.key]
            if new.key in terms:
                total = terms[new.key].coefficient + new.coefficient
                new = replace(new, coefficient=total)
            terms[new.key] = new
        return _sum(list(terms.values()))


_TOO_MANY = f"this multiplies out to more than {MOST_PRODUCTS} products"


def _times(a: Term, b: Term) -> Term:
    if a.epoch is not None and b.epoch is not None and a.epoch != b.epoch:
        raise Unsummable(f"u{a.epoch} and u{b.epoch} are never in one product")
    epoch = a.epoch if a.epoch is not None else b.epoch
    factors = tuple(sorted(a.factors + b.factors))
    coefficient = a.coefficient * b.coefficient
    if not math.isfinite(coefficient):
        raise Unsummable("the product of these numbers is too large")
    return Term(coefficient, a.condition | b.condition, epoch, factors, min(a.at, b.at))


def _merge(alone: Term, with_w: Term, limits: Limits) -> Term | None:
    """``c·F + d·F·w`` as one product, where ``c = -d·w_max`` or ``c = -d·w_min``."""
    d = with_w.coefficient
    for limit, sign, factor in (
        (limits.w_max, -1.0, Factor.ABOVE),
        (limits.w_min, 1.0, Factor.BELOW),
    ):
        if limit and math.isclose(alone.coefficient, -d * limit, rel_tol=SAME):
            factors = tuple(sorted((*alone.factors, int(factor))))
            at = min(alone.at, with_w.at)
            return replace(alone, coefficient=sign * d, factors=factors, at=at)
    return None


def _sum(terms: list[Term]) -> Sum:
    return Sum(collected(terms))


def collected(terms: list[Term]) -> tuple[Term, ...]:
    """Equal products added, in canonical order."""
    found: dict[tuple[int, int, tuple[int, ...]], Term] = {}
    for term in terms:
        before = found.get(term.key)
        if before is None:
            found[term.key] = term
            continue
        total = before.coefficient + term.coefficient
        if abs(total) <= SAME * abs(term.coefficient):
            total = 0.0
        found[term.key] = replace(before, coefficient=total, at=min(before.at, term.at))
    kept = [found[key] for key in sorted(found) if found[key].coefficient]
    if len(kept) > MOST_PRODUCTS:
        raise TooManyProductsError(_TOO_MANY)
    return tuple(kept)
