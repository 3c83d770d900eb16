"""Learning on the NumPy kernel (docs/machine.md §7): all due synapses of a rule at once.

In a step these are whole rows or columns, and most of what they need is the same for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.microcode import (
    WINDOW,
    Changes,
    Condition,
    Factor,
    Rounding,
    TraceKind,
    When,
)
from ...compiler.program import DENSE
from ...counter_hash import key_term, mix, step_term
from ...runtime.backend import LearningState
from .due import Due, Order
from .plastic import PlasticRows, RuleTable, Synapses, purpose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.microcode import Group, Product
    from ...compiler.program import Program
    from ...runtime.backend import Events
    from .plastic import Side
    from .rows import FlatMemory


@dataclass(eq=False)
class _Values:
    """What a rule's traces hold: ``stored`` (2, n) int64 numbers of the neurons of one side."""

    side: Side
    top: int
    stored: NDArray[np.int64]

    def seen(self, which: int) -> NDArray[np.int32]:
        """(n,) what products see."""
        return self.side.traces[which].values(self.stored[which], self.top).astype(np.int32)

    def take_up(self, event: NDArray[np.int64], of_step: NDArray[np.uint32]) -> None:
        """The neurons of ``event`` had one in this step, whose ``step_term`` is given."""
        for trace, stored, hashed in zip(
            self.side.traces, self.stored, self.side.hash, strict=True
        ):
            if trace.kind == TraceKind.WINDOW:
                stored <<= 1
                stored &= (1 << WINDOW) - 1
                stored[event] |= 1
            elif trace.kind == TraceKind.EXPONENTIAL:
                live = np.flatnonzero(stored)
                noise = mix(hashed[live] + of_step).astype(np.int64) >> 20
                stored[live] = (stored[live] * (4096 - trace.decay) + noise) >> 12
                added = 0 if trace.replace else stored[event]
                stored[event] = np.minimum(added + trace.impulse, self.top)


