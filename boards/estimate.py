"""What a design will take of an FPGA, told before it is built.

Memories are computed from the tables; logic is a straight line through what yosys made of cores of
one to eight lanes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..hdl.layout import BANKED, COPIED, layout
from ..hdl.learning import SINGLES, TRACE_BLOCK
from ..hdl.link.cobs import CobsEncoder
from ..hdl.output_queue import queue_shape
from ..hdl.protocol import LINE_BUFFER
from . import counts

if TYPE_CHECKING:
    from .design import Design

DESCRIPTION = 512
"""Bytes of the deflated description, a little more or less."""

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
    "ice40": (4000, 350, 15),
    "ecp5": (5000, 200, 15),
    "gowin": (5000, 400, 25),
    "gatemate": (5000, 400, 25),
    "xc7": (3600, 200, 12),
}
LEARNS = 8000
"""Look-up tables of the learning engine, memories among them."""

SPRAM_WORDS, SPRAM_BITS = 16384, 16


def blocks(family: str, depth: int, width: int) -> int:
    """Block RAMs that a memory takes; 0 where look-up tables make it."""
    if depth * width < BLOCK_BITS:
        return 0
    return min(-(-depth // d) * -(-width // w) for d, w in _SHAPES[family])


def resources(design: Design) -> dict[str, int]:
    """Resource -> about how much of it the design takes."""
    g, part = design.geometry, design.board.part
    rams = sum(blocks(part.family, *memory) for memory in _other_memories(design))
    sprams, tables = 0, layout(g)
    first = tables["plastic"].region if g.rules else 0
    for name, table in tables.items():
        # Lanes that learn have many small memories of their own.
        own = name not in SINGLES and g.rules and table.region >= first
        least = TRACE_BLOCK if own else BLOCK_BITS
        copies = g.cores * (table.banks if table.kind in (BANKED, COPIED) else 1)
        for width in table.widths:
            if name in design.board.single:
                sprams += copies * -(-table.depth // SPRAM_WORDS) * -(-width // SPRAM_BITS)
            elif name not in design.board.light and table.depth * width >= least:
                rams += copies * blocks(part.family, table.depth, width)
    fixed, lane, unit_bit = _LOGIC[part.family]
    luts = fixed + lane * (g.lanes - 1) + unit_bit * (g.update_lanes * g.state_bits - 16)
    luts += LEARNS if g.rules else 0
    wide = 1 if g.state_bits <= 18 else 2
    found = {
        counts.LUT: round(g.cores * luts), counts.RAM: rams, counts.SPRAM: sprams,
        counts.DSP: g.cores * 2 * wide * g.update_lanes,
    }  # fmt: skip
    there = counts.available(part)
    return {name: number for name, number in found.items() if name in there}


def _other_memories(design: Design) -> list[tuple[int, int]]:
    """Those of the link, of the adapter, and what the core has besides its tables."""
    g, ring = design.geometry, (8 * design.max_payload, 8)
    outputs = g.first_channel
    return [
        ring, ring, (LINE_BUFFER, 8), (CobsEncoder.DEPTH, 8), (DESCRIPTION, 8),
        (1024, 16), (256, 8), (outputs, 16), (-(-outputs // 8), 8), (design.board.events, 40),
        (design.board.probes, 32), queue_shape(g), (128, 32),
    ]  # fmt: skip
