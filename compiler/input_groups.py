"""Which inputs of neurons are added up elsewhere, and in which groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
        """Whether no accumulator of the population can overflow, and the target has the room."""
        inputs, lanes = self.inputs, 2 * self.inputs.size
        direct = np.abs(inputs.value).astype(np.float64)
        direct[self.moved] = 0
        digits = self.keep @ np.abs(self.digits.value << self.shift).astype(np.float64)
        worst = np.bincount(inputs.post * 2 + inputs.receptor, direct, lanes)
        worst += np.bincount(self.post * 2 + self.receptor, digits, lanes)
        per_group = np.bincount(self.group, minlength=len(self.keep))
        synapses = int((per_group * self.keep.sum(axis=1)).sum())
        return (
            worst.max() <= target.accumulator_max
            and int(self.keep.sum()) <= target.neurons * target.cores
            and synapses * target.weight_bits <= target.synapse_bits * target.cores
        )


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
    order = np.lexsort((*inputs.like(movable), inputs.sender[movable], lane))
    search = _Search(inputs, target, movable[order], lane[order], delay, stages)
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
    """Looks for groups of some synapses.

    Attributes:
        inputs: of the population.
        target: whose limits are kept.
        movable: (k,) which of them may move, by neuron, receptor and sender.
        lane: (k,) twice the neuron, plus the receptor.
        delay: steps that the digits may take.
        stages: of digits, at most.
    """

    inputs: Inputs
    target: Target
    movable: NDArray[np.int64]
    lane: NDArray[np.int64]
    delay: int
    stages: int

    @cached_property
    def exponent(self) -> NDArray[np.int64]:
        """(k,) of each synapse; the smallest is the unit in which groups count."""
        of_edge = np.array([edge.exponent for edge in self.inputs.edges], np.int64)
        return of_edge[self.inputs.edge[self.movable]]

    @cached_property
    def shift(self) -> int:
        """Groups count in units of two to this power."""
        return int(self.exponent.min())

    @cached_property
    def value(self) -> NDArray[np.int64]:
        """(k,) what each synapse adds to the sum of its group."""
        return self.inputs.value[self.movable] >> self.shift

    @cached_property
    def twice(self) -> NDArray[np.bool_]:
        """(k,) which have the smallest mantissa: its opposite is none, and takes two synapses."""
        return self.inputs.value[self.movable] >> self.exponent < -self.target.weight_max

    @cached_property
    def units(self) -> tuple[int, int]:
        """The smallest unit, and how many bits more a synapse of the target can have, or -1."""
        grain = int(np.gcd.reduce(self.value)) or 1
        known = (b for b in range(UNITS) if mantissas([grain << (b + self.shift)], self.target))
        return grain, max(known, default=-1)

    @cached_property
    def turn(self) -> NDArray[np.int64]:
        """(k,) how many synapses of the same lane come before each; those that are alike share one.

        They stay together, so that they keep the order in which the user gave them.
        """
        alike = np.stack([*self.inputs.like(self.movable), self.inputs.sender[self.movable]])
        new = (np.diff(alike, prepend=-1) != 0).any(axis=0) | (np.diff(self.lane, prepend=-1) != 0)
        first = np.flatnonzero(new)[np.cumsum(new) - 1]
        return first - np.searchsorted(self.lane, self.lane)

    def plan(self, size: int, *, enough: bool) -> Plan | None:
        """Groups of about ``size`` synapses; smaller ones where those would not fit."""
        inputs = self.inputs
        while (found := self._fitting(size)) is not None:
            size, groups, digits, keep = found
            moves = groups.chosen(inputs, keep.sum(axis=1), enough=enough)
            if moves is None:
                return None
            number = np.cumsum(moves) - 1
            own = moves[groups.of_synapse]
            plan = Plan(
                inputs, self.movable[own], number[groups.of_synapse[own]], groups.lane[moves] // 2,
                groups.lane[moves] % 2, keep[moves], digits, self.delay, self.shift,
            )  # fmt: skip
            if plan.fits(self.target):
                return plan
            size -= max(1, size // 4)
        return None

    def _fitting(self, size: int) -> tuple[int, _Groups, Digits, NDArray[np.bool_]] | None:
        """The largest groups whose neurons and senders fit a core; and which digits each has."""
        grain, largest = self.units
        room, most = self.inputs.room, min(self.target.accumulator_max, self.target.state_max)
        while size > 1 and largest >= 0:
            groups = _Groups.of(self.lane, self.turn // size, self.value)
            high, low = int(groups.high.max()), int(groups.low.max())
            # Half of them are those of a single group: with more, one has too many.
            found = digits(high, low, grain, self.stages, largest, 2 * room)
            if found is None:
                size -= max(1, size // 8)
                continue
            keep = found.needed(groups.high, groups.low)
            twice = np.bincount(groups.of_synapse, self.twice).astype(np.int64)
            over = int((groups.count + twice + keep.sum(axis=1)).max()) - room
            if (groups.high + groups.low).max() + np.abs(found.value).sum() > most:
                size //= 2
            elif over > 0:
                size -= max(1, min(over, size // 8))
            else:
                return size, groups, found, keep
        return None


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
