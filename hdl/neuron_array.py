"""The update of all neurons: the lanes' memories and datapaths, one group per cycle."""

from __future__ import annotations

from operator import add
from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .component import Component, tree
from .geometry import Geometry, count_bits, index_bits
from .layout import layout
from .memory import Bank, HostPort
from .neuron import NEURON, PROFILE, STATE, Neuron

READ, WRITE = 2, 2 + Neuron.LATENCY
"""Cycles from a group's turn to its datapath's input and output."""


class NeuronLane(Component):
    """One lane's neurons: parameters, state and the datapath.

    The array's pipeline drives it: ``turn`` and ``group`` are lists over the cycles since a
    group's turn came, of whether there is one and which.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        names = ["select", PROFILE, NEURON, STATE, *(["injected"] if g.graded else [])]
        self.banks = {
            name: Bank(tables[name], writes=name in (STATE, "injected")) for name in names
        }
        group = index_bits(g.groups)
        members: dict[str, Any] = {
            "turn0": In(1), "group0": In(group),
            "turn1": In(1), "group1": In(group),
            "turn2": In(1), "group2": In(group),
            "write": In(1), "write_group": In(group),
            "key": Out(32), "random": In(32),
            "inject": In(1), "inject_group": In(group), "inject_value": In(signed(g.state_bits)),
            "fired": Out(1), "sends": Out(1),
            "clipped_u": Out(2), "clipped_v": Out(2), "clipped_threshold": Out(1),
        }  # fmt: skip
        members.update({f"sum{r}": In(signed(g.accumulator_bits)) for r in range(g.receptors)})
        members.update({f"host_{name}": In(HostPort()) for name in names})
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Turn: read `select`. One later: read the rest. Then the datapath, then write."""
        m = Module()
        m.submodules.datapath = neuron = Neuron(self.geometry)
        for name, bank in self.banks.items():
            m.submodules[f"bank_{name}"] = bank
            wiring.connect(m, wiring.flipped(getattr(self, f"host_{name}")), bank.host)
        banks = self.banks
        select, state = banks["select"], banks[STATE]
        sends: Any = select.get("sends")
        for stage in range(WRITE - 1):
            later = Signal(name=f"sends{stage}")
            m.d.sync += later.eq(sends)
            sends = later
        m.d.comb += [
            select.read_enable.eq(self.turn0),
            select.read_index.eq(self.group0),
            banks[PROFILE].read_enable.eq(self.turn1),
            banks[PROFILE].read_index.eq(select.get("profile")),
            banks[NEURON].read_enable.eq(self.turn1),
            banks[NEURON].read_index.eq(self.group1),
            state.read_enable.eq(self.turn1),
            state.read_index.eq(self.group1),
            *(neuron.profile[f.name].eq(banks[PROFILE].get(f.name))
              for f in banks[PROFILE].table.fields),
            *(neuron.neuron[f.name].eq(banks[NEURON].get(f.name))
              for f in banks[NEURON].table.fields),
            *(neuron.state[f.name].eq(state.get(f.name)) for f in state.table.fields),
            *(getattr(neuron, f"sum{r}").eq(getattr(self, f"sum{r}"))
              for r in range(self.geometry.receptors)),
            state.write_enable.eq(self.write),
            state.write_index.eq(self.write_group),
            *state.put(**{f.name: neuron.next_state[f.name] for f in state.table.fields}),
            self.fired.eq(neuron.next_state.fired),
            self.sends.eq(sends),
            self.clipped_u.eq(neuron.clipped_u),
            self.clipped_v.eq(neuron.clipped_v),
            self.clipped_threshold.eq(neuron.clipped_threshold),
        ]  # fmt: skip
        if self.geometry.adaptation:
            m.d.comb += [self.key.eq(banks[NEURON].get("key")), neuron.random.eq(self.random)]
        if self.geometry.graded:
            injected = banks["injected"]
            m.d.comb += [
                injected.read_enable.eq(self.turn1),
                injected.read_index.eq(self.group1),
                neuron.injected.eq(injected.get("value")),
                injected.write_enable.eq(self.turn2 | self.inject),
                injected.write_index.eq(self.group2),
                *injected.put(value=0),
            ]
            with m.If(self.inject):
                m.d.comb += [
                    injected.write_index.eq(self.inject_group),
                    *injected.put(value=self.inject_value),
                ]
        return m


