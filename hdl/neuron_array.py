"""The update of all neurons: memories and datapaths, one group of U neurons per cycle."""

from __future__ import annotations

from operator import add, or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .component import Component, tree
from .geometry import Geometry, count_bits, index_bits
from .layout import layout
from .memory import Bank, HostPort, choose
from .neuron import NEURON, PROFILE, STATE, Neuron

READ, WRITE = 2, 2 + Neuron.LATENCY
"""Cycles from a group's turn to its datapath's first input and to its output."""


class NeuronUnit(Component):
    """Every U-th neuron: parameters, state and the datapath.

    The array's pipeline drives it: ``turn{i}`` and ``group{i}`` say whether a group's turn came
    ``i`` cycles ago, and which.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        self.banks = {
            "select": Bank(tables["select"]),
            PROFILE: Bank(tables[PROFILE], apart=True),
            NEURON: Bank(tables[NEURON], apart=True),
            STATE: Bank(tables[STATE], writes=True, through=True),
        }
        if g.graded:
            self.banks["injected"] = Bank(tables["injected"], writes=True)
        group = index_bits(g.update_groups)
        members: dict[str, Any] = {
            "key": Out(32), "random": In(32),
            "inject": In(1), "inject_group": In(group), "inject_value": In(signed(g.state_bits)),
            "fired": Out(1), "sends": Out(1), "shown": Out(32),
            "clipped_u": Out(2), "clipped_v": Out(2), "clipped_threshold": Out(1),
        }  # fmt: skip
        for i in range(WRITE + 1):
            members.update({f"turn{i}": In(1), f"group{i}": In(group)})
        members.update({f"sum{r}": In(signed(g.accumulator_bits)) for r in range(g.receptors)})
        members.update({f"host_{name}": In(HostPort()) for name in self.banks})
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Turn: read `select`. One later: profile and state. Everything else in its time."""
        m = Module()
        g, banks = self.geometry, self.banks
        m.submodules.datapath = neuron = Neuron(g)
        for name, bank in banks.items():
            m.submodules[f"bank_{name}"] = bank
            wiring.connect(m, wiring.flipped(getattr(self, f"host_{name}")), bank.host)
        select, state, profile = banks["select"], banks[STATE], banks[PROFILE]
        turn = [getattr(self, f"turn{i}") for i in range(WRITE + 1)]
        group = [getattr(self, f"group{i}") for i in range(WRITE + 1)]
        # What `select` said, in the cycles after it.
        chosen, sends = [select.get("profile")], [select.get("sends")]
        for i in range(WRITE - 1):
            chosen.append(Signal.like(chosen[0], name=f"profile{i + 2}"))
            sends.append(Signal(name=f"sends{i + 2}"))
            m.d.sync += [chosen[-1].eq(chosen[-2]), sends[-1].eq(sends[-2])]
        phases, host = Neuron.phases(g), state.host
        for bank in (profile, banks[NEURON]):
            for field in bank.table.fields:
                at = READ + phases.get(field.name, 0) - 1
                index = chosen[at - 1] if bank is profile else group[at]
                m.d.comb += [
                    getattr(bank, f"read_enable{field.column}").eq(1),
                    getattr(bank, f"read_index{field.column}").eq(index),
                ]
        m.d.comb += [
            # What is read between turns goes through the datapath and is not written.
            select.read_enable.eq(1),
            select.read_index.eq(group[0]),
            state.read_enable.eq(1),
            state.read_index.eq(Mux(host.access, host.index, group[1])),
            *(neuron.profile[f.name].eq(profile.get(f.name)) for f in profile.table.fields),
            *(neuron.neuron[f.name].eq(banks[NEURON].get(f.name))
              for f in banks[NEURON].table.fields),
            *(neuron.state[f.name].eq(state.get(f.name)) for f in state.table.fields),
            *(getattr(neuron, f"sum{r}").eq(getattr(self, f"sum{r}")) for r in range(g.receptors)),
            state.write_enable.eq(turn[WRITE]),
            state.write_index.eq(Mux(host.access, host.index, group[WRITE])),
            *state.put(**{f.name: neuron.next_state[f.name] for f in state.table.fields}),
            self.shown.eq(self._shown(neuron)),
            self.fired.eq(neuron.next_state.fired),
            self.sends.eq(sends[WRITE - 1]),
            self.clipped_u.eq(neuron.clipped_u),
            self.clipped_v.eq(neuron.clipped_v),
            self.clipped_threshold.eq(neuron.clipped_threshold),
        ]  # fmt: skip
        giving = host.access & host.giving
        m.d.sync += [
            neuron.look.eq(host.access & ~host.giving),
            neuron.load.eq(giving),
            *(neuron.given[f.name].eq(Mux(giving, state.host_value(f.name), 0))
              for f in state.table.fields),
        ]  # fmt: skip
        if g.adaptation:
            m.d.comb += [self.key.eq(banks[NEURON].get("key")), neuron.random.eq(self.random)]
        if g.graded:
            at = READ + phases["injected"] - 1
            injected = banks["injected"]
            m.d.comb += [
                injected.read_enable.eq(turn[at]),
                injected.read_index.eq(group[at]),
                neuron.injected.eq(injected.get("value")),
                injected.write_enable.eq(turn[at + 1] | self.inject),
                injected.write_index.eq(group[at + 1]),
                *injected.put(value=0),
            ]
            with m.If(self.inject):
                m.d.comb += [
                    injected.write_index.eq(self.inject_group),
                    *injected.put(value=self.inject_value),
                ]
        return m

    def _shown(self, neuron: Neuron) -> Value:
        """What the host asks of state, neuron and sums: through the datapath, the rest as it is.

        What comes through the datapath stands at the lowest bits of its column.
        """
        through = {"u0", "v", "bias"}
        parts = [neuron.seen.as_unsigned()]
        for bank in (self.banks[STATE], self.banks[NEURON]):
            parts += [
                bank.get(f.name).as_unsigned() << f.offset
                for f in bank.table.fields
                if f.name not in through
            ]
        for r in range(self.geometry.receptors):
            above = getattr(self, f"sum{r}").as_unsigned()[self.geometry.state_bits :]
            parts.append(above << self.geometry.state_bits)
        return tree(or_, parts)


