"""Whole studies, killed and gone on with; data sets; clusters."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest

import spikeloom as sl
from spikeloom.compiler.chip import FOLDER
from spikeloom.studies.store import read_rows

NETWORK = textwrap.dedent(
    """
    import spikeloom as sl

    net = sl.Network(dt=1e-3)
    ear = net.source("ear", 3)
    cells = net.population("cells", 6, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(ear, cells, weights=[[1.5, 0, 0.9, 0, 0, 0], [0, 1.5, 0, 0, 0.9, 0], [0.7] * 6])
    net.connect(cells, cells, weights=0.1, connector=sl.AllToAll())
    net.probe(cells, "spikes")
    """
)
STUDY = """
format = 1
name = "small cores"
inputs = "in.npz"
mode = "simple"
objectives = ["latency", "energy", "cores"]
[parameters]
core.neurons = [1, 2, 3, 6]
time.hop = { low = 1e-9, high = 1e-8, points = 15, scale = "log" }
energy.synapse = [1e-12, 2e-12, 1e-11, 2e-11]
"""
POINTS = 240


MAPPINGS = """
format = 1
inputs = "in.npz"
mode = "simple"
objectives = ["latency", "seconds"]
[parameters]
core.neurons = [2]
mapping = ["sequential", "best"]
"""
STRANGERS = """
    import spikeloom as sl

    net = sl.Network(dt=1e-3)
    ear = net.source("ear", 6)
    cells = net.population("cells", 6, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(ear, cells, weights=1.5, connector=sl.OneToOne())
    pre, post = [0, 1, 2, 3, 4, 5], [3, 4, 5, 0, 1, 2]
    net.connect(cells, cells, weights=sl.Synapses(pre, post, 0.2))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "study.toml").write_text(STUDY)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "in.npz", ear=rng.random((20, 3)) < 0.3)
    return tmp_path


@pytest.fixture
def net(folder):
    found = {}
    exec(NETWORK, found)
    return found["net"]


def command(*arguments):
    line = [sys.executable, "-m", "spikeloom", "explore", "study.toml", "--network", "net.py"]
    return [*line, *arguments]


