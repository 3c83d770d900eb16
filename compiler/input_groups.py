"""Which inputs of neurons are added up elsewhere, and in which groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .digits import Digits, digits, mantissas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .inputs import Inputs
    from .ir import ProjectionEdge
    from .target import Target

UNITS = 24
"""Bits that are tried for the largest unit; no sum has more."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Groups of synapses and the digits of their sums.

    Attributes:
        inputs: of the population.
        moved: (k,) int64, which of them move.
        group: (k,) int64, the group of each.
        post, receptor: (g,) int64, what each group adds up for.
        keep: (g, m) which neurons each group has.
        digits: of all groups.
        delay: steps before a sum arrives that its first stage gets its inputs.
        shift: accumulators of the groups count in units of two to this power.
    """

    inputs: Inputs
    moved: NDArray[np.int64]
    group: NDArray[np.int64]
    post: NDArray[np.int64]
    receptor: NDArray[np.int64]
    keep: NDArray[np.bool_]
    digits: Digits
    delay: int
    shift: int

    def moved_of(self, edge: ProjectionEdge) -> NDArray[np.int64]:
        """Positions in ``moved`` of a projection's synapses."""
        number = next((i for i, e in enumerate(self.inputs.edges) if e.name == edge.name), -1)
        return np.flatnonzero(self.inputs.edge[self.moved] == number)

    def fits(self, target: Target) -> bool:
        """Whether no accumulator of the population can overflow."""
        inputs, lanes = self.inputs, 2 * self.inputs.size
        direct = np.abs(inputs.value).astype(np.float64)
        direct[self.moved] = 0
        digits = self.keep @ np.abs(self.digits.value << self.shift).astype(np.float64)
        worst = np.bincount(inputs.post * 2 + inputs.receptor, direct, lanes)
        worst += np.bincount(self.post * 2 + self.receptor, digits, lanes)
        return bool(worst.max() <= target.accumulator_max)


