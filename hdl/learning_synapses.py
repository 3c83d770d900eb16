"""The synapses' way through the learning engine: memories, exchange, lanes, and back.

A plastic synapse of row ``a`` and neuron ``l`` of a square of P by P is in memory ``a xor l``: so P
synapses of a row and P synapses of a column are in different memories alike. Between memories and
lanes stands a network of log P exchanges, one way and the other.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed

from .component import later
from .geometry import Geometry
from .learning_lane import (
    DONE,
    SUMMED,
    RuleLane,
    factor_bits,
    shared_layout,
    synapse_layout,
)
from .learning_tables import (
    MODULATOR,
    ONE,
    SHARED,
    SHARED1,
    SHARED2,
    SHARED_THIRD,
)
from .learning_walk import PRE, Walk, chosen
from .memory import Bank, choose


class Synapses:
    """Builds the pipeline around a ``Walk``.

    Args:
        g: the core.
        m: the module that it becomes a part of.
        walk: says which word is next.
        plastic: memories of synapses. code: that of products.
        modulator: the register.
        own: stage 1: of each lane, what the neuron or row has of its own: ``trace1``, ``trace2``,
            ``third``, ``x0``, ``index``, as far as built.

    Attributes:
        early: something has been issued that has yet to be delivered.
        working: something has yet to be written.
    """

    def __init__(
        self,
        g: Geometry,
        m: Module,
        walk: Walk,
        plastic: list[Bank],
        code: Bank,
        modulator: Any,
        own: list[dict[str, Any]],
    ) -> None:
        self._g, self._m, self._walk = g, m, walk
        self._plastic, self._code, self._modulator = plastic, code, modulator
        self._bits = (g.lanes - 1).bit_length()
        self._issued = issued = [walk.issue]
        for i in range(1, DONE + 2):
            issued.append(Signal(name=f"issued{i}"))
            m.d.sync += issued[-1].eq(issued[-2])
        self._meta = later(m, walk.walk, 1, "meta")
        self._meta2 = later(m, self._meta, 1, "meta_again")
        self._first = later(m, walk.first, 1, "first")
        self._has = Signal()
        m.d.comb += self._has.eq(self._meta.products != 0)
        self.lanes = self._read(own)
        self._share()
        self._write()
        self.early = Cat(*issued[1:3]).any()
        self.working = Cat(*issued[1:]).any()

    def _exchange(self, values: list[Any], by: Any, name: str) -> list[Any]:
        """Value ``i`` goes to place ``i xor by``."""
        for bit in range(self._bits):
            made = []
            for i, value in enumerate(values):
                made.append(Signal(len(value), name=f"{name}{bit}_{i}"))
                self._m.d.comb += made[-1].eq(Mux(by[bit], values[i ^ (1 << bit)], value))
            values = made
        return values

    def _read(self, own: list[dict[str, Any]]) -> list[RuleLane]:
        """Stage 1: the word is on the memories' outputs, and stays for all of its products; 2: the
        lanes have it."""
        m, walk = self._m, self._walk
        for b, bank in enumerate(self._plastic):
            low = Mux(walk.walk.column, b, 0) ^ walk.walk.lane
            m.d.comb += [
                bank.read_enable.eq(walk.read),
                bank.read_index.eq(Cat(low[: self._bits], walk.address)),
            ]
        words = [Cat(*(bank.get(f.name) for f in bank.table.fields)) for bank in self._plastic]
        lanes = []
        for i, word in enumerate(self._exchange(words, self._meta.lane, "word")):
            m.submodules[f"lane{i}"] = lane = RuleLane(self._g)
            lanes.append(lane)
            m.d.sync += lane.synapse.eq(word)
            m.d.sync += [getattr(lane, name).eq(value) for name, value in own[i].items()]
        return lanes

    def _share(self) -> None:
        """What all lanes are told, each in its stage."""
        g, m, meta, code = self._g, self._m, self._meta, self._code
        shared = Signal(shared_layout(g), name="shared")
        condition = code.get("condition")
        first, last = SUMMED - 1, SUMMED + 1
        opens = Signal()  # the product before was the last one of its group
        with m.If(self._issued[1]):
            m.d.sync += opens.eq(code.get("last"))
        ends = Signal()
        column, coefficient = meta.column, Signal(signed(g.coefficient_bits))
        names = [name for name in ("low", "high") if code.table.has(name)]
        m.d.comb += [
            ends.eq(code.get("last") & self._has & self._issued[1]),
            coefficient.eq(Cat(*(code.get(name) for name in names))),
            shared.coefficient.eq(later(m, coefficient, SUMMED - 2 - g.factors, "coefficient")),
            shared[f"first{first}"].eq(later(m, self._first | opens, first - 1, "opens")),
            shared[f"last{last}"].eq(later(m, ends, last - 1, "ends")),
            shared[f"changes{last}"].eq(later(m, code.get("changes"), last - 1, "changes")),
            shared[f"begins{last}"].eq(
                later(m, self._first & self._issued[1], last - 1, "begins")
            ),
            shared[f"low{last}"].eq(later(m, meta.low, last - 1, "low")),
            shared[f"high{last}"].eq(later(m, meta.high, last - 1, "high")),
        ]  # fmt: skip
        if g.by_weight:
            m.d.comb += [shared.low2.eq(self._meta2.low), shared.high2.eq(self._meta2.high)]
        if g.delays:
            m.d.comb += [
                shared[f"delay_low{last}"].eq(later(m, meta.delay_low, last - 1, "delay_low")),
                shared[f"delay_high{last}"].eq(later(m, meta.delay_high, last - 1, "delay_high")),
            ]
        held = (meta.y0 | ~condition[1] | ~column) & (meta.t0 | ~condition[2] | ~column)
        m.d.sync += [shared.needs_x2.eq(condition[0] & column), shared.holds2.eq(held)]
        for i in range(g.factors):
            factor = code.get(f"factor{i}")
            m.d.sync += shared[f"factor{i}_2"].eq(factor)
            if g.shared:
                m.d.sync += shared[f"operand{i}_2"].eq(self._operand(factor[:4]))
        self._random(shared)

    def _operand(self, code: Any) -> Any:
        """(stage 1) a factor that all lanes share."""
        g, meta = self._g, self._meta
        values: dict[int, Any] = {SHARED1: meta.trace1, MODULATOR: self._modulator,
                                  ONE: Const(1, 1)}  # fmt: skip
        if g.seconds:
            values[SHARED2] = meta.trace2
        if g.thirds:
            values[SHARED_THIRD] = meta.third
        wide = {}
        for number, value in values.items():
            wide[number - SHARED] = Signal(signed(factor_bits(g)), name=f"operand{number}")
            self._m.d.comb += wide[number - SHARED].eq(value)
        return choose(wide, code[:3])

    def _random(self, shared: Any) -> None:
        """Random numbers of the lanes: those of the first one and of what each is further on."""
        g, m, at = self._g, self._m, SUMMED - 1
        pair = Signal(64, name="pair")
        m.d.comb += pair.eq(
            chosen(later(m, self._walk.random, 1, "random"), self._code.get("slot"))
        )
        base = shared[f"base{at}"]
        m.d.comb += base.eq(later(m, pair[32:], at - 1, "base"))
        if g.scattered:
            multiples = [later(m, pair[:32], at - 2, "multiple")] * g.lanes
        else:
            multiples = self._multiples(later(m, pair[:32], at - 3, "multiple"))
        for lane, multiple in zip(self.lanes, multiples, strict=True):
            m.d.comb += [lane.shared.eq(shared), lane.multiple.eq(multiple)]

    def _multiples(self, a: Any) -> list[Any]:
        """0 to P − 1 times a, two cycles later: eights and the rest, and their sums."""
        m, lanes = self._m, self._g.lanes
        small: list[Any] = [Const(0, 32)]
        for i in range(1, min(8, lanes)):
            small.append(Signal(32, name=f"times{i}"))
            made = a << 3 if i == 7 else sum(a << bit for bit in range(3) if i >> bit & 1)
            m.d.sync += small[-1].eq(made - a if i == 7 else made)
        found = []
        for i in range(lanes):
            found.append(Signal(32, name=f"multiple_{i}"))
            high = small[i >> 3] << 3
            m.d.sync += found[-1].eq(small[i & 7] + high if i >> 3 else small[i & 7])
        return found

    def _write(self) -> None:
        """Stage DONE: the new word goes back the same way."""
        g, m, walk = self._g, self._m, self._walk
        done = self._issued[DONE] & later(m, later(m, walk.last, 1, "last") & self._has, DONE - 1,
                                          "written")  # fmt: skip
        by = later(m, Cat(walk.walk.lane, walk.walk.column), DONE, "by")
        address = later(m, walk.address, DONE + 1, "written_address")
        after = [lane.after.as_value() for lane in self.lanes]
        back = self._exchange(after, by[: len(walk.walk.lane)], "back")
        writing = Signal()
        m.d.sync += writing.eq(done)
        last_by = later(m, by, 1, "last_by")
        for b, (bank, value) in enumerate(zip(self._plastic, back, strict=True)):
            stored = Signal(synapse_layout(g), name=f"stored{b}")
            m.d.sync += stored.eq(value)
            low = Mux(last_by[-1], b, 0) ^ last_by[:-1]
            m.d.comb += [
                bank.write_enable.eq(writing),
                bank.write_index.eq(Cat(low[: self._bits], address)),
                *bank.put(**{f.name: stored[f.name] for f in bank.table.fields}),
            ]

    def deliver(self, engine: Any) -> None:
        """Weights as they were, on their way to the accumulators two cycles after they were
        asked for."""
        g, m, meta = self._g, self._m, self._meta2
        group = later(m, self._walk.group, 2, "group")
        word = later(m, self._issued[1] & self._first, 1, "word")
        m.d.sync += [
            engine.add.eq(word & (meta.when == PRE)),
            engine.group.eq(group),
            engine.exponent.eq(meta.exponent),
            engine.receptor.eq(meta.receptor),
        ]
        for i, lane in enumerate(self.lanes):
            delay = lane.synapse.delay if g.delays else meta.delay
            m.d.sync += [
                getattr(engine, f"weight{i}").eq(lane.synapse.weight),
                getattr(engine, f"delay{i}").eq(delay),
            ]
