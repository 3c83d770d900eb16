"""Learning on the reference: places do not matter, limits hold, rounding has no bias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.placing import moved_events, moved_state, new_numbers, placed_anew
from support.plastic import synapses_of_rules, with_rule
from support.programs import random_events, random_plastic_program, record_everything
from support.tiny import Synapse, events, tiny_program

from spikeloom import DeviceError
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.reference.learn import rounding_random
from spikeloom.compiler.microcode import (
    Changes,
    Condition,
    Group,
    LearningRule,
    Product,
    Rounding,
    When,
)
from spikeloom.compiler.program import DENSE

seeds = st.integers(0, 1 << 32)


def loaded(program):
    device = ReferenceBackend()
    device.load(program)
    return device


def run(program, steps, given_events):
    device = loaded(program)
    data = device.run(steps, given_events, record_everything(program))
    return data, device.read_state(), device.read_weights()


def synapse(place, state, weights):
    """Weight, tag, and delay where it may be learned, of the synapse at a place."""
    core, kind, at = place
    w, learning = weights[core], state.learning
    tags = (learning.dense_tag if kind == DENSE else learning.sparse_tag)[core]
    weight = (w.dense if kind == DENSE else w.sparse)[at]
    delay = None if w.delay is None or kind == DENSE else int(w.delay[at])
    return int(weight), int(tags[at]) if len(tags) else 0, delay


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seeds, st.integers(1, 4), st.integers(1, 9), seeds)
def test_places_change_nothing(seed, cores, others, shuffle):
    program = random_plastic_program(seed, cores=cores, neurons=12)
    moved, before, after = placed_anew(program, np.random.default_rng(shuffle), others)
    moved.verify()
    inputs = random_events(program, 25, np.random.default_rng(seed))
    data, state, weights = run(program, 25, inputs)
    other, its_state, its_weights = run(moved, 25, moved_events(inputs, program, moved))

    number = new_numbers(program, moved)
    spikes = zip(data.neuron_step.tolist(), number[data.neuron].tolist(), strict=True)
    assert sorted(spikes) == list(
        zip(other.neuron_step.tolist(), other.neuron.tolist(), strict=True)
    )
    for a, b in zip(data.states, other.states, strict=True):
        assert np.array_equal(a, b[:, number])
    mine = moved_state(state, np.arange(program.neurons))
    for name, value in moved_state(its_state, number).items():
        assert np.array_equal(mine[name], value), name
    if not program.rules:
        return
    for old, new in zip(before, after, strict=True):
        *mine, delay = synapse(old, state, weights)
        *its, its_delay = synapse(new, its_state, its_weights)
        assert mine == its
        assert delay is None or delay == its_delay


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seeds)
def test_enabled_synapses_never_leave_the_limits_and_others_never_change(seed):
    program = random_plastic_program(seed, neurons=12)
    rng = np.random.default_rng(seed)
    device = loaded(program)
    for _ in range(6):
        device.run(5, random_events(program, 5, rng), record_everything(program))
        weights = device.read_weights()
        for core, now in zip(program.cores, weights, strict=True):
            found = {0: (now.sparse, core.sparse_weight), 1: (now.dense, core.dense_weight)}
            for kind, rule, enabled, others in synapses_of_rules(program, core):
                mantissas, initial = found[kind]
                assert (mantissas[enabled] >= rule.weight_min).all()
                assert (mantissas[enabled] <= rule.weight_max).all()
                assert np.array_equal(mantissas[others], initial[others])
                if kind == 0 and now.delay is not None:
                    assert np.array_equal(now.delay[others], core.sparse_delay[others])
                    if rule.changes_delays:
                        assert (now.delay[enabled] >= rule.delay_min).all()
                        assert (now.delay[enabled] <= rule.delay_max).all()
                    else:
                        assert np.array_equal(now.delay[enabled], core.sparse_delay[enabled])


def on_every_spike(coefficient, shift, when=When.PRE, rounding=Rounding.STOCHASTIC, seed=0):
    """A rule that adds ``coefficient / 2^shift`` whenever a spike arrives (PRE) or is made."""
    condition = Condition.X0 if when == When.PRE else Condition.Y0
    group = Group(when, Changes.WEIGHT, shift, (Product(coefficient, condition),))
    return LearningRule(0, (group,), rounding=rounding, seed=seed, weight_min=-128, weight_max=127)


@pytest.mark.parametrize("when", [When.PRE, When.POST])
@pytest.mark.parametrize("coefficient", [1, 3, 77, 128, 255, 300, -1, -129])
def test_stochastic_rounding_has_no_bias(when, coefficient):
    """At 8-bit weights; within 4 σ of theory.

    Δ is ⌊c⌋ or ⌊c⌋ + 1 with probability p = frac(c). Numbers of one row (or column) are pairwise
    independent, those of different ones independent, so the mean of N changes has the variance
    p (1 − p) / N. Here N = 64 · 64 · 16: σ ≤ 0.002 LSB. A bias of 6.33 σ ≤ 0.0124 LSB would be seen
    with a probability of 0.99.
    """
    channels, neurons, steps = 64, 64, 16
    firing = {"threshold": -1, "v_reset": 0}  # all of them fire in every step
    program = tiny_program(
        [firing] * neurons,
        [Synapse(f"c{i}", j, 0) for i in range(channels) for j in range(neurons)],
        channels=channels,
        weight_bits=8,
    )
    program = with_rule(program, on_every_spike(coefficient, 8, when, seed=5))
    device = loaded(program)
    spikes = [(t, i) for t in range(steps) for i in range(channels if when == When.PRE else 0)]
    device.run(steps, events(spikes), record_everything(program))
    changes = device.read_weights()[0].sparse.astype(float) / steps
    p = coefficient / 256 % 1
    sigma = np.sqrt(p * (1 - p) / (changes.size * steps))
    assert abs(changes.mean() - coefficient / 256) <= 4 * sigma
    assert sigma <= 0.00196


@pytest.mark.parametrize(
    ("rounding", "coefficient", "change"),
    [
        (Rounding.FLOOR, 255, 0),
        (Rounding.FLOOR, -1, -1),
        (Rounding.NEAREST, 127, 0),
        (Rounding.NEAREST, 128, 1),
        (Rounding.NEAREST, -128, 0),
        (Rounding.NEAREST, -129, -1),
        (Rounding.STOCHASTIC, 512, 2),
        (Rounding.STOCHASTIC, -512, -2),
    ],
)
def test_roundings_where_the_page_leaves_no_choice(rounding, coefficient, change):
    program = tiny_program([{"threshold": 1000}], [Synapse("c0", 0, 5)], channels=1, weight_bits=8)
    program = with_rule(program, on_every_spike(coefficient, 8, rounding=rounding))
    device = loaded(program)
    device.run(3, events([(1, 0)]), record_everything(program))
    assert device.read_weights()[0].sparse.tolist() == [5 + change]


@pytest.mark.parametrize(
    ("n", "m"), [(0, 1), (0, 2), (1, 2), (0, 1000), (3, 4), (7, 7 + 256), (5, 4000)]
)
def test_two_synapses_of_a_row_round_independently(n, m):
    """χ² of the joint distribution of the upper three bits of both, 63 degrees of freedom.

    Over many rows and steps; 63 + 5 · √126 = 119. Numbers that share one bit of three would give
    a χ² of about the sample's size, 8,000.
    """
    table = np.zeros((8, 8))
    rows = np.arange(500)
    for step in range(16):
        first, second = (
            rounding_random(3, step, When.PRE, Changes.WEIGHT, rows, np.full(500, j)) >> 29
            for j in (n, m)
        )
        np.add.at(table, (first, second), 1)
    expected = table.sum() / 64
    assert ((table - expected) ** 2 / expected).sum() < 119


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seeds)
def test_learning_off_leaves_synapses_alone_but_traces_go_on(seed):
    program = random_plastic_program(seed, neurons=12)
    if not program.rules:
        return
    inputs = random_events(program, 20, np.random.default_rng(seed))
    device = loaded(program)
    device.set_learning(False)
    device.run(20, inputs, record_everything(program))
    state = device.read_state()
    assert not state.learning.on
    for core, now in zip(program.cores, device.read_weights(), strict=True):
        assert np.array_equal(now.sparse, core.sparse_weight)
        assert np.array_equal(now.dense, core.dense_weight)
        assert now.delay is None or np.array_equal(now.delay, core.sparse_delay)
    assert not any(tag.any() for tag in (*state.learning.sparse_tag, *state.learning.dense_tag))
    # Sources do not depend on weights: their traces are those of a run that learns.
    learned = run(program, 20, inputs)[1].learning
    for k, rule in enumerate(program.rules):
        if program.source(program.projections[rule.projection].pre):
            own = slice(*program.trace_start[k : k + 2, 0])
            assert np.array_equal(state.learning.x[own], learned.x[own])
    # Registers are written, too.
    assert np.array_equal(state.learning.third_factor, learned.third_factor)
    assert state.learning.modulator == learned.modulator


def test_a_rule_can_be_switched_off_and_on_again():
    program = tiny_program([{"threshold": 1000}], [Synapse("c0", 0, 0)], channels=1, weight_bits=8)
    program = with_rule(program, on_every_spike(1, 0))
    device = loaded(program)
    spike = events([(0, 0)])
    seen = []
    for on in (True, False, False, True):
        device.set_learning(on)
        device.run(1, spike, record_everything(program))
        seen.append(int(device.read_weights()[0].sparse[0]))
    assert seen == [1, 1, 1, 2]


def test_delivery_is_before_learning_and_with_the_old_delay():
    """The spike that makes a weight and a delay change is itself delivered with the old ones."""
    program = tiny_program(
        [{"threshold": 1000, "decay_v": 4096}], [Synapse("c0", 0, 10, delay=1)], channels=1
    )
    groups = tuple(
        Group(When.PRE, changes, 0, (Product(by, Condition.X0),))
        for changes, by in ((Changes.WEIGHT, 5), (Changes.DELAY, 2))
    )
    rule = LearningRule(0, groups, weight_min=0, weight_max=100, delay_min=0, delay_max=5)
    program = with_rule(program, rule)
    device = loaded(program)
    data = device.run(10, events([(0, 0), (1, 0), (2, 0)]), record_everything(program))
    # Weight 10 at 0 + 1, 15 at 1 + 3, 20 at 2 + 5.
    assert data.states[0][:, 0].tolist() == [0, 10, 0, 0, 15, 0, 0, 20, 0, 0]
    weights = device.read_weights()[0]
    assert (weights.sparse.tolist(), weights.delay.tolist()) == ([25], [5])


def test_states_of_other_programs_are_refused():
    program = tiny_program([{}], [Synapse("c0", 0, 0)], channels=1, weight_bits=8)
    learns = with_rule(program, on_every_spike(1, 0))
    device = loaded(learns)
    with pytest.raises(DeviceError, match="the state does not fit the loaded program"):
        device.write_state(loaded(program).read_state())
    state = device.read_state()
    wrong = replace(state.learning, x=np.zeros((2, 2), np.uint32))
    with pytest.raises(DeviceError, match="state 'x' does not fit"):
        device.write_state(replace(state, learning=wrong))
