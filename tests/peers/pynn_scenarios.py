"""PyNN's own system tests, run against ``spikeloom.pynn``.

    python tests/peers/pynn_scenarios.py SOURCES OUTPUT.json

SOURCES is the unpacked source distribution of PyNN (``python -m tests.peers pynn``). Each scenario
names the simulators that it is for; here our module stands under each of those names, with the
floating-point device as its default, and each scenario runs once. OUTPUT tells for each of them
whether it is among those for all software simulators (those that Brian 2 runs), how it ended, and
why.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

NAMES = ("brian2", "nest", "neuron", "arbor")


class Observer:
    """Keeps one variant of each scenario, and notes how it ended."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        variants: dict[str, dict[str, pytest.Item]] = {}
        for item in items:
            name, _, simulator = item.name.rstrip("]").partition("[")
            variants.setdefault(f"{Path(item.path).stem}::{name}", {})[simulator] = item
        chosen = {
            name: next(by[simulator] for simulator in NAMES if simulator in by)
            for name, by in variants.items()
        }
        items[:] = chosen.values()
        for name, item in chosen.items():
            self.found[item.nodeid] = {"name": name, "common": "brian2" in variants[name]}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        entry = self.found[report.nodeid]
        if report.when == "call" or report.outcome != "passed":
            entry["outcome"], entry["seconds"] = report.outcome, round(report.duration, 3)
        if report.outcome != "passed":
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash else str(report.longrepr)
            entry["why"] = text.splitlines()[0]


def main(sources: Path, output: Path) -> int:
    """Run all scenarios; 0 if they could be run, whatever came out."""
    sys.path.insert(0, str(sources / "test"))
    fixtures = importlib.import_module("system.scenarios.fixtures")
    sim = importlib.import_module("spikeloom.pynn")

    def setup(*args: Any, **extra: Any) -> int:
        return sim.setup(*args, **{"device": "float", **extra})

    module = SimpleNamespace(**{**vars(sim), "setup": setup})
    fixtures._loaded_modules.update(dict.fromkeys(NAMES, module))
    observer = Observer()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # scenarios write files
        code = pytest.main(
            [
                *("-q", "-p", "no:cacheprovider", "-c", os.devnull),
                *("--rootdir", str(sources / "test"), str(sources / "test/system/scenarios")),
            ],
            plugins=[observer],
        )
        os.chdir(sources)
    output.write_text(json.dumps(list(observer.found.values()), indent=1), encoding="utf-8")
    return 0 if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else int(code)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
