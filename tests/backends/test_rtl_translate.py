"""Circuits as C++: the same values in every clock cycle as in Amaranth's own simulator."""

import ctypes
import random
import re
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from spikeloom.backends.rtl import build, parts, tools
from spikeloom.errors import DeviceError
from spikeloom.hdl.export import to_rtlil

pytestmark = pytest.mark.skipif(tools.missing_tools() is not None, reason="no compiler")


class Lane(wiring.Component):
    """All that lanes do: numbers with and without sign, shifts, choices, a memory."""

    a: In(11)
    b: In(signed(9))
    go: In(1)
    sum: Out(signed(40))
    word: Out(24)
    flags: Out(5)

    def elaborate(self, platform: Any) -> Module:
        """Some arithmetic, and a memory that is read and written at places of its own."""
        m = Module()
        m.submodules.words = words = memory.Memory(shape=24, depth=16, init=[7, 0, 9])
        read, write = words.read_port(), words.write_port()
        kept = Signal(signed(37), init=-5)
        m.d.comb += [
            read.addr.eq(self.a[:4]),
            read.en.eq(~self.b[0]),
            write.addr.eq(self.b[1:5]),
            write.en.eq(self.go & self.a[5]),
            write.data.eq(kept[3:27] ^ self.a),
            self.word.eq(read.data ^ Cat(self.b[2], self.b[3].replicate(9), kept[3].replicate(14))),
            self.sum.eq(kept - (self.a >> self.b.as_unsigned()[:3])),
            self.flags.eq(Cat(self.b < kept, self.a >= 700, self.b.any(), self.a.xor(), kept == 3)),
        ]
        with m.If(self.go), m.Switch(self.a[8:]):
            with m.Case(0, 3):
                m.d.sync += kept.eq(self.b * kept[:24].as_signed())
            with m.Case(1):
                m.d.sync += kept.eq((kept >> self.a[:5]) + self.b)
            with m.Case("1--"):
                m.d.sync += kept.eq(-kept ^ (self.a << self.a[:4]))
        return m


class Lanes(wiring.Component):
    """Some lanes, of which one writes what the others say into a wide memory."""

    a: In(11)
    b: In(9)
    go: In(4)
    place: In(7)
    total: Out(42)
    wide: Out(8)
    bit: Out(9)

    def __init__(self, lanes: int = 4) -> None:
        self.lanes = lanes
        super().__init__()

    def elaborate(self, platform: Any) -> Module:
        """The lanes in a chain, so that not all have equal inputs."""
        m = Module()
        lanes = [Lane() for _ in range(self.lanes)]
        before: Any = self.a
        for i, lane in enumerate(lanes):
            m.submodules[f"lane{i}"] = lane
            m.d.comb += [lane.a.eq(before), lane.b.eq(self.b), lane.go.eq(self.go[i % 4])]
            before = Signal(11, name=f"following{i}")
            m.d.sync += before.eq(lane.sum ^ self.a)
        everything = Cat(*(lane.sum for lane in lanes), *(lane.flags for lane in lanes))
        m.submodules.log = log = memory.Memory(shape=len(everything), depth=4, init=[])
        write, read = log.write_port(), log.read_port()
        m.d.comb += [
            write.addr.eq(self.a[:2]),
            write.en.eq(self.go.all()),
            write.data.eq(everything),
            read.addr.eq(self.b[:2]),
            read.en.eq(1),
            self.wide.eq(read.data.word_select(self.place[:4], 8)),
            self.bit.eq(Mux(self.go[0], everything, ~everything).bit_select(self.place, 9)),
            self.total.eq(Array(lane.word for lane in lanes)[self.place] + lanes[0].sum),
        ]
        return m


class Idle(wiring.Component):
    """Counts for so long after it was asked, then rests; what it shows also depends on others."""

    ask: In(1)
    other: In(8)
    count: Out(8)
    shown: Out(8)

    def elaborate(self, platform: Any) -> Module:
        """A counter, and a memory of what the others showed."""
        m = Module()
        m.submodules.seen = seen = memory.Memory(shape=8, depth=4, init=[])
        write, read = seen.write_port(), seen.read_port()
        m.d.comb += [
            write.addr.eq(self.count),
            write.data.eq(self.other),
            write.en.eq(self.ask),
            read.addr.eq(self.count[1:]),
            read.en.eq(self.count[0]),
            self.shown.eq((self.count & self.other) ^ read.data),
        ]
        with m.If(self.ask):
            m.d.sync += self.count.eq(5)
        with m.Elif(self.count.any()):
            m.d.sync += self.count.eq(self.count - 1)
        return m


class Pair(wiring.Component):
    """Two parts that look at each other without registers in between."""

    ask: In(2)
    level: In(3)
    shown: Out(8)

    def elaborate(self, platform: Any) -> Module:
        """Left sees the level, right what left shows; left is asked by right's counter, too."""
        m = Module()
        m.submodules.left = left = Idle()
        m.submodules.right = right = Idle()
        turn = Signal()
        m.d.sync += turn.eq(turn ^ self.ask.any())
        m.d.comb += [
            left.ask.eq(self.ask[0] | (right.count == 2)),
            left.other.eq(self.level),
            right.ask.eq(self.ask[1] & turn),
            right.other.eq(left.shown),
            self.shown.eq(right.shown + left.count),
        ]
        return m


def harness(design: Any) -> str:
    """C functions that set the inputs, compute a clock cycle, and tell the outputs."""
    inputs = [n for n, member in design.signature.members.items() if member.flow == In]
    outputs = [n for n, member in design.signature.members.items() if member.flow == Out]
    sets = " ".join(f"c.{name} = *in++;" for name in inputs)
    gets = " ".join(f"*out++ = c.{name};" for name in outputs)
    return f"""
extern "C" void *sl_new() {{ return new Circuit; }}
extern "C" void sl_free(void *p) {{ delete static_cast<Circuit *>(p); }}
extern "C" void sl_step(void *p, const uint64_t *in, uint64_t *out) {{
    Circuit &c = *static_cast<Circuit *>(p);
    {sets} step(c); {gets}
}}
"""


