"""The neuron's datapath: docs/machine.md §5, one neuron per cycle.

One module with one interface: fields of the tables ``profile``, ``neuron`` and ``state`` go in, the
new state comes out LATENCY cycles later. Another neuron model is another module with the same
ports; nothing else in the core knows what a neuron computes.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry
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
        profile, neuron, state: what the tables hold for this neuron.
        sum0, sum1: its accumulators of this step.
        injected: its graded event of this step, or 0.
        random: its random number; due NOISE_DELAY cycles after the other inputs.
        next_state: the state after the step; ``fired`` in it is this step's spike.
        clipped_u, clipped_v, clipped_threshold: how many values were clipped.
    """

    LATENCY = 7
    NOISE_DELAY = Mix.LATENCY

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        tables = layout(g)
        members: dict[str, Any] = {
            "profile": In(struct(tables[PROFILE])),
            "neuron": In(struct(tables[NEURON])),
            "state": In(struct(tables[STATE])),
            "next_state": Out(struct(tables[STATE])),
            "clipped_u": Out(2),
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

    def elaborate(self, platform: Any) -> Module:
        """Seven stages; θa follows in its own lane because its noise comes late."""
        m = Module()
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
        """Stage 1: factors, and sums that need nothing else."""
        state, profile, neuron = self.state, self.profile, self.neuron
        drive = neuron.bias + (self.injected if self.geometry.graded else 0)
        threshold = neuron.threshold + (state.adapt if self.geometry.adaptation else 0)
        new: dict[str, Value] = {}
        for r in self._receptors:
            new[f"u{r}"] = state[f"u{r}"]
            new[f"u{r}_factor"] = (4096 - profile[f"decay_u{r}"])[:13]
            new[f"sum{r}"] = getattr(self, f"sum{r}")
        if self.geometry.adaptation:
            new["adapt"] = state.adapt
            new["adapt_factor"] = (4096 - profile.adapt_decay)[:13]
            new["adapt_step"] = profile.adapt_step
        p.advance(
            **new,
            v_factor=(4096 - profile.leak[:13])[:13],
            leak=profile.leak,
            v=state.v,
            threshold=threshold,
            drive=drive,
            held=state.refractory != 0,
            refractory=state.refractory,
            pending=state.pending,
            saturated=state.saturated,
            period=profile.refractory,
            **{
                name: profile[name]
                for name in ("spiking", "linear", "subtract", "late", "hold", "shift", "v_reset")
            },
        )

    def _multiply(self, p: Pipeline) -> None:
        """Stage 2: products, and the accumulators moved into place."""
        new: dict[str, Value] = {}
        for r in self._receptors:
            new[f"u{r}_product"] = p[f"u{r}"] * p[f"u{r}_factor"]
            new[f"sum{r}_shifted"] = p[f"sum{r}"].as_signed() << p.shift
        if self.geometry.adaptation:
            new["adapt_product"] = p.adapt * p.adapt_factor
        negative = p.v[-1]
        shrunk = Mux(negative, p.v + p.leak, p.v - p.leak)
        across = shrunk[-1] ^ negative
        p.advance(
            drop="u0 u1 u0_factor u1_factor sum0 sum1 adapt adapt_factor v_factor leak shift",
            v_product=p.v * p.v_factor,
            v_shrunk=Mux(across, 0, shrunk)[: self.geometry.state_bits].as_signed(),
            **new,
        )

    def _currents(self, p: Pipeline) -> None:
        """Stage 3: u is complete, and what is left of v."""
        new: dict[str, Value] = {}
        for r in self._receptors:
            kept = _towards_zero(p[f"u{r}_product"])
            new[f"u{r}"], new[f"u{r}_clipped"] = self._saturate(kept + p[f"sum{r}_shifted"])
        p.advance(
            drop="u0_product u1_product sum0_shifted sum1_shifted v_product v_shrunk linear",
            leaked=Mux(p.linear, p.v_shrunk, _towards_zero(p.v_product)),
            **new,
        )

    def _integrate(self, p: Pipeline) -> None:
        """Stage 4: v and everything that is added to it."""
        currents = p.u0 + (p.u1 if self.geometry.receptors == 2 else 0)
        p.advance(drop="leaked drive", sum=p.leaked + currents + p.drive)

    def _membrane(self, p: Pipeline) -> None:
        """Stage 5: v unless it is held or a delayed reset is due; meanwhile θa has decayed."""
        base = Mux(p.held & p.hold, p.v, p.sum)
        late = Mux(p.subtract, base - p.threshold, p.v_reset)
        v, clipped = self._saturate(Mux(p.pending, late, base))
        new: dict[str, Value] = {}
        if self.geometry.adaptation:
            new["adapt"] = (p.adapt_product + self.random[20:])[12:]
        p.advance(drop="sum held hold pending adapt_product", v=v, v_clipped=clipped,
                  held=p.held, **new)  # fmt: skip

    def _fire(self, p: Pipeline) -> None:
        """Stage 6: the comparison and the subtraction."""
        fire = p.spiking & (p.v > p.threshold) & ~p.held
        after, clipped = self._saturate(p.v - p.threshold)
        p.advance(
            drop="threshold spiking held", fire=fire, after=after, after_clipped=clipped
        )  # fmt: skip

    def _reset(self, m: Module, p: Pipeline) -> None:
        """Stage 7: the state after the step."""
        fire, out = p.fire, self.next_state
        now = fire & ~p.late
        subtracted = now & p.subtract
        clipped_u = p.u0_clipped + (p.u1_clipped if self.geometry.receptors == 2 else 0)
        clipped_v = p.v_clipped + (subtracted & p.after_clipped)
        clipped_threshold: Any = 0
        if self.geometry.adaptation:
            adapt = p.adapt + Mux(fire, p.adapt_step, 0)
            top = (1 << self.geometry.state_bits - 1) - 1
            over = adapt > top
            m.d.sync += out.adapt.eq(Mux(over, top, adapt))
            clipped_threshold = over
        m.d.sync += [
            *(out[f"u{r}"].eq(p[f"u{r}"]) for r in self._receptors),
            out.v.eq(Mux(now, Mux(p.subtract, p.after, p.v_reset), p.v)),
            out.pending.eq(fire & p.late),
            out.fired.eq(fire),
            out.refractory.eq(
                Mux(fire, p.period, Mux(p.refractory == 0, 0, p.refractory - 1))
            ),
            out.saturated.eq(
                p.saturated | Cat(clipped_u != 0, clipped_v != 0, clipped_threshold)
            ),
            self.clipped_u.eq(clipped_u),
            self.clipped_v.eq(clipped_v),
            self.clipped_threshold.eq(clipped_threshold),
        ]  # fmt: skip

    @property
    def _receptors(self) -> range:
        return range(self.geometry.receptors)

    def _saturate(self, x: Value) -> tuple[Value, Value]:
        """``x`` within the state's range, and whether that changed it."""
        bits = self.geometry.state_bits
        top = (1 << bits - 1) - 1
        above = x[bits - 1 :]
        clipped = ~(above.all() | ~above.any())
        clean = Mux(clipped, Mux(x[-1], -top - 1, top), x[:bits].as_signed())
        return clean[:bits].as_signed(), clipped


def _towards_zero(product: Value) -> Value:
    """A signed product by 2^12, truncated toward zero as ``decay`` is."""
    return (product >> 12) + (product[-1] & product[:12].any())
