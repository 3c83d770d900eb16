"""The order of things: deliver, update, learn, tell the host; and when the next step begins."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from .component import Component


class Sequencer(Component):
    """Runs steps while ``wanted``.

    Attributes:
        wanted: another step is to be computed.
        wait: it must not begin yet (the host is in the memories, or its output has no room).
        pace: least number of cycles from one step's beginning to the next, 0: none; with
            ``pace_set``, it is another one from now on, and the next step waits for nothing.
        delivered: everything due in this step is in the accumulators.
        updated: all neurons are written.
        learn, learned: plastic synapses and traces change; they have changed (with ``learning``).
        idle: between steps.
        start: first cycle of a step (the core is still ``idle`` in it).
        update: the update begins.
        end: last cycle of a step; ``cycles`` is its length, this cycle included.
        late: a step begins later than ``pace`` asks for.

        able, go: this core could begin a step; all cores of its mesh can (with ``mesh``).
        ending, leave: this core is done with its step; all cores of its mesh are (likewise).

    Args:
        learning: the core learns.
        mesh: it is one of several, which begin and end their steps together.
    """

    def __init__(self, learning: bool = False, mesh: bool = False) -> None:
        self._learning, self._mesh = learning, mesh
        super().__init__(
            {
                "wanted": In(1),
                "wait": In(1),
                "pace": In(32),
                "pace_set": In(1),
                "delivered": In(1),
                "updated": In(1),
                "idle": Out(1),
                "start": Out(1),
                "update": Out(1),
                "end": Out(1),
                "cycles": Out(32),
                "late": Out(1),
                **({"learn": Out(1), "learned": In(1)} if learning else {}),
                **({"able": Out(1), "go": In(1), "ending": Out(1), "leave": In(1)}
                   if mesh else {}),
            }
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """A state for each part; one counter from `start` on, for its length and the pace."""
        m = Module()
        following, due, overdue = Signal(), Signal(), Signal()
        able = Signal()
        m.d.comb += able.eq(self.idle & self.wanted & ~self.wait & (~following | due))
        # `cycles` is one ahead of the cycles since the step's beginning. Between runs it rests, and
        # the whole core with it: what does not change costs no power, and no time in simulation.
        with m.If(self.start):
            m.d.sync += self.cycles.eq(2)
        with m.Elif(following | ~self.idle):
            m.d.sync += self.cycles.eq(self.cycles + 1)
        with m.If(following | ~self.idle):
            m.d.sync += overdue.eq(due)
            with m.If(self.cycles == self.pace):
                m.d.sync += due.eq(1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.idle.eq(1)
                with m.If(able & (self.go if self._mesh else 1)):
                    m.d.comb += [
                        self.start.eq(1),
                        self.late.eq(following & overdue & (self.pace != 0)),
                    ]
                    m.d.sync += [
                        due.eq(self.pace[1:] == 0),
                        overdue.eq(0),
                        following.eq(1),
                    ]
                    m.next = "DELIVER"
                with m.Elif(~self.wanted):
                    m.d.sync += following.eq(0)
            with m.State("DELIVER"), m.If(self.delivered):
                m.d.comb += self.update.eq(1)
                m.next = "UPDATE"
            with m.State("UPDATE"), m.If(self.updated):
                m.next = "END"
                if self._learning:
                    m.d.comb += self.learn.eq(1)
                    m.next = "LEARN"
            if self._learning:
                with m.State("LEARN"), m.If(self.learned):
                    m.next = "END"
            with m.State("END"):
                if self._mesh:
                    m.d.comb += self.ending.eq(1)
                with m.If(self.leave if self._mesh else 1):
                    m.d.comb += self.end.eq(1)
                    m.next = "IDLE"
        if self._mesh:
            m.d.comb += self.able.eq(able)
        with m.If(self.pace_set):
            m.d.sync += following.eq(0)
        return m
