"""Which Lava processes a Program becomes, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..peer.synapses import synapses
from .learning import LARGEST, LavaRule
from .refuse import (
    ALIGNMENT,
    Refusal,
    check_learning,
    check_neurons,
    check_plastic,
    check_synapses,
    no_weights,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program

Mode = Literal["fixed_pt", "floating_pt"]
Kind = Literal["Dense", "Sparse", "DelayDense", "DelaySparse", "LearningDense"]

DENSE_FROM = 0.25
"""Share of the pairs that must be connected for a matrix without gaps."""
MAX_VTH = (1 << 17) - 1
"""Largest of Lava's thresholds; a readout's, which must never be passed."""


@dataclass(frozen=True, eq=False)
class Group:
    """Neurons of a population with equal parameters: one LIF process.

    Attributes:
        name: the population's, numbered where it becomes several groups.
        neurons: (k,) global numbers.
        ku, kv, threshold, shift, spiking: as in the Program's profiles.
    """

    name: str
    neurons: NDArray[np.int64]
    ku: int
    kv: int
    threshold: int
    shift: int
    spiking: bool

    @property
    def vth(self) -> int:
        """Lava's fixed_pt threshold."""
        return self.threshold >> ALIGNMENT if self.spiking else MAX_VTH


@dataclass(frozen=True, eq=False)
class Block:
    """The channels of a source with synapses: one input process."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Connection:
    """Synapses from a block or group to a group, with one exponent: one connection process.

    Attributes:
        name: the projection's.
        kind: Lava's class.
        from_source: whether ``pre`` numbers a block, or a group.
        pre, post: numbers.
        synapses: (k,) places in the plan's table.
        rows, cols: (k,) place of each in post's and pre's order.
        delays: (k,) Lava's, 0 being one step.
        shift: bits by which a mantissa is shifted on its way into u.
        rule: by which its synapses learn, if they do.
    """

    name: str
    kind: Kind
    from_source: bool
    pre: int
    post: int
    synapses: NDArray[np.int64]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    delays: NDArray[np.int64]
    shift: int
    rule: LavaRule | None = None

    @property
    def depth(self) -> int:
        """Steps that its buffer reaches into the future."""
        return int(self.delays.max()) + 1


@dataclass(frozen=True, eq=False)
class Plan:
    """All processes; ``table`` is :func:`synapses`' and ``order`` the groups' neurons end to end.

    ``bias_mant`` and ``bias_exp`` (n,) are in that order.
    """

    mode: Mode
    blocks: tuple[Block, ...]
    groups: tuple[Group, ...]
    connections: tuple[Connection, ...]
    table: NDArray[np.void]
    order: NDArray[np.int64]
    bias_mant: NDArray[np.int64]
    bias_exp: NDArray[np.int64]


def make_plan(program: Program, mode: Mode) -> Plan:
    """Plan the processes.

    Raises:
        UnsupportedError: with everything that Lava cannot do.
    """
    refusal = Refusal(program)
    profile = np.concatenate([c.profiles[c.profile] for c in program.cores])
    threshold = np.concatenate([c.threshold for c in program.cores]).astype(np.int64)
    bias = np.concatenate([c.bias for c in program.cores]).astype(np.int64)
    check_neurons(refusal, profile, threshold, bias, mode)
    table = synapses(program)
    rules = check_learning(refusal, mode)
    check_synapses(refusal, table, profile, mode)
    refusal.done()
    groups = _groups(program, profile, threshold)
    order = np.concatenate([np.zeros(0, np.int64), *(g.neurons for g in groups)])
    mant, exp = bias_parts(bias[order]) if mode == "fixed_pt" else (bias[order], 0 * order)
    heard = set((table["sender"][table["sender"] >= program.neurons] - program.neurons).tolist())
    blocks = tuple(
        Block(s.name, s.first_channel, s.first_channel + s.size)
        for s in program.sources
        if not heard.isdisjoint(range(s.first_channel, s.first_channel + s.size))
    )
    connections = _connections(program, table, blocks, groups, rules)
    check_plastic(refusal, connections, rules, mode)
    refusal.done()
    return Plan(mode, blocks, groups, connections, table, order, mant, exp)


def _groups(
    program: Program, profile: NDArray[np.void], threshold: NDArray[np.int64]
) -> tuple[Group, ...]:
    groups = []
    named = [(p.name, program.global_neurons(p)) for p in program.populations]
    nobody = np.ones(program.neurons, bool)
    for _, neurons in named:
        nobody[neurons] = False
    if nobody.any():
        named.append(("unnamed", np.flatnonzero(nobody)))
    for name, neurons in named:
        p = profile[neurons]
        linear = (p["leak"] != 0) | (p["decay_v"] == 0)  # only one of 0 is let through
        keys = np.stack(
            [
                p["decay_u"][:, 0].astype(np.int64),
                np.where(linear, 0, p["decay_v"]),
                np.where(p["spiking"] != 0, threshold[neurons], 0),
                p["shift"],
                p["spiking"],
            ],
            axis=1,
        ).astype(np.int64)
        distinct, which = np.unique(keys, axis=0, return_inverse=True)
        which = which.ravel()
        for number, key in enumerate(distinct.tolist()):
            own = name if len(distinct) == 1 else f"{name}[{number}]"
            ku, kv, theta, shift, spiking = key
            mine = neurons[which == number]
            groups.append(Group(own, mine, ku, kv, theta, shift, bool(spiking)))
    return tuple(groups)


def _connections(
    program: Program,
    table: NDArray[np.void],
    blocks: tuple[Block, ...],
    groups: tuple[Group, ...],
    rules: dict[int, LavaRule],
) -> tuple[Connection, ...]:
    """One for each projection, pair of processes and exponent; a second for a second synapse
    between the same two neurons."""
    owner, place = _owners(program, blocks, groups)
    pre, post = owner[table["sender"]], owner[table["post"]]
    pair = np.stack([table["projection"], pre, post, table["exponent"]])
    nth = _occurrence(np.stack([*pair, table["sender"], table["post"]]))
    keys, which = np.unique(np.stack([*pair, nth], axis=1), axis=0, return_inverse=True)
    which = which.ravel()
    found = []
    for number, (projection, sender, target, exponent, _) in enumerate(keys.tolist()):
        mine = np.flatnonzero(which == number)
        from_source = sender >= len(groups)
        delays = table["delay"][mine] - from_source  # a source's spike is a step ahead of us
        size = blocks[sender - len(groups)] if from_source else groups[sender]
        width = size.last - size.first if isinstance(size, Block) else len(size.neurons)
        dense = len(mine) >= DENSE_FROM * width * len(groups[target].neurons)
        kind = ("Delay" if delays.any() else "") + ("Dense" if dense else "Sparse")
        rule = rules.get(projection)
        found.append(
            Connection(
                program.projections[projection].name,
                kind if rule is None else "LearningDense",  # type: ignore[arg-type]
                from_source,
                sender - len(groups) if from_source else sender,
                target,
                mine,
                place[table["post"][mine]],
                place[table["sender"][mine]],
                delays,
                exponent + groups[target].shift,
                rule,
            )
        )
    return tuple(found)


def _owners(
    program: Program, blocks: tuple[Block, ...], groups: tuple[Group, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group (or number of groups + block) of each neuron and channel, and its place there."""
    owner = np.zeros(program.neurons + program.channels, np.int64)
    place = np.zeros_like(owner)
    for number, group in enumerate(groups):
        owner[group.neurons], place[group.neurons] = number, np.arange(len(group.neurons))
    for number, block in enumerate(blocks):
        here = slice(program.neurons + block.first, program.neurons + block.last)
        owner[here], place[here] = len(groups) + number, np.arange(block.last - block.first)
    return owner, place


