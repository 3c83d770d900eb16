"""The independent check of a Program's learning rules and of what they touch (machine.md §7)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .microcode import (
    MAX_COEFFICIENT,
    MAX_FACTORS,
    MAX_GROUP_SHIFT,
    MAX_PERIOD_LOG2,
    MAX_POST_DELAY,
    TAG_MAX,
    WINDOW,
    Condition,
    Factor,
    Group,
    LearningRule,
    Trace,
    TraceKind,
    When,
)
from .program import DENSE, SPARSE, CoreImage, Program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .target import Target

Require = Callable[[Any, str, str, object], None]
"""Raises when its first argument is false: condition, where, problem, found."""


def check_rules(program: Program, require: Require) -> None:
    """Every rule by itself; each projection has at most one."""
    before = -1
    for number, rule in enumerate(program.rules):
        where = f"rule {number}"
        require(
            before < rule.projection < len(program.projections),
            where, "rules are not in the order of their projections", rule.projection,
        )  # fmt: skip
        before = rule.projection
        _check_rule(rule, program.target, where, require)
    own = np.zeros(len(program.projections), np.int64)
    for number, rule in enumerate(program.rules):
        own[rule.projection] = number + 1
    for index, core in enumerate(program.cores):
        where, named = f"core {index}, rows", core.rows["projection"]
        require(
            bool(((named >= 0) & (named < len(own))).all()),
            where,
            "projection is out of range",
            None,
        )
        require(
            bool((core.rows["rule"] == own[named]).all()),
            where, "a row names another rule than its projection has", None,
        )  # fmt: skip
        _check_synapses(core, program.rules, f"core {index}", require)


def _in(value: int, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _check_rule(rule: LearningRule, target: Target, where: str, require: Require) -> None:
    top = target.weight_max
    for name, low, high in (
        ("seed", 0, (1 << 32) - 1),
        ("weight_min", -top - 1, top),
        ("weight_max", rule.weight_min, top),
        ("delay_min", 0, target.delay_slots - 1),
        ("delay_max", rule.delay_min, target.delay_slots - 1),
        ("post_delay", 0, MAX_POST_DELAY),
        ("period_log2", 0, MAX_PERIOD_LOG2),
    ):
        value = getattr(rule, name)
        require(_in(value, low, high), where, f"{name} is out of range", value)
    if not rule.changes_delays:
        require(rule.delay_max == 0, where, "limits of delays that never change", rule.delay_max)
    for name in ("x1", "x2", "y1", "y2"):
        _check_trace(getattr(rule, name), target, f"{where}, {name}", require)
    require(len(rule.groups) > 0, where, "it has no group", None)
    order = [(group.when, group.changes) for group in rule.groups]
    require(
        all(a < b for a, b in itertools.pairwise(order)),
        where, "groups are out of order, or one occurs twice", order,
    )  # fmt: skip
    total = sum(len(group.products) for group in rule.groups)
    require(total <= target.products, where, "more products than the target has", total)
    for number, group in enumerate(rule.groups):
        _check_group(rule, group, target, f"{where}, group {number}", require)


def _check_trace(trace: Trace, target: Target, where: str, require: Require) -> None:
    top = target.trace_max
    if trace.kind == TraceKind.NONE:
        require(trace == Trace(), where, "a trace without a kind has parameters", trace)
    elif trace.kind == TraceKind.EXPONENTIAL:
        require(_in(trace.impulse, 1, top), where, "impulse is out of range", trace.impulse)
        require(_in(trace.decay, 0, 4096), where, "decay is out of range", trace.decay)
        require(trace.table == (), where, "an exponential trace has a table", trace.table)
    else:
        inside = all(_in(value, 0, top) for value in trace.table)
        require(1 <= len(trace.table) <= WINDOW, where, "length of the table", len(trace.table))
        require(inside, where, "a value of the table is out of range", trace.table)
        require(
            trace.impulse == 0 and trace.decay == 0,
            where, "a window has an impulse or a decay", (trace.impulse, trace.decay),
        )  # fmt: skip


def _check_group(
    rule: LearningRule, group: Group, target: Target, where: str, require: Require
) -> None:
    require(_in(group.shift, 0, MAX_GROUP_SHIFT), where, "shift is out of range", group.shift)
    require(len(group.products) > 0, where, "it has no product", None)
    worst = 0
    for product in group.products:
        c, needs = product.coefficient, product.condition
        require(
            _in(c, -MAX_COEFFICIENT, MAX_COEFFICIENT) and c != 0,
            where, "coefficient is out of range", c,
        )  # fmt: skip
        after = needs & (Condition.Y0 | Condition.T0)
        fits = {
            When.PRE: needs == Condition.X0,
            When.POST: bool(after),
            When.EPOCH: needs == Condition.NONE,
        }[group.when]
        require(fits, where, "a product's conditions are not those of its group", int(needs))
        require(
            len(product.factors) <= MAX_FACTORS, where, "too many factors", len(product.factors)
        )
        largest = 1
        for factor in product.factors:
            known = type(factor) is int or isinstance(factor, Factor)
            base = int(factor) & ~int(Factor.SIGN) if known else -1
            require(known and 0 <= base <= Factor.DELAY, where, "unknown factor", factor)
            largest *= largest_factor(rule, factor, target)
        worst += abs(c) * largest
    require(
        worst + (1 << group.shift) <= (1 << 31) - 1,
        where, "its sum could leave 32 bits", worst,
    )  # fmt: skip


def largest_factor(rule: LearningRule, code: int, target: Target) -> int:
    """The largest magnitude that a factor (perhaps with SIGN added) can have."""
    if int(code) & Factor.SIGN:
        return 1
    factor = Factor(code)
    if factor <= Factor.Y2:
        return target.trace_max
    if factor in (Factor.R, Factor.M, Factor.TAG):
        return TAG_MAX + 1
    if factor == Factor.W:
        return max(abs(rule.weight_min), abs(rule.weight_max))
    if factor in (Factor.ABOVE, Factor.BELOW):
        return rule.weight_max - rule.weight_min
    return rule.delay_max if rule.changes_delays else target.delay_slots - 1


def _check_synapses(
    core: CoreImage, rules: tuple[LearningRule, ...], where: str, require: Require
) -> None:
    """Enable bits lie on plastic rows; what they enable is within its limits."""
    plastic = bool(core.rows["rule"].any())
    for kind, weights, enable, name in (
        (SPARSE, core.sparse_weight, core.sparse_enable, "sparse_enable"),
        (DENSE, core.dense_weight, core.dense_enable, "dense_enable"),
    ):
        here = f"{where}, {name}"
        require(enable.dtype == np.uint8 and enable.ndim == 1, here, "another type", enable.dtype)
        wanted = len(weights) if plastic else 0
        require(len(enable) == wanted, here, "another length", len(enable))
        require(bool((enable <= 1).all()), here, "a bit is neither 0 nor 1", None)
        rows = core.rows[core.rows["kind"] == kind]
        for number, rule in enumerate(rules, 1):
            if rule.needs_delays and kind == DENSE:
                own = rows["rule"] == number
                require(not own.any(), where, "a rule with delays has a dense row", number - 1)
        if plastic:
            _check_limits(core, rows, kind, enable, rules, here, require)


def _check_limits(
    core: CoreImage,
    rows: NDArray[np.void],
    kind: int,
    enable: NDArray[np.uint8],
    rules: tuple[LearningRule, ...],
    where: str,
    require: Require,
) -> None:
    rows = rows[np.argsort(rows["offset"], kind="stable")]
    rule_of = np.repeat(rows["rule"], rows["count"]).astype(np.int64)
    require(not enable[rule_of == 0].any(), where, "a bit is set outside plastic rows", None)
    here = np.flatnonzero(enable)
    weights = (core.sparse_weight if kind == SPARSE else core.dense_weight)[here].astype(np.int64)
    own = rule_of[here] - 1
    low = np.array([rule.weight_min for rule in rules])[own]
    high = np.array([rule.weight_max for rule in rules])[own]
    require(
        bool(((weights >= low) & (weights <= high)).all()),
        where, "a weight that learns is beyond its limits", None,
    )  # fmt: skip
    if kind == SPARSE:
        learns = np.array([rule.changes_delays for rule in rules])[own]
        low = np.array([rule.delay_min for rule in rules])[own]
        high = np.array([rule.delay_max for rule in rules])[own]
        delay = core.sparse_delay[here]
        require(
            bool((~learns | ((delay >= low) & (delay <= high))).all()),
            where, "a delay that learns is beyond its limits", None,
        )  # fmt: skip


def worst_weights(
    core: CoreImage, kind: int, rules: tuple[LearningRule, ...]
) -> NDArray[np.float64]:
    """(k,) largest magnitude that each synapse of a kind can ever have.

    Args:
        core: checked by :func:`check_rules`.
        kind: SPARSE or DENSE; synapses in the order of their memory.
        rules: of the Program.
    """
    weights = core.sparse_weight if kind == SPARSE else core.dense_weight
    worst = np.abs(weights.astype(np.float64))
    rule = core.synapse_rules(kind)
    reach = [0, *(max(abs(rule.weight_min), abs(rule.weight_max)) for rule in rules)]
    return np.where(rule > 0, np.array(reach, np.float64)[rule], worst) if rules else worst
