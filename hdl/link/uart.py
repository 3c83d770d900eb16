"""Bytes on one wire: 8 data bits, no parity, one stop bit.

The receiver waits for the middle of each bit by its own clock and is free again in the middle of
the stop bit. So a sender whose clock is 2 % off is understood however long it sends back to back:
at the last bit the clocks are 0.19 bit apart, and half a bit less one clock is allowed.
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

    Args:
        divisor: clock cycles per bit.
    """

    def __init__(self, divisor: int):
        check_divisor(divisor)
        self.divisor = divisor
        super().__init__({"data": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        """A shift register that starts and ends with the idle level."""
        m = Module()
        shift = Signal(10, init=(1 << 10) - 1)
        left = Signal(range(11))
        timer = Signal(range(self.divisor))
        m.d.comb += [self.tx.eq(shift[0]), self.data.ready.eq(left == 0)]
        with m.If(left == 0):
            with m.If(self.data.valid):
                m.d.sync += [
                    shift.eq(Cat(Const(0, 1), self.data.payload, Const(1, 1))),
                    left.eq(10),
                    timer.eq(self.divisor - 1),
                ]
        with m.Elif(timer == 0):
            m.d.sync += [
                shift.eq(Cat(shift[1:], Const(1, 1))),
                left.eq(left - 1),
                timer.eq(self.divisor - 1),
            ]
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
        return m


class UartRx(wiring.Component):
    """Receives bytes.

    Attributes:
        error: 1 for a cycle when a byte was dropped: its stop bit was wrong, or the byte before it
            had not been taken.
        brk: 1 for a cycle when a break has been recognised.

    Args:
        divisor: clock cycles per bit.
    """

    def __init__(self, divisor: int):
        check_divisor(divisor)
        self.divisor = divisor
        super().__init__(
            {
                "rx": In(1, init=1),
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
        shift = Signal(8)
        bit = Signal(range(8))
        low = Signal(range(BREAK_BITS * self.divisor + 1))
        timer = Signal(range(self.divisor))
        # The edge is seen in the cycle in which the counter is loaded, hence one less.
        half = self.divisor // 2 - 1

        with m.If(self.data.ready):
            m.d.sync += self.data.valid.eq(0)
        with m.If(rx):
            m.d.sync += low.eq(0)
        with m.Elif(low != BREAK_BITS * self.divisor):
            m.d.sync += low.eq(low + 1)
            m.d.comb += self.brk.eq(low == BREAK_BITS * self.divisor - 1)

        with m.FSM():
            with m.State("IDLE"), m.If(~rx):
                m.d.sync += timer.eq(half)
                m.next = "START"
            with m.State("START"):
                m.d.sync += timer.eq(Mux(timer == 0, self.divisor - 1, timer - 1))
                with m.If(timer == 0):
                    m.d.sync += bit.eq(0)
                    m.next = "BITS"
                    with m.If(rx):  # too short for a start bit
                        m.next = "IDLE"
            with m.State("BITS"):
                m.d.sync += timer.eq(Mux(timer == 0, self.divisor - 1, timer - 1))
                with m.If(timer == 0):
                    m.d.sync += [shift.eq(Cat(shift[1:], rx)), bit.eq(bit + 1)]
                    with m.If(bit == 7):
                        m.next = "STOP"
            with m.State("STOP"):
                m.d.sync += timer.eq(timer - 1)
                with m.If(timer == 0):
                    m.next = "IDLE"
                    with m.If(~rx):
                        m.d.comb += self.error.eq(1)
                        m.next = "HIGH"
                    with m.Elif(self.data.valid & ~self.data.ready):
                        m.d.comb += self.error.eq(1)
                    with m.Else():
                        m.d.sync += [self.data.valid.eq(1), self.data.payload.eq(shift)]
            with m.State("HIGH"), m.If(rx):
                m.next = "IDLE"
        return m
