"""A core's memories as regions of the link, and the description of a device that holds a core.

One region is one column of one table (``layout.py``), entry after entry: so a region is contiguous,
and takes no more bytes on the line than the column is wide. Needs no Amaranth.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UnsupportedError
from .descriptor import Descriptor, Region
from .geometry import Geometry
from .layout import REGION_SHIFT, REGISTERS, Table, layout
from .learning_tables import TRACES
from .registers import register_count
from .streams import input_layout

REGISTER_REGION = "registers"
"""The registers of ``registers.REGISTER``, by number."""

PROBE_REGION, PROBE_COUNT_REGION = "probes", "probe_count"
"""Host addresses of the words that a run with probes reads after each step, and how many."""

CORE_REGION, PROBE_CORE_REGION = "core", "probe_core"
"""Of a mesh: the core whose registers and memories all other regions are (the number of cores
and more stand for all of them; core 0 answers), and the core of each probed word."""

MOST_NUMBERED = 1 << 16
"""Neurons, and outputs, that the link can number."""

_CONSTANT = frozenset(
    {"origin", "destination", "axon", "synapse", "row", "profile", "select", "neuron", "xkey",
     "ykey", "term", "walk", "rule", "code", "salt", "decay", "window"}
)  # fmt: skip
"""Tables that the core never writes."""


@dataclass(frozen=True)
class CoreRegion:
    """A region of the link that lies in the core.

    Attributes:
        region: as the link describes it.
        table: the core's table, None for the registers.
        column: of the table.
    """

    region: Region
    table: Table | None
    column: int

    @property
    def base(self) -> int:
        """Host address of word 0; word ``i`` is ``i << INDEX_SHIFT`` further."""
        number = REGISTERS if self.table is None else self.table.region
        return number << REGION_SHIFT | self.column


def column_region(table: str, column: int) -> str:
    """Name of the region that holds a table's column."""
    return f"{table}.{column}"


def core_regions(g: Geometry) -> tuple[CoreRegion, ...]:
    """The registers, then every column of every table."""
    registers = Region(REGISTER_REGION, 32, register_count(g), volatile=True)
    out = [CoreRegion(registers, None, 0)]
    for name, table in layout(g).items():
        for column, width in enumerate(table.widths):
            bits = _whole_words(name, width) if g.micro else width
            region = Region(
                column_region(name, column), bits, table.entries, volatile=name not in _CONSTANT
            )
            out.append(CoreRegion(region, table, column))
    return tuple(out)


def _whole_words(table: str, width: int) -> int:
    """Of the small core: bits of a column that must be written together.

    Its memory has words of 16 bits and keeps all of them, whatever a table's width; what the line
    does not carry is not zero. Beside a trace is whether its neuron had an event; plastic synapses
    have a memory of bytes.
    """
    if table == "plastic":
        return width
    return 32 if width > 16 or table in TRACES else 16


def describe(
    g: Geometry,
    *,
    build: str,
    clock_hz: int = 0,
    baud: int = 0,
    max_payload: int = 1024,
    credit: int = 8192,
    event_capacity: int = 512,
    probes: int = 1024,
    divisor: int = 0,
    fastest: int = 0,
) -> Descriptor:
    """The description of a device with this core, or with a mesh of them.

    A mesh' neurons are numbered like its input's (``streams.chip_input_layout``), its outputs core
    by core.

    Args:
        g: of the core.
        build: hash of the design, hexadecimal.
        clock_hz, baud: 0 in a simulation.
        max_payload: bytes of a frame.
        credit: bytes of the rings of frames, each way (a power of two).
        event_capacity: events that may be queued.
        probes: words that may be probed.
        divisor, fastest: clock cycles per bit at the pins; 0 where there are none.

    Raises:
        UnsupportedError: the mesh has more neurons than the link can number.
    """
    regions = [entry.region for entry in core_regions(g)]
    regions += [Region(PROBE_REGION, 32, probes), Region(PROBE_COUNT_REGION, 32, 1)]
    neurons, outputs = g.neurons, g.first_channel
    if g.cores > 1:
        regions += [Region(CORE_REGION, 8, 1), Region(PROBE_CORE_REGION, 8, probes)]
        neurons = g.cores << input_layout(g)["index"]
        outputs *= g.cores
        if max(neurons, outputs) > MOST_NUMBERED:
            raise UnsupportedError(
                "a mesh of that size cannot be at a link",
                found=f"{max(neurons, outputs)} numbers for neurons or outputs",
                expected=f"at most {MOST_NUMBERED}",
                remedy="generate fewer or smaller cores",
            )
    return Descriptor(
        build=build,
        clock_hz=clock_hz,
        baud=baud,
        max_payload=max_payload,
        rx_credit=credit - 16,
        tx_credit=credit,
        channels=g.channels,
        neurons=neurons if g.graded else 0,
        outputs=outputs,
        event_capacity=event_capacity,
        regions=tuple(regions),
        geometry=g.told(),
        divisor=divisor,
        fastest=fastest,
    )
