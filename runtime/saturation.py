"""Numbers that were clipped, by the user's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .backend import SATURATION_KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .symbols import Symbols


class SaturationWarning(UserWarning):
    """Numbers reached the end of their range during a run and were clipped there."""


@dataclass(frozen=True)
class Counters:
    """What a device has counted since the last reset.

    Attributes:
        steps: steps computed.
        spikes: spikes fired by populations.
        synaptic_events: synapses that carried a spike.
        clipped: kind ("u", "v", "threshold") -> how often a number was clipped, all cores.
        saturations: population -> kind -> number of its neurons with a clipped number; only
            populations that have any.
    """

    steps: int
    spikes: int
    synaptic_events: int
    clipped: dict[str, int]
    saturations: dict[str, dict[str, int]]


def saturated_neurons(
    symbols: Symbols, sticky: NDArray[np.uint8], risen: NDArray[np.int64] | None = None
) -> dict[str, dict[str, int]]:
    """Population -> kind -> how many of its neurons have the sticky bit.

    Args:
        symbols: of the loaded Program.
        sticky: (n,) ``State.saturated``.
        risen: (cores, 3) by how much the counters have risen; where they have not, the bits
            are old and do not count.
    """
    told: dict[str, dict[str, int]] = {}
    for population in symbols.program.populations:
        bits = sticky[symbols.neurons(population.name)]
        if not bits.any():
            continue
        for number, kind in enumerate(SATURATION_KINDS):
            own = (bits >> number & 1).astype(np.bool_)
            if risen is not None:
                own &= risen[population.core, number] > 0
            if own.any():
                told.setdefault(population.name, {})[kind] = int(np.count_nonzero(own))
    return told


def describe_saturation(
    symbols: Symbols, sticky: NDArray[np.uint8], risen: NDArray[np.int64]
) -> str:
    """How often each kind was clipped and in which populations, for a warning."""
    times = ", ".join(
        f"{kind} {amount}"
        for kind, amount in zip(SATURATION_KINDS, risen.sum(axis=0).tolist(), strict=True)
        if amount
    )
    names = "; ".join(
        f"{name!r} ({', '.join(f'{kind} of {n} neurons' for kind, n in of.items())})"
        for name, of in saturated_neurons(symbols, sticky, risen).items()
    )
    return f"(times: {times}), in {names}"
