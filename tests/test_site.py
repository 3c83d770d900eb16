"""The documentation as a site: every link, every page and every notebook."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spikeloom

ROOT = Path(__file__).parent.parent


def index_maker():
    spec = importlib.util.spec_from_file_location("error_index", ROOT / "docs" / "error_index.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_index_of_errors_has_what_the_source_raises():
    index = index_maker().error_index()
    assert "## NetworkError" in index
    message = "co-simulation needs two or more different devices"
    assert f"**`runtime/cosim/__init__.py`**\n\n- `{message}`" in index
    assert "- `no such device` — `did you mean …?`" in index
    classes = set(re.findall(r"^## (\w+)$", index, re.MULTILINE))
    assert classes == {c.__name__ for c in spikeloom.SpikeloomError.__subclasses__()} | {"FitError"}


def test_every_public_name_is_on_the_page_of_python():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\.\. (?:auto\w+|py:data):: spikeloom\.(\w+)$", page, re.MULTILINE))
    errors = {name for name in spikeloom.__all__ if name.endswith("Error")}
    assert named == set(spikeloom.__all__) - errors - {"__version__"}


@pytest.mark.slow
def test_the_site_builds(tmp_path):
    """Strict: a broken link, a missing page or a failing notebook ends it."""
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "errors.html").read_text(encoding="utf-8")
    assert "co-simulation needs two or more different devices" in re.sub("<[^>]+>", "", page)
    for name in ("first_network", "learning", "latency"):
        notebook = (tmp_path / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert re.search(r'<img [^>]*src="../_images/\w+\.png"', notebook)  # it ran
    api = (tmp_path / "api.html").read_text(encoding="utf-8")
    assert "Run a Program on several devices and compare spikes" in api


def test_notebooks_are_kept_without_output():
    for path in (ROOT / "docs" / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), path
