"""What the learning engine does after the neurons' update: rule by rule columns, epoch, traces."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import fifo, stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry, count_bits, index_bits
from .layout import layout
from .learning_tables import HISTORY
from .learning_walk import EPOCH, POST, request_layout

WINDOW = 2
"""As in ``compiler.microcode.TraceKind``."""
REMEMBER = 4
"""The pass, after those of the four traces, in which earlier spikes move on."""


class Phases(Component):
    """The order of things for each rule.

    Attributes:
        start: once per step. idle: until then, and when all is done.
        on, rules: registers. step: number of the next step.
        request: columns, and the rows of an epoch.
        reading: what has been asked for has yet to read. working: it has yet to be written.
        load, rule_number, rule: the look-up in table ``rule``; the entry stays.
        decay_read, trace, decay: the look-up of one of the rule's traces; the entry stays.
        read_x, read_y, place, group: read what a group of rows, or of neurons, has of its own.
        turn: the group's trace is taken up. remember: its spikes are.
        y_events, t_events: a cycle later, which of them have events of which kind.
        begin_window, add_window, store_window, age: the same for traces by age, step by step.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        rule, decay = (
            StructLayout({f.name: signed(f.width) if f.signed else f.width
                          for f in layout(g)[name].fields})
            for name in ("rule", "decay")
        )  # fmt: skip
        super().__init__(
            {
                "start": In(1),
                "idle": Out(1),
                "on": In(1),
                "rules": In(count_bits(g.rules)),
                "step": In(32),
                "request": Out(stream.Signature(request_layout(g))),
                "reading": In(1),
                "working": In(1),
                "load": Out(1),
                "rule_number": Out(index_bits(g.rules)),
                "rule": In(rule),
                "decay_read": Out(1),
                "trace": Out(2),
                "decay": In(decay),
                "read_x": Out(1),
                "read_y": Out(1),
                "place": Out(index_bits(g.slots)),
                "group": Out(index_bits(g.groups)),
                "turn": Out(1),
                "remember": Out(1),
                "y_events": In(g.lanes),
                "t_events": In(g.lanes),
                "begin_window": Out(1),
                "add_window": Out(1),
                "store_window": Out(1),
                "age": Out(range(HISTORY + 1)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Scan, columns, epoch, traces; then the next rule."""
        m = Module()
        rule, request = self.rule, self.request
        left, passes = Signal(range(max(self.geometry.slots, self.geometry.groups) + 1)), Signal(5)
        which = Signal(3)
        entry, entries = Signal.like(request.p.entry), Signal.like(rule.entries)
        scans, asks = Signal(), Signal()
        due = self._due(m, scans, asks)
        due_epoch = Signal()
        m.d.comb += due_epoch.eq((self.step & ((1 << rule.period) - 1)[:17]) == 0)
        lowest = Signal(3)
        for i in reversed(range(REMEMBER + 1)):
            with m.If(passes[i]):
                m.d.comb += lowest.eq(i)
        m.d.comb += self.trace.eq(which)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.idle.eq(1)
                m.d.sync += self.rule_number.eq(0)
                with m.If(self.start & (self.rules != 0)):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += self.load.eq(1)
                m.next = "LOADED"
            with m.State("LOADED"):
                m.d.sync += [left.eq(rule.groups), self.place.eq(rule.ygroup),
                             self.group.eq(rule.group)]  # fmt: skip
                m.next = "EPOCH?"
                with m.If(self.on & (rule.post_count != 0)):
                    m.next = "SCAN"
            with m.State("SCAN"):
                m.d.comb += [self.read_y.eq(1), scans.eq(1)]
                self._next_group(m, left)
                with m.If(left == 1):
                    m.next = "SCANNED"
            with m.State("SCANNED"):
                m.next = "COLUMNS"
            with m.State("COLUMNS"):
                m.d.comb += asks.eq(1)
                with m.If(~due & ~self.reading):
                    m.next = "EPOCH?"
            with m.State("EPOCH?"):
                m.d.sync += [
                    entry.eq(self._first_entry()), entries.eq(rule.entries),
                    passes.eq(rule.passes),
                ]  # fmt: skip
                m.next = "PASS"
                with m.If(self.on & (rule.epoch_count != 0) & due_epoch):
                    m.next = "EPOCH"
            with m.State("EPOCH"):
                m.d.comb += [
                    request.valid.eq(entries != 0),
                    request.p.when.eq(EPOCH),
                    request.p.entry.eq(entry),
                    request.p.changes.eq(rule.epoch_changes),
                ]
                with m.If(request.valid & request.ready):
                    m.d.sync += [entry.eq(entry + 1), entries.eq(entries - 1)]
                with m.If((entries == 0) & ~self.reading):
                    m.next = "PASS"
            self._passes(m, left, passes, which, lowest)
        return m

    def _first_entry(self) -> Any:
        lanes = (self.geometry.lanes - 1).bit_length()
        return self.rule.xgroup << lanes

    def _due(self, m: Module, scans: Signal, asks: Signal) -> Any:
        """Neurons whose columns are due, as ``SCAN`` finds them and ``COLUMNS`` asks for them."""
        g, request = self.geometry, self.request
        group1, read1 = Signal.like(self.group), Signal()
        groups = len(self.group)
        m.submodules.queue = queue = fifo.SyncFIFO(width=groups + 2 * g.lanes, depth=g.groups)
        asking = Signal()
        y0, t0, group = Signal(g.lanes), Signal(g.lanes), Signal.like(self.group)
        waiting, rest, lane = Signal(g.lanes), Signal(g.lanes), Signal(range(max(2, g.lanes)))
        m.d.sync += [group1.eq(self.group), read1.eq(scans)]
        m.d.comb += [
            queue.w_data.eq(Cat(group1, self.y_events, self.t_events)),
            queue.w_en.eq(read1 & (self.y_events | self.t_events).any()),
            waiting.eq(y0 | t0),
            rest.eq(waiting & (waiting - 1)),
            asking.eq(waiting != 0),
        ]
        for i in reversed(range(g.lanes)):
            with m.If(waiting[i]):
                m.d.comb += lane.eq(i)
        with m.If(asking):
            m.d.comb += [
                request.valid.eq(1),
                request.p.column.eq(1),
                request.p.when.eq(POST),
                request.p.changes.eq(self.rule.post_changes),
                request.p.rule.eq(self.rule_number),
                request.p.group.eq(group),
                request.p.lane.eq(lane),
                request.p.y0.eq((y0 & ~rest & waiting).any()),
                request.p.t0.eq((t0 & ~rest & waiting).any()),
            ]
        taken = request.ready & asking
        with m.If(~asking | (taken & (rest == 0))):
            m.d.comb += queue.r_en.eq(asks)
            m.d.sync += [y0.eq(0), t0.eq(0)]
            with m.If(queue.r_rdy & asks):
                m.d.sync += Cat(group, y0, t0).eq(queue.r_data)
        with m.Elif(taken):
            m.d.sync += [y0.eq(y0 & rest), t0.eq(t0 & rest)]
        return asking | queue.r_rdy

    def _passes(
        self, m: Module, left: Signal, passes: Signal, which: Signal, lowest: Signal
    ) -> None:
        """Each trace that the rule uses, group by group; earlier spikes; the next rule."""
        rule, decay = self.rule, self.decay
        of_y, last = which[1] | (which == REMEMBER), left == 1
        with m.State("PASS"):
            x = ~(lowest[1] | (lowest == REMEMBER))
            m.d.comb += [self.decay_read.eq(1), self.trace.eq(lowest)]
            m.d.sync += [
                which.eq(lowest), passes.eq(passes & (passes - 1)),
                left.eq(Mux(x, rule.xgroups, rule.groups)),
                self.place.eq(Mux(x, rule.xgroup, rule.ygroup)), self.group.eq(rule.group),
            ]  # fmt: skip
            m.next = "GROUP"
            with m.If(passes == 0):
                m.next = "PASS"
                with m.If(~self.working):
                    m.d.sync += self.rule_number.eq(self.rule_number + 1)
                    m.next = "LOAD"
                    with m.If(self.rule_number + 1 == self.rules):
                        m.next = "IDLE"
        with m.State("GROUP"):
            by_age: Any = Const(0)
            if self.geometry.windows:
                by_age = (decay.kind == WINDOW) & (which != REMEMBER)
            m.d.comb += [
                self.read_x.eq(~of_y), self.read_y.eq(of_y),
                self.turn.eq((which != REMEMBER) & ~by_age), self.remember.eq(which == REMEMBER),
            ]  # fmt: skip
            with m.If(~by_age):
                self._next_group(m, left)
                with m.If(last):
                    m.next = "PASS"
            if self.geometry.windows:
                with m.If(by_age):
                    m.next = "BEGIN WINDOW"
        if self.geometry.windows:
            with m.State("BEGIN WINDOW"):
                m.d.comb += self.begin_window.eq(1)
                m.d.sync += self.age.eq(0)
                m.next = "FIRST AGE"
            with m.State("FIRST AGE"):
                m.d.sync += self.age.eq(self.age + 1)
                m.next = "AGE"
            with m.State("AGE"):
                m.d.comb += self.add_window.eq(1)
                m.d.sync += self.age.eq(self.age + 1)
                with m.If(self.age == decay.length):
                    m.next = "STORE WINDOW"
            with m.State("STORE WINDOW"):
                m.d.comb += self.store_window.eq(1)
                self._next_group(m, left)
                m.next = "GROUP"
                with m.If(last):
                    m.next = "PASS"

    def _next_group(self, m: Module, left: Signal) -> None:
        m.d.sync += [left.eq(left - 1), self.place.eq(self.place + 1),
                     self.group.eq(self.group + 1)]  # fmt: skip
