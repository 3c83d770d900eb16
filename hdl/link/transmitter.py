"""What is sent next: answers at once, replies in order and as far as the host's credit goes."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import protocol
from ..protocol import RECORD_BYTES, FrameType
from .cobs import FrameByte
from .sender import STATUS_LAYOUT, FrameSender

ANSWERS = (FrameType.HELLO, FrameType.REFUSED, FrameType.RESEND, FrameType.STATUS)
"""Unnumbered frames of the device, in the order in which they are sent when several wait."""


class Transmitter(wiring.Component):
    """Sends answers and replies, and frees what the host has acknowledged.

    Attributes:
        frame: to the COBS encoder.
        ask: strobes, one bit per type of ``ANSWERS``: such a frame is to be sent.
        ask_session, ask_offset: with HELLO or REFUSED: the session to repeat, the place in the ROM.
        acknowledge: strobe: the host has everything before ``host_ack``.
        rewind: strobe: send again from the first frame that has not been acknowledged.
        host_ack, host_credit: from the host's last header.
        hold: begin no reply.
        idle: nothing is being sent, and no answer waits.
        session, executed, status: for headers and answers.
        produced, head, tail, read_at, read_data: the outbox.
    """

    def __init__(self, rom: bytes, rx_credit: int, tx_credit: int, max_payload: int):
        self.rom, self.rx_credit, self.max_payload = rom, rx_credit, max_payload
        self.place = (tx_credit - 1).bit_length() + 1
        super().__init__(
            {
                "frame": Out(stream.Signature(FrameByte)),
                "ask": In(len(ANSWERS)),
                "ask_session": In(32),
                "ask_offset": In(16),
                "acknowledge": In(1),
                "rewind": In(1),
                "host_ack": In(16),
                "host_credit": In(16),
                "hold": In(1),
                "idle": Out(1),
                "session": In(32),
                "executed": In(16),
                "status": In(STATUS_LAYOUT),
                "produced": In(16),
                "tail": Out(self.place),
                "read_at": Out(self.place),
                "read_data": In(8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """The order of things, and two walks through records of the outbox."""
        m = Module()
        m.submodules.sender = sender = FrameSender(self.rom, self.max_payload, self.place)
        wiring.connect(m, sender.frame, wiring.flipped(self.frame))
        header = sender.header
        base, sent = Signal(16), Signal(16)  # first frame kept, next frame to send
        sent_at, at = Signal(self.place), Signal(self.place)
        index, length = Signal(2), Signal(16)
        m.d.comb += [
            header.version.eq(protocol.VERSION),
            header.seq.eq(sent),
            header.credit.eq(self.rx_credit),
            sender.status.eq(self.status),
            sender.length.eq(length),
            sender.payload_at.eq((sent_at + RECORD_BYTES)[: self.place]),
            sender.read_data.eq(self.read_data),
            self.read_at.eq(at),
        ]
        kind, session, ack = Signal(8), Signal(32), Signal(16)
        m.d.comb += [header.type.eq(kind), header.session.eq(session), header.ack.eq(ack)]
        answer = self._answers(m, kind, session, sender.offset)

        new_ack, rewinding = Signal(), Signal()
        ahead = Signal(16)
        m.d.comb += ahead.eq(self.host_ack - base)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(answer.valid):
                    m.d.comb += [answer.ready.eq(1), sender.start.eq(1)]
                    m.d.sync += ack.eq(self.executed)
                    m.next = "SEND"
                with m.Elif(new_ack):
                    m.d.sync += at.eq(self.tail)
                    m.next = "FREE"
                    # An acknowledgement of what was never produced says nothing.
                    with m.If((ahead == 0) | (ahead > (self.produced - base)[:16])):
                        m.d.sync += new_ack.eq(0)
                        m.next = "IDLE"
                with m.Elif(rewinding):
                    m.d.sync += [rewinding.eq(0), sent.eq(base), sent_at.eq(self.tail)]
                with m.Elif(~self.hold & (sent != self.produced)):
                    m.d.sync += [at.eq(sent_at), index.eq(0)]
                    m.next = "LOAD"
                with m.Else():
                    m.d.comb += self.idle.eq(1)
            with m.State("FREE"):
                m.d.sync += [at.eq(at + 1), index.eq(0)]
                m.next = "FREE LENGTH"
            with m.State("FREE LENGTH"):
                m.d.sync += [length.word_select(index[0], 8).eq(self.read_data), index.eq(1)]
                with m.If(index == 1):
                    m.next = "FREED"
            with m.State("FREED"):
                end = (self.tail + length + RECORD_BYTES)[: self.place]
                m.d.sync += [self.tail.eq(end), base.eq(base + 1)]
                with m.If(sent == base):
                    m.d.sync += [sent.eq(base + 1), sent_at.eq(end)]
                m.next = "IDLE"
            with m.State("LOAD"):
                m.d.sync += at.eq(at + 1)
                m.next = "RECORD"
            with m.State("RECORD"):
                m.d.sync += [
                    Cat(length, ack).word_select(index, 8).eq(self.read_data),
                    at.eq(at + 1),
                    index.eq(index + 1),
                ]
                with m.If(index == RECORD_BYTES - 1):
                    m.next = "CREDIT"
            with m.State("CREDIT"):
                in_flight = (sent_at - self.tail)[: self.place]
                m.d.sync += [kind.eq(int(FrameType.DATA)), session.eq(self.session)]
                m.next = "IDLE"
                # New credit may have come with a question, or with a request to go back.
                fits = in_flight + length + RECORD_BYTES <= self.host_credit
                with m.If(fits & ~answer.valid & ~new_ack & ~rewinding):
                    m.d.comb += sender.start.eq(1)
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += self.read_at.eq(sender.read_at)
                with m.If(sender.done):
                    m.next = "IDLE"
                    with m.If(kind == FrameType.DATA):
                        end = (sent_at + length + RECORD_BYTES)[: self.place]
                        m.d.sync += [sent.eq(sent + 1), sent_at.eq(end)]
        with m.If(self.acknowledge):
            m.d.sync += new_ack.eq(1)
        with m.If(self.rewind):
            m.d.sync += rewinding.eq(1)
        return m

    def _answers(self, m: Module, kind: Any, session: Any, offset: Any) -> Any:
        """Remember what is asked for; when one is taken, load ``kind`` and what it repeats."""
        hello, refused = (ANSWERS.index(t) for t in (FrameType.HELLO, FrameType.REFUSED))
        waiting, taken = Signal(len(ANSWERS)), Signal(len(ANSWERS))
        hello_session, refused_session = Signal(32), Signal(32)
        hello_offset, offset_sent = Signal(16), Signal(16)
        answer = stream.Signature(1).create()
        m.d.comb += [answer.valid.eq(waiting != 0), offset.eq(offset_sent)]
        m.d.sync += waiting.eq((waiting & ~taken) | self.ask)
        with m.If(self.ask[hello]):
            m.d.sync += [hello_session.eq(self.ask_session), hello_offset.eq(self.ask_offset)]
        with m.If(self.ask[refused]):
            m.d.sync += refused_session.eq(self.ask_session)
        with m.If(answer.ready):
            m.d.sync += offset_sent.eq(hello_offset)
            for bit, kind_of_bit in enumerate(ANSWERS):
                with m.If(waiting[bit]) if bit == 0 else m.Elif(waiting[bit]):
                    m.d.comb += taken.eq(1 << bit)
                    m.d.sync += kind.eq(int(kind_of_bit))
                    if bit == hello:
                        m.d.sync += session.eq(hello_session)
                    elif bit == refused:
                        m.d.sync += session.eq(refused_session)
                    else:
                        m.d.sync += session.eq(self.session)
        return answer
