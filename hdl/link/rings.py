"""The rings in which commands and replies wait; the sequencer says where frames begin and end."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

MARGIN = 16
"""Bytes of the inbox beyond the credit: room for the CRC of the frame that is coming in."""


def load(m: Module, strobes: Any, value: Any, into: Any) -> None:
    """Set the low or the high byte of a register."""
    for i, part in enumerate((into[:8], into[8:])):
        with m.If(strobes[i]):
            m.d.sync += part.eq(value)


class Inbox(wiring.Component):
    """Payloads come in at one end, command bytes go out at the other.

    Attributes:
        write, byte: a byte of a frame that is coming in.
        value: the sequencer's byte: with ``set_at`` where writing goes on (a strobe for each half),
            with ``put`` what is written there, with ``set_end`` up to where the executor reads.
        pop: the sequencer has taken ``next`` for itself.
        restart: begin at 0.
        data: to the executor.
        empty: it has got all of them.
        hold: it gets nothing.

    Args:
        credit: bytes of frames that may wait.
    """

    def __init__(self, credit: int):
        self.depth = 1 << (credit + MARGIN - 1).bit_length()
        super().__init__(
            {
                "write": In(1),
                "byte": In(8),
                "value": In(8),
                "set_at": In(2),
                "put": In(1),
                "set_end": In(2),
                "pop": In(1),
                "next": Out(8),
                "restart": In(1),
                "data": Out(stream.Signature(8)),
                "empty": Out(1),
                "hold": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """What comes in stops before what has not gone out: the frame is beyond the credit then."""
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=8, depth=self.depth, init=[])
        write, read = ring.write_port(), ring.read_port()
        to, at = Signal(range(self.depth)), Signal(range(self.depth))
        end, fresh = Signal(range(self.depth)), Signal()
        moves, taken = Signal(), Signal()
        m.d.comb += [
            write.addr.eq(to),
            write.data.eq(Mux(self.put, self.value, self.byte)),
            write.en.eq(self.put | (self.write & (to != at))),
            read.addr.eq(at),
            self.next.eq(read.data),
            self.empty.eq(at == end),
            self.data.payload.eq(read.data),
            self.data.valid.eq(fresh & ~self.empty & ~self.hold),
            taken.eq(self.data.valid & self.data.ready),
            moves.eq(taken | self.pop),
        ]
        with m.If(write.en):
            m.d.sync += to.eq(to + 1)
        load(m, self.set_at, self.value, to)
        m.d.sync += fresh.eq(~moves)
        with m.If(moves):
            m.d.sync += at.eq(at + 1)
        with m.If(self.restart):
            m.d.sync += at.eq(0)
        load(m, self.set_end, self.value, end)
        return m


class Outbox(wiring.Component):
    """Reply bytes come in, and stay until they have been sent and acknowledged.

    Attributes:
        data: reply bytes; as many as were granted.
        hold: take none.
        value: the sequencer's byte: with ``set_at`` where writing goes on, with ``put`` what is
            written there, with ``set_end`` up to where the executor may write, with ``set_read``
            what is read next.
        write_at, full: where writing goes on; the end has been reached.
        next: what is read; ``pop``: go on.
        read_at: where that is.

    Args:
        credit: size of the ring in bytes, a power of two.
        read_bits: of ``read_at``, which is used for the description as well.
    """

    def __init__(self, credit: int, read_bits: int):
        if credit & (credit - 1):
            raise ValueError(f"the outbox must be a power of two in size, not {credit}")
        self.credit = credit
        super().__init__(
            {
                "data": In(stream.Signature(8)),
                "hold": In(1),
                "value": In(8),
                "set_at": In(2),
                "put": In(1),
                "set_end": In(2),
                "write_at": Out(range(credit)),
                "full": Out(1),
                "set_read": In(2),
                "read_at": Out(read_bits),
                "next": Out(8),
                "pop": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Two counters and an end."""
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=8, depth=self.credit, init=[])
        write, read = ring.write_port(), ring.read_port()
        to, end, taken = self.write_at, Signal(range(self.credit)), Signal()
        m.d.comb += [
            self.full.eq(to == end),
            self.data.ready.eq(~self.full & ~self.hold),
            taken.eq(self.data.valid & self.data.ready),
            write.addr.eq(to),
            write.data.eq(Mux(self.put, self.value, self.data.payload)),
            write.en.eq(self.put | taken),
            read.addr.eq(self.read_at),
            self.next.eq(read.data),
        ]
        with m.If(write.en):
            m.d.sync += to.eq(to + 1)
        load(m, self.set_at, self.value, to)
        load(m, self.set_end, self.value, end)
        with m.If(self.pop):
            m.d.sync += self.read_at.eq(self.read_at + 1)
        load(m, self.set_read, self.value, self.read_at)
        return m
