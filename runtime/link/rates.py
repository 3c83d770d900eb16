"""Up to the fastest rate that a line bears, from the one at which every session begins.

A device is asked to go to another rate (RATE), tried there with long frames in both directions, and
told to stay (KEEP). Without KEEP it goes back by itself; a host that hears nothing at the new rate
is silent until then. Whatever is lost on the way, both end at a rate at which they understand each
other: the last good one, or the one after a reset.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...hdl import protocol
from ...hdl.protocol import FrameType

if TYPE_CHECKING:
    from ...hdl.descriptor import Descriptor
    from .codec import Frame
    from .session import Session

FASTEST = 12_000_000
"""As fast as adapters are."""

USUAL = (
    230_400, 460_800, 921_600, 1_000_000, 1_500_000, 2_000_000, 3_000_000, 4_000_000, 6_000_000,
    8_000_000, FASTEST,
)  # fmt: skip
"""What adapters know; the device's own fastest rate is tried as well."""

_LEAP = 4
"""Most that the rate grows at once."""

_ATTEMPTS = 2
"""A frame may be lost on any line; a rate is given up when this many trials have failed."""

_TRIES = 3
_ECHOES = 2
_ECHO_SECONDS = 0.05
"""What an echo takes on the line at most: all of them together are within the device's time."""


@dataclass(frozen=True)
class Rate:
    """Bits per second, and the clock cycles per bit with which the device makes them."""

    baud: int
    divisor: int


def rates(d: Descriptor, start: int, most: int) -> list[Rate]:
    """What a device can be asked for, slowest first.

    Args:
        d: its description.
        start: bits per second after its reset.
        most: fastest that is wanted.
    """
    # A simulated device has no clock: its pins are what the line's rate makes of them.
    clock = d.clock_hz or start * d.divisor
    found: dict[int, int] = {}
    for baud in (*USUAL, clock // max(1, d.fastest)):
        divisor = max(1, round(clock / baud))
        exact = abs(clock / divisor / baud - 1) <= protocol.RATE_ERROR
        if exact and d.fastest <= divisor < d.divisor and start < baud <= most:
            found.setdefault(divisor, baud)
    return sorted((Rate(found[n], n) for n in found), key=lambda rate: rate.baud)


def climb(session: Session, d: Descriptor) -> None:
    """Take a session that has just been opened as far up as its line goes.

    Raises:
        DeviceError: the device was lost on the way.
    """
    _Climb(session, d).climb()


class _Climb:
    def __init__(self, session: Session, d: Descriptor):
        self._session, self._line, self._descriptor = session, session.transport, d
        self._start = self._line.baud

    def climb(self) -> None:
        ladder = rates(self._descriptor, self._start, self._line.fastest)
        ladder = [rate for rate in ladder if self._has(rate)]
        while above := [rate for rate in ladder if rate.baud > self._line.baud]:
            near = [rate for rate in above if rate.baud <= _LEAP * self._line.baud]
            target = near[-1] if near else above[0]
            if not any(self._try(target) for _ in range(_ATTEMPTS)):
                ladder = [rate for rate in ladder if rate.baud < target.baud]

    def _has(self, rate: Rate) -> bool:
        """Whether our end of the line can be set to it; the device need not be troubled if not."""
        before = self._line.baud
        return self._line.set_baud(rate.baud) and self._line.set_baud(before)

    def _try(self, rate: Rate) -> bool:
        """Both ends at a rate, or neither."""
        before = self._line.baud
        request = protocol.RATE_REQUEST.pack(cycles=rate.divisor - 1)
        # Its answer may get lost: the device is looked for at the new rate all the same.
        self._ask(FrameType.RATE, request)
        if self._line.set_baud(rate.baud) and self._bears():
            for _ in range(_TRIES):
                if self._ask(FrameType.KEEP):
                    return True
        self._back_to(before)
        return False

    def _bears(self) -> bool:
        """Long frames there, long frames back, and no damage."""
        # What was on the line while its rate changed belongs to no frame.
        self._line.write(bytes((protocol.DELIMITER,)))
        if not any(self._ask(FrameType.POLL) for _ in range(_TRIES)):
            return False
        statistics, d = self._session.statistics, self._descriptor
        before = statistics.damaged
        size = min(d.max_payload, int(_ECHO_SECONDS * self._line.baud / 10))
        total = len(d.to_bytes())
        draw = random.Random(size)
        return (
            all(self._ask(FrameType.POLL, draw.randbytes(size)) for _ in range(_ECHOES))
            and all(self._hello(max(0, total - size)) for _ in range(_ECHOES))
            and statistics.damaged == before
        )

    def _ask(self, kind: FrameType, payload: bytes = b"") -> bool:
        def answer(frame: Frame) -> bool | None:
            return frame.type is FrameType.STATUS or None

        return bool(self._session.question(kind, payload, answer))

    def _hello(self, offset: int) -> bool:
        def answer(frame: Frame) -> bool | None:
            return frame.type is FrameType.HELLO or None

        request = protocol.HELLO_REQUEST.pack(offset=offset)
        return bool(self._session.question(FrameType.HELLO, request, answer))

    def _back_to(self, before: int) -> None:
        """The last good rate, once the device has gone back to it.

        What is sent at a slower rate than the device's looks like a break to it: then it has been
        reset, and is found at the first rate. HELLO opens the session there once more; nothing
        has been sent in it yet.
        """
        session, line = self._session, self._line
        session.silence(1.5 * protocol.TRIAL_SECONDS)
        for baud in dict.fromkeys((before, self._start)):
            if line.set_baud(baud):
                line.write(bytes((protocol.DELIMITER,)))
                if any(self._hello(0) for _ in range(_TRIES)):
                    return
        line.send_break()
        line.write(bytes((protocol.DELIMITER,)))
        if not any(self._hello(0) for _ in range(_TRIES)):
            raise session.failed(
                "the device was lost while the rate of its line was changed",
                f"{_TRIES} HELLO frames without an answer at {line.baud} baud, nor after a break",
                remedy=f"reset the device, and open it with ?fastest={self._start}",
            )
