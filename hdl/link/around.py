"""Places of a ring that are gone through in turn: a shift register instead of a counter."""

from __future__ import annotations

from amaranth.hdl import Cat, Signal, Value

_TAPS = {6: 4, 7: 5, 9: 4, 10: 6}
"""Bits of a place -> the bit that is fed back beside the highest: of trinomials that are primitive,
so that all places but 0 take their turn."""

FIRST = 1
"""Where a ring begins."""


def place(depth: int, **options: int) -> Signal:
    """A register for a place of a ring of so many words, of which one is never used."""
    bits = (depth - 1).bit_length()
    if depth != 1 << bits or bits not in _TAPS:
        depths = ", ".join(str(1 << known) for known in _TAPS)
        raise ValueError(f"a ring has {depths} words, not {depth}")
    return Signal(bits, **{"init": FIRST, **options})


def after(at: Signal) -> Value:
    """The place behind it."""
    return Cat(at[-1] ^ at[_TAPS[len(at)]], at[:-1])


def after_first(steps: int, depth: int) -> int:
    """The place so many steps behind the first."""
    bits, at = (depth - 1).bit_length(), FIRST
    for _ in range(steps):
        fed = (at >> (bits - 1) ^ at >> _TAPS[bits]) & 1
        at = (at << 1 | fed) & (depth - 1)
    return at
