"""Write the generated hardware, link and UART included, for other tools.

The Verilog has one module, spikeloom, with the ports clk, rst, rx and tx: a device as docs/link.md
and docs/hardware.md describe it. Simulations give one clock cycle, then one with rst.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..hdl.protocol import MIN_DIVISOR
from ..regular_file import replacing
from .output import Waiting, print_json
from .sizes import add_sizes, geometry_of, needs_hardware_tools

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
  spikeloom export verilog --for net.loom --divisor 12 -o core.v
  spikeloom export verilog --neurons 256 --lanes 8 --divisor 12 --clock 12e6 -o core.v"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("-o", "--output", metavar="core.v", required=True, help="where to write it")
    add("--divisor", type=int, metavar="N", required=True, help="clock cycles per bit at the pins")
    add(
        "--clock",
        type=float,
        default=0.0,
        metavar="HZ",
        help="the clock that the device tells hosts of; without it, it says that it has none",
    )
    add_sizes(parser)


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    if options.divisor < MIN_DIVISOR:
        raise InputError(
            "the device's receiver needs more clock cycles per bit",
            found=f"--divisor {options.divisor}",
            expected=f"at least {MIN_DIVISOR}",
        )
    if not 0 <= options.clock < 1 << 40:
        raise InputError(
            "this is no clock frequency",
            found=f"--clock {options.clock:g}",
            expected="a number of Hz above 0, such as 12e6",
        )
    geometry = geometry_of(options)
    with needs_hardware_tools():
        from ..hdl.device import make_device
        from ..hdl.verilog import TOP, to_verilog
    with Waiting("generating the device"):
        device = make_device(geometry, options.divisor, clock_hz=round(options.clock))
        text = to_verilog(device)
    with replacing(Path(options.output), "Verilog file") as partial:
        partial.write_text(text, encoding="utf-8")
    facts: dict[str, Any] = {
        "output": options.output,
        "module": TOP,
        "bytes": len(text.encode()),
        "divisor": options.divisor,
        "build": device.descriptor.build,
        "geometry": device.descriptor.geometry,
    }
    if options.json:
        print_json(facts)
    else:
        sizes = f"{geometry.neurons} neurons, {geometry.lanes} lanes"
        print(f"{options.output}: module {TOP}, {sizes}, {facts['bytes']} bytes")
    return 0
