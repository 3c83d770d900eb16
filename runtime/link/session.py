"""A session with a device: two reliable byte streams over a line that loses and damages bytes.

Go-back-N in both directions, all timers on this side. What the caller reads is exactly what the
device sent, or an error is raised. Nothing is filled in when time runs out, and nothing waits for
ever: a silent device is polled and given up, and so is one that answers but gets nowhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ...errors import DeviceError
from ...hdl import protocol
from ...hdl.descriptor import Descriptor
from ...hdl.protocol import FrameType, StatusFlag
from .codec import Frame, FrameReader, longest_encoding
from .rates import climb
from .transport import Transport

_Answer = TypeVar("_Answer")

_SEQ = protocol.SEQUENCES
_CREDIT = protocol.MAX_CREDIT
_ACKS = 8
"""Acknowledgements per window of the device: the fewer, the longer it waits for them."""


@dataclass(frozen=True)
class Timing:
    """How patient a session is.

    Attributes:
        base: seconds that any answer may take beyond its time on the line.
        tries: polls without any answer after which the device is given up.
        stall: seconds without progress after which an answering device is given up.
    """

    base: float = 0.1
    tries: int = 10
    stall: float = 10.0


@dataclass
class Statistics:
    """What the line did to us; every number only grows."""

    frames_sent: int = 0
    frames_repeated: int = 0
    frames_received: int = 0
    damaged: int = 0
    out_of_order: int = 0
    polls: int = 0
    resends_asked: int = 0
    frames_done: int = 0
    """Numbered frames that have got there, in both directions, each counted once."""


class Session:
    """The host's end of the link.

    Args:
        transport: the line.
        nonce: session number, not 0; the line's own if it has one, else random.
        timing: patience.
    """

    def __init__(
        self, transport: Transport, nonce: int | None = None, timing: Timing | None = None
    ):
        self.transport = transport
        nonce = transport.nonce if nonce is None else nonce
        self.nonce = secrets.randbelow((1 << 32) - 1) + 1 if nonce is None else nonce
        if not 0 < self.nonce < 1 << 32:
            raise ValueError("a session number has 32 bits and is not 0")
        self.timing = timing or Timing()
        self.statistics = Statistics()
        self.descriptor: Descriptor | None = None
        self._reader = FrameReader(protocol.MAX_PAYLOAD)
        self._failed: DeviceError | None = None
        # Towards the device: bytes not yet in a frame, frames not yet acknowledged.
        self._pending = bytearray()
        self._frames: list[bytes] = []
        self._base = 0
        self._sent = 0
        self._highest = 0
        self._credit = 0
        # From the device.
        self._received = 0
        self._acknowledged = 0
        self._unacknowledged = 0
        self._inbox = bytearray()
        self._gap_asked = False
        # Watching over it.
        self._quiet_since = 0.0
        self._progress_at = 0.0
        self._progress: object = None
        self._silent_polls = 0
        self._last_rewind: tuple[int, float] = (-1, 0.0)
        self._status: dict[str, int] | None = None

    # Opening

    def open(self) -> Descriptor:
        """Start a session, learn what the device is, and take the line as far up as it goes.

        Raises:
            DeviceError: nobody answers, or not in this protocol.
        """
        descriptor = self._describe()
        if descriptor.rated and self.transport.fastest > self.transport.baud:
            climb(self, descriptor)
        self.descriptor = descriptor
        damaged, self._reader = self._reader.bad, FrameReader(descriptor.max_payload)
        self._reader.bad = damaged
        self._credit = descriptor.rx_credit
        self._progress_at = self._quiet_since = self.transport.now()
        return self.descriptor

    def identify(self) -> Descriptor:
        """Learn what the device is without opening a session: nothing that runs is disturbed,
        unless its line is much faster than ours, so that our bytes are a break to it.

        Raises:
            DeviceError: as ``open``.
        """
        own, self.nonce = self.nonce, protocol.NO_SESSION
        try:
            return self._describe()
        finally:
            self.nonce = own

    def _describe(self) -> Descriptor:
        """The device's description, piece by piece."""
        self.transport.write(bytes((protocol.DELIMITER,)))
        text, total = bytearray(), 1
        while len(text) < total:
            total, piece = self._hello(len(text))
            if not piece and len(text) < total:
                raise self.failed("the device's description ends early", f"{len(text)} of {total}")
            text += piece
        try:
            return Descriptor.from_bytes(bytes(text))
        except ValueError as error:
            raise self.failed(
                "the device's description cannot be understood", error, "see docs/link.md"
            ) from None

    def _hello(self, offset: int) -> tuple[int, bytes]:
        """Length of the description and a piece of it."""
        request = protocol.HELLO_REQUEST.pack(offset=offset)
        for tried in range(self.timing.tries):
            found = self.question(
                FrameType.HELLO, request, lambda frame: self._hello_answer(frame, offset)
            )
            if found is not None:
                return found
            if self.transport.fastest and self.nonce and tried == self.timing.tries // 2:
                # A host that is gone may have left the device at any rate.
                self.transport.send_break()
                self.transport.write(bytes((protocol.DELIMITER,)))
        raise self.failed(
            "no device answers at this line",
            f"{self.timing.tries} HELLO frames without an answer; "
            f"{self._reader.bad} damaged frames came",
            "a HELLO frame of a Spikeloom device",
            "check power and baud rate, and that the bitstream is loaded",
        )

    def question(
        self, kind: FrameType, payload: bytes, answer: Callable[[Frame], _Answer | None]
    ) -> _Answer | None:
        """Ask before the streams are used: what the first answer says, None if there is none.

        Args:
            kind: of the frame.
            payload: of the frame.
            answer: what a frame of this session says, None if it is another one.
        """
        self._send(kind, 0, payload)
        size = longest_encoding(max(1024, len(payload)))
        deadline = self.transport.now() + self._round_trip(size)
        while (left := deadline - self.transport.now()) > 0:
            for frame in self._heard(left):
                found = answer(frame)
                if found is not None:
                    return found
        return None

    def silence(self, seconds: float) -> None:
        """Say nothing for a while; what comes is of no use."""
        deadline = self.transport.now() + seconds
        while (left := deadline - self.transport.now()) > 0:
            self._heard(left)

    def _heard(self, timeout: float) -> list[Frame]:
        found = self._reader.feed(self.transport.read(timeout))
        self.statistics.damaged = self._reader.bad
        return [f for f in found if f is not None and f.session == self.nonce]

    def _hello_answer(self, frame: Frame, offset: int) -> tuple[int, bytes] | None:
        """What a frame says, if it is the answer."""
        if frame.type is not FrameType.HELLO:
            return None
        if frame.version != protocol.VERSION:
            raise self.failed(
                "the device speaks another version of the protocol",
                frame.version,
                protocol.VERSION,
                "build the bitstream and install the package from the same release",
            )
        body, head = frame.payload, protocol.STATUS.size + protocol.HELLO_PLACE.size
        if len(body) < head:
            return None
        place = protocol.HELLO_PLACE.unpack(body[protocol.STATUS.size : head])
        if place["total"] > protocol.MAX_DESCRIPTOR:
            raise self.failed("the device's description is too long", place["total"])
        return (place["total"], body[head:]) if place["offset"] == offset else None

    # The two streams

    def write(self, data: bytes) -> None:
        """Append to the command stream; it goes out in whole frames, the rest by ``flush``."""
        self._check()
        self._pending += data
        self._fill(whole=True)
        self._send_window()

    def read(self, count: int) -> bytes:
        """Exactly the next ``count`` bytes of the reply stream.

        Raises:
            DeviceError: they cannot be had.
        """
        self._push()
        while len(self._inbox) < count:
            self._pump()
        out = bytes(self._inbox[:count])
        del self._inbox[:count]
        return out

    def available(self) -> int:
        """Bytes of the reply stream that ``read`` returns without waiting."""
        return len(self._inbox)

    def flush(self) -> None:
        """Wait until the device has executed all commands."""
        self._push()
        while self._frames:
            self._pump()

    def poll(self) -> dict[str, int]:
        """The device's status, now.

        Raises:
            DeviceError: it does not answer.
        """
        return self._ask(FrameType.POLL)

    def stop(self) -> None:
        """End the runs that were commanded so far at their next step boundary."""
        self._push()
        while self._sent < len(self._frames):
            self._pump()
        self._ask(FrameType.STOP)

    def _ask(self, kind: FrameType) -> dict[str, int]:
        """Send a question and wait for STATUS, asking again when the time has passed."""
        self._push()
        self._status = None
        asked_at = None
        while self._status is None:
            if asked_at is None or self.transport.now() - asked_at > self._patience():
                self._send(kind, (self._base + len(self._frames)) % _SEQ)
                asked_at = self.transport.now()
            self._pump()
        return self._status

    # Frames out

    def _push(self) -> None:
        self._check()
        self._fill(whole=False)
        self._send_window()

    def _fill(self, whole: bool) -> None:
        """Cut what is pending into frames, only whole ones or all of it."""
        assert self.descriptor is not None, "the session is not open"
        size = self.descriptor.max_payload
        least = size if whole else 1
        at = 0
        while len(self._pending) - at >= least:
            self._frames.append(bytes(self._pending[at : at + size]))
            at += size
        del self._pending[:at]

    def _send_window(self) -> None:
        """Send frames as far as the device's credit goes."""
        used = sum(_cost(payload) for payload in self._frames[: self._sent])
        while self._sent < len(self._frames) and self._sent < _SEQ // 4:
            payload = self._frames[self._sent]
            used += _cost(payload)
            if used > self._credit:
                return
            if self._sent == 0:
                self._quiet_since = self.transport.now()
            self.statistics.frames_repeated += self._sent < self._highest
            self._send(FrameType.DATA, (self._base + self._sent) % _SEQ, payload)
            self._sent += 1
            self._highest = max(self._highest, self._sent)

    def _send(self, kind: FrameType, seq: int, payload: bytes = b"") -> None:
        frame = Frame(kind, self.nonce, seq, self._received, _CREDIT, payload)
        self._acknowledged = self._received
        self._unacknowledged = 0
        self.statistics.frames_sent += 1
        self.transport.write(frame.encode())

    def _rewind(self, accepted: int) -> None:
        """Repeat from the frame that the device expects."""
        index = (accepted - self._base) % _SEQ
        if index < self._sent:
            self._sent = index

    # Frames in

    def _pump(self) -> None:
        """Wait for something to happen, and handle it."""
        data = self.transport.read(self._patience())
        for frame in self._reader.feed(data):
            self._take(frame)
        self.statistics.damaged = self._reader.bad
        descriptor = self.descriptor
        if descriptor is not None and self._unacknowledged * _ACKS > descriptor.tx_credit:
            self._send(FrameType.ACK, self._next())
        self._watch()
        self._send_window()

    def _take(self, frame: Frame | None) -> None:
        if frame is None:
            self._gap()
            return
        if frame.session != self.nonce:
            return
        self.statistics.frames_received += 1
        self._quiet_since = self.transport.now()
        self._silent_polls = 0
        if frame.type is FrameType.REFUSED:
            raise self.failed(
                "the device was reset, or another host opened it, while this session was open",
                "the device does not know this session any more",
                remedy="open the device again and load the program; what it held is lost",
            )
        if frame.type is FrameType.DATA:
            self._data(frame)
        elif frame.type in (FrameType.STATUS, FrameType.RESEND):
            self._device_status(frame)

    def _acknowledge(self, frame: Frame) -> None:
        """The device is done with these frames."""
        done = (frame.ack - self._base) % _SEQ
        if done <= self._highest:
            del self._frames[:done]
            self.statistics.frames_done += done
            self._base = frame.ack
            self._sent = max(0, self._sent - done)
            self._highest -= done
            self._credit = frame.credit

    def _data(self, frame: Frame) -> None:
        self._acknowledge(frame)
        if frame.seq == self._received:
            self._inbox += frame.payload
            self._received = (self._received + 1) % _SEQ
            self.statistics.frames_done += 1
            self._unacknowledged += _cost(frame.payload)
            self._gap_asked = False
        elif (frame.seq - self._received) % _SEQ < _SEQ // 2:
            self.statistics.out_of_order += 1
            self._gap()

    def _gap(self) -> None:
        """Something was lost on its way here: ask for it once, the clock sees to the rest."""
        if self.descriptor is not None and not self._gap_asked:
            self._gap_asked = True
            self.statistics.resends_asked += 1
            self._send(FrameType.RESEND, self._next())

    def _next(self) -> int:
        return (self._base + self._sent) % _SEQ

    def _device_status(self, frame: Frame) -> None:
        if len(frame.payload) != protocol.STATUS.size:
            return
        self._acknowledge(frame)
        status = protocol.STATUS.unpack(frame.payload)
        accepted = (status["accepted"] - self._base) % _SEQ
        if frame.type is FrameType.RESEND:
            # A burst of damage brings a burst of requests: one repetition answers them all.
            last, at = self._last_rewind
            if last != status["accepted"] or self.transport.now() - at > self._patience() / 2:
                self._last_rewind = (status["accepted"], self.transport.now())
                self._rewind(status["accepted"])
            return
        self._status = status
        if accepted < self._sent:
            self._rewind(status["accepted"])
        # What the device has sent and we have not was lost; the header counts what it sent.
        if frame.seq != self._received and (frame.seq - self._received) % _SEQ < _SEQ // 2:
            self._gap_asked = False
            self._gap()

    # Patience

    def _round_trip(self, size: int) -> float:
        """Seconds until the answer to ``size`` bytes on the line must have come."""
        line = 10 * size / self.transport.baud if self.transport.baud else 0.0
        return self.timing.base + 2 * self.transport.latency + 2 * line

    def _patience(self) -> float:
        descriptor = self.descriptor
        both = 0 if descriptor is None else descriptor.rx_credit + descriptor.tx_credit
        return self._round_trip(min(both, 4 * protocol.MAX_PAYLOAD))

    def _watch(self) -> None:
        """Poll a silent device; give up one that stays silent, or answers without getting on."""
        now = self.transport.now()
        status = self._status or {}
        progress = (self._base, self._received, self._highest, status.get("step"))
        if progress != self._progress:
            self._progress, self._progress_at = progress, now
        elif now - self._progress_at > self.timing.stall + self.timing.tries * self._patience():
            raise self._stalled(status)
        if now - self._quiet_since > self._patience():
            if self._silent_polls >= self.timing.tries:
                raise self.failed(
                    "the device has stopped answering",
                    f"{self._silent_polls} polls without an answer",
                    remedy="check cable and power, then open the device again",
                )
            self._quiet_since = now
            self._silent_polls += 1
            self.statistics.polls += 1
            self._send(FrameType.POLL, self._next())

    def _stalled(self, status: dict[str, int]) -> DeviceError:
        running = bool(status.get("flags", 0) >> StatusFlag.RUNNING & 1)
        doing = "it is computing a step that does not end" if running else "it is idle"
        return self.failed(
            "the device answers but makes no progress",
            f"{doing}; {len(self._frames)} frames are unacknowledged, last status {status}",
            "an answer to what was asked",
            "reset the device and load the program again",
        )

    def failed(
        self, problem: str, found: object, expected: object = None, remedy: str | None = None
    ) -> DeviceError:
        """The error that ends this session."""
        self._failed = DeviceError(
            problem, found=found, expected=expected, where=self.transport.name, remedy=remedy
        )
        return self._failed

    def _check(self) -> None:
        if self._failed is not None:
            raise DeviceError(
                "this session has failed before",
                found=self._failed.problem,
                where=self.transport.name,
                remedy="open the device again",
            )
        if self.descriptor is None:
            raise DeviceError("the session is not open", where=self.transport.name)


def _cost(payload: bytes) -> int:
    """What a frame takes of its receiver's credit."""
    return len(payload) + protocol.RECORD_BYTES
