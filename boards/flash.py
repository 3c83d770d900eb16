"""Getting a bitstream into a board, by the program that knows how."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DeviceError, UnsupportedError
from .tools import find_tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from .board import Board

RULE = "spikeloom devices --udev | sudo tee /etc/udev/rules.d/60-spikeloom.rules; " + (
    "sudo udevadm control --reload; sudo udevadm trigger"
)
"""Gives the person at the machine the right to use the boards."""

_REMEDIES = (
    (("usb_open() failed", "LIBUSB_ERROR_ACCESS", "inaccessible", "Permission denied"),
     "this user may not use the board's USB device", RULE),
    (("device not found", "No DFU capable USB device", "unable to connect to device",
      "JTAG init failed", "no device found", "fail to open device"),
     "no such board is connected", "plug the board in, with a cable that carries data"),
    (("unable to claim", "LIBUSB_ERROR_BUSY", "Resource busy"),
     "another program uses the board", "close that one first"),
)  # fmt: skip
"""What a programmer says, what it means, and what mends it."""


def flash(
    board: Board,
    bitstream: Path,
    *,
    permanent: bool = False,
    tell: Callable[[str], object] = lambda what: None,
) -> str:
    """Load a bitstream into the FPGA, or write it to the flash memory that it starts from.

    Args:
        board: which.
        bitstream: the file; for dfu-util it gets its suffix here.
        permanent: to flash memory.
        tell: is told what is being done.

    Returns:
        What the programmer said.

    Raises:
        UnsupportedError: the board cannot be loaded in this way.
        DeviceError: the programmer is missing or failed; with what mends it.
    """
    if not bitstream.is_file():
        raise DeviceError("there is no such bitstream", found=bitstream, remedy="build it first")
    _check_way(board, permanent)
    programmer = find_tool(board.programmer.tool)
    with tempfile.TemporaryDirectory() as name:
        if board.programmer.tool == "dfu-util":
            ready = Path(name, "top.dfu")
            ready.write_bytes(with_dfu_suffix(bitstream.read_bytes(), *board.programmer.usb))
            arguments = ["-d", board.programmer.board, "-a", "0", "-D", str(ready)]
        else:
            # openFPGALoader tells formats by the ends of their names, so the file keeps its own.
            ready = Path(name, bitstream.name)
            shutil.copyfile(bitstream, ready)
            arguments = ["-b", board.programmer.board, *(["-f"] if permanent else []), str(ready)]
        tell(f"{programmer.told} {' '.join(arguments)}")
        try:
            done = subprocess.run(
                [*programmer.command, *arguments],
                capture_output=True, text=True, errors="replace", check=False,
            )  # fmt: skip
        except OSError as error:
            raise DeviceError(
                "the programmer does not start", found=error, where=programmer.told
            ) from None
    said = done.stdout + done.stderr
    if done.returncode:
        raise _failed(board, said, programmer.told)
    return said


def _check_way(board: Board, permanent: bool) -> None:
    programmer = board.programmer
    if permanent and not programmer.flash:
        raise UnsupportedError(
            "this board has no flash memory that can be written so",
            where=board.name,
            remedy="leave --permanent out",
        )
    if not permanent and not programmer.volatile:
        raise UnsupportedError(
            "this board is only loaded from its flash memory",
            found="a load that is lost at power-off",
            where=f"{board.name}, by {programmer.tool}",
            remedy="spikeloom flash --permanent",
        )


def _failed(board: Board, said: str, tool: str) -> DeviceError:
    """The programmer's own words, and what they mean where that is known."""
    last = "\n".join(said.strip().splitlines()[-5:])[-1000:]
    note = f"; {board.programmer.note}" if board.programmer.note else ""
    for signs, problem, remedy in _REMEDIES:
        if any(sign.lower() in said.lower() for sign in signs):
            return DeviceError(
                problem, found=last, where=f"{board.name}, by {tool}", remedy=remedy + note
            )
    return DeviceError(
        "the board could not be programmed",
        found=last or "no word of the programmer's",
        where=f"{board.name}, by {tool}",
        remedy=f"check the cable and the board's name{note}",
    )


def with_dfu_suffix(data: bytes, vendor: int, product: int) -> bytes:
    """A file for dfu-util: the data and the suffix of USB's DFU specification 1.1, appendix B."""
    suffix = struct.pack("<HHHH3sB", 0xFFFF, product, vendor, 0x0100, b"UFD", 16)
    checked = data + suffix
    return checked + struct.pack("<I", zlib.crc32(checked) ^ 0xFFFFFFFF)
