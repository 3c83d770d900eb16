"""The small core: a sequencer, its memories, and the ports of ``hdl.core.Core``."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from ..bus import Bus
from ..component import Component
from ..geometry import Geometry, index_bits
from ..memory import choose
from ..output_queue import OutputQueue
from ..streams import OUTPUT_END, OUTPUT_NEURONS, input_layout, output_layout
from .isa import STATUS_BUS, STATUS_INPUT, STATUS_ROOM, STATUS_WRITE
from .isa import In as Given
from .isa import Out as Port
from .places import COLUMN_WORDS, Places
from .program import Program
from .sequencer import Sequencer

_ONE_AT_A_TIME = {"no_rw_check": 1}
"""No instruction reads and writes the same memory, so that one port will do."""


class MicroCore(Component):
    """A whole core.

    Attributes:
        bus, input, output, step: as of ``hdl.core.Core``.
    """

    def __init__(self, geometry: Geometry, *, build: int = 0) -> None:
        self.geometry = geometry
        self.program = Program(geometry, build)
        super().__init__({
            "bus": In(Bus()),
            "input": In(stream.Signature(StructLayout(input_layout(geometry)))),
            "output": Out(stream.Signature(StructLayout(output_layout(geometry)))),
            "step": Out(32),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """The parts and what connects them."""
        m = Module()
        g, asm = self.geometry, self.program.asm
        m.submodules.sequencer = s = Sequencer(
            asm.program(), asm.initial, fraction=g.fraction, weight_bits=g.weight_bits,
            wheel=COLUMN_WORDS * g.delay_slots,
            address_bits=index_bits(max(Places(g).words, g.plastic)),
        )  # fmt: skip
        self._words(m, s)
        raw = self._bytes(m, s)
        a = s.accumulator

        def told(port: Port) -> Any:
            return s.out & (s.port == port)

        cycles = Signal(32)
        m.d.sync += cycles.eq(cycles + 1)
        with m.If(told(Port.STEP)):
            m.d.sync += self.step.eq(a)

        bus, head = self.bus, self.input.p
        waits, offered = Signal(), Signal()
        m.d.comb += [
            waits.eq(bus.valid & ~bus.done), bus.ready.eq(told(Port.ANSWER) & waits),
            # An input is taken as it is looked at, if one was there when the program asked.
            self.input.ready.eq(offered & s.looks & (s.look == Given.INPUT)),
        ]  # fmt: skip
        with m.If(s.looks & (s.look == Given.STATUS)):
            m.d.sync += offered.eq(self.input.valid)
        m.d.sync += bus.done.eq(bus.ready)
        with m.If(bus.ready):
            m.d.sync += bus.read.eq(a)

        m.submodules.queue = queue = OutputQueue(g)
        wiring.connect(m, queue.output, wiring.flipped(self.output))
        end = told(Port.END)
        m.d.comb += [
            queue.valid.eq(end | told(Port.NEURON)),
            queue.item.kind.eq(Mux(end, OUTPUT_END, OUTPUT_NEURONS)),
            queue.item.group.eq(a),
            queue.item.data.eq(Mux(end, a, 1)),
        ]
        status = Signal(32)
        for bit, value in (
            (STATUS_BUS, waits), (STATUS_WRITE, bus.write), (STATUS_ROOM, queue.room),
            (STATUS_INPUT, self.input.valid),
        ):  # fmt: skip
            m.d.comb += status[bit.bit_length() - 1].eq(value)
        m.d.comb += s.raw.eq(raw)
        m.d.sync += s.given.eq(choose({
            Given.STATUS: status, Given.ADDRESS: bus.address, Given.DATA: bus.data,
            Given.INPUT: Cat(head.index, Const(0, 16 - len(head.index)), head.kind, Const(0, 14)),
            Given.CYCLES: cycles,
        }, s.look[:3]))  # fmt: skip
        return m

    def _words(self, m: Module, s: Sequencer) -> None:
        """Tables."""
        depth = 1 << (Places(self.geometry).words - 1).bit_length()
        m.submodules.words = words = memory.Memory(
            shape=16, depth=depth, init=[], attrs=_ONE_AT_A_TIME
        )
        reads, writes = words.read_port(), words.write_port()
        m.d.comb += [
            reads.addr.eq(s.address), writes.addr.eq(s.address), reads.en.eq(s.read),
            writes.en.eq(s.write), writes.data.eq(s.value), s.word.eq(reads.data),
        ]  # fmt: skip

    def _bytes(self, m: Module, s: Sequencer) -> Any:
        """Plastic synapses, two in a word; returns the one that was read."""
        g = self.geometry
        depth = 1 << max(1, (g.plastic - 1).bit_length())
        m.submodules.bytes = pairs = memory.Memory(
            shape=16, depth=depth // 2, init=[], attrs=_ONE_AT_A_TIME
        )
        reads, writes = pairs.read_port(), pairs.write_port()
        upper, found = Signal(), Signal(8)
        weight = s.accumulator[: g.weight_bits]
        enable = g.weight_bits
        given8 = Signal(8)
        m.d.comb += given8.eq(Mux(s.place, s.accumulator[:8], Cat(weight, Const(1, 1))))
        with m.If(s.read_byte):
            m.d.sync += upper.eq(s.address[0])
        m.d.comb += [
            reads.addr.eq(s.address[1:]), writes.addr.eq(s.address[1:]), reads.en.eq(s.read_byte),
            found.eq(Mux(upper, reads.data[8:], reads.data[:8])),
            # what is written was read before, so that the other half is there
            writes.data.eq(Mux(upper, Cat(reads.data[:8], given8), Cat(given8, reads.data[8:]))),
            writes.en.eq(s.place | (s.write_byte & found[enable])),
            s.byte.eq(found[: g.weight_bits].as_signed()),
        ]  # fmt: skip
        return found
