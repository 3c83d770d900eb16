"""Load a Program into a board over its serial port, verify it there, and run it.

The device says what it is (HELLO); a Program that it does not hold exactly is refused before
anything is sent. After loading the device computes the digest of every memory, and all must be as
they should.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..compiler.program import Program
from ..errors import FitError, InputError
from ..runtime.files import read_inputs, write_result
from .boards import board_like
from .output import Waiting, print_json, table
from .ports import open_port, port_options

if TYPE_CHECKING:
    import argparse

    from ..backends.rtl.remote import RemoteBackend
    from ..runtime.device import Device

EXAMPLE = """\
  spikeloom deploy net.loom --port /dev/ttyUSB1
  spikeloom deploy net.loom --port /dev/ttyUSB1 --inputs spikes.npz -o out.npz
  spikeloom deploy net.loom --port tcp://127.0.0.1:7000 --steps 100 --json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("program", metavar="net.loom", help="the Program to load")
    port_options(parser)
    add("--inputs", metavar="spikes.npz", help="spikes and graded values to feed in")
    add("--steps", type=int, help="run so many (default: as many as the input's raster has)")
    add("-o", "--output", metavar="out.npz", help="where to write what was probed")


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    program = Program.load(options.program)
    inputs, steps = {}, options.steps
    if options.inputs:
        inputs, steps = read_inputs(options.inputs, program, steps)
    if options.output and steps is None:
        raise InputError(
            "nothing is run, so there is nothing to write",
            found=f"-o {options.output} without --steps and --inputs",
            remedy="say how many steps: --steps 100",
        )
    begun = time.perf_counter()
    device, url = open_port(options)
    with device:
        backend: RemoteBackend = device.backend  # pyright: ignore[reportAssignmentType]
        facts = _load(device, backend, program, options)
        facts |= {"url": url, "load_seconds": time.perf_counter() - begun}
        if steps is not None:
            begun = time.perf_counter()
            with Waiting("running"):
                result = device.run(steps, inputs)
            facts |= {
                "steps": result.steps,
                "run_seconds": time.perf_counter() - begun,
                "spikes": {name: len(events) for name, events in result.spikes.items()},
                "cycles": int(result.cycles.sum()),
            }
            if options.output:
                write_result(options.output, result)
            backend.verify()
    if options.json:
        print_json(facts)
    else:
        print(_report(facts, options))
    return 0


def _load(
    device: Device, backend: RemoteBackend, program: Program, options: argparse.Namespace
) -> dict[str, Any]:
    told = backend.describe()
    geometry, clock = told["geometry"], told["clock_hz"]
    named = board_like(geometry, clock)
    try:
        with Waiting("loading"):
            device.load(program)
    except FitError as error:
        board = named or "NAME"
        raise FitError(
            "the device does not hold this Program; nothing was sent",
            found=error.found,
            where=f"build {told['build']} at {told['line']}",
            remedy=f"spikeloom build --board {board} --for {options.program}, or compile it with "
            f"--target {board}",
        ) from None
    backend.verify()
    return {
        "program": program.content_hash, "device_build": told["build"], "clock_hz": clock,
        "neurons": geometry["neurons"], "lanes": geometry["lanes"], "board": named,
        "verified": True,
    }  # fmt: skip


def _report(facts: dict[str, Any], options: argparse.Namespace) -> str:
    clock = f"{facts['clock_hz'] / 1e6:g} MHz" if facts["clock_hz"] else "no clock of its own"
    lines = [
        f"{facts['url']}: build {facts['device_build']}, {facts['neurons']} neurons, "
        f"{facts['lanes']} lanes, {clock}",
        f"{options.program} is loaded and every digest is right: {facts['load_seconds']:.2f} s",
    ]
    if "steps" in facts:
        lines.append(
            f"{facts['steps']} steps in {facts['run_seconds']:.2f} s, {facts['cycles']} cycles"
        )
        if facts["spikes"]:
            lines.append(table(list(facts["spikes"].items()), ("probed", "spikes")))
    if options.output:
        lines.append(f"written to {options.output}")
    return "\n".join(lines)
