"""Counters that live in memory, and what a circuit's text says about its memories."""

from __future__ import annotations

import re

import numpy as np
from support.hdl import simulate

from spikeloom.hdl.counters import ROUND, Counters
from spikeloom.hdl.export import to_rtlil
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.registers import COUNTERS, REGISTER
from spikeloom.hdl.row_walker import RowWalker

MOST = dict(zip(COUNTERS, (4, (1 << 20) - 1, 8, 8, 1, 1), strict=True))


def test_nothing_that_is_added_is_lost_while_registers_are_read():
    unit = Counters(MOST, {40: 1234, 0: 7})
    rng = np.random.default_rng(1)
    expected = dict.fromkeys(COUNTERS, 0)

    async def read(context, name):
        """A register as the bus reads it, late in a long access."""
        await context.tick().repeat(ROUND + 4)
        context.set(unit.number, REGISTER[name].number)
        context.set(unit.access, 1)
        await context.tick().repeat(3)
        value = context.get(unit.read)
        await context.tick()
        context.set(unit.access, 0)
        return value

    async def bench(context):
        # A counter that is about to carry into its upper word.
        low = REGISTER["EVENTS_LOW"].number
        context.set(unit.words.data[low], 0xFFFFFF00)
        expected["EVENTS"] = 0xFFFFFF00
        for cycle in range(800):
            for i, name in enumerate(COUNTERS):
                value = int(rng.integers(MOST[name], endpoint=True))
                value = MOST[name] if cycle < 60 else value
                context.set(getattr(unit, f"add{i}"), value)
                expected[name] += value
            # Accesses as the bus makes them: four cycles of every thirty-two.
            context.set(unit.access, cycle % 32 >= 28)
            await context.tick()
        for i in range(len(COUNTERS)):
            context.set(getattr(unit, f"add{i}"), 0)
        context.set(unit.access, 0)
        for name, value in expected.items():
            assert await read(context, f"{name}_LOW") == value & 0xFFFFFFFF, name
            assert await read(context, f"{name}_HIGH") == value >> 32, name
        assert await read(context, "IDENT") == 7
        assert expected["EVENTS"] >> 32

    simulate(unit, bench)


def test_no_memory_is_asked_to_read_the_old_value_of_what_is_being_written():
    text = to_rtlil(Counters(MOST, {}), "counters")
    assert collisions(text) == [("1", "1")]


def test_reads_without_a_clock_have_nothing_to_collide_with():
    """yosys stops at a memory that says otherwise."""
    assert collisions(to_rtlil(RowWalker(Geometry()), "rows")) == [("0", "0")]


def collisions(text: str) -> list[tuple[str, str]]:
    """Of each port that reads: whether collisions matter to nobody, and whether it has a clock."""
    ports = re.findall(r"cell \$memrd_v2 .*?\n  end\n", text, re.DOTALL)
    return [
        re.findall(r"COLLISION_X_MASK \d+'([01]+)\n.*CLK_ENABLE ([01])\n", port, re.DOTALL)[0]
        for port in ports
    ]
