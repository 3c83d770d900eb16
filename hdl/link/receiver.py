"""Tokens become frames: header and CRC are checked, payload bytes go to the inbox on the way."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from .. import protocol
from .cobs import Token

HEADER_LAYOUT = data.StructLayout({field.name: 8 * field.size for field in protocol.HEADER.fields})
"""The header's fields, from ``protocol.HEADER``."""


Received = data.StructLayout({"good": 1, "header": HEADER_LAYOUT, "length": 16, "argument": 16})
"""What is known of a frame at its end; ``length`` is its payload's."""


class Receiver(wiring.Component):
    """Checks frames.

    Attributes:
        tokens: from the decoder.
        frame: one item per frame, damaged ones included.
        write: a payload byte (or one of the CRC behind it), ``index`` in its frame.

    Args:
        max_payload: frames with more are damaged.
    """

    def __init__(self, max_payload: int):
        self.max_payload = max_payload
        super().__init__(
            {
                "tokens": In(stream.Signature(Token)),
                "frame": Out(stream.Signature(Received)),
                "write": Out(1),
                "index": Out(16),
                "byte": Out(8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """One counter over the frame; the first bytes are the header's."""
        m = Module()
        m.submodules.crc = crc = catalog.CRC32_ISO_HDLC(8).create()
        head, overhead = protocol.HEADER.size, protocol.HEADER.size + protocol.CRC_BYTES
        too_long = overhead + self.max_payload + 1
        token, frame = self.tokens.payload, self.frame.payload
        count = Signal(range(too_long + 1))
        first = Signal(8 * head)
        argument = Signal(16)
        taken = Signal()
        m.d.comb += [
            taken.eq(self.tokens.valid & ~token.end),
            # A new frame starts the CRC anew with its first byte.
            crc.start.eq(taken & (count == 0)),
            crc.valid.eq(taken),
            crc.data.eq(token.data),
            self.write.eq(taken & (count >= head) & (count != too_long)),
            self.index.eq(count - head),
            self.byte.eq(token.data),
            frame.header.eq(first),
            frame.argument.eq(argument),
            frame.length.eq(count - overhead),
            frame.good.eq(self._is_good(frame, token, count, too_long, crc.match_detected)),
            self.frame.valid.eq(self.tokens.valid & token.end),
            self.tokens.ready.eq(~token.end | self.frame.ready),
        ]
        with m.If(taken):
            with m.If(count != too_long):
                m.d.sync += count.eq(count + 1)
            with m.If(count < head):
                m.d.sync += first.eq(Cat(first[8:], token.data))
            with m.Elif(count < head + 2):
                m.d.sync += argument.eq(Cat(argument[8:], token.data))
        with m.Elif(self.tokens.valid & self.tokens.ready):
            m.d.sync += count.eq(0)
        return m

    def _is_good(self, frame: Any, token: Any, count: Any, too_long: int, crc_matches: Any) -> Any:
        header = frame.header
        kind, version = header.type, header.version
        any_version = _is_one_of(kind, protocol.ANY_VERSION)
        return (
            ~token.bad
            & crc_matches
            & (count >= protocol.HEADER.size + protocol.CRC_BYTES)
            & (count != too_long)
            & _is_one_of(kind, protocol.FrameType)
            & ((version == protocol.VERSION) | any_version)
        )


def _is_one_of(signal: Any, values: Any) -> Any:
    return signal.matches(*(int(value) for value in values))
