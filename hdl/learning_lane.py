"""What one lane of the learning engine computes: a rule's products, and traces.

Both are pipelines that take something new in every cycle. What all lanes share (the product in
hand, limits, what the row or the column has of its own) comes from ``learning.Learning``, each in
the cycle in which it is needed: the number behind a shared field's name is the stage.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Const, Module, Mux, Signal, signed
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry
from .hash_unit import Mix
from .layout import layout
from .learning_tables import HISTORY, INDEX_BITS, NO_FACTOR, TRACE_BITS

STOCHASTIC, NEAREST = 0, 1
WINDOW = 2
"""As in ``compiler.microcode``: of Rounding, of TraceKind."""
SIGN = 16
DONE = 8
"""The stage in which a synapse's new values stand in ``RuleLane.after``."""


def later(m: Module, value: Any, cycles: int, name: str) -> Any:
    """A value, so many cycles later."""
    for i in range(cycles):
        held = Signal(value.shape(), name=f"{name}_{i + 1}")
        m.d.sync += held.eq(value)
        value = held
    return value


def synapse_layout(g: Geometry) -> StructLayout:
    """A plastic synapse: the fields of table ``plastic``."""
    fields = layout(g)["plastic"].fields
    return StructLayout({f.name: signed(f.width) if f.signed else f.width for f in fields})


def shared_layout(g: Geometry) -> StructLayout:
    """What ``RuleLane`` is told; the number is the stage in which it counts."""
    w = signed(g.weight_bits)
    fields: dict[str, Any] = {
        "column1": 1, "needs_x1": 1, "holds1": 1,
        "trace1_1": TRACE_BITS, "trace2_1": TRACE_BITS, "r1": signed(8), "modulator1": signed(8),
        "low1": w, "high1": w,
        "coefficient2": signed(17), "a2": 32, "b3": 32,
        "rounding4": 2, "shift4": 5, "first5": 1, "last6": 1, "shift6": 5,
        "last7": 1, "changes7": 2, "begins7": 1, "low7": w, "high7": w,
    }  # fmt: skip
    fields.update({f"factor{i}_1": 5 for i in range(g.factors)})
    if g.delays:
        fields.update({"delay_low7": 6, "delay_high7": 6})
    return StructLayout(fields)


class RuleLane(Component):
    """One product of one synapse per cycle; sums of them, rounded, limited, added.

    Attributes:
        shared: what all lanes are told.
        synapse: stage 1: the synapse as it is in memory, for as long as its products last.
        trace1, trace2, r, x0, index: stage 1: of the neuron or row that is this lane's own.
        after: stage ``DONE``: the synapse as it will be.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        super().__init__(
            {
                "shared": In(shared_layout(g)),
                "synapse": In(synapse_layout(g)),
                "trace1": In(TRACE_BITS),
                "trace2": In(TRACE_BITS),
                "r": In(signed(8)),
                "x0": In(1),
                "index": In(INDEX_BITS),
                "after": Out(synapse_layout(g)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Stages 1: choose; 2 to 4: multiply; 5: sum; 6: round; 7: add and limit."""
        m = Module()
        shared = self.shared
        product = self._product(m)
        holds = Signal()
        m.d.comb += holds.eq(shared.holds1 & (self.x0 | ~shared.needs_x1))
        total = Signal(signed(32))
        m.d.sync += total.eq(
            Mux(shared.first5, 0, total) + Mux(later(m, holds, 4, "holds"), product, 0)
        )
        change = Signal(signed(33))
        m.d.sync += change.eq((total + self._rounding(m)).as_signed() >> shared.shift6)
        self._apply(m, change)
        return m

    def _product(self, m: Module) -> Any:
        """(stage 5) coefficient and factors multiplied, modulo 2^32: the sum is proven to fit."""
        g, s, synapse = self.geometry, self.shared, self.synapse
        width = signed(max(g.weight_bits + 2, TRACE_BITS + 1))
        own1, own2 = self.trace1, self.trace2
        values: list[Any] = [
            Mux(s.column1, own1, s.trace1_1), Mux(s.column1, own2, s.trace2_1),
            Mux(s.column1, s.trace1_1, own1), Mux(s.column1, s.trace2_1, own2),
            Mux(s.column1, s.r1, self.r), s.modulator1,
            synapse.weight, s.high1 - synapse.weight, synapse.weight - s.low1,
            synapse.tag if g.tags else Const(0, 1), synapse.delay if g.delays else Const(0, 1),
        ]  # fmt: skip
        values += [Const(1, 1)] * (NO_FACTOR + 1 - len(values))
        wide = []
        for i, value in enumerate(values):
            wide.append(Signal(width, name=f"value{i}"))
            m.d.comb += wide[-1].eq(value)
        result: Any = s.coefficient2
        for i in range(3):
            stage = Signal(signed(32), name=f"product{i}")
            if i < g.factors:
                code = s[f"factor{i}_1"]
                plain, factor = Signal(width, name=f"plain{i}"), Signal(width, name=f"factor{i}")
                m.d.comb += plain.eq(Array(wide)[code[:4]])
                sign = Mux(plain < 0, Const(-1, signed(2)), (plain != 0))
                m.d.sync += factor.eq(Mux(code[4], sign, plain))
                m.d.sync += stage.eq(result * later(m, factor, i, f"factor{i}"))
            else:
                m.d.sync += stage.eq(result)
            result = stage
        return result

    def _rounding(self, m: Module) -> Any:
        """(stage 6) what is added before the shift."""
        s = self.shared
        index, scaled, mixed = Signal(INDEX_BITS), Signal(32), Signal(32)
        added = Signal(25)
        m.d.sync += [
            index.eq(self.index),
            scaled.eq(s.a2 * index),
            mixed.eq(scaled + s.b3),
            added.eq(0),
        ]
        with m.If(s.shift4 != 0):
            with m.If(s.rounding4 == STOCHASTIC):
                m.d.sync += added.eq((mixed << s.shift4)[32:])
            with m.Elif(s.rounding4 == NEAREST):
                m.d.sync += added.eq((1 << s.shift4) >> 1)
        return later(m, added, 1, "added")

    def _apply(self, m: Module, change: Any) -> None:
        """(stage 7) each group changes one thing; what none of them changes stays."""
        g, s = self.geometry, self.shared
        before = later(m, self.synapse.as_value(), 6, "before")
        synapse = Signal(synapse_layout(g))
        m.d.comb += synapse.eq(before)
        limits: dict[str, tuple[Any, Any]] = {"weight": (s.low7, s.high7)}
        if g.tags:
            limits["tag"] = (Const(-128, signed(8)), Const(127, signed(8)))
        if g.delays:
            limits["delay"] = (s.delay_low7, s.delay_high7)
        kinds = {"weight": 0, "tag": 1, "delay": 2}
        with m.If(s.begins7):
            m.d.sync += self.after.eq(synapse)
        for name, (low, high) in limits.items():
            wide, limited = Signal(signed(35), name=f"wide_{name}"), Signal.like(synapse[name])
            m.d.comb += [
                wide.eq(synapse[name] + change),
                limited.eq(Mux(wide < low, low, Mux(wide > high, high, wide))),
            ]
            with m.If(s.last7 & (s.changes7 == kinds[name]) & synapse.enable):
                m.d.sync += self.after[name].eq(limited)


