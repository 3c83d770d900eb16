"""The RTL answers the same bytes to the same bytes as the device model."""

from __future__ import annotations

import functools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.echo import CAPACITY, EchoCore, descriptor
from support.faults import damaged

from spikeloom.backends.rtl.tools import missing_tools
from spikeloom.hdl import protocol
from spikeloom.hdl.protocol import FrameType, command
from spikeloom.runtime.link.codec import Frame, FrameReader
from spikeloom.runtime.link.model import DeviceModel

pytestmark = pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))

DESCRIPTOR = descriptor(divisor=100, fastest=4)
NONCES = st.sampled_from([1, 0xDEADBEEF, 0xFFFFFFFF])


@functools.cache
def line():
    """One compiled device for all tests; each example starts it anew."""
    from support.echo_hdl import EchoDevice

    from spikeloom.backends.rtl.line import LineModel

    return LineModel(EchoDevice(DESCRIPTOR))


class Pair:
    """Model and RTL side by side, and a host that knows their state well enough to be rude."""

    def __init__(self, nonce: int):
        self.rtl = line()
        self.rtl.restart()
        self.core = EchoCore()
        self.model = DeviceModel(DESCRIPTOR, self.core)
        self.nonce, self.seq, self.ack = nonce, 0, 0

    def both(self, data: bytes) -> bytes:
        """Send to both, frame by frame; compare; return the answer."""
        answer = b""
        for piece in re.findall(rb"[^\0]*\0|[^\0]+", data):
            self.model.receive(piece)
            expected = self.model.take()
            assert self.rtl.exchange(piece).hex(" ") == expected.hex(" ")
            answer += expected
        return answer

    def send(self, kind: FrameType, payload: bytes = b"", **other: int) -> bytes:
        fields = {"session": self.nonce, "seq": self.seq, "ack": self.ack, "credit": 60000}
        return self.both(Frame(kind, payload=payload, **{**fields, **other}).encode())

    def data(self, payload: bytes, **other: int) -> None:
        answer = self.send(FrameType.DATA, payload, **other)
        self.seq = (self.seq + 1) % protocol.SEQUENCES
        for piece in answer.split(b"\0")[:-1]:
            frame = Frame.decode(piece)
            if frame is not None and frame.type is FrameType.DATA and frame.seq == self.ack:
                self.ack = (self.ack + 1) % protocol.SEQUENCES


spans = st.fixed_dictionaries(
    {
        "region": st.integers(0, 4),
        "address": st.one_of(st.integers(0, 64), st.just(4090), st.just(0xFFFFFFFF)),
        "count": st.integers(0, 40),
    }
)


@st.composite
def commands(draw, step: int) -> bytes:
    """One command, mostly a legal one."""
    kind = draw(st.sampled_from([message.name for message in protocol.COMMANDS]))
    if kind in ("READ", "DIGEST"):
        return command(kind, **draw(spans))
    if kind == "WRITE":
        span = draw(spans)
        known = span["region"] < 4
        size = DESCRIPTOR.regions[span["region"]].word_bytes * span["count"] if known else 0
        return command(kind, **span, tail=draw(st.binary(min_size=size, max_size=size)))
    if kind == "PACKED":
        span = draw(spans)
        word = DESCRIPTOR.regions[span["region"]].word_bytes if span["region"] < 4 else 0
        mask = draw(st.binary(min_size=word, max_size=word))
        bits = span["count"] * int.from_bytes(mask, "little").bit_count()
        data = draw(st.binary(min_size=-(-bits // 8), max_size=-(-bits // 8)))
        return command(kind, **span, tail=mask + data)
    if kind == "RUN":
        return command(
            kind,
            steps=draw(st.integers(1, 12)),
            flags=draw(st.integers(0, 15)),
            flush=draw(st.integers(0, 4)),
        )
    when = step + draw(st.integers(0, 3))
    if kind == "EVENTS":
        tail = [draw(st.integers(0, 61)) for _ in range(draw(st.integers(0, 4)))]
        data = b"".join(i.to_bytes(2, "little") for i in tail)
        return command(kind, step=when, count=len(tail), tail=data)
    if kind == "BITMAP":
        tail = bytes(draw(st.sampled_from([0, 1, 128, 3])) for _ in range(draw(st.integers(0, 2))))
        return command(kind, step=when, first=draw(st.integers(0, 61)), count=len(tail), tail=tail)
    pairs = [
        (draw(st.integers(0, 51)), draw(st.integers(-(1 << 31), (1 << 31) - 1)))
        for _ in range(draw(st.integers(0, 3)))
    ]
    data = b"".join(
        i.to_bytes(2, "little") + v.to_bytes(4, "little", signed=True) for i, v in pairs
    )
    return command(kind, step=when, count=len(pairs), tail=data)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), nonce=NONCES)
def test_commands(data, nonce):
    pair = Pair(nonce)
    pair.send(FrameType.HELLO, b"\0\0", session=nonce)
    for _ in range(data.draw(st.integers(1, 6))):
        # Not more events than fit: the queue of the toy core would never empty again.
        if len(pair.core.queue) > CAPACITY - 6:
            break
        stream = data.draw(commands(pair.core.step))
        cut = data.draw(st.integers(1, 64))
        for at in range(0, len(stream), cut):
            pair.data(stream[at : at + cut])
    pair.send(FrameType.POLL)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), nonce=NONCES)
