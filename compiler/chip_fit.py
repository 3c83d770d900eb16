"""Limits of a chip that concern a neuron or a core and no pass of the compiler keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import FitError
from .program import DENSE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .chip import Chip
    from .program import CoreImage, Program


def check_fans(program: Program, chip: Chip) -> None:
    """Synapses per neuron, cores per spike, messages per core; those that the chip limits.

    Raises:
        FitError: the first kind of limit that is broken, with the worst case of it.
    """
    used = {"core.fan_in": fan_in, "core.fan_out": fan_out, "core.axons_out": axons_out}
    for name, count in used.items():
        if not chip.has(name):
            continue
        needed, available = (max(map(count, program.cores), default=0), chip.count(name))
        if needed > available:
            error = FitError(
                f"the Program is too much for chip {chip.name!r}: {_MEANING[name]}",
                found=needed,
                expected=f"at most {available}",
                remedy="fewer or other connections, or populations that share more inputs",
            )
            row = {"resource": name, "population": "(all)", "per": "core"}
            error.table = ({**row, "needed": needed, "available": available},)
            raise error


_MEANING = {
    "core.fan_in": "synapses of one neuron",
    "core.fan_out": "cores that one neuron sends to",
    "core.axons_out": "messages of one core's neurons",
}


def fan_in(core: CoreImage) -> int:
    """Most synapses of a neuron."""
    return int(synapses_per_neuron(core).max(initial=0))


def fan_out(core: CoreImage) -> int:
    """Most destinations of a neuron."""
    return int(np.diff(core.spike_start).max(initial=0))


def axons_out(core: CoreImage) -> int:
    """Destinations of all neurons."""
    return len(core.spike_to)


def synapses_per_neuron(core: CoreImage) -> NDArray[np.int64]:
    """(n,) synapses onto each neuron of a core."""
    counts = np.bincount(core.sparse_target, minlength=core.neurons)
    dense = core.rows[core.rows["kind"] == DENSE]
    steps = np.zeros(core.neurons + 1, np.int64)
    np.add.at(steps, dense["base"].astype(np.int64), 1)
    np.add.at(steps, dense["base"].astype(np.int64) + dense["count"], -1)
    return counts + np.cumsum(steps)[: core.neurons]
