"""Ways over a mesh, as data: ports of routers, who goes first, what lies where; no Amaranth."""

from __future__ import annotations

from enum import IntEnum


class Port(IntEnum):
    """A router's neighbours; LOCAL is its core."""

    LOCAL = 0
    NORTH = 1
    SOUTH = 2
    WEST = 3
    EAST = 4


OPPOSITE = {
    Port.NORTH: Port.SOUTH, Port.SOUTH: Port.NORTH, Port.WEST: Port.EAST, Port.EAST: Port.WEST,
}  # fmt: skip
"""The port by which a flit that leaves by this one comes into the next router."""

PRIORITY: dict[Port, tuple[Port, ...]] = {
    Port.LOCAL: (Port.NORTH, Port.SOUTH, Port.WEST, Port.EAST, Port.LOCAL),
    Port.NORTH: (Port.SOUTH, Port.WEST, Port.EAST, Port.LOCAL),
    Port.SOUTH: (Port.NORTH, Port.WEST, Port.EAST, Port.LOCAL),
    Port.WEST: (Port.EAST, Port.LOCAL),
    Port.EAST: (Port.WEST, Port.LOCAL),
}
"""Output -> the inputs that may use it, the first one first. Flits that go along a column never
turn into a row."""

ROOM = 2
"""Flits that fit into the buffer of a port."""


def neighbour(core: int, port: Port, rows: int, columns: int) -> int | None:
    """The core beyond a port, if the mesh goes on there; cores are numbered row by row."""
    row, column = divmod(core, columns)
    row += (port == Port.SOUTH) - (port == Port.NORTH)
    column += (port == Port.EAST) - (port == Port.WEST)
    there = port != Port.LOCAL and 0 <= row < rows and 0 <= column < columns
    return row * columns + column if there else None


def region(core: int, port: Port, rows: int, columns: int) -> int:
    """Mask of the cores that are reached by an output of a core's router."""
    row, column = divmod(core, columns)
    mask = 0
    for other in range(rows * columns):
        r, c = divmod(other, columns)
        there = {
            Port.LOCAL: other == core,
            Port.NORTH: c == column and r < row,
            Port.SOUTH: c == column and r > row,
            Port.WEST: c < column,
            Port.EAST: c > column,
        }
        mask |= there[port] << other
    return mask
