"""The base of all parts of the hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Component(wiring.Component):
    """A component whose ports come from the signature that it hands to ``super().__init__``."""

    if TYPE_CHECKING:
        # Ports become attributes only when the signature is known.
        def __getattr__(self, name: str) -> Any: ...


def tree(combine: Callable[[Any, Any], Any], values: Iterable[Any]) -> Any:
    """All values combined two by two: as deep as the logarithm of their number."""
    level = list(values)
    while len(level) > 1:
        pairs = [combine(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]


def stages(m: Module, value: Any, cycles: int, name: str) -> list[Any]:
    """A value, the same one cycle later, and so on."""
    found = [value]
    for i in range(cycles):
        found.append(Signal(value.shape(), name=f"{name}_{i + 1}"))
        m.d.sync += found[-1].eq(found[-2])
    return found


def later(m: Module, value: Any, cycles: int, name: str) -> Any:
    """A value, so many cycles later."""
    return stages(m, value, cycles, name)[-1]
