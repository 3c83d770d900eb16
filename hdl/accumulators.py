"""One lane's accumulators behind its delay wheel, and the synapse memory that feeds them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry, index_bits
from .layout import layout
from .memory import Bank, HostPort
from .row_walker import RowWalker, row_layout


def wheel_index_bits(g: Geometry) -> int:
    """Bits of the address of an accumulator."""
    return index_bits(g.groups * g.delay_slots)


class Accumulators(Component):
    """The accumulators of one lane: sums by receptor, group and step.

    ``add`` adds ``value``, one addition per cycle whatever the addresses (read, add and write are
    a pipeline, and the memory forwards what is being written). ``take`` reads the accumulators of
    one group and step into ``sum0``, ``sum1`` in the next cycle, and leaves them at zero. The two
    never come in the same or in neighbouring cycles.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        self.banks = [
            Bank(tables[f"wheel{r}"], forward=True, writes=True) for r in range(g.receptors)
        ]
        bits = wheel_index_bits(g)
        members: dict[str, Any] = {
            "add": In(1),
            "receptor": In(1),
            "index": In(bits),
            "value": In(g.accumulator_bits),
            "take": In(1),
            "take_index": In(bits),
        }
        for r in range(g.receptors):
            members[f"sum{r}"] = Out(g.accumulator_bits)
            members[f"host{r}"] = In(HostPort())
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Cycle 1 reads, cycle 2 adds and writes."""
        m = Module()
        index = Signal.like(self.index)
        value = Signal.like(self.value)
        clear = Signal()
        m.d.sync += [
            index.eq(Mux(self.take, self.take_index, self.index)),
            value.eq(self.value),
            clear.eq(self.take),
        ]
        for r, bank in enumerate(self.banks):
            m.submodules[f"wheel{r}"] = bank
            wiring.connect(m, wiring.flipped(getattr(self, f"host{r}")), bank.host)
            add, adding = Signal(name=f"add{r}"), Signal(name=f"adding{r}")
            m.d.sync += adding.eq(add)
            m.d.comb += [
                add.eq(self.add & (self.receptor == r)),
                bank.read_enable.eq(add | self.take),
                bank.read_index.eq(Mux(self.take, self.take_index, self.index)),
                bank.write_enable.eq(adding | clear),
                bank.write_index.eq(index),
                *bank.put(sum=Mux(clear, 0, bank.get("sum") + value)),
                getattr(self, f"sum{r}").eq(bank.get("sum")),
            ]
        return m


class SynapseLane(Component):
    """A lane's synapse memory, its way through it, and its accumulators.

    Attributes:
        push, row, full, busy: rows to walk, as of ``RowWalker``.
        slot: step modulo the depth of the wheel.
        take, take_group: as ``take`` of the accumulators, of this step; not while ``busy``, nor in
            the cycle after.
        sum0, sum1: what was taken.
        host_synapse, host0, host1: the host's ports.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        self.synapses = Bank(layout(g)["synapse"])
        self.accumulators = Accumulators(g)
        members: dict[str, Any] = {
            "push": In(1),
            "row": In(row_layout(g)),
            "full": Out(1),
            "busy": Out(1),
            "slot": In(index_bits(g.delay_slots)),
            "take": In(1),
            "take_group": In(index_bits(g.groups)),
            "host_synapse": In(HostPort()),
        }
        for r in range(g.receptors):
            members[f"sum{r}"] = Out(g.accumulator_bits)
            members[f"host{r}"] = In(HostPort())
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Cycle 0 reads the synapse, cycle 1 shifts its weight and addresses the accumulator."""
        m = Module()
        g = self.geometry
        m.submodules.synapses = synapses = self.synapses
        m.submodules.accumulators = sums = self.accumulators
        m.submodules.rows = rows = RowWalker(g)
        wiring.connect(m, wiring.flipped(self.host_synapse), synapses.host)
        m.d.comb += [
            rows.push.eq(self.push),
            rows.row.eq(self.row),
            rows.last.eq(synapses.get("last")),
            self.full.eq(rows.full),
            self.busy.eq(rows.busy),
            synapses.read_enable.eq(1),
            synapses.read_index.eq(rows.address),
        ]

        row, part_bits = rows.walked, rows.part_bits
        dense = [
            synapses.read0[i * g.weight_bits : (i + 1) * g.weight_bits].as_signed()  # type: ignore[attr-defined]
            for i in range(1 << part_bits)
        ]
        dense_weight = Array(dense)[row.group[:part_bits]] if part_bits else dense[0]
        weight = Mux(row.dense, dense_weight, synapses.get("weight"))
        slot_bits = (g.delay_slots - 1).bit_length()
        delay = Mux(row.dense, row.delay, synapses.get("delay"))
        group = Mux(row.dense, row.group, synapses.get("group"))
        m.d.comb += [
            sums.add.eq(rows.valid),
            sums.receptor.eq(row.receptor if g.receptors == 2 else 0),
            sums.index.eq(Cat((self.slot + delay)[:slot_bits], group)),
            sums.value.eq(weight.as_signed() << row.exponent),
            sums.take.eq(self.take),
            sums.take_index.eq(Cat(self.slot[:slot_bits], self.take_group)),
        ]
        for r in range(g.receptors):
            wiring.connect(m, wiring.flipped(getattr(self, f"host{r}")), getattr(sums, f"host{r}"))
            m.d.comb += getattr(self, f"sum{r}").eq(getattr(sums, f"sum{r}"))
        return m
