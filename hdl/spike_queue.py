"""Spikes between the step in which they are decided and their delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import count_bits, index_bits
from .memory import HostPort
from .walker import Lookup, Walker

if TYPE_CHECKING:
    from .layout import Table


class SpikeQueue(Component):
    """Groups of spikes go in as masks; they come out as numbers, one per cycle.

    A mask that is pushed must not be empty: then the output never pauses once it has begun.

    Attributes:
        push, group, mask: append the spikes of one group.
        start: begin to hand out what has been pushed; in no cycle with a push.
        output: numbers ``group · lanes + lane``, each once.
        done: everything pushed before the last ``start`` has been handed out.
        count: masks in memory; ``set_count`` overwrites it with ``new_count``.
    """

    def __init__(self, table: Table, lanes: int) -> None:
        self.lanes = lanes
        self.lookup = Lookup(table, writes=True)
        self.depth = table.depth
        group = table.field("group").width
        number = group + (lanes - 1).bit_length()
        super().__init__(
            {
                "push": In(1),
                "group": In(group),
                "mask": In(lanes),
                "start": In(1),
                "clear": In(1),
                "output": Out(stream.Signature(number)),
                "done": Out(1),
                "count": Out(count_bits(table.depth)),
                "set_count": In(1),
                "new_count": In(count_bits(table.depth)),
                "host": In(HostPort()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """A walker reads the masks, a register holds one and gives up its lowest bit."""
        m = Module()
        m.submodules.lookup = lookup = self.lookup
        m.submodules.walker = walker = Walker(index_bits(self.depth), count_bits(self.depth))
        wiring.connect(m, wiring.flipped(self.host), lookup.host)
        bank = lookup.bank
        masks = {f"mask{i}": self.mask[i : i + 32] for i in range(0, self.lanes, 32)}
        m.d.comb += [
            bank.write_enable.eq(self.push),
            bank.write_index.eq(self.count),
            *bank.put(group=self.group, **masks),
            walker.input.valid.eq(self.start & (self.count != 0)),
            walker.input.p.count.eq(self.count),
            lookup.input.valid.eq(walker.output.valid),
            lookup.input.payload.eq(walker.output.p.address),
            walker.output.ready.eq(lookup.input.ready),
        ]
        with m.If(self.set_count):
            m.d.sync += self.count.eq(self.new_count)
        with m.Elif(self.clear):
            m.d.sync += self.count.eq(0)
        with m.Elif(self.push):
            m.d.sync += self.count.eq(self.count + 1)

        mask = Signal(self.lanes)
        rest = Signal(self.lanes)
        group = Signal.like(self.group)
        lane = Signal(range(self.lanes))
        for i in reversed(range(self.lanes)):
            with m.If(mask[i]):
                m.d.comb += lane.eq(i)
        m.d.comb += [
            rest.eq(mask & (mask - 1)),
            self.output.valid.eq(mask != 0),
            self.output.payload.eq(Cat(lane[: (self.lanes - 1).bit_length()], group)),
            lookup.ready.eq((mask == 0) | (self.output.ready & (rest == 0))),
            self.done.eq((mask == 0) & ~lookup.valid & ~walker.output.valid & ~self.start),
        ]
        with m.If(lookup.ready):
            loaded = Cat(*(lookup.get(name) for name in masks))
            m.d.sync += [mask.eq(Mux(lookup.valid, loaded, 0)), group.eq(lookup.get("group"))]
        with m.Elif(self.output.ready):
            m.d.sync += mask.eq(rest)
        return m
