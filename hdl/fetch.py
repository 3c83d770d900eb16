"""From a sender to its rows: destination list, axon, row groups.

Every stage handles one item per cycle and each item yields at least one of the next, so the rows
of all spikes of a step come out one per cycle, as long as the lanes have room for them.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry, index_bits
from .layout import layout
from .memory import HostPort
from .row_walker import row_layout
from .streams import flit_layout
from .walker import Lookup, Slack, Walker

LATENCY = 8
"""Cycles from a sender to its first synapse."""

TABLES = ("origin", "destination", "axon", "row")


class Fetch(Component):
    """The look-up chain.

    Attributes:
        input: origin numbers; their destination lists are not empty, nor are the axons' rows.
        full: lanes that have no room for another row.
        offered, next_row: a row, and that there is one.
        push: it goes to these lanes: those that have a part in it.
        look, look_address: the host reads the synapses there: they are offered, and not pushed.
        counted, synapses: once per row, how many synapses it has.
        busy: something is on its way.
        plastic, entry, changes: a plastic row; it goes on when ``plastic_ready``.
        learning: plastic rows are being delivered, so that no other may be.
        flit, arrival: on a mesh, destinations go to the router, and axons come from it; ``sending``
            while something is on its way to the router, ``busy`` while something comes from it.
        host_origin, host_destination, host_axon, host_row: the host's ports.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        self.lookups = {name: Lookup(tables[name]) for name in TABLES}
        members: dict[str, Any] = {
            "input": In(stream.Signature(index_bits(g.origins))),
            "full": In(g.lanes),
            "offered": Out(1),
            "push": Out(g.lanes),
            "next_row": Out(row_layout(g)),
            "look": In(1),
            "look_address": In(row_layout(g)["address"].shape),
            "counted": Out(1),
            "synapses": Out(tables["row"].field("synapses").width),
            "busy": Out(1),
        }
        if g.rules:
            members.update({
                "plastic": Out(1), "plastic_ready": In(1), "learning": In(1),
                "entry": Out(index_bits(g.plastic_rows)), "changes": Out(2),
            })  # fmt: skip
        if g.cores > 1:
            members.update({
                "flit": Out(stream.Signature(StructLayout(flit_layout(g)))),
                "arrival": In(stream.Signature(index_bits(g.axons))), "sending": Out(1),
            })  # fmt: skip
        members.update({f"host_{name}": In(HostPort()) for name in TABLES})
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Four look-ups, a walker behind each that yields a list."""
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
        mesh = self.geometry.cores > 1
        given = self.arrival if mesh else destination
        m.submodules.spare = spare = Slack(len(axon.input.payload))
        m.d.comb += [
            spare.input.valid.eq(given.valid),
            spare.input.payload.eq(given.payload if mesh else destination.get("axon")),
            given.ready.eq(spare.input.ready),
        ]
        wiring.connect(m, spare.output, axon.input)
        if mesh:
            self._send(m, destination)
        _feed_list(m, axon, groups)
        # A row waits for lanes, which takes long to find out: before that, nobody is told at once.
        m.submodules.slack = slack = Slack(len(groups.output.p.address))
        m.d.comb += [
            slack.input.valid.eq(groups.output.valid),
            slack.input.payload.eq(groups.output.p.address),
            groups.output.ready.eq(slack.input.ready),
        ]
        wiring.connect(m, slack.output, row.input)

        lanes = Cat(row.get(f"mask{i}") for i in range(0, self.geometry.lanes, 32))
        m.d.comb += [
            row.ready.eq(~(lanes & self.full).any()),
            self.counted.eq(row.valid & row.ready),
            self.synapses.eq(row.get("synapses")),
            self.offered.eq(row.valid | self.look),
            self.push.eq(Mux(self.counted, lanes, 0)),
            *(self.next_row[name].eq(row.get(name)) for name in row_layout(self.geometry).members),
        ]
        if self.geometry.rules:
            room = ~(lanes & self.full).any() & ~self.learning
            m.d.comb += [
                row.ready.eq(Mux(row.get("plastic"), self.plastic_ready, room)),
                self.plastic.eq(row.valid & row.get("plastic")),
                self.entry.eq(row.get("walk")),
                self.changes.eq(row.get("changes")),
            ]
        with m.If(self.look):
            m.d.comb += self.next_row.address.eq(self.look_address)
        ahead = Cat(origin.valid, destinations.output.valid, destination.valid).any()
        behind = Cat(spare.output.valid, axon.valid, slack.output.valid, row.valid).any()
        m.d.comb += self.busy.eq(behind if mesh else ahead | behind)
        if mesh:
            m.d.comb += self.sending.eq(ahead)
        return m

    def _send(self, m: Module, destination: Lookup) -> None:
        """Destinations are the router's."""
        cores = self.geometry.cores
        m.d.comb += [
            self.flit.valid.eq(destination.valid),
            self.flit.p.axon.eq(destination.get("axon")),
            self.flit.p.cores.eq(Cat(destination.get(f"cores{i}") for i in range(0, cores, 32))),
            destination.ready.eq(self.flit.ready),
        ]


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
