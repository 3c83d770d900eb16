"""The neuron's datapath is what the machine says, for every state, parameter and input."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from amaranth.hdl import Cat, Const, Mux, Signal, Value
from support.prove import Theorem, broken, needs_solver

from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.neuron import Neuron

pytestmark = needs_solver

GEOMETRIES = {
    "everything, 24 bits": Geometry(receptors=2),
    "without delayed reset, 18 bits": Geometry(
        state_bits=18, accumulator_bits=18, late=False, linear=False, shifts=6
    ),
    "reset to a value, no adaptation, 16 bits": Geometry(
        state_bits=16, adaptation=False, subtract=False, hold=False, linear=False, shifts=4
    ),
    "linear leak, held, 12 bits": Geometry(
        state_bits=12, late=False, exponential=False, mask=False, bias=False, graded=False,
        shifts=0, refractory_bits=3, adaptation=False,
    ),
}  # fmt: skip


class Plain:
    """One step of a neuron as docs/machine.md says it; numbers are as wide as they must be.

    Args:
        t: the theorem.
        neuron: whose inputs are meant.
        wrong: say that a neuron fires at its threshold, too.
    """

    def __init__(self, t: Theorem, neuron: Neuron, *, wrong: bool = False) -> None:
        self._t, self._neuron = t, neuron
        g = neuron.geometry
        self._phases = {"random": Neuron.NOISE_DELAY, **Neuron.phases(g)}
        self._most = (1 << g.state_bits - 1) - 1
        state, profile = self._fields("state"), self._fields("profile")
        table = self._fields("neuron")
        held = t.let(state["refractory"] != 0)
        self.clipped_u: Any = 0
        self.u, x = [], Const(0)
        for r in range(g.receptors):
            total = self._decay(state[f"u{r}"], profile[f"keep_u{r}"])
            accumulated = self._at(f"sum{r}", getattr(neuron, f"sum{r}")).as_signed()
            u, clipped = self._sat(total + (accumulated << profile["shift"]))
            self.u.append(u)
            self.clipped_u = self.clipped_u + clipped
            x = x + u
        x = x + table["bias"] + self._input("injected")
        v, leak = state["v"], profile["leak"]
        rest = t.let(Mux(leak > abs(v), 0, abs(v) - leak))
        linear = Mux(v < 0, -rest, rest)
        exponential = self._decay(v, leak[:13])
        if g.linear and g.exponential:
            left = Mux(profile["linear"], linear, exponential)
        else:
            left = linear if g.linear else exponential
        holds = profile["hold"] if g.hold and g.mask else Const(int(g.hold), 1)
        base = t.let(Mux(held & holds, v, left + x))
        threshold = t.let(table["threshold"] + state["adapt"])
        late = Mux(profile["subtract"], base - threshold, profile["v_reset"])
        v, clipped = self._sat(Mux(state["pending"], late, base))
        above = v >= threshold if wrong else v > threshold
        self.fired = t.let(profile["spiking"] & above & ~held)
        now = t.let(self.fired & ~profile["late"])
        less, clipped_again = self._sat(v - threshold)
        self.v = Mux(now, Mux(profile["subtract"], less, profile["v_reset"]), v)
        self.clipped_v = t.let(clipped + (now & profile["subtract"] & clipped_again))
        self.pending = self.fired & profile["late"]
        count = state["refractory"]
        self.refractory = Mux(self.fired, profile["refractory"], Mux(count == 0, 0, count - 1))
        rounded = (state["adapt"] * profile["keep_adapt"] + self._input("random")[20:]) >> 12
        step = Mux(self.fired, profile["adapt_step"], 0)
        self.adapt, self.clipped_threshold = self._sat(rounded + step)
        self.saturated = state["saturated"] | Cat(
            self.clipped_u != 0, self.clipped_v != 0, self.clipped_threshold
        )

    def _sat(self, exact: Any) -> tuple[Signal, Value]:
        x, least = self._t.let(exact), -self._most - 1
        clipped = self._t.let(Mux(x > self._most, self._most, Mux(x < least, least, x)))
        return clipped, x != clipped

    def _decay(self, x: Any, kept: Any) -> Signal:
        size = self._t.let(abs(self._t.let(x * kept)) >> 12)
        return self._t.let(Mux(x < 0, -size, size))

    def _at(self, name: str, value: Any) -> Signal:
        """What went in for the neuron that is now coming out; the state went in first."""
        return self._t.let(self._t.before(value, Neuron.LATENCY - self._phases.get(name, 0)))

    def _input(self, name: str) -> Any:
        """An input, or 0 if it is not built."""
        known = name in self._neuron.signature.members
        return self._at(name, getattr(self._neuron, name)) if known else Const(0, 32)

    def _fields(self, table: str) -> defaultdict[str, Any]:
        """A table's entry; what is not built is 0."""
        entry = getattr(self._neuron, table)
        fields = {
            name: self._at("" if table == "state" else name, entry[name])
            for name in entry.shape().members
        }
        return defaultdict(lambda: Const(0, 1), fields)


def theorem(g: Geometry, *, wrong: bool = False, part: type[Neuron] = Neuron) -> Theorem:
    """Whatever goes in, cycle by cycle another neuron, out comes what ``Plain`` says."""
    t, neuron = Theorem(), part(g)
    t.drive(neuron, "look", "load", "given")
    profile = neuron.profile
    for name in ("keep_u0", "keep_u1", "keep_adapt", "leak"):
        if name in profile.shape().members:
            any_leak = profile.linear if g.linear and g.exponential else Const(int(g.linear), 1)
            t.given((profile[name] <= 4096) | (any_leak if name == "leak" else 0))
    plain, made = Plain(t, neuron, wrong=wrong), neuron.next_state
    right = {
        **{f"u{r}": made[f"u{r}"] == u for r, u in enumerate(plain.u)},
        **{name: made[name] == getattr(plain, name)
           for name in ("v", "fired", "pending", "refractory", "adapt", "saturated")
           if name in made.shape().members},
        **{name: getattr(neuron, name) == getattr(plain, name)
           for name in ("clipped_u", "clipped_v", "clipped_threshold")},
    }  # fmt: skip
    for statement in right.values():
        t.claim(~t.after(Neuron.LATENCY) | statement)
    return t


DEPTH = Neuron.LATENCY
"""So many cycles after any state whatever, nothing is left of it, in the pipeline or in the
statement: what is true then is true always."""


@pytest.mark.slow
@pytest.mark.parametrize("name", GEOMETRIES)
def test_neuron_is_the_machines(name: str):
    assert broken(theorem(GEOMETRIES[name]), DEPTH, products=True) is None


def test_wrong_statement_is_refuted():
    g = GEOMETRIES["linear leak, held, 12 bits"]
    assert broken(theorem(g, wrong=True), DEPTH + 1) == "false"


class Careless(Neuron):
    """Its sums wrap where they ought to be limited."""

    def _saturate(self, x: Value, given: Value) -> tuple[Value, Value]:
        limited, clipped = super()._saturate(x, given)
        return x[: len(limited)].as_signed(), clipped


def test_wrong_neuron_is_refuted():
    g = GEOMETRIES["linear leak, held, 12 bits"]
    assert broken(theorem(g, part=Careless), DEPTH + 1) == "false"
