"""Multicast: the tree that a spike's packet takes, as tables of nodes for the kernel.

A packet goes to all columns along its row first, and along each column then; it forks where these
ways part. A node is a tile that a sender's packet comes to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .network import SIDES

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])
"""Rows and columns to the neighbour on each side: north, east, south, west."""


@dataclass(frozen=True, eq=False)
class Trees:
    """The trees of many senders.

    Attributes:
        root: (senders,) int32, the node in the sender's own tile; -1: it sends nothing.
        mask: (nodes,) uint64, a bit for each output: four sides, then the tile's cores.
        branch: (nodes,) int32, where the node's entries in ``child`` begin, by output.
        child: int32, the next node; of an output to a core the message.
        links: (senders, 4) int64, hops north, east, south and west.
    """

    root: NDArray[np.int32]
    mask: NDArray[np.uint64]
    branch: NDArray[np.int32]
    child: NDArray[np.int32]
    links: NDArray[np.int64]

    @staticmethod
    def of(
        start: NDArray[np.int64],
        source: NDArray[np.int32],
        target: NDArray[np.int32],
        tile: NDArray[np.int32],
        port: NDArray[np.int32],
        columns: int,
    ) -> Trees:
        """Make them.

        Args:
            start: (senders + 1,) where each sender's messages begin.
            source: (senders,) core.
            target: (messages,) core; a sender's are all different.
            tile, port: (cores,) of each core.
            columns: of tiles.
        """
        sender = np.repeat(np.arange(len(source)), np.diff(start))
        here, there = tile[source[sender]].astype(np.int64), tile[target].astype(np.int64)
        row, column = np.divmod(here, columns)
        right, down = there % columns - column, there // columns - row
        along, across = np.abs(right), np.abs(down)
        # Each message's way: its tiles one after the other, and the output that it leaves by.
        length = along + across + 1
        message = np.repeat(np.arange(len(target)), length)
        step = np.arange(len(message)) - np.repeat(np.cumsum(length) - length, length)
        first = np.minimum(step, along[message])
        second = step - first
        at_row = row[message] + np.sign(down)[message] * second
        at_column = column[message] + np.sign(right)[message] * first
        turned = first == along[message]
        side = np.where(
            turned, np.where(down[message] < 0, 0, 2), np.where(right[message] > 0, 1, 3)
        )
        last = step == length[message] - 1
        side = np.where(last, SIDES + port[target[message]], side)
        tiles = (int(tile.max(initial=0)) // columns + 1) * columns
        outputs = SIDES + int(port.max(initial=0)) + 1
        key = (sender[message] * tiles + at_row * columns + at_column) * outputs + side
        edges, which = np.unique(key, return_index=True)  # by sender, tile and output
        node_key, side = np.divmod(edges, outputs)
        fresh = np.ones(len(edges), bool)
        fresh[1:] = node_key[1:] != node_key[:-1]
        nodes, branch = node_key[fresh], np.flatnonzero(fresh)
        bits = np.left_shift(np.uint64(1), side.astype(np.uint64))
        mask = np.bitwise_or.reduceat(bits, branch) if len(branch) else bits
        onward = side < SIDES
        step_to = _STEP @ np.array([columns, 1])
        child = message[which].copy()
        child[onward] = np.searchsorted(nodes, node_key[onward] + step_to[side[onward]])
        links = np.zeros((len(source), SIDES), np.int64)
        np.add.at(links, (node_key[onward] // tiles, side[onward]), 1)
        root = np.full(len(source), -1, np.int32)
        sends = np.flatnonzero(np.diff(start))
        root[sends] = np.searchsorted(nodes, sends * tiles + tile[source[sends]])
        return Trees(root, mask, branch.astype(np.int32), child.astype(np.int32), links)
