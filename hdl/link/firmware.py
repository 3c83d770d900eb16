"""The sequencer's program: sessions, windows, credit and answers.

``runtime/link/model.py`` says in Python what this does. ``Read``, ``Write`` and ``Event``
(``firmware_ports.py``) are what it knows of the circuit around it (``frames.py``).
"""

from __future__ import annotations

from ..descriptor import Descriptor
from ..protocol import (
    CRC_BYTES,
    HEADER,
    HELLO_REQUEST,
    RECORD_BYTES,
    VERSION,
    FrameType,
)
from .firmware_ports import Control, Event, Read, Write
from .firmware_send import Sending, answer_bit
from .sequencer import Op, When

LENGTH_BYTES = 2
"""Before each payload in the inbox."""


class Firmware(Sending):
    """Writes the program for a device; its arguments are those of ``Sending``."""

    def program(self) -> list[int]:
        """All of it."""
        self._main()
        self._frame()
        self._hello()
        self._data()
        self._work()
        self._commit()
        self._transmit()
        self._answer()
        self._clear()
        return self.a.program()

    # The loop

    def _main(self) -> None:
        """Look at everything that may have happened, then wait for the next."""
        a = self.a
        a.constant(Op.LOAD, 0)
        for at in self.of_device:
            a.store(at)
        a.out(Write.CONTROL)
        if self.descriptor.rated:
            a.let(self.good, self.descriptor.divisor - 1, 2)
        a.call("clear")
        a.constant(Op.LOAD, LENGTH_BYTES)
        a.out(Write.INBOX_AT)
        a.constant(Op.LOAD, 0)
        a.out(Write.INBOX_AT + 1)
        a.label("main")
        wanted = Event.FRAME | Event.FULL | Event.FLUSH | Event.HUNGRY | Event.SENT
        a.let(self.mask, wanted)
        self._test(Event.LINE_ERROR)
        a.jump("no line errors", When.ZERO)
        a.out(Write.LINE_SEEN)
        a.add_constant(self.counters["line"], 1, 4)
        a.label("no line errors")
        self._test(Event.FRAME)
        a.jump("frame", When.NOT_ZERO)
        a.label("no frame")
        a.jump("work")
        a.label("rest")
        if self.descriptor.rated:
            self._try()
        a.memory(Op.LOAD, self.mask)
        a.wait()
        a.jump("main")

    def _try(self) -> None:
        """At a new rate the loop never waits: its turns are the clock that KEEP has to beat."""
        a = self.a
        a.any_bit(self.trial, 2)
        a.jump("no trial", When.ZERO)
        for i in range(3):
            a.memory(Op.LOAD, self.turn + i)
            a.constant(Op.SBC if i else Op.SUB, 0 if i else 1)
            a.store(self.turn + i)
        a.any_bit(self.trial, 2)
        a.jump("main", When.NOT_ZERO)
        a.out_pair(self.good, Write.RATE)
        a.jump("main")
        a.label("no trial")

    # What has come

    def _frame(self) -> None:
        """A frame: what its type means for the session."""
        a, h = self.a, self.header
        overhead = HEADER.size + CRC_BYTES
        a.label("frame")
        self._test(Event.INTACT)
        a.jump("damaged", When.ZERO)
        for i, byte in enumerate(overhead.to_bytes(2, "little")):
            a.port(Op.LOAD, Read.COUNT + i)
            a.constant(Op.SBC if i else Op.SUB, byte)
            a.store(self.length + i)
        a.jump("damaged", When.NO_CARRY)
        a.memory(Op.LOAD, h["type"])
        a.constant(Op.XOR, FrameType.HELLO)
        a.jump("hello", When.ZERO)
        a.memory(Op.LOAD, h["version"])
        a.constant(Op.XOR, VERSION)
        a.jump("damaged", When.NOT_ZERO)
        # Types from DATA on are the host's; 0 is none.
        a.memory(Op.LOAD, h["type"])
        a.constant(Op.SUB, FrameType.DATA)
        a.jump("damaged", When.NO_CARRY)
        a.memory(Op.LOAD, h["type"])
        a.constant(Op.SUB, (FrameType.KEEP if self.descriptor.rated else FrameType.STOP) + 1)
        a.jump("damaged", When.CARRY)
        a.any_bit(self.session, 4)
        a.jump("refuse", When.ZERO)
        a.call("same session")
        a.jump("refuse", When.NOT_ZERO)
        a.let(self.acked, 1)
        a.move(self.host_ack, h["ack"], 2)
        a.move(self.host_credit, h["credit"], 2)
        for kind in self.answered:
            a.memory(Op.LOAD, h["type"])
            a.constant(Op.XOR, kind)
            a.jump(kind.name.lower(), When.ZERO)
        a.jump("release")
        a.label("damaged")
        a.add_constant(self.counters["bad"], 1, 4)
        a.any_bit(self.session, 4)
        a.jump("release", When.ZERO)
        a.label("ask again")
        a.constant(Op.LOAD, answer_bit(FrameType.RESEND))
        a.label("due")
        a.memory(Op.OR, self.answer_due)
        a.store(self.answer_due)
        a.label("release")
        a.add_constant_to(self.t, self.in_head, LENGTH_BYTES)
        a.out_pair(self.t, Write.INBOX_AT)
        a.out(Write.RELEASE)
        a.jump("no frame")
        a.label("refuse")
        a.move(self.refused_session, h["session"], 4)
        self._due(FrameType.REFUSED)
        if self.descriptor.rated:
            self._rate()
        a.label("resend")
        a.let(self.rewinding, 1)
        a.jump("release")
        a.label("stop")
        a.move(self.stop_before, h["seq"], 2)
        a.subtract(self.t, h["seq"], self.executed)
        a.let(self.stopping, 0)
        a.any_bit(self.t, 2)
        a.jump("stop told", When.ZERO)
        a.memory(Op.LOAD, self.t + 1)
        a.constant(Op.AND, 0x80)
        a.jump("stop told", When.NOT_ZERO)
        a.let(self.stopping, Control.STOP)
        a.label("stop told")
        a.call("tell stop")
        a.label("poll")
        self._due(FrameType.STATUS)
        a.label("same session")
        a.differ(h["session"], self.session, 4, self.t)
        a.back()
        a.label("tell stop")
        a.memory(Op.LOAD, self.control)
        a.constant(Op.AND, 0xFF ^ Control.STOP)
        a.memory(Op.OR, self.stopping)
        a.store(self.control)
        a.out(Write.CONTROL)
        a.back()

    def _due(self, kind: FrameType) -> None:
        """Done with this frame, but for an answer."""
        self.a.constant(Op.LOAD, answer_bit(kind))
        self.a.jump("due")

    def _rate(self) -> None:
        """Another rate, once the answer is out; and that it is good."""
        a, d = self.a, self.descriptor
        a.label("rate")
        self._two_bytes()
        a.compare_constant(self.argument, d.fastest - 1)
        a.jump("damaged", When.NO_CARRY)
        a.compare_constant(self.argument, d.divisor)
        a.jump("damaged", When.CARRY)
        a.move(self.wanted, self.argument, 2)
        a.let(self.changing, 1)
        a.let(self.trial, 0, 2)
        a.jump("poll")
        a.label("keep")
        a.any_bit(self.trial, 2)
        a.jump("poll", When.ZERO)
        a.move(self.good, self.wanted, 2)
        a.let(self.trial, 0, 2)
        a.jump("poll")

    def _two_bytes(self) -> None:
        """The frame that has come must have an argument, and nothing else."""
        a = self.a
        a.memory(Op.LOAD, self.length)
        a.constant(Op.XOR, HELLO_REQUEST.size)
        a.memory(Op.OR, self.length + 1)
        a.jump("damaged", When.NOT_ZERO)

    def _hello(self) -> None:
        """A question, or a new session: then the old one's work must come to rest first."""
        a, h = self.a, self.header
        a.label("hello")
        self._two_bytes()
        a.any_bit(h["session"], 4)
        a.jump("answer hello", When.ZERO)
        a.call("same session")
        a.jump("answer hello", When.ZERO)
        self._control(0xFF, Control.STOP | Control.ABORT)
        a.label("abort")
        a.constant(Op.LOAD, Event.SENT)
        a.wait()
        a.memory(Op.LOAD, self.answer_due)
        a.jump("answer", When.NOT_ZERO)
        a.constant(Op.LOAD, Event.HUNGRY)
        a.wait()
        a.call("clear")
        a.move(self.session, h["session"], 4)
        a.move(self.host_credit, h["credit"], 2)
        a.label("answer hello")
        a.move(self.hello_session, h["session"], 4)
        a.move(self.hello_offset, self.argument, 2)
        self._due(FrameType.HELLO)

    def _data(self) -> None:
        """A piece of the command stream: taken if it is the next one and there is room."""
        a, h = self.a, self.header
        a.label("data")
        a.subtract(self.t, h["seq"], self.expected)
        a.constant(Op.AND, 0x80)
        a.jump("release", When.NOT_ZERO)  # accepted long ago
        a.any_bit(self.t, 2)
        a.jump("lost", When.NOT_ZERO)
        a.add_constant_to(self.t, self.length, RECORD_BYTES)
        a.add(self.t, self.held)
        a.jump("lost", When.CARRY)
        a.subtract_from_constant(self.u, self.descriptor.rx_credit, self.t)
        a.jump("lost", When.NO_CARRY)
        a.move(self.held, self.t, 2)
        a.out_pair(self.in_head, Write.INBOX_AT)
        a.out_each(self.length, 2, Write.INBOX)
        a.add_constant_to(self.t, self.length, LENGTH_BYTES)
        a.add(self.in_head, self.t)
        a.add_constant(self.expected, 1)
        a.let(self.asked, 0)
        a.jump("release")
        a.label("lost")
        a.add_constant(self.counters["lost"], 1, 4)
        a.memory(Op.LOAD, self.asked)
        a.jump("release", When.NOT_ZERO)
        a.let(self.asked, 1)
        a.jump("ask again")

    # What the executor needs

    def _work(self) -> None:
        """Frames to it, and what it wrote into frames."""
        a = self.a
        a.label("work")
        self._test(Event.FLUSH)
        a.jump("no flush", When.ZERO)
        self._written()
        a.any_bit(self.t, 2)
        a.jump("flushed", When.ZERO)
        a.call("commit")
        a.label("flushed")
        a.out(Write.FLUSHED)
        a.label("no flush")

        self._test(Event.FULL)
        a.jump("not full", When.ZERO)
        a.subtract_constant(self.t, self.granted, self.descriptor.max_payload)
        a.any_bit(self.t, 2)
        a.jump("more room", When.NOT_ZERO)
        a.call("commit")
        a.jump("not full")
        a.label("more room")
        a.call("grant")
        self._test(Event.FULL)
        a.jump("not full", When.ZERO)
        self._ignore(Event.FULL)
        a.label("not full")

        self._test(Event.HUNGRY)
        a.jump("not hungry", When.ZERO)
        a.call("room")
        a.jump("finish", When.CARRY)
        self._ignore(Event.HUNGRY)
        a.jump("transmit")
        a.label("finish")
        a.add_constant(self.executed, 1)
        a.call("commit")
        a.subtract(self.held, self.held, self.size)
        a.subtract_constant(self.held, self.held, RECORD_BYTES)
        self._control(0xFF ^ Control.LOADED)
        a.differ(self.stop_before, self.executed, 2, self.t)
        a.jump("not hungry", When.NOT_ZERO)
        a.let(self.stopping, 0)
        a.call("tell stop")
        a.label("not hungry")

        a.memory(Op.LOAD, self.control)
        a.constant(Op.AND, Control.LOADED)
        a.jump("transmit", When.NOT_ZERO)
        a.differ(self.executed, self.expected, 2, self.t)
        a.jump("transmit", When.ZERO)
        for i in range(2):
            a.port(Op.LOAD, Read.INBOX)
            a.store(self.size + i)
        a.add(self.out_of, self.size)
        a.add_constant(self.out_of, LENGTH_BYTES)
        a.out_pair(self.out_of, Write.INBOX_END)
        self._control(0xFF, Control.LOADED)
        a.jump("transmit")

    def _written(self) -> None:
        """Into ``t``: bytes in the frame being filled, which begins at ``part_at``."""
        a = self.a
        bits = (self.descriptor.tx_credit - 1).to_bytes(2, "little")
        for i in range(2):
            a.port(Op.LOAD, Read.OUTBOX_AT + i)
            a.memory(Op.SBC if i else Op.SUB, self.part_at + i)
            a.constant(Op.AND, bits[i])
            a.store(self.t + i)

    def _commit(self) -> None:
        """The frame being filled becomes a record, and the next one is begun."""
        a, d = self.a, self.descriptor
        a.label("commit")
        self._written()
        self._control(0xFF, Control.HOLD)
        a.out_pair(self.out_head, Write.OUTBOX_AT)
        a.out_each(self.t, 2, Write.OUTBOX)
        a.out_each(self.executed, 2, Write.OUTBOX)
        a.add_to(self.out_head, self.part_at, self.t)
        a.add_constant_to(self.part_at, self.out_head, RECORD_BYTES)
        a.out_pair(self.part_at, Write.OUTBOX_AT)
        a.out_pair(self.part_at, Write.OUTBOX_END)
        a.add_constant(self.produced, 1)
        a.let(self.granted, 0, 2)
        self._control(0xFF ^ Control.HOLD)
        # As many bytes as a frame may have, or fit, if that is more than were granted before.
        a.label("grant")
        self._room()
        a.jump("granted", When.NO_CARRY)
        a.subtract_constant(self.u, self.t, d.max_payload)
        a.jump("some room", When.NO_CARRY)
        a.let(self.t, d.max_payload, 2)
        a.label("some room")
        a.subtract(self.u, self.t, self.granted)
        a.jump("granted", When.NO_CARRY)
        a.move(self.granted, self.t, 2)
        a.add(self.t, self.part_at)
        a.out_pair(self.t, Write.OUTBOX_END)
        a.label("granted")
        a.back()
        a.label("room")
        self._room()
        a.back()

    def _room(self) -> None:
        """Into ``t``: bytes of payload that fit the outbox; the carry tells if a frame does."""
        a = self.a
        a.subtract(self.t, self.out_head, self.tail)
        a.subtract_from_constant(self.t, self.descriptor.tx_credit - RECORD_BYTES, self.t)

    # A new session

    def _clear(self) -> None:
        """Forget all that belongs to a session."""
        a = self.a
        a.label("clear")
        a.out(Write.CLEAR)
        a.constant(Op.LOAD, 0)
        for at in self.of_session:
            a.store(at)
        a.store(self.control)
        for port in (Write.CONTROL, Write.INBOX_END, Write.INBOX_END + 1):
            a.out(port)
        for i, byte in enumerate((RECORD_BYTES, 0)):
            a.constant(Op.LOAD, byte)
            a.store(self.part_at + i)
            a.out(Write.OUTBOX_AT + i)
            a.out(Write.OUTBOX_END + i)
        a.back()


def firmware(descriptor: Descriptor, rom_bytes: int) -> list[int]:
    """The program for a device."""
    return Firmware(descriptor, rom_bytes).program()
