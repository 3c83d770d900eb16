"""The link's framing: CRC-32 against polynomial division, COBS there and back."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Cat, Mux, Signal, Value
from amaranth.lib import data
from support.prove import Theorem, broken, inner, needs_solver

from spikeloom.hdl.link import cobs
from spikeloom.hdl.link.crc import BitCrc
from spikeloom.hdl.protocol import COBS_RUN

pytestmark = needs_solver

POLYNOMIAL = 0x04C11DB7
"""CRC-32's, the highest power on the left and x^32 left out."""


def division(*, wrong: bool = False) -> Theorem:
    """A bit is a step of long division: the remainder times x, plus the bit, by the polynomial."""
    t, crc = Theorem(), BitCrc()
    value = inner(t.drive(crc), "value")
    remainder = t.let(Cat(*reversed(value)))
    out = remainder[31] ^ (0 if wrong else crc.bit)
    divided = (remainder << 1)[:32] ^ Mux(out, POLYNOMIAL, 0)
    held = Mux(crc.enable, Mux(crc.shift, (remainder << 1)[:32], divided), remainder)
    expected = Mux(crc.start, 0xFFFFFFFF, held)
    t.claim(~t.after(1) | (remainder == t.before(expected, 1)))
    t.claim(crc.low == ~Cat(*reversed(remainder[24:])))
    return t


def test_crc_divides():
    assert broken(division(), 1) is None


def test_wrong_division_is_refuted():
    assert broken(division(wrong=True), 3) == "false"


def there_and_back(*, wrong: bool = False) -> Theorem:
    """Whatever the message, its CRC sent behind it is found to fit."""
    t, sender, receiver = Theorem(), BitCrc(), BitCrc()
    m = t.m
    s, r = (inner(t.drive(part, *part.signature.members), "value") for part in (sender, receiver))
    begins, taken, bit = t.any("begins"), t.any("taken"), t.any("bit")
    sent = Signal(range(33))  # bits of the CRC that have been sent
    sends = t.let((sent != 0) | t.any("sends"))
    m.d.comb += [
        sender.start.eq(begins & (sent == 0)), receiver.start.eq(sender.start),
        sender.enable.eq((taken | sends) & (sent != 32)), receiver.enable.eq(sender.enable),
        sender.bit.eq(bit), sender.shift.eq(sends),
        receiver.bit.eq(Mux(sends, sender.low[0] ^ (int(wrong) & (sent == 31)), bit)),
    ]  # fmt: skip
    with m.If(sends & sender.enable & ~sender.start):
        m.d.sync += sent.eq(sent + 1)
    t.claim(sent <= 32)
    # While the CRC is sent, the two registers differ by what no message has a part in.
    apart = 0
    for i in range(33):
        rest = s[32 - i :] == 0 if i else s == r
        t.claim((sent != i) | (rest & ((s ^ r) == apart)))
        apart = (apart >> 1) ^ (0 if apart & 1 else 0xEDB88320)
    t.claim((sent != 32) | receiver.matches)
    return t


def test_crc_fits():
    assert broken(there_and_back(), 1) is None


def test_wrong_bit_is_refuted():
    assert broken(there_and_back(wrong=True), 34) == "false"


def said(token: Any) -> Value:
    """The byte that a token stands for."""
    return Mux(token.payload.zero, 0, token.payload.data)


class Frames:
    """Bytes as COBS defines them: blocks of a code byte and up to 254 others, none of them zero.

    ``line`` is any such sequence of bytes, and ``token`` what it says: each block's bytes, with a
    zero between blocks but behind full ones, and an end.
    """

    def __init__(self, t: Theorem, taken: Any) -> None:
        m = t.m
        self.line = t.any("line", 8)
        self.rest = rest = Signal(8)  # bytes of the block that are still to come
        self.open, self.full = Signal(), Signal()  # within a frame; its last block was full
        delimiter, code = self.line == 0, rest == 0
        self.says = Mux(code, Mux(delimiter, self.open, self.open & ~self.full), 1)
        self.data = Mux(code, 0, self.line)
        self.end, self.bad = delimiter, delimiter & ~code
        with m.If(taken):
            with m.If(delimiter):
                m.d.sync += [rest.eq(0), self.open.eq(0)]
            with m.Elif(code):
                m.d.sync += [
                    rest.eq(self.line - 1), self.open.eq(1), self.full.eq(self.line == COBS_RUN + 1)
                ]  # fmt: skip
            with m.Else():
                m.d.sync += rest.eq(rest - 1)


