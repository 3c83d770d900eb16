"""The serial ports of this machine: what answers at each, and why one cannot be opened."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serial.tools import list_ports

from ...errors import DeviceError
from .serial_port import SerialPort
from .session import Session, Timing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ...hdl.descriptor import Descriptor

QUICK = Timing(base=0.15, tries=2, stall=2.0)
"""Patience with a port at which perhaps nobody answers."""


@dataclass(frozen=True)
class Port:
    """One serial port.

    Attributes:
        path: for example ``/dev/ttyUSB1``.
        what: what the system says of it.
        usb: vendor and product number, None where it is no USB device.
        problem: why it cannot be used; empty where it can.
        remedy: what mends that.
        asked: whether it was asked who it is.
        baud: at which it answered.
        descriptor: what it said, None where nothing.
    """

    path: str
    what: str
    usb: tuple[int, int] | None
    problem: str = ""
    remedy: str = ""
    asked: bool = False
    baud: int | None = None
    descriptor: Descriptor | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        device = None
        if self.descriptor is not None:
            d = self.descriptor
            device = {"build": d.build, "clock_hz": d.clock_hz, "geometry": d.geometry}
        return {
            "path": self.path,
            "what": self.what,
            "usb": None if self.usb is None else "{:04x}:{:04x}".format(*self.usb),
            "problem": self.problem,
            "remedy": self.remedy,
            "asked": self.asked,
            "baud": self.baud,
            "device": device,
        }


def look_at_ports(
    known: Collection[tuple[int, int]], bauds: Iterable[int], named: Iterable[str] = ()
) -> list[Port]:
    """All ports; those that may be a board's, and those that are named, are asked who they are.

    Others are not: what is sent to a port moves a plotter as well.

    Args:
        known: USB numbers of the boards' adapters.
        bauds: speeds to ask at, the likeliest first.
        named: paths that are asked whatever they are, and need not be among the system's.
    """
    bauds, asked = tuple(dict.fromkeys(bauds)), list(dict.fromkeys(named))
    out = []
    for info in sorted(list_ports.comports(), key=lambda info: info.device):
        usb = None if info.vid is None or info.pid is None else (info.vid, info.pid)
        if info.device in asked:
            asked.remove(info.device)
        elif usb not in known:
            out.append(Port(info.device, info.description or "", usb))
            continue
        out.append(ask(info.device, bauds, info.description or "", usb))
    return out + [ask(path, bauds) for path in asked]


def ask(
    path: str, bauds: Iterable[int], what: str = "", usb: tuple[int, int] | None = None
) -> Port:
    """Who answers at a port; the session number is 0, so no session is ended.

    Only a board that a host has left at a faster rate takes our bytes for a break, resets itself,
    and is found.
    """
    for baud in bauds:
        try:
            line = SerialPort(path, baud)
        except DeviceError as error:
            problem, remedy = explain(path, error)
            return Port(path, what, usb, problem, remedy)
        try:
            session = Session(line, timing=QUICK)
            found = session.identify()
        except DeviceError:
            continue
        finally:
            line.close()
        return Port(path, what, usb, asked=True, baud=baud, descriptor=found)
    return Port(path, what, usb, "no Spikeloom device answers", "flash the board", asked=True)


def explain(path: str, error: DeviceError) -> tuple[str, str]:
    """Why a port cannot be opened, and what mends it; the owner and the user by name."""
    holders = holders_of(path)
    if any("ModemManager" in holder for holder in holders):
        return (
            "ModemManager holds it, which takes it for a modem",
            "install the rule: spikeloom devices --udev | "
            "sudo tee /etc/udev/rules.d/60-spikeloom.rules, then plug the board in again",
        )
    said = str(error.found)
    if "Permission denied" in said or "Errno 13" in said:
        group = _group_of(path)
        if group is not None:
            return (
                f"permission denied: it belongs to group {group}, in which you are not",
                f"sudo usermod -aG {group} $USER, then log in again",
            )
    if holders:
        return f"in use by {', '.join(holders)}", "close that program first"
    return said, error.remedy or ""


def _group_of(path: str) -> str | None:
    """The group that may use it, unless this process is in it."""
    try:
        import grp

        found = os.stat(path)
        if not found.st_mode & stat.S_IWGRP or found.st_gid in os.getgroups():
            return None
        return grp.getgrgid(found.st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return None


def holders_of(path: str, processes: Path = Path("/proc")) -> list[str]:
    """Other processes that have the port open, as far as this user may see them; on Linux."""
    try:
        wanted = os.stat(path).st_rdev
    except OSError:
        return []
    out = []
    for folder in processes.glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        try:
            held = any(_is(file, wanted) for file in (folder / "fd").iterdir())
            if held:
                name = (folder / "comm").read_text(errors="replace").strip()
                out.append(f"{name} (process {folder.name})")
        except OSError:
            continue  # another user's, or gone
    return sorted(out)


def _is(file: Path, device: int) -> bool:
    try:
        found = os.stat(file)
    except OSError:
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == device
