"""Rules, plastic synapses and traces of a Program as memory contents of the generated hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.microcode import WINDOW, Changes, Rounding, TraceKind, When
from ..compiler.program import DENSE, SPARSE
from ..compiler.program_needs import rule_needs, traces
from ..counter_hash import LEARNING, TRACE_DECAY, key_term, salt
from ..hdl.geometry import index_bits
from ..hdl.learning_tables import (
    HISTORY,
    INDEX_BITS,
    SALTS,
    TRACES,
    WHENS,
)
from .backend import CoreWeights, LearningState
from .learning_code import encode_product
from .row_plan import sparse_layers, turns

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from ..compiler.microcode import LearningRule
    from ..compiler.program import Program
    from ..hdl.geometry import Geometry
    from ..hdl.layout import Table
    from .row_plan import RowPlan

    Columns = list[NDArray[np.uint32]]


@dataclass(frozen=True, eq=False)
class RulePlace:
    """Where one rule's things are.

    Attributes:
        rows: numbers of its rows in the plan, in the order of their entries.
        xgroup, xgroups: groups of P rows.
        ygroup, group, groups: groups of P neurons: the first among the y tables, and of the core.
        base: its first square.
        members: (size,) entries of the y tables of its postsynaptic neurons.
        slots: (size,) their slots.
    """

    rows: NDArray[np.int64]
    xgroup: int
    xgroups: int
    ygroup: int
    group: int
    groups: int
    base: int
    members: NDArray[np.int64]
    slots: NDArray[np.int64]


class LearningImage:
    """What one core needs to learn.

    Attributes:
        places: of each rule.
        entry: (rows of the plan,) entry of a plastic row in ``walk``; 0 of others.
        slots: groups of rows, or of neurons, whichever are more.
        squares: of P by P plastic synapses.
        needs: fields of the Geometry and what they must be at least.
    """

    def __init__(
        self, program: Program, geometry: Geometry, tables: dict[str, Table], plan: RowPlan
    ) -> None:
        self.program, self.geometry, self.tables, self.plan = program, geometry, tables, plan
        self.core = program.cores[0]
        self._place()
        self._place_synapses()
        self.needs = self.needs_with(geometry.factors, geometry.fraction)

    # ------------------------------------------------------------------ placing

    def _place(self) -> None:
        plan, P = self.plan, self.geometry.lanes
        self.places: list[RulePlace] = []
        self.entry = np.zeros(len(plan.row), np.int64)
        xgroup = ygroup = base = 0
        for number, rule in enumerate(self.program.rules, 1):
            own = np.flatnonzero(plan.rule == number)
            # First the first row of each neuron, then the second ones: each by neuron.
            own = own[np.lexsort((plan.pre[own], turns(plan.pre[own])))]
            post = self.program.population(self.program.projections[rule.projection].post)
            assert post is not None
            slots = post.slot.astype(np.int64)
            group = int(slots.min()) // P
            groups = int(slots.max()) // P - group + 1
            xgroups = -(-len(own) // P)
            members = (ygroup + slots // P - group) * P + slots % P
            self.entry[own] = xgroup * P + np.arange(len(own))
            self.places.append(
                RulePlace(own, xgroup, xgroups, ygroup, group, groups, base, members, slots)
            )
            xgroup, ygroup = xgroup + xgroups, ygroup + groups
            base += xgroups * groups
        self.slots, self.squares = max(xgroup, ygroup), base

    def _place_synapses(self) -> None:
        """The entry in `plastic` of each plastic synapse, sparse and dense."""
        core, plan, P = self.core, self.plan, self.geometry.lanes
        rows = core.rows
        layer = sparse_layers(core)
        row_of = {
            (int(row), int(at)): number
            for number, (row, at) in enumerate(zip(plan.row, plan.layer, strict=True))
            if row >= 0 and plan.rule[number]
        }
        found: dict[int, tuple[list[NDArray], list[NDArray]]] = {SPARSE: ([], []), DENSE: ([], [])}
        delays: list[NDArray] = []
        for number in np.flatnonzero(rows["rule"]):
            row = rows[number]
            place = self.places[int(row["rule"]) - 1]
            at = np.arange(int(row["offset"]), int(row["offset"]) + int(row["count"]))
            kind = int(row["kind"])
            if kind == DENSE:
                slot = int(row["base"]) + np.arange(len(at))
                walked = np.full(len(at), row_of[int(number), 0])
                delays.append(np.full(len(at), int(row["delay"])))
            else:
                slot = core.sparse_target[at].astype(np.int64)
                walked = np.array([row_of[int(number), int(k)] for k in layer[at]], np.int64)
            turn = self.entry[walked] - place.xgroup * P
            square = place.base + turn // P * place.groups + slot // P - place.group
            a, lane = turn % P, slot % P
            found[kind][0].append(at)
            found[kind][1].append((square * P + a) * P + (a ^ lane))
        none = [np.zeros(0, np.int64)]
        self.sparse, self.sparse_entry = (np.concatenate(none + f) for f in found[SPARSE])
        self.dense, self.dense_entry = (np.concatenate(none + f) for f in found[DENSE])
        self._dense_delay = np.concatenate(none + delays)

    def needs_with(self, factors: int, fraction: int) -> dict[str, int]:
        """``needs`` of a core with so many factors and bits behind the binary point."""
        rules = self.program.rules
        return {
            "rules": len(rules),
            "plastic": self.squares * self.geometry.lanes,
            "slots": self.slots,
            "code": sum(len(group.products) for rule in rules for group in rule.groups),
            "delays": int(self._needs_delays()),
            "scattered": int(self._scattered()),
            **rule_needs(rules, self.program.target, factors, fraction),
        }

    def _scattered(self) -> bool:
        """Whether neurons' numbers do not follow from their places."""
        for place in self.places:
            pre = self.plan.pre[place.rows]
            if not np.array_equal(pre, np.arange(len(pre))):
                return True
            if not np.array_equal(place.slots, place.slots[0] + np.arange(len(place.slots))):
                return True
        return False

    def _needs_delays(self) -> bool:
        """Whether synapses of a row differ in their delays, or rules ask for them."""
        if any(rule.needs_delays for rule in self.program.rules):
            return True
        rows = self.core.rows
        for row in rows[(rows["rule"] > 0) & (rows["kind"] == SPARSE)]:
            start = int(row["offset"])
            own = self.core.sparse_delay[start : start + int(row["count"])]
            if (own != own[0]).any():
                return True
        return False

    def unplaceable(self) -> str | None:
        """What no core holds, whatever its size."""
        for place, rule in zip(self.places, self.program.rules, strict=True):
            most = max(int(self.plan.pre[place.rows].max(initial=0)), len(place.members) - 1)
            if most >= 1 << INDEX_BITS:
                name = self.program.projections[rule.projection].name
                return f"projection {name!r} has more than {1 << INDEX_BITS} neurons on a side"
        return None

    # ------------------------------------------------------------------ rules

    def parameters(self) -> dict[str, Columns]:
        """All tables that stay as they are while the core runs."""
        names = ["walk", "rule", "code", "salt", "decay", "term", "ykey"]
        names += [name for name in ("xkey", "window") if name in self.tables]
        values: dict[str, dict[str, NDArray[np.int64]]] = {}
        for name in names:
            table = self.tables[name]
            values[name] = {f.name: np.zeros(table.entries, np.int64) for f in table.fields}
        at = 0
        for number, (rule, place) in enumerate(zip(self.program.rules, self.places, strict=True)):
            at = self._encode_code(values, number, rule, at)
            self._encode_rule(values, number, rule, place)
            self._encode_keys(values, rule, place)
            self._encode_walk(values["walk"], number, place)
            self._encode_traces(values, number, rule)
        self._encode_decays(values["decay"])
        return {n: self.tables[n].encode(self.tables[n].entries, v) for n, v in values.items()}

    def _encode_rule(
        self, values: dict[str, Any], number: int, rule: LearningRule, place: RulePlace
    ) -> None:
        used = [trace.kind != TraceKind.NONE for trace in traces(rule)]
        passes = sum(1 << i for i, one in enumerate(used) if one) | (rule.post_delay > 0) << 4
        passes |= not (used[0] or used[1])  # rows forget the step's spikes in any case
        table = values["rule"]
        for name, value in {
            "base": place.base, "stride": place.groups, "group": place.group,
            "groups": place.groups, "xgroup": place.xgroup, "xgroups": place.xgroups,
            "ygroup": place.ygroup, "entries": len(place.rows), "rounding": rule.rounding,
            "period": rule.period_log2, "post_delay": rule.post_delay, "passes": passes,
            "trace_max": self.program.target.trace_max, "weight_min": rule.weight_min,
            "weight_max": rule.weight_max, "delay_min": rule.delay_min,
            "delay_max": rule.delay_max, "skew": int(place.slots.min()) % self.geometry.lanes,
        }.items():  # fmt: skip
            if name in table:
                table[name][number] = value

    def _encode_code(self, values: dict[str, Any], number: int, rule: LearningRule, at: int) -> int:
        code, table = values["code"], values["rule"]
        for when in When:
            name = WHENS[when]
            groups = [group for group in rule.groups if group.when == when]
            table[f"{name}_code"][number] = at % max(1, len(code["low"]))
            table[f"{name}_count"][number] = sum(len(group.products) for group in groups)
            table[f"{name}_changes"][number] = changes_of(rule, when)
            for slot, group in enumerate(groups):
                for k in range(2):
                    purpose = LEARNING + 6 * group.changes + 2 * when + k
                    place = number * SALTS + 8 * when + 2 * slot + k
                    values["salt"]["salt"][place] = salt(rule.seed, purpose)[0]
                for i, product in enumerate(group.products):
                    for field, value in {
                        **encode_product(
                            product, when, group.shift, self.geometry, self.tables["code"]
                        ),
                        "changes": int(group.changes), "slot": slot,
                        "last": i == len(group.products) - 1,
                    }.items():  # fmt: skip
                        code[field][at] = value
                    at += 1
        return at

    def _encode_keys(self, values: dict[str, Any], rule: LearningRule, place: RulePlace) -> None:
        rows, g = self.entry[place.rows], self.geometry
        term = values["term"]
        of_neurons = g.lanes << index_bits(g.slots)  # neurons' terms follow those of all rows
        for name, at, index, first, purpose in (
            ("xkey", rows, self.plan.pre[place.rows], 0, TRACE_DECAY),
            ("ykey", place.members, np.arange(len(place.members)), of_neurons, TRACE_DECAY + 2),
        ):
            if g.scattered:
                values[name]["index"][at] = index
            for column in range(1 + g.seconds):
                made = key_term(rule.seed, index, purpose + column)
                term[f"term{column + 1}"][first + at] = made
        values["ykey"]["member"][place.members] = 1

    def _encode_walk(self, walk: dict[str, Any], number: int, place: RulePlace) -> None:
        plan, P, at = self.plan, self.geometry.lanes, self.entry[place.rows]
        first, last = plan.first[place.rows] // P, plan.last[place.rows] // P
        turn = np.arange(len(at))
        walk["address"][at] = place.base + turn // P * place.groups + first - place.group
        walk["group"][at] = first
        walk["count"][at] = last - first + 1
        walk["rule"][at] = number
        row, rows = plan.row[place.rows], self.core.rows
        real = row >= 0
        walk["exponent"][at[real]] = rows["exponent"][row[real]]
        walk["receptor"][at[real]] = rows["receptor"][row[real]]
        delay = rows["delay"].astype(np.int64)
        sparse = rows["kind"] == SPARSE
        delay[sparse] = self.core.sparse_delay[rows["offset"][sparse]]
        walk["delay"][at[real]] = delay[row[real]]

    def _encode_traces(self, values: dict[str, Any], number: int, rule: LearningRule) -> None:
        of_rule = traces(rule)
        for i, trace in enumerate(of_rule):
            at = number * len(TRACES) + i
            for name, value in {
                "kind": int(trace.kind), "replace": trace.replace, "impulse": trace.impulse,
                "length": len(trace.table),
                "clear": i == (1 if of_rule[1].kind != TraceKind.NONE else 0),
            }.items():  # fmt: skip
                values["decay"][name][at] = value
            if trace.table and "window" in values:
                start = at * HISTORY
                values["window"]["value"][start : start + len(trace.table)] = trace.table

    def _encode_decays(self, table: dict[str, NDArray[np.int64]]) -> None:
        """The list of exponential traces; the entry behind it has no groups."""
        at = 0
        for rule, place in zip(self.program.rules, self.places, strict=True):
            for which, trace in enumerate(traces(rule)):
                if trace.kind != TraceKind.EXPONENTIAL:
                    continue
                table["which"][at], table["keep"][at] = which, 4096 - trace.decay
                table["first"][at] = place.xgroup if which < 2 else place.ygroup
                table["groups"][at] = place.xgroups if which < 2 else place.groups
                at += 1

    # ------------------------------------------------------------------ synapses

    def synapses(
        self, weights: CoreWeights, tags: LearningState | tuple[NDArray[np.int8], ...]
    ) -> Columns:
        """Table `plastic` with these weights, delays and tags (sparse, dense, or a state's)."""
        if isinstance(tags, LearningState):
            tags = tags.sparse_tag[0], tags.dense_tag[0]
        core, table = self.core, self.tables["plastic"]
        fields = {f.name: np.zeros(table.entries, np.int64) for f in table.fields}
        delay = core.sparse_delay if weights.delay is None else weights.delay
        for here, at, weight, enable, tag, delays in (
            (self.sparse, self.sparse_entry, weights.sparse, core.sparse_enable,
             tags[0], delay[self.sparse]),
            (self.dense, self.dense_entry, weights.dense, core.dense_enable,
             tags[1], self._dense_delay),
        ):  # fmt: skip
            given = {"weight": weight[here], "enable": enable[here], "tag": tag[here],
                     "delay": delays}  # fmt: skip
            for name, values in given.items():
                if name in fields:
                    fields[name][at] = values
        return table.encode(table.entries, fields)

    def take(self, columns: Columns, weights: CoreWeights) -> CoreWeights:
        """The weights with those of plastic synapses from table `plastic`."""
        found = self.tables["plastic"].decode(columns)
        weights.sparse[self.sparse] = found["weight"][self.sparse_entry]
        weights.dense[self.dense] = found["weight"][self.dense_entry]
        if not any(rule.changes_delays for rule in self.program.rules):
            return weights
        delay = self.core.sparse_delay.copy()
        delay[self.sparse] = found["delay"][self.sparse_entry]
        return CoreWeights(weights.sparse, weights.dense, delay)

    # ------------------------------------------------------------------ state

    def factors(self, third: NDArray[np.int16], teacher: NDArray[np.bool_]) -> Columns:
        """Table `factor` of a step."""
        values = {"teacher": teacher, **({"r": third} if self.geometry.thirds else {})}
        return self.tables["factor"].encode(len(third), values)

    def state_tables(self, state: LearningState) -> dict[str, Columns]:
        """The tables of traces and histories, and of what the host sends."""
        trace_max, plan = self.program.target.trace_max, self.plan
        names = [name for name in (*TRACES, "before") if name in self.tables]
        values = {
            n: {f.name: np.zeros(self.tables[n].entries, np.int64) for f in self.tables[n].fields}
            for n in names
        }
        for number, (rule, place) in enumerate(zip(self.program.rules, self.places, strict=True)):
            x_at, y_at = self.program.trace_start[number].tolist()
            x = state.x[x_at + plan.pre[place.rows]].astype(np.int64)
            y = state.y[y_at : y_at + len(place.members)].astype(np.int64)
            entries = (self.entry[place.rows],) * 2 + (place.members,) * 2
            stored = (x[:, 0], x[:, 1], y[:, 0], y[:, 1])
            for name, trace, at, found in zip(TRACES, traces(rule), entries, stored, strict=True):
                if name not in values:
                    continue
                values[name]["value"][at] = trace.values(found, trace_max)
                if "ahead" in values[name]:
                    values[name]["ahead"][at] = values[name]["value"][at]
                if trace.kind == TraceKind.WINDOW:
                    values[name]["history"][at] = found
            if "before" in values:
                before = state.fired_before[y_at : y_at + len(place.members)].astype(np.int64)
                values["before"]["low"][place.members] = before & 0xFFFFFFFF
                values["before"]["high"][place.members] = before >> 32
        return {n: self.tables[n].encode(self.tables[n].entries, v) for n, v in values.items()}

    def state(
        self, table: Any, on: bool, third: NDArray[np.int16], modulator: int
    ) -> LearningState:
        """The state of learning.

        Args:
            table: gives the columns of a table by its name.
            on, third, modulator: which the host knows.
        """
        program = self.program
        decoded = {n: self.tables[n].decode(table(n)) for n in TRACES if n in self.tables}
        if self.geometry.post_delays:
            decoded["before"] = self.tables["before"].decode(table("before"))
        nx, ny = program.trace_start[-1].tolist()
        x, y = np.zeros((nx, 2), np.uint32), np.zeros((ny, 2), np.uint32)
        before = np.zeros(ny, np.uint64)
        for number, (rule, place) in enumerate(zip(program.rules, self.places, strict=True)):
            x_at, y_at = program.trace_start[number].tolist()
            own_y = slice(y_at, y_at + len(place.members))
            for i, trace in enumerate(traces(rule)):
                if TRACES[i] not in decoded:
                    continue
                name = "history" if trace.kind == TraceKind.WINDOW else "value"
                found = decoded[TRACES[i]][name]
                if i < 2:
                    x[x_at + self.plan.pre[place.rows], i] = found[self.entry[place.rows]]
                else:
                    y[own_y, i - 2] = found[place.members]
            if "before" in decoded:
                low, high = (decoded["before"][n][place.members] for n in ("low", "high"))
                before[own_y] = (low | high << 32).astype(np.uint64)
        sparse, dense = self.tags(table("plastic"))
        return LearningState(
            on, x, y, before, third.copy(), modulator, (sparse,), (dense,)
        )  # fmt: skip

    def tags(self, columns: Columns) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Sparse and dense tags from table `plastic`."""
        plastic = self.tables["plastic"].decode(columns)
        tags = []
        for enable, here, at in (
            (self.core.sparse_enable, self.sparse, self.sparse_entry),
            (self.core.dense_enable, self.dense, self.dense_entry),
        ):
            tag = np.zeros(len(enable), np.int8)
            if "tag" in plastic:
                tag[here] = plastic["tag"][at]
            tags.append(tag)
        return tags[0], tags[1]


def changes_of(rule: LearningRule, when: When) -> int:
    """Groups whose random numbers the hardware makes when this happens."""
    groups = [group for group in rule.groups if group.when == when]
    random = rule.rounding == Rounding.STOCHASTIC and any(group.shift for group in groups)
    return len(groups) if random else 0


assert WINDOW == HISTORY
assert len(Changes) - 1 == Changes.DELAY
