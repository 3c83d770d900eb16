"""The examples that learn, on a part of the data: far above chance, on the emulator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.mark.parametrize(
    ("script", "least"), [("digits_supervised.py", 0.85), ("digits_unsupervised.py", 0.6)]
)
@pytest.mark.slow
def test_digits_are_learned(script, least, tmp_path):
    command = [sys.executable, str(EXAMPLES / script), "--seeds", "1", "--epochs", "3"]
    done = subprocess.run(
        [*command, "--images", "400", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    told = json.loads(done.stdout)
    assert told["images"] == [400, 594]
    assert told["accuracy"] >= least
