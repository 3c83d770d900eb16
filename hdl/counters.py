"""The memory that registers are read from, and the counters that live in it.

A wide counter is a narrow one that takes what comes every cycle, and a word or two of memory that
it is emptied into from time to time: one adder and one memory serve all of them. They are never set
back; who wants to know what a run added takes the difference.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import count_bits
from .memory import choose
from .registers import COUNTERS, REGISTER

FIRST = REGISTER[f"{COUNTERS[0]}_LOW"].number
ROUND = 2 * len(COUNTERS)
"""Cycles in which each counter is emptied once: one for its lower word, one for its upper."""


class Counters(Component):
    """One word per register; two per counter.

    Attributes:
        number: of the register that is read while ``access``; ``read`` follows a cycle later. What
            has been added is in it after ``ROUND + 4`` cycles without ``access``.
        add0, …: what to add, in the order of ``registers.COUNTERS``.

    Args:
        most: largest value of each ``add``.
        initial: register number -> what it reads from the beginning.
    """

    def __init__(self, most: dict[str, int], initial: dict[int, int]) -> None:
        self.most = most
        depth = 1 + max(FIRST + ROUND - 1, max(initial, default=0))
        words = [initial.get(i, 0) for i in range(depth)]
        self.words = memory.Memory(shape=32, depth=depth, init=words, attrs={"ram_style": "block"})
        members: dict[str, Any] = {
            "number": In(8), "access": In(1), "read": Out(32),
        }  # fmt: skip
        members.update({f"add{i}": In(count_bits(most[name])) for i, name in enumerate(COUNTERS)})
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Cycle by cycle: add to a lower word, add the carry to its upper word, go on."""
        m = Module()
        m.submodules.words = self.words
        write, read = self.words.write_port(), self.words.read_port()
        at = Signal(range(ROUND))  # the word that is on the memory's output, if it is `there`
        there, carry = Signal(), Signal()
        upper, counter = at[0], at[1:]
        m.d.comb += self.read.eq(read.data)

        waiting: dict[int, Any] = {}
        for i, name in enumerate(COUNTERS):
            # Emptied every ROUND cycles; an access of the host's takes five more.
            small = Signal(count_bits(self.most[name] * 2 * ROUND), name=f"waiting_{name.lower()}")
            emptied = Signal(name=f"empty_{name.lower()}")
            waiting[i] = Signal.like(small, name=f"most_{name.lower()}")
            m.d.comb += [
                emptied.eq(there & ~self.access & ~upper & (counter == i)),
                waiting[i].eq(small + getattr(self, f"add{i}")),
            ]
            m.d.sync += small.eq(waiting[i])
            with m.If(emptied):
                m.d.sync += small.eq(0)
        added = Signal(max(len(value) for value in waiting.values()))
        total = Signal(33)
        following = Signal.like(at)
        m.d.comb += [
            added.eq(Mux(upper, carry, choose(waiting, counter))),
            total.eq(read.data + added),
            following.eq(Mux(at == ROUND - 1, 0, at + 1)),
            read.en.eq(1),
            read.addr.eq(FIRST + Mux(there, following, at)),
        ]
        m.d.sync += [
            there.eq(~self.access),
            # Written a cycle later, since reading and adding take long.
            write.en.eq(there & ~self.access),
            write.addr.eq(FIRST + at),
            write.data.eq(total),
        ]
        with m.If(self.access):
            m.d.comb += read.addr.eq(self.number)
        with m.Elif(there):
            m.d.sync += [at.eq(following), carry.eq(total[32])]
        return m