class NeuronArray(Component):
    """All lanes, in step.

    Attributes:
        start: of the update; ``groups`` is the number of groups in use, at least 1.
        busy: until everything is written.
        taken: one pulse when the last group's random numbers have been asked for, so that the
            step's number may change.
        take, take_group: which accumulators are to be in ``sum{r}_{lane}`` one cycle later.
        key0 …, random0 …: key terms, and Mix.LATENCY cycles later the random numbers, per lane.
        valid, group, fired, sending: a group that is done, who fired in it, and who of those has
            destinations.
        spikes, clipped_u, clipped_v, clipped_threshold: what that group adds to the counters, one
            cycle after ``valid``, otherwise 0.
        inject, inject_group, inject_value: write a graded event into one lane.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        P, group = g.lanes, index_bits(g.groups)
        self.lanes = [NeuronLane(g) for _ in range(P)]
        self.ports = [n for n in self.lanes[0].signature.members if n.startswith("host_")]
        members: dict[str, Any] = {
            "start": In(1),
            "groups": In(count_bits(g.groups)),
            "busy": Out(1),
            "taken": Out(1),
            "take": Out(1),
            "take_group": Out(group),
            "valid": Out(1),
            "group": Out(group),
            "fired": Out(P),
            "sending": Out(P),
            "inject": In(P),
            "inject_group": In(group),
            "inject_value": In(signed(g.state_bits)),
        }
        for name in ("spikes", "clipped_u", "clipped_v", "clipped_threshold"):
            members[name] = Out(count_bits(2 * P))
        for lane in range(P):
            members.update({f"key{lane}": Out(32), f"random{lane}": In(32)})
            for r in range(g.receptors):
                members[f"sum{r}_{lane}"] = In(signed(g.accumulator_bits))
            members.update({f"{name}_{lane}": In(HostPort()) for name in self.ports})
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """A counter of groups, and a row of registers that remembers where each group is."""
        m = Module()
        turn = [Signal(name=f"turn{i}") for i in range(WRITE + 1)]
        group = [
            Signal(index_bits(self.geometry.groups), name=f"group{i}") for i in range(WRITE + 1)
        ]
        for before, after in zip(turn[:-1] + group[:-1], turn[1:] + group[1:], strict=True):
            m.d.sync += after.eq(before)
        with m.If(self.start):
            m.d.sync += [turn[0].eq(1), group[0].eq(0)]
        with m.Elif(turn[0]):
            m.d.sync += [turn[0].eq(group[0] + 1 != self.groups), group[0].eq(group[0] + 1)]
        m.d.comb += [
            self.busy.eq(Cat(turn).any()),
            self.take.eq(turn[1]),
            self.take_group.eq(group[1]),
            # The key terms are on the hash's input two cycles after the turn.
            self.taken.eq(turn[READ + 1] & ~turn[READ]),
            self.valid.eq(turn[WRITE]),
            self.group.eq(group[WRITE]),
        ]
        for number, lane in enumerate(self.lanes):
            m.submodules[f"lane{number}"] = lane
            for name in self.ports:
                port = getattr(self, f"{name}_{number}")
                wiring.connect(m, wiring.flipped(port), getattr(lane, name))
            m.d.comb += [
                *(getattr(lane, f"turn{i}").eq(turn[i]) for i in range(3)),
                *(getattr(lane, f"group{i}").eq(group[i]) for i in range(3)),
                lane.write.eq(turn[WRITE]),
                lane.write_group.eq(group[WRITE]),
                *(getattr(lane, f"sum{r}").eq(getattr(self, f"sum{r}_{number}"))
                  for r in range(self.geometry.receptors)),
                getattr(self, f"key{number}").eq(lane.key),
                lane.random.eq(getattr(self, f"random{number}")),
                lane.inject.eq(self.inject[number]),
                lane.inject_group.eq(self.inject_group),
                lane.inject_value.eq(self.inject_value),
                self.fired[number].eq(lane.fired & turn[WRITE]),
                self.sending[number].eq(lane.fired & lane.sends & turn[WRITE]),
            ]  # fmt: skip
        self._count(m, "spikes", "fired", turn[WRITE])
        for name in ("clipped_u", "clipped_v", "clipped_threshold"):
            self._count(m, name, name, turn[WRITE])
        return m

    def _count(self, m: Module, name: str, of: str, valid: Signal) -> None:
        total = tree(add, (getattr(lane, of) for lane in self.lanes))
        m.d.sync += getattr(self, name).eq(0)
        with m.If(valid):
            m.d.sync += getattr(self, name).eq(total)
