"""The device's end of the link in plain Python: the readable definition of the protocol.

The RTL (``hdl/link``) must answer the same bytes to the same bytes. Nothing here knows time: the
device only ever answers, and all timers are the host's. Bytes go in by ``receive`` and come out
by ``take``; behind it works a :class:`ModelCore`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...hdl import protocol
from ...hdl.protocol import FrameType, StatusFlag
from .codec import Frame, FrameReader

if TYPE_CHECKING:
    from ...hdl.descriptor import Descriptor

_SEQ = protocol.SEQUENCES


class ModelCore(ABC):
    """What the link asks of the core behind it; the same things as ``hdl.link.ports.CorePort``."""

    step: int = 0
    """Steps computed since reset, modulo 2^32."""

    stop: bool = False
    """Set by the link: a run ends at its next step boundary."""

    @abstractmethod
    def read(self, region: int, address: int) -> bytes:
        """One word, least significant byte first."""

    @abstractmethod
    def write(self, region: int, address: int, word: bytes) -> None:
        """Replace one word; bits beyond the region's width are ignored."""

    @abstractmethod
    def event(self, graded: bool, step: int, index: int, value: int) -> None:
        """Input for a step that has not been computed yet."""

    @abstractmethod
    def run(
        self, steps: int, *, spikes: bool, cycles: bool, probes: bool
    ) -> Iterator[tuple[str, int]]:
        """Compute steps; results as ``(kind, value)``, see ``hdl.link.ports.ResultKind``."""

    @abstractmethod
    def reset(self) -> None:
        """What a reset of the whole device does to the core."""


@dataclass
class _Record:
    """A DATA frame kept until the host has it."""

    ack: int
    payload: bytes

    @property
    def cost(self) -> int:
        return len(self.payload) + protocol.RECORD_BYTES


