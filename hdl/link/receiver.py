"""What comes from the line: bytes are buffered, frames unpacked and checked on their way."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..protocol import CRC_BYTES, HEADER, HELLO_REQUEST
from .around import after, place
from .cobs import Token
from .crc import BitCrc

HEAD = HEADER.size + HELLO_REQUEST.size
"""Bytes at the beginning of a frame that the sequencer looks at."""


class LineBuffer(wiring.Component):
    """A ring of bytes between line and decoder, so that nothing is lost while a frame is judged.

    Args:
        depth: bytes, a power of two; all but two can wait.
    """

    def __init__(self, depth: int):
        self.depth = depth
        byte = stream.Signature(8)
        super().__init__({"line": In(byte), "data": Out(byte)})

    def elaborate(self, platform: Any) -> Module:
        """A byte is fetched in the cycle after the one before it was taken, and shown in the next
        one, from a register: what follows decides much by it."""
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=8, depth=self.depth, init=[])
        write, read = ring.write_port(), ring.read_port()
        put, get = place(self.depth), place(self.depth)
        fetched, taken, byte = Signal(), Signal(), Signal(8, reset_less=True)
        m.d.comb += [
            self.line.ready.eq(after(put) != get),
            write.addr.eq(put),
            write.data.eq(self.line.payload),
            write.en.eq(self.line.valid & self.line.ready),
            read.addr.eq(get),
            self.data.payload.eq(byte),
            taken.eq(self.data.valid & self.data.ready),
        ]
        with m.If(write.en):
            m.d.sync += put.eq(after(put))
        m.d.sync += [
            fetched.eq((put != get) & ~taken),
            byte.eq(read.data),
            self.data.valid.eq(fetched & ~taken),
        ]
        with m.If(taken):
            m.d.sync += get.eq(after(get))
        return m


def _below(limit: int, count: Signal) -> Value:
    """Whether a count's four lowest bits are less than a number."""
    return Const((1 << limit) - 1, 16).bit_select(count[:4], 1)


class Receiver(wiring.Component):
    """Checks a frame's CRC and length while it comes, and keeps it until it is released.

    Attributes:
        tokens: from the decoder.
        head, place, byte: a byte of the first ``HEAD``, for the sequencer, when ``head_ready``.
        payload, byte: a byte behind the header, be it the CRC's.
        pending, intact, count: a frame has come; with so many bytes, header and CRC included.
        release: go on with the next one.

    Args:
        max_payload: frames with more are damaged.
    """

    def __init__(self, max_payload: int):
        self.too_long = HEADER.size + CRC_BYTES + max_payload + 1
        super().__init__(
            {
                "tokens": In(stream.Signature(Token)),
                "head": Out(1),
                "head_ready": In(1),
                "place": Out(4),
                "payload": Out(1),
                "byte": Out(8),
                "pending": Out(1),
                "intact": Out(1),
                "count": Out(range(self.too_long + 1)),
                "release": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Eight cycles for the CRC of a byte, one to hand it on."""
        m = Module()
        m.submodules.crc = crc = BitCrc()
        token = self.tokens.payload
        bit, full, low = Signal(4), Signal(), Signal()
        byte = self.tokens.valid & ~token.end
        taken = byte & bit[3] & self.head_ready
        m.d.comb += [
            full.eq(self.count == self.too_long),
            # The first places one by one: a look-up takes less than a comparison.
            low.eq(self.count[4:] == 0),
            crc.bit.eq(token.data.bit_select(bit[:3], 1) & ~token.zero),
            crc.enable.eq(byte & ~bit[3]),
            crc.start.eq(self.release),
            self.byte.eq(Mux(token.zero, 0, token.data)),
            self.place.eq(self.count),
            self.head.eq(taken & low & _below(HEAD, self.count)),
            self.payload.eq(taken & ~(low & _below(HEADER.size, self.count)) & ~full),
            self.pending.eq(self.tokens.valid & token.end),
            self.intact.eq(~token.bad & crc.matches & ~full),
            self.tokens.ready.eq(taken | self.release),
        ]
        with m.If(self.release):
            m.d.sync += self.count.eq(0)
        with m.Elif(taken):
            m.d.sync += [bit.eq(0), self.count.eq(self.count + ~full)]
        with m.Elif(crc.enable):
            m.d.sync += bit.eq(bit + 1)
        return m
