"""Learning: what plastic synapses and their traces do in a step (docs/machine.md §7).

Everything is int64 inside. The page's names are used: ``i`` a presynaptic and ``j`` a postsynaptic
neuron, ``x0``, ``y0`` and ``t0`` the events of this step, ``w``, ``tag`` and ``δ`` what changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...compiler.microcode import TAG_MAX, Changes, Condition, Factor, Rounding, When
from ...compiler.program import DENSE, SPARSE
from ...counter_hash import LEARNING, TRACE_DECAY, random
from ...runtime.backend import LearningState
from .traces import take_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ...compiler.microcode import Group, LearningRule
    from ...compiler.program import Program
    from ...runtime.backend import CoreWeights


@dataclass(frozen=True, eq=False)
class StepEvents:
    """What happened in one step, as far as learning wants to know.

    Attributes:
        channels: (channels,) bool, who fired in this step.
        arrived: (n,) bool, neurons that fired in the step before: their spikes arrive now.
        fired: (n,) bool, neurons that fired in this step.
        teacher: (n,) bool, neurons with a teacher event.
    """

    channels: NDArray[np.bool_]
    arrived: NDArray[np.bool_]
    fired: NDArray[np.bool_]
    teacher: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Synapses:
    """``k`` enabled synapses of one rule in one memory, sparse or dense, of one core.

    Attributes:
        core: number of the core.
        kind: SPARSE or DENSE.
        place: (k,) index into the core's arrays of that kind.
        i, j: (k,) pre- and postsynaptic neuron, within their source or population.
        row_delay: (k,) wheel delay of a dense synapse's row; a sparse one has its own.
    """

    core: int
    kind: int
    place: NDArray[np.int64]
    i: NDArray[np.int64]
    j: NDArray[np.int64]
    row_delay: NDArray[np.int64]

    def where(self, due: NDArray[np.bool_]) -> Synapses:
        """Some of them."""
        picked = (a[due] for a in (self.place, self.i, self.j, self.row_delay))
        return Synapses(self.core, self.kind, *picked)


class Learning:
    """State of learning, as in :class:`LearningState`, and the step that changes it."""

    def __init__(self, program: Program, state: LearningState) -> None:
        self.on = bool(state.on)
        self.x = state.x.astype(np.int64)
        self.y = state.y.astype(np.int64)
        self.fired_before = state.fired_before.astype(np.int64)
        self.third_factor = state.third_factor.astype(np.int64)
        self.modulator = int(state.modulator)
        self.tag = [
            {SPARSE: sparse.astype(np.int64), DENSE: dense.astype(np.int64)}
            for sparse, dense in zip(state.sparse_tag, state.dense_tag, strict=True)
        ]
        self._plastic = [_PlasticProjection(program, k) for k in range(len(program.rules))]

    def state(self) -> LearningState:
        """A copy of the state."""
        return LearningState(
            on=self.on,
            x=self.x.astype(np.uint32),
            y=self.y.astype(np.uint32),
            fired_before=self.fired_before.astype(np.uint64),
            third_factor=self.third_factor.astype(np.int16),
            modulator=self.modulator,
            sparse_tag=tuple(tag[SPARSE].astype(np.int8) for tag in self.tag),
            dense_tag=tuple(tag[DENSE].astype(np.int8) for tag in self.tag),
        )

    def step(self, t: int, events: StepEvents, weights: tuple[CoreWeights, ...]) -> None:
        """Change weights, tags and delays, in place, and then the traces."""
        for plastic in self._plastic:
            plastic.step(t, events, self, weights)


class _PlasticProjection:
    """One rule and the projection that it belongs to."""

    def __init__(self, program: Program, number: int) -> None:
        self.rule: LearningRule = program.rules[number]
        self.trace_max = program.target.trace_max
        (x_start, y_start), (x_end, y_end) = program.trace_start[number : number + 2].tolist()
        self.x_part, self.y_part = slice(x_start, x_end), slice(y_start, y_end)

        symbol = program.projections[self.rule.projection]
        self.source = program.source(symbol.pre)
        pre, post = program.population(symbol.pre), program.population(symbol.post)
        self.pre = None if pre is None else program.global_neurons(pre)
        assert post is not None
        self.post = program.global_neurons(post)
        self.synapses = list(_enabled_synapses(program, number + 1, self.post))

    def step(
        self, t: int, events: StepEvents, state: Learning, weights: tuple[CoreWeights, ...]
    ) -> None:
        """Learn with the traces of the step before; then let the traces take up this one's."""
        rule, trace_max = self.rule, self.trace_max
        if self.source is not None:
            first = self.source.first_channel
            x0 = events.channels[first : first + self.source.size]
        else:
            x0 = events.arrived[self.pre]
        fired, before = events.fired[self.post], state.fired_before[self.y_part]
        y0 = (before >> (rule.post_delay - 1) & 1) != 0 if rule.post_delay else fired
        t0 = events.teacher[self.post]
        x, y = state.x[self.x_part], state.y[self.y_part]

        if state.on:
            for synapses in self.synapses:
                i, j = synapses.i, synapses.j
                seen = {
                    Factor.X1: rule.x1.values(x[:, 0], trace_max)[i],
                    Factor.X2: rule.x2.values(x[:, 1], trace_max)[i],
                    Factor.Y1: rule.y1.values(y[:, 0], trace_max)[j],
                    Factor.Y2: rule.y2.values(y[:, 1], trace_max)[j],
                    Factor.R: state.third_factor[self.post][j],
                    Factor.M: np.full(len(i), state.modulator),
                }
                happened = {Condition.X0: x0[i], Condition.Y0: y0[j], Condition.T0: t0[j]}
                self._learn(t, synapses, happened, seen, state, weights)

        for column, (trace_x, trace_y) in enumerate([(rule.x1, rule.y1), (rule.x2, rule.y2)]):
            for trace, stored, event, purpose in (
                (trace_x, x, x0, TRACE_DECAY + column),
                (trace_y, y, y0, TRACE_DECAY + 2 + column),
            ):
                stored[:, column] = take_up(
                    trace, stored[:, column], event, trace_max, rule.seed, t, purpose
                )
        state.fired_before[self.y_part] = (before << 1 | fired) & ((1 << rule.post_delay) - 1)

    def _learn(
        self,
        t: int,
        synapses: Synapses,
        happened: dict[Condition, NDArray[np.bool_]],
        seen: dict[Factor, NDArray[np.int64]],
        state: Learning,
        weights: tuple[CoreWeights, ...],
    ) -> None:
        """Pre groups, post groups, epoch groups, each for the synapses for which they are due."""
        rule = self.rule
        in_epoch = (t + 1) % (1 << rule.period_log2) == 0
        due_when = {
            When.PRE: happened[Condition.X0],
            When.POST: happened[Condition.Y0] | happened[Condition.T0],
            When.EPOCH: np.full(len(synapses.i), in_epoch),
        }
        for when, due in due_when.items():
            groups = [group for group in rule.groups if group.when == when]
            if not groups or not due.any():
                continue
            own = synapses.where(due)
            memory = weights[own.core]
            w = memory.sparse if own.kind == SPARSE else memory.dense
            tag = state.tag[own.core][own.kind]
            before = {
                Changes.WEIGHT: w[own.place].astype(np.int64),
                Changes.TAG: tag[own.place],
                Changes.DELAY: own.row_delay,
            }
            if own.kind == SPARSE and memory.delay is not None:
                before[Changes.DELAY] = memory.delay[own.place].astype(np.int64)
            factors = {factor: values[due] for factor, values in seen.items()}
            factors |= {
                Factor.W: before[Changes.WEIGHT],
                Factor.ABOVE: rule.weight_max - before[Changes.WEIGHT],
                Factor.BELOW: before[Changes.WEIGHT] - rule.weight_min,
                Factor.TAG: before[Changes.TAG],
                Factor.DELAY: before[Changes.DELAY],
            }
            events = {condition: event[due] for condition, event in happened.items()}
            # All groups of this `when` see `before`; what they change is written afterwards.
            after = {}
            for group in groups:
                low, high = self._limits(group.changes)
                change = self._change(group, t, own, events, factors)
                after[group.changes] = np.clip(before[group.changes] + change, low, high)
            for changes, values in after.items():
                if changes == Changes.WEIGHT:
                    w[own.place] = values
                elif changes == Changes.TAG:
                    tag[own.place] = values
                else:
                    assert memory.delay is not None, "delays that a rule changes are given"
                    memory.delay[own.place] = values

    def _limits(self, changes: Changes) -> tuple[int, int]:
        rule = self.rule
        return {
            Changes.WEIGHT: (rule.weight_min, rule.weight_max),
            Changes.TAG: (-TAG_MAX - 1, TAG_MAX),
            Changes.DELAY: (rule.delay_min, rule.delay_max),
        }[changes]

    def _change(
        self,
        group: Group,
        t: int,
        synapses: Synapses,
        events: dict[Condition, NDArray[np.bool_]],
        factors: dict[Factor, NDArray[np.int64]],
    ) -> NDArray[np.int64]:
        """(k,) Δ of one group: the sum of its products, rounded once."""
        total = np.zeros(len(synapses.i), np.int64)
        for product in group.products:
            term = np.full(len(total), product.coefficient, np.int64)
            for condition, event in events.items():
                if product.condition & condition:
                    term = np.where(event, term, 0)
            for factor in product.factors:
                value = factors[Factor(factor & ~Factor.SIGN)]
                term = term * (np.sign(value) if factor & Factor.SIGN else value)
            total += term

        rounding, shift = self.rule.rounding, group.shift
        if shift == 0 or rounding == Rounding.FLOOR:
            return total >> shift
        if rounding == Rounding.NEAREST:
            return (total + (1 << (shift - 1))) >> shift
        i, j = synapses.i, synapses.j
        q = rounding_random(self.rule.seed, t, group.when, group.changes, i, j)
        return (total + (q >> (32 - shift))) >> shift


