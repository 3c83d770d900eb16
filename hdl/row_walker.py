"""One lane's way through the rows: a queue of them, and which entry is read next.

Lanes do not wait for each other. A row that is to be walked enters the queues of all lanes that
have something of it in the same cycle; each lane leaves it after its own last entry and goes on
with its next row at once. So a lane works for as many cycles as it has synapses, whatever the
others have, as long as its queue does not run empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry, index_bits, waiting_rows
from .layout import dense_part_bits, layout

if TYPE_CHECKING:
    from amaranth.hdl import Value


def row_layout(g: Geometry) -> StructLayout:
    """What a lane has to know of a row: fields of table ``row``."""
    table = layout(g)["row"]
    names = ["address", "dense", "exponent", "group", "delay", "end"]
    if g.receptors == 2:
        names.append("receptor")
    return StructLayout({name: table.field(name).width for name in names if table.has(name)})


class RowWalker(Component):
    """Decides in each cycle which entry the lane's synapse memory reads.

    Attributes:
        push, row: a row that has at least one entry in this lane; never while ``full``.
        offered: ``row`` is to be put where the next row will be; at least with every ``push``.
        full: no further row may wait.
        busy: rows are waiting, or an entry is on the memory's output.
        address: what the memory is to read; while no row waits, where the row begins that was
            offered last. So the host reads.
        last: of the entry on the memory's output.
        valid, walked: a weight of the entry on the memory's output is due, and of which row; in a
            dense row, ``walked.group`` is the group of this weight. While not ``busy``: a dense
            row in group 0, without delay.
    """

    def __init__(self, g: Geometry) -> None:
        self._row, self.part_bits = row_layout(g), dense_part_bits(g)
        self._waiting = waiting_rows(g.lanes)
        super().__init__(
            {
                "push": In(1),
                "offered": In(1),
                "row": In(self._row),
                "full": Out(1),
                "busy": Out(1),
                "address": Out(index_bits(g.words)),
                "last": In(1),
                "valid": Out(1),
                "walked": Out(self._row),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """The entry just read decides what is read in the same cycle, so that nothing pauses."""
        m = Module()
        free, waiting = Signal(), Signal()
        head = self._queue(m, waiting, taken=free & waiting)
        walked = self.walked
        part = walked.group[: self.part_bits]
        ended: Value | int = 1
        onward: Value | int = 1
        if self.part_bits:
            # The next weight of a dense row may be in the same entry.
            ended = ~walked.dense | (part == walked.end)
            onward = ~walked.dense | part.all()
        m.d.comb += [
            free.eq(~self.valid | (self.last & ended)),
            self.address.eq(Mux(free, head.address, walked.address + onward)),
            self.busy.eq(waiting | self.valid),
        ]
        m.d.sync += self.valid.eq(~free | waiting)
        with m.If(~waiting & free):
            # Then nothing of it stands in the way of another address of the accumulators.
            m.d.sync += [walked.dense.eq(1), walked.group.eq(0), walked.delay.eq(0)]
        with m.Elif(free):
            m.d.sync += walked.eq(head)
        with m.Else():
            m.d.sync += [walked.address.eq(self.address), walked.group.eq(walked.group + 1)]
        return m

    def _queue(self, m: Module, waiting: Signal, taken: Value) -> Any:
        """The ring of waiting rows; returns the one that has waited longest."""
        m.submodules.queue = queue = memory.Memory(
            shape=self._row, depth=self._waiting + 1, init=[]
        )
        write, read = queue.write_port(), queue.read_port(domain="comb")
        into = Signal(range(self._waiting + 1))
        out = Signal.like(into)
        m.d.comb += [
            write.en.eq(self.offered),
            write.addr.eq(into),
            write.data.eq(self.row),
            read.addr.eq(out),
            waiting.eq(into != out),
            self.full.eq(_after(into) == out),
        ]
        with m.If(self.push):
            m.d.sync += into.eq(_after(into))
        with m.If(taken):
            m.d.sync += out.eq(_after(out))
        return read.data


def _after(pointer: Signal) -> Value:
    """The pointer and one, without a carry chain: for so few bits that would be the larger one."""
    carry = [pointer[:i].all() for i in range(1, len(pointer))]
    return pointer ^ Cat(1, *carry)
