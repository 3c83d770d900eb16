"""The UART against lines whose clock is not quite ours."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from spikeloom.hdl.link.uart import BREAK_BITS, UartRx, UartTx, check_divisor

CLOCK = 1e-6
BYTES = bytes([0, 255, 0x55, 0xAA, 1, 128]) + random.Random(2).randbytes(34)


def receive(divisor: int, drive, take: bool = True) -> tuple[bytes, int, int]:
    """What a receiver makes of a line: bytes, errors, breaks."""
    dut = UartRx(divisor)
    simulator = Simulator(dut)
    simulator.add_clock(CLOCK)
    got, errors, breaks = bytearray(), [], []

    async def line(ctx):
        ctx.set(dut.rx, 1)
        await ctx.delay(20.37 * CLOCK)
        await drive(ctx, dut.rx, divisor * CLOCK)
        await ctx.delay(12 * divisor * CLOCK)

    async def watch(ctx):
        ctx.set(dut.data.ready, take)
        async for _, _, valid, data, error, brk in ctx.tick().sample(
            dut.data.valid, dut.data.payload, dut.error, dut.brk
        ):
            if valid and take:
                got.append(data)
            if error:
                errors.append(1)
            if brk:
                breaks.append(1)

    simulator.add_testbench(line)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    return bytes(got), len(errors), len(breaks)


def sending(data: bytes, speed: float = 1.0, stop: int = 1):
    async def drive(ctx, rx, bit):
        for byte in data:
            for level in [0, *(byte >> i & 1 for i in range(8)), stop]:
                ctx.set(rx, level)
                await ctx.delay(bit / speed)
        ctx.set(rx, 1)

    return drive


@pytest.mark.parametrize("percent", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("divisor", [4, 5, 7, 8, 25])
def test_clock_errors_back_to_back(divisor, percent):
    """40 bytes without a pause and one stop bit each, from a clock up to 2 % slow or fast."""
    assert receive(divisor, sending(BYTES, 1 + percent / 100)) == (BYTES, 0, 0)


def test_five_percent_is_too_much():
    """The test above can fail: this is what failing looks like."""
    got, _, _ = receive(8, sending(BYTES, 1.06))
    assert got != BYTES


def test_wrong_stop_bit():
    got, errors, breaks = receive(8, sending(b"\xff", stop=0))
    assert (got, errors, breaks) == (b"", 1, 0)


def test_a_glitch_is_no_start_bit():
    async def drive(ctx, rx, bit):
        ctx.set(rx, 0)
        await ctx.delay(bit / 4)
        ctx.set(rx, 1)
        await ctx.delay(3 * bit)
        await sending(b"\x5a")(ctx, rx, bit)

    assert receive(8, drive) == (b"\x5a", 0, 0)


def test_a_byte_that_nobody_takes():
    _, errors, _ = receive(8, sending(b"abc"), take=False)
    assert errors == 2


def test_break():
    async def drive(ctx, rx, bit):
        ctx.set(rx, 0)
        await ctx.delay(3 * BREAK_BITS * bit)
        ctx.set(rx, 1)
        await ctx.delay(3 * bit)
        await sending(b"\x5a")(ctx, rx, bit)

    got, errors, breaks = receive(4, drive)
    assert (got, errors) == (b"\x5a", 1)
    assert 2 * BREAK_BITS < breaks < 3 * BREAK_BITS  # once per bit while it lasts


@pytest.mark.parametrize("divisor", [4, 9])
def test_transmitter(divisor):
    """Sampled in the middle of each bit, one stop bit, no pause."""
    dut = UartTx(divisor)
    simulator = Simulator(dut)
    simulator.add_clock(CLOCK)
    data, levels = b"\x00\xff\x35", []

    async def feed(ctx):
        for byte in data:
            ctx.set(dut.data.payload, byte)
            ctx.set(dut.data.valid, 1)
            await ctx.tick().until(dut.data.ready)
        ctx.set(dut.data.valid, 0)
        await ctx.tick().repeat(12 * divisor)

    async def watch(ctx):
        async for _, _, level in ctx.tick().sample(dut.tx):
            levels.append(level)

    simulator.add_testbench(feed)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    at, got = 0, []
    for _ in data:
        start = levels.index(0, at)
        bits = [levels[start + divisor * i + divisor // 2] for i in range(10)]
        assert (bits[0], bits[9]) == (0, 1)
        got.append(sum(bit << i for i, bit in enumerate(bits[1:9])))
        at = start + divisor * 9 + divisor // 2
        # The next start bit follows the stop bit at once, one cycle for the hand-over.
        if len(got) < len(data):
            assert levels.index(0, at) - start in (10 * divisor, 10 * divisor + 1)
    assert bytes(got) == data


def test_too_small_a_divisor():
    with pytest.raises(ValueError, match="a bit takes at least 4 clock cycles, not 3"):
        check_divisor(3)
