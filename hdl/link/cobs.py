"""COBS in hardware: a byte per cycle in, frames without zero bytes out, and back."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..protocol import COBS_RUN
from .around import after, after_first, place

Token = data.StructLayout({"data": 8, "zero": 1, "end": 1, "bad": 1})
"""A byte of a frame (``zero``: 0 instead of ``data``), or its ``end``, ``bad`` inside a block."""


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
        left = Signal(8, init=1)  # bytes up to the next code byte, this one included
        inside = Signal()  # a frame has begun
        zero = Signal()  # the next code byte stands for a zero
        emit = Signal()
        m.d.comb += [
            token.data.eq(byte),
            token.end.eq(byte == 0),
            token.bad.eq(left != 1),
            self.tokens.valid.eq(self.data.valid & emit),
            self.data.ready.eq(self.tokens.ready | ~emit),
        ]
        with m.If(byte == 0):
            m.d.comb += emit.eq(inside)
        with m.Elif(left == 1):
            m.d.comb += [emit.eq(inside & zero), token.zero.eq(1)]
        with m.Else():
            m.d.comb += emit.eq(1)
        with m.If(self.data.valid & self.data.ready):
            with m.If(byte == 0):
                m.d.sync += [left.eq(1), inside.eq(0)]
            with m.Elif(left == 1):
                m.d.sync += [left.eq(byte), inside.eq(1), zero.eq(byte != COBS_RUN + 1)]
            with m.Else():
                m.d.sync += left.eq(left - 1)
        return m


class CobsEncoder(wiring.Component):
    """Frames become bytes for the line, each closed by a delimiter.

    A block's code byte is known at its end only: the place before the block is kept free in a ring,
    and the reader follows as far as blocks are complete. A block is completed when the reader has
    taken all before it, its last byte being on its way then: so the ring is never full.

    Attributes:
        data: frames.
        line: their bytes.
        empty: all of them have been taken.
    """

    DEPTH = 512
    """Two whole blocks, but for a place: one is sent while the next is filled."""

    def __init__(self) -> None:
        super().__init__(
            {
                "data": In(stream.Signature(FrameByte)),
                "line": Out(stream.Signature(8)),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """One write port: a data byte, a code byte or the delimiter per cycle.

        The delimiter takes the place that was kept free for the code of a block that is not.
        """
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=8, depth=self.DEPTH, init=[])
        write, read = ring.write_port(), ring.read_port()
        at = place(self.DEPTH, init=after_first(1, self.DEPTH))  # next data byte
        code_at = place(self.DEPTH)  # place before the block: the reader may go to here
        taken = place(self.DEPTH)  # what the reader has taken
        code = Signal(8, init=1)
        closing, last, zero, ended = Signal(), Signal(), Signal(), Signal()
        byte, all_taken, closes = self.data.payload, Signal(), Signal()
        m.d.comb += [
            all_taken.eq(taken == code_at),
            closes.eq(closing & all_taken),
            self.data.ready.eq(~closing),
            write.en.eq(Mux(closing, all_taken, self.data.valid & (byte.data != 0))),
            write.addr.eq(Mux(closing, code_at, at)),
            write.data.eq(Mux(closing, Mux(ended, 0, code), byte.data)),
        ]
        with m.If(closes):
            # The block's code, of a last zero the next block's as well, and the delimiter.
            m.d.sync += [
                code_at.eq(at),
                code.eq(1),
                closing.eq(last),
                zero.eq(0),
                ended.eq(last & ~zero & ~ended),
            ]
            with m.If(ended):
                m.d.sync += closing.eq(0)
        with m.Elif(self.data.valid & ~closing):
            m.d.sync += [last.eq(byte.last), zero.eq(byte.data == 0)]
            m.d.sync += closing.eq(byte.last | (byte.data == 0) | (code == COBS_RUN))
            m.d.sync += code.eq(code + (byte.data != 0))
        with m.If(write.en):
            m.d.sync += at.eq(after(at))

        fetched = Signal()
        m.d.comb += [
            read.addr.eq(taken),
            self.line.payload.eq(read.data),
            self.line.valid.eq(fetched),
            # Nor is a block's end being written, when the sender has sent its last byte.
            self.empty.eq(all_taken & ~closing),
        ]
        with m.If(fetched):
            with m.If(self.line.ready):
                m.d.sync += [fetched.eq(0), taken.eq(after(taken))]
        with m.Elif(~all_taken):
            m.d.sync += fetched.eq(1)
        return m
