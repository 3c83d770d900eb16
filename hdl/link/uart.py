"""Bytes on one wire: 8 data bits, no parity, one stop bit.

The receiver waits for the middle of each bit by its own clock and is free again in the middle of
the stop bit. So a sender whose clock is 2 % off is understood however long it sends back to back:
at the last bit the clocks are 0.19 bit apart, and half a bit less one clock is allowed.

``rate`` is the clock cycles of a bit, less one. Who drives it with a constant pays for no more than
that; a register makes the line's speed a matter of the protocol.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..protocol import MIN_DIVISOR

BREAK_BITS = 20
"""A line that is low for this many bits says break; a byte of zeros is low for 9."""


def check_divisor(divisor: int) -> None:
    """Raise ValueError if a receiver could not keep up with so few cycles per bit."""
    if divisor < MIN_DIVISOR:
        raise ValueError(f"a bit takes at least {MIN_DIVISOR} clock cycles, not {divisor}")


class UartTx(wiring.Component):
    """Sends bytes.

    Attributes:
        rate: clock cycles per bit, less one.
        idle: nothing is being sent, or the stop bit, which looks the same.

    Args:
        divisor: most clock cycles per bit.
    """

    def __init__(self, divisor: int):
        check_divisor(divisor)
        self.divisor = divisor
        super().__init__(
            {
                "data": In(stream.Signature(8)),
                "tx": Out(1, init=1),
                "rate": In(range(divisor), init=divisor - 1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """A clock of bits that never rests; the stop bit is the last one to be shifted out."""
        m = Module()
        shift = Signal(10, init=1)
        timer, tick = Signal(range(self.divisor)), Signal()
        m.d.comb += [
            tick.eq(timer == self.rate),
            self.tx.eq(shift[0]),
            self.idle.eq(shift[1:] == 0),
            self.data.ready.eq(self.idle & tick),
        ]
        m.d.sync += timer.eq(Mux(tick, 0, timer + 1))
        with m.If(tick & (self.data.valid | ~self.idle)):
            byte = Cat(Const(0, 1), self.data.payload, Const(1, 1))
            m.d.sync += shift.eq(Mux(self.idle, byte, shift >> 1))
        return m


_START, _FIRST, _STOP, _BREAK = 1, 2, 10, 15
"""Where the receiver is: 0 waits for a falling edge, then each bit has a number. A line that is
still low at the stop bit goes on counting until it is high, or has broken."""


class UartRx(wiring.Component):
    """Receives bytes.

    Attributes:
        rate: clock cycles per bit, less one.
        error: 1 for a cycle when a byte was dropped: its stop bit was wrong, or the byte before it
            had not been taken.
        brk: 1 for a cycle when a break has been recognised, and once per bit while it lasts.

    Args:
        divisor: most clock cycles per bit.
    """

    def __init__(self, divisor: int):
        check_divisor(divisor)
        self.divisor = divisor
        super().__init__(
            {
                "rx": In(1, init=1),
                "rate": In(range(divisor), init=divisor - 1),
                "data": Out(stream.Signature(8)),
                "error": Out(1),
                "brk": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Falling edge, half a bit, then one sample per bit."""
        m = Module()
        rx = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, rx, init=1)
        at = Signal(range(_BREAK + 1))
        shift = Signal(8)
        timer, tick, end = Signal(range(self.divisor)), Signal(), Signal()
        m.d.comb += [
            tick.eq(timer == Mux(at == _START, self.rate >> 1, self.rate)),
            end.eq(tick & (at == _STOP)),
        ]
        with m.If(self.data.ready):
            m.d.sync += self.data.valid.eq(0)
        m.d.sync += timer.eq(Mux(tick, 0, timer + 1))
        with m.If(at == 0):
            # The edge is seen a cycle late; of an odd number of cycles the half is rounded down.
            m.d.sync += [timer.eq(~self.rate[0]), at.eq(~rx)]
        with m.Elif(rx & ((at > _STOP) | end | (tick & (at == _START)))):
            m.d.sync += at.eq(0)  # too short for a start bit, or the right end
        with m.Elif(tick):
            m.d.sync += at.eq(Mux(at == _BREAK, _BREAK, at + 1))
            m.d.comb += self.brk.eq(at == _BREAK)
        with m.If(tick & (at >= _FIRST) & (at < _STOP)):
            m.d.sync += shift.eq(Cat(shift[1:], rx))
        with m.If(end):
            m.d.comb += self.error.eq(~rx | (self.data.valid & ~self.data.ready))
            with m.If(~self.error):
                m.d.sync += [self.data.valid.eq(1), self.data.payload.eq(shift)]
        return m
