"""The neuron's datapath: docs/machine.md §5, one neuron per cycle.

One module with one interface: fields of the tables ``profile``, ``neuron`` and ``state`` go in,
each in the cycle that ``phases`` names, and the new state comes out LATENCY cycles after the first.
So nothing is carried along that a memory can tell when it is needed. Another neuron model is
another module with the same ports; nothing else in the core knows what a neuron computes.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import MAX_DECAY_BITS, Geometry, count_bits
from .hash_unit import Mix
from .layout import Table, layout

STATE, PROFILE, NEURON = "state", "profile", "neuron"


def struct(table: Table) -> StructLayout:
    """The fields of a table as a structure, without their places in columns."""
    return StructLayout(
        {f.name: signed(f.width) if f.signed else unsigned(f.width) for f in table.fields}
    )


class Pipeline:
    """Registers with names: what is kept goes one stage on with every ``advance``."""

    def __init__(self, m: Module) -> None:
        self._m = m
        self._kept: dict[str, Value] = {}
        self._stage = 0

    def __getattr__(self, name: str) -> Value:
        return self._kept[name]

    def __getitem__(self, name: str) -> Value:
        return self._kept[name]

    def advance(self, *, drop: str = "", **new: Value) -> None:
        """Register everything kept and the new values; forget the names in ``drop``."""
        self._stage += 1
        gone = drop.split()
        after: dict[str, Value] = {}
        for name, value in {**self._kept, **new}.items():
            if name not in gone or name in new:
                after[name] = Signal(value.shape(), name=f"{name}_{self._stage}", reset_less=True)
                self._m.d.sync += after[name].eq(value)
        self._kept = after


class Neuron(Component):
    """Integrate one step, every cycle another neuron.

    Attributes:
        profile, neuron, state: what the tables hold for this neuron, at the times of ``phases``.
        sum0, sum1: its accumulators of this step, in cycle 0.
        injected: its graded event of this step, or 0, together with its bias.
        random: its random number, in cycle NOISE_DELAY.
        look: the host has access, and all memories hold 0 but the one that it asks: then u, v, bias
            and sums go on as they are, and after some cycles ``seen`` is that which is asked.
        load, given: it also writes a state: after some cycles ``next_state`` is ``given``.
        next_state: the state after the step; ``fired`` in it is this step's spike.
        clipped_u, clipped_v, clipped_threshold: how many values were clipped.
    """

    LATENCY = 6
    """Cycles from ``state`` to ``next_state``, which no register follows."""
    NOISE_DELAY = Mix.LATENCY

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        members: dict[str, Any] = {
            "profile": In(struct(tables[PROFILE])),
            "neuron": In(struct(tables[NEURON])),
            "state": In(struct(tables[STATE])),
            "look": In(1),
            "seen": Out(signed(g.state_bits)),
            "load": In(1),
            "given": In(struct(tables[STATE])),
            "next_state": Out(struct(tables[STATE])),
            "clipped_u": Out(count_bits(g.receptors)),
            "clipped_v": Out(2),
            "clipped_threshold": Out(1),
        }
        for r in range(g.receptors):
            members[f"sum{r}"] = In(signed(g.accumulator_bits))
        if g.graded:
            members["injected"] = In(signed(g.state_bits))
        if g.adaptation:
            members["random"] = In(32)
        super().__init__(members)

    @staticmethod
    def phases(g: Geometry) -> dict[str, int]:
        """Cycle in which each field must be there; the others in cycle 0."""
        early = g.adaptation or g.late
        last = 4 if g.late else Neuron.LATENCY
        return {
            "bias": 1,
            "injected": 1,
            "threshold": 3 if early else 5,
            "v_reset": last,
            "refractory": last,
            "adapt_step": last,
        }

    def elaborate(self, platform: Any) -> Module:
        """Six stages; θa follows in its own lane because its noise comes late."""
        self._m = m = Module()
        p = Pipeline(m)
        self._load(p)
        self._multiply(p)
        self._currents(p)
        self._integrate(p)
        self._membrane(p)
        self._fire(p)
        self._reset(m, p)
        return m

    def _load(self, p: Pipeline) -> None:
        """Stage 1: factors. A frozen v keeps all it has, and later nothing is added to it."""
        g, state, profile = self.geometry, self.state, self.profile
        held: Any = state.refractory != 0 if g.refractory_bits else Const(0, 1)
        frozen = held & (profile.hold if g.mask else 1) if self._freezes else Const(0, 1)
        new: dict[str, Value] = {}
        for r in self._receptors:
            new[f"u{r}"] = state[f"u{r}"]
            keep = profile[f"keep_u{r}"]
            if r == 0:
                keep = Cat(keep[:-1], keep[-1] | self.look)  # 1, if all else is 0
            new[f"u{r}_factor"] = keep
            new[f"sum{r}"] = getattr(self, f"sum{r}")
        if g.adaptation:
            new["adapt"] = state.adapt
            new["adapt_factor"] = profile.keep_adapt
        if g.exponential:
            new["v_factor"] = Mux(frozen | self.look, 4096, profile.leak[:MAX_DECAY_BITS])
        if g.linear:
            new["leak"] = Mux(frozen, 0, profile.leak)
        if g.linear and g.exponential:
            new["linear"] = profile.linear & ~frozen
        if g.shifts:
            new["shift"] = profile.shift
        for name in ("subtract", "late"):
            if getattr(g, name):
                new[name] = profile[name]
        if g.late:
            new["pending"] = state.pending & ~self.look
        if g.refractory_bits:
            new["refractory"], new["held"] = state.refractory, held
        if self._freezes:
            new["frozen"] = frozen
        p.advance(**new, v=state.v, saturated=state.saturated, spiking=profile.spiking)

    def _multiply(self, p: Pipeline) -> None:
        """Stage 2: products, and the accumulators moved into place."""
        g = self.geometry
        new: dict[str, Value] = {}
        for r in self._receptors:
            new[f"u{r}_product"] = p[f"u{r}"] * p[f"u{r}_factor"]
            new[f"u{r}_negative"] = p[f"u{r}"][-1]
            total = p[f"sum{r}"].as_signed()
            new[f"sum{r}_shifted"] = total << p.shift if g.shifts else total
        if g.adaptation:
            new["adapt_product"] = p.adapt * p.adapt_factor
        if g.exponential:
            new["v_product"] = p.v * p.v_factor
            new["v_negative"] = p.v[-1]
        if g.linear:
            negative = p.v[-1]
            shrunk = Mux(negative, p.v + p.leak, p.v - p.leak)
            across = shrunk[-1] ^ negative
            new["v_shrunk"] = Mux(across, 0, shrunk)[: g.state_bits].as_signed()
        drive: Any = self.neuron.bias if g.bias else None
        if g.graded:
            drive = self.injected if drive is None else drive + self.injected
        if drive is not None:
            new["drive"] = Mux(p.frozen, 0, drive).as_signed() if self._freezes else drive
        p.advance(
            drop="u0 u1 u0_factor u1_factor sum0 sum1 adapt_factor v v_factor leak shift", **new
        )

    def _currents(self, p: Pipeline) -> None:
        """Stage 3: u is complete; to what is left of v comes what moves it from outside."""
        g = self.geometry
        new: dict[str, Value] = {}
        for r in self._receptors:
            total = _decayed(p[f"u{r}_product"], p[f"u{r}_negative"], p[f"sum{r}_shifted"])
            u, new[f"u{r}_clipped"] = self._saturate(total, self.given[f"u{r}"])
            new[f"u{r}"] = u
            new[f"current{r}"] = Mux(p.frozen, 0, u).as_signed() if self._freezes else u
        kept, negative = (p.v_product, p.v_negative) if g.exponential else (None, Const(0, 1))
        if g.linear:
            shrunk = Cat(Const(0, _FRACTION), p.v_shrunk).as_signed()
            if kept is None:
                kept = shrunk
            else:
                kept, negative = Mux(p.linear, shrunk, kept), negative & ~p.linear
        left = _decayed(kept, negative, p.drive if g.bias or g.graded else Const(0, signed(1)))
        p.advance(
            drop="u0_product u1_product u0_negative u1_negative sum0_shifted sum1_shifted"
            " v_product v_negative v_shrunk linear drive frozen",
            left=left, **new,
        )  # fmt: skip

    def _integrate(self, p: Pipeline) -> None:
        """Stage 4: v and its currents."""
        g = self.geometry
        new: dict[str, Value] = {}
        total = p.left + p.current0
        if g.receptors == 2:
            total = total + p.current1
        if self._threshold_early:
            adapt: Any = p.adapt if g.adaptation else 0
            new["threshold"] = self.neuron.threshold + adapt
        p.advance(drop="left current0 current1 adapt", total=total, **new)

    def _membrane(self, p: Pipeline) -> None:
        """Stage 5: v, unless a delayed reset is due; meanwhile θa has decayed."""
        g = self.geometry
        base = p.total
        new: dict[str, Value] = {}
        if g.late:
            late: Any = self.profile.v_reset
            if g.subtract:
                late = Mux(p.subtract, base - p.threshold, late)
            base = Mux(p.pending, late, base)
            new["v_reset"] = self.profile.v_reset
            if g.refractory_bits:
                new["period"] = self.profile.refractory
            if g.adaptation:
                new["adapt_step"] = self.profile.adapt_step
        v, clipped = self._saturate(base, self.given.v)
        if g.adaptation:
            new["adapt"] = (p.adapt_product + self.random[20:])[12:]
        p.advance(drop="total pending adapt_product", v=v, v_clipped=clipped, **new)
        self._m.d.comb += self.seen.eq(p.v)

    def _fire(self, p: Pipeline) -> None:
        """Stage 6: the comparison and the subtraction."""
        g = self.geometry
        threshold = p.threshold if self._threshold_early else self.neuron.threshold
        over = (threshold - p.v)[-1]
        new: dict[str, Value] = {}
        if g.subtract:
            # Only looked at where v is above the threshold: so what is left is above 0.
            after = p.v - threshold
            over = ~after[-1] & after.any()
            top = (1 << g.state_bits - 1) - 1
            new["after_clipped"] = after[g.state_bits - 1 : -1].any()
            new["after"] = (after | new["after_clipped"].replicate(g.state_bits))[
                : g.state_bits
            ] & top
        fire = p.spiking & over & ~self.load
        if g.refractory_bits:
            fire = fire & ~p.held
            # While the host writes, nothing: so that what it gives need only be added.
            new["refractory"] = Mux(self.load, 0, p.refractory)
            new["held"] = p.held & ~self.load
        p.advance(drop="threshold spiking", fire=fire, **new)

    def _reset(self, m: Module, p: Pipeline) -> None:
        """What is written: the state after the step."""
        g, fire = self.geometry, p.fire
        made: dict[str, Any] = {"fired": fire}
        now: Any = fire
        if g.late:
            now = fire & ~p.late
            made["pending"] = fire & p.late
        v_reset: Any = p.v_reset if g.late else self.profile.v_reset
        clipped_u: Any = p.u0_clipped
        if g.receptors == 2:
            clipped_u = p.u0_clipped + p.u1_clipped
        clipped_v: Any = p.v_clipped
        if g.subtract:
            clipped_v = p.v_clipped + (now & p.subtract & p.after_clipped)
            v_reset = Mux(p.subtract, p.after, v_reset)
        clipped_threshold: Any = Const(0, 1)
        if g.adaptation:
            step = p.adapt_step if g.late else self.profile.adapt_step
            adapt = p.adapt + Mux(fire, step, 0)
            top = (1 << g.state_bits - 1) - 1
            clipped_threshold = adapt > top
            made["adapt"] = Mux(clipped_threshold, top, adapt)
        if g.refractory_bits:
            period = p.period if g.late else self.profile.refractory
            left = (p.refractory - p.held)[: g.refractory_bits]
            written = Mux(self.load, self.given.refractory, 0)
            m.d.comb += self.next_state.refractory.eq(Mux(fire, period, left) | written)
        made["saturated"] = p.saturated | Cat(clipped_u != 0, clipped_v != 0, clipped_threshold)
        m.d.comb += [
            *(self.next_state[f"u{r}"].eq(p[f"u{r}"]) for r in self._receptors),
            self.next_state.v.eq(Mux(now, v_reset, p.v)),
            *(self.next_state[name].eq(Mux(self.load, self.given[name], value))
              for name, value in made.items()),
            self.clipped_u.eq(clipped_u),
            self.clipped_v.eq(clipped_v),
            self.clipped_threshold.eq(clipped_threshold),
        ]  # fmt: skip

    @property
    def _receptors(self) -> range:
        return range(self.geometry.receptors)

    @property
    def _freezes(self) -> bool:
        return self.geometry.hold and self.geometry.refractory_bits > 0

    @property
    def _threshold_early(self) -> bool:
        return self.phases(self.geometry)["threshold"] < self.LATENCY - 1

    def _saturate(self, x: Value, given: Value) -> tuple[Value, Value]:
        """``x`` within the state's range, or what the host gives; and whether ``x`` was clipped.

        Two signals choose for all bits, so that each bit is one function of four.
        """
        bits = self.geometry.state_bits
        above = x[bits - 1 :]
        clipped = ~(above.all() | ~above.any())
        limit, other = Signal(), Signal()
        self._m.d.comb += [
            limit.eq(clipped & ~self.look),
            other.eq(Mux(clipped & ~self.look, ~x[-1], 0) | self.load),
        ]
        low = Mux(limit, other.replicate(bits - 1), Mux(other, given[:-1], x[: bits - 1]))
        high = Mux(limit, ~other, Mux(other, given[-1], x[bits - 1]))
        return Cat(low, high).as_signed(), clipped


_FRACTION = 12
"""Bits after the point of a decay constant, and of a product with it."""


def _decayed(product: Value, negative: Value, more: Value) -> Value:
    """A signed product by 2^12, truncated toward zero, and ``more``: one adder, in a DSP if any."""
    return (product + Cat(negative.replicate(_FRACTION), more).as_signed())[_FRACTION:].as_signed()
