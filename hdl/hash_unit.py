"""The counter hash of docs/machine.md §3 as a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib.wiring import In, Out

from ..counter_hash import FIRST, SECOND
from .component import Component


class Mix(Component):
    """``mix``: one 32-bit number per cycle, LATENCY cycles later its hash.

    Args:
        adders: multiply by adding what is shifted, for cores with few multipliers.
    """

    LATENCY = 4

    def __init__(self, adders: bool = False) -> None:
        self._adders = adders
        super().__init__({"value": In(32), "hashed": Out(32)})

    def elaborate(self, platform: Any) -> Module:
        """Each multiplication has a stage to itself, so that DSP blocks can register it."""
        m = Module()
        if self._adders:
            first = times(m, self.value ^ (self.value >> 16), FIRST, "first")
            second = times(m, first ^ (first >> 15), SECOND, "second")
            m.d.comb += self.hashed.eq(second ^ (second >> 16))
            return m
        mixed, first, folded, second = (Signal(32, name=n) for n in ("a", "b", "c", "d"))
        m.d.sync += [
            mixed.eq(self.value ^ (self.value >> 16)),
            first.eq(mixed * FIRST),
            folded.eq(first ^ (first >> 15)),
            second.eq(folded * SECOND),
        ]
        m.d.comb += self.hashed.eq(second ^ (second >> 16))
        return m


@dataclass(frozen=True)
class _Term:
    """``± value << shift`` modulo 2^32; of the value only the bits that count."""

    value: Any
    shift: int
    negative: bool

    def plus(self, other: _Term) -> _Term:
        low, high = sorted((self, other), key=lambda term: term.shift)
        apart = high.shift - low.shift
        if low.negative and not high.negative:
            raised = Cat(Const(0, apart), high.value) if apart else high.value
            return _Term((raised - low.value)[: 32 - low.shift], low.shift, False)
        upper = low.value[apart:]
        sum_ = upper + high.value if low.negative == high.negative else upper - high.value
        return _Term(
            Cat(low.value[:apart], sum_[: 32 - high.shift]), low.shift, low.negative
        )  # fmt: skip


def times(m: Module, value: Any, constant: int, name: str) -> Signal:
    """``value · constant`` modulo 2^32 two cycles later: four digits are added in each."""
    given = Signal(32, name=f"{name}_given")
    m.d.comb += given.eq(value)
    terms = [_Term(given[: 32 - s], s, digit < 0) for s, digit in signed_digits(constant) if s < 32]
    for stage in range(2):
        sums = []
        for i in range(0, len(terms), 4):
            some = terms[i : i + 4]
            while len(some) > 1:
                some = [a.plus(b) for a, b in zip(some[::2], some[1::2], strict=False)] + (
                    some[-1:] if len(some) % 2 else []
                )
            kept = Signal(32 - some[0].shift, name=f"{name}_{stage}_{i}")
            m.d.sync += kept.eq(some[0].value)
            sums.append(_Term(kept, some[0].shift, some[0].negative))
        terms = sums
    (result,) = terms
    if result.negative or result.shift:
        raise ValueError(f"{constant:#x} is not a positive odd number of few digits")
    return result.value


def signed_digits(constant: int) -> list[tuple[int, int]]:
    """The fewest ±1 at places whose weighted sum is the number, lowest place first."""
    digits, place = [], 0
    while constant:
        if constant & 1:
            digit = 2 - (constant & 3)
            digits.append((place, digit))
            constant -= digit
        constant, place = constant >> 1, place + 1
    return digits
