"""The generators of a Program, sorted by how the compiled kernel serves them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import PERIODIC, POISSON
from ...counter_hash import POISSON_SOURCE, key_term
from . import native

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from .streams import Streams

SHORTEST_DRIVE = 16
"""Shorter runs of one-synapse channels are served like any other channel."""


@dataclass(frozen=True, eq=False)
class Drives:
    """Generators; ``c`` channels.

    Attributes:
        key: (c,) uint32, what seed and key contribute to a Poisson channel's random numbers.
        probability: (c,) uint32.
        value: (c,) int32, what a drive's channel adds.
        runs: (first channel, first target, count, receptor, delay) of each drive.
        poisson: (k,) int32, the Poisson channels that are in no drive.
        periodic: (m,) int32, periodic channels, with ``phase`` and ``period`` (m,) uint64.
    """

    key: NDArray[np.uint32]
    probability: NDArray[np.uint32]
    value: NDArray[np.int32]
    runs: list[tuple[int, int, int, int, int]]
    poisson: NDArray[np.int32]
    periodic: NDArray[np.int32]
    phase: NDArray[np.uint64]
    period: NDArray[np.uint64]

    @staticmethod
    def of(program: Program, streams: Streams) -> Drives:
        """Find the Poisson channels that drive consecutive neurons one to one.

        Those of a plastic projection are not among them: learning asks who fired.
        """
        generators, c = program.generators, program.channels
        poisson = generators[generators["kind"] == POISSON]
        periodic = generators[generators["kind"] == PERIODIC]
        key, probability = np.zeros(c, np.uint32), np.zeros(c, np.uint32)
        if len(poisson):
            key[poisson["channel"]] = key_term(poisson["seed"], poisson["key"], POISSON_SOURCE)
            probability[poisson["channel"]] = poisson["value"]

        channel = poisson["channel"].astype(np.int64)
        target, value, place = (streams.single[:c, k].astype(np.int64) for k in range(3))
        listed = np.zeros(c, bool)
        for rule in program.rules:
            source = program.source(program.projections[rule.projection].pre)
            if source is not None:
                listed[source.first_channel : source.first_channel + source.size] = True
        alone = channel[(streams.events[channel] == 1) & ~listed[channel]]
        same = (np.diff(alone) == 1) & (np.diff(target[alone]) == 1) & (np.diff(place[alone]) == 0)
        bounds = np.concatenate([[0], np.flatnonzero(~same) + 1, [len(alone)]]).tolist()
        runs = []
        driven = np.zeros(c, bool)
        for start, end in pairwise(bounds):
            if end - start >= SHORTEST_DRIVE:
                first = int(alone[start])
                delay, receptor = divmod(int(place[first]), 2)
                runs.append((first, int(target[first]), end - start, receptor, delay))
                driven[first : first + end - start] = True
        return Drives(
            key=key,
            probability=probability,
            value=value.astype(np.int32),
            runs=runs,
            poisson=channel[~driven[channel]].astype(np.int32),
            periodic=periodic["channel"].astype(np.int32),
            phase=periodic["phase"].astype(np.uint64),
            period=periodic["value"].astype(np.uint64),
        )

    def for_lane(self, first: int, last: int) -> list[native.Drive]:
        """The parts of the drives whose targets are ``first … last - 1``."""
        parts = []
        for channel, target, count, receptor, delay in self.runs:
            low, high = max(target, first), min(target + count, last)
            if low >= high:
                continue
            begin = channel + low - target
            span = slice(begin, begin + high - low)
            p, value = self.probability[span], self.value[span]
            uniform = bool((p == p[0]).all() and (value == value[0]).all())
            parts.append(native.Drive(begin, low, high - low, receptor, delay, uniform, 0))
        return parts
