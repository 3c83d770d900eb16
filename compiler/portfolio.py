"""Several partitions of a network, of which the one with the least traffic that fits is taken.

Cores filled one after the other are always among them, so that the result is never worse; so are
the same cores refined, which is what layers want; and partitions that join what belongs together,
with small clusters, which is what a sheet of neurons with local connections wants, and with large
ones, which is what groups want. Each is counted anew (``usage.py``) before it is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .multilevel import PASSES, multilevel
from .refine import Level, refine
from .traffic import Reach
from .usage import width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from numpy.typing import NDArray

    from .multilevel import Joined
    from .twins import Doubled

    Partitioner: TypeAlias = Callable[[Level, int], NDArray[np.int64]]
JOINED = {"joined": (30, 1 / 12), "grouped": (4, 1 / 2), "finely joined": (60, 1 / 24)}
"""Vertices per core at which joining ends, and how much of a core a cluster fills at most."""
MANY = 4_000_000
"""Connected pairs beyond which the last of these is not tried, for its time."""
SLACK = 0.97
"""Cores are not filled more than this on average while there are other cores."""
HOPELESS = 2
"""Cores filled in order are not refined if they have so many times the traffic of another."""
TRIES = 4
"""Numbers of cores that are tried where axons, rows or profiles run out."""
LARGEST = 1 << 31
"""Neurons times cores beyond which the sequential partition is only refined."""


@dataclass(frozen=True, eq=False)
class Found:
    """A partition that fits.

    Attributes:
        part: (n,) int64.
        usage: per part.
        method: what found it.
        traffic: messages between its cores, by method, of all that were tried.
    """

    part: NDArray[np.int64]
    usage: tuple[dict[str, int], ...]
    method: str
    traffic: dict[str, float] = field(default_factory=dict)


def choose(
    net: Doubled,
    sequential: Found | None,
    reach: Reach,
    extra: dict[str, Partitioner] | None = None,
) -> Found | None:
    """The partition with the least traffic; the sequential one where none has less.

    Args:
        net: the network; twins stay with their originals.
        sequential: cores filled one after the other, or None if that does not fit.
        reach: who sends to whom, and how often.
        extra: other partitioners by name, ``(level, parts)`` to (n,) parts.

    Returns:
        None where nothing fits.
    """
    traffic: dict[str, float] = {}
    best, least = sequential, np.inf
    if sequential is not None:
        least = traffic["sequential"] = reach.traffic(sequential.part)
    weight = need(net)
    if weight.max(initial=0) <= 1:
        level = Level(reach.pins, reach.wires, reach.rate, weight)
        for name, part, usage in _candidates(net, sequential, level, traffic, extra or {}):
            found = traffic[name] = reach.traffic(part)
            if found < least:
                best, least = Found(part, usage, name), found
    if best is None:
        return None
    return Found(best.part, best.usage, best.method, traffic)


def _candidates(
    net: Doubled,
    sequential: Found | None,
    level: Level,
    traffic: dict[str, float],
    extra: dict[str, Partitioner],
) -> Iterator[tuple[str, NDArray[np.int64], tuple[dict[str, int], ...]]]:
    """Partitions that fit, by name; ``traffic`` has that of the earlier ones."""
    known: Joined = {}
    joined: dict[str, Partitioner] = {
        name: partial(multilevel, vertices=vertices, share=share, known=known)
        for name, (vertices, share) in JOINED.items()
        if name != "finely joined" or level.pins.nnz <= MANY
    }
    for name, method in {**joined, **extra}.items():
        found = _with_cores(net, level, method)
        if found is not None:
            yield name, *found
    if sequential is None or traffic["sequential"] > HOPELESS * min(traffic.values()):
        return
    part = _numbered(refine(level, sequential.part, len(sequential.usage), PASSES))
    usage = net.usage(part)
    if net.fits(part, usage):
        yield "refined", part, usage


def _with_cores(
    net: Doubled, level: Level, method: Partitioner
) -> tuple[NDArray[np.int64], tuple[dict[str, int], ...]] | None:
    """A partition that fits, on as few cores as may be tried; None if there is none."""
    fewest = max(1, int(np.ceil(level.weight.sum() - 1e-9)))
    target = net.flat.target
    parts = min(int(np.ceil(level.weight.sum() / SLACK)), target.cores)
    for _ in range(TRIES):
        if parts < fewest or net.flat.neurons * parts > LARGEST:
            return None
        part = _numbered(method(level, parts))
        usage = net.usage(part)
        if net.fits(part, usage):
            return part, usage
        if parts == target.cores:
            return None
        parts = min(max(parts + 1, parts * 5 // 4), target.cores)
    return None


def need(net: Doubled) -> NDArray[np.float64]:
    """(n,) how much of a core each neuron and its twins take at most.

    That is of its slots, of its synapse memory, or of its messages.
    """
    ir = net.flat
    bits = np.zeros(ir.neurons)
    for edge in ir.graph.projections:
        node = ir.population(edge.post)
        own = slice(node.first, node.first + node.size)
        wide = max(width(ir, edge, dense=kind) for kind in (False, True))
        bits[own] += wide * np.bincount(edge.synapses.post, minlength=node.size)
    room = np.maximum(1 / net.room, bits / max(1, ir.target.synapse_bits))
    return np.maximum(room * net.copies, net.messages / (ir.target.axons_out or 1 << 30))


def _numbered(part: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same parts, numbered in the order of their first neurons, without empty ones."""
    _, first, number = np.unique(part, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number.reshape(-1)]
