"""Numbers next to a random number, so that the lowest bit of either decides what happens.

Of numbers drawn at random hardly one is so near to a limit that a wrong bit far down shows. Here
rules, and probabilities, are made for a random number that the machine will compute (the reference
says which), one more or one less than what just changes a synapse.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spikeloom.backends.reference.learn import rounding_random
from spikeloom.compiler.microcode import (
    MAX_COEFFICIENT,
    MAX_GROUP_SHIFT,
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
from spikeloom.compiler.program import SPARSE, Program
from spikeloom.counter_hash import POISSON_SOURCE, random
from spikeloom.runtime.backend import Events


def probability_at_the_edge(rng: np.random.Generator, seed: int, key: int) -> int:
    """With it a Poisson neuron just fires, or just does not, in one of the first steps."""
    number = int(random(seed, int(rng.integers(12)), np.array([key]), POISSON_SOURCE)[0])
    return min(number + int(rng.integers(2)), (1 << 32) - 1)


def rules_at_the_edge(program: Program, events: Events, rng: np.random.Generator) -> Program:
    """The Program whose rules change synapses by a hair, in a run of these events from step 0.

    In one step, for each of weight, tag and delay, the sum of one synapse and the random number for
    its rounding come to what just makes another step of it, or to one less. Sums are the same in
    all epochs, and for all spikes of a host's channel from its second one on: a trace that does not
    decay, times a coefficient, and another coefficient.
    """
    rules = []
    for rule in program.rules:
        synapses = _synapses(program, rule)
        if synapses:
            rule = _spikes_at_the_edge(program, rule, synapses, events, rng)
            if rng.random() < 0.7:
                rule = _epochs_at_the_edge(program, rule, synapses, rng)
        rules.append(rule)
    products = max(sum(len(group.products) for group in rule.groups) for rule in rules)
    products = max(products, program.target.products)
    return replace(program, rules=tuple(rules), target=program.target.with_(products=products))


def _spikes_at_the_edge(
    program: Program,
    rule: LearningRule,
    synapses: dict[int, list[int]],
    events: Events,
    rng: np.random.Generator,
) -> LearningRule:
    source = program.source(program.projections[rule.projection].pre)
    if source is None or source.kind != "host":
        return rule
    steps: dict[int, list[int]] = {}
    for step, channel in zip(events.spike_step, events.spike_channel, strict=True):
        steps.setdefault(int(channel) - source.first_channel, []).append(int(step))
    places = [
        (step, i, j)
        for i, targets in synapses.items() for step in steps.get(i, [])[1:4] for j in targets
    ]  # fmt: skip
    if not places:
        return rule
    impulse = program.target.trace_max
    shift = min(MAX_GROUP_SHIFT, program.target.trace_bits + 15)
    groups = []
    for changes in _changes(program, rule):
        place = places[int(rng.integers(len(places)))]
        times, more = divmod(_sum(rng, rule, When.PRE, changes, shift, *place), impulse)
        products = [
            Product(coefficient, Condition.X0, factors)
            for coefficient, factors in ((times, (int(Factor.X1),)), (more, ()))
            if 0 < abs(coefficient) <= MAX_COEFFICIENT
        ]
        if products:
            groups.append(Group(When.PRE, changes, shift, tuple(products)))
    x1 = Trace(TraceKind.EXPONENTIAL, replace=True, impulse=impulse, decay=0)
    return replace(_with(program, rule, groups), x1=x1)


def _epochs_at_the_edge(
    program: Program,
    rule: LearningRule,
    synapses: dict[int, list[int]],
    rng: np.random.Generator,
) -> LearningRule:
    shift, every = 16 + int(rng.integers(5)), 1 << rule.period_log2
    groups = []
    for changes in _changes(program, rule):
        i = int(rng.choice(list(synapses)))
        j, step = int(rng.choice(synapses[i])), every * int(rng.integers(1, 1 + 16 // every)) - 1
        left = _sum(rng, rule, When.EPOCH, changes, shift, step, i, j)
        products = []
        while left:
            coefficient = int(np.clip(left, -MAX_COEFFICIENT, MAX_COEFFICIENT))
            products.append(Product(coefficient, Condition.NONE, ()))
            left -= coefficient
        if products:
            groups.append(Group(When.EPOCH, changes, shift, tuple(products)))
    return _with(program, rule, groups)


def _changes(program: Program, rule: LearningRule) -> list[Changes]:
    """What rules for this projection may change."""
    rows = np.concatenate([c.rows[c.rows["projection"] == rule.projection] for c in program.cores])
    sparse = bool((rows["kind"] == SPARSE).all())
    return [changes for changes in Changes if sparse or changes != Changes.DELAY]


def _sum(
    rng: np.random.Generator, rule: LearningRule, when: When, changes: Changes, shift: int,
    step: int, i: int, j: int,
) -> int:  # fmt: skip
    """What makes one change of −1, 0 or 1, or is one less."""
    number = rounding_random(rule.seed, step, when, changes, np.array([i]), np.array([j]))
    rest = int(number[0]) >> 32 - shift
    return (int(rng.integers(2)) << shift) - rest - int(rng.integers(2))


def _with(program: Program, rule: LearningRule, groups: list[Group]) -> LearningRule:
    """The rule with other groups of the same event, at random rounding."""
    if not groups:
        return rule
    kept = [group for group in rule.groups if group.when != groups[0].when]
    together = sorted([*groups, *kept], key=lambda group: (group.when, group.changes))
    changed = replace(rule, groups=tuple(together), rounding=Rounding.STOCHASTIC)
    if changed.changes_delays:
        return replace(changed, delay_min=0, delay_max=program.wheel_depth - 1)
    return changed


def _synapses(program: Program, rule: LearningRule) -> dict[int, list[int]]:
    """Numbers of presynaptic neurons and, of each, those of its enabled synapses' targets."""
    population = program.population(program.projections[rule.projection].post)
    assert population is not None
    places = zip(population.core.tolist(), population.slot.tolist(), strict=True)
    index = {place: j for j, place in enumerate(places)}
    found: dict[int, list[int]] = {}
    for number, core in enumerate(program.cores):
        for row in core.rows[core.rows["projection"] == rule.projection]:
            own = slice(int(row["offset"]), int(row["offset"]) + int(row["count"]))
            if row["kind"] == SPARSE:
                enable, slots = core.sparse_enable[own], core.sparse_target[own]
            else:
                enable = core.dense_enable[own]
                slots = int(row["base"]) + np.arange(row["count"])
            targets = [index[number, int(slot)] for slot in slots[enable != 0]]
            found.setdefault(int(row["pre"]), []).extend(targets)
    return {i: targets for i, targets in found.items() if targets}
