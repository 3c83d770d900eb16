"""Cologne Chip GateMate evaluation board, version 3.1, with a USB-UART Pmod at PMODB."""

from __future__ import annotations

from .board import Adapter, Board, Pin, Programmer
from .part import CCGM1A1
from .sizes import NARROW, sized

BOARDS = (
    Board(
        name="gatemate-evb",
        title="Cologne Chip GateMate evaluation board",
        part=CCGM1A1,
        oscillator_hz=10_000_000,
        clock=Pin("IO_SB_A8", options=(("SCHMITT_TRIGGER", "true"),)),
        rx=Pin("IO_NB_A6", options=(("PULLUP", "true"),)),
        tx=Pin("IO_NB_A5"),
        led=Pin("IO_EB_B1", low=True),
        reset=Pin("IO_EB_B0", low=True, options=(("PULLUP", "true"),)),
        clock_hz=10_000_000,
        baud=1_000_000,
        adapter=Adapter(
            "none on the board", 3_000_000, where="a USB-UART Pmod in the upper row of PMODB",
        ),
        programmer=Programmer("openFPGALoader", "gatemate_evb_jtag", (0x0403, 0x6010)),
        geometry=sized(
            NARROW, neurons=64, lanes=1, axons=128, rows=128, destinations=128, channels=64,
            profiles=4, words=1024,
        ),
        max_payload=256,
        why="the oscillator's clock needs no PLL",
        memory="8 MiB HyperRAM, 8 MiB SPI flash",
        sources=(
            "litex-boards: platforms/colognechip_gatemate_evb.py",
            "https://colognechip.com/docs/ds1003-gatemate1-evalboard-3v1-latest.pdf",
            "openFPGALoader: doc/boards.yml",
        ),
    ),
)  # fmt: skip
