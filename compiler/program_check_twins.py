"""The independent check of a Program's twins, and of what its target lets neurons send and receive.

Neurons without a name must be equal for ever to the neuron whose key they have: in parameters, and
in every synapse that leads to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .program import DENSE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .program import CoreImage, Program


def check_twins(program: Program, require: Callable[..., None]) -> None:
    """Each twin has one original, on its core, and all that this has."""
    for number, core in enumerate(program.cores):
        twin, where = program.twins_on(number), f"core {number}, twins"
        if not len(twin):
            continue
        base = program.core_base[number]
        of = program.twin_of[base + twin] - base
        _check_originals(program, number, of, require, where)
        for name in ("profile", "threshold", "bias", "v_init"):
            values = getattr(core, name)
            same = bool((values[twin] == values[of]).all())
            require(same, where, f"a twin has another {name}")
        _check_synapses(core, twin, of, require, where)


def _check_originals(
    program: Program, number: int, of: Any, require: Callable[..., None], where: str
) -> None:
    """A key that twins have belongs to one neuron that has a name."""
    key = program.cores[number].key
    named = np.ones(len(key), np.bool_)
    named[program.twins_on(number)] = False
    values, counts = np.unique(key[named], return_counts=True)
    require(
        bool((counts[np.searchsorted(values, key[of])] == 1).all()),
        where, "it is not clear whose twin a neuron is",
    )  # fmt: skip


def _check_synapses(
    core: CoreImage, twin: Any, of: Any, require: Callable[..., None], where: str
) -> None:
    """All synapses of a twin are its original's, and none of them learns."""
    involved = np.zeros(core.neurons, np.bool_)
    involved[twin] = involved[of] = True
    table = np.sort(core.synapses_onto(involved))
    require(not table["rule"].any(), where, "a synapse that learns leads to a neuron with twins")
    count = np.bincount(table["slot"], minlength=core.neurons)
    first = np.cumsum(count) - count
    same = np.array_equal(count[twin], count[of])
    require(same, where, "a twin has more or fewer synapses than its original")
    times = count[twin]
    turn = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    mine = table[np.repeat(first[twin], times) + turn]
    theirs = table[np.repeat(first[of], times) + turn]
    mine["slot"] = theirs["slot"]
    require(bool((mine == theirs).all()), where, "a twin has other synapses than its original")


def check_fans(program: Program, require: Callable[..., None]) -> None:
    """The target's limits of synapses per neuron, cores per spike and messages per core."""
    target = program.target
    for number, core in enumerate(program.cores):
        where = f"core {number}"
        if target.fan_in is not None:
            found = int(_synapses_per_neuron(core).max(initial=0))
            require(found <= target.fan_in, where, "a neuron has more synapses than it can", found)
        if target.fan_out is not None:
            found = int(np.diff(core.spike_start).max(initial=0))
            require(found <= target.fan_out, where, "a spike goes to more cores than it can", found)
        if target.axons_out is not None:
            found = len(core.spike_to)
            require(found <= target.axons_out, where, "its neurons send too many messages", found)


def _synapses_per_neuron(core: CoreImage) -> NDArray[np.int64]:
    """(n,) synapses onto each neuron of a core."""
    dense = core.rows[core.rows["kind"] == DENSE]
    change = np.zeros(core.neurons + 1, np.int64)
    np.add.at(change, dense["base"].astype(np.int64), 1)
    np.add.at(change, dense["base"].astype(np.int64) + dense["count"], -1)
    sparse = np.bincount(core.sparse_target, minlength=core.neurons)
    return sparse + np.cumsum(change)[: core.neurons]