def rounding_random(
    seed: int,
    step: int,
    when: When,
    changes: Changes,
    i: NDArray[np.int64],
    j: NDArray[np.int64],
) -> NDArray[np.int64]:
    """(k,) the 32-bit numbers q of the synapses from ``i`` to ``j``, by multiply-shift."""
    key, n = (j, i) if when == When.POST else (i, j)
    purpose = LEARNING + 6 * changes + 2 * when
    a = random(seed, step, key, purpose).astype(np.uint64)
    b = random(seed, step, key, purpose + 1).astype(np.uint64)
    return ((a * n.astype(np.uint64) + b) % (1 << 32)).astype(np.int64)


def _enabled_synapses(program: Program, rule: int, post: NDArray[np.int64]) -> Iterator[Synapses]:
    """The synapses that a rule may change, memory by memory.

    Args:
        program: that holds them.
        rule: what their rows name: the rule's number + 1.
        post: global numbers of the postsynaptic population.
    """
    index_of = {neuron: j for j, neuron in enumerate(post.tolist())}
    for number, core in enumerate(program.cores):
        for kind, enable in ((SPARSE, core.sparse_enable), (DENSE, core.dense_enable)):
            found: list[tuple[int, int, int, int]] = []
            for row in core.rows[(core.rows["rule"] == rule) & (core.rows["kind"] == kind)]:
                for k in range(int(row["count"])):
                    place = int(row["offset"]) + k
                    if enable[place]:
                        slot = core.sparse_target[place] if kind == SPARSE else row["base"] + k
                        j = index_of[int(program.core_base[number]) + int(slot)]
                        delay = core.sparse_delay[place] if kind == SPARSE else row["delay"]
                        found.append((place, int(row["pre"]), j, int(delay)))
            if found:
                place, i, j, delay = np.array(found, np.int64).T
                yield Synapses(number, kind, place, i, j, delay)
