"""Random numbers of a walk: the counter hash, two numbers for each group of products."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from .component import Component, later
from .geometry import Geometry, index_bits
from .hash_unit import Mix
from .layout import layout
from .learning_tables import INDEX_BITS


def key_bits(g: Geometry) -> int:
    """Width of a neuron's number within its source or population."""
    return INDEX_BITS if g.scattered else index_bits(g.slots) + (g.lanes - 1).bit_length()


class Numbers(Component):
    """One number per cycle, hashed twice; of each pair the second one moved on to the first neuron.

    Attributes:
        begin: a walk's numbers begin, whose rule, event and number of groups are ``rule``, ``when``
            and ``changes``, and whose own neuron is ``key``.
        across: the number of the first neuron that the walk meets; no more than a signed multiplier
            takes. Only where neurons are not scattered.
        salt_index, salt: the look-up in table ``salt``; it follows a cycle later.
        step_hash: of this step.
        done, numbers: all of the walk's numbers are there.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        self.slots = 2 * (1 + g.tags + g.delays)
        super().__init__(
            {
                "begin": In(1),
                "rule": In(index_bits(g.rules)),
                "when": In(2),
                "changes": In(2),
                "key": In(key_bits(g)),
                "across": In(signed(key_bits(g) + 1)),
                "salt_index": Out(index_bits(layout(g)["salt"].depth)),
                "salt": In(32),
                "step_hash": In(32),
                "done": Out(1),
                "numbers": Out(32 * self.slots),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Cycle 0: the salt; 1 to 6 and 6 to 11: add and hash, twice."""
        m = Module()
        g, begin = self.geometry, self.begin
        number, left, base = Signal(3), Signal(3), Signal(3 + 2 + index_bits(g.rules))
        here = Cat(self.when, self.rule)
        going, last = Signal(), Signal()
        m.d.comb += [
            self.salt_index.eq(Cat(Mux(begin, 0, number), Mux(begin, here, base))),
            going.eq(begin | (left != 0)),
            last.eq(left == 1),
        ]
        key, across = Signal.like(self.key), Signal.like(self.across)
        with m.If(begin):
            m.d.sync += [
                number.eq(1), base.eq(here), key.eq(self.key), across.eq(self.across),
                # Without any use for them a pair is made all the same.
                left.eq(Mux(self.changes == 0, 1, (self.changes << 1) - 1)),
            ]  # fmt: skip
        with m.Elif(left != 0):
            m.d.sync += [number.eq(number + 1), left.eq(left - 1)]
        m.submodules.first = first = Mix(adders=True)
        m.submodules.second = second = Mix(adders=True)
        salted, dated = Signal(32), Signal(32)
        m.d.sync += [salted.eq(key + self.salt), dated.eq(first.hashed + self.step_hash)]
        m.d.comb += [first.value.eq(salted), second.value.eq(dated)]
        hashing = 2 * (Mix.LATENCY + 1)
        done = later(m, going, 1 + hashing, "done")
        at = later(m, Mux(begin, 0, number), 1 + hashing, "at")
        moved: Any = second.hashed
        if not g.scattered:
            step = Signal(32)
            m.d.sync += step.eq(second.hashed * later(m, across, hashing, "across"))
            moved = second.hashed + Mux(at[0], step, 0)
        found = [Signal(32, name=f"number{i}") for i in range(self.slots)]
        now = [Signal(32, name=f"now{i}") for i in range(self.slots)]
        for i in range(self.slots):
            m.d.comb += now[i].eq(Mux(at == i, moved, found[i]))
        with m.If(done):
            m.d.sync += [kept.eq(new) for kept, new in zip(found, now, strict=True)]
        m.d.comb += [
            self.done.eq(later(m, last & going, 1 + hashing, "final")),
            self.numbers.eq(Cat(now)),
        ]
        return m