def inputs_of(design: Any, clocks: int, busy: float) -> list[list[int]]:
    """Random inputs that change in a part of the clock cycles."""
    draw = random.Random(5)
    widths = [m.shape for m in design.signature.members.values() if m.flow == In]
    given = [[0] * len(widths)]
    for _ in range(clocks - 1):
        change = draw.random() < busy
        given.append([draw.getrandbits(w) for w in widths] if change else given[-1])
    return given


def run_compiled(code: ctypes.CDLL, design: Any, given: list[list[int]]) -> list[list[int]]:
    """The outputs of each clock cycle."""
    code.sl_new.restype = ctypes.c_void_p
    pointer = ctypes.POINTER(ctypes.c_uint64)
    code.sl_step.argtypes = [ctypes.c_void_p, pointer, pointer]
    code.sl_free.argtypes = [ctypes.c_void_p]
    model = code.sl_new()
    count = sum(m.flow == Out for m in design.signature.members.values())
    out, found = (ctypes.c_uint64 * count)(), []
    for values in given:
        code.sl_step(model, (ctypes.c_uint64 * len(values))(*values), out)
        found.append(list(out))
    code.sl_free(model)
    return found


def run_interpreted(design: Any, given: list[list[int]]) -> list[list[int]]:
    """The same from Amaranth's simulator."""
    members = design.signature.members.items()
    ins = [getattr(design, name) for name, m in members if m.flow == In]
    outs = [getattr(design, name) for name, m in members if m.flow == Out]
    found: list[list[int]] = []

    async def bench(context: Any) -> None:
        for values in given:
            for signal, value in zip(ins, values, strict=True):
                context.set(signal, value)
            found.append([context.get(signal) for signal in outs])
            await context.tick()

    simulator = Simulator(design)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("lanes", [1, 4, 32])
def test_lanes_are_computed_as_amaranth_does(lanes, tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKELOOM_CACHE", str(tmp_path))
    design = Lanes(lanes)
    given = inputs_of(design, 300, 0.9)
    code = build.compile_design(Lanes(lanes), harness(design))
    assert run_compiled(code, design, given) == run_interpreted(design, given)


def test_equal_parts_become_vectors(tmp_path):
    netlist, model = build._translated(to_rtlil(Lanes(4), "top"), "top", tmp_path)
    together = [n for n in netlist.nodes if n.cells and n.cells[0].name.startswith("lane0.")]
    assert sum(node.lanes == 4 for node in together) > 0.9 * len(together)
    assert "u32x4" in model


def _state(model: str) -> str:
    """A C function that copies all registers and memories."""
    fields = re.findall(r"^u?\w+ ((?:r|m)\d+)(?:\[\d+\])? = \{", model, re.MULTILINE)
    copies = "".join(
        f"std::memcpy(to, &c.{name}, sizeof c.{name}); to += sizeof c.{name};" for name in fields
    )
    return f"""
extern "C" long sl_state(void *p, uint8_t *to) {{
    Circuit &c = *static_cast<Circuit *>(p); uint8_t *from = to; {copies} return to - from;
}}
"""


def test_parts_that_rest_have_the_state_that_they_would_have(tmp_path, monkeypatch):
    design = Pair()
    given = inputs_of(design, 4000, 0.05)
    models: list[tuple[ctypes.CDLL, Any]] = []
    for number, names in enumerate([(), ("left", "right")]):
        monkeypatch.setattr(parts, "PARTS", names)
        folder = tmp_path / str(number)
        folder.mkdir()
        _, model = build._translated(to_rtlil(Pair(), "top"), "top", folder)
        assert ("active2" in model) == bool(names)
        code = ctypes.CDLL(str(build._compiled(model + harness(design) + _state(model), folder)))
        code.sl_new.restype = ctypes.c_void_p
        models.append((code, ctypes.c_void_p(code.sl_new())))
    for at, values in enumerate(given):
        found = []
        for code, model in models:
            out, state = (ctypes.c_uint64 * 1)(), (ctypes.c_uint8 * 4096)()
            code.sl_step(model, (ctypes.c_uint64 * len(values))(*values), out)
            size = code.sl_state(model, state)
            assert 40 < size < 4096
            found.append((out[0], bytes(state[:size])))
        assert found[0] == found[1], f"clock cycle {at}"
    assert len({bytes(f[1]) for f in found}) == 1
    assert run_compiled(models[1][0], design, given[:500]) == run_interpreted(design, given[:500])


def test_a_part_of_a_memory_that_is_written_is_an_error(tmp_path: Path):
    class Partly(wiring.Component):
        a: In(8)
        out: Out(8)

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            m.submodules.words = words = memory.Memory(shape=8, depth=4, init=[])
            write, read = words.write_port(granularity=4), words.read_port()
            m.d.comb += [
                write.addr.eq(self.a),
                write.data.eq(self.a),
                write.en.eq(self.a[2:4]),
                read.addr.eq(self.a[4:]),
                read.en.eq(1),
                self.out.eq(read.data),
            ]
            return m

    with pytest.raises(DeviceError) as error:
        build._translated(to_rtlil(Partly(), "top"), "top", tmp_path)
    assert str(error.value) == (
        "the generated circuit cannot be translated\n"
        "  found: memory words: written in parts\n"
        '  remedy: open "rtl?simulator=amaranth", and report the geometry as a bug'
    )
