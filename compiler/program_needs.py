"""What a core must be built with for a Program's learning rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .microcode import Factor, TraceKind, When
from .program_check_rules import largest_factor

if TYPE_CHECKING:
    from .microcode import LearningRule, Product, Trace
    from .target import Target

_SECONDS = frozenset({Factor.X2, Factor.Y2})
_WEIGHTS = frozenset({Factor.W, Factor.ABOVE, Factor.BELOW})
_ROW = frozenset({Factor.X1, Factor.X2, Factor.M})
_COLUMN = frozenset({Factor.Y1, Factor.Y2, Factor.R, Factor.M})
"""What all synapses of a row share, and all of a column; only POST groups walk columns."""


def rule_needs(
    rules: Sequence[LearningRule], target: Target, factors: int, fraction: int
) -> dict[str, int]:
    """What rules need of a core, by names that a ``Target`` and a generated core's geometry share.

    Args:
        rules: of a Program, or some of them.
        target: widths of traces and delays.
        factors: that products of the core have; those of a product with fewer are 1.
        fraction: bits behind the binary point that the core aligns all groups to.

    Returns:
        The least values of ``factors``, ``fraction``, ``coefficient_bits`` and ``sum_bits``, and
        1 for each part of the learning engine that is used, else 0.
    """
    used = {(Factor(int(f) & ~Factor.SIGN), when) for f, when in _factors(rules)}
    plain = {factor for factor, _ in used}
    seconds = any(trace.kind for rule in rules for trace in (rule.x2, rule.y2))
    products = list(_products(rules))
    most = max((len(product.factors) for product in products), default=1)
    point = max((group.shift for rule in rules for group in rule.groups), default=0) or 1
    coefficient_bits, sum_bits = aligned_bits(rules, target, max(point, fraction))
    uneven = any(len(product.factors) < max(most, factors) for product in products)
    shared = any(f in (_COLUMN if when == When.POST else _ROW) for f, when in used)
    return {
        "factors": most,
        "epochs": int(any(g.when == When.EPOCH for rule in rules for g in rule.groups)),
        "tags": int(any(rule.needs_tags for rule in rules)),
        "windows": int(any(t.kind == TraceKind.WINDOW for rule in rules for t in traces(rule))),
        "post_delays": int(any(rule.post_delay for rule in rules)),
        "seconds": int(seconds or bool(plain & _SECONDS)),
        "thirds": int(Factor.R in plain),
        "by_weight": int(bool(plain & _WEIGHTS)),
        "shared": int(uneven or shared),
        "signs": int(any(int(factor) & Factor.SIGN for factor, _ in _factors(rules))),
        "sums": int(any(len(group.products) > 1 for rule in rules for group in rule.groups)),
        "fraction": point,
        "coefficient_bits": coefficient_bits,
        "sum_bits": sum_bits,
    }


def aligned_bits(rules: Iterable[LearningRule], target: Target, fraction: int) -> tuple[int, int]:
    """Widths of coefficients and of sums with so many bits behind the point."""
    coefficient = total = 0
    for rule in rules:
        for group in rule.groups:
            worst = 0
            for product in group.products:
                aligned = abs(product.coefficient) << fraction - group.shift
                coefficient = max(coefficient, aligned)
                for factor in product.factors:
                    aligned *= largest_factor(rule, factor, target)
                worst += aligned
            total = max(total, worst + (1 << fraction))
    return coefficient.bit_length() + 1, total.bit_length() + 1


def traces(rule: LearningRule) -> tuple[Trace, Trace, Trace, Trace]:
    """In the order in which tables have them."""
    return rule.x1, rule.x2, rule.y1, rule.y2


def _products(rules: Iterable[LearningRule]) -> Iterator[Product]:
    for rule in rules:
        for group in rule.groups:
            yield from group.products


def _factors(rules: Iterable[LearningRule]) -> Iterator[tuple[int, When]]:
    for rule in rules:
        for group in rule.groups:
            for product in group.products:
                for factor in product.factors:
                    yield factor, group.when
