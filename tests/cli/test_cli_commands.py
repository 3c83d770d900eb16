"""The command line: cosim, devices, doctor."""

from __future__ import annotations

import json
import sys

import numpy as np
from support.devices import install_broken
from support.paper_program import paper_program


def test_cosim(spikeloom, monkeypatch):
    arguments = ("cosim", "paper.loom", "--inputs", "in.npz")
    text = "5 steps on reference, emulator: spikes, state and weights are the same\n"
    assert spikeloom(*arguments) == (0, text, "")
    code, out, _ = spikeloom(*arguments, "--steps", "5", "--json")
    assert (code, json.loads(out)) == (
        0,
        {
            "devices": ["reference", "emulator"],
            "steps": 5,
            "divergence": None,
            "reproducer": None,
        },
    )

    def fault(backend):
        if backend._step == 5:
            backend._neurons.v[2] += 1

    install_broken(monkeypatch, "broken", fault)
    arguments = (*arguments, "--shrink-seconds", "0")
    code, out, _ = spikeloom(*arguments, "--devices", "reference,broken")
    text = "step 4: v of 'pop'[0] is 24 on reference, 25 on broken"
    assert (code, out.splitlines()) == (
        1,
        [
            f"first difference: {text}",
            "what the neuron received on reference, and what is on its way:",
            "  step 0: +6 on receptor 0 through 'in->pop' from 'in'[0], which fired in step 0",
        ],
    )
    code, out, _ = spikeloom(*arguments, "--devices", "reference,broken", "--json")
    assert json.loads(out)["divergence"] == {
        "step": 4,
        "name": "pop",
        "index": 0,
        "variable": "v",
        "values": {"reference": 24, "broken": 25},
        "note": "",
        "received": [
            {
                "step": 0,
                "amount": 6,
                "receptor": 0,
                "fired": 0,
                "pre": ["in", 0],
                "projection": "in->pop",
                "text": "step 0: +6 on receptor 0 through 'in->pop' from 'in'[0], which fired in "
                "step 0",
            }
        ],
        "text": text,
    }
    assert spikeloom("cosim", "paper.loom")[0] == 7
    assert spikeloom("cosim", "paper.loom", "--steps", "3", "--devices", "reference")[0] == 7


def test_devices(spikeloom):
    code, out, _ = spikeloom("devices", "--json")
    told = json.loads(out)
    assert code == 0
    usable = {d["scheme"]: d["usable"] for d in told["devices"]}
    assert usable == {"emulator": True, "reference": True, "rtl": True} | {
        name: usable[name] for name in ("lava", "brian2")
    }
    code, out, _ = spikeloom("devices")
    assert out.startswith("emulator: fast C kernel, or NumPy without it\n  usable: True\n  kernel:")


def test_doctor(spikeloom, monkeypatch):
    code, out, _ = spikeloom("doctor", "--json")
    told = json.loads(out)
    assert (code, told["healthy"]) == (0, True)
    assert {p["name"]: p["version"] for p in told["packages"]}["numpy"] == np.__version__
    code, out, _ = spikeloom("doctor")
    assert out.endswith("everything that runs need is there\n")


def test_doctor_names_what_is_missing_and_the_remedy(spikeloom, monkeypatch):
    from spikeloom.cli import devices, doctor

    def broken(url):
        raise OSError("no such library")

    monkeypatch.setattr(doctor, "PACKAGES", {"no-such-package": ("testing", True)})
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(devices, "open_device", broken)
    code, out, _ = spikeloom("doctor")
    assert code == 8
    assert (
        "missing (needed): no-such-package, for testing\n"
        f"  {sys.executable} -m pip install no-such-package\n"
    ) in out
    assert "missing (needed): device emulator, for " in out
    assert "missing (optional): device lava, for " in out
    assert "missing (optional): device brian2, for " in out
    assert "-m spikeloom.backends.lava.install lava-env" in out
    assert "missing (optional): a C compiler, for building the emulator's fast kernel" in out
    assert "error: OSError: no such library" in out
    assert out.endswith("something is missing\n")


def test_names_of_strangers_do_not_steer_the_terminal(spikeloom):
    from dataclasses import replace

    program = paper_program(())
    evil = replace(program.sources[1], name="\x1b[2J\x07")
    replace(program, sources=(program.sources[0], evil)).save("evil.loom")
    code, out, _ = spikeloom("info", "evil.loom")
    assert code == 0
    assert "\\x1b[2J\\x07" in out
    assert "\x1b" not in out
