"""Sums as digits: threshold neurons that tell a whole number by who of them fires.

An analogue-to-digital converter of the flash kind compares a number with all multiples of a unit at
once; one in stages takes what the first stage told off the number, and compares the rest with a
smaller unit a step later. Neurons that forget everything in each step can do both, exactly: one
fires if what comes in is larger than its threshold, and takes its value off the sum that later
stages get, by a synapse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .target import Target


@dataclass(frozen=True, eq=False)
class Digits:
    """Neurons that tell the sums of a range; every array (m,), in the order of stages.

    The last neuron is positive and fires from one smallest unit on.

    Attributes:
        stages: steps from the first comparison to the last, from 1.
        stage: which of them each neuron takes part in.
        sign: 1, or -1 for a neuron that gets all weights with the opposite sign.
        threshold: it fires if what comes in is larger.
        value: what its spike says about the sum; negative where ``sign`` is.
    """

    stages: int
    stage: NDArray[np.int64]
    sign: NDArray[np.int64]
    threshold: NDArray[np.int64]
    value: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.value)

    def needed(self, high: NDArray[np.int64], low: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(g, m) which neurons can fire in groups whose sums are from ``-low`` to ``high``, (g,).

        The last one always stays. What later stages get is never negative, and may be anything up
        to their unit where the sum can be negative.
        """
        reach = np.where((self.stage == 0) & (self.sign < 0), low[:, None], high[:, None])
        some = (self.threshold < reach) | ((self.stage > 0) & (low[:, None] > 0))
        some[:, -1] = True
        return some


def digits(
    high: int, low: int, grain: int, stages: int, largest: int, limit: int = 1 << 20
) -> Digits | None:
    """The fewest neurons that tell each multiple of ``grain`` from ``-low`` to ``high``.

    Args:
        high, low: bounds, from 0, multiples of ``grain``.
        grain: smallest unit, from 1.
        stages: that there may be at most, from 1.
        largest: most bits that a unit may have beyond the grain's.
        limit: neurons that there may be at most; None where it takes more.
    """
    positive, negative = high // grain, low // grain
    best: tuple[int, int, int] | None = None
    for bits in range(max(positive, negative, 1).bit_length() + 1):
        parts = min(stages - 1, bits)
        if bits > largest or (bits and not parts):
            break
        short, longer = divmod(bits, parts) if parts else (0, 0)
        rest = (parts - longer) * ((1 << short) - 1) + longer * ((2 << short) - 1)
        found = max(positive >> bits, not bits) - (-negative >> bits) + rest, parts, bits
        best = found if best is None else min(best, found)
    assert best is not None
    needed, parts, bits = best
    if needed > limit:
        return None
    rows = [(0, -1, (i << bits) * grain, -(1 << bits) * grain) for i in range(-(-negative >> bits))]
    first = max(positive >> bits, not bits)
    rows += [_above(0, i, grain << bits) for i in range(first, 0, -1)]
    for stage in range(1, parts + 1):
        more = -(-bits // (parts - stage + 1))
        bits -= more
        rows += [_above(stage, i, grain << bits) for i in range((1 << more) - 1, 0, -1)]
    return Digits(parts + 1, *np.array(rows, np.int64).T)


def _above(stage: int, times: int, unit: int) -> tuple[int, int, int, int]:
    """A neuron that fires from so many units on."""
    return stage, 1, times * unit - 1, unit


def mantissas(values: Iterable[int], target: Target) -> dict[int, tuple[int, int]]:
    """Each positive value as (mantissa, exponent), with as few exponents as can be.

    Values that the target's synapses cannot have are left out.
    """
    ranges = {}
    for value in set(values):
        low = max(0, value.bit_length() - target.weight_max.bit_length())
        high = min((value & -value).bit_length() - 1, target.exponents)
        if low <= high:
            ranges[value] = low, high
    found: dict[int, tuple[int, int]] = {}
    exponent = -1
    for value, (low, high) in sorted(ranges.items(), key=lambda item: (item[1][1], item[0])):
        if low > exponent:  # the classic: the end of the first interval that is not stabbed yet
            exponent = high
        found[value] = value >> exponent, exponent
    return found
