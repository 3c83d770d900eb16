"""Radiona ULX3S, versions 2.0 and 3, with any of its four FPGAs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .board import Adapter, Board, Pin, Programmer
from .part import ecp5_12f, ecp5_25f, ecp5_45f, ecp5_85f
from .sizes import LEARNING, LIF, NARROW, sized

if TYPE_CHECKING:
    from ..hdl.geometry import Geometry
    from .part import Part

_IO = (("IO_TYPE", "LVCMOS33"),)


def _ulx3s(size: str, part: Part, geometry: Geometry, why: str) -> Board:
    return Board(
        name=f"ulx3s-{size}",
        title=f"Radiona ULX3S {size.upper()}",
        part=part,
        oscillator_hz=25_000_000,
        clock=Pin("G2", options=_IO),
        rx=Pin("M1", options=(*_IO, ("PULLMODE", "UP"))),
        tx=Pin("L4", options=_IO),
        led=Pin("B2", options=_IO),
        reset=Pin("R1", options=(*_IO, ("PULLMODE", "DOWN"))),
        clock_hz=45_000_000,
        baud=3_000_000,
        adapter=Adapter("FT231X", 3_000_000, usb=(0x0403, 0x6015)),
        programmer=Programmer("openFPGALoader", "ulx3s", (0x0403, 0x6015)),
        geometry=geometry,
        max_payload=1024,
        why=why,
        memory="32 MiB SDRAM, 4 to 16 MiB SPI flash",
        sources=(
            "amaranth-boards: ulx3s.py",
            "litex-boards: platforms/radiona_ulx3s.py",
            "https://github.com/emard/ulx3s (schematic)",
            "openFPGALoader: doc/boards.yml",
        ),
    )


_12F = replace(
    _ulx3s(
        "12f", ecp5_12f("BG381", "6"), sized(NARROW, lanes=2, words=1024, accumulator_bits=18),
        "two lanes, and smaller frames, are what 12,000 look-up tables and 32 block RAMs hold",
    ),
    max_payload=256, probes=512, light=("select",),
)  # fmt: skip
_25F = _ulx3s(
    "25f", ecp5_25f("BG381", "6"), sized(NARROW, lanes=4, words=2048),
    "four lanes, with half of the look-up tables left to route well",
)  # fmt: skip
_85F = _ulx3s(
    "85f", ecp5_85f("BG381", "6"),
    sized(LIF, neurons=1024, axons=2048, rows=2048, destinations=2048, words=4096),
    "eight lanes and four times the neurons",
)  # fmt: skip
BOARDS = (
    _12F,
    _25F,
    replace(
        _25F,
        name="ulx3s-25f-stdp",
        title="Radiona ULX3S 25F, with a core that learns",
        geometry=LEARNING,
        max_payload=256,
        probes=512,
        light=("select", "salt"),
        why="1,024 neurons that learn, in 55 of 56 block RAMs",
    ),
    _ulx3s(
        "45f", ecp5_45f("BG381", "6"),
        sized(LIF, neurons=512, axons=1024, rows=1024, destinations=1024, words=2048),
        "eight lanes and twice the neurons",
    ),
    _85F,
    replace(
        _85F,
        name="ulx3s-85f-mesh",
        title="Radiona ULX3S 85F, with four cores on a mesh",
        geometry=sized(
            NARROW, lanes=4, words=2048, axons=1024, rows=1024, destinations=1024,
            mesh_rows=2, mesh_columns=2,
        ),
        why="four cores with a router each: the neurons of one of eight lanes in half the cycles",
    ),
)  # fmt: skip
