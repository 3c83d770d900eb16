"""The part of ``spikeloom run`` that runs a whole data set, on many workers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError, InputError
from .output import print_json, print_warnings, table

if TYPE_CHECKING:
    import argparse

    from ..studies.samples import Samples
    from ..studies.store import Row

_ONE_RUN = (
    *("inputs", "into", "sample", "steps", "clock", "record", "restore", "snapshot", "learned"),
    "no_learning",
)
_MANY = ("readout", "results", "workers", "scheduler", "retry")


def configure_samples(parser: argparse.ArgumentParser) -> None:
    """Declare what concerns data sets."""
    from .explore import add_workers

    group = parser.add_argument_group("data sets")
    group.add_argument(
        "--samples",
        metavar="FILE",
        help="run each sample of this .npz from the beginning; -o names a folder then",
    )
    group.add_argument(
        "--readout", metavar="POPULATION", help="its neuron with most spikes is the decision"
    )
    group.add_argument("--results", metavar="FILE", help="SQLite file (default: samples.sqlite)")
    add_workers(group)


def refuse_without_samples(options: argparse.Namespace) -> None:
    """Options of data sets mean nothing for a single run."""
    _refuse(options, _MANY, "an option of data sets", "--samples FILE")


def _refuse(
    options: argparse.Namespace, names: tuple[str, ...], problem: str, expected: str
) -> None:
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False:
            option = "--" + name.replace("_", "-")
            raise InputError(problem, found=option, expected=expected)


def run_samples(options: argparse.Namespace) -> int:
    """Carry ``spikeloom run --samples`` out."""
    from ..compiler.program import Program
    from ..studies import exploration
    from ..studies.samples import Samples
    from .explore import Counting, failures

    _refuse(options, _ONE_RUN, "an option of single runs", "none of them beside --samples")
    program = Program.load(options.program)
    samples = Samples.load(options.samples, program)
    results = options.results or Path(options.samples).with_suffix(".sqlite")
    with Counting("sample") as progress:
        rows = exploration.run_samples(
            program,
            samples,
            results,
            device=options.device,
            readout=options.readout,
            folder=options.output,
            workers=options.workers,
            scheduler=options.scheduler,
            retry=options.retry,
            progress=progress,
        )
    failed = [row for row in rows if row.state == "failed"]
    if failed and len(failed) == len(rows):
        raise DeviceError("no sample could be run", found=failed[0].error, where=results)
    messages = failures(failed, "samples")
    print_warnings(messages)
    told = _told(rows, samples) | {"results": str(results), "output": options.output}
    if options.json:
        print_json({**told, "warnings": messages})
        return 0
    print(f"{told['done']} of {told['samples']} samples of {samples.steps} steps, in {results}")
    print(table(list(told["spikes"].items()), ("probed", "spikes")))
    if told["accuracy"] is not None:
        print(f"decided rightly: {told['accuracy']:.2%}")
    return 0


def _told(rows: list[Row], samples: Samples) -> dict[str, Any]:
    done = [row for row in rows if row.state == "done"]
    spikes: dict[str, int] = {}
    for row in done:
        for name, count in row.result["spikes"].items():
            spikes[name] = spikes.get(name, 0) + count
    decided = {row.number: row.result["decided"] for row in done if "decided" in row.result}
    accuracy = None
    if decided and samples.labels is not None:
        hits = sum(int(samples.labels[number]) == found for number, found in decided.items())
        accuracy = hits / len(decided)
    return {
        "samples": len(rows),
        "done": len(done),
        "spikes": spikes,
        "decided": [decided.get(row.number) for row in rows] if decided else None,
        "accuracy": accuracy,
    }
