"""A lane's accumulators hold the sum of what was added at each address since it was last taken."""

from __future__ import annotations

import pytest
from amaranth.hdl import Array, Mux, Signal, signed
from support.prove import Theorem, broken, needs_solver

from spikeloom.hdl.accumulators import Accumulators, SynapseLane, wheel_index_bits
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.layout import dense_part_bits

pytestmark = needs_solver

GEOMETRIES = {
    "24 bits": Geometry(neurons=16, lanes=8, accumulator_bits=24),
    "31 bits, two receptors": Geometry(
        neurons=16, lanes=4, accumulator_bits=31, delay_slots=8, receptors=2
    ),
}


def theorem(g: Geometry, *, apart: bool = True, wrong: bool = False) -> Theorem:
    """Of any one address: what is taken is the sum."""
    t, sums = Theorem(), Accumulators(g)
    looks = [bank.memories[0].read_port(domain="comb") for bank in sums.banks]
    t.drive(sums, "look", "host0", "host1")
    m, bits = t.m, g.accumulator_bits
    address, receptor = t.some("address", wheel_index_bits(g)), t.some("receptor")
    if g.receptors == 1:
        t.given((receptor == 0) & (sums.receptor == 0))
    ago = [[t.let(t.before(x, n)) for x in (sums.add, sums.take, sums.index, sums.receptor)]
           for n in range(4)]  # fmt: skip
    # What the docstring of the part asks for; and no sum is taken again while it is cleared.
    near = range(1, 4) if apart else range(1, 2)
    t.given(~(sums.add & sums.take))
    for n in near:
        add, take, index, _ = ago[n]
        t.given(~(sums.take & add) & ~(sums.add & take))
        t.given(~(sums.take & take & (sums.index == index)))
    added, taken, index, of = ago[2]
    t.given(~taken | (sums.value == 0))

    total, after = Signal(signed(bits)), Signal(signed(bits))
    mine = index == address
    m.d.comb += after.eq(
        Mux(taken & mine, 0, Mux(added & mine & (of == receptor), total + sums.value, total))
    )
    m.d.sync += total.eq(after)
    for r, (bank, look) in enumerate(zip(sums.banks, looks, strict=True)):
        m.d.comb += look.addr.eq(address)
        other = receptor != r
        t.claim(other | (look.data.as_signed() == total))
        writes = bank.write_enable & (bank.write_index == address)
        t.claim(other | ~writes | (bank.write0.as_signed() == after))
        out = getattr(sums, f"sum{r}").as_signed()
        asked = t.after(1) & ago[1][1] & (ago[1][2] == address)
        t.claim(other | ~asked | (out == total + int(wrong)))
    return t


@pytest.mark.parametrize("name", GEOMETRIES)
def test_accumulators_hold_sums(name: str):
    assert broken(theorem(GEOMETRIES[name]), 5) is None


def test_wrong_statement_is_refuted():
    """A sum that is taken right after an addition lacks it."""
    assert broken(theorem(GEOMETRIES["24 bits"], apart=False), 6) == "false"


@pytest.mark.parametrize("name", GEOMETRIES)
def test_wrong_sum_is_refuted(name: str):
    """What is asked for leaves something to be claimed."""
    assert broken(theorem(GEOMETRIES[name], wrong=True), 6) == "false"


def weights(g: Geometry, *, wrong: bool = False) -> Theorem:
    """Of the entry on the memory's output, what is added, where."""
    t, lane = Theorem(), SynapseLane(g)
    walked = t.drive(
        lane, "look", "take", "take_group", "host_synapse", "host0"
    ).submodules.rows.walked
    sums, entry = lane.accumulators, lane.synapses
    word, part = entry.read0, walked.group[: dense_part_bits(g)]
    dense = Array(
        word[i * g.weight_bits : (i + 1) * g.weight_bits].as_signed()
        for i in range(1 << dense_part_bits(g))
    )[part ^ 1 if wrong else part]
    delay = Mux(walked.dense, walked.delay, entry.get("delay"))
    group = Mux(walked.dense, walked.group, entry.get("group"))
    weight = Mux(walked.dense, dense, entry.get("weight").as_signed())
    when, slots = (lane.slot + t.before(delay, 1)) % g.delay_slots, (g.delay_slots - 1).bit_length()
    t.claim(~t.after(1) | (sums.index[:slots] == when))
    t.claim(~t.after(1) | (sums.index[slots:] == t.before(group, 1)))
    due = t.let(weight << walked.exponent)
    # A lane without a row walks nothing, and the adder takes no notice of it.
    t.claim(~t.after(3) | (sums.value == t.before(due, 3)[: len(sums.value)].as_signed()))
    return t


PACKED = Geometry(neurons=64, lanes=2, words=16, weight_bits=5, exponents=15, delay_slots=8)


def test_lanes_unpack_weights():
    """Sparse entries, and dense ones with several weights: mantissa, exponent, group, slot."""
    assert dense_part_bits(PACKED) == 1
    assert broken(weights(PACKED), 3) is None


def test_wrong_weight_is_refuted():
    assert broken(weights(PACKED, wrong=True), 3) == "unproved"