def _occurrence(columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many equal columns come before each."""
    _, which = np.unique(columns, axis=1, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    first = np.searchsorted(which[order], which[order])
    out = np.zeros(len(which), np.int64)
    out[order] = np.arange(len(which)) - first
    return out


def bias_parts(bias: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lava's mantissas (int16) and exponents (0 to 7) of biases that have them."""
    mant, exp = bias.copy(), np.zeros_like(bias)
    for _ in range(7):
        wide = (mant < -4096) | (mant > 4095)  # Loihi's 13 bits where they do
        halve = wide & (mant % 2 == 0)
        mant, exp = np.where(halve, mant >> 1, mant), exp + halve
    return mant, exp


def lava_weights(
    connection: Connection, mantissa: NDArray[np.int64], mode: Mode
) -> tuple[NDArray[np.float64], int]:
    """Weights and exponent with which Lava adds ``mantissa << shift`` to u.

    Lava's fixed_pt weights are 0 … 255 or −255 … 0 where all have one sign; else −256 … 254 and
    even, so that they hold twice the mantissa and one less exponent.

    Raises:
        UnsupportedError: there are none.
    """
    if connection.rule is not None and (
        mode == "floating_pt" or np.abs(mantissa).max(initial=0) <= LARGEST
    ):
        # What learns is held as it is; the floating_pt model is told what it moves u by.
        return mantissa.astype(np.float64), connection.shift - ALIGNMENT
    if mode == "floating_pt":
        return np.asarray(mantissa * 2.0**connection.shift, np.float64), 0
    bits = int(np.bitwise_or.reduce(np.abs(mantissa), initial=0))
    spare = (bits & -bits).bit_length() - 1 if bits else ALIGNMENT
    less = max(ALIGNMENT - connection.shift, 0)
    if less <= spare:
        for drop in (less, spare):
            w, exponent = mantissa >> drop, connection.shift + drop - ALIGNMENT
            low, high = int(w.min(initial=0)), int(w.max(initial=0))
            if drop >= less and (0 <= low <= high <= 255 or -255 <= low <= high <= 0):
                return w.astype(np.float64), exponent
            if drop >= less and low >= -128 and high <= 127:
                return np.asarray(2.0 * w, np.float64), exponent - 1
    raise no_weights(connection.name, mantissa, connection.shift)
