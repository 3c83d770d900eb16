"""The link: bytes of a line on one side, a core on the other (``docs/link.md``)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..descriptor import Descriptor
from .executor import Executor, word_bits
from .frames import Frames, WorkPort
from .ports import CorePort
from .uart import UartRx, UartTx


class Link(wiring.Component):
    """Everything between line bytes and the core port.

    Attributes:
        line_in, line_out: bytes from and to the host.
        line_error: a byte was dropped on its way here (a strobe, for the counter).
        core: the core.

    Args:
        descriptor: what the device tells about itself; sizes are taken from it.
    """

    def __init__(self, descriptor: Descriptor):
        self.descriptor = descriptor
        super().__init__(
            {
                "line_in": In(stream.Signature(8)),
                "line_out": Out(stream.Signature(8)),
                "line_error": In(1),
                "core": Out(CorePort(word_bits(descriptor.regions))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Frames, and what executes the commands in them."""
        m = Module()
        d = self.descriptor
        m.submodules.frames = frames = Frames(d)
        work = frames.work
        executor = Executor(d.regions, d.channels, d.neurons, d.outputs)
        m.submodules.executor = ResetInserter(work.clear)(executor)
        wiring.connect(m, wiring.flipped(self.line_in), frames.line_in)
        wiring.connect(m, frames.line_out, wiring.flipped(self.line_out))
        wiring.connect(m, work.commands, executor.data)
        wiring.connect(m, executor.reply, work.replies)
        wiring.connect(m, executor.core, wiring.flipped(self.core))
        m.d.comb += [
            frames.line_error.eq(self.line_error),
            work.flush.eq(executor.flush),
            executor.flush_ready.eq(work.flush_ready),
            executor.stop.eq(work.stop),
            work.running.eq(executor.running),
            work.fault.eq(executor.fault),
            work.step.eq(self.core.step),
        ]
        return m


class UartLink(wiring.Component):
    """A :class:`Link` at two pins.

    Attributes:
        rx, tx: the pins.
        core: the core.
        reset_core: the host resets the device by a break: reset the core with this.

    Args:
        descriptor: of the device.
        divisor: clock cycles per bit.
    """

    RESET_CYCLES = 16
    """How long a reset lasts; more than one cycle for simulators that need it."""

    def __init__(self, descriptor: Descriptor, divisor: int):
        self.descriptor, self.divisor = descriptor, divisor
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "core": Out(CorePort(word_bits(descriptor.regions))),
                "reset_core": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """A break resets all but the receiver that recognised it."""
        m = Module()
        m.submodules.uart_rx = rx = UartRx(self.divisor)
        reset = Signal(range(self.RESET_CYCLES + 1))
        m.d.sync += reset.eq(Mux(rx.brk, self.RESET_CYCLES, reset - (reset != 0)))
        m.d.comb += [self.reset_core.eq(reset != 0), rx.rx.eq(self.rx)]
        own = ResetInserter(reset != 0)
        tx, link = UartTx(self.divisor), Link(self.descriptor)
        m.submodules.uart_tx, m.submodules.frames = own(tx), own(link)
        m.d.comb += [self.tx.eq(tx.tx), link.line_error.eq(rx.error)]
        wiring.connect(m, rx.data, link.line_in)
        wiring.connect(m, link.line_out, tx.data)
        wiring.connect(m, link.core, wiring.flipped(self.core))
        return m


class UartFrames(wiring.Component):
    """The link without what executes commands: UART, COBS, CRC, sessions, windows, credit."""

    def __init__(self, descriptor: Descriptor, divisor: int):
        self.descriptor, self.divisor = descriptor, divisor
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "work": Out(WorkPort())})

    def elaborate(self, platform: Any) -> Module:
        """As in ``UartLink``; how much logic it takes is what this is for."""
        m = Module()
        m.submodules.uart_rx = rx = UartRx(self.divisor)
        m.submodules.uart_tx = tx = ResetInserter(rx.brk)(UartTx(self.divisor))
        m.submodules.frames = frames = ResetInserter(rx.brk)(Frames(self.descriptor))
        wiring.connect(m, rx.data, frames.line_in)
        wiring.connect(m, frames.line_out, tx.data)
        wiring.connect(m, frames.work, wiring.flipped(self.work))
        m.d.comb += [rx.rx.eq(self.rx), self.tx.eq(tx.tx), frames.line_error.eq(rx.error)]
        return m
