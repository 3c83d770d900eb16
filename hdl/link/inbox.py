"""Frames wait here until their commands have been executed."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..protocol import RECORD_BYTES

MARGIN = 16
"""Bytes of the ring beyond the credit: room for the CRC of the frame that is coming in."""

_LENGTH = 2


class Inbox(wiring.Component):
    """A ring of frames, each behind its length.

    A frame is written while it comes in, and counts only from ``commit`` on. Its bytes come out as
    a stream; at its end ``ended`` stays 1 until ``release``.

    Attributes:
        write, index, byte: byte ``index`` of the frame that is coming in.
        commit, length: the frame is good; only while ``ready`` and ``fits``.
        fits: whether a frame of ``length`` bytes is within the credit.

    Args:
        credit: bytes of frames that may wait, each with ``RECORD_BYTES`` more.
    """

    def __init__(self, credit: int):
        self.credit = credit
        self.depth = 1 << (credit + MARGIN - 1).bit_length()
        super().__init__(
            {
                "write": In(1),
                "index": In(16),
                "byte": In(8),
                "commit": In(1),
                "length": In(16),
                "fits": Out(1),
                "ready": Out(1),
                "data": Out(stream.Signature(8)),
                "ended": Out(1),
                "release": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Writer and reader meet at ``head``; the reader's place is freed frame by frame."""
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=8, depth=self.depth, init=[])
        write, read = ring.write_port(), ring.read_port()
        head = Signal(range(self.depth))
        tail = Signal(range(self.depth))
        held = Signal(range(self.depth + 1))
        used = Signal(range(self.depth))
        m.d.comb += [
            used.eq(head - tail),
            self.fits.eq(held + self.length + RECORD_BYTES <= self.credit),
        ]

        size = Signal(16)
        with m.FSM(name="writer"):
            with m.State("BYTES"):
                m.d.comb += [
                    self.ready.eq(1),
                    write.addr.eq(head + self.index + _LENGTH),
                    write.data.eq(self.byte),
                    write.en.eq(self.write & (used + self.index + _LENGTH < self.depth)),
                ]
                with m.If(self.commit):
                    m.d.sync += size.eq(self.length)
                    m.next = "LOW"
            with m.State("LOW"):
                m.d.comb += [write.addr.eq(head), write.data.eq(size[:8]), write.en.eq(1)]
                m.next = "HIGH"
            with m.State("HIGH"):
                m.d.comb += [write.addr.eq(head + 1), write.data.eq(size[8:]), write.en.eq(1)]
                m.d.sync += head.eq(head + size + _LENGTH)
                m.next = "BYTES"

        at = Signal(range(self.depth))
        left, whole = Signal(16), Signal(16)
        m.d.comb += [read.addr.eq(at), self.data.payload.eq(read.data)]
        with m.FSM(name="reader"):
            with m.State("IDLE"), m.If(tail != head):
                m.d.sync += at.eq(at + 1)
                m.next = "LOW"
            with m.State("LOW"):
                m.d.sync += [left[:8].eq(read.data), at.eq(at + 1)]
                m.next = "HIGH"
            with m.State("HIGH"):
                m.d.sync += left[8:].eq(read.data)
                m.next = "LENGTH"
            with m.State("LENGTH"):
                m.d.sync += whole.eq(left)
                m.next = "NEXT"
            with m.State("NEXT"):
                # The byte at `at` is being read.
                m.next = "DATA"
                with m.If(left == 0):
                    m.next = "END"
            with m.State("DATA"):
                m.d.comb += self.data.valid.eq(1)
                with m.If(self.data.ready):
                    m.d.sync += [at.eq(at + 1), left.eq(left - 1)]
                    m.next = "NEXT"
            with m.State("END"):
                m.d.comb += self.ended.eq(1)
                with m.If(self.release):
                    m.d.sync += tail.eq(at)
                    m.next = "IDLE"

        freed = Signal.like(held)
        added = Signal.like(held)
        with m.If(self.ended & self.release):
            m.d.comb += freed.eq(whole + RECORD_BYTES)
        with m.If(self.ready & self.commit):
            m.d.comb += added.eq(self.length + RECORD_BYTES)
        m.d.sync += held.eq(held + added - freed)
        return m
