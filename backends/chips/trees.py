"""Multicast: the tree that a spike's packet takes, as tables of nodes for the kernel.

A packet goes to all columns along its row first, and along each column then; it forks where these
ways part. A node is a tile that a sender's packet comes to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from .network import SIDES

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])
"""Rows and columns to the neighbour on each side: north, east, south, west."""
BLOCK = 1 << 15
"""Messages whose ways are laid out at a time."""
MOST_WORDS = 1 << 31
"""From so many words on their places are beyond the kernel's 32 bits with a sign."""


@dataclass(frozen=True, eq=False)
class Trees:
    """The trees of many senders.

    Attributes:
        root: (senders,) int32, place of the node in the sender's own tile; -1: it sends nothing.
        words: uint32, the nodes: two words with a bit for each output that it takes, four sides,
            then the tile's cores; and for each of them in that order the place of the next node,
            or of an output to a core the message.
        links: (senders, 4) int64, hops north, east, south and west.
    """

    root: NDArray[np.int32]
    words: NDArray[np.uint32]
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

        Raises:
            InputError: there are more words than the kernel can number.
        """
        parts: list[Trees] = []
        low = size = 0
        while low < len(source):
            high = int(np.searchsorted(start, start[low] + BLOCK, side="right")) - 1
            high = min(max(high, low + 1), len(source))
            own = target[start[low] : start[high]]
            where = (tile, port, columns, size)
            parts.append(_block(start[low : high + 1], source[low:high], own, *where))
            low, size = high, size + len(parts[-1].words)
            if size >= MOST_WORDS:
                raise InputError(
                    "the trees of all senders are too large for multicast",
                    found=f"{size:,} words",
                    expected=f"fewer than {MOST_WORDS:,}",
                    remedy="fewer cores per spike, by another mapping",
                )
        return Trees(
            np.concatenate([np.zeros(0, np.int32), *(part.root for part in parts)]),
            np.concatenate([np.zeros(0, np.uint32), *(part.words for part in parts)]),
            np.concatenate([np.zeros((0, SIDES), np.int64), *(part.links for part in parts)]),
        )


def _block(
    start: NDArray[np.int64],
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    tile: NDArray[np.int32],
    port: NDArray[np.int32],
    columns: int,
    size: int,
) -> Trees:
    """The trees of some senders, whose messages begin at ``start[0]``, after so many words."""
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
    side = np.where(turned, np.where(down[message] < 0, 0, 2), np.where(right[message] > 0, 1, 3))
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
    place = branch + 2 * np.arange(len(nodes))  # each node has two words before its outputs
    onward = side < SIDES
    step_to = _STEP @ np.array([columns, 1])
    child = message[which] + int(start[0])
    next_node = np.searchsorted(nodes, node_key[onward] + step_to[side[onward]])
    child[onward] = place[next_node] + size
    words = np.empty(len(edges) + 2 * len(nodes), np.uint32)
    words[np.arange(len(edges)) + 2 * np.cumsum(fresh)] = child
    words[place], words[place + 1] = mask & np.uint64(0xFFFFFFFF), mask >> np.uint64(32)
    links = np.zeros((len(source), SIDES), np.int64)
    np.add.at(links, (node_key[onward] // tiles, side[onward]), 1)
    root = np.full(len(source), -1, np.int32)
    sends = np.flatnonzero(np.diff(start))
    root[sends] = place[np.searchsorted(nodes, sends * tiles + tile[source[sends]])] + size
    return Trees(root, words, links)
