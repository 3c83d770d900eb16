"""List the kinds of device that a Program can be run on, and the serial ports.

Ports whose USB numbers are those of a board's adapter, and ports that are named, are asked who
answers there; others are only listed, since what is sent to a port moves a plotter as well. A port
that cannot be opened is listed with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..runtime.open import BACKENDS
from ..runtime.open import open as open_device
from .output import indented, print_json
from .ports import known_adapters, known_bauds

if TYPE_CHECKING:
    import argparse

    from ..runtime.link.ports import Port

EXAMPLE = """\
  spikeloom devices
  spikeloom devices --port /dev/ttyACM0 --baud 115200
  spikeloom devices --udev | sudo tee /etc/udev/rules.d/60-spikeloom.rules
  spikeloom devices --json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("--port", metavar="PATH", action="append", default=[], help="ask at this port, too")
    add("--baud", type=int, metavar="N", help="ask at this speed only")
    add("--udev", action="store_true", help="write the udev rule for the boards, and end")


def look() -> list[dict[str, Any]]:
    """Each kind of device of this version, opened and asked."""
    found = []
    for scheme, (_, _, summary) in BACKENDS.items():
        entry: dict[str, Any] = {"scheme": scheme, "what": summary, "usable": True}
        try:
            with open_device(scheme) as device:
                entry.update(device.backend.describe())
        except Exception as error:
            # Whatever a broken installation raises: this command is there to tell it.
            entry.update(usable=False, error=f"{type(error).__name__}: {error}")
        found.append(entry)
    return found


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    if options.udev:
        from ..boards.udev import udev_rules

        print(udev_rules(), end="")
        return 0
    from ..runtime.link.ports import look_at_ports

    found = look()
    bauds = known_bauds() if options.baud is None else [options.baud]
    ports = look_at_ports(known_adapters(), bauds, options.port)
    if options.json:
        print_json({"devices": found, "ports": [port.to_dict() for port in ports]})
        return 0
    for entry in found:
        print(f"{entry.pop('scheme')}: {entry.pop('what')}")
        print(indented(entry))
    for port in ports:
        usb = "" if port.usb is None else ", USB {:04x}:{:04x}".format(*port.usb)
        print(f"port {port.path}: {port.what or 'serial port'}{usb}\n  {_who(port)}")
    if not ports:
        print("no serial ports")
    return 0


def _who(port: Port) -> str:
    """One line about who answers."""
    if port.descriptor is not None:
        d = port.descriptor
        g = d.geometry
        return (
            f"Spikeloom device, build {d.build}, {g.get('neurons')} neurons, "
            f"{g.get('lanes')} lanes: serial://{port.path}?baud={port.baud}"
        )
    if port.problem:
        return f"{port.problem}; {port.remedy}" if port.remedy else port.problem
    return f"not asked, for it is no adapter of a known board; --port {port.path} asks"
