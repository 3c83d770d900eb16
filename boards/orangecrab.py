"""OrangeCrab, revision 0.2; its UART is at the pins RX (0) and TX (1) of the Feather header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .board import Adapter, Board, Pin, Programmer
from .part import ecp5_25f, ecp5_85f
from .sizes import LIF, NARROW, sized

if TYPE_CHECKING:
    from ..hdl.geometry import Geometry
    from .part import Part

_IO = (("IO_TYPE", "LVCMOS33"),)


def _orangecrab(size: str, part: Part, geometry: Geometry, why: str) -> Board:
    return Board(
        name=f"orangecrab-{size}",
        title=f"OrangeCrab {size.upper()}, revision 0.2",
        part=part,
        oscillator_hz=48_000_000,
        clock=Pin("A9", options=_IO),
        rx=Pin("N17", options=(*_IO, ("PULLMODE", "UP"))),
        tx=Pin("M18", options=_IO),
        led=Pin("M3", low=True, options=_IO),
        reset=None,
        clock_hz=48_000_000,
        baud=1_000_000,
        adapter=Adapter(
            "none on the board", 1_000_000,
            where="a USB-UART adapter of 3.3 V: its TX at pin 0, its RX at pin 1, and GND",
        ),
        programmer=Programmer(
            "dfu-util", "1209:5af0", (0x1209, 0x5AF0), volatile=False,
            note="hold the button while you plug it in, so that its boot loader runs",
        ),
        geometry=geometry,
        max_payload=1024,
        why=why,
        memory="128 MiB DDR3, 16 MiB SPI flash",
        sources=(
            "amaranth-boards: orangecrab_r0_2.py (clock, LED, connector)",
            "litex-boards: platforms/gsd_orangecrab.py (UART at the Feather's pins)",
            "https://github.com/orangecrab-fpga/orangecrab-hardware (schematic)",
        ),
    )  # fmt: skip


BOARDS = (
    _orangecrab(
        "25f", ecp5_25f("MG285", "8"), sized(NARROW, lanes=4, words=2048),
        "the oscillator's clock needs no PLL",
    ),
    _orangecrab(
        "85f", ecp5_85f("MG285", "8"),
        sized(LIF, neurons=1024, axons=2048, rows=2048, destinations=2048, words=4096),
        "the oscillator's clock needs no PLL",
    ),
)  # fmt: skip
