"""Which synapses learn at once on the NumPy kernel: whole rows, or whole columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...counter_hash import mix
from .rows import ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(eq=False)
class Order:
    """A rule's synapses by their neurons of one side, the *owners*; ``k`` synapses of ``n`` owners.

    Attributes:
        columns: the owners are postsynaptic.
        start: (n + 1,) owner ``j`` has ``start[j]:start[j + 1]``.
        at: (k,) where they are in a FlatMemory.
        other: (k,) their neuron on the other side.
        number: (k,) uint32, that neuron's number in its population or source.
        fixed_delay: (k,) of dense synapses; -1 where FlatMemory has the delay.
    """

    columns: bool
    start: NDArray[np.int64]
    at: NDArray[np.int64]
    other: NDArray[np.int64]
    number: NDArray[np.uint32]
    fixed_delay: NDArray[np.int64]


@dataclass(eq=False)
class Due:
    """Synapses that learn at once: all of some owners.

    What belongs to an owner is looked up once and repeated for its synapses.
    """

    order: Order
    owner: NDArray[np.int64]

    def __post_init__(self) -> None:
        start = self.order.start[self.owner]
        self._count = self.order.start[self.owner + 1] - start
        self.which = ranges(start, self._count)
        self.at = self.order.at.take(self.which)

    @cached_property
    def _other(self) -> NDArray[np.int64]:
        return self.order.other.take(self.which)

    def owned(self, values: NDArray[Any]) -> NDArray[Any]:
        """(k,) of (n,) values of owners."""
        return np.repeat(values.take(self.owner), self._count)

    def pre(self, values: NDArray[Any]) -> NDArray[Any]:
        """(k,) of the presynaptic neurons' values."""
        return values.take(self._other) if self.order.columns else self.owned(values)

    def post(self, values: NDArray[Any]) -> NDArray[Any]:
        """(k,) of the postsynaptic neurons' values."""
        return self.owned(values) if self.order.columns else values.take(self._other)

    def noise(self, terms: NDArray[np.uint32], of_step: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """(k,) ``a * n + b``: ``a`` and ``b`` of the owner, from their key terms (2, n)."""
        drawn = mix(terms.take(self.owner, axis=1) + of_step)
        a, b = np.repeat(drawn, self._count, axis=1)
        a *= self.order.number.take(self.which)
        a += b
        return a
