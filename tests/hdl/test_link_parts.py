"""Each part of the link by itself, in Amaranth's simulator."""

from __future__ import annotations

import random
import zlib

import pytest
from amaranth.sim import Simulator

from spikeloom.hdl import protocol
from spikeloom.hdl.link import around
from spikeloom.hdl.link.assembler import Assembler
from spikeloom.hdl.link.cobs import CobsDecoder, CobsEncoder
from spikeloom.hdl.link.crc import BitCrc
from spikeloom.hdl.link.ports import ResultKind
from spikeloom.hdl.link.receiver import LineBuffer, Receiver
from spikeloom.hdl.link.rings import Inbox, Outbox
from spikeloom.hdl.link.sequencer import Op, Sequencer, When
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
                tokens.append((0 if token.zero else token.data, token.end, token.bad))

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
    ("body", "intact"),
    [
        (body_of(GOOD), True),
        (body_of(Frame(FrameType.ACK, 1, 2, 3, 4)), True),
        (body_of(Frame(FrameType.DATA, 1, 2, 3, 4, bytes(64))), True),
        (body_of(Frame(FrameType.DATA, 1, 2, 3, 4, bytes(65))), False),
        (body_of(Frame(FrameType.DATA, 1, 2, 3, 4, bytes(500))), False),
        (body_of(GOOD)[:-1], False),
        (body_of(GOOD)[:10], False),
        (b"\0" + body_of(GOOD)[1:], False),
    ],
)
def test_receiver(body, intact):
    dut, seen, head, payload = Receiver(64), [], {}, bytearray()

    async def feed(ctx):
        ctx.set(dut.head_ready, 1)
        for _ in range(2):  # the second frame must not suffer from the first
            for byte in body:
                await put(ctx, dut.tokens, {"data": byte, "end": 0, "bad": 0})
            await put(ctx, dut.tokens, {"data": 0, "end": 1, "bad": 0})

    async def judge(ctx):
        for _ in range(2):
            await ctx.tick().until(dut.pending)
            await ctx.tick().repeat(5)
            seen.append((ctx.get(dut.intact), ctx.get(dut.count)))
            assert bytes(head[i] for i in range(len(head))) == body[:14]
            # What is too long by a byte and more is not kept.
            assert bytes(payload) == body[12 : 12 + 64 + 4 + 1]
            head.clear()
            payload.clear()
            ctx.set(dut.release, 1)
            await ctx.tick()
            ctx.set(dut.release, 0)

    async def writes(ctx):
        async for _, _, first, place, later, byte in ctx.tick().sample(
            dut.head, dut.place, dut.payload, dut.byte
        ):
            if first:
                head[place] = byte
            if later:
                payload.append(byte)

    simulate(dut, feed, judge, background=(writes,))
    assert seen == [(intact, min(len(body), 64 + 16 + 1))] * 2


async def strobe(ctx, signal, value, *, also=()):
    for name, number in also:
        ctx.set(name, number)
    ctx.set(signal, value)
    await ctx.tick()
    ctx.set(signal, 0)


async def set_pair(ctx, dut, signal, value):
    for i in range(2):
        await strobe(ctx, signal, 1 << i, also=[(dut.value, value >> 8 * i & 255)])