def wait_for(path, enough, started):
    """Until so many points are done, and which workers did the last ones."""
    for _ in range(3000):
        with contextlib.suppress(sl.FileError):  # it is not made yet
            rows = [row for row in read_rows(path) if row.state == "done"]
            if len(rows) >= enough:
                return rows
        if started.poll() is not None:
            raise AssertionError(started.communicate())
        time.sleep(0.02)
    raise AssertionError("nothing happens")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_study_survives_kills_of_workers_and_of_the_command(folder, net):
    path = folder / "study.sqlite"
    started = subprocess.Popen(
        command("--workers", "2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    rows = wait_for(path, 20, started)
    os.kill(int(rows[-1].worker.rpartition(":")[2]), signal.SIGKILL)
    wait_for(path, 60, started)
    started.kill()
    assert started.wait() == -signal.SIGKILL
    started.communicate()
    before = [row for row in read_rows(path) if row.state == "done"]
    assert 60 <= len(before) < POINTS
    ended = subprocess.run(command("--workers", "2", "--json"), capture_output=True, check=True)
    told = json.loads(ended.stdout)
    rows = read_rows(path)
    assert [row.number for row in rows] == list(range(POINTS))
    assert {row.state for row in rows} == {"done"}
    assert len({json.dumps(row.payload) for row in rows}) == POINTS
    kept = {row.number: row for row in rows}
    assert all(kept[row.number] == row for row in before), "what was done is not done again"
    assert told["warnings"] == []
    assert len(told["points"]) == POINTS
    # The same as without any of this.
    study = sl.Study.load("study.toml")
    found = sl.explore(study, net, folder / "calm.sqlite", workers=1)
    assert [row.result for row in found.rows] == [row.result for row in rows]
    assert [row.number for row in found.front] == told["front"]


def test_a_point_is_what_latency_says(folder, net):
    (folder / "study.toml").write_text(STUDY.replace("points = 15", "points = 2"))
    found = sl.explore("study.toml", net, workers=1)
    assert len(found.rows) == 32
    row = found.rows[-1]
    assert row.payload == {"core.neurons": 6, "time.hop": 1e-8, "energy.synapse": 2e-11}
    chip = sl.load_chip("loihi")
    text = (folder / "loihi.toml").write_text
    source = (FOLDER / "loihi.toml").read_text(encoding="utf-8")
    lines = []
    changes = {"neurons": 6, "hop_": 1e-8, "synapse_": 2e-11}
    section = ""
    for line in source.splitlines():
        section = line if line.startswith("[") else section
        for start, value in changes.items():
            where = {"neurons": "[core]", "hop_": "[time]", "synapse_": "[energy]"}[start]
            if line.startswith(start) and section == where:
                head, _, tail = line.partition("value = ")
                line = f"{head}value = {value},{tail.partition(',')[2]}"
        lines.append(line)
    text("\n".join(lines), encoding="utf-8")
    chip = sl.load_chip("loihi.toml")
    with np.load("in.npz") as inputs:
        report = sl.latency(net, dict(inputs), 20, chip, mode="simple")
    assert row.result["energy"] == report.energy
    assert row.result["latency"] == report.latency["p99"]
    assert row.result["seconds"] == report.seconds
    assert row.result["cores"] == 1


def test_what_does_not_fit_has_failed_with_its_reason(folder, net, capsys):
    from spikeloom import cli

    text = STUDY.replace("[1, 2, 3, 6]", "[6]").replace("points = 15", "points = 2")
    text = text.replace("energy.synapse = [1e-12, 2e-12, 1e-11, 2e-11]", "core.axons = [1, 64]")
    (folder / "study.toml").write_text(text)
    code = cli.main(["explore", "study.toml", "--network", "net.py", "--workers", "1", "--json",
                     "--plot", "front.png"])  # fmt: skip
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert code == 0
    fits = [point["payload"]["core.axons"] == 64 for point in told["points"]]
    assert [point["state"] == "done" for point in told["points"]] == fits
    assert sum(fits) == 2
    assert told["points"][0]["error"].startswith("network 'network' does not fit")
    assert err.startswith(
        "spikeloom: warning: 2 points failed, number 0: network 'network' does not fit "
    )
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")


def test_an_objective_that_the_chip_does_not_know(folder, net, capsys):
    from spikeloom import cli

    (folder / "study.toml").write_text(
        "format = 1\nsteps = 5\nchip = 'truenorth'\nobjectives = ['latency']\n"
        "[parameters]\nenergy.hop = [0.0]\n"
    )
    arguments = ["explore", "study.toml", "--network", "net.py", "--plot", "front.png"]
    assert cli.main([*arguments, "--workers", "1"]) == 8
    # That there is nothing to draw is not what is to be told then.
    assert "spikeloom: error: no point could be done\n" in capsys.readouterr().err
    (row,) = read_rows("study.sqlite")
    assert row.error is not None
    assert row.error.startswith("latency of this point is not known\n  found: mode 'queue' needs ")


def test_error_objectives(folder, net):
    rng = np.random.default_rng(3)
    np.savez("samples.npz", ear=rng.random((4, 20, 3)) < 0.3, labels=[0, 1, 0, 1])
    (folder / "study.toml").write_text(
        "format = 1\ninputs = 'in.npz'\nmode = 'simple'\nsamples = 'samples.npz'\n"
        "readout = 'cells'\nobjectives = ['rate_error', 'error_rate']\n"
        "[parameters]\ncompile.scale = [4.0, 4000.0]\nenergy.hop = [0.0, 1.0]\n"
    )
    rows = sl.explore("study.toml", net, workers=1).rows
    assert [row.state for row in rows] == ["done"] * 4
    assert rows[0].result["rate_error"] > rows[2].result["rate_error"]
    with pytest.warns(UserWarning, match="whole_weights_are_exact"):
        program = sl.compile(net, "loihi", sl.Quantization(scale=4000.0))
    with np.load("in.npz") as inputs:
        errors = sl.rate_errors(net, program, dict(inputs), 20)
    assert rows[2].result["rate_error"] == errors.populations["cells"].rmse
    assert all(row.result["error_rate"] in (0, 0.25, 0.5, 0.75, 1) for row in rows)


def test_results_of_another_study_are_refused(folder, net):
    text = STUDY.replace("points = 15", "points = 2")
    (folder / "study.toml").write_text(text)
    sl.explore("study.toml", net, workers=2)
    np.savez("in.npz", ear=np.ones((20, 3), bool))
    with pytest.raises(sl.FileError, match=r"^the file holds results of something else\n"):
        sl.explore("study.toml", net, workers=2)


def test_a_data_set_is_its_runs(folder, net, capsys):
    from spikeloom import cli

    program = sl.compile(net)
    program.save("net.loom")
    rng = np.random.default_rng(3)
    rasters = rng.random((9, 15, 3)) < 0.3
    expected, decided = [], []
    with sl.open("emulator") as device:
        device.load(program)
        for raster in rasters:
            device.reset()
            spikes = device.run(15, {"ear": raster}).spikes["cells"]
            expected.append(len(spikes))
            decided.append(int(np.bincount(spikes[:, 1], minlength=6).argmax()))
    labels = np.array(decided)
    labels[0] += 1
    np.savez("samples.npz", ear=rasters, labels=labels)
    arguments = ["run", "net.loom", "--samples", "samples.npz", "--workers", "2"]
    code = cli.main([*arguments, "--readout", "cells", "-o", "out", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert told["decided"] == decided
    assert told["accuracy"] == 8 / 9
    assert told["spikes"] == {"cells": sum(expected)}
    rows = read_rows("samples.sqlite")
    assert [row.result["spikes"]["cells"] for row in rows] == expected
    with np.load("out/000008.npz") as out:
        assert len(out["spikes.cells"]) == expected[8]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--readout", "cells"], "an option of data sets\n  found: --readout\n"
         "  expected: --samples FILE\n"),
        (["--samples", "in.npz", "--steps", "3"], "an option of single runs\n  found: --steps\n"
         "  expected: none of them beside --samples\n"),
        (["--workers", "0"], "an option of data sets\n  found: --workers\n"
         "  expected: --samples FILE\n"),
        (["--samples", "in.npz", "--steps", "0"], "an option of single runs\n  found: --steps\n"
         "  expected: none of them beside --samples\n"),
        (["--samples", "empty.npz"], "there are no samples, or they have no steps\n"
         "  where: empty.npz\n"),
        (["--samples", "labels.npz"], "labels are (samples,) integers\n  found: uint64\n"
         "  where: labels.npz: labels\n"),
        (["--samples", "in.npz"], "this is no raster of samples\n  found: bool (20, 3)\n"
         "  expected: booleans (samples, steps, 3)\n  where: in.npz: ear\n"),
    ],
)  # fmt: skip
def test_data_sets_refuse(folder, net, capsys, arguments, problem):
    rasters = np.zeros((2, 20, 3), bool)
    np.savez("empty.npz", ear=rasters[:0], labels=np.zeros(0, np.int64))
    np.savez("labels.npz", ear=rasters, labels=np.full(2, 2**64 - 1, np.uint64))
    from spikeloom import cli

    sl.compile(net).save("net.loom")
    assert cli.main(["run", "net.loom", *arguments]) == 7
    assert capsys.readouterr().err == f"spikeloom: error: {problem}"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_cluster_survives_a_killed_worker(folder, net):
    pytest.importorskip("distributed", reason="needs dask.distributed")
    text = STUDY.replace("points = 15", "points = 6")
    (folder / "study.toml").write_text(text)
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1",
         "--scheduler-file", "where.json"], **quiet,
    )  # fmt: skip
    workers = []
    try:
        while not (folder / "where.json").exists():
            assert scheduler.poll() is None
            time.sleep(0.05)
        address = json.loads((folder / "where.json").read_text())["address"]
        workers = [
            subprocess.Popen(
                [*dask, "worker", address, "--no-nanny", "--no-dashboard", "--nthreads", "1"],
                **quiet,
            )
            for _ in range(2)
        ]
        started = subprocess.Popen(
            command("--scheduler", address, "--json"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_for(folder / "study.sqlite", 10, started)
        workers[0].kill()
        out, err = started.communicate(timeout=120)
        assert started.returncode == 0, err
        told = json.loads(out)
    finally:
        for process in (scheduler, *workers):
            process.kill()
            process.wait()
    assert [point["state"] for point in told["points"]] == ["done"] * 96
    calm = sl.explore("study.toml", net, "calm.sqlite", workers=1)
    assert [row.result for row in calm.rows] == [point["result"] for point in told["points"]]


def test_no_scheduler(folder, net):
    pytest.importorskip("distributed", reason="needs dask.distributed")
    with pytest.raises(sl.DeviceError) as told:
        sl.explore("study.toml", net, scheduler="tcp:/127.0.0.1:1")
    assert str(told.value).startswith("no Dask scheduler answers\n")
    assert str(told.value).endswith("workers, 'dask worker tcp://…'")


def test_mappings_are_explored(folder):
    found = {}
    exec(textwrap.dedent(STRANGERS), found)
    (folder / "study.toml").write_text(MAPPINGS)
    rng = np.random.default_rng(0)
    inputs = {"ear": rng.random((20, 6)) < 0.3}
    np.savez(folder / "in.npz", **inputs)
    rows = sl.explore("study.toml", found["net"]).rows
    chip = sl.load_chip("loihi")
    numbers = {**chip.numbers, "core.neurons": replace(chip.numbers["core.neurons"], value=2)}
    chip = replace(chip, numbers=numbers)
    seconds = []
    for row in rows:
        program = sl.compile(found["net"], chip.target, mapping=row.payload["mapping"])
        seconds.append(sl.latency(program, inputs, 20, chip, mode="simple").seconds)
    assert [row.payload["mapping"] for row in rows] == ["sequential", "best"]
    assert [row.result["seconds"] for row in rows] == seconds
    assert seconds[0] != seconds[1], "pairs that talk to each other share a core in one of them"
