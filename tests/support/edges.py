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
    """The Program whose rules, where a host's channels make them change synapses, do so by a hair.

    What a spike of such a channel adds is the same from its second one on: a trace that does not
    decay, times a coefficient, and another coefficient. At one synapse in one step, for each of
    weight, tag and delay, that sum and the random number for its rounding come to what just makes
    another step of it, or to one less.
    """
    rules = tuple(_at_the_edge(program, rule, events, rng) for rule in program.rules)
    products = max(sum(len(group.products) for group in rule.groups) for rule in rules)
    products = max(products, program.target.products)
    return replace(program, rules=rules, target=program.target.with_(products=products))


def _at_the_edge(
    program: Program, rule: LearningRule, events: Events, rng: np.random.Generator
) -> LearningRule:
    synapses = _synapses(program, rule)
    source = program.source(program.projections[rule.projection].pre)
    if source is None or source.kind != "host" or not synapses:
        return rule
    second: dict[int, list[int]] = {}
    for step, channel in zip(events.spike_step, events.spike_channel, strict=True):
        second.setdefault(int(channel) - source.first_channel, []).append(int(step))
    places = [
        (step, i, j) for i, targets in synapses.items()
        for step in second.get(i, [])[1:4] for j in targets
    ]  # fmt: skip
    if not places:
        return rule
    rows = np.concatenate([c.rows[c.rows["projection"] == rule.projection] for c in program.cores])
    sparse = bool((rows["kind"] == SPARSE).all())
    impulse = program.target.trace_max
    groups = []
    for changes in Changes:
        if changes == Changes.DELAY and not sparse:
            continue
        step, i, j = places[int(rng.integers(len(places)))]
        shift = min(MAX_GROUP_SHIFT, program.target.trace_bits + 15)
        number = rounding_random(
            rule.seed, step, When.PRE, changes, np.array([i]), np.array([j])
        )  # fmt: skip
        rest = int(number[0]) >> 32 - shift
        wanted = (int(rng.integers(2)) << shift) - rest - int(rng.integers(2))
        times, more = divmod(wanted, impulse)
        if abs(times) > MAX_COEFFICIENT:
            continue
        products = [
            Product(coefficient, Condition.X0, factors)
            for coefficient, factors in ((times, (int(Factor.X1),)), (more, ()))
            if coefficient
        ]
        if products:
            groups.append(Group(When.PRE, changes, shift, tuple(products)))
    groups += [group for group in rule.groups if group.when != When.PRE]
    changed = replace(
        rule,
        groups=tuple(groups),
        x1=Trace(TraceKind.EXPONENTIAL, replace=True, impulse=impulse, decay=0),
        rounding=Rounding.STOCHASTIC,
    )
    if changed.changes_delays and not rule.changes_delays:
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
    return found
