"""Which rows the generated hardware walks: the Program's, and for plastic ones a little more.

The hardware keeps the synapses of a plastic projection as a matrix of rows by neurons, at most one
synapse in each place. So a plastic row group with several synapses to one neuron becomes several
rows. And a presynaptic neuron without any synapse in a plastic projection gets an empty row: its
traces take up its spikes all the same (docs/machine.md §7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..compiler.program import DENSE, SPARSE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import CoreImage, Program

_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class RowPlan:
    """The rows of one core, axon by axon.

    Attributes:
        axon_start: (axons + 1,) int64; axon ``a`` has rows ``axon_start[a] … axon_start[a + 1]``.
        channel_start, channel_axon: each channel's axons, as ``Program.channel_to`` has them.
        neuron_start, neuron_axon: each neuron's axons.
        row: (n,) int64, the Program's row, or -1.
        rule: (n,) int64, 1 + its rule, or 0.
        pre: (n,) int64, its neuron within source or population.
        layer: (n,) int64, how many synapses of the Program's row to the same neuron come first.
        first, last: (n,) int64, its lowest and highest target slot; that of an empty row any of
            its rule's.
    """

    axon_start: NDArray[np.int64]
    channel_start: NDArray[np.int64]
    channel_axon: NDArray[np.int64]
    neuron_start: NDArray[np.int64]
    neuron_axon: NDArray[np.int64]
    row: NDArray[np.int64]
    rule: NDArray[np.int64]
    pre: NDArray[np.int64]
    layer: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def static(self, values: NDArray[_Value]) -> NDArray[_Value]:
        """(n, …) what each row has, 0 for those of rules.

        Args:
            values: (rows, …) what the Program's rows have; there may be none of these, though
                there are rows of a rule.
        """
        found = np.zeros((len(self.row), *values.shape[1:]), values.dtype)
        static = self.rule == 0
        found[static] = values[self.row[static]]
        return found


def plan_rows(program: Program, core: int = 0) -> RowPlan:
    """The rows of a core of a verified Program."""
    image = program.cores[core]
    rows = image.rows
    plastic = rows["rule"] > 0
    layer = sparse_layers(image)
    copies = np.ones(len(rows), np.int64)
    for number in np.flatnonzero(plastic & (rows["kind"] == SPARSE)):
        start = int(rows["offset"][number])
        copies[number] = 1 + int(layer[start : start + rows["count"][number]].max())
    row = np.repeat(np.arange(len(rows)), copies)
    first, last = _span(image)
    ends = np.append(0, np.cumsum(copies))
    axon_start = ends[image.axon_start.astype(np.int64)]
    lists = [
        (program.channel_start.astype(np.int64), program.channel_to["axon"].astype(np.int64)),
        (image.spike_start.astype(np.int64), image.spike_to["axon"].astype(np.int64)),
    ]
    parts = {
        "row": row,
        "rule": rows["rule"][row].astype(np.int64),
        "pre": rows["pre"][row].astype(np.int64),
        "layer": np.arange(len(row)) - ends[row],
        "first": first[row],
        "last": last[row],
    }
    if program.rules:
        axon_start, parts, lists = _with_empty(program, core, axon_start, parts, lists)
    (channel_start, channel_axon), (neuron_start, neuron_axon) = lists
    return RowPlan(
        axon_start, channel_start, channel_axon, neuron_start, neuron_axon, **parts
    )  # fmt: skip


def sparse_layers(core: CoreImage) -> NDArray[np.int64]:
    """(k,) how many sparse synapses of the same plastic row and target come before each one."""
    layer = np.zeros(len(core.sparse_target), np.int64)
    rows = core.rows
    for number in np.flatnonzero((rows["rule"] > 0) & (rows["kind"] == SPARSE)):
        start, count = int(rows["offset"][number]), int(rows["count"][number])
        target = core.sparse_target[start : start + count]
        order = np.argsort(target, kind="stable")
        new = np.flatnonzero(np.diff(target[order].astype(np.int64), prepend=-1))
        lengths = np.diff(np.append(new, count))
        layer[start + order] = np.arange(count) - np.repeat(new, lengths)
    return layer


def _span(core: CoreImage) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest and highest target slot of each row."""
    rows = core.rows
    first = rows["base"].astype(np.int64)
    last = first + rows["count"] - 1
    for number in np.flatnonzero((rows["kind"] != DENSE) & (rows["rule"] > 0)):
        start = int(rows["offset"][number])
        target = core.sparse_target[start : start + int(rows["count"][number])]
        first[number], last[number] = target.min(), target.max()
    return first, last


def _with_empty(
    program: Program,
    core: int,
    axon_start: NDArray[np.int64],
    parts: dict[str, NDArray[np.int64]],
    lists: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[
    NDArray[np.int64],
    dict[str, NDArray[np.int64]],
    list[tuple[NDArray[np.int64], NDArray[np.int64]]],
]:
    """Add a row for each presynaptic neuron of a rule that has none, with an axon if need be."""
    axons = len(axon_start) - 1
    axon_of = np.repeat(np.arange(axons), np.diff(axon_start))
    added: list[tuple[int, ...]] = []  # axon, and the row's parts
    new: list[list[tuple[int, int]]] = [[], []]  # sender and its new axon
    for number, rule in enumerate(program.rules, 1):
        symbol = program.projections[rule.projection]
        source, population = program.source(symbol.pre), program.population(symbol.pre)
        post = program.population(symbol.post)
        assert post is not None
        if source is not None:
            kind, senders = 0, source.first_channel + np.arange(source.size)
        else:
            assert population is not None
            kind, senders = 1, population.slot.astype(np.int64)
        slot = int(post.slot[post.core == core].min())
        start, to = lists[kind]
        own = parts["pre"][parts["rule"] == number]
        for pre in np.setdiff1d(np.arange(len(senders)), own).tolist():
            sender = int(senders[pre])
            given = [axon for one, axon in new[kind] if one == sender]
            if start[sender] < start[sender + 1]:
                axon = int(to[start[sender]])
            elif given:
                axon = given[0]
            else:
                axon, axons = axons, axons + 1
                new[kind].append((sender, axon))
            added.append((axon, -1, number, pre, 0, slot, slot))
    if added:
        table = np.array(added, np.int64)
        order = np.argsort(np.concatenate([axon_of, table[:, 0]]), kind="stable")
        counts = np.bincount(np.concatenate([axon_of, table[:, 0]]), minlength=axons)
        axon_start = np.append(0, np.cumsum(counts))
        parts = {
            name: np.concatenate([old, table[:, 1 + i]])[order]
            for i, (name, old) in enumerate(parts.items())
        }
    return axon_start, parts, [_append(*one, more) for one, more in zip(lists, new, strict=True)]


def _append(
    start: NDArray[np.int64], to: NDArray[np.int64], more: list[tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lists with one more item at the end of some."""
    if not more:
        return start, to
    sender, axon = np.array(sorted(more), np.int64).T
    to = np.insert(to, start[sender + 1], axon)
    return start + np.append(0, np.cumsum(np.bincount(sender, minlength=len(start) - 1))), to


def turns(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the same come before each."""
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    turn = np.empty(len(key), np.int64)
    turn[order] = np.arange(len(key)) - np.repeat(first, np.diff(np.append(first, len(key))))
    return turn
