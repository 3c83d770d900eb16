"""Learning rules in Lava's language, and why another one is not.

What Lava's LearningDense makes of a weight after a step, from the traces that then have the step's
spikes, the machine makes of it in the next one: by products of every step (``u``) in which a trace
that is 1 for one step, ``sl.Window([1])``, says who has just fired (docs/lava.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...compiler.microcode import Changes, Factor, Rounding, TraceKind, When

if TYPE_CHECKING:
    from ...compiler.microcode import LearningRule, Product, Trace

TRACES = {"x1": Factor.X1, "x2": Factor.X2, "y1": Factor.Y1, "y2": Factor.Y2}
LARGEST = 255
"""Of what a weight and the change of a step may come to in Lava's accumulator."""
MANTISSA, EXPONENT = (-8, 7), (-7, 8)
"""Of a product's coefficient in Lava."""
SHORTEST, FOREVER = 1e-3, 1e15
"""Time constants, in steps, of which nothing or everything is left after one."""


@dataclass(frozen=True)
class LavaRule:
    """What a Loihi2FLearningRule is made of.

    Attributes:
        number: of the Program's rule.
        dw: its text in Lava's language.
        tau, impulse: of x1, x2, y1 and y2; in steps, and 0 for traces that Lava does not need.
    """

    number: int
    dw: str
    tau: dict[str, float]
    impulse: dict[str, int]


def lava_rule(number: int, rule: LearningRule, fixed: bool) -> tuple[LavaRule | None, list[str]]:
    """The rule in Lava's language, or all reasons why it is not.

    Args:
        number: of the rule.
        rule: the Program's.
        fixed: whether for Lava's fixed_pt models, which have to compute the same bits.
    """
    reasons = _about_groups(rule, fixed)
    given = {name: getattr(rule, name) for name in TRACES}
    flags = {TRACES[name] for name, trace in given.items() if _is_flag(trace)}
    for name, trace in given.items():
        if TRACES[name] not in flags and (trace.kind == TraceKind.WINDOW or trace.replace):
            reasons.append(
                f"{name}: Lava's traces add up and decay exponentially; "
                "sl.Trace(tau), or sl.Window([1]) for who has just fired"
            )
    texts, reach = [], 0.0
    for group in rule.groups:
        for product in group.products:
            text, largest = _product(product, group.shift, flags, rule, fixed, reasons)
            texts.append(text)
            reach += largest
    reach += max(abs(rule.weight_min), abs(rule.weight_max))
    if fixed and not reasons and reach > LARGEST:
        reasons.append(
            f"limits and the largest change of a step come to {reach:g}, Lava's accumulator holds "
            f"{LARGEST}; smaller coefficients, or w_max"
        )
    if reasons:
        return None, list(dict.fromkeys(reasons))
    tau, impulse = {}, {}
    for name, trace in given.items():
        left = 1.0 - trace.decay / 4096
        decays = trace.kind == TraceKind.EXPONENTIAL and left < 1.0
        tau[name] = (-1.0 / math.log(left) if left else SHORTEST) if decays else FOREVER
        impulse[name] = trace.impulse if trace.kind == TraceKind.EXPONENTIAL else 0
    return LavaRule(number, " + ".join(texts), tau, impulse), []


def _is_flag(trace: Trace) -> bool:
    return trace.kind == TraceKind.WINDOW and trace.table == (1,)


def _about_groups(rule: LearningRule, fixed: bool) -> list[str]:
    reasons = []
    if any(group.when != When.EPOCH for group in rule.groups):
        reasons.append(
            "its products count at spikes; Lava's count after a step, with traces that have the "
            "step's spikes: u*x1*y2 and y2=sl.Window([1]) do, as in sl.LoihiSTDP(order='lava')"
        )
    if any(group.changes != Changes.WEIGHT for group in rule.groups):
        reasons.append("only weights learn here, neither tags nor delays; dw alone")
    if rule.period_log2:
        reasons.append(f"Lava's steps have no common u{rule.period_log2}; u, every step")
    if fixed and rule.rounding != Rounding.STOCHASTIC and any(g.shift for g in rule.groups):
        reasons.append("Lava rounds stochastically; rounding='stochastic'")
    return reasons


def _product(
    product: Product,
    shift: int,
    flags: set[Factor],
    rule: LearningRule,
    fixed: bool,
    reasons: list[str],
) -> tuple[str, float]:
    """A product's text, and how far it can move a weight in a step."""
    mantissa, exponent = product.coefficient, -shift
    while mantissa % 2 == 0:
        mantissa, exponent = mantissa // 2, exponent + 1
    while exponent > EXPONENT[1]:
        mantissa, exponent = 2 * mantissa, exponent - 1
    if not (MANTISSA[0] <= mantissa <= MANTISSA[1] and EXPONENT[0] <= exponent <= EXPONENT[1]):
        reasons.append(
            f"a coefficient of {product.coefficient}/2^{shift} in steps of the weight: Lava's are "
            "an integer from -8 to 7 times a power of two from 2^-7 to 2^8"
        )
    fired, other = [], []
    largest = abs(product.coefficient) / 2.0**shift
    for factor in product.factors:
        value = Factor(factor & ~Factor.SIGN)
        name = value.name.lower()
        if value in flags:
            fired.append(f"{name[0]}0")
        elif value in TRACES.values() and not factor & Factor.SIGN:
            other.append(name)
            largest *= _reach(getattr(rule, name))
        elif value == Factor.W:
            other.append("sgn(w)" if factor & Factor.SIGN else "w")
            largest *= 1 if factor & Factor.SIGN else max(-rule.weight_min, rule.weight_max)
        else:
            reasons.append(
                f"{_ours(factor)}: products here take who has just fired, traces, w and sgn(w)"
            )
    if fixed and len(other) > 1:
        reasons.append(
            f"{'*'.join(other)}: of a product of two values Lava's fixed_pt drops bits before it "
            "adds; one of them, or mode=floating_pt"
        )
    events = sorted(set(fired)) or ["u0"]
    return " * ".join([f"({mantissa}) * 2 ^ {exponent}", *events, *other]), largest


def _reach(trace: Trace) -> float:
    """Largest value of a trace: of one that loses a share, what spikes in every step make it."""
    if trace.decay == 4096:
        return trace.impulse
    return min(127, (trace.impulse + 1) * 4096 / trace.decay) if trace.decay else 127


def _ours(factor: int) -> str:
    names = {Factor.ABOVE: "w_max - w", Factor.BELOW: "w - w_min"}
    value = Factor(factor & ~Factor.SIGN)
    name = names.get(value, value.name.lower())
    return f"sgn({name})" if factor & Factor.SIGN else name
