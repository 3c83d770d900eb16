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
    used = {
        "core.fan_in": synapses_per_neuron,
        "core.fan_out": fan_out,
        "core.axons_out": axons_out,
    }
    for name, count in used.items():
        if not chip.has(name):
            continue
        counts = [count(core) for core in program.cores]
        most = [int(each.max(initial=0)) for each in counts]
        needed, available = max(most, default=0), chip.count(name)
        if needed > available:
            core = most.index(needed)
            broken = sum(int((each > available).sum()) for each in counts)
            population, what = "(all)", f"core {core}"
            if name != "core.axons_out":
                population = what = _name(program, core, int(counts[core].argmax()))
            error = FitError(
                f"the Program is too much for chip {chip.name!r}: {_MEANING[name]}\n"
                f"  why it is not split: {_WHY[name]}",
                found=f"{needed:,}" + (f"; {broken:,} are beyond the limit" if broken > 1 else ""),
                expected=f"at most {available:,}",
                where=what,
                remedy=_REMEDY[name],
            )
            row = {"resource": name, "population": population, "per": "core"}
            error.table = ({**row, "needed": needed, "available": available},)
            raise error


def _name(program: Program, core: int, slot: int) -> str:
    """Population and index of a neuron of a core."""
    for population in program.populations:
        own = np.flatnonzero((population.core == core) & (population.slot == slot))
        if len(own):
            return f"{population.name}[{own[0]}]"
    return f"slot {slot} of core {core}"


_MEANING = {
    "core.fan_in": "synapses of one neuron",
    "core.fan_out": "cores that one neuron sends to",
    "core.axons_out": "messages of one core's neurons",
}
_WHY = {
    "core.fan_in": "parts of a neuron would have to send each other sums within a step, "
    "and cores send spikes",
    "core.fan_out": "a relay's spikes would come a step later, and the results would depend on "
    "the mapping",
    "core.axons_out": "each of these neurons may send to several cores already; "
    "their sum is too large",
}
_REMEDY = {
    "core.fan_in": "fewer synapses onto this neuron; or populations of its own that sum up parts "
    "of its inputs, which is another network",
    "core.fan_out": 'mapping="best", which puts the targets of a neuron on fewer cores; or two '
    "neurons of the same inputs and parameters, each with a part of the targets",
    "core.axons_out": 'mapping="best", which needs fewer messages; or fewer neurons per core',
}


def fan_out(core: CoreImage) -> NDArray[np.int64]:
    """(neurons,) destinations of each neuron."""
    return np.diff(core.spike_start).astype(np.int64)


def axons_out(core: CoreImage) -> NDArray[np.int64]:
    """(1,) destinations of all neurons."""
    return np.array([len(core.spike_to)], np.int64)


def synapses_per_neuron(core: CoreImage) -> NDArray[np.int64]:
    """(n,) synapses onto each neuron of a core."""
    counts = np.bincount(core.sparse_target, minlength=core.neurons)
    dense = core.rows[core.rows["kind"] == DENSE]
    steps = np.zeros(core.neurons + 1, np.int64)
    np.add.at(steps, dense["base"].astype(np.int64), 1)
    np.add.at(steps, dense["base"].astype(np.int64) + dense["count"], -1)
    return counts + np.cumsum(steps)[: core.neurons]