def decoding(*, wrong: bool = False) -> Theorem:
    t, decoder = Theorem(), cobs.CobsDecoder()
    inside = t.drive(decoder, "data")
    token = decoder.tokens
    frames = Frames(t, decoder.data.ready & decoder.data.valid)
    t.m.d.comb += [decoder.data.payload.eq(frames.line), decoder.data.valid.eq(t.any("comes"))]
    t.claim(inner(inside, "left") == (frames.rest + 1)[:8])
    t.claim(inner(inside, "inside") == frames.open)
    t.claim((frames.rest == 0) | frames.open)
    t.claim(~frames.open | (inner(inside, "zero") == ~frames.full))
    t.claim(token.valid == (decoder.data.valid & frames.says))
    t.claim(decoder.data.ready == (token.ready | ~frames.says))
    t.claim(~token.valid | (token.payload.end == frames.end))
    t.claim(~token.valid | frames.end | (said(token) == (frames.line if wrong else frames.data)))
    t.claim(~token.valid | ~frames.end | (token.payload.bad == frames.bad))
    return t


def test_cobs_is_read():
    assert broken(decoding(), 1) is None


def test_wrong_reading_is_refuted():
    assert broken(decoding(wrong=True), 4) == "false"


class ShortRing(cobs.CobsEncoder):
    DEPTH = 64


def round_trip(*, wrong: bool = False) -> Theorem:
    """What goes into the encoder comes out of the decoder."""
    t, encoder, decoder = Theorem(), ShortRing(), cobs.CobsDecoder()
    m, room = t.m, 32
    t.drive(encoder, "line")
    t.drive(decoder, "data")
    m.d.comb += [
        decoder.data.payload.eq(encoder.line.payload),
        decoder.data.valid.eq(encoder.line.valid),
        encoder.line.ready.eq(decoder.data.ready),
    ]
    given, token = encoder.data, decoder.tokens
    waiting = [Signal(data.StructLayout({"data": 8, "last": 1}), name=f"w{i}") for i in range(room)]
    into, out, ends = Signal(range(room)), Signal(range(room)), Signal()
    with m.If(given.valid & given.ready):
        m.d.sync += into.eq(into + 1)
        for i, place in enumerate(waiting):
            with m.If(into == i):
                m.d.sync += Value.cast(place).eq(Value.cast(given.payload))
    now = Signal(9)
    for i, place in enumerate(waiting):
        with m.If(out == i):
            m.d.comb += now.eq(Value.cast(place))
    with m.If(token.valid & token.ready):
        m.d.sync += ends.eq(~ends & now[8])
        with m.If(~ends):
            m.d.sync += out.eq(out + 1)
    # After the last byte of a frame its end; everything else in the order in which it came.
    seen = token.valid
    t.claim(~seen | ends | (into != out))
    t.claim(~seen | (token.payload.end == ends))
    t.claim(~seen | ends | (said(token) == (now[:8] | int(wrong))))
    t.claim(~seen | ~token.payload.end | ~token.payload.bad)
    return t


@pytest.fixture
def short_blocks(monkeypatch: pytest.MonkeyPatch):
    """Blocks of up to 3 bytes instead of 254, so that few cycles meet whatever there is."""
    monkeypatch.setattr(cobs, "COBS_RUN", 3)


CYCLES = 10


def test_cobs_there_and_back(short_blocks):
    assert broken(round_trip(), CYCLES, bounded=True) is None


def test_wrong_round_trip_is_refuted(short_blocks):
    assert broken(round_trip(wrong=True), CYCLES, bounded=True) == "false"
