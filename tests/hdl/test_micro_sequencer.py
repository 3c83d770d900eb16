"""The small core's sequencer does what its instructions say; its assembler knows what cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from support.hdl import simulate
from support.micro import SMALL
from support.micro_sequencer import Interpreter, signed

from spikeloom.hdl.micro.isa import (
    DELAYED,
    FIELDS,
    INDIRECT,
    WIDTH,
    Assembler,
    Memory,
    Op,
    Out,
    Source,
    When,
    point,
    read,
)
from spikeloom.hdl.micro.program import Program
from spikeloom.hdl.micro.sequencer import Sequencer

DEPTH, CYCLES = 256, 1500
OUTSIDE = ("accumulator", "read", "write", "read_byte", "write_byte", "out")
FRACTION, WHEEL, WEIGHT_BITS = 18, 16, 7


def encode(**values: int) -> int:
    word = shift = 0
    for name, width in FIELDS.items():
        word |= (values.get(name, 0) & ((1 << width) - 1)) << shift
        shift += width
    return word


def random_instructions(rng: np.random.Generator) -> list[int]:
    """Of all kinds; none that depends on a jump right before it."""
    words, last_jump = [], -DELAYED - 1
    for at in range(DEPTH):
        room = at - last_jump > DELAYED and at < DEPTH - DELAYED
        if room and rng.random() < 0.2:
            last_jump = at
            when = int(rng.integers(len(When)))
            # Mostly onwards, so that few programs end in a small circle.
            target = (at + int(rng.integers(3, 40)) if rng.random() < 0.9 else at - 30) % DEPTH
            words.append(encode(op=Op.JUMP, source=when, n=target, move=int(rng.integers(2))))
            continue
        op = int(rng.choice([o for o in Op if o != Op.JUMP]))
        few = rng.random() < 0.6  # numbers and variables that meet again
        n = int(rng.integers(10) if few else rng.integers(256))
        n = INDIRECT if rng.random() < 0.1 else n
        if op == Op.OUT and few:
            n = int(rng.choice([Out.CLEAR, Out.LOOP, Out.SELECT, Out.STRIDE, Out.PLACE]))
        words.append(encode(
            n=n, source=int(rng.integers(8)), op=op, memory=int(rng.integers(6)),
            pointer=int(rng.integers(4)), move=int(rng.integers(2)), store=int(rng.integers(2)),
        ))  # fmt: skip
    return words


def test_cycle_by_cycle():
    ops: set[int] = set()
    places = sum(run_random(seed, ops) for seed in range(6))
    assert ops == {*Op}
    assert places > 400


def run_random(seed: int, ops: set[int]) -> int:
    """A random program; tells how many different instructions were run, and which operations."""
    rng = np.random.default_rng(seed)
    words = random_instructions(rng)
    initial = {i: int(rng.integers(1 << 32)) for i in range(256)}
    dut = Sequencer(words, initial, fraction=FRACTION, weight_bits=WEIGHT_BITS, wheel=WHEEL)
    model = Interpreter(words, list(initial.values()), FRACTION, WHEEL, DEPTH)
    places = set()

    async def bench(context):
        await context.tick().repeat(2)
        for cycle in range(CYCLES):
            word, byte = int(rng.integers(1 << 16)), int(rng.integers(-64, 64))
            given = int(rng.integers(1 << 32)) if rng.random() < 0.5 else int(rng.integers(3))
            context.set(dut.word, word)
            context.set(dut.byte, byte)
            context.set(dut.given, given)
            places.add(model.at)
            ops.add(words[model.at] >> 11 & 15)
            now = model.step(word, byte, given)
            found = {name: context.get(getattr(dut, name)) for name in OUTSIDE}
            assert found == {
                "accumulator": now.accumulator,
                "read": now.memory == Memory.READ,
                "write": now.memory == Memory.WRITE,
                "read_byte": now.memory == Memory.READ_BYTE,
                "write_byte": now.memory == Memory.WRITE_BYTE,
                "out": now.out,
            }, (seed, cycle)
            assert context.get(dut.port) == now.port
            assert context.get(dut.place) == (now.out and now.port == Out.PLACE)
            if now.memory not in (Memory.NONE, Memory.POINT):
                assert context.get(dut.address) == now.address, (seed, cycle)
                assert context.get(dut.value) == now.accumulator & 0xFFFF
            await context.tick()

    simulate(dut, bench)
    return len(places)


def test_numbers_are_signed_as_bits_say():
    assert [signed(value, 4) for value in (0, 7, 8, 15, 16)] == [0, 7, -8, -1, 0]


def test_the_program_fits_its_memories():
    asm = Program(SMALL, 0).asm
    words = asm.program()
    assert len(words) <= 2048
    assert max(words) < 1 << WIDTH
    assert max(asm.initial) < INDIRECT
    variables = {word["n"] for word in asm.words if word["op"] != Op.JUMP and word["store"]}
    assert max(variables) <= INDIRECT


def test_labels():
    asm = Assembler(0)
    asm.label("first")
    asm.nop(3)
    asm.jump("later", When.ZERO)
    asm.nop(2)
    asm.jump("first", call=True)
    asm.nop(300)
    asm.label("later")
    asm.nop()
    words = asm.program()
    target = words[3] & 0xFF | (words[3] >> 15 & 7) << 8
    assert target == 3 + 1 + 2 + 1 + 300
    assert words[6] & 0xFF == 0
    with pytest.raises(ValueError, match="two places are called 'first'"):
        asm.label("first")
    asm.jump("nowhere")
    asm.nop(2)
    with pytest.raises(KeyError):
        asm.program()


def test_a_variable_is_not_read_right_behind_being_stored():
    asm = Assembler(0)
    asm.store(5)
    asm.emit(Op.LOAD, Source.VARIABLE, 5)  # an instruction comes between, by itself
    assert len(asm.program()) == 3
    asm = Assembler(0)
    asm.store(5)
    asm.emit(Op.ADD, Source.VARIABLE, 6)
    assert len(asm.program()) == 2
    asm.words[-1]["n"] = 5
    with pytest.raises(ValueError, match="instruction 1 reads variable 5 too early"):
        asm.program()


def test_ranges():
    asm = Assembler(0)
    asm.number(Op.LOAD, -128)
    asm.number(Op.LOAD, 127)
    assert not asm.initial
    asm.number(Op.LOAD, 128)
    asm.number(Op.LOAD, 128)
    assert asm.initial == {0: 128}
    assert asm.words[-1]["source"] == Source.VARIABLE
    assert [word["n"] for word in asm.words] == [128, 127, 0, 0]
    asm.do(point(3))
    asm.do(read(2, move=True))
    asm.words[-1]["pointer"] = 4
    with pytest.raises(ValueError, match="instruction 5: pointer has 4"):
        asm.program()
    full = Assembler(INDIRECT - 1)
    assert full.variable() == INDIRECT - 1
    with pytest.raises(ValueError, match="no more room for variables"):
        full.variable()