def test_inbox():
    """Payloads come out as they went in; nothing is written over what has not gone out."""
    dut, got = Inbox(100), bytearray()
    frames = [DRAW.randbytes(n) for n in (10, 1, 40, 30, 60, 25)]

    async def feed(ctx):
        at = 0
        for frame in frames:
            for data in (b"damaged" * 5, frame + b"crc!"):
                await set_pair(ctx, dut, dut.set_at, at + 2)
                for byte in data:
                    await strobe(ctx, dut.write, 1, also=[(dut.byte, byte)])
            await set_pair(ctx, dut, dut.set_at, at)
            for byte in (len(frame), 0):
                await strobe(ctx, dut.put, 1, also=[(dut.value, byte)])
            at += 2 + len(frame)
            # The executor gets nothing while the sequencer takes the length.
            ctx.set(dut.hold, 1)
            size = ctx.get(dut.next)
            for _ in range(2):
                await strobe(ctx, dut.pop, 1)
                await ctx.tick()
            assert size == len(frame)
            await set_pair(ctx, dut, dut.set_end, at)
            ctx.set(dut.hold, 0)
            await ctx.tick().until(dut.empty)
        # Two rounds of the ring, while nothing is taken: only what is free is written.
        await set_pair(ctx, dut, dut.set_at, at + 2)
        for byte in range(256):
            await strobe(ctx, dut.write, 1, also=[(dut.byte, byte)])
        await set_pair(ctx, dut, dut.set_end, at - 1)
        await ctx.tick().repeat(3 * 127)
        assert bytes(got[sum(map(len, frames)) + 2 :]) == bytes(range(125))

    async def take(ctx):
        ctx.set(dut.data.ready, 1)
        async for _, _, valid, byte in ctx.tick().sample(dut.data.valid, dut.data.payload):
            if valid:
                got.append(byte)

    simulate(dut, feed, background=(take,))
    assert bytes(got[: sum(map(len, frames))]) == b"".join(frames)


def test_outbox():
    """Bytes come in as far as they are granted, records are put before them, all can be read."""
    dut, data = Outbox(64, 8), DRAW.randbytes(40)

    async def feed(ctx):
        for start, size in ((0, 15), (19, 25), (48, 0)):
            await set_pair(ctx, dut, dut.set_at, start + 4)
            await set_pair(ctx, dut, dut.set_end, start + 4 + size)
            taken = {0: 0, 19: 15, 48: 40}[start]
            for byte in data[taken : taken + size]:
                await put(ctx, dut.data, byte)
            assert ctx.get(dut.full)
            assert not ctx.get(dut.data.ready)
            await set_pair(ctx, dut, dut.set_at, start)
            for byte in (size, 0, 7, 1):
                await strobe(ctx, dut.put, 1, also=[(dut.value, byte)])
        await set_pair(ctx, dut, dut.set_read, 0)
        ring = bytearray()
        for _ in range(52):
            await ctx.tick()
            ring.append(ctx.get(dut.next))
            await strobe(ctx, dut.pop, 1)
        assert bytes(ring) == (b"\x0f\0\7\1" + data[:15] + b"\x19\0\7\1" + data[15:] + b"\0\0\7\1")

    simulate(dut, feed)


@pytest.mark.parametrize("depth", [64, 128, 512, 1024])
def test_every_place_of_a_ring_takes_its_turn(depth):
    places = [around.after_first(steps, depth) for steps in range(depth)]
    assert sorted(places[:-1]) == list(range(1, depth))
    assert places[-1] == places[0]


def test_no_such_ring():
    with pytest.raises(ValueError, match="a ring has 64, 128, 512, 1024 words, not 32"):
        around.place(32)


def test_line_buffer():
    """As deep as it says, and nothing lost or reordered."""
    dut, data, got = LineBuffer(64), DRAW.randbytes(100), bytearray()

    async def feed(ctx):
        ctx.set(dut.line.valid, 1)
        for count in range(62):
            assert ctx.get(dut.line.ready)
            ctx.set(dut.line.payload, data[count])
            await ctx.tick()
        assert not ctx.get(dut.line.ready)
        for byte in data[62:]:
            await put(ctx, dut.line, byte)

    async def take(ctx):
        await ctx.tick().repeat(80)
        while len(got) < len(data):
            got.append(await get(ctx, dut.data))
            await ctx.tick().repeat(DRAW.randrange(1, 4))

    simulate(dut, feed, take)
    assert bytes(got) == data


