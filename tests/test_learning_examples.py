"""The examples that learn, on a part of the data: far above chance, on the emulator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def told(script: str, *arguments: str, folder: Path) -> dict:
    """What a script says with ``--json``."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / script), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("script", "least"), [("digits_supervised.py", 0.85), ("digits_unsupervised.py", 0.6)]
)
@pytest.mark.slow
def test_digits_are_learned(script, least, tmp_path):
    few = ("--seeds", "1", "--epochs", "3", "--images", "400")
    found = told(script, *few, folder=tmp_path)
    assert found["images"] == [400, 594]
    assert found["accuracy"] >= least


def test_a_perceptron_learns_as_many_patterns_as_it_has_inputs(tmp_path):
    found = told("perceptron.py", "--inputs", "80", "--load", "1", "--seeds", "2", folder=tmp_path)
    assert found["patterns"] == 80
    assert found["seeds_without_error"] == "2 of 2"
    assert found["passes"] > 5  # it does not know them from the start


def test_a_perceptron_does_not_learn_what_no_perceptron_can(tmp_path):
    few = ("--inputs", "40", "--load", "4", "--seeds", "1", "--epochs", "60")
    found = told("perceptron.py", *few, folder=tmp_path)
    assert found["seeds_without_error"] == "0 of 1"
    assert 0.5 < found["accuracy"] < 1


def test_the_ca3_memory_answers_as_a_dictionary_does(tmp_path):
    found = told("ca3_memory.py", "--operations", "80", "--seeds", "1", folder=tmp_path)
    assert found["orthogonal"] == found["overlapping"] == 1.0
    assert found["runs"][0]["recalls"] > 60


def test_motifs_are_found_by_their_delays(tmp_path):
    few = ("--presentations", "30", "--seeds", "1")
    found = told("motif_delays.py", *few, folder=tmp_path)
    assert found["hits"] >= 0.9
    assert found["false_alarms_per_1000_steps"] <= 1
    assert found["hits_without_delays"] <= 0.1
