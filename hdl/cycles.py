"""How many clock cycles a step takes, to the cycle: docs/hardware.md as arithmetic.

The costs add up per spike. Whoever sends it, a spike costs the words of all rows on all axons that
it goes to (``HardwareImage.origin_cycles``), one cycle each. Senders come in a fixed order: neurons
that fired in the step before, the host's channels, generators; a step needs three sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

OVERHEAD = 12
"""Cycles of a step without any spike, besides its groups of neurons: start, the update's pipeline
(2 to read, 6 to compute, 1 to write), end."""
NEURONS = 9
"""From the step's start to the first word of a spike of a neuron, whose mask is in memory."""
HOST = 7
"""From the step's start to the first word of a spike of the host's."""
SCAN = 7
"""From the step's start to the decision about the last group of generators, besides the groups."""
GENERATORS = SCAN + NEURONS
"""From the step's start to the first word of a spike of a generator, besides the groups."""


@dataclass(frozen=True, eq=False)
class StepWork:
    """What a core does in each of a number of steps; (steps,) integers, or one for all steps.

    Attributes:
        neurons: words walked for spikes of neurons that fired in the step before.
        host: words walked for spikes of the host.
        generators: words walked for spikes of generators.
        graded: graded events of the host.
        groups: groups of neurons in use, at least 1.
        generator_groups: groups of generators in use.
    """

    neurons: ArrayLike
    host: ArrayLike
    generators: ArrayLike
    graded: ArrayLike
    groups: int
    generator_groups: int


def step_cycles(work: StepWork) -> NDArray[np.int64]:
    """Clock cycles from the beginning of each step to the earliest beginning of the next.

    The host's input is taken to be there in time, spikes after graded events.
    """
    neurons, host, generators, graded = (
        np.asarray(x, np.int64) for x in (work.neurons, work.host, work.generators, work.graded)
    )
    scan = work.generator_groups
    at = np.where(neurons > 0, NEURONS + neurons, 0)
    at = np.where(host > 0, np.maximum(at, graded + HOST) + host, at)
    at = np.where(generators > 0, np.maximum(at, scan + GENERATORS) + generators, at)
    decided = np.maximum(graded, scan + SCAN if scan else 0)
    return np.maximum(at, decided) + OVERHEAD + max(1, work.groups)
