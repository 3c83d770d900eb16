"""Channels that the core drives itself: Poisson by the counter hash, periodic by counting down."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry, count_bits, index_bits
from .hash_unit import Mix
from .layout import layout
from .memory import Bank, HostPort
from .spike_queue import SpikeQueue

PIPELINE = 1 + Mix.LATENCY + 1
"""Cycles from a group's being read to its spikes' being in the queue's input."""


class Generators(Component):
    """Decide for one group of U per cycle; hand the spikes out when all are decided.

    Attributes:
        start: of a step; ``groups`` is the number of groups in use.
        key0 …: the key terms of a group, ``scanning`` while they matter; their random numbers
            are due in ``random0`` … Mix.LATENCY cycles later.
        spikes_valid, spikes_group, spikes: which generators fire, one nonempty group at a time.
        output, done: the generators that fire and have destinations.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        self.banks = [Bank(tables["generator"], writes=True) for _ in range(g.update_lanes)]
        self.queue = SpikeQueue(tables["generated"], g.update_lanes)
        members: dict[str, Any] = {
            "start": In(1),
            "groups": In(count_bits(g.generator_groups)),
            "scanning": Out(1),
            "spikes_valid": Out(1),
            "spikes_group": Out(index_bits(g.generator_groups)),
            "spikes": Out(g.update_lanes),
            "output": Out(self.queue.signature.members["output"].signature),
            "done": Out(1),
            "host_queue": In(HostPort()),
        }
        for i in range(g.update_lanes):
            members.update({f"host{i}": In(HostPort()), f"key{i}": Out(32), f"random{i}": In(32)})
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Read, hash, compare, write the counters back; push what fires."""
        m = Module()
        g = self.geometry
        m.submodules.queue = queue = self.queue
        wiring.connect(m, wiring.flipped(self.host_queue), queue.host)
        wiring.connect(m, queue.output, wiring.flipped(self.output))

        # `group[i]` is the group that was read i cycles ago.
        bits, stages = index_bits(g.generator_groups), range(PIPELINE + 1)
        group = [Signal(bits, name=f"group{i}") for i in stages]
        valid = [Signal(name=f"valid{i}") for i in stages]
        m.d.sync += [after.eq(before) for before, after in pairwise(group)]
        m.d.sync += [after.eq(before) for before, after in pairwise(valid)]
        with m.If(self.start):
            m.d.sync += [group[0].eq(0), valid[0].eq(self.groups != 0)]
        with m.Elif(valid[0]):
            m.d.sync += [group[0].eq(group[0] + 1), valid[0].eq(group[0] + 1 != self.groups)]

        fires, sends = Signal(g.update_lanes), Signal(g.update_lanes)
        for lane, bank in enumerate(self.banks):
            m.submodules[f"bank{lane}"] = bank
            wiring.connect(m, wiring.flipped(getattr(self, f"host{lane}")), bank.host)
            self._lane(m, lane, bank, group, valid, fires, sends)
        scanned, waiting = Signal(), Signal()
        m.d.comb += [
            self.scanning.eq(Cat(valid[:-1]).any()),
            self.spikes_group.eq(group[PIPELINE]),
            self.spikes_valid.eq(valid[PIPELINE] & fires.any()),
            self.spikes.eq(fires),
            queue.push.eq(valid[PIPELINE] & (fires & sends).any()),
            queue.group.eq(group[PIPELINE]),
            queue.mask.eq(fires & sends),
            queue.clear.eq(self.start),
            scanned.eq(waiting & ~Cat(valid).any()),
            queue.start.eq(scanned),
            self.done.eq(~waiting & queue.done),
        ]
        with m.If(self.start & (self.groups != 0)):
            m.d.sync += waiting.eq(1)
        with m.Elif(scanned):
            m.d.sync += waiting.eq(0)
        return m

    def _lane(
        self,
        m: Module,
        lane: int,
        bank: Bank,
        group: list[Signal],
        valid: list[Signal],
        fires: Signal,
        sends: Signal,
    ) -> None:
        """One lane's generator: its entry waits beside the hash, then is decided."""
        m.d.comb += [
            bank.read_enable.eq(valid[0]),
            bank.read_index.eq(group[0]),
            getattr(self, f"key{lane}").eq(bank.get("state")),
        ]
        names = ("state", "value", "periodic", "sends")
        entry = {name: bank.get(name) for name in names}
        for stage in range(Mix.LATENCY):
            for name, value in entry.items():
                held = Signal(value.shape(), name=f"{name}{lane}_{stage}")
                m.d.sync += held.eq(value)
                entry[name] = held
        due = entry["state"] == 0
        random = getattr(self, f"random{lane}")
        m.d.sync += [
            fires[lane].eq(Mux(entry["periodic"], due, random < entry["value"])),
            sends[lane].eq(entry["sends"]),
        ]
        m.d.comb += [
            bank.write_enable.eq(valid[PIPELINE - 1] & entry["periodic"]),
            bank.write_index.eq(group[PIPELINE - 1]),
            *bank.put(
                **{**entry, "state": Mux(due, entry["value"], entry["state"])[:32] - 1}
            ),
        ]  # fmt: skip
