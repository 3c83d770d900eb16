"""A Program's messages on a chip: which core each spike goes to, what it costs there, and its way.

Senders are channels, then neurons in global order. Spikes of channels enter the chip at a port of
the tile in the north-western corner, which behaves as one more core without neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import DENSE
from ...errors import UnsupportedError
from .network import ports_of
from .trees import Trees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.chip import Chip
    from ...compiler.program import CoreImage, Program


@dataclass(frozen=True, eq=False)
class Routes:
    """Everything about messages that does not depend on time.

    Attributes:
        start: (senders + 1,) int64; sender ``i`` sends messages ``start[i]`` to ``start[i+1] - 1``.
        target: (messages,) int32, core.
        dense, sparse: (messages,) int64, synapses of dense and of sparse rows.
        source: (senders,) int32, core; the port's is the last one.
        slot: (senders,) int64, place of a neuron on its core; of channels 0.
        neurons: (cores,) int64, on each core; 0 on the port.
        tile: (cores,) int32, tiles row by row.
        tiles: rows and columns of tiles.
        multicast: whether a sender makes one packet that forks, and not one for each message.
    """

    start: NDArray[np.int64]
    target: NDArray[np.int32]
    dense: NDArray[np.int64]
    sparse: NDArray[np.int64]
    source: NDArray[np.int32]
    slot: NDArray[np.int64]
    neurons: NDArray[np.int64]
    tile: NDArray[np.int32]
    tiles: tuple[int, int]
    multicast: bool = False

    @staticmethod
    def of(program: Program, chip: Chip) -> Routes:
        """The routes of a verified Program that was compiled for the chip."""
        cores = len(program.cores)
        starts, targets = [program.channel_start.astype(np.int64)], [program.channel_to]
        for core in program.cores:
            base = sum(map(len, targets))
            starts.append(core.spike_start[1:].astype(np.int64) + base)
            targets.append(core.spike_to)
        to = np.concatenate(targets)
        counts = [_synapses(core) for core in program.cores]
        first = np.cumsum([0, *(core.axons for core in program.cores)])
        axon = first[to["core"]] + to["axon"]
        sizes = np.array([core.neurons for core in program.cores], np.int64)
        tile_rows, tile_columns = chip.tile_shape
        columns = chip.tiles[1]
        row, column = np.divmod(np.arange(cores), columns * tile_columns)
        tile = (row // tile_rows) * columns + column // tile_columns
        return Routes(
            start=np.concatenate(starts),
            target=to["core"].astype(np.int32),
            dense=np.concatenate([np.zeros(0, np.int64), *(c[0] for c in counts)])[axon],
            sparse=np.concatenate([np.zeros(0, np.int64), *(c[1] for c in counts)])[axon],
            source=np.concatenate(
                [np.full(program.channels, cores), np.repeat(np.arange(cores), sizes)]
            ).astype(np.int32),
            slot=np.concatenate(
                [np.zeros(program.channels, np.int64), *(np.arange(n) for n in sizes)]
            ),
            neurons=np.append(sizes, 0),
            tile=np.append(tile, 0).astype(np.int32),
            tiles=chip.tiles,
            multicast=chip.routing == "multicast",
        )

    @property
    def cores(self) -> int:
        """Cores in use, and the port."""
        return len(self.tile)

    @property
    def channels(self) -> int:
        """Senders that are channels."""
        return len(self.source) - int(self.neurons.sum())

    @property
    def tiles_in_use(self) -> int:
        """Tiles that hold neurons."""
        return len(np.unique(self.tile[:-1]))

    def hops(self) -> tuple[NDArray[np.int64], ...]:
        """Four (cores, cores) arrays: hops north, east, south and west between two cores."""
        row, column = np.divmod(self.tile.astype(np.int64), self.tiles[1])
        down, right = row[None, :] - row[:, None], column[None, :] - column[:, None]
        return tuple(np.maximum(way, 0) for way in (-down, right, down, -right))

    @property
    def port(self) -> NDArray[np.int32]:
        """(cores,) which of its tile's cores each is; the port of channels is the last one."""
        return ports_of(self.tile)

    @cached_property
    def trees(self) -> Trees:
        """The ways of multicast packets.

        Raises:
            UnsupportedError: a sender has two axons on one core.
        """
        sender = np.repeat(np.arange(len(self.source)), np.diff(self.start))
        pair, often = np.unique(sender * self.cores + self.target, return_counts=True)
        if (often > 1).any():
            who, core = divmod(int(pair[often > 1][0]), self.cores)
            raise UnsupportedError(
                "a multicast packet brings one message to a core",
                found=f"{int(often.max())} axons of sender {who} on core {core}",
                remedy='routing = "unicast" in the chip\'s file',
            )
        where = (self.source, self.target, self.tile, self.port, self.tiles[1])
        return Trees.of(self.start, *where)

    @cached_property
    def packets(self) -> NDArray[np.int64]:
        """(senders,) packets that each makes."""
        counts = np.diff(self.start)
        return np.minimum(counts, 1) if self.multicast else counts

    @cached_property
    def per_sender(self) -> NDArray[np.int64]:
        """(senders, 9) what a spike counts for: itself, dense and sparse synapses, packets,
        messages, and four hops. Channels count neither for themselves nor for their packets.
        """
        counts, is_neuron = np.diff(self.start), self.source < self.cores - 1
        found = np.zeros((len(counts), 9), np.int64)
        found[:, 0], found[:, 3], found[:, 4] = is_neuron, self.packets * is_neuron, counts
        some = np.flatnonzero(counts)
        begins = self.start[some]
        pair = np.repeat(self.source.astype(np.int32) * self.cores, counts) + self.target
        for column, amounts in enumerate((self.dense, self.sparse), 1):
            found[some, column] = np.add.reduceat(amounts, begins) if len(some) else 0
        if self.multicast:
            found[:, 5:] = self.trees.links
            return found
        for column, ways in enumerate(self.hops(), 5):  # one at a time: there may be millions
            each = ways.astype(np.int32).ravel()[pair]
            found[some, column] = np.add.reduceat(each, begins) if len(some) else 0
        return found

    def messages_of(self, senders: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """For a list of spikes: the number of each message, and which spike it belongs to."""
        first = self.start[senders]
        counts = self.start[senders + 1] - first
        ends = np.cumsum(counts)
        spike = np.repeat(np.arange(len(senders)), counts)
        number = np.arange(int(ends[-1]) if len(ends) else 0)
        return number + (first - (ends - counts))[spike], spike


def _synapses(core: CoreImage) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(axons,) synapses in dense and in sparse rows of each axon."""
    count = core.rows["count"].astype(np.int64)
    dense = core.rows["kind"] == DENSE
    found = []
    for kind in (dense, ~dense):
        ends = np.concatenate([[0], np.cumsum(count * kind)])
        found.append(np.diff(ends[core.axon_start]))
    return found[0], found[1]
