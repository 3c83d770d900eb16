"""Frames: bytes of a line on one side, two streams of bytes on the other (``docs/link.md``)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..descriptor import Descriptor
from ..protocol import LINE_BUFFER
from .cobs import CobsDecoder, CobsEncoder
from .firmware import firmware
from .firmware_ports import Control, Event, Read, Write
from .receiver import LineBuffer, Receiver
from .rings import Inbox, Outbox, load
from .sender import Sender
from .sequencer import Sequencer

_BYTE = stream.Signature(8)


class WorkPort(wiring.Signature):
    """What the frames are for (``Out``: from the frames).

    ``commands`` are to be executed, ``replies`` are what comes of them. ``flush`` (a strobe, only
    while ``flush_ready``) sends what there is of the replies. With ``stop`` a run ends at its next
    step boundary; with ``abort`` no other word of a memory is looked at, and nothing that is
    replied counts; ``clear`` begins a session. ``running``, ``fault``, ``step`` are for the status.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "commands": Out(_BYTE),
                "replies": In(_BYTE),
                "flush": In(1),
                "flush_ready": Out(1),
                "stop": Out(1),
                "abort": Out(1),
                "clear": Out(1),
                "running": In(1),
                "fault": In(1),
                "step": In(32),
            }
        )


def rate_port(descriptor: Descriptor) -> dict[str, Any]:
    """``rate``, of a device that has several: clock cycles of a bit of its line, less one."""
    if not descriptor.rated:
        return {}
    return {"rate": Out(range(descriptor.divisor), init=descriptor.divisor - 1)}


