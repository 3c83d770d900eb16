"""The queue in which a step's output waits for the host.

A step's length takes 32 bits, and its spikes' groups a few. A short queue of a larger core holds
both side by side, which takes no logic. Others are as narrow as spikes are, which takes few block
RAMs: the length is cut into pieces, which go into the queue one after the other and come out as one
item.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry
from .streams import OUTPUT_END, output_layout

LEAST_BITS = 8
"""Of a piece, at least: so that a step's length is in no more than four, all of them in the queue
before the next step has any output."""

LENGTH_BITS = 32

SHORT = 128
"""Words that a queue as wide as an item needs, at most; longer ones are narrow. It gets twice as
many, of which half are as easily seen to be free, and as easily had in block RAM."""

WIDE = 4
"""Units of the smallest core whose queue may be wide: smaller ones are for FPGAs where block RAM is
what is short."""


def _piece_bits(g: Geometry) -> int:
    return max(output_layout(g)["group"] + g.update_lanes, LEAST_BITS)


def _pieces(g: Geometry) -> int:
    """Into how many a length is cut."""
    wide = g.update_lanes >= WIDE and _depth(g, 1) <= SHORT
    return 1 if wide else -(-LENGTH_BITS // _piece_bits(g))


def _most(g: Geometry, pieces: int) -> int:
    """What has to fit in before a step begins."""
    # The pieces of the step before may not be in when room is asked for, and the answer is a
    # cycle late, when one more item may have come.
    return g.update_groups + g.generator_groups + 2 * pieces + 1


def _depth(g: Geometry, pieces: int) -> int:
    return 1 << _most(g, pieces).bit_length()


def queue_shape(g: Geometry) -> tuple[int, int]:
    """Words of the queue of a core, and bits of each."""
    pieces = _pieces(g)
    if pieces == 1:
        return 2 * _depth(g, 1), sum(output_layout(g).values())
    return _depth(g, pieces), 2 + _piece_bits(g)


class OutputQueue(Component):
    """Groups with spikes, and ends of steps.

    Attributes:
        valid, item: something to store; after an end, no other item for ``pieces`` cycles.
        output: what has been stored, in order.
        room: a whole step fits in.

    Args:
        g: of the core; a step makes an item for each of its groups, and an end.
    """

    def __init__(self, g: Geometry) -> None:
        self.layout = StructLayout(output_layout(g))
        self.update_lanes, self.group_bits = g.update_lanes, output_layout(g)["group"]
        self.bits, self.pieces = _piece_bits(g), _pieces(g)
        self.most = _most(g, self.pieces)
        self.depth, self.width = queue_shape(g)
        super().__init__(
            {
                "valid": In(1),
                "item": In(self.layout),
                "output": Out(stream.Signature(self.layout)),
                "room": Out(1, init=1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """The queue, and what cuts lengths into pieces and puts them together."""
        m = Module()
        m.submodules.queue = queue = SyncFIFOBuffered(width=self.width, depth=self.depth)
        if self.pieces > 1:
            m.d.sync += self.room.eq(queue.w_level <= self.depth - self.most)
            self._cut(m, queue)
        else:
            m.d.sync += self.room.eq(queue.w_level < self.depth >> 1)
            m.d.comb += [
                queue.w_data.eq(self.item),
                queue.w_en.eq(self.valid),
                self.output.payload.eq(queue.r_data),
                self.output.valid.eq(queue.r_rdy),
                queue.r_en.eq(self.output.ready),
            ]
        return m

    def _cut(self, m: Module, queue: SyncFIFOBuffered) -> None:
        """Pieces, the lowest bits first; the others wait in a register on either side."""
        stored = StructLayout({"end": 1, "generators": 1, "body": self.bits})
        made, found = Signal(stored), Signal(stored)
        item, out = self.item, self.output.p
        mask = item.data[: self.update_lanes]
        ends = item.kind == OUTPUT_END
        later = (self.pieces - 1) * self.bits
        rest, left = Signal(later), Signal(range(self.pieces + 1))
        m.d.comb += [
            made.end.eq(ends | (left != 0)),
            made.generators.eq(item.kind[0]),
            made.body.eq(Mux(left != 0, rest, Mux(ends, item.data, Cat(item.group, mask)))),
            queue.w_en.eq(self.valid | (left != 0)),
            queue.w_data.eq(made),
            found.eq(queue.r_data),
        ]
        with m.If(left != 0):
            m.d.sync += [left.eq(left - 1), rest.eq(rest >> self.bits)]
        with m.Elif(self.valid & ends):
            m.d.sync += [left.eq(self.pieces - 1), rest.eq(item.data >> self.bits)]

        got, missing = Signal(later), Signal(range(self.pieces + 1), init=self.pieces - 1)
        gathers = queue.r_rdy & found.end & (missing != 0)
        length = Cat(got, found.body)
        m.d.comb += [
            self.output.valid.eq(queue.r_rdy & ~gathers),
            queue.r_en.eq(gathers | self.output.ready),
            out.kind.eq(Mux(found.end, OUTPUT_END, found.generators)),
            out.group.eq(found.body),
            out.data.eq(Mux(found.end, length, found.body[self.group_bits :])),
        ]
        with m.If(gathers):
            m.d.sync += [missing.eq(missing - 1), got.eq(Cat(got, found.body)[self.bits :])]
        with m.Elif(queue.r_rdy & self.output.ready & found.end):
            m.d.sync += missing.eq(self.pieces - 1)
