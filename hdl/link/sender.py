"""What goes to the line: bytes of the sequencer, the outbox or the description, and the CRC."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..protocol import CRC_BYTES
from .cobs import FrameByte
from .crc import BitCrc


class Sender(wiring.Component):
    """Sends a frame: bytes one by one, then what ``go`` says, then the CRC.

    Attributes:
        frame: to the COBS encoder.
        single, byte: a byte to be sent; it stays until ``taken``.
        go: bytes follow from the memory until it is ``done``, and then the CRC.
        fetched: the memory's byte; ``next`` when it was sent, and a cycle later comes the next.
        sent: nothing is being sent.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "frame": Out(stream.Signature(FrameByte)),
                "single": In(1),
                "byte": In(8),
                "taken": Out(1),
                "go": In(1),
                "done": In(1),
                "fetched": In(8),
                "next": Out(1),
                "sent": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Ten cycles per byte: one in which memories are read, eight for the CRC, which are a cycle
        late: its bit comes from a register."""
        m = Module()
        m.submodules.crc = crc = BitCrc()
        going, at, index = Signal(), Signal(4), Signal(range(CRC_BYTES))
        whole, bit = Signal(), Signal()
        closing = going & self.done
        byte, active, moves = self.frame.payload.data, Signal(), Signal()
        last = closing & (index == CRC_BYTES - 1)
        # The CRC's byte leaves before it is shifted away, all others when it has been computed.
        leaving = Mux(closing, at == 0, whole)
        m.d.comb += [
            whole.eq(at[3] & at[0]),
            active.eq(self.single | going),
            byte.eq(Mux(closing, crc.low, Mux(going, self.fetched, self.byte))),
            self.frame.payload.last.eq(last),
            self.frame.valid.eq(active & leaving),
            moves.eq(active & (~leaving | self.frame.ready)),
            crc.shift.eq(closing),
            self.taken.eq(self.single & whole & self.frame.ready),
            self.next.eq(going & ~closing & whole & self.frame.ready),
            self.sent.eq(~going),
        ]
        # Bit i is chosen in cycle i + 1.
        m.d.comb += [crc.bit.eq(bit), crc.enable.eq(moves & (at[1:] != 0))]
        with m.If(moves):
            m.d.sync += [
                bit.eq(byte.bit_select((at - 1)[:3], 1)),
                at.eq(Mux(whole, 0, at + 1)),
            ]
        with m.If(self.go):
            m.d.sync += going.eq(1)
        with m.Elif(closing & whole):
            m.d.sync += index.eq(index + 1)
            with m.If(index == CRC_BYTES - 1):
                m.d.sync += going.eq(0)
                m.d.comb += crc.start.eq(1)
        return m
