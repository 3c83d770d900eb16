"""Digilent Cmod A7-35T."""

from __future__ import annotations

from .board import Adapter, Board, Pin, Programmer
from .part import xc7a35t
from .sizes import LIF, sized

_IO = (("IOSTANDARD", "LVCMOS33"),)

BOARDS = (
    Board(
        name="cmod-a7-35t",
        title="Digilent Cmod A7-35T",
        part=xc7a35t("cpg236"),
        oscillator_hz=12_000_000,
        clock=Pin("L17", options=_IO),
        rx=Pin("J17", options=_IO),
        tx=Pin("J18", options=_IO),
        led=Pin("A17", options=_IO),
        reset=Pin("A18", options=_IO),
        clock_hz=60_000_000,
        baud=3_000_000,
        adapter=Adapter("FT2232H, channel B", 12_000_000, usb=(0x0403, 0x6010)),
        programmer=Programmer("openFPGALoader", "cmoda7_35t", (0x0403, 0x6010)),
        geometry=sized(
            LIF, neurons=512, axons=1024, rows=1024, destinations=1024, words=2048
        ),
        max_payload=1024,
        why="eight lanes by yosys' counts; the clock is not proved without Vivado",
        memory="512 KiB SRAM, 4 MiB SPI flash",
        sources=(
            "amaranth-boards: cmod_a7.py",
            "litex-boards: platforms/digilent_cmod_a7.py",
            "https://digilent.com/reference/programmable-logic/cmod-a7/reference-manual",
            "openFPGALoader: doc/boards.yml",
        ),
    ),
)  # fmt: skip
