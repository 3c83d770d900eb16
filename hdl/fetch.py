"""From a sender to the words of its rows: destination list, axon, row groups, words.

Every stage handles one item per cycle and each item yields at least one of the next, so the words
of all spikes of a step come out without a pause, however short their rows are.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .accumulators import word_layout
from .component import Component
from .geometry import Geometry, index_bits
from .layout import layout
from .memory import HostPort
from .walker import Lookup, Walker

LATENCY = 8
"""Cycles from a sender to its first word."""

TABLES = ("origin", "destination", "axon", "row")


class Fetch(Component):
    """The look-up chain.

    Attributes:
        input: origin numbers; their destination lists are not empty, nor are the axons' rows.
        valid, word: words of rows for the lanes, which always take them.
        counted, synapses: once per row group, how many synapses it has.
        busy: something is on its way.
        host_origin, host_destination, host_axon, host_row: the host's ports.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        self.lookups = {name: Lookup(tables[name]) for name in TABLES}
        members: dict[str, Any] = {
            "input": In(stream.Signature(index_bits(g.origins))),
            "valid": Out(1),
            "word": Out(word_layout(g)),
            "counted": Out(1),
            "synapses": Out(tables["row"].field("synapses").width),
            "busy": Out(1),
        }
        members.update({f"host_{name}": In(HostPort()) for name in TABLES})
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Four look-ups with a walker behind each that yields a list."""
        m = Module()
        for name, lookup in self.lookups.items():
            m.submodules[name] = lookup
            wiring.connect(m, wiring.flipped(getattr(self, f"host_{name}")), lookup.host)
        origin, destination, axon, row = self.lookups.values()
        m.submodules.destinations = destinations = _list_of(origin)
        m.submodules.groups = groups = _list_of(axon)

        wiring.connect(m, wiring.flipped(self.input), origin.input)
        _feed_list(m, origin, destinations)
        _feed_lookup(m, destinations, destination)
        # The chip's router will stand here: of a mesh, only destinations on this core go on.
        m.d.comb += [
            axon.input.valid.eq(destination.valid),
            axon.input.payload.eq(destination.get("axon")),
            destination.ready.eq(axon.input.ready),
        ]
        _feed_list(m, axon, groups)
        _feed_lookup(m, groups, row)

        kept = ("dense", "receptor", "exponent", "group", "delay", "synapses")
        fields = row.bank.table
        m.submodules.words = words = Walker(
            fields.field("address").width,
            fields.field("words").width,
            StructLayout({name: fields.field(name).width for name in kept}),
        )
        m.d.comb += [
            words.input.valid.eq(row.valid),
            words.input.p.start.eq(row.get("address")),
            words.input.p.count.eq(row.get("words")),
            *(words.input.p.tag[name].eq(row.get(name)) for name in kept),
            row.ready.eq(words.input.ready),
        ]
        out = words.output.p
        m.d.comb += [
            words.output.ready.eq(1),
            self.valid.eq(words.output.valid),
            self.word.address.eq(out.address),
            *(self.word[n].eq(out.tag[n]) for n in ("dense", "receptor", "exponent", "delay")),
            self.word.group.eq(out.tag.group + out.place),
            self.counted.eq(words.output.valid & out.first),
            self.synapses.eq(out.tag.synapses),
        ]
        walkers = (destinations, groups, words)
        m.d.comb += self.busy.eq(
            Cat(
                *(lookup.valid for lookup in self.lookups.values()),
                *(walker.output.valid for walker in walkers),
            ).any()
        )
        return m


def _list_of(lookup: Lookup) -> Walker:
    table = lookup.bank.table
    return Walker(table.field("start").width, table.field("count").width)


def _feed_list(m: Module, lookup: Lookup, walker: Walker) -> None:
    """The entry that was looked up names a list."""
    m.d.comb += [
        walker.input.valid.eq(lookup.valid),
        walker.input.p.start.eq(lookup.get("start")),
        walker.input.p.count.eq(lookup.get("count")),
        lookup.ready.eq(walker.input.ready),
    ]


def _feed_lookup(m: Module, walker: Walker, lookup: Lookup) -> None:
    m.d.comb += [
        lookup.input.valid.eq(walker.output.valid),
        lookup.input.payload.eq(walker.output.p.address),
        walker.output.ready.eq(lookup.input.ready),
    ]
