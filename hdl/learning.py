"""The learning engine: plastic rows are delivered and changed in one go, columns after the update.

Its parts: who is walked next (``learning_prepare``, ``learning_walk``), with which random
numbers (``learning_numbers``);
the synapses' way through the lanes (``learning_synapses``, ``learning_lane``); the order of things
after the update (``learning_phases``); traces (``learning_fade``, ``learning_traces``). Here is who
may read which memory when.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .component import Component, later
from .geometry import Geometry, count_bits, index_bits
from .layout import layout
from .learning_fade import SETTLED
from .learning_phases import Phases
from .learning_prepare import Prepare
from .learning_synapses import Synapses
from .learning_tables import TRACES
from .learning_traces import AHEAD, TAKEN, Traces, fired_bits
from .learning_walk import PRE, Walk, request_layout
from .memory import Bank, HostPort

TRACE_BLOCK = 1024
"""Lanes have many small memories of their own, which would leave nearly all of a block RAM empty:
from so many bits on they go into block RAM all the same."""
SINGLES = ("walk", "rule", "code", "salt", "decay", "window")
"""Tables with one memory."""


class Learning(Component):
    """Everything that learns.

    Attributes:
        row_valid, row_ready, entry, changes: a plastic row to be delivered: its entry in ``walk``,
            and how many groups of products its rule has for it.
        lanes_busy: other rows are being delivered.
        begin: a step begins. step: number of the next step, once ``learn`` has come. step_hash: of
            this one, when it begins.
        on, rules, modulator: registers.
        fired_valid, fired_group, fired: the neurons of U that fired in this step.
        learn, learned: the neurons' update has ended; synapses and traces have been changed.
        busy: plastic rows are being delivered.
        storing: the last traces are still on their way into their memories: no step reads them so
            soon, but the host might.
        add, group, exponent, receptor, weight0 …, delay0 …: what is delivered.
        host_TABLE, or host_TABLE0 …: the host's ports.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        self.tables = {
            n: t for n, t in layout(g).items() if t.region >= layout(g)["plastic"].region
        }
        self.single = {
            n: Bank(t, apart=n == "decay") for n, t in self.tables.items() if n in SINGLES
        }
        writes = {"plastic", *TRACES, "before"}
        self.lanes = {
            name: [
                Bank(
                    table,
                    writes=name in writes,
                    apart=name in TRACES,
                    block_bits=TRACE_BLOCK,
                )
                for _ in range(table.banks)
            ]
            for name, table in self.tables.items()
            if name not in SINGLES
        }
        members: dict[str, Any] = {
            "row_valid": In(1), "row_ready": Out(1), "entry": In(index_bits(g.plastic_rows)),
            "changes": In(2), "lanes_busy": In(1), "begin": In(1), "step": In(32),
            "step_hash": In(32),
            "on": In(1), "rules": In(count_bits(g.rules)), "modulator": In(signed(8)),
            "fired_valid": In(1), "fired_group": In(index_bits(g.update_groups)),
            "fired": In(g.update_lanes), "learn": In(1), "learned": Out(1), "busy": Out(1),
            "storing": Out(1),
            "add": Out(1), "group": Out(index_bits(g.groups)), "exponent": Out(4),
            "receptor": Out(1),
        }  # fmt: skip
        for i in range(g.lanes):
            members[f"weight{i}"] = Out(signed(g.weight_bits))
            members[f"delay{i}"] = Out(index_bits(g.delay_slots))
        for name in self.single:
            members[f"host_{name}"] = In(HostPort())
        for name, banks in self.lanes.items():
            members.update({f"host_{name}{i}": In(HostPort()) for i in range(len(banks))})
        super().__init__(members)

    def banks(self) -> dict[str, list[Bank]]:
        """Table -> its memories."""
        return {**{n: [b] for n, b in self.single.items()}, **self.lanes}

    def elaborate(self, platform: Any) -> Module:
        """The parts, and what goes between them."""
        m = Module()
        g = self.geometry
        for name, bank in self.single.items():
            m.submodules[f"bank_{name}"] = bank
            wiring.connect(m, wiring.flipped(getattr(self, f"host_{name}")), bank.host)
        for name, banks in self.lanes.items():
            for i, bank in enumerate(banks):
                m.submodules[f"bank_{name}{i}"] = bank
                wiring.connect(m, wiring.flipped(getattr(self, f"host_{name}{i}")), bank.host)
        m.submodules.prepare = prepare = Prepare(g)
        m.submodules.walk_ = walk = Walk(g)
        m.submodules.phases = phases = Phases(g)
        hashed = Signal(32)
        with m.If(later(m, self.begin, SETTLED - 2, "begun")):
            m.d.sync += hashed.eq(self.step_hash)
        self._request(m, prepare, phases)
        m.d.comb += [prepare.step_hash.eq(hashed), walk.blocked.eq(self.lanes_busy)]
        wiring.connect(m, prepare.output, walk.input)

        arrived = self._arrivals(m)
        synapses = Synapses(
            g, m, walk, self.lanes["plastic"], self.single["code"], self.modulator,
            [self._own(m, walk, i, arrived[i].data) for i in range(g.lanes)],
        )  # fmt: skip
        synapses.deliver(self)
        window = self.single["window"].get("value") if g.windows else None
        fired = fired_bits(m, g, phases, self.fired_valid, self.fired_group, self.fired)
        traces = Traces(g, m, phases, self.lanes, [port.data for port in arrived], fired, window)
        self._look_up_rules(m, prepare, walk, phases, traces)
        self._look_up_own(m, prepare, walk, phases, arrived)
        self._forget(m, prepare, traces)
        waiting = Signal()
        with m.If(self.learn):
            m.d.sync += waiting.eq(1)
        with m.If(phases.start):
            m.d.sync += waiting.eq(0)
        early = prepare.busy | walk.busy | synapses.early
        stored = Signal(range(TAKEN + 1))
        m.d.sync += stored.eq(Mux(stored != 0, stored - 1, 0))
        with m.If(phases.turn | phases.remember | phases.store_window):
            m.d.sync += stored.eq(TAKEN)
        m.d.comb += [
            self.storing.eq(stored != 0),
            traces.fade.begin.eq(self.begin),
            traces.fade.step_hash.eq(hashed),
            phases.start.eq((self.learn | waiting) & ~traces.fade.busy),
            self.learned.eq(phases.idle & ~waiting),
            self.busy.eq(early),
            phases.reading.eq(early),
            phases.working.eq(early | synapses.working),
        ]
        return m

    def _request(self, m: Module, prepare: Prepare, phases: Phases) -> None:
        """Rows that are delivered, or what ``Phases`` asks for."""
        request, row = prepare.request, Signal(request_layout(self.geometry))
        m.d.comb += [
            prepare.on.eq(self.on),
            row.when.eq(PRE),
            row.entry.eq(self.entry),
            row.changes.eq(Mux(self.on, self.changes, 0)),
            request.valid.eq(Mux(phases.idle, self.row_valid, phases.request.valid)),
            request.payload.eq(Mux(phases.idle, row, phases.request.payload)),
            self.row_ready.eq(phases.idle & request.ready),
            phases.request.ready.eq(request.ready),
            phases.on.eq(self.on),
            phases.rules.eq(self.rules),
            phases.step.eq(self.step),
        ]

    # Memories

    def _look_up_rules(
        self, m: Module, prepare: Prepare, walk: Walk, phases: Phases, traces: Traces
    ) -> None:
        """Tables of rules, of which each reader has a turn of its own."""
        g, single, fade = self.geometry, self.single, traces.fade
        decay = single["decay"]
        m.d.comb += [
            single["walk"].read_enable.eq(prepare.walk_read),
            single["walk"].read_index.eq(prepare.walk_index),
            *(prepare.walk[f.name].eq(single["walk"].get(f.name))
              for f in self.tables["walk"].fields),
            single["rule"].read_enable.eq(prepare.rule_read | phases.load),
            single["rule"].read_index.eq(Mux(phases.load, phases.rule_number, prepare.rule_index)),
            *(target.rule[f.name].eq(single["rule"].get(f.name))
              for f in self.tables["rule"].fields for target in (prepare, phases)),
            single["salt"].read_enable.eq(1),
            single["salt"].read_index.eq(prepare.salt_index),
            prepare.salt.eq(single["salt"].get("salt")),
            single["code"].read_enable.eq(walk.issue),
            single["code"].read_index.eq(walk.code_index),
            decay.read_enable0.eq(phases.decay_read),
            decay.read_index0.eq(Cat(phases.trace, phases.rule_number)),
            *(phases.decay[f.name].eq(decay.get(f.name))
              for f in self.tables["decay"].fields if f.column == 0),
        ]  # fmt: skip
        for column in (1, 2):
            m.d.comb += [
                getattr(decay, f"read_enable{column}").eq(fade.list_read),
                getattr(decay, f"read_index{column}").eq(fade.list_index),
            ]
        m.d.comb += [
            getattr(fade, name).eq(decay.get(name)) for name in ("first", "groups", "which", "keep")
        ]
        parts = (g.lanes // g.faded - 1).bit_length()
        for i, bank in enumerate(self.lanes["term"]):
            names = ["term1", *(["term2"] if g.seconds else [])]
            which = later(m, fade.read_trace[0], 1, "which_term")
            m.d.comb += [
                bank.read_enable.eq(fade.read),
                bank.read_index.eq(
                    Cat(fade.read_part[:parts], fade.read_place, fade.read_trace[1])
                ),
                getattr(fade, f"term{i}").eq(
                    Mux(which, bank.get(names[-1]), bank.get(names[0]))
                ),
            ]  # fmt: skip
        if g.windows:
            m.d.comb += [
                single["window"].read_enable.eq(1),
                single["window"].read_index.eq(
                    Cat(phases.age[:5], phases.trace, phases.rule_number)
                ),
            ]

    def _look_up_own(
        self, m: Module, prepare: Prepare, walk: Walk, phases: Phases, arrived: list[Any]
    ) -> None:
        """What neurons and rows have of their own, which three parts read in turn."""
        column = walk.walk.column
        # Rows read the traces of neurons, and prepare those of rows; columns the other way round.
        wanted = {
            "x": (walk.read & column, walk.across,
                  prepare.own_read & ~prepare.own_column, prepare.own_x),
            "y": (walk.read & ~column, walk.across,
                  prepare.own_read & prepare.own_column, prepare.own_y),
            "n": (walk.read & ~column, walk.group,
                  prepare.own_read & prepare.own_column, prepare.own_group),
        }  # fmt: skip
        tables = {
            "x": ("xtrace1", "xtrace2", "xkey"),
            "y": ("ytrace1", "ytrace2", "ykey", "before"),
            "n": ("factor",),
        }
        in_phases = {
            "x": (phases.read_x, phases.place), "y": (phases.read_y, phases.place),
            "n": (phases.read_y, phases.group),
        }  # fmt: skip
        for kind, (walks, place, prepares, own) in wanted.items():
            own_turn, at = in_phases[kind]
            index = Signal(len(place), name=f"index_{kind}")
            enable = Signal(name=f"read_{kind}")
            m.d.comb += [
                index.eq(Mux(own_turn, at, Mux(walks, place, own))),
                enable.eq(own_turn | walks | prepares),
            ]
            for name in tables[kind]:
                for bank in self.lanes.get(name, ()):
                    m.d.comb += self._read(bank, enable, index)
            if kind == "x":
                for port in arrived:
                    m.d.comb += [port.en.eq(enable), port.addr.eq(index)]
        lane, of_column = prepare.own_lane, Signal()
        m.d.sync += of_column.eq(prepare.own_column)
        for target, names, field in (
            ("trace1", ("xtrace1", "ytrace1"), "value"),
            ("trace2", ("xtrace2", "ytrace2"), "value"),
            ("index", ("xkey", "ykey"), "index"),
        ):
            if all(name in self.tables and self.tables[name].has(field) for name in names):
                x, y = (self._of_lane([b.get(field) for b in self.lanes[n]], lane) for n in names)
                m.d.comb += getattr(prepare, target).eq(Mux(of_column, y, x))
        if self.geometry.thirds:
            r = self._of_lane([bank.get("r") for bank in self.lanes["factor"]], lane)
            m.d.comb += prepare.third.eq(r)

    def _read(self, bank: Bank, enable: Any, index: Any) -> list[Any]:
        """Read all columns that rows and columns of synapses see."""
        if not bank.apart:
            return [bank.read_enable.eq(enable), bank.read_index.eq(index)]
        seen = [column for column in range(len(bank.table.widths)) if column != AHEAD]
        return [
            statement
            for column in seen
            for statement in (getattr(bank, f"read_enable{column}").eq(enable),
                              getattr(bank, f"read_index{column}").eq(index))
        ]  # fmt: skip

    def _of_lane(self, values: list[Any], lane: Any) -> Any:
        return Array(values)[lane] if len(values) > 1 else values[0]

    def _own(self, m: Module, walk: Walk, i: int, x0: Any) -> dict[str, Any]:
        """(stage 1) what a lane's neuron has of its own in a row, and its row in a column."""
        g, column = self.geometry, later(m, walk.walk.column, 1, "column")
        found: dict[str, Any] = {"x0": x0}
        pairs = [("trace1", "value", True), ("trace2", "value", g.seconds),
                 ("key", "index", g.scattered)]  # fmt: skip
        for name, field, built in pairs:
            if built:
                x, y = (self.lanes[f"{side}{name}"][i].get(field) for side in "xy")
                found["index" if name == "key" else name] = Mux(column, x, y)
        if g.thirds:
            found["third"] = self.lanes["factor"][i].get("r")
        return found

    # Spikes that arrived

    def _arrivals(self, m: Module) -> list[Any]:
        """Reading ports of the memories that say which rows a spike has arrived on."""
        g = self.geometry
        self._notes, ports = [], []
        for i in range(g.lanes):
            m.submodules[f"arrived{i}"] = bits = memory.Memory(
                shape=1, depth=g.slots, init=[], attrs={"ram_style": "distributed"}
            )
            self._notes.append(bits.write_port())
            ports.append(bits.read_port())
        return ports

    def _forget(self, m: Module, prepare: Prepare, traces: Traces) -> None:
        """Spikes are noted as they arrive, and forgotten when the traces take them up."""
        for i, note in enumerate(self._notes):
            m.d.comb += [
                note.en.eq(traces.clears | (prepare.arrived & (prepare.arrived_lane == i))),
                note.addr.eq(Mux(traces.clears, traces.cleared, prepare.own_x)),
                note.data.eq(~traces.clears),
            ]
