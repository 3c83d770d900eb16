"""The link: bytes of a line on one side, a core on the other (``docs/link.md``)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..descriptor import Descriptor
from ..protocol import HELLO_REQUEST, NO_SESSION, FrameType, StatusFlag
from .cobs import CobsDecoder, CobsEncoder
from .executor import Executor, word_bits
from .inbox import Inbox
from .outbox import Outbox
from .ports import CorePort
from .receiver import Receiver
from .sender import STATUS_LAYOUT
from .transmitter import ANSWERS, Transmitter
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
        """Connect the parts; ``clear`` resets those that belong to a session."""
        m = Module()
        d = self.descriptor
        clear = Signal()
        own = ResetInserter(clear)
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = receiver = Receiver(d.max_payload)
        m.submodules.encoder = encoder = CobsEncoder()
        inbox, outbox = Inbox(d.rx_credit), Outbox(d.tx_credit, d.max_payload)
        executor = Executor(d.regions, d.channels, d.neurons, d.outputs)
        sender = Transmitter(d.to_bytes(), d.rx_credit, d.tx_credit, d.max_payload)
        m.submodules += [own(inbox), own(outbox), own(executor), own(sender)]

        wiring.connect(m, wiring.flipped(self.line_in), decoder.data)
        wiring.connect(m, decoder.tokens, receiver.tokens)
        wiring.connect(m, sender.frame, encoder.data)
        wiring.connect(m, encoder.line, wiring.flipped(self.line_out))
        wiring.connect(m, executor.core, wiring.flipped(self.core))
        wiring.connect(m, executor.reply, outbox.data)
        m.d.comb += [
            inbox.write.eq(receiver.write),
            inbox.index.eq(receiver.index),
            inbox.byte.eq(receiver.byte),
            inbox.length.eq(receiver.frame.payload.length),
            outbox.flush.eq(executor.flush),
            executor.flush_ready.eq(outbox.ready),
            outbox.tail.eq(sender.tail),
            outbox.read_at.eq(sender.read_at),
            sender.read_data.eq(outbox.read_data),
            sender.produced.eq(outbox.produced),
            sender.executed.eq(outbox.executed),
        ]
        aborting = self._commands(m, inbox, outbox, executor)
        self._control(m, receiver.frame, inbox, outbox, executor, sender, aborting, clear)
        return m

    def _commands(self, m: Module, inbox: Any, outbox: Any, executor: Any) -> Any:
        """Command bytes to the executor; when it asks for more than a frame has, the frame is done.

        While a session is given up the executor gets nothing more and its replies vanish, so that
        it comes to rest asking for a byte.
        """
        aborting = Signal()
        m.d.comb += [
            executor.data.payload.eq(inbox.data.payload),
            executor.data.valid.eq(inbox.data.valid & ~aborting),
            inbox.data.ready.eq(executor.data.ready & ~aborting),
            outbox.finish.eq(inbox.ended & executor.data.ready & ~aborting),
            inbox.release.eq(outbox.finished),
            outbox.discard.eq(aborting),
        ]
        return aborting

    def _control(
        self,
        m: Module,
        frames: Any,
        inbox: Any,
        outbox: Any,
        executor: Any,
        sender: Any,
        aborting: Any,
        clear: Any,
    ) -> None:
        """What each frame means for the session."""
        frame, header = frames.payload, frames.payload.header
        session, expected, asked = Signal(32), Signal(16), Signal()
        status = Signal(STATUS_LAYOUT)
        with m.If(self.line_error):
            m.d.sync += status.line_errors.eq(status.line_errors + 1)
        m.d.comb += [
            sender.session.eq(session),
            sender.status.eq(status),
            sender.hold.eq(aborting),
            sender.ask_session.eq(header.session),
            sender.ask_offset.eq(frame.argument),
            status.accepted.eq(expected),
            status.produced.eq(outbox.produced),
            status.flags[StatusFlag.RUNNING].eq(executor.running),
            status.flags[StatusFlag.FAULT].eq(executor.fault),
            status.step.eq(self.core.step),
        ]
        stopping = self._stop(m, outbox.executed, frames, session, clear)
        m.d.comb += executor.stop.eq(stopping | aborting)

        def ask(kind: FrameType) -> None:
            m.d.comb += sender.ask[ANSWERS.index(kind)].eq(1)

        ahead = Signal(16)
        m.d.comb += ahead.eq(header.seq - expected)
        damaged = Signal()
        with m.If(damaged):
            m.d.sync += status.bad_frames.eq(status.bad_frames + 1)
            with m.If(session != NO_SESSION):
                ask(FrameType.RESEND)

        with m.FSM():
            with m.State("FRAMES"), m.If(frames.valid & inbox.ready):
                m.d.comb += frames.ready.eq(1)
                known = (header.session == session) & (session != NO_SESSION)
                hello = header.type == FrameType.HELLO
                not_ours = header.type.matches(int(FrameType.STATUS), int(FrameType.REFUSED))
                with m.If(~frame.good | not_ours | (hello & (frame.length != HELLO_REQUEST.size))):
                    m.d.comb += damaged.eq(1)
                with m.Elif(hello):
                    ask(FrameType.HELLO)
                    with m.If((header.session != NO_SESSION) & (header.session != session)):
                        # Answered only when the old session's work has come to rest.
                        m.d.comb += [sender.ask.eq(0), frames.ready.eq(0)]
                        m.next = "ABORT"
                with m.Elif(~known):
                    ask(FrameType.REFUSED)
                with m.Else():
                    m.d.comb += sender.acknowledge.eq(1)
                    m.d.sync += [
                        sender.host_ack.eq(header.ack),
                        sender.host_credit.eq(header.credit),
                    ]
                    with m.Switch(header.type):
                        with m.Case(FrameType.DATA):
                            with m.If(ahead[-1]):
                                pass  # accepted long ago
                            with m.Elif((ahead != 0) | ~inbox.fits):
                                m.d.sync += status.lost_frames.eq(status.lost_frames + 1)
                                m.d.sync += asked.eq(1)
                                with m.If(~asked):
                                    ask(FrameType.RESEND)
                            with m.Else():
                                m.d.comb += inbox.commit.eq(1)
                                m.d.sync += [expected.eq(expected + 1), asked.eq(0)]
                        with m.Case(FrameType.POLL, FrameType.STOP):
                            ask(FrameType.STATUS)
                        with m.Case(FrameType.RESEND):
                            m.d.comb += sender.rewind.eq(1)
            with m.State("ABORT"):
                m.d.comb += aborting.eq(1)
                with m.If(executor.data.ready & outbox.ready & sender.idle):
                    m.d.comb += clear.eq(1)
                    m.d.sync += [
                        session.eq(header.session),
                        sender.host_credit.eq(header.credit),
                        sender.host_ack.eq(0),
                        expected.eq(0),
                        asked.eq(0),
                    ]
                    m.next = "FRAMES"

    def _stop(self, m: Module, executed: Any, frames: Any, session: Any, clear: Any) -> Any:
        """Whether the frame being executed is one that STOP meant."""
        before, active, stopping = Signal(16), Signal(), Signal()
        frame, header = frames.payload, frames.payload.header
        m.d.comb += stopping.eq(active & (before != executed))
        with m.If(clear | (before == executed)):
            m.d.sync += active.eq(0)
        with m.If(frames.valid & frames.ready & frame.good & (header.session == session)):
            distance = (header.seq - executed)[:16]
            with m.If((header.type == FrameType.STOP) & (session != NO_SESSION)):
                m.d.sync += [before.eq(header.seq), active.eq((distance != 0) & ~distance[-1])]
        return stopping


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
