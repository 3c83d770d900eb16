"""Rows and columns of plastic synapses: who is walked next, and the addresses on the way.

A walk is one plastic row, or one column: the synapses of a postsynaptic neuron. What all synapses
of a walk share (the traces of its own neuron, the rule, random numbers) is prepared ahead of time
(``learning_prepare``), so that ``Walk`` goes from one to the next without a pause.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .cycles import LEAST
from .geometry import Geometry, count_bits, index_bits
from .learning_tables import TRACE_BITS

NEAREST, STOCHASTIC = 1, 0
"""As in ``compiler.microcode.Rounding``."""
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
    w = signed(g.weight_bits)
    fields: dict[str, Any] = {
        "column": 1, "when": 2, "changes": 2, "lane": lane_bits(g), "y0": 1, "t0": 1,
        "address": index_bits(g.blocks), "stride": count_bits(g.groups),
        "count": count_bits(max(g.groups, g.slots)), "across": index_bits(g.slots),
        "group": index_bits(g.groups), "exponent": 4, "receptor": 1,
        "delay": index_bits(g.delay_slots), "code": index_bits(g.code),
        "products": count_bits(g.code), "rounding": 2, "low": w, "high": w,
    }  # fmt: skip
    if g.shared:
        fields["trace1"] = TRACE_BITS
        if g.seconds:
            fields["trace2"] = TRACE_BITS
        if g.thirds:
            fields["third"] = signed(8)
    if g.delays:
        fields.update({"delay_low": 6, "delay_high": 6})
    return StructLayout(fields)


def random_layout(g: Geometry) -> ArrayLayout:
    """Of each group of an event's products the pair a, b (docs/machine.md §7); where neurons are
    not scattered, b and a times the number of the first neuron across."""
    return ArrayLayout(64, 1 + g.tags + g.delays)


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
                walk.eq(start), left.eq(start.count), product.eq(0),
                least.eq(Mux(start.changes == 0, LEAST, start.changes << 1)),
                self.address.eq(start.address), self.across.eq(start.across),
                self.group.eq(start.group),
            ]  # fmt: skip
        self._number(m, start, given.random)
        return m

    def _number(self, m: Module, start: Any, given: Any) -> None:
        """Random numbers move on from word to word; other roundings add what does not."""
        g = self.geometry
        multiple_bits = (g.lanes - 1).bit_length()
        for i in range(random_layout(g).length):
            with m.If(self.input.valid & self.input.ready):
                m.d.sync += self.random[i].eq(given[i])
                with m.If(start.rounding != STOCHASTIC):
                    m.d.sync += self.random[i].eq(
                        Cat(Const(0, 63), start.rounding == NEAREST)
                    )  # fmt: skip
            if not g.scattered:
                a, base = self.random[i][:32], self.random[i][32:]
                with m.Elif(self.issue & self.last):
                    m.d.sync += self.random[i][32:].eq(base + (a << multiple_bits))


def chosen(random: Any, slot: Any) -> Any:
    """The pair of a group."""
    pairs = [random[i] for i in range(len(random.as_value()) // 64)]
    return Array(pairs)[slot] if len(pairs) > 1 else pairs[0]
