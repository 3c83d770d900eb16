"""Each part of the link by itself, in Amaranth's simulator."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from spikeloom.hdl import protocol
from spikeloom.hdl.link.cobs import CobsDecoder, CobsEncoder
from spikeloom.hdl.link.inbox import Inbox
from spikeloom.hdl.link.outbox import Outbox
from spikeloom.hdl.link.ports import ResultKind
from spikeloom.hdl.link.receiver import Receiver
from spikeloom.hdl.link.steps import StepEncoder
from spikeloom.hdl.protocol import FrameType, reply
from spikeloom.runtime.link.codec import Frame, cobs_decode, cobs_encode

DRAW = random.Random(11)
PAYLOADS = [
    b"\0", b"a", b"\0\0", b"a\0", b"\0a", bytes(5), bytes(range(1, 255)), bytes(range(255)),
    bytes(range(1, 256)), b"x" * 508, b"x" * 509, b"x" * 254 + b"\0", b"\0" + b"x" * 254,
    DRAW.randbytes(700), bytes(300), b"ab\0" * 90,
]  # fmt: skip


def simulate(dut, *testbenches, background=()) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in background:
        simulator.add_testbench(testbench, background=True)
    simulator.run()


async def put(ctx, stream, payload) -> None:
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    await ctx.tick().until(stream.ready)
    ctx.set(stream.valid, 0)


async def get(ctx, stream):
    ctx.set(stream.ready, 1)
    (payload,) = await ctx.tick().sample(stream.payload).until(stream.valid)
    ctx.set(stream.ready, 0)
    return payload


def test_encoder_equals_the_codec():
    dut, got = CobsEncoder(), bytearray()
    expected = b"".join(cobs_encode(payload) + b"\0" for payload in PAYLOADS)

    async def feed(ctx):
        for payload in PAYLOADS:
            for i, byte in enumerate(payload):
                await put(ctx, dut.data, {"data": byte, "last": i == len(payload) - 1})

    async def take(ctx):
        while len(got) < len(expected):
            got.append(await get(ctx, dut.line))
            await ctx.tick().repeat(DRAW.randrange(1, 4))

    simulate(dut, feed, take)
    assert bytes(got) == expected


def test_decoder_equals_the_codec():
    """Frames, empty frames, and frames that end inside a block."""
    dut, tokens = CobsDecoder(), []
    pieces = [cobs_encode(p) for p in PAYLOADS] + [b"", b"\x05ab", b"\xffabc", b"\x02"]
    stream = b"\0".join(pieces) + b"\0"

    async def feed(ctx):
        for byte in stream:
            await put(ctx, dut.data, byte)
        await ctx.tick().repeat(3)

    async def take(ctx):
        ctx.set(dut.tokens.ready, 1)
        async for _, _, valid, token in ctx.tick().sample(dut.tokens.valid, dut.tokens.payload):
            if valid:
                tokens.append((token.data, token.end, token.bad))

    simulate(dut, feed, background=(take,))
    frames, frame = [], bytearray()
    for byte, end, bad in tokens:
        if end:
            frames.append(None if bad else bytes(frame))
            frame.clear()
        else:
            frame.append(byte)
    assert frames == [cobs_decode(piece) for piece in pieces if piece]


def body_of(frame: Frame) -> bytes:
    body = cobs_decode(frame.encode()[:-1])
    assert body is not None
    return body


GOOD = Frame(FrameType.DATA, 0xA1B2C3D4, 5, 6, 700, b"payload")


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (body_of(GOOD), True),
        (body_of(Frame(FrameType.ACK, 1, 2, 3, 4)), True),
        (body_of(Frame(FrameType.DATA, 1, 2, 3, 4, bytes(64))), True),
        (body_of(Frame(FrameType.DATA, 1, 2, 3, 4, bytes(65))), False),
        (body_of(Frame(FrameType.DATA, 1, 2, 3, 4, bytes(500))), False),
        (body_of(Frame(FrameType.DATA, 1, 2, 3, 4, version=2)), False),
        (body_of(Frame(FrameType.HELLO, 1, 2, 3, 4, b"\0\0", version=2)), True),
        (body_of(GOOD)[:-1], False),
        (body_of(GOOD)[:10], False),
        (b"\0" + body_of(GOOD)[1:], False),
    ],
)
def test_receiver(body, good):
    dut, seen, payload = Receiver(64), [], bytearray()

    async def feed(ctx):
        for _ in range(2):  # the second frame must not suffer from the first
            for byte in body:
                await put(ctx, dut.tokens, {"data": byte, "end": 0, "bad": 0})
            await put(ctx, dut.tokens, {"data": 0, "end": 1, "bad": 0})

    async def take(ctx):
        for _ in range(2):
            await ctx.tick().repeat(3)
            found = await get(ctx, dut.frame)
            header = found.header
            seen.append((found.good, header.type, header.session, header.seq, header.ack))
            if good:
                assert found.length == len(body) - 16
                assert bytes(payload[: found.length]) == body[12:-4]
            payload.clear()

    async def writes(ctx):
        async for _, _, write, index, byte in ctx.tick().sample(dut.write, dut.index, dut.byte):
            if write:
                assert index == len(payload)
                payload.append(byte)

    simulate(dut, feed, take, background=(writes,))
    assert [s[0] for s in seen] == [good, good]
    if good:
        head = protocol.HEADER.unpack(body[:12])
        assert seen[0] == (1, head["type"], head["session"], head["seq"], head["ack"])


def test_inbox():
    """Frames come out as they went in; what was not committed vanishes; credit is kept."""
    dut = Inbox(100)
    frames = [DRAW.randbytes(n) for n in (10, 0, 40, 30, 1, 60, 25)]
    got = []

    async def write(ctx, data):
        for index, byte in enumerate(data):
            ctx.set(dut.write, 1)
            ctx.set(dut.index, index)
            ctx.set(dut.byte, byte)
            await ctx.tick()
        ctx.set(dut.write, 0)

    async def feed(ctx):
        for frame in frames:
            await write(ctx, b"damaged" * 5)
            await write(ctx, frame + b"crc!")
            ctx.set(dut.length, len(frame))
            await ctx.tick().until(dut.fits & dut.ready)
            ctx.set(dut.commit, 1)
            await ctx.tick()
            ctx.set(dut.commit, 0)
        ctx.set(dut.length, 101)
        await ctx.tick()
        assert not ctx.get(dut.fits)

    async def take(ctx):
        while len(got) < len(frames):
            frame = bytearray()
            ctx.set(dut.data.ready, 1)
            while True:
                _, _, valid, byte, ended = await ctx.tick().sample(
                    dut.data.valid, dut.data.payload, dut.ended
                )
                if ended:
                    break
                if valid:
                    frame.append(byte)
            got.append(bytes(frame))
            await ctx.tick().repeat(DRAW.randrange(1, 30))
            ctx.set(dut.release, 1)
            await ctx.tick()
            ctx.set(dut.release, 0)

    simulate(dut, feed, take)
    assert got == frames


def test_outbox_cuts_and_keeps():
    dut, records = Outbox(128, 16), []
    data = DRAW.randbytes(40)

    async def feed(ctx):
        for byte in data:
            await put(ctx, dut.data, byte)
        finish = ("finish", dut.finished)
        for name, until in (("flush", dut.ready), finish, finish):
            await ctx.tick().repeat(8)
            ctx.set(getattr(dut, name), 1)
            await ctx.tick().until(until)
            ctx.set(getattr(dut, name), 0)
        await ctx.tick().repeat(8)
        at = 0
        while at != ctx.get(dut.head):
            raw = []
            for i in range(4 + 16):
                ctx.set(dut.read_at, at + i)
                await ctx.tick()
                raw.append(ctx.get(dut.read_data))
            length = raw[0] | raw[1] << 8
            records.append((raw[2] | raw[3] << 8, bytes(raw[4 : 4 + length])))
            at += 4 + length
        # Full: nothing more until the transmitter frees something.
        count = 0
        ctx.set(dut.data.valid, 1)
        for _ in range(200):
            count += ctx.get(dut.data.ready)
            await ctx.tick()
        assert count == 128 - at - 4 - 4 * (count // 16)
        ctx.set(dut.tail, at)
        await ctx.tick().repeat(8)
        assert ctx.get(dut.data.ready)

    simulate(dut, feed)
    assert records == [
        (0, data[:16]), (0, data[16:32]), (0, data[32:]), (1, b""), (2, b""),
    ]  # fmt: skip


K = ResultKind
STEP, DONE = (K.STEP, 0), (K.DONE, 1)


def spikes(*indexes):
    return [(K.SPIKE, i) for i in indexes]


@pytest.mark.parametrize(
    ("results", "counting", "flush", "expected"),
    [
        ([DONE], 0, 0, []),
        ([STEP] * 3 + [DONE], 0, 0, [reply("QUIET", steps=3)]),
        # 40 outputs: a bitmap takes 6 bytes, a list of two 7, of one 5.
        ([*spikes(7), STEP, STEP, DONE], 0, 0,
         [reply("LIST", b"\7\0", count=1), reply("QUIET", steps=1)]),
        ([STEP, *spikes(39, 0), STEP, DONE], 0, 0,
         [reply("QUIET", steps=1), reply("MAP", b"\1\0\0\0\x80")]),
        ([*spikes(*range(40)), STEP, *spikes(5), STEP, DONE], 0, 0,
         [reply("MAP", b"\xff" * 5), reply("LIST", b"\5\0", count=1)]),
        ([*spikes(1, 2, 3), STEP, STEP, DONE], 1, 0,
         [reply("COUNT", count=3), reply("QUIET", steps=1)]),
        ([(K.PROBE, 5), (K.CYCLES, 9), STEP, (K.PROBE, 6), STEP, DONE], 0, 0,
         [reply("PROBE", value=5), reply("CYCLES", count=9), reply("QUIET", steps=1),
          reply("PROBE", value=6), reply("QUIET", steps=1)]),
        ([STEP] * 5 + [DONE], 0, 2,
         [reply("QUIET", steps=2), b"|", reply("QUIET", steps=2), b"|", reply("QUIET", steps=1)]),
        ([*spikes(1), STEP, STEP, DONE], 0, 1,
         [reply("LIST", b"\1\0", count=1), b"|", reply("QUIET", steps=1), b"|"]),
    ],
)  # fmt: skip
def test_step_encoder(results, counting, flush, expected):
    dut, got, stopped = StepEncoder(40), bytearray(), []

    async def feed(ctx):
        ctx.set(dut.counting, counting)
        ctx.set(dut.flush_every, flush)
        ctx.set(dut.flush_ready, 1)
        ctx.set(dut.data.ready, 1)
        for kind, value in results:
            await put(ctx, dut.results, {"kind": kind, "value": value})
        await ctx.tick().repeat(4)

    async def take(ctx):
        async for _, _, valid, byte, flushed, done, why in ctx.tick().sample(
            dut.data.valid, dut.data.payload, dut.flush, dut.done, dut.stopped
        ):
            if valid:
                got.append(byte)
            if flushed:
                got.extend(b"|")
            if done:
                stopped.append(why)

    simulate(dut, feed, background=(take,))
    assert bytes(got).hex(" ") == b"".join(expected).hex(" ")
    assert stopped == [1]


def test_both_sides_choose_the_shorter_form():
    for outputs in range(1, 700, 7):
        size = (outputs + 7) // 8
        for count in range(min(outputs, 90) + 1):
            as_list, as_map = 3 + 2 * count, 1 + size
            shorter = protocol.map_is_shorter(count, size)
            assert shorter == (as_map < as_list) or count == 0
