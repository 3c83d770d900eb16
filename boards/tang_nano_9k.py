"""Sipeed Tang Nano 9K."""

from __future__ import annotations

from .board import Adapter, Board, Pin, Programmer
from .part import GW1NR_9C
from .sizes import NARROW, sized

_IO = (("IO_TYPE", "LVCMOS33"),)
_PULLED = (*_IO, ("PULL_MODE", "UP"))

BOARDS = (
    Board(
        name="tang-nano-9k",
        title="Sipeed Tang Nano 9K",
        part=GW1NR_9C,
        oscillator_hz=27_000_000,
        clock=Pin("52", options=_IO),
        rx=Pin("18", options=_PULLED),
        tx=Pin("17", options=_PULLED),
        led=Pin("10", low=True, options=(("IO_TYPE", "LVCMOS18"),)),
        reset=None,
        clock_hz=27_000_000,
        baud=115_200,
        adapter=Adapter("BL702", 115_200, usb=(0x0403, 0x6010)),
        programmer=Programmer("openFPGALoader", "tangnano9k", (0x0403, 0x6010)),
        geometry=sized(
            NARROW,
            neurons=64,
            lanes=1,
            axons=128,
            rows=128,
            destinations=128,
            channels=64,
            profiles=4,
            words=2048,
        ),
        max_payload=256,
        probes=256,
        why="the oscillator's clock; one lane, in 24 of 26 block RAMs",
        memory="8 MiB PSRAM, SPI flash",
        sources=(
            "amaranth-boards: tang_nano_9k.py",
            "litex-boards: platforms/sipeed_tang_nano_9k.py (the LEDs' bank has 1.8 V)",
            "https://github.com/sipeed/TangNano-9K-example/issues/7 (its UART)",
            "openFPGALoader: doc/boards.yml",
        ),
    ),
)  # fmt: skip
