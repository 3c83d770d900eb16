"""The machine's random numbers: a hash of what each is for, never a stream (machine.md §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

POISSON_SOURCE, THRESHOLD_DECAY = 1, 2
"""Purposes."""
TRACE_DECAY = 16
"""Purpose of trace x1; x2, y1 and y2 follow."""
LEARNING = 32
"""First purpose of rounding in learning."""

FIRST, SECOND = 0x7FEB352D, 0x846CA68B
"""Factors of ``mix``."""
STEP_OFFSET = 0x85EBCA6B
"""Added to a step's number."""
_GOLDEN, _MASK = 0x9E3779B9, 0xFFFFFFFF


def mix(x: ArrayLike) -> NDArray[np.uint32]:
    """A bijection of 32-bit words with low bias (Ellis and Wellons, "lowbias32", 2018)."""
    x = np.array(x, dtype=np.uint32, ndmin=1)
    x ^= x >> np.uint32(16)
    x *= np.uint32(FIRST)
    x ^= x >> np.uint32(15)
    x *= np.uint32(SECOND)
    x ^= x >> np.uint32(16)
    return x


def salt(seed: ArrayLike, purpose: int) -> NDArray[np.uint32]:
    """What a number's seed and purpose contribute to its key term."""
    return mix(np.array(seed, dtype=np.uint32, ndmin=1) + np.uint32(purpose * _GOLDEN & _MASK))


def key_term(seed: ArrayLike, key: ArrayLike, purpose: int) -> NDArray[np.uint32]:
    """What a number's seed, key and purpose contribute; constant over time, so worth keeping."""
    return mix(np.array(key, dtype=np.uint32, ndmin=1) + salt(seed, purpose))


def step_term(step: int | NDArray[np.int64]) -> NDArray[np.uint32]:
    """(1,) what the step contributes, or (n,) for an array of steps; the same for all keys."""
    return mix((step + STEP_OFFSET) & _MASK)


def random(seed: ArrayLike, step: int, key: ArrayLike, purpose: int) -> NDArray[np.uint32]:
    """One 32-bit number per key.

    Args:
        seed: uint32, scalar or one per key.
        step: absolute step since the last reset, modulo 2^32.
        key: (n,) uint32.
        purpose: what the number is for.

    Returns:
        (n,) uint32.
    """
    return mix(key_term(seed, key, purpose) + step_term(step))
