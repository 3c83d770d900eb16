"""What a design will take of an FPGA, told before it is built.

Memories are computed from the tables; logic is a straight line through what yosys made of cores of
one to eight lanes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..hdl.core_regions import core_regions
from ..hdl.layout import BANKED, COPIED, layout
from . import counts

if TYPE_CHECKING:
    from .design import Design

BLOCK_BITS = 256
"""Smaller memories are made of look-up tables (``hdl.memory.BLOCK_BITS``)."""

_SHAPES = {
    "ice40": ((256, 16), (512, 8), (1024, 4), (2048, 2)),
    "ecp5": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
    "gowin": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
    "gatemate": ((512, 40), (1024, 20), (2048, 10), (4096, 5), (8192, 2), (16384, 1)),
    "xc7": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
}
"""Family -> depths and widths that a block RAM with a port to read and one to write can have."""

_LOGIC = {
    # look-up tables of link and the core's fixed part, per lane, per unit and bit of state.
    "ice40": (6350, 600, 30),
    "ecp5": (6700, 500, 22),
    "gowin": (6800, 500, 25),
    "gatemate": (5500, 450, 25),
    "xc7": (4200, 330, 18),
}


def blocks(family: str, depth: int, width: int) -> int:
    """Block RAMs that a memory takes; 0 where look-up tables make it."""
    if depth * width < BLOCK_BITS:
        return 0
    return min(-(-depth // d) * -(-width // w) for d, w in _SHAPES[family])


def resources(design: Design) -> dict[str, int]:
    """Resource -> about how much of it the design takes."""
    g, part = design.geometry, design.board.part
    rams = sum(blocks(part.family, *_link) for _link in _link_memories(design))
    for table in layout(g).values():
        copies = table.banks if table.kind in (BANKED, COPIED) else 1
        for width in table.widths:
            rams += g.cores * copies * blocks(part.family, table.depth, width)
    fixed, lane, unit_bit = _LOGIC[part.family]
    luts = fixed + lane * (g.lanes - 1) + unit_bit * (g.update_lanes * g.state_bits - 16)
    wide = 1 if g.state_bits <= 18 else 2
    found = {
        counts.LUT: round(g.cores * luts), counts.RAM: rams,
        counts.DSP: g.cores * 2 * wide * g.update_lanes,
    }  # fmt: skip
    there = counts.available(part)
    return {name: number for name, number in found.items() if name in there}


def _link_memories(design: Design) -> list[tuple[int, int]]:
    """The rings of frames, the description, the queue of events and the list of probes."""
    ring = (8 * design.max_payload, 8)
    # Each region takes some 30 bytes of the description, all else some 900.
    description = 900 + 30 * len(core_regions(design.geometry))
    events, probes = (design.board.events, 40), (design.board.probes, 32)
    return [ring, ring, (description, 8), events, probes]
