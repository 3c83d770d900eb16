"""Run a Program on a device."""

from __future__ import annotations

import math
import time
import warnings
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..formats import write_result
from ..recording import Result
from ..runtime.open import open as open_device
from ..runtime.saturation import SaturationWarning
from ..runtime.snapshot import Snapshot
from .inputs import configure_inputs, given_inputs
from .output import Progress, print_json, print_warnings, table
from .run_samples import configure_samples, refuse_without_samples, run_samples

if TYPE_CHECKING:
    import argparse

    from ..compiler.program import Program
    from ..runtime.device import Device
    from ..runtime.saturation import Counters

EXAMPLE = """\
  spikeloom run net.loom --inputs spikes.npz --steps 100 -o out.npz
  spikeloom run net.loom --device 'emulator?threads=2' --steps 1000 --json
  spikeloom run net.loom --steps 1000 --clock 50e6
  spikeloom run net.loom --samples digits.npz --readout digits --results digits.sqlite --workers 4

spikes.npz has an array for each source that gets spikes, for example "pixels": either (n, 2)
integers (step, index), or a (steps, size) raster. docs/cli.md has the layout of both files."""

# Some tens of milliseconds on a slow device, and long against what a window costs.
_STEPS_PER_WINDOW, _NEURON_STEPS_PER_WINDOW = 1000, 2_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("program", metavar="net.loom", help="the Program to run")
    add("--device", default="emulator", help="where to run it (default: %(default)s)")
    configure_inputs(parser, "how many steps")
    add(
        "--clock",
        type=float,
        metavar="HZ",
        help="say how long the hardware's clock cycles take at this frequency",
    )
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="where to write what the Program probes: .npz, .csv, .nirdata",
    )
    add("--record", metavar="FILE", help="write all that goes over the line to a device, as JSON")
    add("--restore", metavar="snapshot.npz", help="go on from this snapshot")
    add("--snapshot", metavar="snapshot.npz", help="where to write a snapshot after the run")
    add("--no-learning", action="store_true", help="plastic weights stay as they are")
    add("--learned", metavar="learned.loom", help="where to write the Program with learned weights")
    configure_samples(parser)


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    if options.samples is not None:
        return run_samples(options)
    refuse_without_samples(options)
    begun = time.perf_counter()
    how = {} if options.record is None else {"record": options.record}
    with (
        warnings.catch_warnings(record=True) as caught,
        open_device(options.device, **how) as device,
    ):
        # Collected, and told in the command's own words when the run has ended.
        warnings.simplefilter("always")
        device.load(options.program)
        program = device.program
        _check_clock(options.clock, device)
        inputs, steps = _inputs(options, program)
        if options.restore:
            device.restore(Snapshot.load(options.restore))
        if options.no_learning:
            device.learning = False
        loaded = time.perf_counter()
        result = _run(device, program, steps, inputs)
        ended = time.perf_counter()
        if options.snapshot:
            device.snapshot().save(options.snapshot)
        if options.learned:
            device.read_program().save(options.learned)
        counters = device.counters()
    if options.output:
        write_result(options.output, result, {"program": program.content_hash})
    messages = _messages(caught, counters)
    seconds = {"load": loaded - begun, "run": ended - loaded}
    _report(options, program, result, counters, messages, seconds)
    return 0


def _check_clock(clock: float | None, device: Device) -> None:
    """Before a long run, not after it."""
    if clock is None:
        return
    if not 0 < clock < math.inf:
        raise InputError(
            "this is no clock frequency",
            found=f"--clock {clock:g}",
            expected="a number of Hz above 0, such as 50e6",
        )
    _ = device.run(0).cycles


def _inputs(options: argparse.Namespace, program: Program) -> tuple[dict[str, Any], int]:
    if options.inputs:
        return given_inputs(options, program)
    if options.steps is None:
        raise InputError(
            "the number of steps is not known",
            found="neither --steps nor --inputs",
            remedy="say how many: --steps 100",
        )
    return {}, options.steps


def _run(device: Device, program: Program, steps: int, inputs: dict[str, Any]) -> Result:
    """In windows, between which progress is shown and an interruption is heard."""
    every = min(_STEPS_PER_WINDOW, max(1, _NEURON_STEPS_PER_WINDOW // max(program.neurons, 1)))
    if steps <= every:
        return device.run(steps, inputs)
    parts, done = [], 0
    with Progress(steps, "step") as progress:
        for part in device.stream(steps, inputs, every=every):
            parts.append(part)
            done += part.steps
            progress.update(done)
    return Result.join(parts)


def _messages(caught: list[warnings.WarningMessage], counters: Counters) -> list[str]:
    """Warnings, those about saturation summed up over the whole run."""
    messages = [str(w.message) for w in caught if not issubclass(w.category, SaturationWarning)]
    if any(issubclass(w.category, SaturationWarning) for w in caught):
        for name, kinds in counters.saturations.items():
            told = ", ".join(f"{kind} of {n} neurons" for kind, n in kinds.items())
            messages.append(
                f"numbers of population {name!r} were clipped at the end of their range: {told}; "
                "compile with a smaller scale, or lower weights, bias or input"
            )
    return list(dict.fromkeys(messages))


def _report(
    options: argparse.Namespace,
    program: Program,
    result: Result,
    counters: Counters,
    messages: list[str],
    seconds: dict[str, float],
) -> None:
    print_warnings(messages)
    if options.json:
        print_json(
            {
                "program": program.content_hash,
                "device": result.device,
                "steps": result.steps,
                "start": result.start,
                "dt": result.dt,
                "spikes": {name: len(events) for name, events in result.spikes.items()},
                "states": {name: list(of) for name, of in result.states.items()},
                "counters": vars(counters),
                "cycles": _cycles(result, options.clock),
                "warnings": messages,
                "seconds": seconds,
                "output": options.output,
                "snapshot": options.snapshot,
                "learned": options.learned,
            }
        )
        return
    print(
        f"{result.steps} steps of {result.dt:g} s on {result.device}, from step {result.start}: "
        f"{seconds['run']:.3f} s"
    )
    print(f"{counters.spikes} spikes, {counters.synaptic_events} synaptic events since the reset")
    cycles = _cycles(result, options.clock)
    if cycles is not None:
        each = f"{cycles['per_step']:g} per step, at most {cycles['most']}"
        took = ""
        if options.clock is not None:
            took = f"; {cycles['seconds'] * 1e3:g} ms at {options.clock / 1e6:g} MHz"
        print(f"{cycles['total']} clock cycles, {each}{took}")
    duration = result.steps * result.dt
    rows = [
        (name, result.sizes[name], len(events), _rate(len(events), result.sizes[name], duration))
        for name, events in result.spikes.items()
    ]
    if rows:
        print(table(rows, ("probed", "neurons", "spikes", "Hz per neuron")))
    if options.output:
        print(f"written to {options.output}")


def _cycles(result: Result, clock: float | None) -> dict[str, Any] | None:
    """The hardware's clock cycles in sum, or None where they are not known."""
    if result.clock_cycles is None:
        return None
    total = int(result.cycles.sum())
    facts = {
        "total": total,
        "per_step": total / max(result.steps, 1),
        "most": int(result.cycles.max(initial=0)),
    }
    return facts if clock is None else {**facts, "clock": clock, "seconds": total / clock}


def _rate(spikes: int, size: int, duration: float) -> float:
    return round(spikes / (size * duration), 2) if duration else 0.0
