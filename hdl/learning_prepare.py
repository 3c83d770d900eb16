"""Ahead of a walk: everything that its synapses share is found out while others are walked."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import fifo, stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component, later
from .cycles import LEAST
from .geometry import Geometry, index_bits
from .layout import layout
from .learning_numbers import Numbers, key_bits
from .learning_tables import INDEX_BITS, TRACE_BITS, WHENS
from .learning_walk import (
    EPOCH,
    POST,
    PRE,
    lane_bits,
    random_layout,
    request_layout,
    walk_layout,
)

WAITING = 16
"""Walks that may be prepared or in preparation; with ``LEAST`` cycles each more than the latter
takes."""


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
        own_lane: a cycle later, which lane's it is; ``trace1``, ``trace2``, ``third``,
            ``index`` are, as far as they are built.
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
                "third": In(signed(8)),
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
        with m.If(accepted):
            m.d.sync += gap.eq(Mux(request.changes == 0, LEAST, request.changes << 1) - 1)
        with m.Elif(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        m.submodules.hashes = hashes = Numbers(self.geometry)
        pushed, made = self._look_up(m, accepted, hashes)
        m.d.comb += [
            self.salt_index.eq(hashes.salt_index),
            hashes.salt.eq(self.salt),
            hashes.step_hash.eq(self.step_hash),
        ]
        m.submodules.walks = walks = fifo.SyncFIFO(width=len(made.as_value()), depth=WAITING)
        m.submodules.numbers = numbers = fifo.SyncFIFO(
            width=random_layout(self.geometry).size, depth=WAITING
        )
        m.d.comb += [
            walks.w_data.eq(made),
            walks.w_en.eq(pushed),
            numbers.w_data.eq(hashes.numbers),
            numbers.w_en.eq(hashes.done),
            numbers.r_en.eq(taken),
            walks.r_en.eq(taken),
            self.output.valid.eq(numbers.r_rdy),  # the walk is there, too
            self.output.p.walk.eq(walks.r_data),
            self.output.p.random.eq(numbers.r_data),
        ]
        return m

    def _look_up(self, m: Module, accepted: Any, hashes: Numbers) -> tuple[Any, Any]:
        """Everything but the random numbers; returns when it is there, and what."""
        g = self.geometry
        bits = lane_bits(g) if g.lanes > 1 else 0
        one, two, three = (Signal(request_layout(g), name=f"request{i}") for i in (1, 2, 3))
        valid = [accepted, *(Signal(name=f"valid{i}") for i in (1, 2, 3, 4))]
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
            *(made4[name].eq(getattr(self, name)) for name in ("trace1", "trace2", "third")
              if name in walk_layout(g).members),
        ]  # fmt: skip
        if g.delays:
            m.d.sync += [made3.delay_low.eq(rule.delay_min), made3.delay_high.eq(rule.delay_max)]
        self._number(m, two, three, rule, place, walk2, hashes)
        m.d.comb += hashes.begin.eq(valid[3])
        return valid[4], made4

    def _number(
        self, m: Module, two: Any, three: Any, rule: Any, place: Any, walk2: Any, hashes: Numbers
    ) -> None:
        """(stage 3) what the random numbers are made of: the own neuron's number, and the first
        one's across."""
        g = self.geometry
        bits = lane_bits(g) if g.lanes > 1 else 0
        m.d.comb += [
            hashes.rule.eq(later(m, Mux(two.column, two.rule, walk2.rule), 1, "rule")),
            hashes.when.eq(three.when),
            hashes.changes.eq(three.changes),
        ]
        if g.scattered:
            m.d.comb += hashes.key.eq(self.index)
            return
        row = (two.entry[bits:] - rule.xgroup)[: index_bits(g.slots)]
        lane = Mux(two.column, two.lane, two.entry[:bits])[:bits] if bits else Const(0, 0)
        column_key = Signal(signed(key_bits(g) + 1))
        m.d.comb += column_key.eq(Cat(lane, place) - rule.skew)
        m.d.sync += [
            hashes.key.eq(Mux(two.column, column_key, Cat(lane, row))),
            hashes.across.eq(Mux(two.column, 0, Cat(Const(0, bits), place) - rule.skew)),
        ]
