"""A Program's synapses in one table, found as spikes find them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import DENSE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import CoreWeights

SYNAPSE = np.dtype(
    [
        ("sender", "<i8"),  # global neuron number, or number of neurons + channel
        ("post", "<i8"),  # global neuron number
        ("receptor", "u1"),
        ("exponent", "<i8"),
        ("delay", "<i8"),  # of the wheel
        ("core", "<i8"),
        ("dense", "?"),
        ("place", "<i8"),  # in the core's dense or sparse weights
        ("projection", "<i8"),
    ]
)


def synapses(program: Program) -> NDArray[np.void]:
    """(s,) of SYNAPSE, grouped by sender."""
    sender, core, axon = _senders(program)
    tables = [np.zeros(0, SYNAPSE)]
    for number, image in enumerate(program.cores):
        mine = core == number
        start = image.axon_start[axon[mine]].astype(np.int64)
        row, who = _expand(start, image.axon_start[axon[mine] + 1] - start)
        rows, origin = image.rows[row], sender[mine][who]
        place, which = _expand(rows["offset"], rows["count"].astype(np.int64))
        rows, dense = rows[which], rows["kind"][which] == DENSE
        table = np.zeros(len(place), SYNAPSE)
        table["sender"], table["core"], table["place"] = origin[which], number, place
        table["dense"] = dense
        for name in ("receptor", "exponent", "projection"):
            table[name] = rows[name]
        nth = place - rows["offset"]
        slot = rows["base"].astype(np.int64) + nth
        slot[~dense] = image.sparse_target[place[~dense]]
        table["post"] = program.core_base[number] + slot
        table["delay"] = rows["delay"]
        table["delay"][~dense] = image.sparse_delay[place[~dense]]
        tables.append(table)
    found = np.concatenate(tables)
    return found[np.argsort(found["sender"], kind="stable")]


def _senders(program: Program) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Who sends to which axon of which core."""
    sender, core, axon = [], [], []
    for number, image in enumerate(program.cores):
        who = program.core_base[number] + np.arange(image.neurons)
        sender.append(np.repeat(who, np.diff(image.spike_start)))
        core.append(image.spike_to["core"].astype(np.int64))
        axon.append(image.spike_to["axon"].astype(np.int64))
    channels = program.neurons + np.arange(program.channels)
    sender.append(np.repeat(channels, np.diff(program.channel_start)))
    core.append(program.channel_to["core"].astype(np.int64))
    axon.append(program.channel_to["axon"].astype(np.int64))
    return np.concatenate(sender), np.concatenate(core), np.concatenate(axon)


def _expand(
    start: NDArray[np.int64], count: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All places of the ranges ``start … start + count``, and the range each belongs to."""
    which = np.repeat(np.arange(len(count)), count)
    first = np.repeat(np.cumsum(count) - count, count)
    return np.asarray(start, np.int64)[which] + np.arange(len(which)) - first, which


def mantissas(table: NDArray[np.void], weights: Sequence[CoreWeights]) -> NDArray[np.int64]:
    """(s,) the present mantissa of each synapse of the table."""
    out = np.zeros(len(table), np.int64)
    for number, core in enumerate(weights):
        for dense, values in ((True, core.dense), (False, core.sparse)):
            mine = (table["core"] == number) & (table["dense"] == dense)
            out[mine] = values[table["place"][mine]]
    return out


def enabled(table: NDArray[np.void], program: Program) -> NDArray[np.bool_]:
    """(s,) which synapses of the table a rule may change."""
    out = np.zeros(len(table), bool)
    for number, core in enumerate(program.cores):
        for dense, values in ((True, core.dense_enable), (False, core.sparse_enable)):
            mine = (table["core"] == number) & (table["dense"] == dense)
            if len(values):
                out[mine] = values[table["place"][mine]] != 0
    return out


def put_back(
    table: NDArray[np.void], values: NDArray[np.int64], weights: Sequence[CoreWeights]
) -> None:
    """Write the mantissas of the table's synapses into ``weights``."""
    for number, core in enumerate(weights):
        for dense, target in ((True, core.dense), (False, core.sparse)):
            mine = (table["core"] == number) & (table["dense"] == dense)
            target[table["place"][mine]] = values[mine]
