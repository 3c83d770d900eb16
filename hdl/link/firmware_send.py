"""The sequencer's program, the half that sends: replies as far as the credit goes, and answers."""

from __future__ import annotations

from ..descriptor import Descriptor
from ..protocol import (
    HEADER,
    HELLO_PLACE,
    HELLO_REQUEST,
    RECORD_BYTES,
    STATUS,
    TRIAL_CYCLES,
    TRIAL_SECONDS,
    VERSION,
    FrameType,
)
from .assembler import Assembler
from .firmware_ports import Control, Event, Read, Write
from .sequencer import Op, When

ANSWERS = (FrameType.HELLO, FrameType.REFUSED, FrameType.RESEND, FrameType.STATUS)
"""Unnumbered frames of the device, in the order in which they are sent when several wait."""


def answer_bit(kind: FrameType) -> int:
    """Of an answer among those that are due."""
    return 1 << ANSWERS.index(kind)


TURN_CYCLES = 130
"""What a turn of the program's loop takes while there is nothing to do."""


class Sending:
    """The program's variables, and the parts that send.

    Args:
        descriptor: of the device.
        rom_bytes: length of its description.
    """

    def __init__(self, descriptor: Descriptor, rom_bytes: int):
        self.descriptor, self.rom_bytes = descriptor, rom_bytes
        self.a = a = Assembler()
        # The receiver puts header and argument of a frame here.
        header = a.variable(HEADER.size + HELLO_REQUEST.size)
        self.header = {name: header + at.start for name, at in HEADER.places.items()}
        self.argument = header + HEADER.size
        first = a.free
        self.control = a.variable()
        self.session = a.variable(4)
        self.answer_due = a.variable()  # bits as in ANSWERS
        self.counters = {name: a.variable(4) for name in ("bad", "lost", "line")}
        # The rate that is tried is counted down: the last two bytes are zero when there is none.
        self.changing, self.turn, self.trial = a.variable(), a.variable(), a.variable(2)
        self.of_device = range(first, a.free)
        self.good, self.wanted = a.variable(2), a.variable(2)
        kinds = (FrameType.DATA, FrameType.POLL, FrameType.RESEND, FrameType.STOP)
        more = (FrameType.RATE, FrameType.KEEP) if descriptor.rated else ()
        self.answered = (*kinds, *more)
        # What follows is set to 0 when a session begins.
        first = a.free
        self.expected, self.executed, self.produced = (a.variable(2) for _ in range(3))
        self.base, self.sent = a.variable(2), a.variable(2)
        self.sent_at, self.tail, self.out_head = (a.variable(2) for _ in range(3))
        self.granted, self.held = a.variable(2), a.variable(2)
        self.in_head, self.out_of = a.variable(2), a.variable(2)
        self.asked, self.stopping, self.acked, self.rewinding = (a.variable() for _ in range(4))
        self.of_session = range(first, a.free)
        # The rest is written before it is read.
        self.stop_before, self.host_ack, self.host_credit = (a.variable(2) for _ in range(3))
        self.hello_session, self.hello_offset = a.variable(4), a.variable(2)
        self.refused_session, self.kind = a.variable(4), a.variable()
        self.frame_session, self.ack = a.variable(4), a.variable(2)
        self.mask, self.length, self.size = a.variable(), a.variable(2), a.variable(2)
        self.step, self.t, self.u = a.variable(4), a.variable(2), a.variable(2)
        self.part_at = a.variable(2)

    def _test(self, event: int) -> None:
        self.a.port(Op.LOAD, Read.EVENTS)
        self.a.constant(Op.AND, event)

    def _ignore(self, event: int) -> None:
        """Nothing can be done about it now."""
        self.a.memory(Op.LOAD, self.mask)
        self.a.constant(Op.AND, 0xFF ^ event)
        self.a.store(self.mask)

    def _control(self, keep: int, add: int = 0) -> None:
        self.a.memory(Op.LOAD, self.control)
        if keep != 0xFF:
            self.a.constant(Op.AND, keep)
        if add:
            self.a.constant(Op.OR, add)
        self.a.store(self.control)
        self.a.out(Write.CONTROL)

    def _transmit(self) -> None:
        """Answers at once; what was acknowledged is freed; replies as far as the credit goes."""
        a = self.a
        a.label("transmit")
        self._test(Event.SENT)
        a.jump("rest", When.ZERO)
        a.memory(Op.LOAD, self.answer_due)
        a.jump("answer", When.NOT_ZERO)
        if self.descriptor.rated:
            self._change()
        a.memory(Op.LOAD, self.acked)
        a.jump("nothing acknowledged", When.ZERO)
        a.subtract(self.t, self.host_ack, self.base)
        a.any_bit(self.t, 2)
        a.jump("all freed", When.ZERO)
        # An acknowledgement of what was never produced says nothing.
        a.subtract(self.u, self.produced, self.base)
        a.subtract(self.u, self.u, self.t)
        a.jump("free", When.CARRY)
        a.label("all freed")
        a.let(self.acked, 0)
        a.jump("nothing acknowledged")
        a.label("free")
        a.out_pair(self.tail, Write.SEND_AT)
        a.call("record")
        a.add(self.tail, self.t)
        a.differ(self.sent, self.base, 2, self.t)
        a.store(self.t)
        a.add_constant(self.base, 1)
        a.memory(Op.LOAD, self.t)
        a.jump("main", When.NOT_ZERO)
        a.call("rewind")
        a.jump("main")
        a.label("nothing acknowledged")
        a.memory(Op.LOAD, self.rewinding)
        a.jump("no rewinding", When.ZERO)
        a.let(self.rewinding, 0)
        a.call("rewind")
        a.label("no rewinding")
        a.differ(self.sent, self.produced, 2, self.t)
        a.jump("nothing to send", When.ZERO)
        a.out_pair(self.sent_at, Write.SEND_AT)
        a.call("record")
        a.subtract(self.u, self.sent_at, self.tail)
        a.add(self.u, self.t)
        a.subtract(self.u, self.host_credit, self.u)
        a.jump("nothing to send", When.NO_CARRY)
        for i in range(2):
            a.port(Op.LOAD, Read.OUTBOX)
            a.store(self.ack + i)
        a.add(self.sent_at, self.t)
        a.out_pair(self.sent_at, Write.SEND_END)
        a.move(self.frame_session, self.session, 4)
        a.let(self.kind, FrameType.DATA)
        a.call("header")
        a.add_constant(self.sent, 1)
        a.constant(Op.LOAD, 0)
        a.out(Write.SEND)
        a.jump("main")
        a.label("nothing to send")
        self._ignore(Event.SENT)
        a.jump("rest")
        self._record()
        a.label("rewind")
        a.move(self.sent, self.base, 2)
        a.move(self.sent_at, self.tail, 2)
        a.back()

    def _change(self) -> None:
        """Go to another rate when the line is quiet; until KEEP comes it is on trial."""
        a, d = self.a, self.descriptor
        cycles = TRIAL_SECONDS * d.clock_hz if d.clock_hz else TRIAL_CYCLES
        a.memory(Op.LOAD, self.changing)
        a.jump("no change", When.ZERO)
        a.constant(Op.LOAD, Event.DRAINED)
        a.wait()
        a.let(self.changing, 0)
        a.out_pair(self.wanted, Write.RATE)
        a.let(self.trial, min(0xFFFF, 1 + round(cycles / TURN_CYCLES / 256)), 2)
        a.label("no change")

    def _record(self) -> None:
        """Into ``t``: what the record there takes; its acknowledgement is read next."""
        a = self.a
        a.label("record")
        for i, byte in enumerate(RECORD_BYTES.to_bytes(2, "little")):
            a.port(Op.LOAD, Read.OUTBOX)
            a.constant(Op.ADC if i else Op.ADD, byte)
            a.store(self.t + i)
        a.back()

    def _answer(self) -> None:
        """The first answer that is due."""
        a = self.a
        a.label("answer")
        a.move(self.ack, self.executed, 2)
        sessions = {
            FrameType.HELLO: self.hello_session,
            FrameType.REFUSED: self.refused_session,
            FrameType.RESEND: self.session,
        }
        for kind in ANSWERS:
            if kind in sessions:
                a.move(self.frame_session, sessions[kind], 4)
            a.let(self.kind, kind)
            a.memory(Op.LOAD, self.answer_due)
            a.constant(Op.AND, answer_bit(kind))
            if kind is not ANSWERS[-1]:
                a.jump("send answer", When.NOT_ZERO)
        a.label("send answer")
        a.memory(Op.XOR, self.answer_due)
        a.store(self.answer_due)
        a.call("header")
        self._status()
        a.let(self.t, 0, 2)
        a.memory(Op.LOAD, self.kind)
        a.constant(Op.XOR, FrameType.HELLO)
        a.jump("no description", When.NOT_ZERO)
        self._place()
        a.label("no description")
        a.out_pair(self.hello_offset, Write.SEND_AT)
        a.add(self.t, self.hello_offset)
        a.out_pair(self.t, Write.SEND_END)
        a.constant(Op.LOAD, 1)
        a.out(Write.SEND)
        # A new session waits until all is answered.
        a.memory(Op.LOAD, self.control)
        a.constant(Op.AND, Control.ABORT)
        a.jump("abort", When.NOT_ZERO)
        a.jump("main")

        a.label("header")
        a.constant(Op.LOAD, VERSION)
        a.out(Write.SEND_BYTE)
        a.out_each(self.kind, 1, Write.SEND_BYTE)
        a.out_each(self.frame_session, 4, Write.SEND_BYTE)
        a.out_each(self.sent, 2, Write.SEND_BYTE)
        a.out_each(self.ack, 2, Write.SEND_BYTE)
        self._number(self.descriptor.rx_credit)
        a.back()

    def _number(self, value: int) -> None:
        for byte in value.to_bytes(2, "little"):
            self.a.constant(Op.LOAD, byte)
            self.a.out(Write.SEND_BYTE)

    def _status(self) -> None:
        """The fields of ``protocol.STATUS``."""
        a = self.a
        a.label("read step")
        for i in range(4):
            a.port(Op.LOAD, Read.STEP + i)
            a.store(self.step + i)
        # It may have gone on while it was read.
        a.port(Op.LOAD, Read.STEP)
        a.memory(Op.XOR, self.step)
        a.jump("read step", When.NOT_ZERO)
        sources = {
            "accepted": self.expected,
            "produced": self.produced,
            "step": self.step,
            "bad_frames": self.counters["bad"],
            "lost_frames": self.counters["lost"],
            "line_errors": self.counters["line"],
        }
        for field in STATUS.fields:
            if field.name == "flags":
                a.port(Op.LOAD, Read.FLAGS)
                a.out(Write.SEND_BYTE)
            else:
                a.out_each(sources[field.name], field.size, Write.SEND_BYTE)

    def _place(self) -> None:
        """Place and length of the description's piece; into ``t``: its bytes in this frame."""
        a = self.a
        a.out_each(self.hello_offset, 2, Write.SEND_BYTE)
        self._number(self.rom_bytes)
        a.subtract_from_constant(self.t, self.rom_bytes, self.hello_offset)
        a.jump("within", When.CARRY)
        a.let(self.t, 0, 2)
        a.label("within")
        most = self.descriptor.max_payload - STATUS.size - HELLO_PLACE.size
        a.subtract_constant(self.u, self.t, most)
        a.jump("no description", When.NO_CARRY)
        a.let(self.t, most, 2)
