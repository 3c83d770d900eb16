"""The whole device at its pins, driven by the host's own session over simulated wires."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest
from support.echo import EchoCore, descriptor

from spikeloom.backends.rtl.tools import missing_tools
from spikeloom.errors import DeviceError
from spikeloom.hdl import protocol
from spikeloom.hdl.link.uart import BREAK_BITS
from spikeloom.hdl.protocol import FrameType, command
from spikeloom.runtime.backend import Events
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.codec import Frame, FrameReader
from spikeloom.runtime.link.faults import Faults, FaultyLine
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.serial_port import SerialPort
from spikeloom.runtime.link.serve import PtyServer
from spikeloom.runtime.link.session import Session, Timing
from spikeloom.runtime.link.transport import InProcess

pytestmark = pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))

DIVISOR = 4
IMAGE = random.Random(4).randbytes(4 * 700)


@functools.cache
def board(percent: int = 0):
    """A compiled device at its pins, and a host whose clock is so many percent fast."""
    from support.echo_hdl import EchoBoard

    from spikeloom.backends.rtl.line import LineModel

    design = EchoBoard(descriptor(divisor=DIVISOR))
    return LineModel(design, bit=DIVISOR / (1 + percent / 100))


def work(exchange, tries: int = 10) -> list:
    """Load, run, read back; what came of it."""
    session = Session(InProcess(exchange), nonce=99, timing=Timing(tries=tries))
    session.open()
    client = Client(session)
    client.load({"data": IMAGE, "wide": bytes(range(144))})
    draw = np.random.default_rng(3)
    spikes = np.argwhere(draw.random((30, 60)) < 0.1)
    none = np.zeros(0, np.int32)
    events = Events(spikes[:, 0], spikes[:, 1].astype(np.int32), none, none, none)
    steps = client.run(30, events, cycles=True, probes=True)
    return [steps.spikes, steps.probes, steps.cycles, client.read("data"), client.read("wide")]


MODEL = work(DeviceModel(descriptor(), EchoCore()).exchange)


def equal(found: list) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, MODEL, strict=True))


@pytest.mark.parametrize("percent", [-2, -1, 0, 1, 2])
def test_a_whole_session_through_the_pins(percent):
    device = board(percent)
    device.restart()
    assert equal(work(device.exchange))
    # What the device sends is timed by its own clock; we sample it with the host's.
    assert device.framing_errors == 0


def test_through_damaged_wires():
    device = board()
    device.restart()
    line = FaultyLine(device.exchange, Faults.parse("flip=5e-4,lose=5e-4,double=5e-4,garbage=5e-4"))
    assert equal(work(line, tries=60))
    assert line.hits > 10


def decoded(data: bytes) -> list[Frame]:
    """All frames of an answer; a damaged one fails."""
    frames = FrameReader(64).feed(data)
    assert None not in frames
    return [frame for frame in frames if frame is not None]


def test_no_byte_is_lost_while_the_device_is_sending():
    """Questions of every kind, far more than were answered, and a new session in the middle of a
    reply: whatever comes while the line back is busy waits in the device.
    """
    device = board()
    device.restart()

    def frame(kind: FrameType, payload: bytes = b"", session: int = 7, seq: int = 0) -> bytes:
        return Frame(kind, session, seq, 0, 60000, payload).encode()

    device.exchange(b"\0" + frame(FrameType.HELLO, b"\0\0"))
    burst = frame(FrameType.DATA, command("READ", region=0, address=0, count=100))
    burst += frame(FrameType.POLL, seq=1) * 12 + frame(FrameType.POLL, session=6, seq=1)
    burst += b"damaged\0" + frame(FrameType.RESEND, seq=1)
    burst += frame(FrameType.HELLO, b"\0\0", session=8) + frame(FrameType.POLL, session=8)
    burst += frame(FrameType.DATA, command("READ", region=3, address=0, count=4), session=8)
    frames = decoded(device.exchange(burst))
    assert {f.type for f in frames if f.session == 7} == {
        FrameType.DATA, FrameType.STATUS, FrameType.RESEND,
    }  # fmt: skip
    assert [f.type for f in frames if f.session == 6] == [FrameType.REFUSED]
    new = [f for f in frames if f.session == 8]
    assert [f.type for f in new[:2]] == [FrameType.HELLO, FrameType.STATUS]
    replies = b"".join(f.payload for f in new if f.type is FrameType.DATA)
    assert replies.endswith(b"loom")
    (told,) = decoded(device.exchange(frame(FrameType.POLL, session=8, seq=1)))
    status = protocol.STATUS.unpack(told.payload)
    assert (status["line_errors"], status["bad_frames"], status["lost_frames"]) == (0, 1, 0)


def test_a_byte_that_the_buffer_cannot_take_is_counted():
    """A host that keeps to no rule: what is lost is told, and the next session works."""
    device = board()
    device.restart()
    ask = Frame(FrameType.HELLO, 0, 0, 0, 0, b"\0\0").encode()
    device.exchange(b"\0" + ask)
    # Each new session waits for the answer to the one before it, which is longer.
    device.exchange(b"".join(Frame(FrameType.HELLO, n, 0, 0, 0, b"\0\0").encode()
                             for n in range(1, 100)))  # fmt: skip
    assert equal(work(device.exchange))
    frames = decoded(device.exchange(Frame(FrameType.POLL, 99, 0, 0, 0).encode()))
    assert protocol.STATUS.unpack(frames[-1].payload)["line_errors"] > 0


def test_a_break_resets_the_device():
    device = board()
    device.restart()
    session = Session(InProcess(device.exchange))
    session.open()
    client = Client(session)
    client.run(5)
    assert session.poll()["step"] == 5
    device.send_break(2 * BREAK_BITS * DIVISOR)
    with pytest.raises(DeviceError, match="the device was reset"):
        client.run(5, start=5)
    again = Session(InProcess(device.exchange))
    again.open()
    assert again.poll()["step"] == 0
    assert Client(again).run(3).steps == 3


def test_free_running_until_stopped():
    device = board()
    device.restart()
    session = Session(InProcess(lambda data: device.exchange(data, 20_000)))
    session.open()
    client, told = Client(session), []
    for steps, spikes in client.free_run(flush=50):
        told.append(steps)
        assert len(spikes) == 0
        if len(told) == 5:
            session.stop()
        assert len(told) < 10_000
    assert told == sorted(told)
    assert told[0] >= 50
    assert session.poll()["step"] == told[-1]
    # The next run goes on where that one was stopped.
    assert client.run(4, start=told[-1]).steps == 4


def test_giving_a_free_run_up_and_opening_again():
    """A new host takes over a device that is running and whose replies nobody takes."""
    device = board()
    device.restart()
    first = Session(InProcess(lambda data: device.exchange(data, 20_000)))
    first.open()
    next(Client(first).free_run(flush=10))
    second = Session(InProcess(lambda data: device.exchange(data, 20_000)))
    second.open()
    status = second.poll()
    assert status["flags"] == 0
    assert Client(second).run(10, start=status["step"], counts=True).steps == 10


def test_a_new_session_does_not_wait_for_the_digest_of_the_old_one():
    device = board()
    device.restart()
    whole = {"region": 0, "address": 0, "count": 4096}
    long = command("DIGEST", b"", **whole)
    first = Session(InProcess(device.exchange), nonce=5)
    first.open()
    began = device.clocks
    Client(first).digest("data")
    takes = device.clocks - began
    answer = b""
    for session, payload in ((6, b""), (7, b"")):
        hello = Frame(FrameType.HELLO, session, 0, 0, 60000, b"\0\0").encode()
        data = Frame(FrameType.DATA, session, 0, 0, 60000, payload or long).encode()
        answer = device.exchange(hello + data, takes // 4)
    frames = decoded(answer)
    assert [(f.type, f.session) for f in frames] == [(FrameType.HELLO, 7)]


def test_plain_serial_programs_can_open_it():
    """Served behind a pseudo-terminal, opened by the code that a board is opened by."""
    device = board()
    device.restart()
    with PtyServer(lambda data: device.exchange(data, 100_000)) as server:
        port = SerialPort(server.address, 3_000_000)
        try:
            session = Session(port)
            session.open()
            client = Client(session)
            client.load({"data": IMAGE})
            assert client.read("data", 0, 700) == IMAGE
        finally:
            port.close()
