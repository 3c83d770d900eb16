"""Pass 9: deal each core's neurons to the lanes, so that rows take all lanes alike.

Slot ``s`` is in lane ``s mod P``, and a lane walks the synapses onto its own neurons, one per clock
cycle (docs/hardware.md). So neurons that share many senders belong in different lanes. What a
sender's spike brings to a lane is its *load*; the sum of all squared loads counts twice each pair
of synapses that meet in a lane, and this pass makes it smaller by exchanging neurons.

A *set* has one neuron of each lane, so that its neurons never meet whatever the order. Exchanging
two of them changes the sum by four loads, which the rest of the core decides, and disjoint
exchanges do not touch each other. So a set takes all exchanges at once that two lanes both like
best, over and over with other sets. What a network computes never depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..counter_hash import random
from .mapped import Placed
from .rows import RUN
from .slot_freedom import Core, Loads, cores_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEALING = 4
"""Purpose of the counter hash for sets; docs/machine.md and ``connectors.py`` have the others."""
SWEEPS = 16
"""Times that every neuron is in a set, at most; more bring almost nothing."""
WORK = 1 << 23
"""What all sweeps after the first take together at most: some 40 ms."""
SET = 12_000
"""What a set takes, however few synapses it has; the unit is a synapse in a lane."""
PAIRS = 1 << 17
"""Synapses of a core that are looked at; of cores with more, every so many-th sender."""
ROUNDS = 4
"""Times that a set exchanges neurons."""


@dataclass(frozen=True)
class Slots:
    """Exchange slots of neurons within a core, where the format of its rows allows it."""

    def apply(self, ir: Placed) -> Placed:
        """The same network with other slots."""
        lanes = ir.target.lanes
        if lanes == 1 or not ir.target.bounded:
            return ir
        cores = [core for core in cores_of(ir) if _fits_anyhow(ir, core)]
        work = sum(
            -(-core.neurons // lanes) * SET + min(len(core.loads.sender), PAIRS) * lanes
            for core in cores
        )
        slot = ir.slot.copy()
        for core in cores:
            slot[core.members] = deal(core, lanes, max(1, min(SWEEPS, WORK // work)))
        return replace(ir, slot=slot)


def deal(core: Core, lanes: int, sweeps: int) -> NDArray[np.uint16]:
    """(n,) the slot of the neuron that is in each slot now; never a larger ``squares``."""
    n, loads = core.neurons, core.loads
    step = -(-len(loads.sender) // PAIRS)
    work = _Dealer(loads.every(step) if step > 1 else loads, lanes)
    slot = np.arange(n)
    at = np.arange(n)  # the neuron in each slot
    quiet = 0
    for sweep in range(sweeps):
        moved = False
        for block in core.blocks:
            for one in _sets(block, lanes, sweep):
                moved |= work.improve(at, one)
        quiet = 0 if moved else quiet + 1
        if quiet == 2:
            break
    slot[at] = np.arange(n)
    if squares(loads, slot, lanes) >= squares(loads, np.arange(n), lanes):
        return np.arange(n, dtype=np.uint16)
    return slot.astype(np.uint16)


def squares(loads: Loads, slot: NDArray[np.int64], lanes: int) -> int:
    """What is made small: the squared loads of all senders and lanes, summed up."""
    return int((loads.by_lane(slot % lanes, lanes).astype(np.int64) ** 2).sum())


def _sets(block: NDArray[np.int64], lanes: int, sweep: int) -> list[NDArray[np.int64]]:
    """The slots of a block in sets of at most one slot of each lane, others in each sweep."""
    # By the counter hash, so that no other version of NumPy deals in another way.
    mixed = block[np.argsort(random(0, sweep, block, DEALING), kind="stable")]
    lane = mixed % lanes
    order = np.argsort(lane, kind="stable")
    lane = lane[order]
    turn = np.arange(len(block)) - np.searchsorted(lane, lane)
    order = order[np.argsort(turn, kind="stable")]
    return np.split(mixed[order], np.cumsum(np.bincount(turn))[:-1])


class _Dealer:
    """Loads of a core while its neurons are exchanged.

    Args:
        loads: of its neurons in their order.
        lanes: of the hardware.
    """

    def __init__(self, loads: Loads, lanes: int) -> None:
        self.start, self.sender, self.count = loads.start, loads.sender, loads.count
        self.lanes = lanes
        self.load = loads.by_lane(np.arange(len(loads.start) - 1) % lanes, lanes)

    def improve(self, at: NDArray[np.int64], slots: NDArray[np.int64]) -> bool:
        """Exchange neurons among slots of different lanes; whether any was."""
        who, lane = at[slots], slots % self.lanes
        first = self.start[who]
        entries = self.start[who + 1] - first
        if len(slots) < 2 or not entries.any():
            return False
        begin = np.cumsum(entries) - entries
        index = np.repeat(first - begin, entries) + np.arange(int(entries.sum()))
        sender, count = self.sender[index], self.count[index]
        self.load[sender, np.repeat(lane, entries)] -= count
        met = self.load[sender]
        if count.max() > 1:
            met = met * count[:, None]
        meets = np.zeros((len(slots), self.lanes), np.int32)  # of each neuron in each lane
        some = entries > 0
        meets[some] = np.add.reduceat(met, begin[some], axis=0)
        order = _exchange(meets[:, lane])
        self.load[sender, np.repeat(lane[order], entries)] += count
        at[slots[order]] = who
        return bool((order != np.arange(len(order))).any())


def _exchange(meets: NDArray[np.int32]) -> NDArray[np.int64]:
    """(k,) the place of each neuron: exchanges that both sides like best, while there are any."""
    own = np.arange(len(meets))
    order = own
    for _ in range(ROUNDS):
        here = meets[:, order]
        stays = here.diagonal()
        change = here + here.T
        change -= stays
        change -= stays[:, None]
        best = change.argmin(axis=1)
        agreed = (best[best] == own) & (change[own, best] < 0)
        if not agreed.any():
            break
        order = np.where(agreed, order[best], order)
    return order


def _fits_anyhow(ir: Placed, core: Core) -> bool:
    """Whether the core's memories hold its rows even if none of its short dense rows stays one."""
    usage, target = ir.usage[core.part], ir.target
    return (
        usage["synapse_bits"] + core.more_bits <= target.synapse_bits
        and usage["rows"] + int(core.loads.count.sum()) // RUN <= target.rows
    )
