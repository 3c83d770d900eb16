"""One lane's accumulators behind its delay wheel, and the synapse memory that feeds them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .component import Component, later
from .geometry import Geometry, index_bits
from .layout import layout
from .memory import Bank, HostPort, choose
from .row_walker import RowWalker, row_layout


def wheel_index_bits(g: Geometry) -> int:
    """Bits of the address of an accumulator."""
    return index_bits(g.groups * g.delay_slots)


class Accumulators(Component):
    """The accumulators of one lane: sums by receptor, group and step.

    ``add`` adds ``value``, which follows one cycle later; one addition per cycle whatever the
    addresses (read, add and write are a pipeline, and a sum that is just being written goes on to
    the next addition by itself). Two additions are to the same address if their ``place`` and
    ``receptor`` are the same: the address without what is the same in the whole step, known a
    little earlier. ``take`` reads the accumulators at ``index`` into ``sum0``,
    ``sum1`` in the next cycle, and leaves them at zero; ``value`` is 0 then. The two
    never come in the same or in neighbouring cycles. With ``look`` and ``take`` they are read and
    left; what the host writes then goes through the adder, too.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        self.banks = [
            Bank(tables[f"wheel{r}"], writes=True, through=True) for r in range(g.receptors)
        ]
        bits = wheel_index_bits(g)
        members: dict[str, Any] = {
            "add": In(1),
            "receptor": In(1),
            "index": In(bits),
            "place": In(bits),
            "value": In(signed(g.accumulator_bits)),
            "take": In(1),
            "look": In(1),
        }
        for r in range(g.receptors):
            members[f"sum{r}"] = Out(g.accumulator_bits)
            members[f"host{r}"] = In(HostPort())
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Cycle 1 reads, cycle 2 adds and writes."""
        m = Module()
        bits = self.geometry.accumulator_bits
        index, place, receptor = Signal.like(self.index), Signal.like(self.place), Signal()
        adding, clear, again, keep = Signal(), Signal(), Signal(), Signal()
        total = Signal(signed(bits))
        before = Signal(signed(bits), reset_less=True)
        m.d.sync += [
            index.eq(self.index),
            place.eq(self.place),
            receptor.eq(self.receptor),
            adding.eq(self.add),
            clear.eq(self.take & ~self.look),
            # Added is what was read, or the sum that the read missed: the other one is 0.
            keep.eq(~again & ~self.take),
            before.eq(0),
        ]
        m.d.comb += again.eq(adding & (self.place == place) & (self.receptor == receptor))
        with m.If(again):
            m.d.sync += before.eq(total)
        found: Any = self.banks[0].get("sum")
        if len(self.banks) == 2:
            found = Mux(receptor, self.banks[1].get("sum"), found)
        stored = Signal(signed(bits))
        given = self.banks[0].host_value("sum").as_signed()  # with `look`, whichever bank is meant
        m.d.comb += [
            stored.eq(Mux(keep, found, 0) | before | Mux(self.look, given, 0)),
            total.eq(self.value + stored),
        ]
        for r, bank in enumerate(self.banks):
            m.submodules[f"wheel{r}"] = bank
            wiring.connect(m, wiring.flipped(getattr(self, f"host{r}")), bank.host)
            mine = adding & (receptor == r) if len(self.banks) == 2 else adding
            m.d.comb += [
                bank.read_enable.eq(self.add | self.take),
                bank.read_index.eq(self.index),
                bank.write_enable.eq(mine | clear),
                bank.write_index.eq(index),
                *bank.put(sum=total),
                getattr(self, f"sum{r}").eq(bank.get("sum")),
            ]
        return m


class SynapseLane(Component):
    """A lane's synapse memory, its way through it, and its accumulators.

    Attributes:
        push, offered, row, full, busy: rows to walk, as of ``RowWalker``.
        slot: step modulo the depth of the wheel.
        take: as ``take`` of the accumulators, those of ``take_group`` and ``slot``; not while
            ``busy``, nor in the two cycles after.
        take_group: 0 without ``take``.
        look: while the host has access; the synapses that it reads are those that an offered row
            begins with, and the accumulators those that it takes.
        sum0, sum1: what was taken.
        plastic, plastic_weight, plastic_exponent, plastic_group, plastic_delay, plastic_receptor: a
            synapse that the learning engine delivers, never while ``busy``.
        host_synapse, host0, host1: the host's ports.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        self.synapses = Bank(layout(g)["synapse"], through=True)
        self.accumulators = Accumulators(g)
        members: dict[str, Any] = {
            "push": In(1),
            "offered": In(1),
            "row": In(row_layout(g)),
            "full": Out(1),
            "busy": Out(1),
            "slot": In(index_bits(g.delay_slots)),
            "take": In(1),
            "take_group": In(index_bits(g.groups)),
            "look": In(1),
            "host_synapse": In(HostPort()),
        }
        if g.rules:
            members.update({
                "plastic": In(1), "plastic_weight": In(signed(g.weight_bits)),
                "plastic_exponent": In(4), "plastic_group": In(index_bits(g.groups)),
                "plastic_delay": In(index_bits(g.delay_slots)), "plastic_receptor": In(1),
            })  # fmt: skip
        for r in range(g.receptors):
            members[f"sum{r}"] = Out(g.accumulator_bits)
            members[f"host{r}"] = In(HostPort())
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Cycle 0 reads the synapse, 2 the accumulator; cycle 3 shifts the weight and adds it."""
        m = Module()
        g = self.geometry
        m.submodules.synapses = synapses = self.synapses
        m.submodules.accumulators = sums = self.accumulators
        m.submodules.rows = rows = RowWalker(g)
        wiring.connect(m, wiring.flipped(self.host_synapse), synapses.host)
        m.d.comb += [
            rows.push.eq(self.push),
            rows.offered.eq(self.offered),
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
        # A sparse weight is where the first dense one is.
        part = row.group[:part_bits] & row.dense.replicate(part_bits)
        weight = choose(dict(enumerate(dense)), part).as_signed()
        slot_bits = (g.delay_slots - 1).bit_length()
        delay = Mux(row.dense, row.delay, synapses.get("delay"))
        group = Mux(row.dense, row.group, synapses.get("group"))
        valid, exponent = rows.valid, row.exponent if g.exponents else Const(0, 1)
        receptor = row.receptor if g.receptors == 2 else Const(0, 1)
        # A cycle of its own, since block RAM takes half of one to answer. It delays no step: the
        # update takes sums two cycles after the last entry has been read, in any case.
        names = ("weight", "exponent", "delay", "group", "receptor", "valid")
        weight, exponent, delay, group, receptor, valid = (
            later(m, value, 1, name)
            for name, value in zip(
                names, (weight, exponent, delay, group, receptor, valid), strict=True
            )
        )
        if g.rules:
            weight = Mux(self.plastic, self.plastic_weight, weight)
            exponent = Mux(self.plastic, self.plastic_exponent, exponent)
            delay = Mux(self.plastic, self.plastic_delay, delay)
            group = Mux(self.plastic, self.plastic_group, group)
            receptor = Mux(self.plastic, self.plastic_receptor, receptor)
            valid = valid | self.plastic
        # 2^exponent, so that a multiplier shifts; not in the cycle in which the memory reads, which
        # is a long one.
        mantissa = Signal(signed(g.weight_bits))
        factor = Signal(max(3, g.exponents) + 1)
        m.d.sync += [mantissa.eq(weight), factor.eq(1 << exponent)]
        with m.If(self.take):
            m.d.sync += mantissa.eq(0)
        m.d.comb += [
            sums.add.eq(valid),
            sums.receptor.eq(receptor),
            # While sums are taken, there is no row: then delay and group are 0.
            sums.place.eq(Cat(delay[:slot_bits], group | self.take_group)),
            sums.index.eq(Cat((self.slot + delay)[:slot_bits], sums.place[slot_bits:])),
            sums.value.eq(mantissa * factor),
            sums.take.eq(self.take),
            sums.look.eq(self.look),
        ]
        for r in range(g.receptors):
            wiring.connect(m, wiring.flipped(getattr(self, f"host{r}")), getattr(sums, f"host{r}"))
            m.d.comb += getattr(self, f"sum{r}").eq(getattr(sums, f"sum{r}"))
        return m
