"""Learning on the NumPy kernel (docs/machine.md §7): all due synapses of a rule at once."""

from __future__ import annotations

from dataclasses import dataclass
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
from ...counter_hash import mix, random, step_term
from ...runtime.backend import LearningState
from .plastic import PlasticRows, RuleTable, Synapses, purpose
from .rows import ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.microcode import Group
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

    def seen(self, which: int) -> NDArray[np.int64]:
        """(n,) what products see."""
        return self.side.traces[which].values(self.stored[which], self.top)

    def take_up(self, event: NDArray[np.int64], step: int) -> None:
        """The neurons of ``event`` had one in this step."""
        for trace, stored, hashed in zip(
            self.side.traces, self.stored, self.side.hash, strict=True
        ):
            if trace.kind == TraceKind.WINDOW:
                stored <<= 1
                stored &= (1 << WINDOW) - 1
                stored[event] |= 1
            elif trace.kind == TraceKind.EXPONENTIAL:
                live = np.flatnonzero(stored)
                noise = mix(hashed[live] + step_term(step)).astype(np.int64) >> 20
                stored[live] = (stored[live] * (4096 - trace.decay) + noise) >> 12
                added = 0 if trace.replace else stored[event]
                stored[event] = np.minimum(added + trace.impulse, self.top)


