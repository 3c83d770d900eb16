"""Random rules for the projections of a Program, and random input for learning.

The rules use everything that docs/machine.md §7 allows, in combinations that nobody would want, and
are scaled so that weights, tags and delays do move, some of them to their limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.compiler.microcode import (
    MAX_COEFFICIENT,
    MAX_GROUP_SHIFT,
    WINDOW,
    Changes,
    Condition,
    Factor,
    Group,
    LearningRule,
    Product,
    Rounding,
    Trace,
    TraceKind,
    When,
)
from spikeloom.compiler.program import DENSE, SPARSE, CoreImage, Program

_POST_CONDITIONS = [
    Condition.Y0,
    Condition.Y0,
    Condition.T0,
    Condition.Y0 | Condition.T0,
    Condition.Y0 | Condition.X0,
    Condition.T0 | Condition.X0,
    Condition.Y0 | Condition.T0 | Condition.X0,
]
_TRACES = {"x1": Factor.X1, "x2": Factor.X2, "y1": Factor.Y1, "y2": Factor.Y2}


def with_random_rules(program: Program, rng: np.random.Generator) -> Program:
    """The Program with some of its projections made plastic, at least one if it has rows at all."""
    used = np.unique(np.concatenate([c.rows["projection"] for c in program.cores])).tolist()
    chosen = set(used[int(rng.integers(len(used))) :][:1]) if used else set()
    chosen |= {p for p in range(len(program.projections)) if rng.random() < 0.6}
    rules = tuple(random_rule(rng, program, projection) for projection in sorted(chosen))
    while True:
        plastic = [_plastic_core(np.random.default_rng(7), core, rules) for core in program.cores]
        cores, loads = zip(*plastic, strict=True)
        bits = max(program.target.accumulator_bits, max(loads).bit_length() + 1)
        if bits <= 31:
            break
        rules = tuple(
            replace(r, weight_min=int(r.weight_min / 2), weight_max=int(r.weight_max / 2))
            for r in rules
        )
    products = max((sum(len(g.products) for g in r.groups) for r in rules), default=0)
    target = program.target.with_(
        accumulator_bits=bits,
        products=products,
        synapse_bits=8 * program.target.synapse_bits,  # enable bits and tags need room, too
    )
    return replace(program, target=target, cores=tuple(cores), rules=rules)


def random_rule(rng: np.random.Generator, program: Program, projection: int) -> LearningRule:
    """A rule for a projection; it changes delays only if all its row groups are sparse."""
    target = program.target
    rows = np.concatenate([c.rows[c.rows["projection"] == projection] for c in program.cores])
    sparse = bool((rows["kind"] == SPARSE).all())
    low, high = _limits(rng, target.weight_max)
    delays = np.sort(rng.integers(0, program.wheel_depth, 2)).tolist()
    traces = {name: _trace(rng, target.trace_max) for name in _TRACES}
    largest: dict[int, int] = {Factor.R: 128, Factor.M: 128, Factor.TAG: 128}
    largest |= {Factor.W: max(-low, high), Factor.ABOVE: high - low, Factor.BELOW: high - low}
    if sparse:
        largest[Factor.DELAY] = target.delay_slots - 1
    for name, factor in _TRACES.items():
        if traces[name].kind != TraceKind.NONE:
            largest[factor] = target.trace_max
    pairs = [(w, c) for w in When for c in Changes if c != Changes.DELAY or sparse]
    share = rng.choice([0.2, 0.5, 1.0])
    pairs = [p for p in pairs if rng.random() < share] or [(When.PRE, Changes.WEIGHT)]
    budget = max(1, 64 // len(pairs) - 1)
    groups = tuple(_group(rng, *pair, largest, budget) for pair in pairs)
    changes_delays = any(g.changes == Changes.DELAY for g in groups)
    return LearningRule(
        projection=projection,
        groups=groups,
        **traces,
        rounding=Rounding(int(rng.integers(3))),
        seed=int(rng.integers(1 << 32)),
        weight_min=low,
        weight_max=high,
        delay_min=delays[0] if changes_delays else 0,
        delay_max=delays[1] if changes_delays else 0,
        post_delay=int(rng.choice([0, 0, 0, 1, 2, 5, 31, 63])),
        period_log2=int(rng.choice([0, 1, 2, 4])),
    )


def random_learning_events(
    program: Program, steps: int, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Teacher events, third factors and the modulator, as fields of Events."""
    rate = rng.choice([0.0, 0.02, 0.3], size=program.neurons)
    teacher_step, teacher = np.nonzero(rng.random((steps, program.neurons)) < rate)
    rate = rng.choice([0.0, 0.05, 1.0], size=program.neurons, p=[0.3, 0.5, 0.2])
    factor_step, factor = np.nonzero(rng.random((steps, program.neurons)) < rate)
    modulator_step = np.flatnonzero(rng.random(steps) < rng.choice([0.05, 0.5]))
    return {
        "teacher_step": teacher_step.astype(np.int64),
        "teacher_neuron": teacher.astype(np.int32),
        "factor_step": factor_step.astype(np.int64),
        "factor_neuron": factor.astype(np.int32),
        "factor_value": _registers(rng, len(factor)),
        "modulator_step": modulator_step.astype(np.int64),
        "modulator_value": _registers(rng, len(modulator_step)),
    }


