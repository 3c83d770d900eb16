"""Serve a simulated device at a pseudo-terminal or a TCP port, where it is used like a board.

``rtl`` is the generated hardware, link and UART included, simulated clock cycle by clock cycle at
its two pins. ``model`` has the same core, but the link is its readable definition in Python: fewer
cycles to compute. Programs open either by the URL that is printed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError, InputError
from ..hdl.protocol import MIN_DIVISOR, MOST_DIVISOR, START_BAUD
from ..runtime.link.faults import Faults, FaultyLine
from .output import Waiting, print_json
from .signals import asked_to_end
from .sizes import add_sizes, geometry_of, needs_hardware_tools

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from ..backends.rtl.modelled import ModelledDevice
    from ..backends.rtl.simulated import SimulatedDevice
    from ..hdl.geometry import Geometry
    from ..runtime.link.serve import Server

EXAMPLE = """\
  spikeloom serve rtl --for net.loom --link /tmp/board &
  spikeloom run net.loom --device serial:///tmp/board --steps 100

  spikeloom serve rtl --neurons 256 --lanes 8 --tcp 127.0.0.1:7000

It serves until it is interrupted (Ctrl-C) or terminated, or, with --once, until the first host has
closed the line."""

DIVISOR = 32
"""Clock cycles per bit at the pins of what is served behind a pseudo-terminal, after its reset. A
host's 115,200 baud are that; eight times as many are the fastest."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("device", choices=["rtl", "model"], help="what is served")
    line = parser.add_mutually_exclusive_group()
    line.add_argument(
        "--pty", action="store_true", help="behind a pseudo-terminal (where nothing else is said)"
    )
    line.add_argument(
        "--tcp", metavar="HOST:PORT", help="behind a TCP port; port 0 takes a free one"
    )
    add("--link", metavar="PATH", help="make this a symbolic link to the pseudo-terminal")
    add(
        "--divisor",
        type=int,
        metavar="N",
        help="rtl: clock cycles per bit at the pins after a reset (default: "
        f"{DIVISOR}, behind TCP {MIN_DIVISOR})",
    )
    add(
        "--fastest",
        type=int,
        metavar="N",
        help="rtl: the fewest that a host may ask for (default: "
        f"{MIN_DIVISOR}); not with --tcp, where no rate can be set",
    )
    add("--faults", metavar="SPEC", help="damage the line, for example flip=1e-4,lose=1e-4,split")
    add("--once", action="store_true", help="end when the first host has closed the line")
    add_sizes(parser)


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    where = _tcp_address(options)
    geometry = geometry_of(options)
    divisors = _divisors(options)
    faults = None if options.faults is None else Faults.parse(options.faults)
    with needs_hardware_tools(), Waiting("building the device"):
        device = _device(geometry, divisors)
    with (
        asked_to_end() as stop,
        _server(device, where, faults, options.once) as server,
        _symbolic_link(options.link, server.address),
    ):
        _tell(options, server, device)
        while not stop.wait(0.1) and not server.ended.is_set():
            pass
    print(
        f"served {server.received} bytes to the device and {server.sent} from it", file=sys.stderr
    )
    device.close()
    return 0


def _divisors(options: argparse.Namespace) -> tuple[int, int] | None:
    """Clock cycles per bit after a reset, and the fewest; None for a device without pins."""
    given = {name: getattr(options, name) for name in ("divisor", "fastest")}
    if options.device == "model":
        for name, value in given.items():
            if value is not None:
                found = f"--{name} {value}"
                raise InputError("the model has no pins", found=found, remedy="leave it out")
        return None
    divisor, fastest = given.values()
    if options.tcp is None:
        divisor = DIVISOR if divisor is None else divisor
        fastest = min(MIN_DIVISOR, divisor) if fastest is None else fastest
    elif fastest is None:
        divisor = MIN_DIVISOR if divisor is None else divisor
        fastest = divisor
    else:
        raise InputError(
            "no rate can be set over TCP",
            found=f"--tcp {options.tcp} --fastest {fastest}",
            remedy="leave --fastest out; --divisor is the only rate",
        )
    for name, value in (("divisor", divisor), ("fastest", fastest)):
        if value < MIN_DIVISOR:
            raise InputError(
                "the device's receiver needs more clock cycles per bit",
                found=f"--{name} {value}",
                expected=f"at least {MIN_DIVISOR}",
            )
    if not fastest <= divisor <= MOST_DIVISOR:
        raise InputError(
            "a device has no such rates",
            found=f"--divisor {divisor} --fastest {fastest}",
            expected=f"at most {MOST_DIVISOR} cycles, the fastest no more than the other",
        )
    return divisor, fastest