def plan_groups(
    inputs: Inputs, target: Target, delay: int, stages: int, *, enough: bool
) -> Plan | None:
    """Groups of the synapses with a wheel delay of at least ``delay``; None where they do not help.

    Args:
        inputs: of the population.
        target: whose limits are kept.
        delay: steps that the digits may take, at least ``stages``.
        stages: of digits, at most.
        enough: whether this must suffice; else all moves that makes synapses fewer.
    """
    movable = np.flatnonzero(inputs.fixed & (inputs.delay >= delay))
    if not len(movable):
        return None
    lane = inputs.post[movable] * 2 + inputs.receptor[movable]
    order = np.lexsort((inputs.sender[movable], lane))
    movable, lane = movable[order], lane[order]
    search = _Search(inputs, target, movable, lane, delay, stages)
    found = search.plan(inputs.room - 1, enough=enough)
    if found is None or not enough:
        return found
    # Groups as small as suffice cost less; all neurons of a group have all its synapses.
    turns = int(np.bincount(found.post * 2 + found.receptor).max())
    excess = int((inputs.count - inputs.room).max())
    least = -(-excess // turns) + int(found.keep.sum(axis=1).max())
    smaller = search.plan(min(least, inputs.room - 1), enough=True)
    if smaller is None or len(smaller.moved) > len(found.moved):
        return found
    return smaller


@dataclass(frozen=True, eq=False)
class _Search:
    """Synapses that may move, by neuron, receptor and sender, and what groups of them need."""

    inputs: Inputs
    target: Target
    movable: NDArray[np.int64]
    lane: NDArray[np.int64]
    delay: int
    stages: int

    def plan(self, size: int, *, enough: bool) -> Plan | None:
        """Groups of at most ``size`` synapses; smaller ones where those would not fit a core."""
        inputs, target, movable, lane = self.inputs, self.target, self.movable, self.lane
        exponent = np.array([edge.exponent for edge in inputs.edges])[inputs.edge[movable]]
        shift = int(exponent.min())
        # The opposite of the smallest mantissa is none: a negative neuron takes two synapses.
        twice = inputs.value[movable] >> exponent < -target.weight_max
        value = inputs.value[movable] >> shift
        grain = int(np.gcd.reduce(value)) or 1
        known = [b for b in range(UNITS) if mantissas([grain << (b + shift)], target)]
        turn = np.arange(len(lane)) - np.searchsorted(lane, lane)
        while size > 1 and known:
            groups = _Groups.of(lane, turn // size, value)
            high, low = int(groups.high.max()), int(groups.low.max())
            found = digits(high, low, grain, self.stages, known[-1], 2 * inputs.room)
            if found is None:  # even those of a single group would be too many
                size -= max(1, size // 8)
                continue
            worst = int((groups.high + groups.low).max() + np.abs(found.value).sum())
            keep = found.needed(groups.high, groups.low)
            takes = keep.sum(axis=1)
            more = np.bincount(groups.of_synapse, twice).astype(np.int64)
            over = int((groups.count + more + takes).max()) - inputs.room
            if worst > min(target.accumulator_max, target.state_max):
                size //= 2
            elif over > 0:  # a group and its senders are to fit one core
                size -= max(1, min(over, size // 8))
            else:
                break
        else:
            return None
        moves = groups.chosen(inputs, takes, enough=enough)
        if moves is None:
            return None
        number = np.cumsum(moves) - 1
        own = moves[groups.of_synapse]
        plan = Plan(
            inputs, movable[own], number[groups.of_synapse[own]], groups.lane[moves] // 2,
            groups.lane[moves] % 2, keep[moves], found, self.delay, shift,
        )  # fmt: skip
        return plan if plan.fits(target) else None


@dataclass(frozen=True, eq=False)
class _Groups:
    """Synapses dealt out in turns, so that groups which get the same senders follow each other.

    Attributes:
        of_synapse: (k,) the group of each synapse.
        lane: (g,) twice the neuron that a group adds up for, plus the receptor.
        turn: (g,) which of that neuron's groups it is.
        count: (g,) synapses.
        high, low: (g,) the largest sum, and minus the smallest.
    """

    of_synapse: NDArray[np.int64]
    lane: NDArray[np.int64]
    turn: NDArray[np.int64]
    count: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]

    @staticmethod
    def of(lane: NDArray[np.int64], turn: NDArray[np.int64], value: NDArray[np.int64]) -> _Groups:
        """Groups of the synapses of each lane that have the same turn."""
        lanes = int(lane.max()) + 1
        keys, number = np.unique(turn * lanes + lane, return_inverse=True)
        number = number.reshape(-1)
        high, low = (
            np.bincount(number, np.maximum(sign * value, 0)).astype(np.int64) for sign in (1, -1)
        )
        return _Groups(number, keys % lanes, keys // lanes, np.bincount(number), high, low)

    def chosen(
        self, inputs: Inputs, takes: NDArray[np.int64], *, enough: bool
    ) -> NDArray[np.bool_] | None:
        """(g,) which groups move: all that save synapses, or the first that save enough of them.

        Args:
            inputs: of the population.
            takes: (g,) neurons of each group, which send a synapse each.
            enough: whether all neurons must have room then; None where they do not.
        """
        saved = np.maximum(self.count - takes, 0)
        if not enough:
            return saved > 0 if saved.any() else None
        post = self.lane // 2
        order = np.lexsort((self.turn, self.lane % 2, post))
        total = np.concatenate([[0], np.cumsum(saved[order])])
        first = np.searchsorted(post[order], np.arange(inputs.size + 1))
        excess = np.maximum(inputs.count - inputs.room, 0)
        if (np.diff(total[first]) < excess).any():
            return None
        moves = np.zeros(len(post), np.bool_)
        before = total[:-1] - total[first[post[order]]]  # saved by earlier groups of the neuron
        moves[order] = (before < excess[post[order]]) & (saved[order] > 0)
        return moves