def test_crc():
    dut, data = BitCrc(), DRAW.randbytes(50)

    async def feed(ctx):
        for start in range(2):
            await strobe(ctx, dut.start, 1)
            for byte in data + zlib.crc32(data).to_bytes(4, "little") * start:
                for bit in range(8):
                    await strobe(ctx, dut.enable, 1, also=[(dut.bit, byte >> bit & 1)])
            assert ctx.get(dut.matches) == start
        await strobe(ctx, dut.start, 1)
        for byte in data:
            for bit in range(8):
                await strobe(ctx, dut.enable, 1, also=[(dut.bit, byte >> bit & 1)])
        crc = bytearray()
        ctx.set(dut.shift, 1)
        for _ in range(4):
            crc.append(ctx.get(dut.low))
            for _ in range(8):
                await strobe(ctx, dut.enable, 1)
        assert int.from_bytes(crc, "little") == zlib.crc32(data)

    simulate(dut, feed)


def test_arithmetic_of_the_sequencer():
    """What the assembler promises of numbers of two bytes, against Python's own."""
    program, expected = Assembler(), []
    x, y, z, scratch = (program.variable(2) for _ in range(4))
    last = 0
    program.jump("begin")
    program.label("tell")
    for i in range(2):
        program.memory(Op.LOAD, z + i)
        program.out(0)
    program.back()
    program.label("begin")
    for _ in range(25):
        a, b = DRAW.getrandbits(16), DRAW.choice([DRAW.getrandbits(16), 1, 0xFF])
        program.let(x, a, 2)
        program.let(y, b, 2)
        for action, result, carries in (
            (lambda a=a: program.move(z, x, 2), a, None),
            (lambda: program.add(z, y), a + b, a + b > 0xFFFF),
            (lambda: program.subtract(z, x, y), a - b, a >= b),
            (lambda b=b: program.subtract_constant(z, x, b), a - b, a >= b),
            (lambda a=a: program.subtract_from_constant(z, a, y), a - b, a >= b),
            (lambda b=b: program.add_constant_to(z, x, b), a + b, a + b > 0xFFFF),
        ):
            action()
            if carries is not None:
                last += 1
                program.jump(f"carry {last}", When.CARRY)
                program.constant(Op.LOAD, 0)
                program.jump(f"told {last}")
                program.label(f"carry {last}")
                program.constant(Op.LOAD, 1)
                program.label(f"told {last}")
                program.out(0)
                expected.append(int(carries))
            program.call("tell")
            expected += list((result % (1 << 16)).to_bytes(2, "little"))
        program.differ(x, y, 2, scratch)
        program.jump(f"differs {last}", When.NOT_ZERO)
        program.constant(Op.LOAD, 7)
        program.out(0)
        program.label(f"differs {last}")
        expected += [7] * (a == b)
        if len(program.program()) > 900:
            break
    program.label("end")
    program.jump("end")
    dut, got = Sequencer(program.program()), []

    async def run(ctx):
        ctx.set(dut.stall, 1)
        cycles = 0
        while len(got) < len(expected):
            # A port that is not always ready changes nothing.
            ready = DRAW.random() < 0.5
            ctx.set(dut.stall, not ready)
            _, _, writing, data = await ctx.tick().sample(dut.writing, dut.data)
            if writing and ready:
                got.append(data)
            cycles += 1
            assert cycles < 20_000

    simulate(dut, run)
    assert got == expected


def test_the_sequencer_waits():
    program = Assembler()
    program.constant(Op.LOAD, 6)
    program.wait()
    program.out(3)
    program.label("end")
    program.jump("end")
    dut = Sequencer(program.program())

    async def run(ctx):
        for events, waiting in ((0, True), (9, True), (4, False)):
            ctx.set(dut.events, events)
            seen = False
            for _ in range(20):
                await ctx.tick()
                seen = seen or bool(ctx.get(dut.writing))
            assert seen != waiting

    simulate(dut, run)


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
