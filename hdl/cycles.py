"""How many clock cycles a step takes, to the cycle: docs/hardware.md as arithmetic.

Senders come in a fixed order: neurons that fired in the step before, the host's channels,
generators. Their rows are handed out one per cycle; each lane walks its part of one row after the
other without waiting for the other lanes, but a row is handed out only when all lanes that have a
part in it have room in their queues. So how long a step takes follows from the order of its rows
(``walk_rows``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .geometry import waiting_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Senders = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]

PASS = 2
"""Cycles from a row's leaving a full queue to the first synapse of the row that takes its place,
if its lane has nothing else to do."""
OVERHEAD = 13
"""Cycles of a step without any spike, besides its groups of neurons: start, one until all sums are
written, the update's pipeline (2 to read, 6 to compute, 1 to write), end."""
NEURONS = 10
"""From the step's start to the first synapse of a spike of a neuron, whose mask is in memory."""
HOST = 8
"""From the step's start to the first synapse of a spike of the host's."""
SCAN = 7
"""From the step's start to the decision about the last group of generators, besides the groups."""
GENERATORS = SCAN + NEURONS
"""From the step's start to the first synapse of a spike of a generator, besides the groups."""

PREPARE = 12
"""From the cycle in which the first synapse of a static row would be due to that of a plastic one,
besides the cycles that its random numbers take."""
AFTER_ROWS = 0
"""From the last synapse of static rows to the first one of a plastic row."""
AFTER_PLASTIC = 5
"""From the last synapse of plastic rows to the first one of a static row."""
READ = 3
"""From the last synapse of plastic rows to the update, more than from that of static ones."""
LEAST = 2
"""Cycles that the random numbers of a walk take at least."""
LEARN = 1
"""Cycles of a core that can learn, more than of one that cannot."""

_BEFORE = -(1 << 40)
"""Earlier than any cycle."""
_STEPS = 256
"""Steps that are computed side by side: arrays that fit the processor's cache."""


@dataclass(frozen=True, eq=False)
class SenderRows:
    """The rows that a spike of each sender walks.

    Attributes:
        start: (senders + 1,) int64; the rows of sender ``i`` are ``row[start[i]:start[i + 1]]``,
            in the order in which they are walked.
        row: (k,) int32, numbers of rows.
        entries: (rows, lanes) int32, cycles that each lane takes for each row; all 0 only for
            plastic rows.
        plastic: of the rows, or None where none is.
    """

    start: NDArray[np.int64]
    row: NDArray[np.int32]
    entries: NDArray[np.int32]
    plastic: PlasticRows | None = None