class _Plastic:
    """One rule: its enabled synapses by rows and by columns, and its traces."""

    def __init__(self, program: Program, rows: PlasticRows, number: int, flat: FlatMemory) -> None:
        self.table = table = RuleTable.of(program, number)
        self._flat = flat
        own = rows.of_rule(number)
        synapses = Synapses.of(program, rows, own[np.argsort(rows.table["pre"][own])])
        on = synapses.enabled(program, rows)
        row, place = synapses.row[on], synapses.place[on]
        dense = rows.table["kind"][row] == DENSE
        core = rows.core[row]
        at = place + np.where(dense, flat.dense_base[core], flat.sparse_base[core])
        self._pre_of = table.pre.index_of(program.neurons)
        self._position_of = table.post.index_of(program.neurons)
        pre = rows.table["pre"][row].astype(np.int64)
        post = self._position_of[synapses.target[on]].astype(np.int64)
        delay = np.where(dense, rows.table["delay"][row].astype(np.int64), -1)
        by_post = np.argsort(post, kind="stable")
        number_of_post = table.post.key.astype(np.uint32)
        by_row = Order(
            False, np.searchsorted(pre, np.arange(len(table.pre.key) + 1)),
            at, post, number_of_post[post], delay,
        )  # fmt: skip
        by_column = Order(
            True, np.searchsorted(post[by_post], np.arange(len(table.post.key) + 1)),
            at[by_post], pre[by_post], pre[by_post].astype(np.uint32), delay[by_post],
        )  # fmt: skip
        self._order = {When.PRE: by_row, When.POST: by_column, When.EPOCH: by_row}
        self._groups = {when: table.groups(when) for when in When}
        self._terms = {
            (when, group.changes): self._key_terms(when, group)
            for when, groups in self._groups.items()
            for group in groups
        }
        top = program.target.trace_max
        self.x = _Values(table.pre, top, np.zeros((2, len(table.pre.key)), np.int64))
        self.y = _Values(table.post, top, np.zeros((2, len(table.post.key)), np.int64))
        self.fired_before = np.zeros(len(table.post.key), np.uint64)

    def _key_terms(self, when: When, group: Group) -> NDArray[np.uint32]:
        """(2, n) what the owners contribute to a group's random numbers."""
        side = self.table.post if when == When.POST else self.table.pre
        first, seed = purpose(when, group.changes), self.table.rule.seed
        return np.stack([key_term(seed, side.key, first + k) for k in (0, 1)])

    def step(
        self,
        t: int,
        of_step: NDArray[np.uint32],
        channels: NDArray[np.int64],
        arrived: NDArray[np.int64],
        fired: NDArray[np.int64],
        teacher: NDArray[np.int64],
        state: NumpyLearning,
    ) -> None:
        """Learn with the traces of the step before; then let the traces take up this one's."""
        table, rule = self.table, self.table.rule
        if table.pre.first_channel >= 0:
            i = channels - table.pre.first_channel
            i = i[(i >= 0) & (i < len(table.pre.key))]
        else:
            i = _known(self._pre_of[arrived])
        arrives = np.zeros(len(table.pre.key), bool)
        arrives[i] = True
        x0 = np.flatnonzero(arrives)
        y0 = self._delayed(_known(self._position_of[fired]))
        if state.on:
            event = np.zeros(len(table.post.key), np.int8)
            event[y0] = Condition.Y0
            event[_known(self._position_of[teacher])] |= Condition.T0
            for when, owners in (
                (When.PRE, x0),
                (When.POST, np.flatnonzero(event)),
                (When.EPOCH, np.arange(len(table.pre.key))),
            ):
                if when == When.EPOCH and (t + 1) % (1 << rule.period_log2):
                    continue
                if self._groups[when] and len(owners):
                    self._learn(of_step, when, owners, arrives, event, state)
        self.x.take_up(x0, of_step)
        self.y.take_up(y0, of_step)

    def _delayed(self, fired: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions that fired ``post_delay`` steps ago; remembers those that fire now."""
        delay = self.table.rule.post_delay
        if not delay:
            return fired
        before = self.fired_before
        due = np.flatnonzero(before >> np.uint64(delay - 1) & np.uint64(1))
        before <<= np.uint64(1)
        before &= np.uint64((1 << delay) - 1)
        before[fired] |= np.uint64(1)
        return due

    def _learn(
        self,
        of_step: NDArray[np.uint32],
        when: When,
        owners: NDArray[np.int64],
        arrives: NDArray[np.bool_],
        event: NDArray[np.int8],
        state: NumpyLearning,
    ) -> None:
        """The groups of one ``when``, for all synapses of some; all see the values from before."""
        due = Due(self._order[when], owners)
        table, rule, flat = self.table, self.table.rule, self._flat

        @cache
        def weight() -> NDArray[np.int32]:
            return flat.weight.take(due.at).astype(np.int32)

        @cache
        def delay() -> NDArray[np.int32]:
            fixed = due.order.fixed_delay.take(due.which)
            return np.where(fixed < 0, flat.delay.take(due.at), fixed).astype(np.int32)

        values = {
            Factor.X1: lambda: due.pre(self.x.seen(0)),
            Factor.X2: lambda: due.pre(self.x.seen(1)),
            Factor.Y1: lambda: due.post(self.y.seen(0)),
            Factor.Y2: lambda: due.post(self.y.seen(1)),
            Factor.R: lambda: due.post(state.third_factor[table.post.neuron]),
            Factor.M: lambda: state.modulator,
            Factor.W: weight,
            Factor.ABOVE: lambda: rule.weight_max - weight(),
            Factor.BELOW: lambda: weight() - rule.weight_min,
            Factor.TAG: lambda: flat.tag.take(due.at).astype(np.int32),
            Factor.DELAY: delay,
        }
        memory = {
            Changes.WEIGHT: flat.weight,
            Changes.TAG: flat.tag,
            Changes.DELAY: flat.delay,
        }
        after = []
        for group in self._groups[when]:
            total = np.zeros(len(due.at), np.int32)
            for product in group.products:
                total += _product(product, due, values, arrives, event)
            held = memory[group.changes]
            new = self._rounded(when, group, total, due, of_step)
            new += held.take(due.at) if group.changes != Changes.DELAY else delay()
            low, high = table.limits(group.changes)
            after.append((held, np.minimum(np.maximum(new, low), high)))
        for held, new in after:
            held[due.at] = new

    def _rounded(
        self,
        when: When,
        group: Group,
        total: NDArray[np.int32],
        due: Due,
        of_step: NDArray[np.uint32],
    ) -> NDArray[np.signedinteger]:
        """(k,) ``total / 2^shift``, rounded as the rule says; 32 bits hold it (machine.md §7)."""
        rounding, shift = self.table.rule.rounding, group.shift
        if shift and rounding == Rounding.NEAREST:
            total += 1 << (shift - 1)
        elif shift and rounding == Rounding.STOCHASTIC:
            q = due.noise(self._terms[when, group.changes], of_step)
            total += (q >> np.uint32(32 - shift)).view(np.int32)
        # Where nothing is shifted out, the sum alone may take the 32 bits.
        return total >> shift if shift else total.astype(np.int64)


class NumpyLearning:
    """The rules of a Program on NumPy.

    Args:
        program: a verified Program with rules.
        flat: its weights, tags and delays, in which learning writes.
    """

    def __init__(self, program: Program, flat: FlatMemory) -> None:
        self._program, self._flat = program, flat
        rows = PlasticRows.of(program)
        self._plastic = [_Plastic(program, rows, k, flat) for k in range(len(program.rules))]
        self.on, self.modulator = True, 0
        self.third_factor = np.zeros(program.neurons, np.int32)

    def take_input(
        self, events: Events, teacher: slice, factor: slice, modulator: slice
    ) -> NDArray[np.int64]:
        """Write third factors and the modulator; who has a teacher event."""
        self.third_factor[events.factor_neuron[factor]] = events.factor_value[factor]
        for value in events.modulator_value[modulator]:
            self.modulator = int(value)
        return events.teacher_neuron[teacher].astype(np.int64)

    def step(self, t: int, *events: NDArray[np.int64]) -> None:
        """One step; who fired: channels, neurons before, neurons now, and teacher events."""
        channels, arrived, fired, teacher = events
        of_step = step_term(t)
        for plastic in self._plastic:
            plastic.step(t, of_step, channels, arrived, fired, teacher, self)

    def write(self, state: LearningState) -> None:
        """Continue from ``state``, which has been checked."""
        self.on, self.modulator = bool(state.on), int(state.modulator)
        self.third_factor = state.third_factor.astype(np.int32)
        for plastic in self._plastic:
            pre, post = plastic.table.pre, plastic.table.post
            plastic.x.stored[:] = state.x[pre.rows].T
            plastic.y.stored[:] = state.y[post.rows][post.key].T
            plastic.fired_before[:] = state.fired_before[post.rows][post.key]
        self._flat.write_tags(state.sparse_tag, state.dense_tag)

    def fired_before(self) -> NDArray[np.uint64]:
        """``LearningState.fired_before``."""
        before = np.zeros(int(self._program.trace_start[-1, 1]), np.uint64)
        for plastic in self._plastic:
            post = plastic.table.post
            before[post.rows][post.key] = plastic.fired_before
        return before

    def read(self) -> LearningState:
        """A copy of the state."""
        state = LearningState.initial(self._program)
        assert state is not None
        for plastic in self._plastic:
            pre, post = plastic.table.pre, plastic.table.post
            state.x[pre.rows] = plastic.x.stored.T
            state.y[post.rows][post.key] = plastic.y.stored.T
        sparse, dense = self._flat.read_tags()
        return LearningState(
            on=self.on,
            x=state.x,
            y=state.y,
            fired_before=self.fired_before(),
            third_factor=self.third_factor.astype(np.int16),
            modulator=self.modulator,
            sparse_tag=sparse,
            dense_tag=dense,
        )


def _known(numbers: NDArray[np.int32]) -> NDArray[np.int64]:
    """Those that are not -1."""
    return numbers[numbers >= 0].astype(np.int64)


def _product(
    product: Product,
    due: Due,
    values: dict[Factor, Any],
    arrives: NDArray[np.bool_],
    event: NDArray[np.int8],
) -> Any:
    """(k,) one product, or a number that is the same for all."""
    term: Any = product.coefficient
    for factor in product.factors:
        value = values[Factor(factor & ~Factor.SIGN)]()
        term = term * (np.sign(value) if factor & Factor.SIGN else value)
    # Rows are due only where a spike arrives, and without a condition in epochs; columns for
    # either event.
    if due.order.columns:
        needs = int(product.condition & ~Condition.X0)
        holds = event.take(due.owner) & needs == needs
        if not holds.all():
            term = term * due.owned(event & needs == needs)
        if product.condition & Condition.X0:
            term = term * due.pre(arrives)
    return term
