"""Write a Program for another simulator: a script of Lava processes that runs by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.program import Program
from ..errors import InputError
from .output import print_json

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
  spikeloom export lava net.loom -o net_lava.py
  python net_lava.py spikes.npz

The script needs lava-nc 0.10; docs/lava.md says how to install it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("program", metavar="net.loom", help="the Program to write")
    add("-o", "--output", metavar="net_lava.py", help="the script (default: net_lava.py)")
    add("--steps", type=int, default=100, help="how many it runs by itself (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    from ..backends.lava.script import write_script

    output = Path(options.output or Path(options.program).with_suffix("").name + "_lava.py")
    if output.suffix != ".py":
        raise InputError(
            "the script's name must end in .py", found=str(output), remedy="-o net_lava.py"
        )
    if options.steps < 1:
        raise InputError("--steps must be at least 1", found=options.steps)
    files = write_script(Program.load(options.program), output, options.steps)
    if options.json:
        print_json({"files": [str(file) for file in files], "steps": options.steps})
    else:
        print("\n".join(f"wrote {file}" for file in files))
    return 0
