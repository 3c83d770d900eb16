"""The link: bytes of a line on one side, a core on the other (``docs/link.md``)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..descriptor import Descriptor
from ..protocol import LINE_BUFFER
from .cobs import CobsDecoder, CobsEncoder
from .executor import Executor, word_bits
from .firmware import Control, Event, Read, Write, firmware
from .ports import CorePort
from .receiver import LineBuffer, Receiver
from .rings import Inbox, Outbox, load
from .sender import Sender
from .sequencer import Sequencer
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
        """Paths of bytes, and the sequencer that opens and closes them."""
        m = Module()
        d = self.descriptor
        rom_bytes = d.to_bytes()
        length_bits = d.max_payload.bit_length()
        read_bits = max((d.tx_credit - 1).bit_length(), len(rom_bytes).bit_length())
        m.submodules.buffer = buffer = LineBuffer(LINE_BUFFER)
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = self.receiver = receiver = Receiver(d.max_payload)
        m.submodules.inbox = self.inbox = inbox = Inbox(d.rx_credit, length_bits)
        m.submodules.outbox = self.outbox = Outbox(d.tx_credit, length_bits, read_bits)
        m.submodules.sender = self.sender = sender = Sender()
        m.submodules.encoder = encoder = CobsEncoder()
        m.submodules.sequencer = self.sequencer = Sequencer(firmware(d, len(rom_bytes)))
        clear = Signal()
        executor = Executor(d.regions, d.channels, d.neurons, d.outputs)
        m.submodules.executor = ResetInserter(clear)(executor)

        wiring.connect(m, wiring.flipped(self.line_in), buffer.line)
        wiring.connect(m, buffer.data, decoder.data)
        wiring.connect(m, decoder.tokens, receiver.tokens)
        wiring.connect(m, inbox.data, executor.data)
        wiring.connect(m, sender.frame, encoder.data)
        wiring.connect(m, encoder.line, wiring.flipped(self.line_out))
        wiring.connect(m, executor.core, wiring.flipped(self.core))
        m.d.comb += [
            inbox.write.eq(receiver.payload),
            inbox.byte.eq(receiver.byte),
            self.outbox.data.payload.eq(executor.reply.payload),
            self.outbox.data.valid.eq(executor.reply.valid),
        ]
        self._control(m, executor, clear)
        self._send(m, rom_bytes, length_bits)
        self._read(m, executor)
        return m

    def _writes(self, port: Write, count: int = 1) -> Any:
        """Strobes of so many ports that the sequencer writes."""
        s = self.sequencer
        return Cat(s.writing & (s.port == port + i) for i in range(count))

    def _control(self, m: Module, executor: Any, clear: Any) -> None:
        """What the sequencer says to the executor and the rings, and what wakes it."""
        s, receiver, inbox, outbox = self.sequencer, self.receiver, self.inbox, self.outbox
        control = Signal(3)
        stop, abort, loaded = control
        assert [Control.STOP, Control.ABORT, Control.LOADED] == [1, 2, 4]
        with m.If(self._writes(Write.CONTROL)):
            m.d.sync += control.eq(s.data)
        flushing = Signal()
        with m.If(executor.flush):
            m.d.sync += flushing.eq(1)
        with m.If(self._writes(Write.FLUSHED) | abort):
            m.d.sync += flushing.eq(0)
        hungry = executor.data.ready & ((loaded & inbox.empty) | abort)
        m.d.comb += [
            clear.eq(self._writes(Write.CLEAR)),
            executor.stop.eq(stop),
            executor.flush_ready.eq(~flushing),
            executor.reply.ready.eq(outbox.data.ready | abort),
            outbox.hold.eq(abort | flushing),
            outbox.value.eq(s.data),
            outbox.set_at.eq(self._writes(Write.OUTBOX_AT, 2)),
            outbox.put.eq(self._writes(Write.OUTBOX)),
            outbox.set_grant.eq(self._writes(Write.GRANT, 2)),
            outbox.set_read.eq(self._writes(Write.SEND_AT, 2)),
            inbox.hold.eq(abort),
            inbox.restart.eq(clear),
            inbox.value.eq(s.data),
            inbox.set_at.eq(self._writes(Write.INBOX_AT, 2)),
            inbox.put.eq(self._writes(Write.INBOX)),
            inbox.set_left.eq(self._writes(Write.LEFT, 2)),
            inbox.pop.eq(s.reading & (s.port == Read.INBOX)),
            receiver.release.eq(self._writes(Write.RELEASE)),
            receiver.head_ready.eq(s.put_ready),
            s.put.eq(receiver.head),
            s.put_address.eq(receiver.place),
            s.put_data.eq(receiver.byte),
        ]
        events = {
            Event.FRAME: receiver.pending,
            Event.INTACT: receiver.intact,
            Event.FULL: outbox.granted == 0,
            Event.FLUSH: flushing,
            Event.HUNGRY: hungry,
            Event.SENT: self.sender.sent,
        }
        for event, signal in events.items():
            m.d.comb += s.events[event.bit_length() - 1].eq(signal)

    def _send(self, m: Module, description: bytes, length_bits: int) -> None:
        """The sequencer's bytes, then those of outbox or description."""
        s, sender, outbox = self.sequencer, self.sender, self.outbox
        m.submodules.rom = rom = memory.Memory(
            shape=8, depth=len(description), init=description
        )
        port = rom.read_port()
        describing, left = Signal(), Signal(length_bits)
        m.d.comb += [
            port.addr.eq(outbox.read_at),
            sender.single.eq(self._writes(Write.SEND_BYTE)),
            sender.byte.eq(s.data),
            s.stall.eq(sender.single & ~sender.taken),
            sender.go.eq(self._writes(Write.SEND)),
            sender.done.eq(left == 0),
            sender.fetched.eq(Mux(describing, port.data, outbox.next)),
            outbox.pop.eq(sender.next | (s.reading & (s.port == Read.OUTBOX))),
        ]
        with m.If(sender.go):
            m.d.sync += describing.eq(s.data[0])
        with m.If(sender.next):
            m.d.sync += left.eq(left - 1)
        load(m, self._writes(Write.SEND_LEFT, 2), s.data, left)

    def _read(self, m: Module, executor: Any) -> None:
        """What the sequencer can look at."""
        s, receiver = self.sequencer, self.receiver
        errors = Signal(8)
        with m.If(self.line_error):
            m.d.sync += errors.eq(errors + 1)
        ports = {
            Read.EVENTS: s.events,
            Read.FLAGS: Cat(executor.running, executor.fault),
            Read.LINE_ERRORS: errors,
            Read.INBOX: self.inbox.next,
            Read.OUTBOX: self.outbox.next,
        }
        for i in range(2):
            ports[Read.COUNT + i] = receiver.count[8 * i : 8 * i + 8]
            ports[Read.GRANT + i] = self.outbox.granted[8 * i : 8 * i + 8]
        for i in range(4):
            ports[Read.STEP + i] = self.core.step[8 * i : 8 * i + 8]
        with m.Switch(s.port[:4]):
            for number, value in ports.items():
                with m.Case(number):
                    m.d.comb += s.port_data.eq(value)


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