def test_rude_frames(data, nonce):
    """Frames of every kind with any numbers in their headers, damaged ones, and garbage."""
    pair = Pair(nonce)
    pair.send(FrameType.HELLO, b"\0\0", session=nonce)
    near = st.integers(-2, 3)
    for _ in range(data.draw(st.integers(1, 10))):
        kind = data.draw(st.sampled_from(["frame", "frame", "frame", "damaged", "garbage"]))
        if kind == "garbage":
            pair.both(data.draw(st.binary(max_size=120)))
            continue
        payload = data.draw(
            st.one_of(
                st.just(b"\0\0"),
                st.integers(0, 110).map(lambda n: n.to_bytes(2, "little")),
                st.integers(0, 900).map(lambda n: n.to_bytes(2, "little")),
                st.just(command("READ", region=0, address=0, count=60)),
                st.just(command("RUN", steps=3, flags=15, flush=1)),
                st.binary(max_size=66),
            )
        )
        frame = Frame(
            type=data.draw(st.sampled_from(FrameType)),
            session=data.draw(st.sampled_from([nonce, nonce, nonce, nonce, 0, 5])),
            seq=(pair.model.expected + data.draw(near)) % protocol.SEQUENCES,
            ack=(pair.model._base + data.draw(near)) % protocol.SEQUENCES,
            credit=data.draw(st.sampled_from([60000, 60000, 100, 0])),
            payload=payload,
            version=data.draw(st.sampled_from([1, 1, 1, 2])),
        )
        encoded = frame.encode()
        if kind == "damaged":
            at = data.draw(st.integers(0, len(encoded) - 1))
            encoded = encoded[:at] + data.draw(st.binary(max_size=3)) + encoded[at + 1 :]
        pair.both(encoded + b"\0")


def test_description_piece_by_piece():
    pair = Pair(9)
    text, rom = b"", DESCRIPTOR.to_bytes()
    head = protocol.STATUS.size + protocol.HELLO_PLACE.size
    while len(text) < len(rom):
        offset = len(text).to_bytes(2, "little")
        answer = Frame.decode(pair.send(FrameType.HELLO, offset)[:-1])
        assert answer is not None
        assert answer.session == 9
        text += answer.payload[head:]
    assert text == rom
    beyond = Frame.decode(pair.send(FrameType.HELLO, b"\xff\xff")[:-1])
    assert beyond is not None
    assert beyond.payload[head:] == b""


@pytest.mark.parametrize(
    "payload", [b"", b"\0", bytes(40), bytes(range(200, 240))], ids=["none", "0", "zeros", "40"]
)
def test_the_receiver_accepts_no_damage(payload):
    """Every bit flipped, every byte lost or doubled, every truncation: counted, and no more."""
    pair = Pair(3)
    pair.send(FrameType.HELLO, b"\0\0", session=3)
    # Unknown commands would be answered; so the damaged frames must not even be executed.
    whole = Frame(FrameType.DATA, 3, 0, 0, 60000, payload).encode()[:-1]
    before = pair.model._reader.bad
    count = 0
    for piece in damaged(whole):
        answer = pair.both(b"\0" + piece + b"\0")
        kinds = {frame.type for frame in FrameReader(64).feed(answer) if frame is not None}
        assert kinds <= {FrameType.RESEND}
        count += 1
    assert count == 11 * len(whole)
    status = Frame.decode(pair.send(FrameType.POLL)[:-1])
    assert status is not None
    told = protocol.STATUS.unpack(status.payload)
    assert (told["accepted"], told["produced"], told["lost_frames"]) == (0, 0, 0)
    assert told["bad_frames"] == pair.model._reader.bad > before
    # The same frame as it should be is taken.
    pair.both(whole + b"\0")
    assert pair.model.expected == 1
