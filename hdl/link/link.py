"""The link: bytes of a line on one side, a core on the other (``docs/link.md``)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..descriptor import Descriptor
from .executor import Executor, word_bits
from .frames import Frames, WorkPort, rate_port
from .ports import CorePort
from .uart import UartRx, UartTx


class Link(wiring.Component):
    """Everything between line bytes and the core port.

    Attributes:
        line_in, line_out: bytes from and to the host.
        line_error, line_idle, rate: of the line, as in ``Frames``.
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
                "line_idle": In(1, init=1),
                "core": Out(CorePort(word_bits(descriptor.regions))),
                **rate_port(descriptor),
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
            frames.line_idle.eq(self.line_idle),
            work.flush.eq(executor.flush),
            executor.flush_ready.eq(work.flush_ready),
            executor.stop.eq(work.stop),
            executor.abort.eq(work.abort),
            work.running.eq(executor.running),
            work.fault.eq(executor.fault),
            work.step.eq(self.core.step),
        ]
        if d.rated:
            m.d.comb += self.rate.eq(frames.rate)
        return m


class UartLink(wiring.Component):
    """A :class:`Link` at two pins.

    Attributes:
        rx, tx: the pins.
        core: the core.
        reset_core: the host resets the device by a break: reset the core with this.

    Args:
        descriptor: of the device; it says how many clock cycles a bit takes.
    """

    RESET_CYCLES = 16
    """How long a reset lasts; more than one cycle for simulators that need it."""

    def __init__(self, descriptor: Descriptor):
        self.descriptor = descriptor
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
        d = self.descriptor
        m.submodules.uart_rx = rx = UartRx(d.divisor)
        reset = Signal(range(self.RESET_CYCLES + 1))
        m.d.sync += reset.eq(Mux(rx.brk, self.RESET_CYCLES, reset - (reset != 0)))
        m.d.comb += [self.reset_core.eq(reset != 0), rx.rx.eq(self.rx)]
        own = ResetInserter(reset != 0)
        tx, link = UartTx(d.divisor), Link(d)
        m.submodules.uart_tx, m.submodules.frames = own(tx), own(link)
        m.d.comb += [
            self.tx.eq(tx.tx),
            link.line_error.eq(rx.error),
            link.line_idle.eq(tx.idle),
        ]
        _same_rate(m, link, rx, tx)
        wiring.connect(m, rx.data, link.line_in)
        wiring.connect(m, link.line_out, tx.data)
        wiring.connect(m, link.core, wiring.flipped(self.core))
        return m


class UartFrames(wiring.Component):
    """The link without what executes commands: UART, COBS, CRC, sessions, windows, credit."""

    def __init__(self, descriptor: Descriptor):
        self.descriptor = descriptor
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "work": Out(WorkPort())})

    def elaborate(self, platform: Any) -> Module:
        """As in ``UartLink``; how much logic it takes is what this is for."""
        m = Module()
        d = self.descriptor
        m.submodules.uart_rx = rx = UartRx(d.divisor)
        m.submodules.uart_tx = tx = ResetInserter(rx.brk)(UartTx(d.divisor))
        m.submodules.frames = frames = ResetInserter(rx.brk)(Frames(d))
        wiring.connect(m, rx.data, frames.line_in)
        wiring.connect(m, frames.line_out, tx.data)
        wiring.connect(m, frames.work, wiring.flipped(self.work))
        m.d.comb += [rx.rx.eq(self.rx), self.tx.eq(tx.tx)]
        m.d.comb += [frames.line_error.eq(rx.error), frames.line_idle.eq(tx.idle)]
        _same_rate(m, frames, rx, tx)
        return m


def _same_rate(m: Module, link: Link | Frames, rx: UartRx, tx: UartTx) -> None:
    """Both directions follow the link where it has several rates."""
    d = link.descriptor
    rate = link.rate if d.rated else Const(d.divisor - 1, tx.rate.shape())
    m.d.comb += [rx.rate.eq(rate), tx.rate.eq(rate)]
