"""PyNN's own system tests pass, but for those that docs/pynn.md lists with their reasons."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from support.peers import peer_sources, run_script

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.peer
@pytest.mark.slow
def test_pynns_scenarios_pass_on_the_floating_point_device(tmp_path):
    sources = peer_sources("pynn")
    output = tmp_path / "found.json"
    run_script(Path(sys.executable), "pynn_scenarios.py", sources, output, timeout=600)
    found = json.loads(output.read_text(encoding="utf-8"))
    path = ROOT / "tests" / "peers" / "pynn_scenarios.py"
    spec = importlib.util.spec_from_file_location("pynn_scenarios", path)
    assert spec is not None
    assert spec.loader is not None
    scenarios = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scenarios)
    failed = {e["name"]: e["why"] for e in found if e["outcome"] != "passed"}
    assert failed.keys() == scenarios.REASONS.keys(), failed
    assert sum(e["common"] for e in found) == 54
    page = (ROOT / "docs" / "pynn.md").read_text(encoding="utf-8")
    told = page.partition(scenarios.BEGIN)[2].partition(scenarios.END)[0]
    assert told.strip() == scenarios.tables(found).strip()  # pynn_scenarios.py renews the page
