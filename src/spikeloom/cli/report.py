"""Write what is known of a Program as one HTML file: fit, placement, traffic, cycles, errors."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.program import Program
from ..errors import InputError
from ..report_page import write_report
from .inputs import configure_inputs, given_inputs
from .output import Waiting, print_json, print_warnings

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
  spikeloom report net.loom -o report.html
  spikeloom report net.loom --inputs spikes.npz --steps 1000
  spikeloom report loihi.loom --chip loihi --inputs spikes.npz

With --inputs or --steps the Program is run, for traffic, clock cycles and rates; with --chip it is
timed on a chip for which it was compiled, as by spikeloom latency."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("program", metavar="net.loom", help="the Program")
    add("-o", "--output", metavar="report.html", help="where to write it (default: net.html)")
    configure_inputs(parser, "how many steps to run")
    add("--device", default="emulator", help="where to run it (default: %(default)s)")
    add("--chip", help="a chip to time it on: its name, or a .toml file")
    add(
        "--mode",
        choices=("simple", "loose", "queue", "flit"),
        default="queue",
        help="of the chip's network (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    program = Program.load(options.program)
    inputs, steps = _inputs(options, program)
    output = options.output or str(Path(options.program).with_suffix(".html").name)
    chip = None
    with Waiting("running the Program"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if options.chip is not None:
            from ..chip_latency import latency

            chip = latency(
                program, inputs, steps, options.chip, mode=options.mode, device=options.device
            )
        write_report(output, program, inputs, steps, device=options.device, chip=chip)
    messages = list(dict.fromkeys(str(w.message) for w in caught))
    print_warnings(messages)
    if options.json:
        told = {"output": output, "bytes": os.path.getsize(output), "steps": steps}
        print_json({**told, "hash": program.content_hash, "warnings": messages})
    else:
        print(f"written to {output}")
    return 0


def _inputs(options: argparse.Namespace, program: Program) -> tuple[dict[str, Any], int]:
    if options.inputs is not None:
        return given_inputs(options, program)
    if options.chip is not None and options.steps is None:
        raise InputError(
            "a chip is timed in a run, whose length is not known",
            found="neither --steps nor --inputs",
            remedy="say how many: --steps 100",
        )
    return {}, options.steps or 0
