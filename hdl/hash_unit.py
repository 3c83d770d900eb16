"""The counter hash of docs/machine.md §3 as a pipeline."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from .component import Component

FIRST, SECOND = 0x7FEB352D, 0x846CA68B
STEP_OFFSET = 0x85EBCA6B


class Mix(Component):
    """``mix``: one 32-bit number per cycle, LATENCY cycles later its hash."""

    LATENCY = 4

    def __init__(self) -> None:
        super().__init__({"value": In(32), "hashed": Out(32)})

    def elaborate(self, platform: Any) -> Module:
        """Each multiplication has a stage to itself, so that DSP blocks can register it."""
        m = Module()
        mixed, first, folded, second = (Signal(32, name=n) for n in ("a", "b", "c", "d"))
        m.d.sync += [
            mixed.eq(self.value ^ (self.value >> 16)),
            first.eq(mixed * FIRST),
            folded.eq(first ^ (first >> 15)),
            second.eq(folded * SECOND),
        ]
        m.d.comb += self.hashed.eq(second ^ (second >> 16))
        return m
