"""Colorlight i9, version 7.2, on the extension board of MuseLab."""

from __future__ import annotations

from .board import Adapter, Board, Pin, Programmer
from .part import ecp5_45f
from .sizes import LIF, sized

_IO = (("IO_TYPE", "LVCMOS33"),)

BOARDS = (
    Board(
        name="colorlight-i9",
        title="Colorlight i9, version 7.2, on its extension board",
        part=ecp5_45f("BG381", "6"),
        oscillator_hz=25_000_000,
        clock=Pin("P3", options=_IO),
        rx=Pin("H18", options=(*_IO, ("PULLMODE", "UP"))),
        tx=Pin("J17", options=_IO),
        led=Pin("L2", low=True, options=_IO),
        reset=None,
        clock_hz=45_000_000,
        baud=115_200,
        adapter=Adapter("CMSIS-DAP of the extension board", 115_200, usb=(0x0D28, 0x0204)),
        programmer=Programmer("openFPGALoader", "colorlight-i9", (0x0D28, 0x0204)),
        geometry=sized(LIF, neurons=512, axons=1024, rows=1024, destinations=1024),
        max_payload=1024,
        why="eight lanes, as on any LFE5U-45F; no faster line of the adapter is documented",
        memory="8 MiB SDRAM, SPI flash",
        sources=(
            "litex-boards: platforms/colorlight_i5.py",
            "https://github.com/wuxx/Colorlight-FPGA-Projects",
            "https://tomverbeure.github.io/2021/01/30/Colorlight-i5-Extension-Board-Pin-Mapping.html",
            "openFPGALoader: doc/boards.yml",
        ),
    ),
)
