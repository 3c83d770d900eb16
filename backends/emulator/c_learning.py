"""Learning on the compiled kernel: what ``learn.c`` works on, and its state."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.microcode import Changes, Condition, Factor, Trace, TraceKind, When
from ...compiler.program import DENSE, SPARSE
from ...counter_hash import salt
from ...runtime.backend import LearningState
from . import native
from .plastic import PlasticRows, RuleTable, Synapses, purpose

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        self._keep: list[Any] = [weights]
        self._rows = PlasticRows.of(program)
        self._tables = [RuleTable.of(program, k) for k in range(len(program.rules))]
        self._position_of = [t.post.index_of(program.neurons) for t in self._tables]
        self._tags = [
            (np.zeros(len(c.sparse_enable), np.int8), np.zeros(len(c.dense_enable), np.int8))
            for c in program.cores
        ]
        self._all_enabled = self._fully_enabled()
        self._memories = self._fill_memories(weights)
        self._y: list[dict[str, NDArray]] = []
        self._x: list[list[NDArray]] = []
        self._rules = (native.Rule * len(self._tables))(*map(self._rule, self._tables))
        threads = range(len(targets) - 1)
        self._parts = [self._fill_parts(k) for k in threads]
        self._lane_rules = [self._fill_lane(k) for k in threads]
        self._factors = np.zeros(program.neurons, np.int16)

    def numbers(self) -> list[NDArray[np.int32]]:
        """Per core (rows,) numbers of plastic row groups, -1 for static ones."""
        numbers = [np.full(len(c.rows), -1, np.int32) for c in self._program.cores]
        for number, (core, row) in enumerate(zip(self._rows.core, self._rows.row, strict=True)):
            numbers[core][row] = number
        return numbers

    def attach(self, machine: native.Machine) -> None:
        """Let a machine learn with these rules."""
        machine.rules, machine.rule_count = ctypes.addressof(self._rules), len(self._tables)
        machine.memories = ctypes.addressof(self._memories)
        for k, (parts, rules) in enumerate(zip(self._parts, self._lane_rules, strict=True)):
            machine.lanes[k].parts = parts.ctypes.data
            machine.lanes[k].rules = ctypes.addressof(rules)

    def _address(self, array: NDArray) -> int:
        """Where an array is, which is kept from now on."""
        assert array.flags.c_contiguous
        self._keep.append(array)
        return array.ctypes.data

    def _addresses(self, arrays: Sequence[NDArray]) -> ctypes.Array[ctypes.c_void_p]:
        return (ctypes.c_void_p * len(arrays))(*map(self._address, arrays))

    # -- synapses ---------------------------------------------------------------------------------

    def _fully_enabled(self) -> NDArray[np.bool_]:
        """(r,) rows of which every synapse may change."""
        table, full = self._rows.table, np.zeros(len(self._rows.table), bool)
        for number, core in enumerate(self._program.cores):
            for kind, bits in ((SPARSE, core.sparse_enable), (DENSE, core.dense_enable)):
                own = np.flatnonzero((self._rows.core == number) & (table["kind"] == kind))
                total = np.concatenate([[0], np.cumsum(bits, dtype=np.int64)])
                low, count = table["offset"][own], table["count"][own]
                full[own] = total[low + count] - total[low] == count
        return full

    def _fill_memories(self, weights: tuple[CoreWeights, ...]) -> ctypes.Array[native.Memory]:
        memories = (native.Memory * (2 * len(weights)))()
        for number, (core, weight) in enumerate(zip(self._program.cores, weights, strict=True)):
            delay = core.sparse_delay if weight.delay is None else weight.delay
            for kind, values, bits in (
                (SPARSE, weight.sparse, core.sparse_enable),
                (DENSE, weight.dense, core.dense_enable),
            ):
                memory = memories[2 * number + kind]
                memory.weight, memory.bytes = self._address(values), values.dtype.itemsize
                memory.tag = self._address(self._tags[number][kind])
                memory.enable = self._address(np.ascontiguousarray(bits))
                if kind == SPARSE:
                    memory.delay = self._address(np.ascontiguousarray(delay))
        return memories

    def _fill_parts(self, thread: int) -> NDArray[np.void]:
        """Every plastic row's synapses onto the targets of one thread."""
        program, rows, table = self._program, self._rows, self._rows.table
        low, high = self._targets[thread : thread + 2].tolist()
        parts = np.zeros(len(table), np.dtype(native.Part))
        for name in ("pre", "receptor", "exponent", "delay"):
            parts[name] = table[name]
        parts["memory"] = 2 * rows.core + table["kind"]
        parts["all_enabled"] = self._all_enabled
        for number, position_of in enumerate(self._position_of):
            dense = rows.of_rule(number, DENSE)
            first = program.core_base[rows.core[dense]] + table["base"][dense].astype(np.int64)
            begin = np.clip(first, low, high)
            parts["offset"][dense] = table["offset"][dense] + begin - first
            parts["count"][dense] = np.clip(first + table["count"][dense], low, high) - begin
            parts["first_target"][dense] = begin
            position = np.append(position_of, 0)[begin]
            parts["first_position"][dense] = position

            sparse = rows.of_rule(number, SPARSE)
            synapses = Synapses.of(program, rows, sparse)
            own = (synapses.target >= low) & (synapses.target < high)
            counts = np.bincount(synapses.row[own], minlength=len(table))[sparse]
            start = np.cumsum(counts) - counts
            parts["count"][sparse], parts["offset"][sparse] = counts, table["offset"][sparse]
            target = synapses.target[own]
            for name, values, size in (
                ("target", target.astype(np.int32), 4),
                ("position", position_of[target], 4),
                ("place", synapses.place[own], 8),
            ):
                if name != "place" or len(self._targets) > 2:
                    parts[name][sparse] = self._address(values) + size * start
        return parts

    def _rectangles(self, table: RuleTable) -> dict[str, Any]:
        """Dense rows sorted by what they reach, and who is reached by which."""
        rows, positions = self._rows, len(table.post.key)
        dense = rows.of_rule(table.number, DENSE)
        shape = np.stack(
            [rows.core[dense], *(rows.table[name][dense].astype(np.int64) for name in _SHAPE)]
        )
        kinds, kind = np.unique(shape, axis=1, return_inverse=True)
        kind = kind.reshape(-1)
        order = dense[np.argsort(kind, kind="stable")]
        count = np.bincount(kind, minlength=kinds.shape[1])
        start = np.cumsum(count) - count
        rectangles = np.zeros(len(count), np.dtype(native.Rectangle))
        offset = rows.table["offset"][order].astype(np.int64)
        pre = rows.table["pre"][order].astype(np.int32)
        rectangles["offset"] = self._address(offset) + 8 * start
        rectangles["pre"] = self._address(pre) + 4 * start
        rectangles["rows"], rectangles["memory"] = count, 2 * kinds[0] + DENSE
        first = self._position_of[table.number][self._program.core_base[kinds[0]] + kinds[1]]
        rectangles["first_position"] = first
        part = np.bincount(kind, self._all_enabled[dense], minlength=len(count))
        rectangles["all_enabled"] = part == count
        size = len(table.pre.key)
        for number, begin in enumerate(start.tolist()):
            rectangles["complete"][number] = count[number] == size and np.array_equal(
                pre[begin : begin + size], np.arange(size)
            )
        width = kinds[2]
        member = np.repeat(np.arange(len(count)), width)
        position = np.repeat(first - (np.cumsum(width) - width), width) + np.arange(len(member))
        order = np.argsort(position, kind="stable")
        first_of = np.searchsorted(position[order], np.arange(positions + 1))
        return {
            "rectangle": self._address(rectangles),
            "rectangles": self._address(member[order].astype(np.int32)),
            "first_rectangle": self._address(first_of.astype(np.int64)),
        }

    def _columns(self, table: RuleTable) -> dict[str, Any]:
        """Enabled sparse synapses sorted by whom they reach."""
        rows, positions = self._rows, len(table.post.key)
        synapses = Synapses.of(self._program, rows, rows.of_rule(table.number, SPARSE))
        on = synapses.enabled(self._program, rows)
        position = self._position_of[table.number][synapses.target[on]]
        order = np.argsort(position, kind="stable")
        first = np.searchsorted(position[order], np.arange(positions + 1))
        pre = rows.table["pre"][synapses.row[on][order]]
        neurons = table.post.neuron
        core = np.searchsorted(self._program.core_base, neurons, side="right") - 1
        return {
            "first_place": self._address(first.astype(np.int64)),
            "place": self._address(synapses.place[on][order]),
            "pre": self._address(pre.astype(np.int32)),
            "sparse_memory": self._address((2 * core + SPARSE).astype(np.int32)),
        }

    # -- rules ------------------------------------------------------------------------------------

    def _rule(self, table: RuleTable) -> native.Rule:
        rule, post = table.rule, table.post
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
        parts = self._rows.of_rule(table.number)
        parts = parts[np.argsort(self._rows.table["pre"][parts], kind="stable")]
        first_part = np.searchsorted(
            self._rows.table["pre"][parts], np.arange(len(table.pre.key) + 1)
        )
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
            pre_of=self._address(table.pre.index_of(self._program.neurons)),
            position_of=self._address(self._position_of[table.number]),
            key=self._address(post.key.astype(np.int32)),
            x_hash=self._addresses(table.pre.hash),
            y_hash=self._addresses(post.hash),
            first_part=self._address(first_part.astype(np.int64)),
            parts=self._address(parts.astype(np.int32)),
            **self._rectangles(table),
            **self._columns(table),
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
        made.y_stored, made.y = self._addresses(arrays["stored"]), self._addresses(arrays["value"])
        for name in ("third_factor", "event", "fired_before"):
            setattr(made, name, self._address(arrays[name]))
        return made

    def _fill_lane(self, thread: int) -> ctypes.Array[native.LaneRule]:
        """One thread's positions and its copies of the presynaptic traces."""
        bounds = self._targets[thread : thread + 2]
        own = (native.LaneRule * len(self._tables))()
        self._x.append([])
        for lane, table in zip(own, self._tables, strict=True):
            lane.position, lane.position_end = np.searchsorted(table.post.neuron, bounds).tolist()
            n = len(table.pre.key)
            x = np.zeros((4, n), np.uint32)
            lane.x_stored, lane.x = self._addresses(x[:2]), self._addresses(x[2:])
            lane.x_event = self._address(np.zeros(n, np.int32))
            lane.x_live = self._address(np.zeros(n, np.int32))
            lane.x_list = self._address(np.zeros(n, np.int32))
            lane.live_list = self._address(np.zeros(n + 1, np.int32))
            lane.y_list = self._address(np.zeros(len(table.post.key), np.int32))
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
        for mine, tags in zip(self._tags, given, strict=True):
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
            state.fired_before[post.rows][post.key] = y["fired_before"]
        return LearningState(
            on=bool(machine.learning),
            x=state.x,
            y=state.y,
            fired_before=state.fired_before,
            third_factor=state.third_factor,
            modulator=int(machine.modulator),
            sparse_tag=tuple(sparse.copy() for sparse, _ in self._tags),
            dense_tag=tuple(dense.copy() for _, dense in self._tags),
        )

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


_SHAPE = ("base", "count")


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
