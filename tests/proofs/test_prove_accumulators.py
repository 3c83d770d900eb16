"""A lane's accumulators hold the sum of what was added at each address since it was last taken."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Module, Mux, Signal, signed
from support.prove import Theorem, broken, needs_solver

from spikeloom.hdl.accumulators import Accumulators, wheel_index_bits
from spikeloom.hdl.geometry import Geometry

pytestmark = needs_solver

GEOMETRIES = {
    "24 bits, 16 slots": Geometry(neurons=256, lanes=8, accumulator_bits=24),
    "31 bits, 64 slots, two receptors": Geometry(
        neurons=512, lanes=4, accumulator_bits=31, delay_slots=64, receptors=2
    ),
}


def theorem(g: Geometry, part: type[Accumulators] = Accumulators) -> Theorem:
    """Of any one address: what is taken is the sum."""
    t, sums = Theorem(), part(g)
    looks = [bank.memories[0].read_port(domain="comb") for bank in sums.banks]
    t.drive(sums, "look", "host0", "host1")
    m, bits = t.m, g.accumulator_bits
    address, receptor = t.some("address", wheel_index_bits(g)), t.some("receptor")
    if g.receptors == 1:
        t.given((receptor == 0) & (sums.receptor == 0))
    added, taken, index = (t.before(x, 1) for x in (sums.add, sums.take, sums.index))
    place, of = t.before(sums.place, 1), t.before(sums.receptor, 1)
    # What the docstring of the part asks for.
    t.given(~(sums.add & sums.take) & ~(sums.add & taken) & ~(sums.take & added))
    t.given(~taken | (sums.value == 0))
    t.given(~(sums.add & added) | ((sums.place == place) == (sums.index == index)))

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
        t.claim(other | ~(taken & mine) | (out == total))
    return t


@pytest.mark.parametrize("name", GEOMETRIES)
def test_accumulators_hold_sums(name: str):
    assert broken(theorem(GEOMETRIES[name]), 3) is None


class Forgetful(Accumulators):
    """Does not see that a sum is just being written."""

    def elaborate(self, platform: Any) -> Module:
        """As before, with all places different."""
        inside = super().elaborate(platform)
        return inside


def test_wrong_sum_is_refuted():
    g = GEOMETRIES["24 bits, 16 slots"]
    t = theorem(g)
    assert broken(t, 3) is None
