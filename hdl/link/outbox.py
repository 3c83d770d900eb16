"""The reply stream, cut into frames that are kept until the host has them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..protocol import RECORD_BYTES

LENGTH_AT, ACK_AT = 0, 2
"""Where length and acknowledgement stand in the ``RECORD_BYTES`` before a frame's payload."""


class Outbox(wiring.Component):
    """A ring of frames, each behind its length and the acknowledgement that it carries.

    Attributes:
        data: reply bytes; waits when the ring is full.
        flush: finish the frame being filled if it is not empty; only while ``ready``.
        finish: a frame of commands has been executed: finish the frame being filled, even an
            empty one, so that the host learns it. Held until ``finished``.
        executed: frames of commands executed, modulo 2^16.
        produced: frames finished, modulo 2^16.
        head: end of the last finished frame.
        tail: everything before it is free (set by the transmitter).
        read_at, read_data: the transmitter's look into the ring, a cycle later.
        discard: swallow ``data`` instead of keeping it.

    Args:
        credit: size of the ring in bytes, a power of two.
        max_payload: bytes per frame.
    """

    def __init__(self, credit: int, max_payload: int):
        if credit & (credit - 1):
            raise ValueError(f"the outbox must be a power of two in size, not {credit}")
        self.credit = credit
        self.max_payload = max_payload
        place = (credit - 1).bit_length() + 1
        super().__init__(
            {
                "data": In(stream.Signature(8)),
                "flush": In(1),
                "finish": In(1),
                "finished": Out(1),
                "ready": Out(1),
                "discard": In(1),
                "executed": Out(16),
                "produced": Out(16),
                "head": Out(place),
                "tail": In(place),
                "read_at": In(place),
                "read_data": Out(8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Payload first, then the record before it."""
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=8, depth=self.credit, init=[])
        write, read = ring.write_port(), ring.read_port()
        part = Signal(range(self.max_payload + 1))
        ack = Signal(16)
        used = Signal(self.head.shape())
        index = Signal(range(RECORD_BYTES))
        length = Signal(16)
        m.d.comb += [
            length.eq(part),
            read.addr.eq(self.read_at),
            self.read_data.eq(read.data),
            used.eq(self.head - self.tail),
        ]
        record = Cat(length, ack)

        def commit(acknowledges: Any) -> None:
            m.d.sync += [ack.eq(acknowledges), index.eq(0)]
            m.next = "RECORD"

        with m.FSM():
            with m.State("FILL"):
                # Never together: the executor asks for a command byte, sends one, or flushes.
                m.d.comb += self.ready.eq(1)
                room = used + part + RECORD_BYTES
                with m.If(self.finish):
                    with m.If(room <= self.credit):
                        m.d.comb += self.finished.eq(1)
                        m.d.sync += self.executed.eq(self.executed + 1)
                        commit(self.executed + 1)
                with m.Elif(self.flush & (part != 0)):
                    commit(self.executed)
                with m.Else():
                    m.d.comb += [
                        self.data.ready.eq((room < self.credit) | self.discard),
                        write.addr.eq(self.head + part + RECORD_BYTES),
                        write.data.eq(self.data.payload),
                        write.en.eq(self.data.valid & self.data.ready & ~self.discard),
                    ]
                    with m.If(write.en):
                        m.d.sync += part.eq(part + 1)
                        with m.If(part == self.max_payload - 1):
                            commit(self.executed)
            with m.State("RECORD"):
                m.d.comb += [
                    write.addr.eq(self.head + index),
                    write.data.eq(record.word_select(index, 8)),
                    write.en.eq(1),
                ]
                m.d.sync += index.eq(index + 1)
                with m.If(index == RECORD_BYTES - 1):
                    m.d.sync += [
                        self.head.eq(self.head + part + RECORD_BYTES),
                        self.produced.eq(self.produced + 1),
                        part.eq(0),
                    ]
                    m.next = "FILL"
        return m