TRACE_LATENCY = 7
"""Cycles from a group's turn to its traces' being written."""


class TraceLane(Component):
    """Takes up the events of a step: one exponential trace per cycle.

    Attributes:
        value, event, term: stage 1: the trace, whether it has an event, its key term.
        step_hash: of this step.
        keep4, impulse6, replace6, top6: of the trace, in the stages of these numbers.
        taken: stage ``TRACE_LATENCY``: the new value.
        history, begin, add, worth, replace, top: of a window: with ``begin`` it takes up the event;
            each ``add`` after that is the next age, whose value is ``worth``.
        remembered, summed: its new history, and its value.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        members: dict[str, Any] = {
            "value": In(TRACE_BITS), "event": In(1), "term": In(32), "step_hash": In(32),
            "keep4": In(13), "impulse6": In(TRACE_BITS), "replace6": In(1), "top6": In(TRACE_BITS),
            "taken": Out(TRACE_BITS),
        }  # fmt: skip
        if g.windows:
            members.update({
                "history": In(HISTORY), "begin": In(1), "add": In(1), "worth": In(TRACE_BITS),
                "replace": In(1), "top": In(TRACE_BITS),
                "remembered": Out(HISTORY), "summed": Out(TRACE_BITS),
            })  # fmt: skip
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """The hash takes four cycles; what is left of the trace is ready beside it."""
        m = Module()
        m.submodules.hash = noise = Mix()
        m.d.comb += noise.value.eq(self.term + self.step_hash)
        kept, left = Signal(TRACE_BITS + 13), Signal(TRACE_BITS + 1)
        event = later(m, self.event, 5, "event")
        raised = Signal(TRACE_BITS + 2)
        m.d.sync += [
            kept.eq(later(m, self.value, 3, "value") * self.keep4),
            left.eq((kept + noise.hashed[20:]) >> 12),
            self.taken.eq(Mux(event, raised, left)),
        ]
        m.d.comb += raised.eq(Mux(self.replace6, 0, left) + self.impulse6)
        with m.If(event & (raised > self.top6)):
            m.d.sync += self.taken.eq(self.top6)
        if self.geometry.windows:
            self._window(m)
        return m

    def _window(self, m: Module) -> None:
        """The table's values of the set bits, one after the other."""
        rest, over = Signal(HISTORY), Signal()
        total = Signal(TRACE_BITS + 1)
        m.d.comb += total.eq(self.summed + self.worth)
        with m.If(self.begin):
            m.d.sync += [
                self.remembered.eq((self.history << 1) | self.event),
                rest.eq((self.history << 1) | self.event),
                self.summed.eq(0),
                over.eq(0),
            ]
        with m.Elif(self.add):
            m.d.sync += rest.eq(rest >> 1)
            with m.If(rest[0] & ~over):
                m.d.sync += [self.summed.eq(Mux(total > self.top, self.top, total)),
                             over.eq(self.replace)]  # fmt: skip
