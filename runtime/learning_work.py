"""What learning after the update takes the generated hardware, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiler.microcode import LearningRule, TraceKind, When
from ..hdl.cycles import LEARN, LEAST
from .learning_image import changes_of
from .row_plan import plan_rows, turns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program
    from .backend import Events

BEGIN, WALKED = 16, 3
"""Cycles from asking for the first walk to its first synapse, besides those of its random numbers;
and from the last synapse until it has been read."""
WRITTEN = 7
"""Cycles from then until it has been written, beside which traces take up their events; fewer by
those that the last walk's random numbers took longer than its synapses."""
FADING, FADED = 2, 15
"""Cycles of an exponential trace besides its groups, in which it decays ahead; of all of them."""
AGES = 4
"""Cycles of a group of a trace by age, besides its ages."""


class LearningWork:
    """The rules of a Program on hardware of so many lanes.

    Args:
        program: of one core.
        lanes: of the hardware.

    Attributes:
        fading: cycles from a step's beginning until its traces have decayed and learning may
            begin.
    """

    def __init__(self, program: Program, lanes: int) -> None:
        self._program, self._lanes = program, lanes
        plan = plan_rows(program)
        groups = plan.last // lanes - plan.first // lanes + 1
        self._rules = []
        for number, rule in enumerate(program.rules, 1):
            own = np.flatnonzero(plan.rule == number)
            # As ``LearningImage`` numbers them: the last one counts by itself.
            post = program.population(program.projections[rule.projection].post)
            assert post is not None
            slots = post.slot.astype(np.int64)
            turn = turns(plan.pre[own])
            own = own[np.lexsort((plan.pre[own], turn))]
            self._rules.append(
                _RuleWork(
                    rule,
                    program.global_neurons(post),
                    int(slots.max() // lanes - slots.min() // lanes + 1),
                    -(-len(own) // lanes),
                    groups[own],
                )
            )
        parts = min(lanes, 8)  # an eighth of the lanes at a time, at least one
        fading = sum(work.fading(parts) for work in self._rules)
        self.fading = FADED + fading if fading else 0

    def cycles(
        self,
        first: int,
        steps: int,
        spikes: tuple[NDArray[np.int64], NDArray[np.int32]],
        events: Events,
        before: NDArray[np.uint64],
        on: bool,
    ) -> NDArray[np.int64]:
        """(steps,) cycles of learning.

        Args:
            first: number of the first step.
            steps: how many.
            spikes: steps, from 0 on, and numbers of all neurons that fired.
            events: the input.
            before: ``LearningState.fired_before`` before the first step.
            on: learning is on.
        """
        program = self._program
        total = np.full(steps, LEARN, np.int64)
        fired = np.zeros((steps, program.neurons), np.bool_)
        fired[spikes[0], spikes[1]] = True
        teacher = np.zeros_like(fired)
        here = events.teacher_step < steps
        teacher[events.teacher_step[here], events.teacher_neuron[here]] = True
        for work, start in zip(self._rules, program.trace_start[:, 1].tolist(), strict=False):
            own = before[start : start + len(work.post)]
            total += work.cycles(first, fired, teacher, own, on)
        return total


class _RuleWork:
    """One rule: its neurons, groups of them and of rows, and the groups that each row touches."""

    def __init__(
        self,
        rule: LearningRule,
        post: NDArray[np.int64],
        groups: int,
        xgroups: int,
        rows: NDArray[np.int64],
    ) -> None:
        self.rule, self.post = rule, post
        self.groups, self.xgroups, self.rows = groups, xgroups, rows

    def cycles(
        self,
        first: int,
        fired: NDArray[np.bool_],
        teacher: NDArray[np.bool_],
        before: NDArray[np.uint64],
        on: bool,
    ) -> NDArray[np.int64]:
        rule, steps = self.rule, len(fired)
        total = np.full(steps, 3, np.int64)  # find the rule; is it an epoch?
        traces = np.full(steps, self._traces(), np.int64)
        products, numbers = self._of(When.POST)
        if on and products:
            late = rule.post_delay
            ages = np.arange(late, 0, -1).astype(np.uint64)
            earlier = (before >> (ages[:, None] - np.uint64(1)) & np.uint64(1)) != 0
            y0 = np.concatenate([earlier, fired[:, self.post]])[:steps]
            due = (y0 | teacher[:, self.post]).sum(axis=1)
            each = self.xgroups * products
            last = max(each, numbers - LEAST)
            walks = (due - 1) * max(each, numbers) + last
            total += self.groups + 2 + np.where(due > 0, BEGIN + numbers + walks + WALKED - 1, 0)
            traces = np.where(due > 0, np.maximum(traces, WRITTEN - (last - each)), traces)
        products, numbers = self._of(When.EPOCH)
        if on and products:
            each = self.rows * products
            last = max(int(each[-1]), numbers - LEAST)
            walks = int(np.maximum(each[:-1], numbers).sum()) + last
            ends = (first + np.arange(steps) + 1) % (1 << rule.period_log2) == 0
            total += ends * (BEGIN - 1 + numbers + walks + WALKED)
            written = WRITTEN + 1 - (last - int(each[-1]))
            traces = np.where(ends, np.maximum(traces, written), traces)
        return total + traces

    def fading(self, parts: int) -> int:
        """Cycles that the rule's exponential traces take to decay."""
        rule = self.rule
        return sum(
            FADING + groups * parts
            for trace, groups in (
                (rule.x1, self.xgroups), (rule.x2, self.xgroups),
                (rule.y1, self.groups), (rule.y2, self.groups),
            )
            if trace.kind == TraceKind.EXPONENTIAL
        )  # fmt: skip

    def _of(self, when: When) -> tuple[int, int]:
        """Products of an event, and cycles that its random numbers take."""
        products = sum(len(group.products) for group in self.rule.groups if group.when == when)
        return products, max(LEAST, 2 * changes_of(self.rule, when))

    def _traces(self) -> int:
        """Cycles of the passes over traces and earlier spikes."""
        rule = self.rule
        used = [trace for trace in (rule.x1, rule.x2) if trace.kind != TraceKind.NONE]
        passes = [(trace, self.xgroups) for trace in used or [rule.x1]]
        passes += [
            (trace, self.groups) for trace in (rule.y1, rule.y2) if trace.kind != TraceKind.NONE
        ]
        total = 1 + (1 + self.groups if rule.post_delay else 0)
        for trace, groups in passes:
            window = trace.kind == TraceKind.WINDOW
            total += 1 + groups * (AGES + len(trace.table) if window else 1)
        return total