class _Plastic:
    """One rule: its enabled synapses by presynaptic neuron and by position, and its traces."""

    def __init__(self, program: Program, rows: PlasticRows, number: int, flat: FlatMemory) -> None:
        self.table = table = RuleTable.of(program, number)
        self._flat = flat
        own = rows.of_rule(number)
        synapses = Synapses.of(program, rows, own[np.argsort(rows.table["pre"][own])])
        on = synapses.enabled(program, rows)
        row, place = synapses.row[on], synapses.place[on]
        dense = rows.table["kind"][row] == DENSE
        core = rows.core[row]
        self._at = place + np.where(dense, flat.dense_base[core], flat.sparse_base[core])
        self._pre = rows.table["pre"][row].astype(np.int64)
        self._post = table.post.index_of(program.neurons)[synapses.target[on]].astype(np.int64)
        self._row_delay = rows.table["delay"][row].astype(np.int64)
        self._sparse = ~dense
        self._pre_start = np.searchsorted(self._pre, np.arange(len(table.pre.key) + 1))
        self._by_post = np.argsort(self._post, kind="stable")
        self._post_start = np.searchsorted(
            self._post[self._by_post], np.arange(len(table.post.key) + 1)
        )
        self._pre_of = table.pre.index_of(program.neurons)
        self._position_of = table.post.index_of(program.neurons)
        self._groups = {when: table.groups(when) for when in When}
        top = program.target.trace_max
        self.x = _Values(table.pre, top, np.zeros((2, len(table.pre.key)), np.int64))
        self.y = _Values(table.post, top, np.zeros((2, len(table.post.key)), np.int64))
        self.fired_before = np.zeros(len(table.post.key), np.uint64)

    def step(
        self,
        t: int,
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
            x0 = np.unique(i[(i >= 0) & (i < len(table.pre.key))])
        else:
            x0 = _known(self._pre_of[arrived])
        y0 = self._delayed(_known(self._position_of[fired]))
        if state.on:
            event = np.zeros(len(table.post.key), np.int64)
            event[y0] = Condition.Y0
            event[_known(self._position_of[teacher])] |= Condition.T0
            due = np.flatnonzero(event)
            for when, synapses in (
                (When.PRE, lambda: _spans(self._pre_start, x0)),
                (When.POST, lambda: self._by_post[_spans(self._post_start, due)]),
                (When.EPOCH, lambda: np.arange(len(self._at))),
            ):
                if when == When.EPOCH and (t + 1) % (1 << rule.period_log2):
                    continue
                if self._groups[when]:
                    self._learn(t, when, synapses(), x0, event, state)
        self.x.take_up(x0, t)
        self.y.take_up(y0, t)

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
        t: int,
        when: When,
        which: NDArray[np.int64],
        x0: NDArray[np.int64],
        event: NDArray[np.int64],
        state: NumpyLearning,
    ) -> None:
        """The groups of one ``when`` for some synapses; all see the values from before."""
        if not len(which):
            return
        table, rule, at = self.table, self.table.rule, self._at[which]
        pre, post, flat = self._pre[which], self._post[which], self._flat
        before = {
            Changes.WEIGHT: flat.weight[at].astype(np.int64),
            Changes.TAG: flat.tag[at].astype(np.int64),
            Changes.DELAY: np.where(
                self._sparse[which], flat.delay[at], self._row_delay[which]
            ).astype(np.int64),
        }
        w = before[Changes.WEIGHT]
        arrives = np.zeros(len(table.pre.key), bool)
        arrives[x0] = True
        happened = event[post] | np.where(arrives[pre], Condition.X0, 0)
        values = {
            Factor.X1: lambda: self.x.seen(0)[pre],
            Factor.X2: lambda: self.x.seen(1)[pre],
            Factor.Y1: lambda: self.y.seen(0)[post],
            Factor.Y2: lambda: self.y.seen(1)[post],
            Factor.R: lambda: state.third_factor[table.post.neuron][post],
            Factor.M: lambda: state.modulator,
            Factor.W: lambda: w,
            Factor.ABOVE: lambda: rule.weight_max - w,
            Factor.BELOW: lambda: w - rule.weight_min,
            Factor.TAG: lambda: before[Changes.TAG],
            Factor.DELAY: lambda: before[Changes.DELAY],
        }
        numbers = (table.post.key[post], pre) if when == When.POST else (pre, table.post.key[post])
        after = {}
        for group in self._groups[when]:
            total = _sum(group, happened, values, len(at))
            change = self._rounded(group, t, total, *numbers)
            after[group.changes] = np.clip(
                before[group.changes] + change, *table.limits(group.changes)
            )
        memory = {
            Changes.WEIGHT: flat.weight,
            Changes.TAG: flat.tag,
            Changes.DELAY: flat.delay,
        }
        for changes, new in after.items():
            memory[changes][at] = new

    def _rounded(
        self,
        group: Group,
        t: int,
        total: NDArray[np.int64],
        key: NDArray[np.int64],
        n: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """(k,) ``total / 2^shift``, rounded as the rule says; ``key`` and ``n`` are hashed."""
        rounding, shift = self.table.rule.rounding, group.shift
        if shift == 0 or rounding == Rounding.FLOOR:
            return total >> shift
        if rounding == Rounding.NEAREST:
            return (total + (1 << (shift - 1))) >> shift
        first, seed = purpose(group.when, group.changes), self.table.rule.seed
        used, place = np.unique(key, return_inverse=True)
        a, b = (random(seed, t, used, first + k)[place.reshape(-1)] for k in (0, 1))
        q = a * n.astype(np.uint32) + b
        return (total + (q >> np.uint32(32 - shift))) >> shift


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
        self.third_factor = np.zeros(program.neurons, np.int64)

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
        for plastic in self._plastic:
            plastic.step(t, channels, arrived, fired, teacher, self)

    def write(self, state: LearningState) -> None:
        """Continue from ``state``, which has been checked."""
        self.on, self.modulator = bool(state.on), int(state.modulator)
        self.third_factor = state.third_factor.astype(np.int64)
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


def _spans(start: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
    """``start[k] … start[k + 1] - 1`` of each ``k`` of ``which``."""
    return ranges(start[which], start[which + 1] - start[which])


def _sum(
    group: Group, happened: NDArray[np.int64], values: dict[Factor, Any], size: int
) -> NDArray[np.int64]:
    """(k,) sum of a group's products."""
    total = np.zeros(size, np.int64)
    for product in group.products:
        term: Any = product.coefficient
        for factor in product.factors:
            value = values[Factor(factor & ~Factor.SIGN)]()
            term = term * (np.sign(value) if factor & Factor.SIGN else value)
        # A pre group is only evaluated where a spike arrives.
        needs = int(product.condition)
        total += np.where(happened & needs == needs, term, 0) if needs else term
    return total
