"""Digilent Arty A7, with either of its FPGAs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .board import Adapter, Board, Pin, Programmer
from .part import xc7a35t, xc7a100t
from .sizes import LEARNING, LIF, sized

if TYPE_CHECKING:
    from ..hdl.geometry import Geometry
    from .part import Part

_IO = (("IOSTANDARD", "LVCMOS33"),)


def _arty(size: str, part: Part, geometry: Geometry, why: str) -> Board:
    return Board(
        name=f"arty-a7-{size}",
        title=f"Digilent Arty A7-{size.upper()}",
        part=part,
        oscillator_hz=100_000_000,
        clock=Pin("E3", options=_IO),
        rx=Pin("A9", options=_IO),
        tx=Pin("D10", options=_IO),
        led=Pin("H5", options=_IO),
        reset=Pin("C2", low=True, options=_IO),
        clock_hz=60_000_000,
        baud=3_000_000,
        adapter=Adapter("FT2232H, channel B", 12_000_000, usb=(0x0403, 0x6010)),
        programmer=Programmer("openFPGALoader", f"arty_a7_{size}", (0x0403, 0x6010)),
        geometry=geometry,
        max_payload=1024,
        why=why,
        memory="256 MiB DDR3, 16 MiB SPI flash",
        sources=(
            "amaranth-boards: arty_a7.py",
            "litex-boards: platforms/digilent_arty.py",
            "https://digilent.com/reference/programmable-logic/arty-a7/reference-manual",
            "openFPGALoader: doc/boards.yml",
        ),
    )


_35T = _arty(
    "35t", xc7a35t("icsg324", "1L"),
    sized(LIF, neurons=512, axons=1024, rows=1024, destinations=1024, words=2048),
    "eight lanes by yosys' counts; the clock is not proved without Vivado",
)  # fmt: skip
BOARDS = (
    _35T,
    replace(
        _35T,
        name="arty-a7-35t-stdp",
        title="Digilent Arty A7-35T, with a core that learns",
        geometry=sized(LEARNING, words=4096, plastic=4096, slots=128, delay_slots=4),
        clock_hz=45_000_000,
        max_payload=256,
        why="1,024 neurons that learn, by yosys' counts; the clock is not proved without Vivado",
    ),
    _arty(
        "100t", xc7a100t("csg324"),
        sized(LIF, neurons=1024, axons=2048, rows=2048, destinations=2048, words=4096),
        "eight lanes and deeper memories; the clock is not proved without Vivado",
    ),
)  # fmt: skip
