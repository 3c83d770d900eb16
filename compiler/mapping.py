"""What users say about mapping: which partitions to try, and how often neurons fire."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CompileError
from .checks import Reasons, numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .mapped import Flat

METHODS = ("auto", "sequential", "best", "mtkahypar")
"""``auto`` fills core after core, and tries the others where that does not fit."""


@dataclass(frozen=True)
class Mapping:
    """How neurons are put on cores.

    Args:
        method: ``"auto"``, ``"sequential"``, ``"best"``, or ``"mtkahypar"``, which is ``best`` with
            mt-KaHyPar's partition among those that are tried.
        rates: population to spikes per second, a number or one per neuron; a population that is
            not named fires as often as the mean of those that are. None: all fire alike.

    Raises:
        CompileError: no such method.
    """

    method: str = "auto"
    rates: MappingOf[str, ArrayLike] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise CompileError(
                "unknown mapping", found=repr(self.method), expected="one of " + ", ".join(METHODS)
            )
        if self.rates is not None and not isinstance(self.rates, MappingOf):
            raise CompileError(
                "rates must map names of populations to spikes per second",
                found=repr(self.rates)[:80],
            )

    def rate(self, ir: Flat) -> NDArray[np.float64]:
        """(n,) spikes per second of each neuron; ones where nothing is known.

        Raises:
            CompileError: a population that is not there.
            NetworkError: another number of rates, or a negative one.
        """
        rate = np.ones(ir.neurons)
        if not self.rates:
            return rate
        sizes = {p.name: p for p in ir.graph.populations}
        known = np.zeros(ir.neurons, bool)
        for name, given in self.rates.items():
            if name not in sizes:
                raise CompileError(
                    "rates of a population that the network does not have",
                    found=repr(name),
                    expected="one of " + ", ".join(sizes),
                )
            own = slice(sizes[name].first, sizes[name].first + sizes[name].size)
            rate[own] = _rates(name, given, sizes[name].size)
            known[own] = True
        rate[~known] = rate[known].mean()
        return rate


def _rates(name: str, given: Any, size: int) -> NDArray[np.float64]:
    reasons = Reasons(f"rates of {name!r}")
    values = numbers(reasons, "rate", given, ndim=(0, 1), low=0.0)
    if values.ndim == 1 and len(values) != size:
        reasons.add(f"{len(values)} rates for {size} neurons")
    reasons.done()
    return np.broadcast_to(values, (size,))


def resolve_mapping(mapping: str | Mapping) -> Mapping:
    """The mapping of that name, or the mapping itself."""
    if isinstance(mapping, Mapping):
        return mapping
    return Mapping(mapping)
