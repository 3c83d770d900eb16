"""Show a network on a local web page while it runs: spikes, rates, membranes, weights.

The page is served at 127.0.0.1 under a secret path; nobody else can open it, and it loads nothing
from elsewhere.
"""

from __future__ import annotations

import math
import sys
import webbrowser
from typing import TYPE_CHECKING, Any

from ..compiler.program import Program
from ..errors import InputError
from ..viewer import LINGER, view
from .inputs import configure_inputs, given_inputs
from .output import print_json
from .signals import asked_to_end

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
  spikeloom view net.loom
  spikeloom view net.loom --device 'serial:///dev/ttyUSB1' --inputs spikes.npz --repeat
  spikeloom view net.loom --device reference --speed 10 --start --open

It ends at Ctrl-C, and three seconds after its last page was closed."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("program", metavar="net.loom", help="the Program to run")
    add("--device", default="emulator", help="where to run it (default: %(default)s)")
    configure_inputs(parser, "pause after so many steps")
    add("--repeat", action="store_true", help="begin the input again where it ends")
    add(
        "--speed",
        default="real",
        metavar="N",
        help="steps per second at first: a number, real (1/dt, the default), or max",
    )
    add("--start", action="store_true", help="run at once")
    add("--port", type=int, default=0, metavar="N", help="of the page (default: a free one)")
    add("--open", action="store_true", help="open the page in the browser")
    add("--stay", action="store_true", help="go on when the last page has been closed")


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    speed = _speed(options.speed)
    inputs, steps = _inputs(options)
    with (
        asked_to_end() as stop,
        view(
            options.program,
            options.device,
            inputs=inputs,
            steps=steps,
            repeat=options.repeat,
            speed=speed,
            start=options.start,
            port=options.port,
        ) as live,
    ):
        if options.json:
            print_json({"url": live.url, "device": options.device, "program": options.program})
        else:
            print(f"open {live.url}")
        sys.stdout.flush()
        if options.open:
            webbrowser.open(live.url)
        live.wait(stop, None if options.stay else LINGER)
    return 0


def _speed(text: str) -> float | None:
    if text in ("real", "max"):
        return None if text == "real" else math.inf
    try:
        return float(text)
    except ValueError:
        raise InputError(
            "this is no speed", found=f"--speed {text}", expected="steps per second, real, or max"
        ) from None


def _inputs(options: argparse.Namespace) -> tuple[dict[str, Any] | None, int | None]:
    if options.inputs is None:
        return None, options.steps
    return given_inputs(options, Program.load(options.program))