class NeuronArray(Component):
    """All units, in step.

    Attributes:
        start: of the update; ``groups`` is the number of groups in use, at least 1.
        busy: until everything is written.
        taken: one pulse when the last group's random numbers have been asked for, so that the
            step's number may change.
        take, take_group: which accumulators of all P lanes are to be in ``sum{r}_{lane}`` one cycle
            later, and to stay there until the next ones.
        look, look_part: the host looks at the sums of these U of P lanes.
        shown{unit}: what the host asks of tables ``state`` and ``neuron`` and of the sums.
        key0 …, random0 …: key terms, and Mix.LATENCY cycles later the random numbers, per unit.
        valid, group, fired, sending: a group that is done, who fired in it, and who of those has
            destinations.
        spikes, clipped_u, clipped_v, clipped_threshold: what that group adds to the counters, one
            cycle after ``valid``, otherwise 0.
        inject, inject_group, inject_value: write a graded event into one unit.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        U, group = g.update_lanes, index_bits(g.update_groups)
        self.units = [NeuronUnit(g) for _ in range(U)]
        self.ports = [n for n in self.units[0].signature.members if n.startswith("host_")]
        members: dict[str, Any] = {
            "start": In(1),
            "groups": In(count_bits(g.update_groups)),
            "busy": Out(1),
            "taken": Out(1),
            "take": Out(1),
            "take_group": Out(index_bits(g.groups)),
            "look": In(1),
            "look_part": In(index_bits(g.lanes // U)),
            "valid": Out(1),
            "group": Out(group),
            "fired": Out(U),
            "sending": Out(U),
            "inject": In(U),
            "inject_group": In(group),
            "inject_value": In(signed(g.state_bits)),
        }
        for name in ("spikes", "clipped_u", "clipped_v", "clipped_threshold"):
            members[name] = Out(count_bits(2 * U))
        for unit in range(U):
            members.update({f"key{unit}": Out(32), f"random{unit}": In(32)})
            members[f"shown{unit}"] = Out(32)
            members.update({f"{name}_{unit}": In(HostPort()) for name in self.ports})
        for r in range(g.receptors):
            for lane in range(g.lanes):
                members[f"sum{r}_{lane}"] = In(signed(g.accumulator_bits))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """A counter of groups, and a row of registers that remembers where each group is."""
        m = Module()
        g, U = self.geometry, self.geometry.update_lanes
        turn = [Signal(name=f"turn{i}") for i in range(WRITE + 1)]
        group = [Signal(index_bits(g.update_groups), name=f"group{i}") for i in range(WRITE + 1)]
        for before, after in zip(turn[:-1] + group[:-1], turn[1:] + group[1:], strict=True):
            m.d.sync += after.eq(before)
        # The last sums of rows are written before they are taken.
        begins = Signal()
        m.d.sync += begins.eq(self.start)
        with m.If(begins):
            m.d.sync += [turn[0].eq(1), group[0].eq(0)]
        with m.Elif(turn[0]):
            m.d.sync += [turn[0].eq(group[0] + 1 != self.groups), group[0].eq(group[0] + 1)]
        # Of P lanes' sums, U are used in a cycle.
        part_bits = (g.lanes // U - 1).bit_length()
        part = Mux(self.look, self.look_part, group[READ])[:part_bits]
        m.d.comb += [
            self.busy.eq(begins | Cat(turn).any()),
            self.take.eq(turn[1] & (group[1][:part_bits] == 0)),
            self.take_group.eq(group[1][part_bits:]),
            # The key terms are on the hash's input two cycles after the turn.
            self.taken.eq(turn[READ + 1] & ~turn[READ]),
            self.valid.eq(turn[WRITE]),
            self.group.eq(group[WRITE]),
        ]
        for number, unit in enumerate(self.units):
            m.submodules[f"unit{number}"] = unit
            for name in self.ports:
                port = getattr(self, f"{name}_{number}")
                wiring.connect(m, wiring.flipped(port), getattr(unit, name))
            for r in range(g.receptors):
                sums = {i: getattr(self, f"sum{r}_{i * U + number}") for i in range(g.lanes // U)}
                m.d.comb += getattr(unit, f"sum{r}").eq(choose(sums, part))
            m.d.comb += [
                getattr(self, f"shown{number}").eq(unit.shown),
                *(getattr(unit, f"turn{i}").eq(turn[i]) for i in range(WRITE + 1)),
                *(getattr(unit, f"group{i}").eq(group[i]) for i in range(WRITE + 1)),
                getattr(self, f"key{number}").eq(unit.key),
                unit.random.eq(getattr(self, f"random{number}")),
                unit.inject.eq(self.inject[number]),
                unit.inject_group.eq(self.inject_group),
                unit.inject_value.eq(self.inject_value),
                self.fired[number].eq(unit.fired & turn[WRITE]),
                self.sending[number].eq(unit.fired & unit.sends & turn[WRITE]),
            ]
        for name, of in (
            ("spikes", "fired"), ("clipped_u", "clipped_u"), ("clipped_v", "clipped_v"),
            ("clipped_threshold", "clipped_threshold"),
        ):  # fmt: skip
            total = tree(add, (getattr(unit, of) for unit in self.units))
            m.d.sync += getattr(self, name).eq(0)
            with m.If(turn[WRITE]):
                m.d.sync += getattr(self, name).eq(total)
        return m
