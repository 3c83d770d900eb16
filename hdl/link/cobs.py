"""COBS in hardware: a byte per cycle in, frames without zero bytes out, and back."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..protocol import COBS_RUN

Token = data.StructLayout({"data": 8, "end": 1, "bad": 1})
"""A byte of a frame, or (``end``) the end of one; ``bad`` if it ended inside a block."""


FrameByte = data.StructLayout({"data": 8, "last": 1})
"""A byte to be sent, ``last`` of its frame or not."""


class CobsDecoder(wiring.Component):
    """Bytes from the line become tokens; delimiters without anything between them are dropped."""

    def __init__(self) -> None:
        super().__init__({"data": In(stream.Signature(8)), "tokens": Out(stream.Signature(Token))})

    def elaborate(self, platform: Any) -> Module:
        """A code byte stands for the zero before its block, but for the first and after 255."""
        m = Module()
        byte, token = self.data.payload, self.tokens.payload
        left = Signal(8)
        inside = Signal()  # a frame has begun
        zero = Signal()  # the next code byte stands for a zero
        emit = Signal()
        m.d.comb += [
            token.data.eq(byte),
            token.end.eq(byte == 0),
            token.bad.eq(left != 0),
            self.tokens.valid.eq(self.data.valid & emit),
            self.data.ready.eq(self.tokens.ready | ~emit),
        ]
        with m.If(byte == 0):
            m.d.comb += emit.eq(inside)
        with m.Elif(left == 0):
            m.d.comb += [emit.eq(inside & zero), token.data.eq(0)]
        with m.Else():
            m.d.comb += emit.eq(1)
        with m.If(self.data.valid & self.data.ready):
            with m.If(byte == 0):
                m.d.sync += [left.eq(0), inside.eq(0)]
            with m.Elif(left == 0):
                m.d.sync += [left.eq(byte - 1), inside.eq(1), zero.eq(byte <= COBS_RUN)]
            with m.Else():
                m.d.sync += left.eq(left - 1)
        return m


class CobsEncoder(wiring.Component):
    """Frames become bytes for the line, each closed by a delimiter.

    A block's code byte is known at its end only: the place before the block is kept free in a ring,
    and the reader follows as far as blocks are complete.
    """

    DEPTH = 512
    """Two whole blocks: one is sent while the next is filled."""

    def __init__(self) -> None:
        super().__init__(
            {"data": In(stream.Signature(FrameByte)), "line": Out(stream.Signature(8))}
        )

    def elaborate(self, platform: Any) -> Module:
        """One write port: a data byte or a code byte per cycle."""
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=8, depth=self.DEPTH, init=[])
        write, read = ring.write_port(), ring.read_port()
        at = Signal(range(self.DEPTH), init=1)  # next data byte
        code_at = Signal(range(self.DEPTH))  # code byte of the block being filled
        complete = Signal(range(self.DEPTH))  # the reader may go to here
        taken = Signal(range(self.DEPTH))  # what the reader has taken
        code = Signal(8, init=1)
        last = Signal()
        used = Signal(range(self.DEPTH))
        m.d.comb += used.eq(at - taken)

        def close_block() -> None:
            m.d.comb += [write.en.eq(1), write.addr.eq(code_at), write.data.eq(code)]

        def open_block(where: Any) -> None:
            m.d.sync += [code_at.eq(where), at.eq(where + 1), complete.eq(where), code.eq(1)]

        byte = self.data.payload
        with m.FSM():
            with m.State("FILL"):
                m.d.comb += self.data.ready.eq(used < self.DEPTH - 4)
                with m.If(self.data.valid & self.data.ready):
                    m.d.sync += last.eq(byte.last)
                    with m.If(byte.data == 0):
                        close_block()
                        open_block(at)
                        with m.If(byte.last):
                            m.next = "CLOSE"
                    with m.Else():
                        m.d.comb += [write.en.eq(1), write.addr.eq(at), write.data.eq(byte.data)]
                        m.d.sync += [at.eq(at + 1), code.eq(code + 1)]
                        with m.If(byte.last | (code == COBS_RUN)):
                            m.next = "CLOSE"
            with m.State("CLOSE"):
                close_block()
                m.next = "DELIMITER"
                with m.If(~last):
                    open_block(at)
                    m.next = "FILL"
            with m.State("DELIMITER"):
                m.d.comb += [write.en.eq(1), write.addr.eq(at), write.data.eq(0)]
                open_block((at + 1)[: len(at)])
                m.next = "FILL"

        fetched = Signal()
        m.d.comb += [
            read.addr.eq(taken),
            self.line.payload.eq(read.data),
            self.line.valid.eq(fetched),
        ]
        with m.If(fetched):
            with m.If(self.line.ready):
                m.d.sync += [fetched.eq(0), taken.eq(taken + 1)]
        with m.Elif(taken != complete):
            m.d.sync += fetched.eq(1)
        return m