class Frames(wiring.Component):
    """All of the link that knows nothing of commands.

    Attributes:
        line_in, line_out: bytes from and to the host.
        line_error: a byte was dropped on its way here (a strobe, for the counter).
        line_idle: what was taken from ``line_out`` is out on the line.
        rate: clock cycles of a bit of the line, less one; where the device has several rates.
        work: what executes commands.

    Args:
        descriptor: what the device tells about itself; sizes are taken from it.
    """

    def __init__(self, descriptor: Descriptor):
        self.descriptor = descriptor
        super().__init__(
            {
                "line_in": In(_BYTE),
                "line_out": Out(_BYTE),
                "line_error": In(1),
                "line_idle": In(1, init=1),
                "work": Out(WorkPort()),
                **rate_port(descriptor),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Paths of bytes, and the sequencer that opens and closes them."""
        m = Module()
        d = self.descriptor
        rom_bytes = d.to_bytes()
        read_bits = max((d.tx_credit - 1).bit_length(), len(rom_bytes).bit_length())
        m.submodules.buffer = buffer = LineBuffer(LINE_BUFFER)
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = self.receiver = receiver = Receiver(d.max_payload)
        m.submodules.inbox = self.inbox = inbox = Inbox(d.rx_credit)
        m.submodules.outbox = self.outbox = Outbox(d.tx_credit, read_bits)
        m.submodules.sender = self.sender = sender = Sender()
        m.submodules.encoder = self.encoder = encoder = CobsEncoder()
        m.submodules.sequencer = self.sequencer = Sequencer(firmware(d, len(rom_bytes)))

        wiring.connect(m, wiring.flipped(self.line_in), buffer.line)
        wiring.connect(m, buffer.data, decoder.data)
        wiring.connect(m, decoder.tokens, receiver.tokens)
        wiring.connect(m, inbox.data, wiring.flipped(self.work.commands))
        wiring.connect(m, sender.frame, encoder.data)
        wiring.connect(m, encoder.line, wiring.flipped(self.line_out))
        m.d.comb += [
            inbox.write.eq(receiver.payload),
            inbox.byte.eq(receiver.byte),
            self.outbox.data.payload.eq(self.work.replies.payload),
            self.outbox.data.valid.eq(self.work.replies.valid),
        ]
        self._control(m)
        self._send(m, rom_bytes)
        self._read(m)
        return m

    def _writes(self, port: Write, count: int = 1) -> Any:
        """Strobes of so many ports that the sequencer writes."""
        s = self.sequencer
        return Cat(s.writing & (s.port == port + i) for i in range(count))

    def _control(self, m: Module) -> None:
        """What the sequencer says to the work and the rings, and what wakes it."""
        work = self.work
        s, receiver, inbox, outbox = self.sequencer, self.receiver, self.inbox, self.outbox
        control = Signal(len(Control))
        stop, abort, loaded, hold = (control[bit.bit_length() - 1] for bit in Control)
        with m.If(self._writes(Write.CONTROL)):
            m.d.sync += control.eq(s.data)
        flushing = Signal()
        with m.If(work.flush):
            m.d.sync += flushing.eq(1)
        with m.If(self._writes(Write.FLUSHED) | abort):
            m.d.sync += flushing.eq(0)
        hungry = work.commands.ready & ((loaded & inbox.empty) | abort)
        m.d.comb += [
            work.clear.eq(self._writes(Write.CLEAR)),
            work.stop.eq(stop),
            work.abort.eq(abort),
            work.flush_ready.eq(~flushing),
            work.replies.ready.eq(outbox.data.ready | abort),
            outbox.hold.eq(abort | hold | flushing),
            outbox.value.eq(s.data),
            outbox.set_at.eq(self._writes(Write.OUTBOX_AT, 2)),
            outbox.put.eq(self._writes(Write.OUTBOX)),
            outbox.set_end.eq(self._writes(Write.OUTBOX_END, 2)),
            outbox.set_read.eq(self._writes(Write.SEND_AT, 2)),
            inbox.hold.eq(abort | ~loaded),
            inbox.restart.eq(work.clear),
            inbox.value.eq(s.data),
            inbox.set_at.eq(self._writes(Write.INBOX_AT, 2)),
            inbox.put.eq(self._writes(Write.INBOX)),
            inbox.set_end.eq(self._writes(Write.INBOX_END, 2)),
            inbox.pop.eq(s.reading & (s.port == Read.INBOX)),
            receiver.release.eq(self._writes(Write.RELEASE)),
            receiver.head_ready.eq(s.put_ready),
            s.put.eq(receiver.head),
            s.put_address.eq(receiver.place),
            s.put_data.eq(receiver.byte),
        ]
        line_error = Signal()
        with m.If(self.line_error):
            m.d.sync += line_error.eq(1)
        with m.Elif(self._writes(Write.LINE_SEEN)):
            m.d.sync += line_error.eq(0)
        events = {
            Event.LINE_ERROR: line_error,
            Event.FRAME: receiver.pending,
            Event.INTACT: receiver.intact,
            Event.FULL: outbox.full,
            Event.FLUSH: flushing,
            Event.HUNGRY: hungry,
            Event.SENT: self.sender.sent,
        }
        if self.descriptor.rated:
            events[Event.DRAINED] = self.line_idle & self.encoder.empty
            load(m, self._writes(Write.RATE, 2), s.data, self.rate)
        # A cycle late, which nobody notices: an instruction takes two, and what has happened stays
        # until the sequencer sees to it.
        for event, signal in events.items():
            m.d.sync += s.events[event.bit_length() - 1].eq(signal)

    def _send(self, m: Module, description: bytes) -> None:
        """The sequencer's bytes, then those of outbox or description."""
        s, sender, outbox = self.sequencer, self.sender, self.outbox
        m.submodules.rom = rom = memory.Memory(shape=8, depth=len(description), init=description)
        port = rom.read_port()
        describing, end = Signal(), Signal.like(outbox.read_at)
        m.d.comb += [
            port.addr.eq(outbox.read_at),
            sender.single.eq(self._writes(Write.SEND_BYTE)),
            sender.byte.eq(s.data),
            s.stall.eq(sender.single & ~sender.taken),
            sender.go.eq(self._writes(Write.SEND)),
            sender.done.eq(outbox.read_at == end),
            sender.fetched.eq(Mux(describing, port.data, outbox.next)),
            outbox.pop.eq(sender.next | (s.reading & (s.port == Read.OUTBOX))),
        ]
        with m.If(sender.go):
            m.d.sync += describing.eq(s.data[0])
        load(m, self._writes(Write.SEND_END, 2), s.data, end)

    def _read(self, m: Module) -> None:
        """What the sequencer can look at."""
        s, receiver = self.sequencer, self.receiver
        ports = {
            Read.EVENTS: s.events,
            Read.FLAGS: Cat(self.work.running, self.work.fault),
            Read.INBOX: self.inbox.next,
            Read.OUTBOX: self.outbox.next,
        }
        for i in range(2):
            ports[Read.COUNT + i] = receiver.count[8 * i : 8 * i + 8]
            ports[Read.OUTBOX_AT + i] = self.outbox.write_at[8 * i : 8 * i + 8]
        # As a tree of choices between two, with STEP wherever bit 3 is.
        low = Cat(Cat(ports.get(n, 0), Const(0, 8))[:8] for n in range(8))
        step = self.work.step.word_select(s.port[:2], 8)
        m.d.comb += s.port_data.eq(Mux(s.port[3], step, low.word_select(s.port[:3], 8)))
