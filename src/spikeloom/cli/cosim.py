"""Run a Program on several devices and name the first difference in spikes, state or weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..compiler.program import Program
from ..errors import InputError
from ..runtime.cosim import cosim
from ..runtime.files import read_inputs
from .output import Progress, print_json

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
  spikeloom cosim net.loom --devices reference,emulator --steps 200

The exit code is 0 where all devices agree, and 1 where they do not."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("program", metavar="net.loom", help="the Program to run")
    add(
        "--devices",
        default="reference,emulator",
        help="two or more, separated by commas (default: %(default)s)",
    )
    add("--inputs", metavar="spikes.npz", help="spikes and graded values to feed in")
    add("--steps", type=int, help="how many steps (default: as many as the input's raster has)")


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    program = Program.load(options.program)
    devices = options.devices.split(",")
    inputs, steps = {}, options.steps
    if options.inputs:
        inputs, steps = read_inputs(options.inputs, program, steps)
    elif steps is None:
        raise InputError(
            "the number of steps is not known",
            found="neither --steps nor --inputs",
            remedy="say how many: --steps 100",
        )
    with Progress(steps, "step") as progress:
        found = cosim(program, devices, steps, inputs, progress.update)
    if options.json:
        divergence = None if found is None else {**asdict(found), "text": str(found)}
        print_json({"devices": devices, "steps": steps, "divergence": divergence})
    elif found is None:
        print(f"{steps} steps on {', '.join(devices)}: spikes, state and weights are the same")
    else:
        print(f"first difference: {found}")
    return 0 if found is None else 1
