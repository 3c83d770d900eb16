"""The NIR paper's smallest case, made anew, and the survey of outside files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nir
import numpy as np
from support.nir_graphs import affine, graph, lif

import spikeloom as sl

INPUT = (
    "60 220 270 310 320 350 370 400 410 430 440 450 460 470 480 490 500 510 520 530 "
    "670 680 690 700 710 720 730 740 750 760 770 780 840 850"
)
"""Steps of 0.1 ms at which the paper's input fires."""


def test_the_papers_neuron_fires_when_the_platforms_say(tmp_path: Path) -> None:
    one = np.ones(1)
    neuron = nir.LIF(2.5e-3 * one, one, 0 * one, 0.1 * one)
    nir.write(
        tmp_path / "lif.nir",
        graph({"0": nir.Affine(np.ones((1, 1)), 0 * one), "1": neuron}, "in1 0, 0 1, 1 out1"),
    )
    net = sl.from_nir(tmp_path / "lif.nir", dt=1e-4)
    x = np.zeros((1000, 1), bool)
    x[list(map(int, INPUT.split()))] = True
    for device in ("emulator", "reference"):
        with sl.open(device) as opened:
            opened.load(sl.compile(net))
            spikes = opened.run(1000, {"in1": x}).spikes["1"][:, 0]
        assert spikes.tolist() == [460, 510, 710, 760]


def test_a_survey_of_files_names_what_it_refuses(tmp_path: Path) -> None:
    nir.write(tmp_path / "a.nir", graph({"a": affine(3, 2), "x": lif(2)}, "in3 a, a x, x out2"))
    broken = graph({"a": affine(3, 2), "x": lif(2)}, "in3 a, a x, x out2")
    broken.edges = [("in3", "a"), ("a", "y"), ("x", "out2")]
    nir.write(tmp_path / "b.nir", broken)
    (tmp_path / "c.nir").write_bytes(b"nothing of the kind")
    script = Path(__file__).parents[2] / "examples" / "nir_survey.py"
    command = [sys.executable, script, "--source", "spec", *(tmp_path / f"{n}.nir" for n in "abc")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "a.nir  spec          compiled: 2 neurons (x 2), 6 synapses",
        "b.nir  spec          refused: An edge leads to a node that does not exist. Found: 'y'",
        "c.nir  spec          refused: This is not an HDF5 file. Found: None",
    ]