def _device(
    geometry: Geometry, divisors: tuple[int, int] | None
) -> SimulatedDevice | ModelledDevice:
    if divisors is None:
        from ..backends.rtl.modelled import ModelledDevice

        return ModelledDevice(geometry)
    from ..backends.rtl.simulated import SimulatedDevice

    return SimulatedDevice(geometry, *divisors)


def _tcp_address(options: argparse.Namespace) -> tuple[str, int] | None:
    """Host and port, None for a pseudo-terminal."""
    if options.tcp is None:
        return None
    host, colon, port = options.tcp.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise InputError(
            "this is no TCP port",
            found=f"--tcp {options.tcp}",
            expected="HOST:PORT, for example 127.0.0.1:7000",
        )
    if options.link is not None:
        raise InputError(
            "a TCP port has no file that could be linked to",
            found=f"--tcp {options.tcp} --link {options.link}",
            remedy="leave one of them out",
        )
    return host, int(port)


def _server(
    device: SimulatedDevice | ModelledDevice,
    where: tuple[str, int] | None,
    faults: Faults | None,
    once: bool,
) -> Server:
    from ..runtime.link.serve import PtyServer, TcpServer

    exchange, waiting = device.exchange, device.waiting
    if faults is not None:
        bad = FaultyLine(device.exchange, faults)
        exchange, waiting = bad, lambda: device.waiting() + bad.waiting
    line: dict[str, Any] = {"linger": device.linger, "waiting": waiting, "once": once}
    if where is None:
        return PtyServer(exchange, set_baud=_follow(device), **line)
    return TcpServer(exchange, host=where[0], port=where[1], **line)


def _follow(device: SimulatedDevice | ModelledDevice) -> Callable[[int], None] | None:
    """Pins have a rate: what a host sends at another one is as good as on a board."""
    from ..backends.rtl.simulated import SimulatedDevice

    if not isinstance(device, SimulatedDevice):
        return None
    return lambda baud: device.set_baud(max(1, baud) / START_BAUD)


@contextlib.contextmanager
def _symbolic_link(link: str | None, address: str) -> Iterator[None]:
    """A name that stays the same; only what leads nowhere any more is replaced."""
    if link is None:
        yield
        return
    path = Path(link)
    try:
        if path.is_symlink() and not path.exists():
            path.unlink()
        path.symlink_to(address)
    except OSError as error:
        raise DeviceError(
            "the symbolic link cannot be made",
            found=error.strerror,
            where=link,
            remedy="remove what is there, or choose another path",
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if os.readlink(path) == address:
                path.unlink()


def _tell(
    options: argparse.Namespace, server: Server, device: SimulatedDevice | ModelledDevice
) -> None:
    """Where it is served; told before the first host can come."""
    url = server.address
    if options.tcp is None:
        url = f"serial://{options.link or server.address}"
    geometry = device.descriptor.geometry
    divisors = _divisors(options) or (None, None)
    if options.json:
        facts: dict[str, Any] = {
            "device": options.device,
            "address": server.address,
            "link": options.link,
            "url": url,
            "divisor": divisors[0],
            "fastest": divisors[1],
            "build": device.descriptor.build,
            "geometry": geometry,
            "pid": os.getpid(),
        }
        print_json(facts)
    else:
        print(f"{geometry['neurons']} neurons, {geometry['lanes']} lanes at {server.address}")
        print(f"open it with {url!r}")
    sys.stdout.flush()
