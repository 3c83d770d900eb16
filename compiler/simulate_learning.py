"""Learning in floating point: docs/machine.md §7 with reals, in the same order of events.

Traces, weights, tags and delays are real numbers in the network's units; nothing is rounded, and
only the limits of weights, tags and delays hold. A rule in raw units is taken at scale 1: its
mantissas are then the network's weights. Real delays are delivered at the nearest whole step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..learning_inputs import LearningInputs
from ..recording import Learned
from .connectors import stable_order
from .ir import ProjectionEdge
from .learning import TRACES, Rule
from .learning_limits import delay_limits, post_delay_steps
from .learning_traces import Trace, Window
from .microcode import TAG_MAX, WINDOW, Changes, Condition, Factor, When

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ir import Graph
    from .rule_algebra import Term


@dataclass(frozen=True, eq=False)
class StepEvents:
    """What happened in a step, as learning sees it; ``n`` neurons of all populations.

    Attributes:
        arrived: (channels + n,) bool, senders whose spike arrives now.
        fired: (n,) bool, who fired in this step.
        teacher: (n,) bool, who has a teacher event.
        third_factor: (n,) r.
        modulator: m.
    """

    arrived: NDArray[np.bool_]
    fired: NDArray[np.bool_]
    teacher: NDArray[np.bool_]
    third_factor: NDArray[np.float64]
    modulator: float


@dataclass(eq=False)
class _RealTrace:
    """One trace of all neurons of a source or population."""

    given: Trace | Window
    size: int
    factor: float
    impulse: float
    value: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.value = np.zeros(self.size)
        self.history = np.zeros((WINDOW, self.size), bool)

    def take_up(self, events: NDArray[np.bool_]) -> None:
        """End of a step."""
        if isinstance(self.given, Trace):
            left = self.value * self.factor
            added = self.impulse if self.given.nearest else left + self.impulse
            self.value = np.where(events, added, left)
            return
        self.history = np.roll(self.history, 1, axis=0)
        self.history[0] = events
        table = np.zeros(WINDOW)
        table[: len(self.given.values)] = self.given.values
        if self.given.nearest:
            youngest = np.argmax(self.history, axis=0)
            self.value = np.where(self.history.any(axis=0), table[youngest], 0.0)
        else:
            self.value = table @ self.history


class Plasticity:
    """One plastic projection.

    Args:
        ir: the real graph, canonical.
        edge: of it.
        weight, delay: of all synapses of the network; the projection's part is changed in place.
        place: (k,) where its synapses are in there.
    """

    def __init__(
        self,
        ir: Graph,
        edge: ProjectionEdge,
        weight: NDArray[np.float64],
        delay: NDArray[np.float64],
        place: NDArray[np.int64],
    ) -> None:
        assert edge.plastic is not None
        self.rule, self.edge, self.dt = edge.plastic.rule, edge, ir.dt
        pre, post = (ir.graph.nodes[name]["node"] for name in (edge.pre, edge.post))
        self.first_pre = pre.first + (ir.channels if edge.base_delay else 0)
        self.first_post = post.first
        self.n_pre, self.n_post = pre.size, post.size
        self.weight, self.delay, self.place = weight, delay, place
        self.tag = np.zeros(len(place))
        self.i = edge.synapses.pre.astype(np.int64)
        self.j = edge.synapses.post.astype(np.int64)
        self.enable = edge.plastic.enable == 1
        self.by_post = stable_order(self.j, self.n_post)
        self.post_start = np.concatenate([[0], np.cumsum(np.bincount(self.j, None, self.n_post))])
        self.traces = {
            TRACES[name]: _trace(given, self.rule, self.dt, self.size(name))
            for name, given in self.rule.traces.items()
        }
        self.fired_before = np.zeros((post_delay_steps(self.rule, self.dt) + 1, self.n_post), bool)
        self.terms = _by_time(self.rule)
        self.limits = edge.plastic.limits
        self.delay_limits = learned_delays(edge, self.dt)

    def size(self, trace: str) -> int:
        """Neurons that have the trace."""
        return self.n_pre if trace.startswith("x") else self.n_post

    def step(self, t: int, events: StepEvents) -> None:
        """What the projection learns in step ``t``; then its traces take up the step's events."""
        x0 = events.arrived[self.first_pre : self.first_pre + self.n_pre]
        here = slice(self.first_post, self.first_post + self.n_post)
        self.fired_before = np.roll(self.fired_before, 1, axis=0)
        self.fired_before[0] = events.fired[here]
        y0, t0 = self.fired_before[-1], events.teacher[here]
        for when, groups in self.terms.items():
            who = self._due(when, t, x0, y0 | t0)
            if not len(who):
                continue
            values = _Values(self, who, events, x0[self.i[who]], y0[self.j[who]], t0[self.j[who]])
            changes = {what: values.sum(terms) for what, terms in groups.items()}
            for what, change in changes.items():
                self._change(what, who, change)
        for factor, trace in self.traces.items():
            trace.take_up(x0 if factor <= Factor.X2 else y0)

    def _due(
        self, when: When, t: int, x0: NDArray[np.bool_], post: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Synapses that learn and have the event."""
        if when == When.PRE:
            found = _ranges(self.edge.synapses.start, np.flatnonzero(x0))
        elif when == When.POST:
            found = self.by_post[_ranges(self.post_start, np.flatnonzero(post))]
        else:
            epoch = (t + 1) % (1 << self.rule.period_log2) == 0
            found = np.arange(len(self.place) if epoch else 0)
        return found[self.enable[found]]

    def _change(self, what: Changes, who: NDArray[np.int64], by: NDArray[np.float64]) -> None:
        raw = self.rule.units == "raw"
        if what == Changes.TAG:
            least = -(TAG_MAX + 1.0) if raw else -self.rule.tag_max
            most = float(TAG_MAX) if raw else self.rule.tag_max * TAG_MAX / (TAG_MAX + 1)
            self.tag[who] = np.clip(self.tag[who] + by, least, most)
        elif what == Changes.WEIGHT:
            at = self.place[who]
            self.weight[at] = np.clip(self.weight[at] + by, *self.limits)
        else:
            at = self.place[who]
            steps = by if raw else by / self.dt
            self.delay[at] = np.clip(self.delay[at] + steps, *self.delay_limits)

    def learned(self) -> Learned:
        """What it has learned so far, in the order of the projection's synapses."""
        seconds = (self.delay[self.place] + self.edge.base_delay) * self.dt
        return Learned(self.weight[self.place].copy(), seconds, self.tag.copy())


class _Values:
    """Values of factors and conditions for some synapses, as they were before the group."""

    def __init__(
        self,
        of: Plasticity,
        who: NDArray[np.int64],
        events: StepEvents,
        x0: NDArray[np.bool_],
        y0: NDArray[np.bool_],
        t0: NDArray[np.bool_],
    ) -> None:
        self.count = len(who)
        self.happens = {Condition.X0: x0, Condition.Y0: y0, Condition.T0: t0}
        weight, post = of.weight[of.place[who]], of.j[who]
        wheel = of.delay[of.place[who]]
        raw = of.rule.units == "raw"
        low, high = of.limits
        self.values: dict[int, NDArray[np.float64] | float] = {
            Factor.R: events.third_factor[of.first_post + post],
            Factor.M: events.modulator,
            Factor.W: weight,
            Factor.ABOVE: high - weight,
            Factor.BELOW: weight - low,
            Factor.TAG: of.tag[who],
            Factor.DELAY: wheel if raw else (wheel + of.edge.base_delay) * of.dt,
        }
        for factor, trace in of.traces.items():
            self.values[factor] = trace.value[of.i[who] if factor <= Factor.X2 else post]

    def sum(self, terms: tuple[Term, ...]) -> NDArray[np.float64]:
        """(k,) sum of the products."""
        total = np.zeros(self.count)
        for term in terms:
            value = np.full(self.count, term.coefficient)
            for factor in term.factors:
                own = self.values[factor & ~Factor.SIGN]
                value = value * (np.sign(own) if factor & Factor.SIGN else own)
            for condition, happens in self.happens.items():
                if term.condition & condition:
                    value = value * happens
            total += value
        return total


def _ranges(start: NDArray[np.int64], who: NDArray[np.int64]) -> NDArray[np.int64]:
    """``start[i] … start[i + 1] - 1`` for each of ``who``, one after the other."""
    counts = start[who + 1] - start[who]
    index = np.repeat(start[who] - (np.cumsum(counts) - counts), counts)
    return index + np.arange(len(index))


def learning_inputs(ir: Graph) -> LearningInputs:
    """What the rules of a network read."""
    rules = [(edge.post, edge.plastic.rule) for edge in ir.plastic if edge.plastic]
    return LearningInputs(
        plastic={post for post, _ in rules},
        teacher={p for p, rule in rules if any(t.condition & Condition.T0 for t in rule.terms)},
        third_factor={post for post, rule in rules if rule.reads(Factor.R)},
        modulator=any(rule.reads(Factor.M) for _, rule in rules),
    )


def learned_delays(edge: ProjectionEdge, dt: float) -> tuple[int, int]:
    """Limits of the wheel delays that a projection may learn; 0 and 0 where it learns none."""
    if edge.plastic is None or Changes.DELAY not in edge.plastic.rule.products:
        return 0, 0
    return delay_limits(edge.plastic.rule, dt, edge.base_delay, 63)


def _trace(given: Trace | Window, rule: Rule, dt: float, size: int) -> _RealTrace:
    if isinstance(given, Window):
        return _RealTrace(given, size, 0.0, 0.0)
    factor = given.factor(dt)
    return _RealTrace(given, size, factor, given.impulse * (1.0 if rule.units == "raw" else factor))


def _by_time(rule: Rule) -> Mapping[When, Mapping[Changes, tuple[Term, ...]]]:
    """Products by when they count, in the machine's order, then by what they change."""
    found: dict[When, dict[Changes, list[Term]]] = {}
    for changes, terms in rule.products.items():
        for term in terms:
            assert term.when is not None  # Rule has checked it
            found.setdefault(term.when, {}).setdefault(changes, []).append(term)
    return {
        when: {changes: tuple(terms) for changes, terms in found[when].items()}
        for when in sorted(found)
    }
