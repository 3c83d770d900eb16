"""Test whatever answers at a serial port, and write a report.

Its description; every memory; the line, by blocks written and read back; networks of every kind
that the core is built for against the emulator, bit for bit and cycle for cycle; handwritten
digits, by weights that were trained and, on a core that learns, by weights that it learns itself.
What was loaded on the device is gone afterwards.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import InputError
from ..regular_file import replacing
from .output import Waiting, print_json
from .ports import open_port, port_options

if TYPE_CHECKING:
    import argparse

    from ..selftest import Check

EXAMPLE = """\
  spikeloom selftest --port /dev/ttyUSB1 --report report.md
  spikeloom selftest --port /dev/ttyUSB1 --rounds 10000      # a long soak
  spikeloom selftest --port tcp://127.0.0.1:7000 --json

The exit code is 1 where a check failed."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    port_options(parser)
    add("--rounds", type=int, default=100, metavar="N", help="of the soak (default: 100)")
    add("--images", type=int, default=20, metavar="N", help="digits shown (default: 20)")
    add("--report", metavar="FILE", help="Markdown, or JSON if the name ends so")


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    if options.rounds < 1 or not 1 <= options.images <= 597:
        raise InputError(
            "a self-test needs something to do",
            found=f"--rounds {options.rounds} --images {options.images}",
            expected="at least 1 round, and 1 to 597 images",
        )
    from ..selftest import format_report, run_checks

    device, url = open_port(options)
    device.close()
    checks: list[Check] = []
    found = run_checks(url, rounds=options.rounds, images=options.images)
    while True:
        with Waiting("testing"):
            check = next(found, None)
        if check is None:
            break
        checks.append(check)
        if not options.json:
            print(f"{check.outcome:8} {check.name}: {check.detail}")
            sys.stdout.flush()
    facts = {
        "url": url, "version": __version__, "passed": all(c.outcome != "failed" for c in checks),
        "checks": [check.to_dict() for check in checks],
    }  # fmt: skip
    if options.report:
        as_json = Path(options.report).suffix.lower() == ".json"
        text = json.dumps(facts, indent=2) + "\n" if as_json else ""
        with replacing(Path(options.report), "report") as partial:
            partial.write_text(text or format_report(url, __version__, checks), encoding="utf-8")
    if options.json:
        print_json(facts)
    else:
        from ..selftest.report import summary

        print(summary(checks))
    return 0 if facts["passed"] else 1
