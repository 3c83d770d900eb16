"""Say how long a Program takes on a chip, what that costs, and where its spikes wait."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chip_files import write_report_npz, write_report_parquet
from ..chip_latency import latency
from ..compiler.chip import chip_names, load_chip
from ..compiler.program import Program
from ..errors import InputError
from ..runtime.files import read_inputs
from .output import print_json, print_warnings, table

if TYPE_CHECKING:
    import argparse

    from ..chip_report import LatencyReport

EXAMPLE = """\
  spikeloom latency net.loom --chip loihi --inputs spikes.npz --steps 100 --plot latency.png
  spikeloom latency net.loom --chip my.toml --inputs spikes.npz --mode flit --json

The Program is compiled for the chip: spikeloom compile net.py --target loihi -o net.loom
docs/latency.md defines every figure, and the file of a chip of your own."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("program", metavar="net.loom", help="the Program, compiled for the chip")
    add(
        "--chip",
        required=True,
        help="one of " + ", ".join(chip_names()) + ", or the path of a .toml file",
    )
    add("--inputs", metavar="spikes.npz", help="spikes and graded values to feed in")
    add("--steps", type=int, help="how many steps (default: as many as the input's raster has)")
    add(
        "--mode",
        choices=("simple", "loose", "queue", "flit"),
        default="queue",
        help="nothing waits; messages wait for each other, loosely timed; to the tick; in cycles "
        "of the routers (default: %(default)s)",
    )
    add(
        "--loop",
        choices=("auto", "open", "closed"),
        default="auto",
        help="whether late spikes arrive late (auto: where the chip works by events)",
    )
    add("--summary", action="store_true", help="steps, cores and energy only, not single spikes")
    add("--device", default="emulator", help="what computes the neurons (default: %(default)s)")
    add("--npz", metavar="FILE", help="write everything as NumPy arrays")
    add("--parquet", metavar="FILE", help="write the table of spikes as Parquet")
    add("--plot", metavar="FILE", help="write histogram, links and rasters (.png, .pdf, .svg)")


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    import warnings

    chip = load_chip(options.chip)
    program = Program.load(options.program)
    if options.inputs:
        inputs, steps = read_inputs(options.inputs, program, options.steps)
    elif options.steps is None:
        raise InputError(
            "the number of steps is not known",
            found="neither --steps nor --inputs",
            remedy="say how many: --steps 100",
        )
    else:
        inputs, steps = {}, options.steps
    loop = {"auto": None, "open": False, "closed": True}[options.loop]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = latency(
            program,
            inputs,
            steps,
            chip,
            mode=options.mode,
            each=not options.summary,
            close_loop=loop,
            device=options.device,
        )
    for path, write in (
        (options.npz, write_report_npz),
        (options.parquet, write_report_parquet),
    ):
        if path:
            write(path, report)
    if options.plot:
        from ..chip_plots import write_plot

        write_plot(options.plot, report)
    messages = list(dict.fromkeys(str(w.message) for w in caught))
    print_warnings(messages)
    written = [p for p in (options.npz, options.parquet, options.plot) if p]
    if options.json:
        found = {
            **report.to_dict(),
            "warnings": messages,
            "written": [str(Path(p)) for p in written],
        }
        print_json(found)
        return 0
    print("\n".join(_lines(report)))
    for path in written:
        print(f"written to {path}")
    return 0


def _lines(report: LatencyReport) -> list[str]:
    facts = report.to_dict()
    lines = [
        f"{report.steps} steps on {report.title} ({report.chip}), mode {report.mode}, "
        f"discipline {report.discipline}",
        f"{report.spikes} spikes, {report.messages} messages, "
        f"{report.synaptic_events} synaptic events",
    ]
    for what, why in report.missing.items():
        lines.append(f"{what}: not known; {why}")
    if facts["seconds"] is not None:
        per_step = facts["seconds"] / max(report.steps, 1)
        lines.append(
            f"time: {_si(facts['seconds'], 's')}, {_si(per_step, 's')} per step, at most "
            f"{_si(facts['longest_step'], 's')}"
        )
    if facts["latency"]:
        told = ", ".join(f"{name} {_si(value, 's')}" for name, value in facts["latency"].items())
        lines.append(f"latency of a spike: {told}")
    if report.distortion:
        lines.append(
            f"intervals between spikes change by {_si(report.distortion['mean'], 's')}, at most "
            f"{_si(report.distortion['max'], 's')}"
        )
    if report.disorder is not None:
        lines.append(f"messages after one that was fired later: {report.disorder:.2%}")
    if "closed" in report.discipline:
        lines.append(f"messages in a later step than the Program means: {report.late}")
    if report.deadline:
        lines.append(
            f"deadline of {_si(report.deadline['tick'], 's')}: {report.deadline['missed']} steps "
            f"and {report.deadline['late']} spikes late"
        )
    if facts["core_utilisation"]:
        use = facts["core_utilisation"]
        lines.append(f"cores work {use['mean']:.1%} of the time, the busiest {use['max']:.1%}")
    if report.joules is not None:
        lines.append(f"energy: {_si(report.energy, 'J')}" + _product(facts))
        rows = [(cause, _si(joules, "J")) for cause, joules in report.joules.items() if joules]
        lines.append(table(rows, ("cause", "energy")))
    lines += _links(report) + _host(report)
    return lines


def _product(facts: dict[str, Any]) -> str:
    if facts["energy_delay"] is None:
        return ""
    return f"; energy-delay product {_si(facts['energy_delay'], 'Js')}"


def _links(report: LatencyReport) -> list[str]:
    rows = [
        (f"{link['tile'][0]},{link['tile'][1]} {link['side']}", link["messages"],
         _si(link["mean_wait"], "s"), f"{link['use']:.2%}")
        for link in report.busiest_links()
    ]  # fmt: skip
    return [table(rows, ("busiest links", "messages", "mean wait", "in use"))] if rows else []


def _host(report: LatencyReport) -> list[str]:
    host = report.host
    if host is None:
        return []
    line = (
        f"host line: {host['bytes_in']:.0f} bytes in, {_si(host['seconds_in'], 's')}; "
        f"{host['bytes_out']:.0f} bytes out, {_si(host['seconds_out'], 's')}"
    )
    if "steps_limited" in host:
        line += f"; slower than the chip in {host['steps_limited']} steps"
    return [line]


def _si(value: float, unit: str) -> str:
    """A number with a prefix that leaves one to three digits before the point."""
    for size, prefix in ((1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p")):
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
