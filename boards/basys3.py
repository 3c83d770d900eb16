"""Digilent Basys 3."""

from __future__ import annotations

from .board import Adapter, Board, Pin, Programmer
from .part import xc7a35t
from .sizes import LIF, sized

_IO = (("IOSTANDARD", "LVCMOS33"),)

BOARDS = (
    Board(
        name="basys3",
        title="Digilent Basys 3",
        part=xc7a35t("cpg236"),
        oscillator_hz=100_000_000,
        clock=Pin("W5", options=_IO),
        rx=Pin("B18", options=_IO),
        tx=Pin("A18", options=_IO),
        led=Pin("U16", options=_IO),
        reset=Pin("U18", options=_IO),
        clock_hz=60_000_000,
        baud=3_000_000,
        adapter=Adapter("FT2232H, channel B", 12_000_000, usb=(0x0403, 0x6010)),
        programmer=Programmer("openFPGALoader", "basys3", (0x0403, 0x6010)),
        geometry=sized(
            LIF, neurons=512, axons=1024, rows=1024, destinations=1024, words=2048
        ),
        max_payload=1024,
        why="eight lanes by yosys' counts; the clock is not proved without Vivado",
        memory="4 MiB SPI flash",
        sources=(
            "litex-boards: platforms/digilent_basys3.py",
            "https://digilent.com/reference/programmable-logic/basys-3/reference-manual",
            "openFPGALoader: doc/boards.yml",
        ),
    ),
)  # fmt: skip