def _registers(rng: np.random.Generator, size: int) -> NDArray[np.int32]:
    """Third factors and modulators: small ones, any, and the ends of the range."""
    values = rng.integers(-128, 128, size)
    small = rng.integers(-1, 2, size)
    ends = rng.choice([-128, 127], size)
    return np.choose(rng.integers(0, 3, size), [values, small, ends]).astype(np.int32)


def _limits(rng: np.random.Generator, top: int) -> tuple[int, int]:
    style = rng.choice(["all", "positive", "narrow", "any"])
    if style == "all":
        return -top - 1, top
    if style == "positive":
        return 0, top
    low, high = np.sort(rng.integers(-top - 1, top + 1, 2)).tolist()
    return (low, min(high, low + 2)) if style == "narrow" else (low, high)


def _trace(rng: np.random.Generator, trace_max: int) -> Trace:
    kind = TraceKind(int(rng.choice(3, p=[0.2, 0.4, 0.4])))
    replaces = bool(rng.random() < 0.5)
    if kind == TraceKind.EXPONENTIAL:
        decay = int(rng.choice([0, 100, 700, 2000, 4096, int(rng.integers(4097))]))
        return Trace(kind, replaces, impulse=int(rng.integers(1, trace_max + 1)), decay=decay)
    if kind == TraceKind.WINDOW:
        length = int(rng.choice([1, 2, 5, 12, WINDOW]))
        largest = int(rng.choice([1, trace_max]))
        return Trace(kind, replaces, table=tuple(rng.integers(0, largest + 1, length).tolist()))
    return Trace()


def _group(
    rng: np.random.Generator, when: When, changes: Changes, largest: dict[int, int], budget: int
) -> Group:
    """A group whose sum cannot overflow, scaled so that its change is around a wanted size."""
    wanted = float(rng.choice([0.1, 0.7, 3.0, 40.0]))
    while True:
        drawn = []
        for _ in range(min(budget, int(rng.integers(1, 5)))):
            which = rng.choice(list(largest), int(rng.integers(0, 4)))
            factors = [int(f) + (Factor.SIGN if rng.random() < 0.2 else 0) for f in which]
            reach = [1 if f & Factor.SIGN else largest[f] for f in factors]
            drawn.append((tuple(factors), int(np.prod([1, *reach]))))
        # A typical value of each factor is a third of its largest.
        typical = [max(1.0, reach / 3 ** len(factors)) for factors, reach in drawn]
        least = np.clip(np.ceil(np.log2(max(typical) / wanted)), 0, MAX_GROUP_SHIFT)
        shift = int(rng.integers(least, MAX_GROUP_SHIFT + 1))
        products, total = [], 1 << shift
        for (factors, reach), usual in zip(drawn, typical, strict=True):
            size = rng.uniform(0.3, 1.0) * wanted * 2.0**shift / usual
            coefficient = int(np.clip(size, 1, MAX_COEFFICIENT)) * int(rng.choice([-1, 1]))
            condition = {
                When.PRE: Condition.X0,
                When.POST: _POST_CONDITIONS[int(rng.integers(len(_POST_CONDITIONS)))],
                When.EPOCH: Condition.NONE,
            }[when]
            products.append(Product(coefficient, condition, factors))
            total += abs(coefficient) * reach
        if total <= (1 << 31) - 1:
            return Group(when, changes, shift, tuple(products))


