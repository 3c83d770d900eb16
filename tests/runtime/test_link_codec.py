"""COBS, CRC and frames: golden bytes, round trips, and that nothing damaged is ever accepted."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.faults import corpus, damaged

from spikeloom.hdl import protocol
from spikeloom.hdl.protocol import FrameType, command, reply
from spikeloom.runtime.link.codec import Frame, FrameReader, cobs_decode, cobs_encode

# The cases of Cheshire and Baker's paper, and those around a full block.
COBS = [
    (b"", "01"),
    (b"\0", "01 01"),
    (b"\0\0", "01 01 01"),
    (b"\0\x11\0", "01 02 11 01"),
    (b"\x11\x22\0\x33", "03 11 22 02 33"),
    (b"\x11\x22\x33\x44", "05 11 22 33 44"),
    (b"\x11\0\0\0", "02 11 01 01 01"),
    (bytes(range(1, 255)), "ff " + bytes(range(1, 255)).hex(" ")),
    (bytes(range(255)), "01 ff " + bytes(range(1, 255)).hex(" ")),
    (bytes(range(1, 256)), "ff " + bytes(range(1, 255)).hex(" ") + " 02 ff"),
    (bytes(range(2, 256)) + b"\0", "ff " + bytes(range(2, 256)).hex(" ") + " 01 01"),
]


@pytest.mark.parametrize(("data", "encoded"), COBS)
def test_cobs_by_hand(data, encoded):
    assert cobs_encode(data).hex(" ") == encoded
    assert cobs_decode(bytes.fromhex(encoded)) == data


@given(st.lists(st.one_of(st.just(b"\0"), st.binary(max_size=300), st.just(b"x" * 254))))
def test_cobs_round_trip(parts):
    data = b"".join(parts)
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert cobs_decode(encoded) == data
    assert len(encoded) <= len(data) + len(data) // 254 + 1


@given(st.binary(max_size=600))
def test_decoding_anything_is_safe(data):
    decoded = cobs_decode(data)
    assert decoded is None or len(decoded) <= len(data)


# Written down by hand from docs/link.md; the RTL is held to them in tests/hdl/test_link_golden.py.
GOLDEN = {
    "hello": (
        Frame(FrameType.HELLO, 0x11223344, 0, 0, 0x1000, b"\0\0"),
        "07 01 01 44 33 22 11 01 01 01 01 02 10 01 05",
    ),
    "write": (
        Frame(
            FrameType.DATA, 0x11223344, 1, 2, 0x1000,
            command("WRITE", region=3, address=0x102, count=1, tail=b"\xaa\xbb"),
        ),
        "08 01 02 44 33 22 11 01 02 02 01 06 10 01 03 02 01 01 02 01 01 01 07 aa bb",
    ),
    "poll": (
        Frame(FrameType.POLL, 0xFFFFFFFF, 0xFFFF, 0xFFFE, 0xFFFF),
        "11 01 04 ff ff ff ff ff ff fe ff ff ff",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_frames(name):
    frame, beginning = GOLDEN[name]
    encoded = frame.encode()
    body = cobs_decode(encoded[:-1])
    assert body is not None
    assert encoded.hex(" ").startswith(beginning)
    assert body[-4:] == zlib.crc32(body[:-4]).to_bytes(4, "little")
    assert encoded[-1] == 0
    assert Frame.decode(encoded[:-1]) == frame


def test_layouts_refuse_wrong_use():
    with pytest.raises(KeyError, match="READ takes"):
        command("READ", region=0, address=0)
    with pytest.raises(OverflowError):
        command("READ", region=256, address=0, count=0)
    with pytest.raises(ValueError, match="READ takes 9 bytes, not 1"):
        protocol.COMMAND["READ"].args.unpack(b"x")
    assert reply("DONE", step=1, reason=0) == b"\x11\1\0\0\0\0"


def _accepted(data: bytes) -> list[Frame]:
    return [f for f in FrameReader(protocol.MAX_PAYLOAD).feed(b"\0" + data + b"\0") if f]


@pytest.mark.parametrize("frame", corpus(), ids=lambda f: f"{len(f.payload)} bytes")
def test_no_damage_is_accepted(frame):
    whole = frame.encode()[:-1]
    assert _accepted(whole) == [frame]
    for piece in damaged(whole):
        assert _accepted(piece) == []


@given(st.binary(max_size=50), st.lists(st.integers(1, 9)), st.binary(max_size=50))
def test_frames_are_found_in_pieces_and_after_garbage(garbage, cuts, more):
    frame = Frame(FrameType.DATA, 7, 1, 2, 3, b"payload")
    stream = garbage + b"\0" + frame.encode() + more + b"\0" + frame.encode()
    reader = FrameReader(64)
    found, at = [], 0
    for cut in [*cuts, len(stream)]:
        found += reader.feed(stream[at : at + cut])
        at += cut
    assert [f for f in found if f is not None] == [frame, frame]


def test_a_reader_never_keeps_more_than_a_frame():
    reader = FrameReader(64)
    for _ in range(1000):
        assert reader.feed(b"x" * 1000) == []
    assert len(reader._buffer) < 200
    assert reader.feed(b"\0" + Frame(FrameType.ACK, 1, 2, 3, 4).encode())[0] is None
    assert reader.bad == 1


def test_frames_beyond_the_largest_payload_are_damaged():
    assert FrameReader(64).feed(Frame(FrameType.DATA, 1, 0, 0, 0, bytes(65)).encode()) == [None]
    assert FrameReader(64).feed(Frame(FrameType.DATA, 1, 0, 0, 0, bytes(64)).encode()) != [None]
