"""What one lane of the learning engine computes: a rule's products, rounded, limited and added.

A pipeline that takes something new in every cycle. What all lanes share (the product in hand,
limits, what the row or the column has of its own) comes from ``learning_synapses``, each in the
cycle in which it is needed: the number behind a shared field's name is the stage.

Coefficients are aligned to one binary point, ``fraction`` bits up, before they are stored. So sums
of any shift are rounded at the same place, no lane shifts anything, and the number that is added
for rounding is always the topmost bits of a random number: what lies below a group's own point is
zero in its sum, and cannot carry.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component, later
from .geometry import Geometry
from .layout import layout
from .learning_tables import (
    ABOVE,
    BELOW,
    DELAY,
    INDEX_BITS,
    OWN1,
    OWN2,
    OWN_THIRD,
    TAG,
    TRACE_BITS,
    WEIGHT,
)
from .memory import choose

WIDEST = 64
"""Bits of a multiplication that simulators take."""
SUMMED = 7
"""The stage in which a sum stands."""
DONE = SUMMED + 2
"""The stage in which a synapse's new values stand in ``RuleLane.after``."""


def product_of(m: Module, value: Any, factor: Any, bits: int) -> Any:
    """A signed product modulo 2^bits, made of two where it has more bits than simulators take."""
    if len(value) + len(factor) <= WIDEST:
        return value * factor
    half = len(value) // 2
    low, high = Signal(signed(half + 1 + len(factor))), Signal(bits - half)
    m.d.comb += [
        low.eq(Cat(value[:half], Const(0, 1)).as_signed() * factor),
        high.eq(value[half:].as_signed() * factor),
    ]
    return low + Cat(Const(0, half), high).as_signed()


def synapse_layout(g: Geometry) -> StructLayout:
    """A plastic synapse: the fields of table ``plastic``."""
    fields = layout(g)["plastic"].fields
    return StructLayout({f.name: signed(f.width) if f.signed else f.width for f in fields})


def factor_bits(g: Geometry) -> int:
    """Width of a factor, signed."""
    return max(TRACE_BITS + 1, g.weight_bits + 2 if g.by_weight else 0)


def shared_layout(g: Geometry) -> StructLayout:
    """What ``RuleLane`` is told; the number is the stage in which it counts."""
    w = signed(g.weight_bits)
    summed = SUMMED
    fields: dict[str, Any] = {
        "needs_x2": 1, "holds2": 1, "coefficient": signed(g.coefficient_bits),
        f"base{summed - 1}": 32,
        f"first{summed - 1}": 1, f"last{summed + 1}": 1, f"changes{summed + 1}": 2,
        f"begins{summed + 1}": 1, f"low{summed + 1}": w, f"high{summed + 1}": w,
    }  # fmt: skip
    for i in range(g.factors):
        fields[f"factor{i}_2"] = 5
        if g.shared:
            fields[f"operand{i}_2"] = signed(factor_bits(g))
    if g.by_weight:
        fields.update({"low2": w, "high2": w})
    if g.delays:
        fields.update({f"delay_low{summed + 1}": 6, f"delay_high{summed + 1}": 6})
    return StructLayout(fields)


