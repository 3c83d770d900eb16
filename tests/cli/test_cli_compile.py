"""The command line: compile, info and what becomes of Python files."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from spikeloom import Program


def test_compile_info_and_run(spikeloom):
    code, out, err = spikeloom("compile", "net.py:build", "-o", "net.loom")
    assert (code, err) == (0, "")
    hash_ = Program.load("net.loom").content_hash
    assert out.startswith("net.loom: 2 neurons on 1 cores, ")
    assert f", hash {hash_[:16]}…\n" in out
    code, out, _ = spikeloom("info", "net.loom")
    assert code == 0
    assert f"hash {hash_}\n" in out
    assert "pixels->digits" in out
    code, out, _ = spikeloom("info", "net.loom", "--json")
    told = json.loads(out)
    assert told["hash"] == hash_
    assert told["sources"] == [{"name": "pixels", "size": 3, "kind": "host", "probes": []}]
    assert told["populations"][0]["probes"] == ["spikes", "v"]
    assert told["projections"][0]["synapses"] == 6
    np.savez("pixels.npz", pixels=np.eye(3, dtype=bool))
    code, out, _ = spikeloom("run", "net.loom", "--inputs", "pixels.npz", "--json")
    assert json.loads(out)["spikes"] == {"digits": 2}


def test_compile_as_json_with_a_report(spikeloom):
    code, out, _ = spikeloom(
        "compile", "net.py", "--target", "emulator", "--scale", "1000", "--json",
        "--report", "report.json", "--dump", "passes",
    )  # fmt: skip
    assert code == 0
    told = json.loads(out)
    assert told["output"] == "pair.loom"
    assert told["hash"] == Program.load("pair.loom").content_hash
    assert Program.load("pair.loom").populations[0].scale.tolist() == [1000, 1000]
    with open("report.json") as file:
        assert json.load(file) == told["report"]
    assert len(os.listdir("passes")) > 5
    assert spikeloom("compile", "net.py", "--report", "report.html")[0] == 0
    with open("report.html") as file:
        assert "pixels-&gt;digits" in file.read()


@pytest.mark.parametrize(
    ("name", "problem", "found"),
    [
        ("net.py:nothing", "net.py does not define the network 'nothing'", "nothing of that name"),
        ("net.py:number", "net.py does not define the network 'number'", "int"),
        ("net.py:broken", "net.py failed while it was executed", "RuntimeError: on purpose"),
        ("none.py", "there is no such file", "none.py"),
    ],
)
def test_python_files_without_a_network(spikeloom, name, problem, found):
    code, _, err = spikeloom("compile", name)
    assert code == (6 if name == "none.py" else 3)
    assert err.startswith(f"spikeloom: error: {problem}\n  found: {found}\n")


def test_compile_nir(spikeloom):
    nir = pytest.importorskip("nir", reason="pip install nir")
    graph = nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([2])}),
            "fc": nir.Linear(np.array([[1.0, 0.5]])),
            "lif": nir.LIF(
                tau=np.array([2e-3]),
                r=np.array([20.0]),
                v_leak=np.zeros(1),
                v_threshold=np.ones(1),
                v_reset=np.zeros(1),
            ),
            "output": nir.Output({"output": np.array([1])}),
        },
        [("input", "fc"), ("fc", "lif"), ("lif", "output")],
    )
    nir.write("net.nir", graph)
    code, out, err = spikeloom(
        "compile", "net.nir", "-o", "net.loom", "--dt", "1e-4", "--no-reset-delay", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["neurons"] == 1
    assert Program.load("net.loom").dt == 1e-4


def test_export_nir_and_back(spikeloom):
    code, out, err = spikeloom("export", "nir", "net.py:build", "-o", "pair.nir", "--json")
    assert (code, json.loads(out)["dt"]) == (0, 1e-3)
    assert "NIR's Outputs cannot show v of 'digits'" in err
    assert spikeloom("compile", "pair.nir", "--dt", "1e-3", "-o", "pair.loom")[0] == 0
    assert Program.load("pair.loom").population("digits").size == 2
    code, _, err = spikeloom("export", "nir", "net.py:build", "--reset", "subtract")
    assert code == 9
    assert "say reset='zero' here and when reading" in err
