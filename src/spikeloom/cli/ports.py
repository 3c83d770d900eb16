"""The options that name a port, and the device behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..boards.catalogue import BOARDS
from ..errors import DeviceError, InputError
from ..hdl.protocol import START_BAUD
from ..runtime.open import open as open_device
from .sizes import needs_hardware_tools

if TYPE_CHECKING:
    import argparse

    from ..runtime.device import Device


def known_bauds() -> list[int]:
    """The speeds of boards after a reset, the commonest first."""
    bauds = [min(board.baud, START_BAUD) for board in BOARDS.values()]
    return sorted(set(bauds), key=lambda baud: (-bauds.count(baud), -baud))


def known_adapters() -> set[tuple[int, int]]:
    """USB numbers of the boards' adapters."""
    return {board.adapter.usb for board in BOARDS.values() if board.adapter.usb}


def port_options(parser: argparse.ArgumentParser) -> None:
    """``--port`` and ``--baud``."""
    parser.add_argument(
        "--port", required=True, metavar="PORT", help="/dev/ttyUSB1, or an address tcp://host:port"
    )
    parser.add_argument(
        "--baud", type=int, metavar="N", help="of the line at first (default: 115200)"
    )


def open_port(options: argparse.Namespace) -> tuple[Device, str]:
    """The device at the port, and its address.

    Raises:
        DeviceError: nobody answers there at any speed, or it cannot be opened; with the reason.
        InputError: there is no such port.
    """
    url = _url(options)
    if url is None:
        url = _asked(options.port)
    with needs_hardware_tools():
        return open_device(url), url


def _url(options: argparse.Namespace) -> str | None:
    """The address, if it is known without asking."""
    port = options.port
    if "://" in port:
        if options.baud is not None:
            raise InputError(
                "an address says its speed itself",
                found=f"--port {port} --baud {options.baud}",
                remedy="leave --baud out",
            )
        return port
    if options.baud is not None:
        return f"serial://{port}?baud={options.baud}"
    return None


def _asked(port: str) -> str:
    from ..runtime.link.ports import ask

    bauds = known_bauds()
    found = ask(port, bauds)
    if found.baud is None:
        raise DeviceError(
            "no Spikeloom device can be had at this port",
            found=found.problem,
            where=f"{port}, asked at {', '.join(map(str, bauds))} baud" if found.asked else port,
            remedy=found.remedy or "check the path",
        )
    return f"serial://{port}?baud={found.baud}"