class RuleLane(Component):
    """One product of one synapse per cycle; sums of them, rounded, limited, added.

    Attributes:
        shared: what all lanes are told; ``coefficient`` counts in the stage of the first
            multiplication.
        multiple: with ``base`` it is a random number; where neurons are scattered ``base +
            multiple · index`` is, and ``multiple`` counts a stage earlier.
        synapse: stage 2: the synapse as it is in memory, for as long as its products last.
        trace1, trace2, third, x0, index: stage 2: of the neuron or row that is this lane's own.
        after: stage ``DONE``: the synapse as it will be.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        members: dict[str, Any] = {
            "shared": In(shared_layout(g)), "synapse": In(synapse_layout(g)),
            "multiple": In(32), "trace1": In(TRACE_BITS), "x0": In(1),
            "after": Out(synapse_layout(g)),
        }  # fmt: skip
        if g.seconds:
            members["trace2"] = In(TRACE_BITS)
        if g.thirds:
            members["third"] = In(signed(8))
        if g.scattered:
            members["index"] = In(INDEX_BITS)
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Stages 2: choose; 3 to 5: multiply; 6: sum; 7: round; 8: add and limit."""
        m = Module()
        g, shared = self.geometry, self.shared
        product = self._product(m)
        total = Signal(signed(g.sum_bits))
        if g.sums:
            before = Mux(shared[f"first{SUMMED - 1}"], 0, total)
            m.d.sync += total.eq(before + product)
        else:
            m.d.sync += total.eq(product)
        rounded = Signal(signed(g.sum_bits))
        m.d.comb += rounded.eq(total + self._number(m)[32 - g.fraction :])
        change = Signal(signed(g.sum_bits - g.fraction))
        m.d.sync += change.eq(rounded >> g.fraction)
        self._apply(m, change)
        return m

    def _product(self, m: Module) -> Any:
        """(stage 6) coefficient and factors multiplied; the sum is proven to fit."""
        g, s = self.geometry, self.shared
        holds = Signal()
        m.d.comb += holds.eq(s.holds2 & (self.x0 | ~s.needs_x2))
        width = signed(factor_bits(g))
        result: Any = s.coefficient
        for i in range(g.factors):
            plain, factor = Signal(width, name=f"plain{i}"), Signal(width, name=f"factor{i}")
            code = s[f"factor{i}_2"]
            m.d.comb += plain.eq(self._value(m, code[:3]))
            if g.shared:
                with m.If(code[3]):
                    m.d.comb += plain.eq(s[f"operand{i}_2"])
            value = plain
            if g.signs:
                sign = Mux(plain < 0, Const(-1, signed(2)), (plain != 0))
                value = Mux(code[4], sign, plain)
            m.d.sync += factor.eq(Mux(holds, value, 0) if i == 0 else value)
            wait = SUMMED - 1 - g.factors - 3 + i
            stage = Signal(signed(g.sum_bits), name=f"product{i}")
            m.d.sync += stage.eq(
                product_of(m, result, later(m, factor, wait, f"factor{i}"), g.sum_bits)
            )
            result = stage
        return result

    def _value(self, m: Module, code: Any) -> Any:
        """(stage 2) a factor of the lane's own."""
        g, s, synapse = self.geometry, self.shared, self.synapse
        values: dict[int, Any] = {OWN1: self.trace1}
        if g.seconds:
            values[OWN2] = self.trace2
        if g.thirds:
            values[OWN_THIRD] = self.third
        if g.by_weight:
            values[WEIGHT] = synapse.weight
            values[ABOVE] = s.high2 - synapse.weight
            values[BELOW] = synapse.weight - s.low2
        if g.tags:
            values[TAG] = synapse.tag
        if g.delays:
            values[DELAY] = synapse.delay
        width = signed(factor_bits(g))
        wide = {}
        for number, value in values.items():
            wide[number] = Signal(width, name=f"value{number}")
            m.d.comb += wide[number].eq(value)
        return choose(wide, code)

    def _number(self, m: Module) -> Any:
        """(stage 7) what is added before the bits behind the point are dropped, and more bits."""
        g, s = self.geometry, self.shared
        number = Signal(32)
        multiple, base = self.multiple, s[f"base{SUMMED - 1}"]
        if g.scattered:
            index = later(m, self.index, SUMMED - 4, "index")
            scaled = Signal(32)
            m.d.sync += scaled.eq(multiple * index)
            m.d.sync += number.eq(scaled + base)
        else:
            m.d.sync += number.eq(base + multiple)
        return number

    def _apply(self, m: Module, change: Any) -> None:
        """(stage 8) each group changes one thing; what none of them changes stays."""
        g, s, stage = self.geometry, self.shared, SUMMED + 1
        before = later(m, self.synapse.as_value(), stage - 2, "before")
        synapse = Signal(synapse_layout(g))
        m.d.comb += synapse.eq(before)
        limits: dict[str, tuple[Any, Any]] = {"weight": (s[f"low{stage}"], s[f"high{stage}"])}
        if g.tags:
            limits["tag"] = (Const(-128, signed(8)), Const(127, signed(8)))
        if g.delays:
            limits["delay"] = (s[f"delay_low{stage}"], s[f"delay_high{stage}"])
        kinds = {"weight": 0, "tag": 1, "delay": 2}
        with m.If(s[f"begins{stage}"]):
            m.d.sync += self.after.eq(synapse)
        for name, (low, high) in limits.items():
            wide, limited = Signal.like(synapse[name] + change), Signal.like(synapse[name])
            m.d.comb += [
                wide.eq(synapse[name] + change),
                limited.eq(Mux(wide < low, low, Mux(wide > high, high, wide))),
            ]
            meant = s[f"changes{stage}"] == kinds[name] if len(limits) > 1 else 1
            with m.If(s[f"last{stage}"] & meant & synapse.enable):
                m.d.sync += self.after[name].eq(limited)
