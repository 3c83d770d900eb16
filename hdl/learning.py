"""The learning engine: plastic rows are delivered and changed in one go, columns after the update.

A plastic synapse of row ``a`` and neuron ``l`` of a square of P by P is in memory ``a xor l``: so P
synapses of a row and P synapses of a column are in different memories alike. Between memories and
lanes stands a network of log P exchanges, one way and the other.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry, count_bits, index_bits
from .layout import layout
from .learning_lane import DONE, TRACE_LATENCY, RuleLane, TraceLane, later, synapse_layout
from .learning_phases import Phases
from .learning_tables import TRACES
from .learning_walk import PRE, Prepare, Walk, chosen, request_layout
from .memory import Bank, HostPort

SINGLES = ("walk", "rule", "code", "salt", "decay", "window")
"""Tables with one memory."""


class Learning(Component):
    """Everything that learns.

    Attributes:
        row_valid, row_ready, entry, changes: a plastic row to be delivered: its entry in ``walk``,
            and how many groups of products its rule has for it.
        lanes_busy: other rows are being delivered.
        step: number of the next step, once ``learn`` has come. step_hash: of this one, until then.
        on, rules, modulator: registers.
        fired_valid, fired_group, fired: the neurons of U that fired in this step.
        update: the neurons' update begins. learn, learned: it has ended; synapses and traces have
            been changed.
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
        self.single = {n: Bank(t) for n, t in self.tables.items() if n in SINGLES}
        writes = {"plastic", *TRACES, "arrived", "before"}
        self.lanes = {
            name: [Bank(table, writes=name in writes) for _ in range(g.lanes)]
            for name, table in self.tables.items()
            if name not in SINGLES
        }
        members: dict[str, Any] = {
            "row_valid": In(1), "row_ready": Out(1), "entry": In(index_bits(g.plastic_rows)),
            "changes": In(2), "lanes_busy": In(1), "step": In(32), "step_hash": In(32),
            "on": In(1), "rules": In(count_bits(g.rules)), "modulator": In(signed(8)),
            "fired_valid": In(1), "fired_group": In(index_bits(g.update_groups)),
            "fired": In(g.update_lanes),
            "update": In(1), "learn": In(1), "learned": Out(1), "busy": Out(1),
            "storing": Out(1),
            "add": Out(1), "group": Out(index_bits(g.groups)), "exponent": Out(4),
            "receptor": Out(1),
        }  # fmt: skip
        for i in range(g.lanes):
            members[f"weight{i}"] = Out(signed(g.weight_bits))
            members[f"delay{i}"] = Out(index_bits(g.delay_slots))
        for name in self.single:
            members[f"host_{name}"] = In(HostPort())
        for name in self.lanes:
            members.update({f"host_{name}{i}": In(HostPort()) for i in range(g.lanes)})
        super().__init__(members)

    def banks(self) -> dict[str, list[Bank]]:
        """Table -> its memories."""
        return {**{n: [b] for n, b in self.single.items()}, **self.lanes}

    def elaborate(self, platform: Any) -> Module:
        """The parts, and who may read which memory when."""
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
        with m.If(self.update):
            m.d.sync += hashed.eq(self.step_hash)
        of_step = Mux(phases.idle, self.step_hash, hashed)

        wiring.connect(m, prepare.output, walk.input)
        request = prepare.request
        m.d.comb += [
            prepare.on.eq(self.on),
            prepare.step_hash.eq(of_step),
            walk.blocked.eq(self.lanes_busy),
            request.valid.eq(Mux(phases.idle, self.row_valid, phases.request.valid)),
            request.payload.eq(phases.request.payload),
            self.row_ready.eq(phases.idle & request.ready),
            phases.request.ready.eq(request.ready),
            phases.start.eq(self.learn),
            phases.on.eq(self.on),
            phases.rules.eq(self.rules),
            phases.step.eq(self.step),
            self.learned.eq(phases.idle),
        ]
        with m.If(phases.idle):
            row = Signal(request_layout(g))
            m.d.comb += [
                row.when.eq(PRE),
                row.entry.eq(self.entry),
                row.changes.eq(Mux(self.on, self.changes, 0)),
                request.payload.eq(row),
            ]
        self._look_up(m, prepare, walk, phases)
        working = self._compute(m, walk)
        self._take_up(m, phases, of_step)
        m.d.comb += [
            self.busy.eq(prepare.busy | walk.busy | working),
            phases.working.eq(self.busy),
        ]
        return m

    # Memories

    def _look_up(self, m: Module, prepare: Prepare, walk: Walk, phases: Phases) -> None:
        """Tables of rules; and the neurons' and rows' own, which three parts read in turn."""
        g, single = self.geometry, self.single
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
            single["decay"].read_enable.eq(phases.decay_read),
            single["decay"].read_index.eq(Cat(phases.trace, phases.rule_number)),
            *(phases.decay[f.name].eq(single["decay"].get(f.name))
              for f in self.tables["decay"].fields),
        ]  # fmt: skip
        if g.windows:
            m.d.comb += [
                single["window"].read_enable.eq(1),
                single["window"].read_index.eq(
                    Cat(phases.age[:5], phases.trace, phases.rule_number)
                ),
            ]
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
            "x": ("xtrace1", "xtrace2", "arrived", "xkey"),
            "y": ("ytrace1", "ytrace2", "ykey", "before"),
            "n": ("factor",),
        }
        in_phases = {
            "x": (phases.read_x, phases.place), "y": (phases.read_y, phases.place),
            "n": (phases.read_y, phases.group),
        }  # fmt: skip
        self._index = {}
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
                    m.d.comb += [bank.read_enable.eq(enable), bank.read_index.eq(index)]
        lane, of_column = prepare.own_lane, Signal()
        m.d.sync += of_column.eq(prepare.own_column)
        for target, names in (
            ("trace1", ("xtrace1", "ytrace1")), ("trace2", ("xtrace2", "ytrace2")),
            ("index", ("xkey", "ykey")),
        ):  # fmt: skip
            field = "index" if target == "index" else "value"
            x, y = (self._of_lane([b.get(field) for b in self.lanes[n]], lane) for n in names)
            m.d.comb += getattr(prepare, target).eq(Mux(of_column, y, x))
        r = self._of_lane([bank.get("r") for bank in self.lanes["factor"]], lane)
        m.d.comb += prepare.r.eq(r)
        self._arrive(m, prepare)

    def _of_lane(self, values: list[Any], lane: Any) -> Any:
        return Array(values)[lane] if len(values) > 1 else values[0]

    def _arrive(self, m: Module, prepare: Prepare) -> None:
        """Note which rows a spike has arrived on; ``_take_up`` takes the notes back."""
        for i, bank in enumerate(self.lanes["arrived"]):
            m.d.comb += [
                bank.write_enable.eq(prepare.arrived & (prepare.arrived_lane == i)),
                bank.write_index.eq(prepare.own_x),
                *bank.put(x0=1),
            ]

    # Synapses

    def _exchange(self, m: Module, values: list[Any], by: Any, name: str) -> list[Any]:
        """Value ``i`` goes to place ``i xor by``."""
        for bit in range((self.geometry.lanes - 1).bit_length()):
            made = []
            for i, value in enumerate(values):
                made.append(Signal(len(value), name=f"{name}{bit}_{i}"))
                m.d.comb += made[-1].eq(Mux(by[bit], values[i ^ (1 << bit)], value))
            values = made
        return values

    def _compute(self, m: Module, walk: Walk) -> Any:
        """Addresses, the lanes' pipelines, and what is written; returns whether any works."""
        g, code = self.geometry, self.single["code"]
        plastic = self.lanes["plastic"]
        bits = (g.lanes - 1).bit_length()
        issued = [walk.issue]
        for i in range(1, DONE + 2):
            issued.append(Signal(name=f"issued{i}"))
            m.d.sync += issued[-1].eq(issued[-2])
        shared = walk.walk
        meta = later(m, shared, 1, "meta")
        first1, last1 = later(m, walk.first, 1, "first"), later(m, walk.last, 1, "last")
        has1 = Signal()
        m.d.comb += has1.eq(meta.products != 0)

        # Stage 1: the word is on the memories' outputs, and stays for all of its products.
        for b, bank in enumerate(plastic):
            low = Mux(shared.column, b, 0) ^ shared.lane
            m.d.comb += [
                bank.read_enable.eq(walk.read),
                bank.read_index.eq(Cat(low[:bits], walk.address)),
            ]
        words = [Cat(*(bank.get(f.name) for f in bank.table.fields)) for bank in plastic]
        words = self._exchange(m, words, meta.lane, "word")
        lanes = []
        for i, word in enumerate(words):
            m.submodules[f"lane{i}"] = lane = RuleLane(g)
            lanes.append(lane)
            pick = {n: (self.lanes[f"x{n}"][i], self.lanes[f"y{n}"][i])
                    for n in ("trace1", "trace2", "key")}  # fmt: skip
            m.d.comb += [
                lane.synapse.eq(word),
                lane.trace1.eq(self._own(meta, pick["trace1"], "value")),
                lane.trace2.eq(self._own(meta, pick["trace2"], "value")),
                lane.index.eq(self._own(meta, pick["key"], "index")),
                lane.r.eq(self.lanes["factor"][i].get("r")),
                lane.x0.eq(self.lanes["arrived"][i].get("x0")),
            ]
        self._share(m, walk, meta, code, lanes, issued, first1, last1, has1)
        self._deliver(m, walk, meta, lanes, issued[1] & first1)

        # Stage DONE: the new word goes back the same way.
        done = issued[DONE] & later(m, last1 & has1, DONE - 1, "written")
        by = later(m, Cat(shared.lane, shared.column), DONE, "by")
        address = later(m, walk.address, DONE + 1, "written_address")
        # fmt: off
        back = self._exchange(
            m, [lane.after.as_value() for lane in lanes], by[: len(shared.lane)], "back"
        )
        # fmt: on
        writing = Signal()
        m.d.sync += writing.eq(done)
        last_by = later(m, by, 1, "last_by")
        for b, (bank, value) in enumerate(zip(plastic, back, strict=True)):
            stored = Signal(synapse_layout(g), name=f"stored{b}")
            m.d.sync += stored.eq(value)
            low = Mux(last_by[-1], b, 0) ^ last_by[:-1]
            m.d.comb += [
                bank.write_enable.eq(writing),
                bank.write_index.eq(Cat(low[:bits], address)),
                *bank.put(**{f.name: stored[f.name] for f in bank.table.fields}),
            ]
        return Cat(*issued[1:]).any()

    def _own(self, meta: Any, banks: tuple[Bank, Bank], field: str) -> Any:
        """In a column each lane is a row's, in a row a neuron's."""
        x, y = banks
        return Mux(meta.column, x.get(field), y.get(field))

    def _share(
        self,
        m: Module,
        walk: Walk,
        meta: Any,
        code: Bank,
        lanes: list[RuleLane],
        issued: list[Any],
        first1: Any,
        last1: Any,
        has1: Any,
    ) -> None:
        """What all lanes are told, each in its stage."""
        g = self.geometry
        shared = Signal(lanes[0].shared.shape(), name="shared")
        condition = code.get("condition")
        opens = Signal()  # the product before was the last one of its group
        with m.If(issued[1]):
            m.d.sync += opens.eq(code.get("last"))
        ends1 = Signal()
        pair1 = chosen(later(m, walk.random, 1, "random"), code.get("slot"))
        pair = Signal(64, name="pair1")
        m.d.comb += [
            ends1.eq(code.get("last") & has1 & issued[1]),
            pair.eq(pair1),
            shared.column1.eq(meta.column),
            shared.needs_x1.eq(condition[0] & meta.column),
            shared.holds1.eq(
                (meta.y0 | ~condition[1] | ~meta.column) & (meta.t0 | ~condition[2] | ~meta.column)
            ),
            shared.trace1_1.eq(meta.trace1),
            shared.trace2_1.eq(meta.trace2),
            shared.r1.eq(meta.r),
            shared.modulator1.eq(self.modulator),
            shared.low1.eq(meta.low),
            shared.high1.eq(meta.high),
            *(shared[f"factor{i}_1"].eq(code.get(f"factor{i}")) for i in range(g.factors)),
            shared.coefficient2.eq(later(m, code.get("coefficient"), 1, "coefficient")),
            shared.a2.eq(later(m, pair[:32], 1, "a")),
            shared.b3.eq(later(m, pair[32:], 2, "b")),
            shared.rounding4.eq(later(m, meta.rounding, 3, "rounding")),
            shared.first5.eq(later(m, first1 | opens, 4, "opens")),
        ]
        shift4 = later(m, code.get("shift"), 3, "shift")
        ends6 = later(m, ends1, 5, "ends")
        m.d.comb += [
            shared.shift4.eq(shift4),
            shared.shift6.eq(later(m, shift4, 2, "shift_late")),
            shared.last6.eq(ends6),
            shared.last7.eq(later(m, ends6, 1, "ends_late")),
            shared.changes7.eq(later(m, code.get("changes"), 6, "changes")),
            shared.begins7.eq(later(m, first1 & issued[1], 6, "begins")),
            shared.low7.eq(later(m, meta.low, 6, "low")),
            shared.high7.eq(later(m, meta.high, 6, "high")),
        ]
        if g.delays:
            m.d.comb += [
                shared.delay_low7.eq(later(m, meta.delay_low, 6, "delay_low")),
                shared.delay_high7.eq(later(m, meta.delay_high, 6, "delay_high")),
            ]
        m.d.comb += [lane.shared.eq(shared) for lane in lanes]

    def _deliver(self, m: Module, walk: Walk, meta: Any, lanes: list[RuleLane], word1: Any) -> None:
        """Weights as they were, a cycle after they were read."""
        g = self.geometry
        group1 = later(m, walk.group, 1, "group")
        m.d.sync += [
            self.add.eq(word1 & (meta.when == PRE)),
            self.group.eq(group1),
            self.exponent.eq(meta.exponent),
            self.receptor.eq(meta.receptor),
        ]
        for i, lane in enumerate(lanes):
            delay = lane.synapse.delay if g.delays else meta.delay
            m.d.sync += [
                getattr(self, f"weight{i}").eq(lane.synapse.weight),
                getattr(self, f"delay{i}").eq(delay),
            ]

    # Traces

    def _take_up(self, m: Module, phases: Phases, of_step: Any) -> None:
        """Traces and histories of the groups that ``phases`` goes through."""
        g, latency = self.geometry, TRACE_LATENCY
        decay = phases.decay
        trace1 = later(m, phases.trace, 1, "trace")
        which = later(m, phases.trace, latency, "which")
        place = later(m, phases.place, latency, "place")
        clears = later(m, decay.clear & phases.turn, latency, "clears")
        stores = later(m, (decay.kind == 1) & phases.turn, latency, "stores")
        keep4 = later(m, decay.keep, 4, "keep")
        late = {n: later(m, v, 6, n) for n, v in (
            ("impulse", decay.impulse), ("replace", decay.replace),
            ("top", phases.rule.trace_max))}  # fmt: skip
        left = Signal(range(latency + 1))
        m.d.comb += self.storing.eq(left != 0)
        m.d.sync += left.eq(Mux(self.storing, left - 1, 0))
        with m.If(phases.turn | phases.remember | phases.store_window):
            m.d.sync += left.eq(latency)
        fired = self._fired(m, phases)
        clear_now = clears | (phases.store_window & decay.clear)
        cleared = Mux(clears, place, phases.place)
        y_events, t_events = [], []
        kept = Signal(63)  # what a rule still asks for of its neurons' history
        m.d.comb += kept.eq(Cat(phases.rule.post_delay > age for age in range(63)))
        for i in range(g.lanes):
            m.submodules[f"trace{i}"] = lane = TraceLane(g)
            banks = {name: self.lanes[name][i] for name in self.lanes}
            y0 = Signal(name=f"y0_{i}")
            m.d.comb += y0.eq(fired[i])
            if g.post_delays:
                earlier = Cat(banks["before"].get("low"), banks["before"].get("high"))
                delay = phases.rule.post_delay
                with m.If(delay != 0):
                    m.d.comb += y0.eq((Cat(Const(0, 1), earlier) >> delay)[0])
                self._remember(m, i, banks["before"], earlier, fired[i], phases, kept)
            member = banks["ykey"].get("member")
            y_events.append(y0 & member)
            t_events.append(banks["factor"].get("teacher") & member)
            values = Array([banks[name].get("value") for name in TRACES])
            terms = Array([banks[key].get(term) for key in ("xkey", "ykey")
                           for term in ("term1", "term2")])  # fmt: skip
            m.d.comb += [
                lane.value.eq(values[trace1]),
                lane.event.eq(Mux(trace1[1], y0, banks["arrived"].get("x0"))),
                lane.term.eq(terms[trace1]),
                lane.step_hash.eq(of_step),
                lane.keep4.eq(keep4),
                lane.impulse6.eq(late["impulse"]),
                lane.replace6.eq(late["replace"]),
                lane.top6.eq(late["top"]),
            ]
            written: dict[str, Any] = {"value": lane.taken}
            if g.windows:
                histories = Array([banks[name].get("history") for name in TRACES])
                m.d.comb += [
                    lane.history.eq(histories[trace1]),
                    lane.begin.eq(phases.begin_window),
                    lane.add.eq(phases.add_window),
                    lane.worth.eq(self.single["window"].get("value")),
                    lane.replace.eq(decay.replace),
                    lane.top.eq(phases.rule.trace_max),
                ]
                written["history"] = lane.remembered
            for number, name in enumerate(TRACES):
                window_now = phases.store_window & (phases.trace == number)
                if g.windows:
                    written["value"] = Mux(window_now, lane.summed, lane.taken)
                m.d.comb += [
                    banks[name].write_enable.eq((stores & (which == number)) | window_now),
                    banks[name].write_index.eq(Mux(window_now, phases.place, place)),
                    *banks[name].put(**written),
                ]
            with m.If(clear_now):
                m.d.comb += [
                    banks["arrived"].write_enable.eq(1),
                    banks["arrived"].write_index.eq(cleared),
                    *banks["arrived"].put(x0=0),
                ]
        m.d.comb += [
            phases.y_events.eq(Cat(y_events)),
            phases.t_events.eq(Cat(t_events)),
        ]

    def _fired(self, m: Module, phases: Phases) -> list[Any]:
        """(stage 1) who fired in this step, of the group that is read."""
        g = self.geometry
        parts = g.lanes // g.update_lanes
        part_bits = (parts - 1).bit_length()
        found = []
        for i in range(g.lanes):
            m.submodules[f"fired{i}"] = bits = memory.Memory(shape=1, depth=g.groups, init=[])
            write, read = bits.write_port(), bits.read_port()
            part = self.fired_group[:part_bits] == i // g.update_lanes if parts > 1 else 1
            m.d.comb += [
                write.en.eq(self.fired_valid & part),
                write.addr.eq(self.fired_group[part_bits:]),
                write.data.eq(self.fired[i % g.update_lanes]),
                read.en.eq(phases.read_y),
                read.addr.eq(phases.group),
            ]
            found.append(read.data)
        return found

    def _remember(
        self,
        m: Module,
        lane: int,
        bank: Bank,
        earlier: Any,
        fired: Any,
        phases: Phases,
        kept: Signal,
    ) -> None:
        """The history moves on by a step; beyond what its rule asks for, it is 0."""
        moved, place, stored = Signal(63, name=f"moved{lane}"), phases.place, Signal()
        m.d.sync += moved.eq(Cat(fired, earlier[:62]) & kept)
        m.d.sync += stored.eq(later(m, phases.remember, 1, f"remember{lane}"))
        m.d.comb += [
            bank.write_enable.eq(stored),
            bank.write_index.eq(later(m, place, 2, f"remembered{lane}")),
            *bank.put(low=moved[:32], high=moved[32:]),
        ]
