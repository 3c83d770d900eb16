"""A rule as microcode: real coefficients become integers over a power of two.

Every value of the machine is an integer times the size of its least significant bit, so that a
product ``c·Π f`` of the rule is ``c·Π lsb(f) / lsb(destination)`` times integers. The products of
a group share one shift; it is as large as 16 bits of coefficient and the proof that no sum leaves
32 bits (docs/machine.md §7) allow, less the factors of two that all coefficients have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .ir import Finding, ProjectionEdge
from .learning import TEXTS, TRACES, Rule
from .learning_limits import delay_limits, post_delay_steps
from .microcode import (
    MAX_COEFFICIENT,
    TAG_MAX,
    Changes,
    Factor,
    Group,
    LearningRule,
    Product,
    Rounding,
    When,
)
from .quantise_traces import QuantisedTrace, quantise_trace
from .rule_algebra import Term, collected
from .rule_report import group_findings, group_report
from .rule_scales import Scales

if TYPE_CHECKING:
    from collections.abc import Callable

    from .target import Target

LARGEST_SUM = (1 << 31) - 1
_DESTINATION = {
    Changes.WEIGHT: Factor.W,
    Changes.TAG: Factor.TAG,
    Changes.DELAY: Factor.DELAY,
}
_NAME = {changes: name for name, changes in TEXTS.items()}
ROUNDING = {
    "stochastic": Rounding.STOCHASTIC,
    "nearest": Rounding.NEAREST,
    "floor": Rounding.FLOOR,
}


@dataclass(frozen=True)
class QuantisedRule:
    """Microcode of a projection, and what is worth telling.

    Attributes:
        rule: the microcode.
        report: plain JSON data.
        findings: warnings and notes.
        refused: reasons why it cannot be; the rest is then unusable.
    """

    rule: LearningRule
    report: dict[str, Any]
    findings: tuple[Finding, ...]
    refused: tuple[str, ...]


def quantise_rule(
    edge: ProjectionEdge, limits: tuple[int, int], unit: float, dt: float, target: Target
) -> QuantisedRule:
    """The rule of a plastic projection.

    Args:
        edge: of the real graph, canonical.
        limits: mantissas of the weight's limits.
        unit: network units per mantissa step.
        dt: seconds per step.
        target: widths.
    """
    plastic = edge.plastic
    assert plastic is not None
    rule = plastic.rule
    refused: list[str] = []
    traces = {
        name: quantise_trace(name, rule, dt, target.trace_max, refused.append)
        for name in TRACES
        if name in rule.traces
    }
    if limits[0] >= limits[1] and Changes.WEIGHT in rule.products and plastic.enable.any():
        refused.append(
            f"w_min and w_max are the same mantissa, {limits[0]}: one step is {unit:.3g}"
        )
    delays = delay_limits(rule, dt, edge.base_delay, target.delay_slots - 1)
    if not rule.needs_delays:
        delays = 0, 0
    elif Changes.DELAY not in rule.products:
        delays = 0, target.delay_slots - 1
    scales = _scales(rule, traces, limits, delays, unit, dt, target.trace_max)
    findings = [
        Finding("traces_survive", "warning", edge.name, text)
        for trace in traces.values()
        for text in trace.warnings
    ]
    groups: list[Group] = []
    entries: list[dict[str, Any]] = []
    for when, changes, terms in _grouped(rule, edge.base_delay * dt):
        made = _group(rule, when, changes, terms, scales, target, refused.append)
        if made is None:
            continue
        groups.append(made[0])
        entries.append(group_report(made[0], terms, made[1], scales, rule.rounding))
        if plastic.enable.any():
            found, dead = group_findings(edge.name, made[0], entries[-1], scales, rule.rounding)
            findings += found
            refused += dead
    code = LearningRule(
        projection=edge.index,
        groups=tuple(groups),
        **{name: trace.trace for name, trace in traces.items()},
        rounding=ROUNDING[rule.rounding],
        seed=plastic.seed,
        weight_min=limits[0],
        weight_max=limits[1],
        delay_min=delays[0] if Changes.DELAY in rule.products else 0,
        delay_max=delays[1] if Changes.DELAY in rule.products else 0,
        post_delay=post_delay_steps(rule, dt),
        period_log2=rule.period_log2,
    )
    report = {
        **{name: getattr(rule, name) for name in TEXTS if getattr(rule, name)},
        "units": rule.units,
        "rounding": rule.rounding,
        "enabled": int(plastic.enable.sum()),
        "weights": [limits[0], limits[1]],
        "step": unit,
        "post_delay": code.post_delay,
        "period": 1 << rule.period_log2,
        "traces": {name: trace.report for name, trace in traces.items()},
        "groups": entries,
    }
    return QuantisedRule(code, report, tuple(findings), tuple(refused))


def _scales(
    rule: Rule,
    traces: dict[str, QuantisedTrace],
    limits: tuple[int, int],
    delays: tuple[int, int],
    unit: float,
    dt: float,
    trace_max: int,
) -> Scales:
    low, high = limits
    signed = -TAG_MAX - 1, TAG_MAX
    lsb = {
        Factor.R: 1.0,
        Factor.M: 1.0,
        Factor.W: unit,
        Factor.ABOVE: unit,
        Factor.BELOW: unit,
        Factor.TAG: rule.tag_max / (TAG_MAX + 1),
        Factor.DELAY: dt,
        **{TRACES[name]: trace.lsb for name, trace in traces.items()},
    }
    if rule.units == "raw":
        lsb = dict.fromkeys(lsb, 1.0)
    span = {
        Factor.R: signed,
        Factor.M: signed,
        Factor.W: limits,
        Factor.ABOVE: (0, high - low),
        Factor.BELOW: (0, high - low),
        Factor.TAG: signed,
        Factor.DELAY: delays,
        **{TRACES[name]: (0, trace_max) for name in traces},
    }
    typical = {factor: max(map(abs, ends)) / 2 for factor, ends in span.items()}
    typical[Factor.R] = typical[Factor.M] = 1.0
    typical |= {TRACES[name]: float(trace.typical) for name, trace in traces.items()}
    return Scales(lsb, span, typical)


def _grouped(rule: Rule, base_seconds: float) -> list[tuple[When, Changes, tuple[Term, ...]]]:
    """Products by when and what they change, in the machine's order; delays are wheel delays."""
    found: dict[tuple[When, Changes], list[Term]] = {}
    for changes, terms in rule.products.items():
        if base_seconds and rule.units == "network":
            terms = collected([t for term in terms for t in _on_the_wheel(term, base_seconds)])
        for term in terms:
            when = term.when
            assert when is not None  # Rule has checked it
            found.setdefault((when, changes), []).append(term)
    return [(*key, tuple(found[key])) for key in sorted(found)]


