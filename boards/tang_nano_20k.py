"""Sipeed Tang Nano 20K."""

from __future__ import annotations

from .board import Adapter, Board, Pin, Programmer
from .part import GW2AR_18C
from .sizes import NARROW, sized

_IO = (("IO_TYPE", "LVCMOS33"),)
_PULLED = (*_IO, ("PULL_MODE", "UP"))

BOARDS = (
    Board(
        name="tang-nano-20k",
        title="Sipeed Tang Nano 20K",
        part=GW2AR_18C,
        oscillator_hz=27_000_000,
        clock=Pin("4", options=_IO),
        rx=Pin("70", options=_PULLED),
        tx=Pin("69", options=_PULLED),
        led=Pin("15", low=True, options=(("IO_TYPE", "LVCMOS33"),)),
        reset=None,
        clock_hz=27_000_000,
        baud=115_200,
        adapter=Adapter("BL616", 115_200, usb=(0x0403, 0x6010)),
        programmer=Programmer("openFPGALoader", "tangnano20k", (0x0403, 0x6010)),
        geometry=sized(NARROW, lanes=2, words=2048),
        max_payload=1024,
        why="the oscillator's clock; no faster line of the adapter is documented",
        memory="8 MiB SDRAM, SPI flash",
        sources=(
            "litex-boards: platforms/sipeed_tang_nano_20k.py",
            "https://wiki.sipeed.com/hardware/en/tang/tang-nano-20k/nano-20k.html",
            "openFPGALoader: doc/boards.yml",
        ),
    ),
)
