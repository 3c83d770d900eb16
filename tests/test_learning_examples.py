"""The examples that learn, on a part of the data: far above chance, on the emulator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
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


@pytest.mark.slow
def test_the_ca3_memory_answers_as_a_dictionary_does(tmp_path):
    found = told("ca3_memory.py", "--operations", "80", "--seeds", "1", folder=tmp_path)
    assert found["orthogonal"] == found["overlapping"] == 1.0
    assert found["runs"][0]["recalls"] > 60


@pytest.mark.slow
def test_motifs_are_found_by_their_delays(tmp_path):
    few = ("--presentations", "50", "--seeds", "1")
    found = told("motif_delays.py", *few, folder=tmp_path)
    assert found["hits"] >= 0.9
    assert found["false_alarms_per_1000_steps"] <= 1
    assert found["hits_without_delays"] <= 0.1


def heart_beats(path: Path, random: np.random.Generator, anomalies: list[int]) -> None:
    """A series as the example reads it: beats of 20 samples, some of them upside down."""
    beat = np.exp(-0.5 * (np.arange(20) - 6) ** 2) * 6 - np.exp(-0.5 * (np.arange(20) - 9) ** 2)
    signal = np.tile(beat, 150) + random.normal(0, 0.1, 3000)
    label = np.zeros(3000)
    for start in anomalies:
        signal[start : start + 60] *= -0.5
        label[start : start + 60] = 1
    rows = np.stack([np.arange(3000), signal, label], axis=1)
    np.savetxt(path, rows, delimiter=",", header="timestamp,value-0,is_anomaly", comments="")


@pytest.mark.slow
def test_an_ecg_that_is_not_expected_raises_an_alarm(tmp_path):
    random = np.random.default_rng(0)
    for part, anomalies in (("TRAIN_NA", []), ("TRAIN_A", [900, 2000]), ("TEST", [500, 2500])):
        heart_beats(tmp_path / f"ecg-diff-count-3_{part}.csv", random, anomalies)
    few = ("--folder", str(tmp_path), "--seeds", "1", "--epochs", "5")
    found = told("ecg_anomaly.py", *few, folder=tmp_path)
    assert found["anomalies"] == [0, 2, 2]
    assert found["true_positive_rate"] == 1
    assert found["false_positive_rate"] <= 0.02
    assert found["surprises_per_sample"] < 0.3  # it does predict


@pytest.mark.parametrize(
    ("script", "missing", "remedy"),
    [
        ("ecg_anomaly.py", "the ECG series is not there", "pip install 'aeon<1.7'"),
        ("fashion_mnist.py", "Fashion-MNIST is not there", "apt-get install dataset-fashion-mnist"),
    ],
)
def test_data_that_is_missing_is_said_so(script, missing, remedy, tmp_path):
    command = [sys.executable, str(EXAMPLES / script), "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(missing)
    assert remedy in done.stderr


def test_a_citation_graph_tells_topics(tmp_path):
    found = told("citation_graph.py", "--seeds", "2", folder=tmp_path)
    assert found["neurons"] == 90
    assert found["accuracy"] >= 0.85
    assert found["accuracy"] > found["majority_of_neighbours"]


def test_a_citation_graph_is_read_from_files(tmp_path):
    (tmp_path / "small.content").write_text("a 0 1 x\nb 1 1 x\nc 0 0 y\nd 0 0 y\ne 1 x\nf 1 y\n")
    (tmp_path / "small.cites").write_text("a b\nb e\nc d\nd f\nunknown a\na e\nb a\n")
    files = ("--cites", "small.cites", "--content", "small.content")
    found = told("citation_graph.py", *files, "--seeds", "1", folder=tmp_path)
    assert (found["neurons"], found["citations"]) == (8, 5)
    assert found["accuracy"] == 1


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="the Debian package dataset-fashion-mnist is not installed",
)
def test_clothes_are_told_apart(tmp_path):
    few = ("--seeds", "1", "--epochs", "1", "--images", "3000", "--hidden", "200")
    found = told("fashion_mnist.py", *few, folder=tmp_path)
    assert found["images"] == [3000, 10_000]
    assert found["accuracy"] >= 0.6
