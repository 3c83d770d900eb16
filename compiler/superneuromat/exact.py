"""The scale at which a network's numbers are integers, and numbers of it that are."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATE_MAX = (1 << 23) - 1
"""Largest integer of the widest state, 24 bits."""
MANTISSA_BITS = 8
"""Of the weights of the usual target: larger ones become sums of several synapses."""
LARGEST_WEIGHT = 127 << 15
"""With the largest exponent."""


def lowest_bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """(k,) exponent of the lowest set bit of each number: it is a multiple of ``2^that``; of 0 a
    large number, since 0 is a multiple of anything."""
    mantissa, exponent = np.frexp(values)
    whole = np.abs(mantissa * 2.0**53).astype(np.int64)
    low = whole & -whole
    trailing = np.frexp(low.astype(np.float64))[1] - 1
    return np.where(whole == 0, 2000, exponent - 53 + trailing)


def floored(values: NDArray[np.float64], minus: NDArray[np.float64], scale: float) -> NDArray:
    """``⌊(values − minus) · scale⌋`` exactly, as float64, at most what the state holds.

    For integers v, ``v > x`` and ``v > ⌊x⌋`` are the same, so thresholds need not be representable.
    """
    out = np.zeros(len(values))
    for i, (value, less) in enumerate(zip(values.tolist(), minus.tolist(), strict=True)):
        if np.isinf(value):
            out[i] = STATE_MAX if value > 0 else -STATE_MAX - 1
            continue
        exact = (Fraction(value) - Fraction(less)) * Fraction(scale)
        out[i] = max(min(exact.__floor__(), STATE_MAX), -STATE_MAX - 1)
    return out


def split(weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Whole weights as sums of such that 8-bit mantissas with one exponent each hold.

    Args:
        weights: (k,) whole numbers.

    Returns:
        One or more arrays (k,) that add up to the weights; the first has the lowest bits.
    """
    whole = weights.astype(np.int64)
    common = int(np.bitwise_or.reduce(np.abs(whole), initial=0))
    shift = max((common & -common).bit_length() - 1, 0)
    rest, parts = whole >> shift, []
    while True:
        low = ((rest + 128) & 255) - 128
        rest = (rest - low) >> 8
        parts.append((low << shift).astype(np.float64))
        if not rest.any():
            return parts
        shift += 8
