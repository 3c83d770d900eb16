"""CRC-32 (zlib's), one bit per clock cycle: a byte takes eight; on the line it lasts far longer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_POLYNOMIAL = 0xEDB88320
_START = 0xFFFFFFFF
_RESIDUE = 0xDEBB20E3
"""What the register holds after any message with its CRC behind it."""


class BitCrc(wiring.Component):
    """The register.

    Attributes:
        start: begin anew.
        enable, bit: take a bit; a byte's least significant one first.
        shift: instead of taking a bit, shift the CRC out.
        matches: the message and the CRC behind it fit together.
        low: the complement of the lowest byte, the next one of the CRC to be sent.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "enable": In(1),
                "bit": In(1),
                "shift": In(1),
                "matches": Out(1),
                "low": Out(8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """The reflected form: the register moves to the right."""
        m = Module()
        value = Signal(32, init=_START)
        feedback = (value[0] ^ self.bit) & ~self.shift
        m.d.comb += [self.matches.eq(value == _RESIDUE), self.low.eq(~value[:8])]
        with m.If(self.start):
            m.d.sync += value.eq(_START)
        with m.Elif(self.enable):
            taps = feedback.replicate(32) & Const(_POLYNOMIAL, 32)
            m.d.sync += value.eq((value >> 1) ^ taps)
        return m