class DeviceModel:
    """A device: receiver, transmitter, and the state that both share.

    Attributes:
        divisor: clock cycles per bit, 0 without pins. Whoever moves the bytes has the clock, too:
            ``time_is_up`` when a new rate has not been kept in time.
    """

    def __init__(self, descriptor: Descriptor, core: ModelCore):
        self.descriptor = descriptor
        self.core = core
        self._rom = descriptor.to_bytes()
        self._known = set(FrameType) - {FrameType.STATUS, FrameType.REFUSED}
        if not descriptor.rated:
            self._known -= {FrameType.RATE, FrameType.KEEP}
        self.reset()

    def reset(self) -> None:
        """As after power-up, or a UART break: no session, counters at 0."""
        self.session = protocol.NO_SESSION
        self._reader = FrameReader(self.descriptor.max_payload)
        self.lost_frames = 0
        self.line_errors = 0
        self._out = bytearray()
        self._credit = 0
        self.divisor = self._good = self.descriptor.divisor
        self._wanted: int | None = None
        self.trying = False
        self.core.reset()
        self._clear()

    def _clear(self) -> None:
        """Forget all that belongs to a session."""
        from .model_executor import Executor

        self.expected = 0
        self.executed = 0
        self.asked = False
        self.stop_before: int | None = None
        self.running = False
        self.fault = False
        self.inbox: deque[bytes] = deque()
        self._records: deque[_Record] = deque()
        self._kept = 0
        self._base = 0
        self._sent = 0
        self._part = bytearray()
        self.core.stop = False
        self._work = Executor(self).work()

    # Receiver

    def receive(self, data: bytes) -> None:
        """Bytes from the host; what they lead to is done at once."""
        for frame in self._reader.feed(data):
            if frame is None:
                self._ask_again()
            else:
                self._handle(frame)
            self._advance()

    def take(self) -> bytes:
        """Bytes for the host since the last call; a rate that was asked for begins after them."""
        out = bytes(self._out)
        self._out.clear()
        if self._wanted is not None:
            self.divisor, self._wanted, self.trying = self._wanted, None, True
        return out

    def time_is_up(self) -> None:
        """No KEEP within ``protocol.TRIAL_SECONDS`` at a new rate: back to the last good one."""
        if self.trying:
            self.divisor, self.trying = self._good, False

    def exchange(self, data: bytes) -> bytes:
        """``receive`` and ``take`` in one: what transports and servers ask of a device."""
        self.receive(data)
        return self.take()

    def _handle(self, frame: Frame) -> None:
        if frame.type is FrameType.HELLO:
            self._hello(frame)
        elif frame.type not in self._known:
            self._damaged()
        elif frame.session != self.session or frame.session == protocol.NO_SESSION:
            self._answer(FrameType.REFUSED, session=frame.session)
        else:
            if frame.type is FrameType.DATA:
                self._data(frame)
            elif frame.type is FrameType.POLL:
                self._answer(FrameType.STATUS)
            elif frame.type is FrameType.STOP:
                ahead = (frame.seq - self.executed) % _SEQ
                self.stop_before = frame.seq if 0 < ahead < _SEQ // 2 else None
                self._answer(FrameType.STATUS)
            elif frame.type is FrameType.RATE:
                self._rate(frame.payload)
            elif frame.type is FrameType.KEEP:
                if self.trying:
                    self._good, self.trying = self.divisor, False
                self._answer(FrameType.STATUS)
            self._acknowledged(frame)
            if frame.type is FrameType.RESEND:
                self._sent = self._base

    def _hello(self, frame: Frame) -> None:
        if len(frame.payload) != protocol.HELLO_REQUEST.size:
            self._damaged()
            return
        offset = protocol.HELLO_REQUEST.unpack(frame.payload)["offset"]
        if frame.session not in (protocol.NO_SESSION, self.session):
            self._clear()
            self.session = frame.session
            self._credit = frame.credit
        room = self.descriptor.max_payload - protocol.STATUS.size - protocol.HELLO_PLACE.size
        place = protocol.HELLO_PLACE.pack(offset=offset, total=len(self._rom))
        piece = self._rom[offset : offset + room]
        self._answer(FrameType.HELLO, session=frame.session, more=place + piece)

    def _rate(self, payload: bytes) -> None:
        d, request = self.descriptor, protocol.RATE_REQUEST
        cycles = request.unpack(payload)["cycles"] if len(payload) == request.size else 0
        if not d.fastest <= cycles + 1 <= d.divisor:
            self._damaged()
            return
        self._wanted, self.trying = cycles + 1, False
        self._answer(FrameType.STATUS)

    def _acknowledged(self, frame: Frame) -> None:
        """What the host has need not be kept; ``ack`` out of range is no acknowledgement."""
        self._credit = frame.credit
        done = (frame.ack - self._base) % _SEQ
        if done <= len(self._records):
            for _ in range(done):
                self._kept -= self._records.popleft().cost
            sent = (self._sent - self._base) % _SEQ
            self._base = frame.ack
            if done > sent:
                self._sent = self._base

    def _data(self, frame: Frame) -> None:
        ahead = (frame.seq - self.expected) % _SEQ
        if ahead >= _SEQ // 2:
            return  # accepted long ago: the host repeats more than it had to
        held = sum(len(payload) + protocol.RECORD_BYTES for payload in self.inbox)
        cost = len(frame.payload) + protocol.RECORD_BYTES
        if ahead or held + cost > self.descriptor.rx_credit:
            self.lost_frames = (self.lost_frames + 1) % (1 << 32)
            if not self.asked:
                self._answer(FrameType.RESEND)
            self.asked = True
            return
        self.inbox.append(frame.payload)
        self.expected = (self.expected + 1) % _SEQ
        self.asked = False

    def _damaged(self) -> None:
        self._reader.bad += 1
        self._ask_again()

    def _ask_again(self) -> None:
        if self.session != protocol.NO_SESSION:
            self._answer(FrameType.RESEND)

    # Replies

    def room(self) -> int:
        """How many more bytes of the frame being filled fit; negative if not even an empty one."""
        return self.descriptor.tx_credit - self._kept - protocol.RECORD_BYTES - len(self._part)

    def put(self, data: bytes) -> int:
        """More of the reply stream, as much as fits into this frame; how much that was."""
        count = max(0, min(self.room(), self.descriptor.max_payload - len(self._part), len(data)))
        self._part += data[:count]
        if len(self._part) == self.descriptor.max_payload:
            self.commit()
        return count

    def commit(self) -> None:
        """Finish the frame being filled."""
        record = _Record(self.executed, bytes(self._part))
        self._records.append(record)
        self._kept += record.cost
        self._part.clear()

    @property
    def part(self) -> int:
        """Bytes in the frame being filled."""
        return len(self._part)

    def _advance(self) -> None:
        """Execute and send until neither can go on."""
        moved = True
        while moved:
            self.core.stop = self.stop_before is not None
            moved = next(self._work)
            moved = self._transmit() or moved

    def _transmit(self) -> bool:
        """Send the next frame that the host has credit for."""
        index = (self._sent - self._base) % _SEQ
        if index == len(self._records):
            return False
        record = self._records[index]
        in_flight = sum(self._records[i].cost for i in range(index))
        if in_flight + record.cost > self._credit:
            return False
        self._send(FrameType.DATA, self.session, record.ack, record.payload)
        self._sent = (self._sent + 1) % _SEQ
        return True

    def _answer(self, kind: FrameType, session: int | None = None, more: bytes = b"") -> None:
        """An unnumbered frame: the device's status, and more."""
        status = protocol.STATUS.pack(
            accepted=self.expected,
            produced=(self._base + len(self._records)) % _SEQ,
            flags=self.running << StatusFlag.RUNNING | self.fault << StatusFlag.FAULT,
            step=self.core.step,
            bad_frames=self._reader.bad % (1 << 32),
            lost_frames=self.lost_frames,
            line_errors=self.line_errors,
        )
        self._send(kind, self.session if session is None else session, self.executed, status + more)

    def _send(self, kind: FrameType, session: int, ack: int, payload: bytes) -> None:
        credit = self.descriptor.rx_credit
        self._out += Frame(kind, session, self._sent, ack, credit, payload).encode()
