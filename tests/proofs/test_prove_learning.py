"""Learning: how a sum is rounded and limited, how traces change, where synapses are."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Mux, Value
from support.prove import Theorem, broken, needs_solver

from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.hash_unit import Mix
from spikeloom.hdl.layout import layout
from spikeloom.hdl.learning_fade import Fade
from spikeloom.hdl.learning_lane import DONE, SUMMED, RuleLane
from spikeloom.hdl.learning_synapses import Synapses
from spikeloom.hdl.learning_tables import OWN1, TRACE_BITS
from spikeloom.hdl.learning_traces import TAKEN, TraceLane
from spikeloom.hdl.learning_walk import Walk
from spikeloom.hdl.memory import Bank

pytestmark = needs_solver

ROOM: dict[str, Any] = {
    "neurons": 8, "lanes": 4, "axons": 16, "rows": 16, "words": 16, "destinations": 16,
    "delay_slots": 4, "rules": 1, "plastic": 16, "slots": 2, "code": 4,
}  # fmt: skip


def limited(x: Any, low: Any, high: Any) -> Value:
    return Mux(x < low, low, Mux(x > high, high, x))


def rule(g: Geometry, *, wrong: bool = False) -> Theorem:
    """One product: coefficient times trace, a random number's upper bits, cut, added, limited."""
    t, lane = Theorem(), RuleLane(g)
    t.drive(lane)
    s, stage = lane.shared, SUMMED + 1

    def at(number: int, value: Any) -> Any:
        return t.let(t.before(value, DONE - number))

    coefficient = at(SUMMED - 1 - g.factors, s.coefficient)
    t.given(s.factor0_2[:3] == OWN1)
    holds = at(2, s.holds2 & (lane.x0 | ~s.needs_x2))
    product = t.let(coefficient * Cat(at(2, lane.trace1), Const(0, 1)).as_signed())
    exact = t.let(Mux(holds, product, 0))
    # The compiler proves that sums fit.
    most = (1 << g.sum_bits - 1) - 1 - (1 << g.fraction)
    fits = (exact <= most) & (exact >= -most)
    number = t.let((at(SUMMED - 1, s[f"base{SUMMED - 1}"]) + at(SUMMED - 1, lane.multiple))[:32])
    noise = number[32 - g.fraction :]
    change = t.let((exact + (0 if wrong else noise)) >> g.fraction)
    synapse = at(2, lane.synapse.as_value())
    before = type_of(lane.synapse, synapse)
    w = before["weight"]
    after = limited(w + change, at(stage, s[f"low{stage}"]), at(stage, s[f"high{stage}"]))
    changes = at(stage, s[f"last{stage}"]) & before["enable"]
    ready = t.after(DONE) & fits & at(stage, s[f"begins{stage}"])
    t.claim(~ready | (lane.after.weight == Mux(changes, after, w)))
    t.claim(~ready | (lane.after.enable == before["enable"]))
    return t


def type_of(view: Any, value: Any) -> dict[str, Any]:
    """The fields of a value that has the shape of a view."""
    shaped = view.shape()(value)
    return {name: shaped[name] for name in view.shape().members}


def learning(**more: Any) -> Geometry:
    return Geometry(**{**ROOM, **more})


RULE = learning(weight_bits=8, fraction=8, coefficient_bits=20, sum_bits=32)


def test_rules_round_and_limit():
    assert broken(rule(RULE), DONE, products=True) is None


def test_wrong_rounding_is_refuted():
    assert broken(rule(RULE, wrong=True), DONE + 1) == "false"


def trace(*, wrong: bool = False) -> Theorem:
    """An event raises a trace up to its top, or replaces it."""
    t, lane = Theorem(), TraceLane(learning())
    t.drive(lane)
    faded, event, impulse, replace, top = (
        t.let(t.before(getattr(lane, name), TAKEN - 1))
        for name in ("faded", "event", "impulse", "replace", "top")
    )
    t.given((lane.faded <= lane.top) & (lane.impulse <= lane.top))
    raised = t.let(faded + impulse)
    new = Mux(replace, impulse, Mux(raised < top, raised, 0 if wrong else top))
    t.claim(~t.after(TAKEN - 1) | (lane.taken == Mux(event, new, faded)))
    return t


def test_traces_take_up_events():
    assert broken(trace(), TAKEN - 1) is None


def test_wrong_trace_is_refuted():
    assert broken(trace(wrong=True), TAKEN) == "false"


def synapses(g: Geometry, *, wrong: bool = False) -> Theorem:
    """Row r and column c of a square meet in one place, whichever of both is walked: entry r of
    bank r xor c."""
    t = Theorem()
    m = t.m
    walk = Walk(g)
    t.drive(walk)
    tables = layout(g)
    plastic = [Bank(tables["plastic"], writes=True, through=True) for _ in range(g.lanes)]
    code = Bank(tables["code"], through=True)
    for i, bank in enumerate([*plastic, code]):
        m.submodules[f"bank{i}"] = bank
    own = [
        {"trace1": t.any(f"trace{i}", TRACE_BITS), "x0": t.any(f"x0_{i}")} for i in range(g.lanes)
    ]
    made = Synapses(g, m, walk, plastic, code, t.any("modulator", 8), own)
    bits = (g.lanes - 1).bit_length()
    # A word is P synapses of line `lane` of a square at `address`: of a row, or of a column.
    line, square, column = walk.walk.lane[:bits], walk.address, walk.walk.column
    for across, lane in enumerate(made.lanes):
        row, number = Mux(column, across, line), Mux(column, line, across)
        bank, place = t.let(row ^ number ^ int(wrong)), t.let(Cat(row[:bits], square))
        found: Any = 0
        for b in range(g.lanes):
            look = plastic[b].memories[0].read_port(domain="comb")
            m.d.comb += look.addr.eq(place)
            found = Mux(bank == b, look.data, found)
        entry = Value.cast(lane.synapse)
        read = t.after(2) & t.before(walk.read, 2)
        t.claim(~read | (entry == t.before(t.let(found), 2)[: len(entry)]))
        # What the lane makes of it goes back to where it came from.
        bank, place = t.before(bank, DONE + 1), t.before(place, DONE + 1)
        after = t.before(Value.cast(lane.after), 1)
        for b in range(g.lanes):
            writes = t.after(DONE + 1) & plastic[b].write_enable & (bank == b)
            written = plastic[b].write0[: len(entry)] == after
            t.claim(~writes | (written & (plastic[b].write_index == place)))
    return t


SQUARES = learning()


def test_squares_are_stored_diagonally():
    assert broken(synapses(SQUARES), DONE + 1) is None


def test_wrong_place_is_refuted():
    """All memories begin empty, and so alike; with others it is soon found."""
    assert broken(synapses(SQUARES, wrong=True), 3) == "unproved"


def fade(*, wrong: bool = False) -> Theorem:
    """What a trace becomes: (z · keep + the topmost 12 bits of a random number) >> 12."""
    t, part = Theorem(), Fade(learning())
    inside = t.drive(part)
    noise = inside.submodules.hash0
    delay = noise.LATENCY
    value, keep = t.before(part.value0, delay), t.before(part.keep, delay)
    t.given(part.keep <= 4096)
    exact = t.let(t.before(t.let(value * keep), 1) + (0 if wrong else noise.hashed[20:]))
    t.claim(~t.after(delay + 2) | (part.faded0 == t.before(exact >> 12, 1)))
    return t


FADING = Mix.LATENCY + 2


def test_traces_decay():
    assert broken(fade(), FADING) is None


def test_wrong_decay_is_refuted():
    assert broken(fade(wrong=True), FADING + 1) == "false"
