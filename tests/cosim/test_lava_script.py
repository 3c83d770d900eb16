"""``spikeloom export lava``: the script by itself, on Lava's own models, against the reference."""

from __future__ import annotations

import json
import subprocess
import warnings

import numpy as np
import pytest
from support.lava_networks import random_lava_network
from support.peers import peer_python, run_peer

import spikeloom as sl
from spikeloom.backends.lava import script
from spikeloom.cli import main

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_be_silent\]"),
    pytest.mark.filterwarnings(r"ignore:.*are times given in seconds"),
]

STEPS = 60


def run_script(path, steps):
    """With the module that the installer puts beside Lava, which a peer's environment may lack."""
    run_peer("lava", "lava_script.py", path, path.with_name("spikes.npz"), steps)
    return np.load(path.with_name("net_lava_spikes.npz"))


@pytest.mark.parametrize(("seed", "embedded"), [(2, True), (3, True), (5, False), (8, False)])
def test_the_script_fires_as_the_reference(tmp_path, monkeypatch, capsys, seed, embedded):
    monkeypatch.setattr(script, "EMBEDDED", 1 << 20 if embedded else 0)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net, quantization = random_lava_network(seed)
        for name in (*net.populations, *net.sources):
            net.probe(name)
        program = sl.compile(net, quantization=quantization)
    program.save("net.loom")
    raster = np.random.default_rng(seed).random((STEPS, net.sources["host"].size)) < 0.3
    np.savez("spikes.npz", host=np.argwhere(raster))
    command = ["export", "lava", "net.loom", "-o", "net_lava.py", "--steps", str(STEPS), "--json"]
    assert main(command) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert files == ["net_lava.py"] + ([] if embedded else ["net_lava.npz"])
    found = run_script(tmp_path / "net_lava.py", STEPS)
    with sl.open("reference") as device:
        device.load(program)
        expected = device.run(STEPS, {"host": raster})
    for name in net.populations:
        np.testing.assert_array_equal(found[name], expected.spikes[name])
    assert sum(len(expected.spikes[name]) for name in net.populations) > 50


def test_the_script_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = sl.Network(dt=1e-3)
    keys = net.source("keys", 2)
    cells = net.population("cells", 3, sl.LIF(10e-3, 4e-3, v_threshold=1.0, bias=0.25))
    net.connect(keys, cells, weights=[[0.5, -0.5, 0.25], [1.0, 0.0, 0.5]], delay=3e-3)
    program = sl.compile(net, quantization=sl.Quantization(scale=4096))
    (path,) = script.write_script(program, tmp_path / "net_lava.py", 20)
    text = path.read_text(encoding="utf-8")
    compile(text, path, "exec")
    for line in (
        "    du=905,  # u loses 906/4096 per step, of which Lava adds one\n",
        "    dv=390,  # v loses 390/4096 per step\n",
        "    vth=64,  # 4096 in LSBs of the state = 1 in the network's units; Lava shifts it by",
        "    bias_mant=1024,  # added to v per step, shifted by bias_exp\n",
        "# keys->cells: 6 synapses; mixed signs lose their lowest bit in Lava, so weights are even",
        "    weight_exp=-1,  # with Lava's own 6 bits a weight of 1 moves u by 32\n",
        "0 is one step, which Lava adds\n",
    ):
        assert line in text


def test_the_installed_way_needs_no_help(tmp_path):
    """The ``.pth`` file that the installer writes, in an environment that sees the peer's Lava."""
    from spikeloom.backends.lava import install
    from spikeloom.backends.peer.install import python_of

    python = peer_python("lava")
    where = subprocess.run(
        [python, "-c", "import lava, os; print(os.path.dirname(list(lava.__path__)[0]))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    environment = tmp_path / "env"
    subprocess.run([python, "-m", "venv", "--without-pip", str(environment)], check=True)
    ours = python_of(environment)
    ask = [str(ours), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "env" / "peer.txt").write_text(where, encoding="utf-8")
    with open(f"{packages}/a_peer.pth", "w", encoding="utf-8") as file:
        file.write(where + "\n")
    install.add_hook(ours)
    code = (
        "from lava.proc.lif.process import LIF; from lava.magma.compiler.compiler import Compiler"
    )
    done = subprocess.run([str(ours), "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
