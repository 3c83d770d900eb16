"""The generated link at its pins, in its own time: rates, trials that end, breaks."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.echo import descriptor

from spikeloom.backends.rtl.tools import missing_tools
from spikeloom.hdl import protocol
from spikeloom.hdl.protocol import START_BAUD as START
from spikeloom.hdl.protocol import FrameType
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.codec import Frame, FrameReader
from spikeloom.runtime.link.session import Session
from spikeloom.runtime.link.transport import Transport

pytestmark = pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))

DIVISOR, FASTEST = 32, 4
CLOCK = DIVISOR * START
IMAGE = random.Random(4).randbytes(4 * 700)


@functools.cache
def board():
    from support.echo_hdl import EchoBoard

    from spikeloom.backends.rtl.line import LineModel

    told = descriptor(256, 1024, divisor=DIVISOR, fastest=FASTEST)
    return LineModel(EchoBoard(replace(told, clock_hz=CLOCK, baud=START)), bit=DIVISOR)


class Pins(Transport):
    """Two wires; a second lasts as many clock cycles of the device as it should."""

    def __init__(self, percent: float = 0.0, damage: Callable[[int, bytes], bytes] | None = None):
        self.name, self.fastest = "simulated pins", 12_000_000
        self._speed = 1 + percent / 100
        self._damage = damage or (lambda baud, data: data)
        self.line = board()
        self.line.restart()
        self.set_baud(START)

    def set_baud(self, baud: int) -> bool:
        self.baud = baud
        self.line.set_bit(CLOCK / baud / self._speed)
        return True

    def now(self) -> float:
        return self.line.clocks / CLOCK

    def write(self, data: bytes) -> None:
        self.line.slice(self._damage(self.baud, data), 0, 1)

    def read(self, timeout: float) -> bytes:
        return self.line.slice(b"", max(1, round(timeout * CLOCK)), 40 * DIVISOR)

    def send_break(self) -> None:
        self.line.send_break(40 * DIVISOR)


def use(pins: Pins) -> Session:
    session = Session(pins, nonce=9)
    session.open()
    client = Client(session)
    client.load({"data": IMAGE})
    assert client.read("data", 0, 700) == IMAGE
    return session


@pytest.mark.parametrize("percent", [-2, 0, 2])
def test_up_to_four_cycles_a_bit(percent):
    pins = Pins(percent)
    session = use(pins)
    assert pins.baud == CLOCK / FASTEST == 8 * START
    status = session.poll()
    assert (status["bad_frames"], session.statistics.damaged) == (0, 0)
    assert pins.line.framing_errors == 0


@pytest.mark.parametrize("most", [START, 2 * START, 4 * START])
def test_a_cable_that_is_too_long(most):
    draw = random.Random(3)
    noise = lambda baud, data: data if baud <= most else draw.randbytes(len(data))  # noqa: E731
    pins = Pins(damage=noise)
    use(pins)
    assert pins.baud == most


def ask(pins: Pins, kind: FrameType, payload: bytes = b"") -> list[FrameType]:
    """One frame; the kinds of what comes within some milliseconds."""
    pins.write(b"\0" + Frame(kind, 5, 0, 0, 60000, payload).encode())
    end, data = pins.now() + 0.05, b""
    while pins.now() < end:
        data += pins.read(end - pins.now())
    frames = FrameReader(256).feed(data)
    return [frame.type for frame in frames if frame is not None]


def at(pins: Pins, divisor: int) -> list[FrameType]:
    pins.set_baud(CLOCK // divisor)
    return ask(pins, FrameType.POLL)


def asked(divisor: int) -> bytes:
    return protocol.RATE_REQUEST.pack(cycles=divisor - 1)


def test_a_rate_that_is_not_kept():
    """It is left again after half a second; one that is kept is what the next one falls back to."""
    pins = Pins()
    assert ask(pins, FrameType.HELLO, b"\0\0") == [FrameType.HELLO]
    for good, tried in ((32, 16), (16, 4)):
        assert ask(pins, FrameType.RATE, asked(tried)) == [FrameType.STATUS]
        begun = pins.now()
        pins.set_baud(CLOCK // tried)
        while ask(pins, FrameType.POLL) == [FrameType.STATUS]:
            assert pins.now() < begun + 2
        assert protocol.TRIAL_SECONDS <= pins.now() - begun < 1.5 * protocol.TRIAL_SECONDS
        # What it made of the last question at the wrong rate was no frame.
        assert at(pins, good) == [FrameType.RESEND, FrameType.STATUS]
        assert ask(pins, FrameType.RATE, asked(tried)) == [FrameType.STATUS]
        assert at(pins, tried) == [FrameType.STATUS]
        assert ask(pins, FrameType.KEEP) == [FrameType.STATUS]
        pins.read(2.0)
        assert at(pins, tried) == [FrameType.STATUS]


def test_a_break_brings_the_first_rate_back():
    pins = Pins()
    use(pins)
    pins.send_break()
    assert at(pins, DIVISOR) == [FrameType.REFUSED]


def test_a_slow_host_brings_the_first_rate_back():
    """What it sends are breaks to the device; so it is found wherever another host has left it."""
    pins = Pins()
    use(pins)
    assert pins.set_baud(START)
    assert ask(pins, FrameType.POLL) == [FrameType.REFUSED]
    again = use(pins)
    assert pins.baud == 8 * START
    assert again.statistics.frames_repeated == 0


@pytest.mark.parametrize("payload", [b"", b"\x07", asked(3), asked(33), asked(65535), b"\7\0\0"])
def test_no_such_rate(payload):
    pins = Pins()
    assert ask(pins, FrameType.HELLO, b"\0\0") == [FrameType.HELLO]
    assert ask(pins, FrameType.RATE, payload) == [FrameType.RESEND]
    assert ask(pins, FrameType.POLL) == [FrameType.STATUS]
