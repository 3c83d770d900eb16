"""PyNN's own system tests, run against ``spikeloom.pynn``.

    python tests/peers/pynn_scenarios.py SOURCES OUTPUT.json
    python tests/peers/pynn_scenarios.py SOURCES docs/pynn.md      # renews the tables of the page

SOURCES is the unpacked source distribution of PyNN (``python -m tests.peers pynn``). Each scenario
names the simulators that it is for; here our module stands under each of those names, with the
floating-point device as its default, and each scenario runs once. OUTPUT tells for each of them
whether it is for all software simulators (also for Brian 2, not only for NEST and NEURON), how it
ended, and why.
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
BEGIN, END = "<!-- scenarios: begin -->", "<!-- scenarios: end -->"

REASONS = {
    "test_cell_types::test_SpikeSourceGamma": "no SpikeSourceGamma",
    "test_cell_types::test_SpikeSourcePoissonRefractory": "no SpikeSourcePoissonRefractory",
    "test_cell_types::test_composed_neuron_model_homogeneous_receptors": (
        "no neurons composed of parts (`PointNeuron`)"
    ),
    "test_recording::test_issue259": "spikes lie on the time grid; the scenario wants them off it",
    "test_scenario5::test_scenario5": "neurons are points; the scenario has compartments",
    "test_synapse_types::test_simple_stochastic_synapse": "no SimpleStochasticSynapse",
}
"""Why a scenario does not pass."""


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


def tables(found: list[dict[str, Any]]) -> str:
    """What the page says of the scenarios."""
    files: dict[str, list[dict[str, Any]]] = {}
    for entry in found:
        files.setdefault(entry["name"].partition("::")[0], []).append(entry)
    common = [entry for entry in found if entry["common"]]
    others = [entry for entry in found if not entry["common"]]
    passed = [sum(e["outcome"] == "passed" for e in some) for some in (common, others)]
    lines = [
        f"**{passed[0]} of {len(common)}** scenarios for all software simulators pass, and "
        f"{passed[1]} of the {len(others)} that are for NEST and NEURON alone.",
        "",
        "| file | pass | which |",
        "|---|---|---|",
    ]
    for file, entries in sorted(files.items()):
        good = [e["name"].partition("::test_")[2] for e in entries if e["outcome"] == "passed"]
        lines.append(f"| `{file}` | {len(good)} of {len(entries)} | {', '.join(good) or '–'} |")
    lines += ["", "| does not pass | because |", "|---|---|"]
    lines += [
        f"| {e['name'].partition('::test_')[2]}{'' if e['common'] else ' (NEST, NEURON)'} "
        f"| {REASONS.get(e['name'], 'of an error')} |"
        for e in sorted(found, key=lambda e: not e["common"])
        if e["outcome"] != "passed"
    ]
    return "\n".join(lines) + "\n"


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
    found = list(observer.found.values())
    if output.suffix == ".md":
        page = output.read_text(encoding="utf-8")
        head, tail = page.partition(BEGIN)[0], page.partition(END)[2]
        text = f"{head}{BEGIN}\n{tables(found)}{END}{tail}"
    else:
        text = json.dumps(found, indent=1)
    output.write_text(text, encoding="utf-8")
    return 0 if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else int(code)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
