"""The digits example at the pins of the simulated hardware, through a served pseudo-terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.rtl import needs_compiler
from support.served import served

EXAMPLE = Path(__file__).parent.parent / "examples" / "digits.py"
NEUROCOREX = 96_000


def digits(folder: Path, *arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--json", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_compiler
@pytest.mark.slow
def test_digits_at_the_pins(tmp_path):
    """One lane: the smallest core to compile. What it computes does not depend on that."""
    program = tmp_path / "digits.loom"
    count = ("--images", "2")
    right = digits(tmp_path, *count, "--device", "emulator?lanes=1", "--save", str(program))
    with served("rtl", "--for", str(program), "--lanes", "1", "--once", ends=None) as told:
        found = digits(tmp_path, *count, "--device", told["url"])
    for key in ("accuracy", "spikes_per_image", "cycles_per_image", "program"):
        assert found[key] == right[key]
    steps = found["steps_per_image"]
    assert found["neurocorex_cycles_per_image"] == steps * NEUROCOREX
    assert found["ms_per_image_at_50MHz"] == pytest.approx(found["cycles_per_image"] / 50e3)
    assert found["cycles_per_image"] < found["neurocorex_cycles_per_image"]
