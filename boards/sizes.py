"""The cores that boards come with, from which each board takes one and changes its sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..hdl.geometry import Geometry

LIF = Geometry(
    neurons=256, lanes=8, axons=512, rows=512, words=2048, destinations=512, channels=256,
    generators=0, profiles=16, state_bits=24, weight_bits=8, accumulator_bits=24, delay_slots=8,
    receptors=1, refractory_bits=8, adaptation=False, graded=False, exponents=15, shifts=15,
    exponential=True, linear=False, subtract=False, late=False, hold=True, mask=False, bias=True,
)  # fmt: skip
"""Leaky integrate-and-fire neurons with a refractory period and a bias, sparse or dense synapses of
eight bits with delays."""

NARROW = replace(LIF, state_bits=16, accumulator_bits=20)
"""The same with states of 16 bits, for FPGAs with few look-up tables or multipliers."""

ONE_RULE: dict[str, Any] = {
    "rules": 1, "code": 8, "factors": 2, "by_weight": True, "shared": True, "sums": True,
    "fraction": 18, "coefficient_bits": 18, "sum_bits": 27,
}  # fmt: skip
"""One rule of up to eight products of two factors each, among them the weight and the modulator:
pair STDP, additive or multiplicative, and learning with a teacher. No product moves a weight by
half a step or more per step of its factors, and no event by 2^8."""


def sized(base: Geometry, **changes: Any) -> Geometry:
    """A core with other sizes, and as many units as is usual for its lanes."""
    return replace(base, **{"update_lanes": 0, **changes})


LEARNING = sized(
    NARROW, neurons=1024, lanes=4, axons=1280, rows=1536, destinations=1536, words=2048,
    profiles=8, accumulator_bits=18, delay_slots=2, plastic=2048, slots=64, **ONE_RULE,
)  # fmt: skip
"""1,024 neurons, 8,192 sparse synapses that stay as they are and 8,192 that learn."""

SMALL = sized(
    NARROW, neurons=256, lanes=1, axons=1536, rows=1536, words=1, destinations=1536, channels=256,
    profiles=4, accumulator_bits=16, delay_slots=2, weight_bits=7, exponents=0, shifts=0,
    plastic=65536, slots=256, rules=1, code=2, factors=1, fraction=18, coefficient_bits=18,
    sum_bits=28, micro=True,
)  # fmt: skip
"""Of the small core: 256 neurons, and 65,536 synapses that learn, a byte each; all other tables
take 62 KiB."""
