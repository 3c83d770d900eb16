"""What a design will take of an FPGA, told before it is built.

Memories are computed from the tables; logic is a straight line through what yosys made of cores of
one to eight lanes, and of cores that learn with few and with all parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..hdl.layout import BANKED, COPIED, layout
from ..hdl.learning import SINGLES, TRACE_BLOCK
from ..hdl.learning_tables import TRACE_BITS
from ..hdl.link.cobs import CobsEncoder
from ..hdl.micro.isa import WIDTH
from ..hdl.micro.places import VARIABLES, Places
from ..hdl.micro.program import Program
from ..hdl.output_queue import queue_shape
from ..hdl.protocol import LINE_BUFFER
from . import counts

if TYPE_CHECKING:
    from ..hdl.geometry import Geometry
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
_UNIT_DSPS = {"ecp5": (4, 6), "xc7": (4, 4)}
"""Multipliers of a unit with states of up to 18 bits, and of more; (2, 4) of other families."""

_LEARNING = 4100
"""Look-up tables of the learning engine of an ECP5, besides its memories and lanes."""
_LEARNING_LANE = 510
"""More of them for each lane, with products of one factor."""
_LANE_PARTS = {
    "windows": 150, "tags": 100, "delays": 100, "post_delays": 50, "seconds": 80, "thirds": 80,
    "scattered": 150, "signs": 50, "by_weight": 40, "shared": 30, "sums": 40,
}  # fmt: skip
"""More for each lane that has this part."""
_LANE_FACTOR, _LANE_BIT = 60, 20
"""More for each lane and factor of a product, and for each bit of coefficients and sums beyond
``_LANE_BITS`` together."""
_LANE_BITS = 45
_LEARNING_LOGIC = {"xc7": 0.66}
"""Of other families' look-up tables, which add without a table of their own, compared with that."""
_LUT_RAM = {"xc7": (32, 6)}
"""Entries and bits of a memory that four look-up tables make; (16, 4) of other families."""
_DSP_BITS = {"xc7": 25}
"""Of a multiplier's wider side; 18 of other families."""
ERROR = 0.1
"""Of look-up tables, on either side, for the cores that learn of which yosys has counted some
(``benchmarks/board_counts.py``), of ECP5 and Artix-7; nothing is known of other families."""

_MICRO, _MICRO_DSPS = 3300, 3
"""Look-up tables of a board with the small core, whose logic is the same whatever its sizes, and
its multipliers, counted by yosys on iCE40; nothing is known of other families."""

SPRAM_WORDS, SPRAM_BITS = 16384, 16


def blocks(family: str, depth: int, width: int) -> int:
    """Block RAMs that a memory takes; 0 where look-up tables make it."""
    if depth * width < BLOCK_BITS:
        return 0
    return min(-(-depth // d) * -(-width // w) for d, w in _SHAPES[family])


def resources(design: Design) -> dict[str, int]:
    """Resource -> about how much of it the design takes."""
    g, part = design.geometry, design.board.part
    if g.micro:
        return _small(design)
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
    wide = 1 if g.state_bits <= 18 else 2
    dsps = _UNIT_DSPS.get(part.family, (2, 4))[wide - 1] * g.update_lanes
    if g.rules:
        luts += _learning_luts(g, part.family)
        dsps += _learning_dsps(g, part.family)
    found = {
        counts.LUT: round(g.cores * luts), counts.RAM: rams, counts.SPRAM: sprams,
        counts.DSP: g.cores * dsps,
    }  # fmt: skip
    there = counts.available(part)
    return {name: number for name, number in found.items() if name in there}


def _small(design: Design) -> dict[str, int]:
    """The same of the small core, whose tables share memories."""
    g, part = design.geometry, design.board.part
    rams = sum(blocks(part.family, *memory) for memory in _other_memories(design))
    rams += blocks(part.family, len(Program(g, 0).asm.words), WIDTH)
    rams += blocks(part.family, VARIABLES, 32)
    sprams = 0
    for name, words in (("words", Places(g).words), ("bytes", -(-g.plastic // 2))):
        depth = 1 << (words - 1).bit_length()
        if name in design.board.single:
            sprams += -(-depth // SPRAM_WORDS)
        else:
            rams += blocks(part.family, depth, 16)
    found = {counts.LUT: _MICRO, counts.RAM: rams, counts.SPRAM: sprams, counts.DSP: _MICRO_DSPS}
    there = counts.available(part)
    return {name: number for name, number in found.items() if name in there}


def _learning_luts(g: Geometry, family: str) -> float:
    """Look-up tables of the learning engine: its logic, and its lanes' small memories."""
    lane = _LEARNING_LANE + _LANE_FACTOR * (g.factors - 1)
    lane += sum(luts for part, luts in _LANE_PARTS.items() if getattr(g, part))
    lane += _LANE_BIT * max(0, g.coefficient_bits + g.sum_bits - _LANE_BITS)
    logic = (_LEARNING + lane * g.lanes) * _LEARNING_LOGIC.get(family, 1)
    tables, (deep, wide) = layout(g), _LUT_RAM.get(family, (16, 4))
    cells = 0
    for name, table in tables.items():
        if table.region < tables["plastic"].region:
            continue
        least = BLOCK_BITS if name in SINGLES else TRACE_BLOCK
        copies = table.banks if table.kind in (BANKED, COPIED) else 1
        small = [width for width in table.widths if table.depth * width < least]
        cells += copies * -(-table.depth // deep) * sum(-(-width // wide) for width in small)
    return logic + 4 * cells


def _learning_dsps(g: Geometry, family: str) -> int:
    """Multipliers of products, of traces that decay, and of random numbers."""
    width = _DSP_BITS.get(family, 18)
    product = sum(-(-(g.coefficient_bits + TRACE_BITS * i) // width) for i in range(g.factors))
    return g.lanes * product + g.faded + 2 * (g.lanes if g.scattered else 1)


def _other_memories(design: Design) -> list[tuple[int, int]]:
    """Those of the link, of the adapter, and what the core has besides its tables."""
    g, ring = design.geometry, (8 * design.max_payload, 8)
    outputs = g.first_channel
    return [
        ring, ring, (LINE_BUFFER, 8), (CobsEncoder.DEPTH, 8), (DESCRIPTION, 8),
        (1024, 16), (256, 8), (outputs, 16), (-(-outputs // 8), 8), (design.board.events, 40),
        (design.board.probes, 32), queue_shape(g), (128, 32),
    ]  # fmt: skip