def _on_the_wheel(term: Term, base: float) -> list[Term]:
    """A product with ``delay`` replaced by ``wheel delay + base``; its sign is then always 1."""
    factors = [f for f in term.factors if f != Factor.DELAY | Factor.SIGN]
    rest = [f for f in factors if f != Factor.DELAY]
    n = len(factors) - len(rest)
    return [
        replace(
            term,
            coefficient=term.coefficient * math.comb(n, k) * base ** (n - k),
            factors=tuple(sorted([*rest, *[int(Factor.DELAY)] * k])),
        )
        for k in range(n + 1)
    ]


def _group(
    rule: Rule,
    when: When,
    changes: Changes,
    terms: tuple[Term, ...],
    scales: Scales,
    target: Target,
    refuse: Callable[[str], None],
) -> tuple[Group, tuple[float, ...]] | None:
    """The group, and the coefficients that it should have in LSBs; None where that fails."""
    destination = scales.lsb[_DESTINATION[changes]]
    wanted = tuple(t.coefficient * scales.units(t.factors) / destination for t in terms)
    largest = [scales.largest(t.factors) for t in terms]
    shift = _shift(wanted, largest, target)
    name = _NAME[changes]
    if shift is None:
        worst = max(range(len(terms)), key=lambda i: abs(wanted[i]) * largest[i])
        why = _beyond((wanted[worst],), [largest[worst]], target)
        why = why or f"up to {abs(wanted[worst]) * largest[worst]:.3g} steps at once"
        refuse(f"{name}: {terms[worst]} is too large: {why}")
        return None
    numbers = [round(math.ldexp(c, shift)) for c in wanted]
    for term, c, n in zip(terms, wanted, numbers, strict=True):
        if rule.units == "raw" and math.ldexp(c, shift) != n:
            refuse(f"{name}: the coefficient of {term} is no multiple of 2^-{shift}")
            return None
        if not n:
            beside = " beside the group's other products" if len(terms) > 1 else ""
            refuse(
                f"{name}: {term} is too small{beside}: {abs(c):.3g} steps per least step of its "
                f"factors, {2.0**-shift:.3g} is possible"
            )
            return None
    while shift and not any(n & 1 for n in numbers):
        numbers, shift = [n >> 1 for n in numbers], shift - 1
    products = tuple(
        Product(n, t.condition, t.factors) for n, t in zip(numbers, terms, strict=True)
    )
    return Group(when, changes, shift, products), wanted


def _shift(wanted: tuple[float, ...], largest: list[int], target: Target) -> int | None:
    """The largest shift at which coefficients fit 16 bits and the sum 32; None if none does.

    Aligned to the target's ``fraction``, both also fit the widths that it has for them.
    """
    if _beyond(wanted, largest, target):
        return None
    for shift in range(target.fraction, -1, -1):
        scaled = [abs(c) * 2.0**shift for c in wanted]
        if max(scaled) >= MAX_COEFFICIENT + 0.5:
            continue
        numbers = [round(c) for c in scaled]
        total = sum(n * most for n, most in zip(numbers, largest, strict=True)) + (1 << shift)
        up = target.fraction - shift
        if (
            total <= LARGEST_SUM
            and (max(numbers) << up).bit_length() < target.coefficient_bits
            and (total << up).bit_length() < target.sum_bits
        ):
            return shift
    return None


def _beyond(wanted: tuple[float, ...], largest: list[int], target: Target) -> str:
    """Why a sum is too large for the target, whatever its shift; empty where it is not."""
    steps = sum(abs(c) * most for c, most in zip(wanted, largest, strict=True))
    most = 2.0 ** (target.sum_bits - 1 - target.fraction) - 1
    if steps > most and most < LARGEST_SUM:
        return f"up to {steps:.3g} steps at once; target {target.name!r} holds {most:g}"
    most = 2.0 ** (target.coefficient_bits - 1 - target.fraction)
    if max(map(abs, wanted)) >= most and most < MAX_COEFFICIENT:
        return (
            f"{max(map(abs, wanted)):.3g} steps per least step of its factors; target "
            f"{target.name!r} holds less than {most:g}"
        )
    return ""
