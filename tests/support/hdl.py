"""Small helpers for testbenches of single components."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from amaranth.sim import Simulator


def simulate(
    component: Any,
    *benches: Callable[[Any], Awaitable[None]],
) -> None:
    """Clock a component until all benches have returned."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


def fill(context: Any, bank: Any, columns: Iterable[Iterable[int]]) -> None:
    """Write a bank's memories through the back door."""
    for memory, words in zip(bank.memories, columns, strict=True):
        for i, word in enumerate(words):
            context.set(memory.data[i], int(word))


def contents(context: Any, bank: Any) -> list[list[int]]:
    """All words of a bank's memories."""
    return [[context.get(m.data[i]) for i in range(m.data.depth)] for m in bank.memories]
