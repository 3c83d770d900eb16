"""Learning on the compiled kernel: what ``learn.c`` works on, and its state."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.microcode import Changes, Condition, Factor, Trace, TraceKind, When
from ...counter_hash import salt
from ...runtime.backend import LearningState
from . import native
from .c_synapses import CSynapses
from .plastic import RuleTable, purpose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import CoreWeights, Events
    from .plastic import Side

_EVENT = 11
"""V_EVENT of kernel.h."""
_VALUE_OF = {Changes.WEIGHT: Factor.W, Changes.TAG: Factor.TAG, Changes.DELAY: Factor.DELAY}


class CLearning:
    """The rules of one Program, its plastic synapses and the traces.

    Args:
        program: a verified Program with rules.
        weights: mantissas and delays per core, in which learning writes.
        targets: (threads + 1,) first target of each thread.
    """

    def __init__(
        self, program: Program, weights: tuple[CoreWeights, ...], targets: NDArray[np.int64]
    ) -> None:
        self._program, self._targets = program, targets
        self._tables = [RuleTable.of(program, k) for k in range(len(program.rules))]
        self._synapses = CSynapses(program, weights, targets, self._tables)
        self._keep: list[Any] = []
        self._y: list[dict[str, NDArray]] = []
        self._x: list[list[NDArray]] = []
        self._rules = (native.Rule * len(self._tables))(*map(self._rule, self._tables))
        threads = range(len(targets) - 1)
        self._parts = [self._synapses.parts_of(k) for k in threads]
        self._lane_rules = [self._fill_lane(k) for k in threads]
        self._factors = np.zeros(program.neurons, np.int16)

    def numbers(self) -> list[NDArray[np.int32]]:
        """Per core (rows,) numbers of plastic row groups, -1 for static ones."""
        return self._synapses.numbers()

    @property
    def bytes(self) -> int:
        """Memory of plastic synapses, of what leads to them, and of traces."""
        return self._synapses.bytes + sum(parts.nbytes for parts in self._parts)

    def attach(self, machine: native.Machine) -> None:
        """Let a machine learn with these rules."""
        machine.rules, machine.rule_count = ctypes.addressof(self._rules), len(self._tables)
        machine.memories = ctypes.addressof(self._synapses.memories)
        for k, (parts, rules) in enumerate(zip(self._parts, self._lane_rules, strict=True)):
            machine.lanes[k].parts = parts.ctypes.data
            machine.lanes[k].rules = ctypes.addressof(rules)

    def _rule(self, table: RuleTable) -> native.Rule:
        rule, post, synapses = table.rule, table.post, self._synapses
        groups = (native.Group * len(rule.groups))()
        products = (native.Product * sum(len(g.products) for g in rule.groups))()
        used = 0
        for plain, group in zip(groups, rule.groups, strict=True):
            plain.changes, plain.shift = int(group.changes), group.shift
            plain.first, plain.count = used, len(group.products)
            for product in group.products:
                products[used].coefficient = product.coefficient
                products[used].condition = int(product.condition)
                products[used].factors = len(product.factors)
                products[used].factor[: len(product.factors)] = [int(f) for f in product.factors]
                used += 1
        self._keep += [groups, products]
        when = [int(group.when) for group in rule.groups]
        limits = [table.limits(changes) for changes in Changes]
        made = native.Rule(
            group=ctypes.addressof(groups),
            product=ctypes.addressof(products),
            first_group=tuple(np.searchsorted(when, range(4)).tolist()),
            needs=tuple(_needs(table, one) for one in When),
            skips=table.skips(),
            rounding=int(rule.rounding),
            low=tuple(low for low, _ in limits),
            high=tuple(high for _, high in limits),
            post_delay=rule.post_delay,
            period=1 << rule.period_log2,
            trace_max=self._program.target.trace_max,
            pre_size=len(table.pre.key),
            first_channel=table.pre.first_channel,
            x_fading=tuple(map(_fading, table.pre.traces)),
            y_fading=tuple(map(_fading, post.traces)),
            pre_of=synapses.address(table.pre.index_of(self._program.neurons)),
            position_of=synapses.address(post.index_of(self._program.neurons)),
            key=synapses.address(post.key.astype(np.int32)),
            x_hash=synapses.addresses(table.pre.hash),
            y_hash=synapses.addresses(post.hash),
            **synapses.by_pre(table),
            **synapses.rectangles(table),
            **synapses.columns(table),
        )
        for one in When:
            for changes in Changes:
                for k in range(2):
                    word = salt(rule.seed, purpose(one, changes) + k)
                    made.salt[one][changes][k] = int(word[0])
        n = len(post.key)
        arrays = {
            "stored": np.zeros((2, n), np.uint32),
            "value": np.zeros((2, n), np.int32),
            "third_factor": np.zeros(n, np.int32),
            "event": np.zeros(n, np.int32),
            "fired_before": np.zeros(n, np.uint64),
        }
        self._y.append(arrays)
        made.y_stored, made.y = (
            synapses.addresses(arrays["stored"]),
            synapses.addresses(arrays["value"]),
        )
        for name in ("third_factor", "event", "fired_before"):
            setattr(made, name, synapses.address(arrays[name]))
        return made

    def _fill_lane(self, thread: int) -> ctypes.Array[native.LaneRule]:
        """One thread's positions and its copies of the presynaptic traces."""
        bounds = self._targets[thread : thread + 2]
        own, synapses = (native.LaneRule * len(self._tables))(), self._synapses
        self._x.append([])
        for lane, table in zip(own, self._tables, strict=True):
            lane.position, lane.position_end = np.searchsorted(table.post.neuron, bounds).tolist()
            n = len(table.pre.key)
            x = np.zeros((4, n), np.uint32)
            lane.x_stored, lane.x = synapses.addresses(x[:2]), synapses.addresses(x[2:])
            lane.x_event = synapses.address(np.zeros(n, np.int32))
            lane.x_live = synapses.address(np.zeros(n, np.int32))
            lane.x_list = synapses.address(np.zeros(n, np.int32))
            lane.live_list = synapses.address(np.zeros(n + 1, np.int32))
            lane.y_list = synapses.address(np.zeros(len(table.post.key), np.int32))
            self._x[-1].append(x)
        return own

    # -- state and input --------------------------------------------------------------------------

    def write(self, state: LearningState, machine: native.Machine) -> None:
        """Continue from ``state``, which has been checked."""
        machine.learning, machine.modulator = bool(state.on), int(state.modulator)
        self._factors = state.third_factor.copy()
        top = self._program.target.trace_max
        for number, table in enumerate(self._tables):
            pre, post, y = table.pre, table.post, self._y[number]
            for k in range(2):
                x = state.x[pre.rows, k]
                for copies in self._x:
                    copies[number][k] = x
                    copies[number][2 + k] = _seen(pre, k, x, top)
                y["stored"][k] = state.y[post.rows, k][post.key]
                y["value"][k] = _seen(post, k, y["stored"][k], top)
            y["fired_before"][:] = state.fired_before[post.rows][post.key]
            y["third_factor"][:] = state.third_factor[post.neuron]
        given = zip(state.sparse_tag, state.dense_tag, strict=True)
        for mine, tags in zip(self._synapses.tags, given, strict=True):
            for tag, values in zip(mine, tags, strict=True):
                tag[:] = values

    def read(self, machine: native.Machine) -> LearningState:
        """A copy of the state."""
        state = LearningState.initial(self._program)
        assert state is not None
        state.third_factor[:] = self._factors
        for number, table in enumerate(self._tables):
            pre, post = table.pre, table.post
            x, y = self._x[0][number], self._y[number]
            for k in range(2):
                exponential = pre.traces[k].kind == TraceKind.EXPONENTIAL
                state.x[pre.rows, k] = x[2 + k if exponential else k]
                exponential = post.traces[k].kind == TraceKind.EXPONENTIAL
                values = y["value" if exponential else "stored"][k]
                state.y[post.rows, k][post.key] = values
        return LearningState(
            on=bool(machine.learning),
            x=state.x,
            y=state.y,
            fired_before=self.fired_before(),
            third_factor=state.third_factor,
            modulator=int(machine.modulator),
            sparse_tag=tuple(sparse.copy() for sparse, _ in self._synapses.tags),
            dense_tag=tuple(dense.copy() for _, dense in self._synapses.tags),
        )

    def fired_before(self) -> NDArray[np.uint64]:
        """``LearningState.fired_before``."""
        before = np.zeros(int(self._program.trace_start[-1, 1]), np.uint64)
        for table, y in zip(self._tables, self._y, strict=True):
            before[table.post.rows][table.post.key] = y["fired_before"]
        return before

    def take_input(self, machine: native.Machine, events: Events) -> list[NDArray]:
        """Hand a run's learning input to the machine; the arrays must outlive the run."""
        inputs = {
            "teacher_step": (events.teacher_step + machine.step).astype(np.uint64),
            "teacher_neuron": np.ascontiguousarray(events.teacher_neuron, np.int32),
            "factor_step": (events.factor_step + machine.step).astype(np.uint64),
            "factor_neuron": np.ascontiguousarray(events.factor_neuron, np.int32),
            "factor_value": np.ascontiguousarray(events.factor_value, np.int32),
            "modulator_step": (events.modulator_step + machine.step).astype(np.uint64),
            "modulator_value": np.ascontiguousarray(events.modulator_value, np.int32),
        }
        for name, array in inputs.items():
            setattr(machine, name, array.ctypes.data)
        machine.teachers, machine.factors = len(events.teacher_step), len(events.factor_step)
        machine.modulators = len(events.modulator_step)
        return list(inputs.values())

    def finish(self, events: Events, steps: int) -> None:
        """After ``steps`` steps: keep the third factors, also of neurons that no rule has."""
        due = events.factor_step < steps
        self._factors[events.factor_neuron[due]] = events.factor_value[due]


def _fading(trace: Trace) -> native.Fading:
    table = tuple(trace.table)
    return native.Fading(
        kind=int(trace.kind),
        replace=bool(trace.replace),
        impulse=trace.impulse,
        keep=4096 - trace.decay,
        ages=len(table),
        table=table,
    )


def _seen(side: Side, k: int, stored: NDArray[np.uint32], top: int) -> NDArray[np.int64]:
    """What products see of a trace's stored numbers."""
    return side.traces[k].values(stored.astype(np.int64), top)


def _needs(table: RuleTable, when: When) -> int:
    """Bits of all factors that the groups of one ``when`` read."""
    bits = 0
    for group in table.groups(when):
        bits |= 1 << _VALUE_OF[group.changes]
        for product in group.products:
            for factor in map(int, product.factors):
                bits |= 1 << factor | 1 << (factor & ~Factor.SIGN)
            if when == When.POST and product.condition & Condition.X0:
                bits |= 1 << _EVENT
    if bits >> Factor.ABOVE & 1 or bits >> Factor.BELOW & 1:
        bits |= 1 << Factor.W
    return bits
