"""What a quantised rule does per event, as plain data and as findings."""

from __future__ import annotations

from typing import Any

from .ir import Finding
from .microcode import Changes, Group
from .rule_algebra import Term
from .rule_scales import Scales

INEXACT = 0.05
"""Relative error of a coefficient that is worth a warning."""
RARE = 2.0**-12
"""Probability of a change at a typical event below which a note says so."""
CHANGED = {Changes.WEIGHT: "weight", Changes.TAG: "tag", Changes.DELAY: "delay"}


def group_report(
    group: Group, terms: tuple[Term, ...], wanted: tuple[float, ...], scales: Scales, rounding: str
) -> dict[str, Any]:
    """Integers, errors and typical changes of one group; JSON data.

    Args:
        group: the microcode.
        terms: the products that it is made from.
        wanted: coefficients in steps of what changes, exact.
        scales: of the rule.
        rounding: of the rule.
    """
    one = 2.0**-group.shift
    products = []
    for product, term, exact in zip(group.products, terms, wanted, strict=True):
        steps = product.coefficient * one * scales.usual(product.factors)
        products.append(
            {
                "product": term.symbols,
                "coefficient": term.coefficient,
                "integer": product.coefficient,
                "relative_error": abs(product.coefficient * one / exact - 1.0),
                "typical_steps": steps,
                "chance": _chance(steps, rounding),
            }
        )
    return {
        "when": group.when.name.lower(),
        "changes": CHANGED[group.changes],
        "shift": group.shift,
        "products": products,
    }


def _chance(steps: float, rounding: str) -> float:
    """Probability that a change of so many steps, alone, changes anything."""
    if rounding == "stochastic":
        return min(abs(steps), 1.0)
    if rounding == "nearest":
        return float(steps >= 0.5 or steps < -0.5)
    return float(steps >= 1.0 or steps < 0.0)


def group_findings(
    name: str, group: Group, entry: dict[str, Any], scales: Scales, rounding: str
) -> tuple[list[Finding], list[str]]:
    """What is doubtful about a group, and what makes it impossible.

    Args:
        name: of the projection.
        group: the microcode.
        entry: its report.
        scales: of the rule.
        rounding: of the rule.
    """
    what = f"the {entry['when']} group of {entry['changes']}"
    ranges = [scales.range(p.factors) for p in group.products]
    ends = [
        (p.coefficient * r[0], p.coefficient * r[1])
        for p, r in zip(group.products, ranges, strict=True)
    ]
    high, low = sum(max(0, *e) for e in ends), sum(min(0, *e) for e in ends)
    half = (1 << group.shift) >> 1 if rounding == "nearest" else 0
    findings: list[Finding] = []
    if (
        rounding != "stochastic"
        and not (high + half) >> group.shift
        and not (low + half) >> group.shift
    ):
        most = max(high, -low) / 2.0**group.shift
        return findings, [
            f"{what} can never change anything: at most {most:.3g} steps per event, rounded "
            f"to {'0' if rounding == 'floor' else 'the nearest'}"
        ]
    for product in entry["products"]:
        text, steps = product["product"], product["typical_steps"]
        if product["relative_error"] > INEXACT:
            findings.append(
                Finding(
                    "coefficients_are_exact", "warning", name,
                    f"{what}: the coefficient of {text} is off by {product['relative_error']:.1%}",
                )
            )  # fmt: skip
        if group.changes == Changes.WEIGHT and abs(steps) >= scales.span_of_weights:
            findings.append(
                Finding(
                    "learning_is_gradual", "warning", name,
                    f"{what}: {text} moves a weight from one limit to the other in one event",
                )
            )  # fmt: skip
        if product["chance"] < RARE:
            findings.append(
                Finding(
                    "learning_is_noticeable", "note", name,
                    f"{what}: {text} changes it by {abs(steps):.3g} steps in a typical event",
                )
            )  # fmt: skip
    return findings, []
