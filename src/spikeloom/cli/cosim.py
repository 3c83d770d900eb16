"""Run a Program on several devices and name the first difference in spikes, state or weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.program import Program
from ..errors import InputError
from ..formats import read_inputs
from ..runtime.cosim import cosim, cosim_statistics, reproduce
from ..runtime.cosim.agreement import KINDS
from .output import Progress, print_json

if TYPE_CHECKING:
    import argparse

    from ..runtime.cosim import Divergence, Reproducer

EXAMPLE = """\
  spikeloom cosim net.loom --devices reference,emulator --steps 200
  spikeloom cosim net.loom --devices reference,brian2 --steps 2000 --statistics

Where they differ, what the neuron received in the last steps is told, and a small part of the
network that shows the difference is written beside it: net-difference.loom, net-difference.npz.

The exit code is 0 where all devices agree, and 1 where they do not."""


SHOWN = 20
"""Arrivals that are printed."""


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
    add(
        "--statistics",
        action="store_true",
        help="compare rates, intervals and distances of the spikes, within tolerances, not bits",
    )
    add(
        "--without",
        default="",
        metavar="KINDS",
        help=f"statistics to leave out, of {', '.join(KINDS)}",
    )
    add(
        "--reproducer",
        metavar="STEM",
        help="where the small case of a difference goes (default: net-difference)",
    )
    add(
        "--shrink-seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="how long to look for a small case; 0: not at all (default: %(default)g)",
    )


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
    if options.statistics:
        return _statistics(options, program, devices, steps, inputs)
    if options.without:
        raise InputError("--without says which statistics to leave out", remedy="--statistics")
    with Progress(steps, "step") as progress:
        found = cosim(program, devices, steps, inputs, progress.update)
    small, paths = None, []
    if found is not None and options.shrink_seconds > 0:
        small = reproduce(program, found, steps, inputs, options.shrink_seconds)
        if small is not None:
            stem = options.reproducer or f"{Path(options.program).stem}-difference"
            paths = [str(path) for path in small.save(stem)]
    if options.json:
        print_json(
            {
                "devices": devices,
                "steps": steps,
                "divergence": None if found is None else _as_data(found),
                "reproducer": None if small is None else {"files": paths, **_small_data(small)},
            }
        )
    elif found is None:
        print(f"{steps} steps on {', '.join(devices)}: spikes, state and weights are the same")
    else:
        _tell(found, small, paths, options.shrink_seconds)
    return 0 if found is None else 1


def _statistics(
    options: argparse.Namespace, program: Program, devices: list[str], steps: Any, inputs: Any
) -> int:
    """Compare by statistics."""
    without = [kind for kind in options.without.split(",") if kind]
    with Progress(steps, "step") as progress:
        found = cosim_statistics(program, devices, steps, inputs, without, progress.update)
    agree = all(one.agree for one in found)
    if options.json:
        statistics = [one.as_data() for one in found]
        print_json({"devices": devices, "steps": steps, "agree": agree, "statistics": statistics})
    else:
        print("\n\n".join(map(str, found)))
    return 0 if agree else 1


def _tell(found: Divergence, small: Reproducer | None, paths: list[str], seconds: float) -> None:
    print(f"first difference: {found}")
    if found.received:
        print(f"what the neuron received on {next(iter(found.values))}, and what is on its way:")
    for arrival in found.received[-SHOWN:]:
        print(f"  {arrival}")
    if len(found.received) > SHOWN:
        print(f"  ({len(found.received) - SHOWN} earlier ones in --json)")
    if small is not None:
        print(f"a small case of it: {small}")
        print(f"  {small.divergence}")
        print(f"  written to {' and '.join(paths)}")
    elif seconds > 0:
        print("no small case: the difference does not come again when the devices begin anew")


def _as_data(found: Divergence) -> dict[str, Any]:
    received = [{**asdict(one), "text": str(one)} for one in found.received]
    return {**asdict(found), "received": received, "text": str(found)}


def _small_data(small: Reproducer) -> dict[str, Any]:
    return {
        "steps": small.steps,
        "neurons": small.program.neurons,
        "divergence": _as_data(small.divergence),
    }
