"""Programs that compute the same, but fill a core's tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spikeloom.compiler.program import DENSE, DESTINATION, ROW, Program


def spread(program: Program, rng: np.random.Generator, *, axons: int, rows: int) -> Program:
    """A Program of one core with its row groups cut into short ones, its axons into many.

    Whoever sends has several axons, some of them without any rows, in any order.

    Args:
        axons, rows: so many at most; the former is also the number of destinations.
    """
    (core,) = program.cores
    room = rows - len(core.rows)
    made: list[NDArray[np.void]] = []
    counts: list[int] = []  # rows of each new axon
    new: list[list[int]] = [[] for _ in range(core.axons)]
    spare = axons - core.axons
    for old in range(core.axons):
        groups = []
        for row in core.rows[core.axon_start[old] : core.axon_start[old + 1]]:
            cuts = [1 + i for i in range(int(row["count"]) - 1) if rng.random() < 0.7][:room]
            room -= len(cuts)
            groups += [_part(row, a, b) for a, b in pairwise([0, *cuts, int(row["count"])])]
        cuts = [1 + i for i in range(len(groups) - 1) if rng.random() < 0.3][:spare]
        spare -= len(cuts)
        bounds = [0, *cuts, len(groups)]
        # What is left is shared out as axons without rows; now and then one has many of them.
        empty = spare // (2 if rng.random() < 0.05 else core.axons - old)
        spare -= empty
        sizes = [b - a for a, b in pairwise(bounds)]
        for place in sorted(rng.integers(len(sizes) + 1, size=empty), reverse=True):
            sizes.insert(int(place), 0)
        new[old] = [len(counts) + i for i in range(len(sizes))]
        counts += sizes
        made += groups
    spike_start, spike_to = _lists(core.spike_start, core.spike_to, new, rng)
    channel_start, channel_to = _lists(program.channel_start, program.channel_to, new, rng)
    core = replace(
        core,
        axon_start=np.cumsum([0, *counts]).astype(np.int32),
        rows=np.array([tuple(row) for row in made], ROW),
        spike_start=spike_start,
        spike_to=spike_to,
    )
    target = program.target.with_(axons=max(1, core.axons), rows=max(1, len(core.rows)))
    return replace(
        program, target=target, cores=(core,), channel_start=channel_start, channel_to=channel_to
    )


def _part(row: np.void, first: int, end: int) -> NDArray[np.void]:
    """The synapses ``first … end − 1`` of a row group."""
    part = row.copy()
    part["count"], part["offset"] = end - first, row["offset"] + first
    if row["kind"] == DENSE:
        part["base"] = row["base"] + first
    return part


def _lists(
    start: NDArray[np.int32], to: NDArray[np.void], new: list[list[int]], rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.void]]:
    """Lists of destinations with the new axons in the old one's place."""
    lists = []
    for a, b in pairwise(start.tolist()):
        found = [(0, axon) for old in to["axon"][a:b] for axon in new[int(old)]]
        lists.append([found[i] for i in rng.permutation(len(found))])
    starts = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    return starts, np.array([one for each in lists for one in each], DESTINATION)
