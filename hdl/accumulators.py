"""One lane's accumulators behind its delay wheel, and the synapse memory that feeds them."""

from __future__ import annotations

from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .component import Component, later, stages, tree
from .geometry import Geometry, index_bits
from .layout import layout
from .memory import Bank, HostPort, choose
from .row_walker import RowWalker, row_layout


def wheel_index_bits(g: Geometry) -> int:
    """Bits of the address of an accumulator."""
    return index_bits(g.groups * g.delay_slots)


class Accumulators(Component):
    """The accumulators of one lane: sums by receptor, group and step.

    ``add`` adds ``value``, which follows two cycles later; one addition per cycle whatever the
    addresses: read, wait, add and write are a pipeline, and a sum that has yet to be written goes
    on to the next additions by itself. ``take`` reads the accumulators at ``index`` into ``sum0``,
    ``sum1`` in the next cycle, and leaves them at zero; ``value`` is 0 two cycles later. No
    ``take`` comes within three cycles of an ``add``. With ``look`` and ``take`` they are read and
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
            "value": In(signed(g.accumulator_bits)),
            "take": In(1),
            "look": In(1),
        }
        for r in range(g.receptors):
            members[f"sum{r}"] = Out(g.accumulator_bits)
            members[f"host{r}"] = In(HostPort())
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Cycle 0 reads, cycle 1 waits for block RAM, cycle 2 adds and writes."""
        m = Module()
        bits = self.geometry.accumulator_bits
        total = Signal(signed(bits))
        # What came one, two and three cycles ago.
        adding, index, receptor = (
            stages(m, now, 3, name)
            for name, now in (
                ("adding", self.add), ("index", self.index), ("receptor", self.receptor)
            )
        )  # fmt: skip
        clear = stages(m, self.take & ~self.look, 2, "clear")
        # The sums that a read misses are those of the two additions before.
        one, two = (
            adding[i] & (index[1] == index[i]) & (receptor[1] == receptor[i]) for i in (2, 3)
        )
        found: Any = self.banks[0].get("sum")
        if len(self.banks) == 2:
            found = Mux(receptor[1], self.banks[1].get("sum"), found)
        # Added is one of four, the others are 0: what was read, either sum, what the host gives.
        parts = []
        last = Signal(signed(bits), reset_less=True)
        m.d.sync += last.eq(total)
        given = self.banks[0].host_value("sum")  # with `look`, whichever bank is meant
        for name, dropped, value in (
            ("read", one | two | clear[1] | self.look, found), ("before", ~one, total),
            ("earlier", ~two | one, last), ("given", ~self.look, given),
        ):  # fmt: skip
            part = Signal(signed(bits), name=name, reset_less=True)
            m.d.sync += part.eq(value)
            with m.If(dropped):
                m.d.sync += part.eq(0)
            parts.append(part.as_unsigned())
        m.d.comb += total.eq(self.value + tree(or_, parts).as_signed())
        for r, bank in enumerate(self.banks):
            m.submodules[f"wheel{r}"] = bank
            wiring.connect(m, wiring.flipped(getattr(self, f"host{r}")), bank.host)
            mine: Any = adding[2]
            if len(self.banks) == 2:
                mine = mine & (receptor[2] == r)
            m.d.comb += [
                bank.read_enable.eq(self.add | self.take),
                bank.read_index.eq(self.index),
                bank.write_enable.eq(mine | clear[2]),
                bank.write_index.eq(index[2]),
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
            ``busy``, nor in the three cycles after.
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
        """Cycle 0 reads the synapse, 2 the accumulator; 3 shifts the weight, 4 adds it."""
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
        # A cycle of its own, since block RAM takes half of one to answer.
        delay = self._either(m, row, "delay")
        group = self._either(m, row, "group")
        receptor = later(m, row.receptor, 1, "receptor") if g.receptors == 2 else Const(0, 1)
        exponent = row.exponent if g.exponents else Const(0, 4)
        weight, valid = (later(m, weight, 1, "weight"), later(m, rows.valid, 1, "valid"))
        # 2^exponent, so that a multiplier shifts: a bit among four, and who of four has none.
        bit, others = Signal(4), Signal(4)
        decoded, fours = _decoded(exponent)
        m.d.sync += [bit.eq(Cat(decoded[0], exponent[:2], decoded[3])), others.eq(fours)]
        with m.If(exponent[1]):  # a register's own reset, instead of logic before it
            m.d.sync += bit[1].eq(0)
        with m.If(exponent[0]):
            m.d.sync += bit[2].eq(0)
        if g.rules:
            weight = Mux(self.plastic, self.plastic_weight, weight)
            plastic_bit, plastic_others = _decoded(self.plastic_exponent)
            bit = Mux(self.plastic, plastic_bit, bit)
            others = Mux(self.plastic, plastic_others, others)
            delay = Mux(self.plastic, self.plastic_delay, delay)
            group = Mux(self.plastic, self.plastic_group, group)
            receptor = Mux(self.plastic, self.plastic_receptor, receptor)
            valid = valid | self.plastic
        mantissa = Signal(signed(g.weight_bits))
        factor = Signal(max(3, g.exponents) + 1)
        product = Signal(signed(g.accumulator_bits))
        m.d.sync += [mantissa.eq(weight), product.eq(mantissa * factor)]
        for i in range(0, len(factor), 4):
            m.d.sync += factor[i : i + 4].eq(bit)
            with m.If(others[i >> 2]):
                m.d.sync += factor[i : i + 4].eq(0)
        with m.If(self.take):
            m.d.sync += mantissa.eq(0)
        m.d.comb += [
            sums.add.eq(valid),
            sums.receptor.eq(receptor),
            # While sums are taken, there is no row: then delay and group are 0.
            sums.index.eq(Cat((self.slot + delay)[:slot_bits], group | self.take_group)),
            sums.value.eq(product),
            sums.take.eq(self.take),
            sums.look.eq(self.look),
        ]
        for r in range(g.receptors):
            wiring.connect(m, wiring.flipped(getattr(self, f"host{r}")), getattr(sums, f"host{r}"))
            m.d.comb += getattr(self, f"sum{r}").eq(getattr(sums, f"sum{r}"))
        return m

    def _either(self, m: Module, row: Any, name: str) -> Any:
        """A field of dense rows, or of sparse synapses: of two registers one is 0."""
        held = []
        for kind, value, dropped in (
            ("dense", row[name], ~row.dense), ("sparse", self.synapses.get(name), row.dense)
        ):  # fmt: skip
            held.append(Signal(len(value), name=f"{kind}_{name}", reset_less=True))
            m.d.sync += held[-1].eq(value)
            with m.If(dropped):
                m.d.sync += held[-1].eq(0)
        return held[0] | held[1]


def _decoded(exponent: Any) -> tuple[Any, Any]:
    """(4 bits, 4 bits) which of four, and which fours it is not in."""
    fours = Cat(exponent[2:] != i for i in range(4))
    return Cat(exponent[:2] == i for i in range(4)), fours
