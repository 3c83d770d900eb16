"""Rows and columns of plastic synapses: who is walked next, and the addresses on the way.

A walk is one plastic row, or one column: the synapses of a postsynaptic neuron. ``Prepare`` finds
out what all synapses of a walk share (the traces of its own neuron, the rule, random numbers),
ahead of time, so that ``Walk`` goes from one to the next without a pause.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import fifo, stream
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry, count_bits, index_bits
from .hash_unit import Mix
from .layout import layout
from .learning_lane import later
from .learning_tables import INDEX_BITS, TRACE_BITS, WHENS

WAITING = 32
"""Walks that may be prepared or in preparation; more than the latter takes in cycles."""
PRE, POST, EPOCH = range(3)
"""As in ``compiler.microcode.When``."""


def lane_bits(g: Geometry) -> int:
    """Bits of a lane's number; at least one."""
    return index_bits(g.lanes)


def request_layout(g: Geometry) -> StructLayout:
    """A walk as it is asked for: a row by its entry, or a column by rule, group and lane."""
    return StructLayout({
        "column": 1, "when": 2, "changes": 2, "entry": index_bits(g.plastic_rows),
        "rule": index_bits(g.rules), "group": index_bits(g.groups), "lane": lane_bits(g),
        "y0": 1, "t0": 1,
    })  # fmt: skip


def walk_layout(g: Geometry) -> StructLayout:
    """What all synapses of a walk share, but for random numbers."""
    fields: dict[str, Any] = {
        "column": 1, "when": 2, "changes": 2, "lane": lane_bits(g), "y0": 1, "t0": 1,
        "address": index_bits(g.blocks), "stride": count_bits(g.groups),
        "count": count_bits(max(g.groups, g.slots)), "across": index_bits(g.slots),
        "group": index_bits(g.groups), "exponent": 4, "receptor": 1,
        "delay": index_bits(g.delay_slots), "code": index_bits(g.code),
        "products": count_bits(g.code), "rounding": 2,
        "low": signed(g.weight_bits), "high": signed(g.weight_bits),
        "trace1": TRACE_BITS, "trace2": TRACE_BITS, "r": signed(8),
    }  # fmt: skip
    if g.delays:
        fields.update({"delay_low": 6, "delay_high": 6})
    return StructLayout(fields)


def random_layout(g: Geometry) -> ArrayLayout:
    """The pairs a, b of each group of an event's products (docs/machine.md §7)."""
    return ArrayLayout(64, 1 + g.tags + g.delays)