def _plastic_core(
    rng: np.random.Generator, core: CoreImage, rules: tuple[LearningRule, ...]
) -> tuple[CoreImage, int]:
    """The core with rules, and the largest sum that one of its accumulators can reach."""
    rows = core.rows.copy()
    weights = {True: core.sparse_weight.copy(), False: core.dense_weight.copy()}
    enable = {True: np.zeros(len(core.sparse_weight), np.uint8)}
    enable[False] = np.zeros(len(core.dense_weight), np.uint8)
    delay = core.sparse_delay.copy()
    number = {rule.projection: k for k, rule in enumerate(rules)}
    load = np.zeros((2, core.neurons), np.int64)
    for row in rows:
        sparse = bool(row["kind"] == SPARSE)
        own = slice(int(row["offset"]), int(row["offset"]) + int(row["count"]))
        at = core.sparse_target[own] if sparse else int(row["base"]) + np.arange(row["count"])
        worst = np.abs(weights[sparse][own].astype(np.int64))
        k = number.get(int(row["projection"]))
        if k is not None:
            row["rule"], rule = k + 1, rules[k]
            on = rng.random(int(row["count"])) < rng.choice([0.1, 0.6, 1.0, 1.0])
            low, high = rule.weight_min, rule.weight_max
            old = weights[sparse][own]
            anywhere = rng.integers(low, high + 1, len(on))
            new = anywhere if rng.random() < 0.5 else np.clip(old, low, high)
            weights[sparse][own] = np.where(on, new, old)
            enable[sparse][own] = on
            worst = np.where(on, max(abs(low), abs(high)), worst)
            if sparse and rule.changes_delays:
                inside = np.clip(delay[own], rule.delay_min, rule.delay_max)
                delay[own] = np.where(on, inside, delay[own])
        np.add.at(load[row["receptor"]], at, worst << int(row["exponent"]))
    plastic = {}
    if rows["rule"].any():
        plastic = {"sparse_enable": enable[True], "dense_enable": enable[False]}
    image = replace(
        core,
        rows=rows,
        sparse_weight=weights[True],
        dense_weight=weights[False],
        sparse_delay=delay,
        **plastic,
    )
    return image, int(load.max(initial=0))


def with_rule(program: Program, rule: LearningRule) -> Program:
    """The Program with one rule; all synapses of its projection are enabled."""
    cores = []
    for core in program.cores:
        rows = core.rows.copy()
        own = rows["projection"] == rule.projection
        rows["rule"][own] = 1
        enable = [np.zeros(len(w), np.uint8) for w in (core.sparse_weight, core.dense_weight)]
        for row in rows[own]:
            enable[row["kind"]][row["offset"] : row["offset"] + row["count"]] = 1
        enabled = {"sparse_enable": enable[SPARSE], "dense_enable": enable[DENSE]}
        cores.append(replace(core, rows=rows, **(enabled if own.any() else {})))
    return replace(program, cores=tuple(cores), rules=(rule,))


def synapses_of_rules(
    program: Program, core: CoreImage
) -> Iterator[tuple[int, LearningRule, NDArray[np.int64], NDArray[np.int64]]]:
    """For each plastic row group its kind, its rule and the places of its synapses.

    The places are those of enabled synapses and those of the others.
    """
    for row in core.rows[core.rows["rule"] > 0]:
        enable = core.sparse_enable if row["kind"] == SPARSE else core.dense_enable
        places = np.arange(row["offset"], row["offset"] + row["count"])
        on = enable[places] != 0
        yield int(row["kind"]), program.rules[row["rule"] - 1], places[on], places[~on]
