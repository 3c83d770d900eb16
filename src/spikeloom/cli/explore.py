"""Search a chip's numbers and the compiler's choices for what is fast, frugal and small."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError
from .output import Progress, print_json, print_warnings, table

if TYPE_CHECKING:
    import argparse

    from ..studies.exploration import Exploration

EXAMPLE = """\
  spikeloom explore study.toml --workers 4 --plot front.png
  spikeloom explore study.toml --network net.py:build --results study.sqlite --json
  spikeloom explore study.toml --scheduler tcp://127.0.0.1:8786

Interrupted or killed, the same command goes on where it was. docs/explore.md has the file."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("study", metavar="study.toml", help="what to vary, and what to look for")
    add(
        "--network",
        metavar="net.nir|net.py[:NAME]",
        help="the network, if not the study's; a Python file is EXECUTED",
    )
    add("--results", metavar="FILE", help="SQLite file (default: study.sqlite)")
    add_workers(parser)
    add("--plot", metavar="FILE", help="write points and front (.png, .pdf, .svg)")


def add_workers(parser: argparse._ActionsContainer) -> None:
    """Options of all commands that have jobs for many workers."""
    add = parser.add_argument
    add("--workers", type=int, metavar="N", help="processes (default: one for each processor)")
    add("--scheduler", metavar="tcp://HOST:PORT", help="use the workers of a Dask cluster")
    add("--retry", action="store_true", help="try what failed once more")


class Counting:
    """Progress of jobs, on standard error."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._progress: Progress | None = None

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *what: Any) -> None:
        if self._progress is not None:
            self._progress.__exit__(*what)

    def __call__(self, counts: dict[str, int]) -> None:
        """Show how many jobs have ended."""
        if self._progress is None:
            self._progress = Progress(sum(counts.values()), self._unit)
        self._progress.update(counts["done"] + counts["failed"])


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    from ..studies.exploration import explore
    from ..studies.study import Study
    from .compile import network_from

    study = Study.load(options.study)
    network = None
    if options.network is not None:
        network = network_from(options.network, study.nir)
    with Counting("point") as progress:
        found = explore(
            study,
            network,
            options.results or Path(options.study).with_suffix(".sqlite"),
            workers=options.workers,
            scheduler=options.scheduler,
            retry=options.retry,
            progress=progress,
        )
    if not found.done:
        raise DeviceError(
            "no point could be done", found=found.failed[0].error, where=found.path,
            remedy="mend the study, or the file of the chip",
        )  # fmt: skip
    if options.plot:
        from ..studies.plots import write_front

        write_front(options.plot, found)
    messages = failures(found.failed, "points")
    print_warnings(messages)
    if options.json:
        print_json({**found.to_dict(), "warnings": messages, "plot": options.plot})
        return 0
    print("\n".join(_lines(found)))
    if options.plot:
        print(f"written to {options.plot}")
    return 0


def failures(rows: list[Any], what: str) -> list[str]:
    """How many failed, and why the first one did."""
    if not rows:
        return []
    first = " ".join(str(rows[0].error).split())
    return [f"{len(rows)} {what} failed, number {rows[0].number}: {first}"]


def _lines(found: Exploration) -> list[str]:
    from ..studies.study import OBJECTIVES

    objectives, parameters = found.study.objectives, [p.name for p in found.study.parameters]
    heads = [f"{n} ({OBJECTIVES[n][1]})" if OBJECTIVES[n][1] else n for n in objectives]
    rows = [
        (row.number, *(_short(row.result[n]) for n in objectives),
         *(_short(row.payload[n]) for n in parameters))
        for row in found.front
    ]  # fmt: skip
    return [
        f"{len(found.done)} of {len(found.rows)} points done, {len(rows)} on the front; "
        f"all are in {found.path}",
        table(rows, ("point", *heads, *parameters)),
    ]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