class Prepare(Component):
    """From who is walked to everything that the walk needs.

    Attributes:
        request: what is to be walked.
        on: learning is on; otherwise rows are only delivered.
        step_hash: of this step.
        walk_index, walk: the look-up in table ``walk``; the entry follows a cycle later.
        rule_read, rule_index, rule: the look-up in table ``rule``.
        salt_index, salt: the look-up in table ``salt``.
        own_read, own_column, own_x, own_y, own_group: read what a walk's own neuron has: of a row
            group ``own_x`` of the x tables, of a column group ``own_y`` of the y tables and
            ``own_group`` of the neurons.
        own_lane: a cycle later, which lane's it is; ``trace1``, ``trace2``, ``r``, ``index`` are.
        arrived: a spike has arrived on row ``own_x``, lane ``arrived_lane``.
        taken: a walk has begun, so that another one may be prepared.
        output: a walk that is ready, and its random numbers.
        busy: something is being prepared or waits.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        self._walk = StructLayout({f.name: f.width for f in tables["walk"].fields})
        self._rule = StructLayout(
            {f.name: signed(f.width) if f.signed else f.width for f in tables["rule"].fields}
        )
        self._output = StructLayout({"walk": walk_layout(g), "random": random_layout(g)})
        super().__init__(
            {
                "request": In(stream.Signature(request_layout(g))),
                "on": In(1),
                "step_hash": In(32),
                "walk_index": Out(index_bits(g.plastic_rows)),
                "walk_read": Out(1),
                "walk": In(self._walk),
                "rule_read": Out(1),
                "rule_index": Out(index_bits(g.rules)),
                "rule": In(self._rule),
                "salt_index": Out(index_bits(tables["salt"].depth)),
                "salt": In(32),
                "own_read": Out(1),
                "own_column": Out(1),
                "own_x": Out(index_bits(g.slots)),
                "own_y": Out(index_bits(g.slots)),
                "own_group": Out(index_bits(g.groups)),
                "own_lane": Out(lane_bits(g)),
                "trace1": In(TRACE_BITS),
                "trace2": In(TRACE_BITS),
                "r": In(signed(8)),
                "index": In(INDEX_BITS),
                "arrived": Out(1),
                "arrived_lane": Out(lane_bits(g)),
                "output": Out(stream.Signature(self._output)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Cycle 0: table `walk`; 1: `rule`; 2: the own neuron; 3: `salt`; 4 to 12: hash twice."""
        m = Module()
        accepted = Signal()
        inflight, gap = Signal(range(WAITING + 1)), Signal(3)
        request = self.request.p
        taken = self.output.valid & self.output.ready
        m.d.comb += [
            self.request.ready.eq((gap == 0) & (inflight != WAITING)),
            accepted.eq(self.request.valid & self.request.ready),
            self.busy.eq(inflight != 0),
        ]
        m.d.sync += inflight.eq(inflight + accepted - taken)
        with m.If(accepted & (request.changes != 0)):
            m.d.sync += gap.eq((request.changes << 1) - 1)
        with m.Elif(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        pushed, made = self._look_up(m, accepted)
        m.submodules.walks = walks = fifo.SyncFIFO(width=len(made.as_value()), depth=WAITING)
        m.submodules.numbers = numbers = fifo.SyncFIFO(
            width=random_layout(self.geometry).size, depth=WAITING
        )
        m.d.comb += [
            walks.w_data.eq(made),
            walks.w_en.eq(pushed),
            numbers.r_en.eq(taken),
            walks.r_en.eq(taken),
            self.output.valid.eq(numbers.r_rdy),  # the walk is there, too
            self.output.p.walk.eq(walks.r_data),
            self.output.p.random.eq(numbers.r_data),
        ]
        self._hash(m, numbers)
        return m

    def _look_up(self, m: Module, accepted: Any) -> tuple[Any, Any]:
        """Everything but the random numbers; returns when it is there, and what."""
        g = self.geometry
        bits = lane_bits(g) if g.lanes > 1 else 0
        one, two, three = (Signal(request_layout(g), name=f"request{i}") for i in (1, 2, 3))
        self._valid = valid = [accepted, *(Signal(name=f"valid{i}") for i in (1, 2, 3, 4))]
        walk2, rule = Signal(self._walk), self.rule
        made3, made4 = (Signal(walk_layout(g), name=f"made{i}") for i in (3, 4))
        m.d.sync += [
            *(after.eq(before) for before, after in pairwise(valid)),
            one.eq(self.request.p), two.eq(one), three.eq(two), walk2.eq(self.walk),
        ]  # fmt: skip
        m.d.comb += [
            self.walk_read.eq(accepted),
            self.walk_index.eq(self.request.p.entry),
            self.rule_read.eq(valid[1]),
            self.rule_index.eq(Mux(one.column, one.rule, self.walk.rule)),
        ]
        group = Mux(two.column, two.group, walk2.group)
        place, across = Signal(index_bits(g.groups)), Signal(index_bits(g.slots))
        m.d.comb += [
            place.eq(group - rule.group),
            across.eq(place + rule.ygroup),
            self.own_read.eq(valid[2]),
            self.own_column.eq(two.column),
            self.own_x.eq(two.entry[bits:]),
            self.own_y.eq(across),
            self.own_group.eq(two.group),
            self.arrived.eq(valid[2] & (two.when == PRE)),
            self.arrived_lane.eq(two.entry[:bits]),
            self.own_lane.eq(Mux(three.column, three.lane, three.entry[:bits])),
        ]
        whens = {name: {i: rule[f"{when}_{name}"] for i, when in enumerate(WHENS)}
                 for name in ("code", "count")}  # fmt: skip
        code, products = (
            Mux(two.when == POST, found[POST], Mux(two.when == EPOCH, found[EPOCH], found[PRE]))
            for found in whens.values()
        )
        m.d.sync += [
            made3.column.eq(two.column), made3.when.eq(two.when), made3.changes.eq(two.changes),
            made3.lane.eq(Mux(two.column, two.lane, two.entry[:bits])),
            made3.y0.eq(two.y0), made3.t0.eq(two.t0),
            made3.address.eq(Mux(two.column, rule.base + place, walk2.address)),
            made3.stride.eq(Mux(two.column, rule.stride, 1)),
            made3.count.eq(Mux(two.column, rule.xgroups, walk2.count)),
            made3.across.eq(Mux(two.column, rule.xgroup, across)),
            made3.group.eq(group),
            made3.exponent.eq(walk2.exponent), made3.receptor.eq(walk2.receptor),
            made3.delay.eq(walk2.delay),
            made3.code.eq(code), made3.products.eq(Mux(self.on, products, 0)),
            made3.rounding.eq(rule.rounding),
            made3.low.eq(rule.weight_min), made3.high.eq(rule.weight_max),
            made4.eq(made3),
            made4.trace1.eq(self.trace1), made4.trace2.eq(self.trace2), made4.r.eq(self.r),
        ]  # fmt: skip
        if g.delays:
            m.d.sync += [made3.delay_low.eq(rule.delay_min), made3.delay_high.eq(rule.delay_max)]
        self._request3 = three
        self._rule3 = later(m, Mux(two.column, two.rule, walk2.rule), 1, "rule")
        return valid[4], made4

    def _hash(self, m: Module, numbers: fifo.SyncFIFO) -> None:
        """Two numbers for each group of products, one after the other."""
        g, three = self.geometry, self._request3
        begin = self._valid[3]
        number, left, base = Signal(3), Signal(3), Signal(3 + 2 + index_bits(g.rules))
        here = Cat(three.when, self._rule3)
        going = Signal()
        m.d.comb += [
            self.salt_index.eq(Cat(Mux(begin, 0, number), Mux(begin, here, base))),
            going.eq(begin | (left != 0)),
        ]
        last = Signal()
        m.d.comb += last.eq(Mux(begin, three.changes == 0, left == 1))
        with m.If(begin):
            m.d.sync += [
                number.eq(1), base.eq(here),
                left.eq(Mux(three.changes == 0, 0, (three.changes << 1) - 1)),
            ]  # fmt: skip
        with m.Elif(left != 0):
            m.d.sync += [number.eq(number + 1), left.eq(left - 1)]
        key = Signal(INDEX_BITS)
        with m.If(begin):
            m.d.sync += key.eq(self.index)
        m.submodules.first = first = Mix()
        m.submodules.second = second = Mix()
        m.d.comb += [
            first.value.eq(key + self.salt),
            second.value.eq(first.hashed + self.step_hash),
        ]
        cycles = 1 + 2 * Mix.LATENCY
        done = later(m, going, cycles, "done")
        final = later(m, last & going, cycles, "final")
        at = later(m, Mux(begin, 0, number), cycles, "at")
        slots = 2 * random_layout(g).length
        found = [Signal(32, name=f"number{i}") for i in range(slots)]
        now = [Signal(32, name=f"now{i}") for i in range(slots)]
        for i in range(slots):
            m.d.comb += now[i].eq(Mux(at == i, second.hashed, found[i]))
        with m.If(done):
            m.d.sync += [kept.eq(new) for kept, new in zip(found, now, strict=True)]
        m.d.comb += [numbers.w_en.eq(final), numbers.w_data.eq(Cat(now))]


class Walk(Component):
    """One word of plastic synapses after the other; several products each take a cycle each.

    Attributes:
        input: walks and their random numbers.
        blocked: no row may begin that is delivered.
        issue: stage 0: a product of a word, read by ``code_index``; the word and what its neurons
            or rows have of their own is read with the first one (``read``), and stays.
        address, lane, column, across, group: where.
        first, last: of the word's products.
        walk, random: of the walk in hand.
        busy: a walk is in hand.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        made = StructLayout({"walk": walk_layout(g), "random": random_layout(g)})
        super().__init__(
            {
                "input": In(stream.Signature(made)),
                "blocked": In(1),
                "issue": Out(1),
                "read": Out(1),
                "first": Out(1),
                "last": Out(1),
                "address": Out(index_bits(g.blocks)),
                "across": Out(index_bits(g.slots)),
                "group": Out(index_bits(g.groups)),
                "code_index": Out(index_bits(g.code)),
                "walk": Out(walk_layout(g)),
                "random": Out(random_layout(g)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """A walk takes no less time than its random numbers, which are made one per cycle."""
        m = Module()
        walk, given = self.walk, self.input.p
        left, product, least = Signal.like(walk.count), Signal.like(walk.products), Signal(3)
        through, free = Signal(), Signal()
        start = given.walk
        m.d.comb += [
            self.issue.eq(left != 0),
            self.first.eq(product == 0),
            self.read.eq(self.issue & self.first),
            self.last.eq((product + 1 == walk.products) | (walk.products == 0)),
            self.code_index.eq(walk.code + product),
            through.eq((left == 0) | ((left == 1) & self.last)),
            free.eq(through & (least <= 1)),
            self.input.ready.eq(free & ~(self.blocked & (start.when == PRE))),
            self.busy.eq((left != 0) | (least != 0)),
        ]
        with m.If(least != 0):
            m.d.sync += least.eq(least - 1)
        with m.If(self.issue):
            m.d.sync += product.eq(product + 1)
            with m.If(self.last):
                m.d.sync += [
                    product.eq(0), left.eq(left - 1), self.across.eq(self.across + 1),
                    self.address.eq(self.address + walk.stride),
                    self.group.eq(self.group + 1),
                ]  # fmt: skip
        with m.If(self.input.valid & self.input.ready):
            m.d.sync += [
                walk.eq(start), self.random.eq(given.random), left.eq(start.count),
                product.eq(0), least.eq(start.changes << 1), self.address.eq(start.address),
                self.across.eq(start.across), self.group.eq(start.group),
            ]  # fmt: skip
        return m


def chosen(random: Any, slot: Any) -> Any:
    """The pair of a group."""
    pairs = [random[i] for i in range(len(random.as_value()) // 64)]
    return Array(pairs)[slot] if len(pairs) > 1 else pairs[0]
