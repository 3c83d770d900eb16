"""The reference against docs/machine.md §7 written once more, synapse by synapse in plain integers.

The spikes are the reference's own (§5 has its own check); from them, the input and the Program's
tables the page is followed for each synapse alone, and every weight, delay, tag and trace and all
that is under way to the neurons is compared after every step.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.programs import random_events, random_plastic_program, record_everything

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.runtime.backend import Events

MASK = 0xFFFFFFFF


def mix(x):
    x ^= x >> 16
    x = x * 0x7FEB352D & MASK
    x ^= x >> 15
    x = x * 0x846CA68B & MASK
    return x ^ x >> 16


def random(seed, step, key, purpose):
    first = mix((key + mix((seed + purpose * 0x9E3779B9) & MASK)) & MASK)
    return mix((first + mix((step + 0x85EBCA6B) & MASK)) & MASK)


class Remembering:
    """One trace of one neuron. Kinds: 0 none, 1 exponential, 2 window."""

    def __init__(self, trace, seed, key, purpose, top):
        self.trace, self.seed, self.key, self.purpose, self.top = trace, seed, key, purpose, top
        self.z, self.h = 0, 0

    @property
    def value(self):
        trace = self.trace
        if trace.kind != 2:
            return self.z
        ages = [b for b in range(32) if self.h >> b & 1]
        if trace.replace:
            ages = ages[:1]
        return min(sum(trace.table[b] for b in ages if b < len(trace.table)), self.top)

    @property
    def stored(self):
        return self.h if self.trace.kind == 2 else self.z

    def end_step(self, t, event):
        trace = self.trace
        if trace.kind == 1:
            noise = random(self.seed, t, self.key, self.purpose) // 2**20
            self.z = (self.z * (4096 - trace.decay) + noise) // 4096
            if event:
                self.z = trace.impulse if trace.replace else min(self.z + trace.impulse, self.top)
        elif trace.kind == 2:
            self.h = (2 * self.h + event) % 2**32


class Synapse:
    """One synapse, plastic or not, and where the device keeps it."""

    def __init__(self, program, core, row, k):
        image = program.cores[core]
        self.core, self.dense, self.place = core, bool(row["kind"]), int(row["offset"]) + k
        self.slot = int(row["base"]) + k if self.dense else int(image.sparse_target[self.place])
        symbol = program.projections[row["projection"]]
        self.pre_name, self.post_name, self.i = symbol.pre, symbol.post, int(row["pre"])
        post = program.population(symbol.post)
        mine = (post.core == core) & (post.slot == self.slot)
        self.j = int(np.flatnonzero(mine)[0])
        self.receptor, self.exponent = int(row["receptor"]), int(row["exponent"])
        memory = image.dense_weight if self.dense else image.sparse_weight
        self.w, self.tag = int(memory[self.place]), 0
        self.d = int(row["delay"] if self.dense else image.sparse_delay[self.place])
        enable = image.dense_enable if self.dense else image.sparse_enable
        self.rule = int(row["rule"]) - 1 if row["rule"] and enable[self.place] else None

    def learn(self, t, rule, x0, y0, t0, factors):
        """Pre, post, epoch, each seeing what the one before has changed."""
        epoch = (t + 1) % 2**rule.period_log2 == 0
        for when, due in ((0, x0), (1, y0 or t0), (2, epoch)):
            if not due:
                continue
            own = (self.w, rule.weight_max - self.w, self.w - rule.weight_min, self.tag, self.d)
            seen = [*factors, *own]
            change = {
                g.changes: self.delta(t, rule, g, (x0, y0, t0), seen)
                for g in rule.groups
                if g.when == when
            }
            if 0 in change:
                self.w = min(max(self.w + change[0], rule.weight_min), rule.weight_max)
            if 1 in change:
                self.tag = min(max(self.tag + change[1], -128), 127)
            if 2 in change:
                self.d = min(max(self.d + change[2], rule.delay_min), rule.delay_max)

    def delta(self, t, rule, group, events, seen):
        total = 0
        for product in group.products:
            needed = [bool(product.condition & bit) for bit in (1, 2, 4)]
            if all(event for event, need in zip(events, needed, strict=True) if need):
                term = product.coefficient
                for factor in product.factors:
                    value = seen[factor % 16]
                    term *= (value > 0) - (value < 0) if factor >= 16 else value
                total += term
        assert abs(total) + 2**group.shift < 2**31
        if group.shift == 0 or rule.rounding == 2:
            r = 0
        elif rule.rounding == 1:
            r = 2 ** (group.shift - 1)
        else:
            key, n = (self.j, self.i) if group.when == 1 else (self.i, self.j)
            purpose = 32 + 6 * group.changes + 2 * group.when
            a, b = (random(rule.seed, t, key, purpose + which) for which in (0, 1))
            r = (a * n + b) % 2**32 // 2 ** (32 - group.shift)
        return (total + r) // 2**group.shift


class Page:
    """§2 and §7 for a whole Program, given who fired."""

    def __init__(self, program):
        self.program = program
        self.synapses = [
            Synapse(program, core, row, k)
            for core, image in enumerate(program.cores)
            for row in image.rows
            for k in range(row["count"])
        ]
        top = 2**program.target.trace_bits - 1
        sizes = {s.name: s.size for s in (*program.sources, *program.populations)}
        self.traces = []
        for rule in program.rules:
            symbol = program.projections[rule.projection]
            sides = [
                [Remembering(trace, rule.seed, key, purpose, top) for key in range(sizes[name])]
                for trace, name, purpose in (
                    (rule.x1, symbol.pre, 16),
                    (rule.x2, symbol.pre, 17),
                    (rule.y1, symbol.post, 18),
                    (rule.y2, symbol.post, 19),
                )
            ]
            self.traces.append(sides)
        self.fired = []  # per step: set of (population, index)
        self.wheel = Counter()  # (step, receptor, core, slot) -> sum
        self.third, self.modulator = Counter(), 0

    def step(self, t, channels, fired, teacher, factors, modulator, on):
        """``channels``, ``fired``, ``teacher``: sets of (name, index); ``factors``: a mapping."""
        arrived = channels | (self.fired[-1] if self.fired else set())
        self.fired.append(fired)
        self.third.update(dict.fromkeys(factors, 0))
        for neuron, value in factors.items():
            self.third[neuron] = value
        self.modulator = self.modulator if modulator is None else modulator
        for s in self.synapses:
            if (s.pre_name, s.i) in arrived:
                self.wheel[t + s.d, s.receptor, s.core, s.slot] += s.w * 2**s.exponent
        for s in self.synapses:
            if on and s.rule is not None:
                rule, post = self.program.rules[s.rule], (s.post_name, s.j)
                x1, x2, y1, y2 = self.traces[s.rule]
                values = [x1[s.i].value, x2[s.i].value, y1[s.j].value, y2[s.j].value]
                values += [self.third[post], self.modulator]
                x0, y0 = (s.pre_name, s.i) in arrived, self.y0(t, rule, post)
                s.learn(t, rule, x0, y0, post in teacher, values)
        for rule, (x1, x2, y1, y2) in zip(self.program.rules, self.traces, strict=True):
            symbol = self.program.projections[rule.projection]
            for trace in (*x1, *x2):
                trace.end_step(t, (symbol.pre, trace.key) in arrived)
            for trace in (*y1, *y2):
                trace.end_step(t, self.y0(t, rule, (symbol.post, trace.key)))

    def y0(self, t, rule, post):
        return t >= rule.post_delay and post in self.fired[t - rule.post_delay]


def names(program):
    """Global neuron number -> (population, index) and channel -> (source, index)."""
    neuron = {
        int(g): (p.name, index)
        for p in program.populations
        for index, g in enumerate(program.global_neurons(p))
    }
    channel = {s.first_channel + k: (s.name, k) for s in program.sources for k in range(s.size)}
    return neuron, channel


def one_step(events, t):
    """The events of step ``t`` alone."""
    fields = {}
    for name in ("spike", "graded", "teacher", "factor", "modulator"):
        due = getattr(events, f"{name}_step") == t
        for field in vars(events):
            if field.startswith(name):
                column = getattr(events, field)[due]
                fields[field] = column - t if field.endswith("_step") else column
    return Events(**fields)


def compare(t, page, device):
    program, state, weights = page.program, device.read_state(), device.read_weights()
    learning = state.learning
    for s in page.synapses:
        w = weights[s.core]
        assert s.w == (w.dense if s.dense else w.sparse)[s.place], (t, "weight", vars(s))
        if w.delay is not None and not s.dense:
            assert s.d == w.delay[s.place], (t, "delay", vars(s))
        tags = learning.dense_tag if s.dense else learning.sparse_tag
        if s.rule is not None:
            assert s.tag == tags[s.core][s.place], (t, "tag", vars(s))
    x = [[a.stored, b.stored] for x1, x2, _, _ in page.traces for a, b in zip(x1, x2, strict=True)]
    y = [[a.stored, b.stored] for _, _, y1, y2 in page.traces for a, b in zip(y1, y2, strict=True)]
    assert learning.x.tolist() == x
    assert learning.y.tolist() == y
    before = []
    for rule in program.rules:
        post = program.population(program.projections[rule.projection].post)
        for j in range(post.size):
            steps = [d for d in range(1, rule.post_delay + 1) if d <= t + 1]
            before.append(sum(2 ** (d - 1) for d in steps if (post.name, j) in page.fired[-d]))
    assert learning.fired_before.tolist() == before
    neuron, _ = names(program)
    third = [page.third[neuron[g]] for g in range(program.neurons)]
    assert (learning.third_factor.tolist(), learning.modulator) == (third, page.modulator)
    for ahead, slot in enumerate(state.wheel):
        for r, g in np.ndindex(slot.shape):
            core = int(np.searchsorted(program.core_base, g, side="right")) - 1
            place = (t + 1 + ahead, r, core, g - int(program.core_base[core]))
            assert slot[r, g] == page.wheel[place], (t, place)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 1 << 32),
    st.integers(1, 9),
    st.sampled_from([(2, 70), (5, 16), (9, 12)]),
    st.integers(0, 20),
)
def test_every_step_of_every_synapse(seed, cores, size, pause):
    """Learning is off in the five steps from ``pause``."""
    neurons, steps = size
    program = random_plastic_program(seed, cores=cores, neurons=neurons)
    if not program.rules:
        return
    program.verify()
    events = random_events(program, steps, np.random.default_rng(seed))
    device, page = ReferenceBackend(), Page(program)
    device.load(program)
    neuron, channel = names(program)
    for t in range(steps):
        own = one_step(events, t)
        on = not pause <= t < pause + 5
        device.set_learning(on)
        data = device.run(1, own, record_everything(program))
        page.step(
            t,
            {channel[c] for c in data.channel.tolist()},
            {neuron[g] for g in data.neuron.tolist()},
            {neuron[g] for g in own.teacher_neuron.tolist()},
            {
                neuron[g]: value
                for g, value in zip(
                    own.factor_neuron.tolist(), own.factor_value.tolist(), strict=True
                )
            },
            own.modulator_value.tolist()[0] if len(own.modulator_value) else None,
            on,
        )
        compare(t, page, device)
