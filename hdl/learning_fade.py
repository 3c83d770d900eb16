"""Traces decay: beside everything else a step does, a few neurons per cycle.

Decay depends on nothing that happens in the step, so it is computed from the step's beginning on,
for all exponential traces of all rules. Rows and columns go on reading the values of the step
before, which stand in memories of their own; when a step's events are taken up, they meet what
``Fade`` has made.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from .component import Component, later
from .geometry import Geometry, count_bits, index_bits
from .hash_unit import Mix
from .learning_tables import TRACE_BITS

SETTLED = 4
"""Cycles from a step's beginning until its hash is there."""


class Fade(Component):
    """The list of exponential traces, group by group, part by part of a group's lanes.

    Attributes:
        begin: a step begins. busy: from then on, until everything is written.
        step_hash: of this step, from ``SETTLED`` cycles after its beginning on.
        list_read, list_index, first, groups, which, keep: the look-up in table ``decay``.
        read, read_trace, read_place, read_part: read the traces of a group, and the key terms of a
            part of it.
        value0 …, term0 …: a cycle later, of the part's lanes.
        write, write_trace, write_place, write_part, faded0 …: what they have become.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        place, parts = index_bits(g.slots), index_bits(g.lanes // g.faded)
        members: dict[str, Any] = {
            "begin": In(1), "busy": Out(1), "step_hash": In(32),
            "list_read": Out(1), "list_index": Out(range(g.rules * 4 + 1)),
            "first": In(place), "groups": In(count_bits(g.slots)), "which": In(2), "keep": In(13),
            "read": Out(1), "read_trace": Out(2), "read_place": Out(place), "read_part": Out(parts),
            "write": Out(1), "write_trace": Out(2), "write_place": Out(place),
            "write_part": Out(parts),
        }  # fmt: skip
        for i in range(g.faded):
            members.update({f"value{i}": In(TRACE_BITS), f"term{i}": In(32)})
            members[f"faded{i}"] = Out(TRACE_BITS)
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Read; then 1 cycle to add, 4 to hash, 1 to add, 1 to write."""
        m = Module()
        g = self.geometry
        parts = g.lanes // g.faded
        left, wait = Signal.like(self.groups), Signal(range(SETTLED + 1))
        last_part = Signal()
        m.d.comb += [
            self.read_trace.eq(self.which),
            last_part.eq(self.read_part == parts - 1),
        ]
        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.sync += [self.list_index.eq(0), wait.eq(SETTLED)]
                with m.If(self.begin):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += self.list_read.eq(1)
                m.d.sync += wait.eq(Mux(wait == 0, 0, wait - 1))
                with m.If(wait == 0):
                    m.next = "FETCHED"
            with m.State("FETCHED"):
                m.d.sync += [
                    self.list_index.eq(self.list_index + 1), left.eq(self.groups),
                    self.read_place.eq(self.first), self.read_part.eq(0),
                ]  # fmt: skip
                m.next = "GROUPS"
                with m.If(self.groups == 0):
                    m.next = "IDLE"
            with m.State("GROUPS"):
                m.d.comb += self.read.eq(1)
                m.d.sync += self.read_part.eq(self.read_part + 1)
                with m.If(last_part):
                    m.d.sync += [
                        self.read_part.eq(0), self.read_place.eq(self.read_place + 1),
                        left.eq(left - 1),
                    ]  # fmt: skip
                    with m.If(left == 1):
                        m.next = "FETCH"
            idle = fsm.ongoing("IDLE")
        total = Mix.LATENCY + 4
        valid = [self.read]
        for i in range(total):
            valid.append(Signal(name=f"valid{i + 1}"))
            m.d.sync += valid[-1].eq(valid[-2])
        keep = later(m, self.keep, Mix.LATENCY, "keep")
        for i in range(g.faded):
            m.submodules[f"hash{i}"] = noise = Mix(adders=True)
            salted, kept = Signal(32, name=f"salted{i}"), Signal(TRACE_BITS + 13, name=f"kept{i}")
            value = later(m, getattr(self, f"value{i}"), Mix.LATENCY, f"value{i}")
            m.d.sync += [
                salted.eq(getattr(self, f"term{i}") + self.step_hash),
                kept.eq(value * keep),
                getattr(self, f"faded{i}").eq((kept + noise.hashed[20:]) >> 12),
            ]
            m.d.comb += noise.value.eq(salted)
        place = Cat(self.read_trace, self.read_place, self.read_part)
        # fmt: off
        m.d.comb += [
            Cat(self.write_trace, self.write_place, self.write_part).eq(
                later(m, place, Mix.LATENCY + 3, "place")
            ),
            self.write.eq(valid[Mix.LATENCY + 3]),
            self.busy.eq(~idle | self.begin | Cat(*valid[1:]).any()),
        ]
        # fmt: on
        return m
