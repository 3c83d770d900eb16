"""What a board is, as data: everything that a build, a flash or a host has to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..hdl.geometry import Geometry
    from .part import Part


@dataclass(frozen=True)
class Pin:
    """A pin of the FPGA.

    Attributes:
        ball: its name in the vendor's documents.
        low: whether it is active low.
        options: what the family's constraint file says of it besides, name and value.
    """

    ball: str
    low: bool = False
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Adapter:
    """What stands between the FPGA's UART pins and USB.

    Attributes:
        what: for people.
        most_baud: the fastest line that it is known to keep.
        usb: vendor and product number of USB, where the board has the adapter itself.
        where: what a person has to connect, if anything.
    """

    what: str
    most_baud: int
    usb: tuple[int, int] | None = None
    where: str = ""


@dataclass(frozen=True)
class Programmer:
    """How a bitstream gets into the FPGA, or into its flash memory.

    Attributes:
        tool: the program: openFPGALoader, or dfu-util.
        board: how that program names the board; for dfu-util its USB numbers.
        volatile: whether the FPGA itself can be loaded, without its flash memory.
        flash: whether the flash memory can be written.
        usb: vendor and product number of USB.
        note: what a person has to do before, if anything.
    """

    tool: str
    board: str
    usb: tuple[int, int]
    volatile: bool = True
    flash: bool = True
    note: str = ""


@dataclass(frozen=True)
class Board:
    """A board, and the core that is built for it unless something else is asked for.

    Attributes:
        name: how commands call it.
        title: how its maker calls it.
        part: the FPGA.
        oscillator_hz: frequency at ``clock``.
        clock: pin of the oscillator.
        rx: pin at which the FPGA receives.
        tx: pin at which it sends.
        led: lit while something is on the line; None where none is used.
        reset: a button that resets the device; None where none is used.
        clock_hz: the core's clock, made by a PLL unless it is the oscillator's.
        baud: the fastest of the line; a session begins at ``protocol.START_BAUD``.
        adapter: at the UART pins.
        programmer: of the FPGA.
        geometry: of the core.
        max_payload: bytes of a frame of the link; its buffers are eight times as large.
        why: why this clock and this geometry.
        memory: what else the board has, which this version does not use.
        sources: where these facts can be read.
        events: input that may wait for its step.
        probes: words that a run may record after each step.
        light: tables that are made of look-up tables, though they are large enough for block RAMs,
            where these are scarcer.
        single: tables in memories with one port and no initial contents (SPRAM of iCE40 UltraPlus):
            such as the core only reads, and the host writes between steps. Of the small core, which
            reads and writes in turn, the memories that its tables share.
    """

    name: str
    title: str
    part: Part
    oscillator_hz: int
    clock: Pin
    rx: Pin
    tx: Pin
    led: Pin | None
    reset: Pin | None
    clock_hz: int
    baud: int
    adapter: Adapter
    programmer: Programmer
    geometry: Geometry
    max_payload: int
    why: str
    memory: str
    sources: tuple[str, ...]
    events: int = 512
    probes: int = 1024
    light: tuple[str, ...] = ()
    single: tuple[str, ...] = ()

    @property
    def pins(self) -> dict[str, Pin]:
        """Port of the top level -> pin; in the order clock, rx, tx, led, reset."""
        named = {
            "clock": self.clock, "rx": self.rx, "tx": self.tx,
            "led": self.led, "reset": self.reset,
        }  # fmt: skip
        return {name: pin for name, pin in named.items() if pin is not None}

    @property
    def divisor(self) -> int:
        """Clock cycles per bit of the line's fastest rate."""
        return round(self.clock_hz / self.baud)
