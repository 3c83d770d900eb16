"""A little 8-bit processor that sees to the link's frames; its program is in ``firmware.py``.

One accumulator, a carry, a block RAM of variables, one place to return to. An instruction takes two
clock cycles: one in which its operand is fetched, one in which it is executed. Of frames only the
headers pass through it byte by byte: payloads go between line and rings by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

ADDRESS_BITS = 10
"""Of a place in the program."""


class Kind(IntEnum):
    """Bits 15 to 13: what an instruction does, or where its operand comes from."""

    MEMORY = 0
    CONSTANT = 1
    PORT = 2
    STORE = 3
    OUT = 4
    JUMP = 5
    CALL = 6
    CONTROL = 7


class Op(IntEnum):
    """Bits 12 to 10 of MEMORY, CONSTANT and PORT: bit 2 arithmetic, bit 1 subtracting, bit 0 with
    carry. After a subtraction the carry is 1 if nothing was borrowed."""

    LOAD = 0
    AND = 1
    OR = 2
    XOR = 3
    ADD = 4
    ADC = 5
    SUB = 6
    SBC = 7


class When(IntEnum):
    """Bits 12 to 10 of JUMP: whether the accumulator is zero, whether the carry is 1."""

    ALWAYS = 0
    ZERO = 4
    NOT_ZERO = 5
    CARRY = 6
    NO_CARRY = 7


WAIT = 1 << 12
"""CONTROL with this bit waits for one of the events whose bits the accumulator has; else it is
the return from a CALL."""


class Sequencer(wiring.Component):
    """The processor.

    Attributes:
        port: number of the port that the instruction in hand reads or writes.
        port_data: what is read there.
        reading, writing: the instruction reads, writes; it is executed in the cycle in which
            ``stall`` is 0.
        data: the accumulator.
        stall: the port is not ready.
        events: what WAIT waits for.
        put, put_address, put_data: somebody else writes a variable, when ``put_ready``.

    Args:
        program: instructions.
    """

    def __init__(self, program: Sequence[int]):
        if len(program) > 1 << ADDRESS_BITS:
            raise ValueError(f"a program has at most {1 << ADDRESS_BITS} instructions")
        self.program = tuple(program)
        super().__init__(
            {
                "port": Out(5),
                "port_data": In(8),
                "reading": Out(1),
                "writing": Out(1),
                "data": Out(8),
                "stall": In(1),
                "events": In(8),
                "put": In(1),
                "put_address": In(8),
                "put_data": In(8),
                "put_ready": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Fetch the operand, then execute."""
        m = Module()
        depth = 1 << max(1, len(self.program) - 1).bit_length()
        m.submodules.program = program = memory.Memory(shape=16, depth=depth, init=self.program)
        m.submodules.variables = variables = memory.Memory(shape=8, depth=256, init=[])
        fetch, read, write = program.read_port(), variables.read_port(), variables.write_port()
        place = len(fetch.addr)
        word, operand = fetch.data, fetch.data[:8]
        kind, op = word[13:], word[10:13]
        accumulator, carry = Signal(8), Signal()
        pc, after = Signal(place), Signal(place)
        executing, go, waits = Signal(), Signal(), Signal()
        following = (pc + 1)[:place]
        then = Signal(place)
        m.d.comb += [
            self.port.eq(operand),
            self.data.eq(accumulator),
            self.reading.eq(executing & (kind == Kind.PORT)),
            self.writing.eq(executing & (kind == Kind.OUT)),
            waits.eq((kind == Kind.CONTROL) & word[12] & ((self.events & accumulator) == 0)),
            go.eq(executing & ~waits & ~self.stall),
            # The instruction stays where it is until it is done.
            fetch.addr.eq(Mux(go, then, pc)),
            read.addr.eq(operand),
        ]
        store = go & (kind == Kind.STORE)
        m.d.comb += [
            write.en.eq(store | self.put),
            write.addr.eq(Mux(store, operand, self.put_address)),
            write.data.eq(Mux(store, accumulator, self.put_data)),
            self.put_ready.eq(~store),
        ]
        m.d.sync += executing.eq(~go)
        value, result = Signal(8), Signal(8)
        total = Signal(9)
        # Bit 1 of the operation inverts the operand: one's complement for the subtractions, and the
        # logic knows it.
        source = Mux(kind[0], operand, Mux(kind[1], self.port_data, read.data))
        m.d.comb += [
            value.eq(source ^ op[1].replicate(8)),
            total.eq(accumulator + value + Mux(op[0], carry, op[1])),
        ]
        with m.Switch(op):
            with m.Case(Op.LOAD):
                m.d.comb += result.eq(value)
            with m.Case(Op.AND):
                m.d.comb += result.eq(accumulator & value)
            with m.Case(Op.OR):
                m.d.comb += result.eq(accumulator | ~value)
            with m.Case(Op.XOR):
                m.d.comb += result.eq(accumulator ^ ~value)
            with m.Default():
                m.d.comb += result.eq(total[:8])
        with m.If(go & (kind <= Kind.PORT)):
            m.d.sync += accumulator.eq(result)
            with m.If(op[2]):
                m.d.sync += carry.eq(total[8])

        jumps = ~op[2] | (Mux(op[1], carry, accumulator == 0) ^ op[0])
        calls, returns = kind == Kind.CALL, (kind == Kind.CONTROL) & ~word[12]
        m.d.comb += then.eq(following)
        with m.If(calls | ((kind == Kind.JUMP) & jumps)):
            m.d.comb += then.eq(word[:place])
        with m.Elif(returns):
            m.d.comb += then.eq(after)
        with m.If(go):
            m.d.sync += pc.eq(then)
            with m.If(calls):
                m.d.sync += after.eq(following)
        return m
