"""What a Program makes the small core do, step by step: for its cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiler.microcode import TraceKind, When
from ..hdl.geometry import Geometry
from ..hdl.micro.cycles import micro_costs
from .row_plan import plan_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program
    from .backend import Events
    from .row_plan import RowPlan


class MicroWork:
    """The cycles of a Program of one core and one rule.

    Args:
        program: compiled for a small core.
    """

    def __init__(self, program: Program) -> None:
        self._costs = costs = micro_costs(small_geometry(program.target.delay_slots))
        plan, core = plan_rows(program), program.cores[0]
        rule = program.rules[0]
        self._rounding = int(rule.rounding)
        self._whens = {group.when for group in rule.groups}
        synapses = plan.last - plan.first + 1
        # by whether learning is on
        self._rows = [costs.row + synapses * costs.synapse] * 2
        if When.PRE in self._whens:
            self._rows[1] = costs.row + costs.changed[self._rounding] + synapses * costs.learned
        self._senders = [
            [_sent(start, axon, plan, rows, costs.destination) for rows in self._rows]
            for start, axon in (
                (plan.channel_start, plan.channel_axon), (plan.neuron_start, plan.neuron_axon)
            )
        ]  # fmt: skip
        post = program.population(program.projections[rule.projection].post)
        assert post is not None
        slots = post.slot.astype(np.int64)
        self._post = program.global_neurons(post)
        self._groups = int(slots.max() - slots.min()) + 1
        self._xrows = int((plan.rule == 1).sum())
        neurons, below = core.neurons, int(slots.min())
        exponential = [trace.kind == TraceKind.EXPONENTIAL for trace in (rule.x1, rule.y1)]
        self._every = (
            costs.step
            + neurons * costs.neuron
            + (1 + int((np.diff(core.profile.astype(np.int64)) != 0).sum())) * costs.profile
            + below * costs.below
            + self._groups * costs.within
            + (neurons - below - self._groups) * costs.above
            + exponential[0] * costs.x_trace
            + exponential[1] * costs.y_trace
            + (self._xrows + self._groups) * costs.trace
        )
        self._neurons, self._program = neurons, program

    def cycles(
        self,
        steps: int,
        spikes: tuple[NDArray[np.int64], NDArray[np.int32]],
        events: Events,
        fired: NDArray[np.integer],
        on: bool,
    ) -> NDArray[np.int64]:
        """(steps,) cycles of each step.

        Args:
            steps: how many.
            spikes: steps, from 0 on, and numbers of all neurons that fired.
            events: the input.
            fired: numbers of the neurons that fired in the step before the first one.
            on: learning is on.
        """
        costs, own = self._costs, spikes[0] < steps
        step, neuron = spikes[0][own], spikes[1][own].astype(np.int64)
        (channels, channel_sends), (neurons, sends) = (kind[int(on)] for kind in self._senders)
        total = np.full(steps, self._every, np.int64)

        def add(at: NDArray[np.int64], cost: NDArray[np.int64]) -> None:
            here = at < steps
            total[:] += np.bincount(at[here], cost[here], steps).astype(np.int64)

        walked = np.where(channel_sends, costs.spike + channels, 0)
        add(events.spike_step, walked[events.spike_channel])
        walked = np.where(sends, costs.fired + neurons, 0)
        before = np.asarray(fired, np.int64)
        add(np.append(np.zeros(len(before), np.int64), step + 1),
            walked[np.append(before, neuron)])  # fmt: skip
        add(step, costs.told + sends[neuron] * costs.sends)
        if on and When.POST in self._whens:
            due = np.zeros((steps, self._neurons), np.bool_)
            due[step, neuron] = True
            taught = events.teacher_step < steps
            due[events.teacher_step[taught], events.teacher_neuron[taught]] = True
            column = costs.column[self._rounding] + self._xrows * costs.column_synapse
            total += costs.learns + self._groups * costs.scanned
            total += due[:, self._post].sum(axis=1) * column
        return total


def small_geometry(delay_slots: int) -> Geometry:
    """A small core on which steps take what they take on all with so many delay slots."""
    return Geometry(
        neurons=2, lanes=1, axons=2, rows=2, words=1, destinations=2, channels=2, profiles=1,
        state_bits=16, weight_bits=7, accumulator_bits=16, delay_slots=delay_slots, receptors=1,
        refractory_bits=8, adaptation=False, graded=False, exponents=0, shifts=0, linear=False,
        subtract=False, late=False, mask=False, rules=1, plastic=4, slots=2, code=2, factors=1,
        fraction=8, coefficient_bits=8, sum_bits=16, micro=True,
    )  # fmt: skip


def _sent(
    start: NDArray[np.int64],
    axon: NDArray[np.int64],
    plan: RowPlan,
    rows: NDArray[np.int64],
    destination: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of each sender the cycles of all its destinations, and whether it has any."""
    upto = np.append(0, np.cumsum(rows))
    of_axon = upto[plan.axon_start[1:]] - upto[plan.axon_start[:-1]]
    used = np.diff(plan.axon_start)[axon] > 0  # axons without rows are left out
    cost = np.append(0, np.cumsum(np.where(used, of_axon[axon] + destination, 0)))
    count = np.append(0, np.cumsum(used))
    return cost[start[1:]] - cost[start[:-1]], count[start[1:]] > count[start[:-1]]