@dataclass(frozen=True, eq=False)
class PlasticRows:
    """What plastic rows take, which are walked by all lanes together.

    Attributes:
        groups: (rows,) int32, groups of neurons that a row touches; 0: it is not plastic.
        products: (rows,) int32, products of its rule for a spike that arrives.
        numbers: (rows,) int32, random numbers that these need, two per group of products.
    """

    groups: NDArray[np.int32]
    products: NDArray[np.int32]
    numbers: NDArray[np.int32]

    def costs(self, on: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(rows,) cycles of each row, and of its random numbers, with learning on or off."""
        groups, products = self.groups.astype(np.int64), np.maximum(self.products, 1)
        prepared = np.maximum(self.numbers, LEAST).astype(np.int64)
        if not on:
            products, prepared = np.ones_like(products), np.full_like(prepared, LEAST)
        return groups * products, prepared


@dataclass(frozen=True, eq=False)
class StepWork:
    """What a core does in each of a number of steps.

    Attributes:
        rows: of all senders.
        senders: who sends in the first step, in the second …, in the order of walking: neurons
            that fired in the step before, channels of the host, generators; each (k,) int32.
        sent: (3, steps) int64, how many of each of them send in each step.
        graded: (steps,) int64, graded events of the host.
        groups: groups of neurons in use, at least 1.
        generator_groups: groups of generators in use.
        on: learning is on.
        learned: (steps,) int64, cycles of learning after the update.
        fading: cycles from the beginning of a step until learning may begin, because of traces that
            decay.
    """

    rows: SenderRows
    senders: Senders
    sent: NDArray[np.int64]
    graded: NDArray[np.int64]
    groups: int
    generator_groups: int
    on: bool = False
    learned: NDArray[np.int64] | int = 0
    fading: int = 0


def step_cycles(work: StepWork) -> NDArray[np.int64]:
    """(steps,) clock cycles from the beginning of each step to the earliest beginning of the next.

    The host's input is taken to be there in time, spikes after graded events.
    """

    def walk(earliest: NDArray[np.int64]) -> NDArray[np.int64]:
        return walk_rows(work.rows, work.senders, work.sent, earliest, on=work.on)

    delivered = cycles_around(walk, work.graded, work.groups, work.generator_groups)
    return np.maximum(delivered, work.fading) + work.learned


def cycles_around(
    walk: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    graded: NDArray[np.int64],
    groups: int,
    generator_groups: int,
) -> NDArray[np.int64]:
    """As ``step_cycles``.

    Args:
        walk: makes of ``earliest`` what ``walk_rows`` makes of it and the senders.
        graded, groups, generator_groups: as in ``StepWork``.
    """
    scan = generator_groups
    earliest = first_cycles(graded, np.array([[scan]]))
    decided = np.maximum(graded, scan + SCAN if scan else 0)
    return np.maximum(walk(earliest), decided) + OVERHEAD + max(1, groups)


def first_cycles(graded: NDArray[np.int64], scans: NDArray[np.integer]) -> NDArray[np.int64]:
    """(2 + n, steps) the first cycle for a synapse of a neuron, of a channel, of a generator.

    Generators come after what the host has sent, or found out not to send.

    Args:
        graded: (steps,) graded events.
        scans: (n, 1) groups of generators, of n cores.
    """
    host = HOST + graded
    parts = [np.full((1, len(graded)), NEURONS), host[None], np.maximum(GENERATORS + scans, host)]
    return np.concatenate(parts).astype(np.int64)


def walk_rows(
    rows: SenderRows,
    senders: Senders,
    sent: NDArray[np.int64],
    earliest: NDArray[np.int64],
    *,
    on: bool = False,
) -> NDArray[np.int64]:
    """(steps,) cycles from each step's start until the last lane is through, 0 without any row.

    Row after row: it is handed out (``at``) one cycle after the row before, not before its
    sender's kind can send, and not before there is room for it in the lanes that take part. Each
    of these begins with it when it is through with its own row before.

    Args:
        rows, senders, sent: as in ``StepWork``.
        earliest: (3, steps) the first cycle for a synapse of a neuron, channel, generator.
        on: learning is on.
    """
    costs = None if rows.plastic is None else rows.plastic.costs(on)
    row, kind, start = _in_order(rows, senders, sent)
    first = earliest[kind, np.repeat(np.arange(sent.shape[1]), np.diff(start))]
    return walk_in_order(row, first, start, rows.entries, costs)


def walk_in_order(
    row: NDArray[np.integer],
    first: NDArray[np.int64],
    start: NDArray[np.int64],
    entries: NDArray[np.int32],
    costs: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    walked: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """As ``walk_rows``.

    Args:
        row: (k,) the rows of all steps in the order in which they are walked.
        first: (k,) the first cycle for a synapse of each.
        start: (steps + 1,) where the rows of each step are.
        entries: as in ``SenderRows``.
        costs: what ``PlasticRows.costs`` returns.
        walked: (k,) filled in: when the last lane is through with each static row.
    """
    steps = len(start) - 1
    result = np.zeros(steps, np.int64)
    lengths = np.diff(start)
    longest_first = np.argsort(-lengths, kind="stable")
    for low in range(0, steps, _STEPS):
        some = longest_first[low : low + _STEPS]
        result[some] = _walk_some(row, first, start[some], lengths[some], entries, costs, walked)
    return result


def _walk_some(
    row: NDArray[np.integer],
    first_cycle: NDArray[np.int64],
    start: NDArray[np.int64],
    lengths: NDArray[np.int64],
    entries: NDArray[np.int32],
    costs: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
    walked: NDArray[np.int64] | None,
) -> NDArray[np.int64]:
    """As ``walk_in_order``, for steps with fewer and fewer rows."""
    steps, lanes = len(start), entries.shape[1]
    at = np.full(steps, _BEFORE)
    through = np.zeros((steps, lanes), np.int64)
    queue = waiting_rows(lanes)
    left = np.full((queue, steps, lanes), _BEFORE)  # when a lane's last rows left its queue
    turn = np.zeros((steps, lanes), np.int64)
    step, lane = np.arange(steps)[:, None], np.arange(lanes)
    # Of plastic rows: when the last one is through; when the next one may begin, and be prepared.
    learned, free, prepared = (np.full(steps, _BEFORE) for _ in range(3))
    for k in range(int(lengths.max(initial=0))):
        n = int(np.searchsorted(-lengths, -k))  # steps that have a k-th row
        here = start[:n] + k
        cost = entries[row[here]]
        takes = cost > 0
        oldest = left[turn[:n], step[:n], lane]
        room = np.where(takes, oldest + PASS, _BEFORE).max(axis=1)
        taken, made = (None, None) if costs is None else (one[row[here]] for one in costs)
        if taken is not None:
            plastic = taken > 0
            room = np.where(plastic, prepared[:n], np.maximum(room, learned[:n] + AFTER_PLASTIC))
        at[:n] = np.maximum(np.maximum(at[:n] + 1, first_cycle[here]), room)
        if taken is not None and made is not None:
            plastic = taken > 0
            rows_done = through[:n].max(axis=1) + AFTER_ROWS
            first = np.maximum(at[:n] + PREPARE + made, np.maximum(free[:n], rows_done))
            read = first + np.maximum(taken, made - LEAST)
            learned[:n] = np.where(plastic, read, learned[:n])
            free[:n] = np.where(plastic, first + np.maximum(taken, made), free[:n])
            prepared[:n] = np.where(plastic, at[:n] + made, prepared[:n])
        begin = np.maximum(through[:n], at[:n, None])
        through[:n] = np.where(takes, begin + cost, through[:n])
        if walked is not None:
            walked[here] = np.where(takes, through[:n], 0).max(axis=1, initial=0)
        left[turn[:n], step[:n], lane] = np.where(takes, begin, oldest)
        turn[:n] = (turn[:n] + takes) % queue
    return np.maximum(through.max(axis=1, initial=0), learned + READ)


def _in_order(
    rows: SenderRows, senders: Senders, sent: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.int64]]:
    """Rows in the order of walking, the kind of the sender of each, and where steps begin."""
    steps = sent.shape[1]
    parts, keys = [], []
    for kind, (own, times) in enumerate(zip(senders, sent, strict=True)):
        first = rows.start[own]
        counts = rows.start[own.astype(np.int64) + 1] - first
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        index = np.arange(total) + np.repeat(first - (ends - counts), counts)
        parts.append(rows.row[index])
        keys.append(np.repeat(np.repeat(np.arange(steps) * 3 + kind, times), counts))
    key = np.concatenate(keys)
    order = np.argsort(key, kind="stable")
    key = key[order]
    start = np.searchsorted(key, 3 * np.arange(steps + 1))
    return np.concatenate(parts)[order], (key % 3).astype(np.int8), start
