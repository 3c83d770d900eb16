"""The spikes of a Program of several cores, as the mesh of the generated hardware carries them.

A spike is sent as *flits*. A flit is for one axon number and any set of cores; so the axons that a
sender has on different cores should have the same number there. Which number an axon has is nobody
else's business: here each flit gets the lowest one that is free on all of its cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnsupportedError
from ..hdl.geometry import MAX_SIDE
from .row_plan import turns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program


@dataclass(frozen=True, eq=False)
class MeshRoutes:
    """Who sends what from where. A *sender* is a channel, or the number of channels + a neuron.

    Attributes:
        rows, columns: of the mesh.
        home: (senders,) int64, the core from which a sender's spikes start: host channels are
            core 0's, generators the lowest core's that they reach.
        start: (senders + 1,) int64; sender ``i`` sends flits ``start[i] … start[i + 1]``, in order.
        number: (flits,) int64, axon number.
        cores: (flits,) uint64, a bit for each core.
        axon: of each core (numbers,) int64, the Program's axon behind each number, or -1.
        arrivals: (cores,) int64, flits that can reach each core in one step.
    """

    rows: int
    columns: int
    home: NDArray[np.int64]
    start: NDArray[np.int64]
    number: NDArray[np.int64]
    cores: NDArray[np.uint64]
    axon: tuple[NDArray[np.int64], ...]
    arrivals: NDArray[np.int64]

    @staticmethod
    def of(program: Program) -> MeshRoutes:
        """The routes of a verified Program.

        Raises:
            UnsupportedError: as ``mesh_sides``.
        """
        rows, columns = mesh_sides(program)
        sender, core, axon = _destinations(program)
        senders = program.channels + program.neurons
        # The k-th axons of a sender on its cores share a flit.
        turn = turns(sender * len(program.cores) + core)
        order = np.lexsort((core, turn, sender))
        sender, core, axon, turn = (a[order] for a in (sender, core, axon, turn))
        first = np.ones(len(sender), bool)
        first[1:] = (np.diff(sender) != 0) | (np.diff(turn) != 0)
        flit = np.cumsum(first) - 1
        masks = np.zeros(int(first.sum()), np.uint64)
        np.bitwise_or.at(masks, flit, np.uint64(1) << core.astype(np.uint64))
        number = _number(masks)
        table = tuple(
            np.full(1 + int(number[flit[core == c]].max(initial=-1)), -1, np.int64)
            for c in range(len(program.cores))
        )
        for c, own in enumerate(table):
            here = core == c
            own[number[flit[here]]] = axon[here]
        counts = np.bincount(sender[first], minlength=senders)
        return MeshRoutes(
            rows,
            columns,
            _homes(program, sender, core),
            np.append(0, np.cumsum(counts)).astype(np.int64),
            number,
            masks,
            table,
            np.bincount(core, minlength=len(program.cores)).astype(np.int64),
        )


def mesh_sides(program: Program) -> tuple[int, int]:
    """Rows and columns of the smallest mesh on which a Program's cores are where the target has
    them: core ``i`` is in row ``i div columns``.

    Raises:
        UnsupportedError: there is no hardware with such a mesh.
    """
    cores, across = len(program.cores), program.target.mesh[1]
    sides = (-(-cores // across), min(cores, across))
    if not 0 < max(sides) <= MAX_SIDE:
        raise UnsupportedError(
            "the generated hardware has no mesh of that size",
            found=f"{sides[0]} by {sides[1]} cores",
            expected=f"at most {MAX_SIDE} by {MAX_SIDE}",
            remedy="compile for a target with a smaller mesh, or with larger cores",
        )
    return sides


def _destinations(program: Program) -> tuple[NDArray[np.int64], ...]:
    """Sender, core and axon of each destination that has synapses; others only waste time."""
    parts = [(program.channel_start, program.channel_to, 0)]
    for core, base in zip(program.cores, program.core_base.tolist(), strict=False):
        parts.append((core.spike_start, core.spike_to, program.channels + base))
    sender = np.concatenate(
        [np.repeat(first + np.arange(len(start) - 1), np.diff(start)) for start, _, first in parts]
    ).astype(np.int64)
    core, axon = (
        np.concatenate([to[name] for _, to, _ in parts]).astype(np.int64)
        for name in ("core", "axon")
    )
    useful = np.zeros(len(sender), bool)
    for number, image in enumerate(program.cores):
        here = core == number
        useful[here] = np.diff(image.axon_start)[axon[here]] > 0
    return sender[useful], core[useful], axon[useful]


def _number(masks: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The lowest number for each flit that no other one has on the same core."""
    number = np.zeros(len(masks), np.int64)
    used = np.zeros(1 + len(masks), np.uint64)  # by number, the cores that have an axon there
    free: dict[int, int] = {}  # below that, no number is free for the same set of cores
    for i, mask in enumerate(masks.tolist()):
        at = free.get(mask, 0)
        while used[at] & np.uint64(mask):
            at += 1
        number[i] = at
        used[at] |= np.uint64(mask)
        free[mask] = at + 1
    return number


def _homes(
    program: Program, sender: NDArray[np.int64], core: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(senders,) core of each."""
    lowest = np.full(program.channels, len(program.cores), np.int64)
    own = sender < program.channels
    np.minimum.at(lowest, sender[own], core[own])
    home = np.zeros(program.channels, np.int64)
    driven = program.generators["channel"].astype(np.int64)
    home[driven] = np.where(lowest[driven] < len(program.cores), lowest[driven], 0)
    sizes = np.diff(program.core_base)
    return np.concatenate([home, np.repeat(np.arange(len(sizes)), sizes)])
