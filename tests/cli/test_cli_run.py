"""The command line: run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.paper_program import paper_program
from support.plastic import with_rule
from support.tiny import Synapse, tiny_program

from spikeloom import Program, Snapshot
from spikeloom.compiler.microcode import Changes, Condition, Group, LearningRule, Product, When
from spikeloom.runtime.npz import read_npz


def test_run_writes_what_was_probed(spikeloom):
    code, out, err = spikeloom("run", "paper.loom", "--inputs", "in.npz", "-o", "out.npz")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("5 steps of 0.001 s on emulator, from step 0: ")
    assert lines[1:] == [
        "0 spikes, 3 synaptic events since the reset",
        "probed  neurons  spikes  Hz per neuron",
        "pop           3       0            0.0",
        "in            2       2          200.0",
        "written to out.npz",
    ]
    found = read_npz("out.npz")
    assert found["states.pop.v"][-1].tolist() == [6, -2, 2.5]


@pytest.mark.parametrize("device", ["reference", "emulator?kernel=numpy"])
def test_run_as_json(spikeloom, device):
    code, out, err = spikeloom("run", "paper.loom", "--device", device, "--steps", "7", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert min(told.pop("seconds").values()) >= 0
    assert told == {
        "program": paper_program().content_hash,
        "device": device,
        "steps": 7,
        "start": 0,
        "dt": 1e-3,
        "spikes": {"pop": 0, "in": 0},
        "states": {"pop": ["v"]},
        "counters": {
            "steps": 7,
            "spikes": 0,
            "synaptic_events": 0,
            "clipped": {"u": 0, "v": 0, "threshold": 0},
            "saturations": {},
        },
        "cycles": None,
        "warnings": [],
        "output": None,
        "snapshot": None,
        "learned": None,
    }


def test_run_tells_the_hardwares_clock_cycles(spikeloom):
    # 12 of overhead and a group of neurons in each step; a spike's first synapse comes after 8.
    program = tiny_program(
        [{"threshold": 9}], [Synapse("c0", 0, 1), Synapse("c0", 0, 1, receptor=1)], channels=1
    )
    program.save("one.loom")
    np.savez("one.npz", channels=np.array([[1, 0]]))
    command = ("run", "one.loom", "--inputs", "one.npz", "--steps", "4", "-o", "out.npz")
    code, out, err = spikeloom(*command)
    assert (code, err) == (0, "")
    assert out.splitlines()[2] == "66 clock cycles, 16.5 per step, at most 24"
    assert read_npz("out.npz")["cycles"].tolist() == [14, 24, 14, 14]
    code, out, _ = spikeloom(*command, "--clock", "50e6")
    assert out.splitlines()[2] == (
        "66 clock cycles, 16.5 per step, at most 24; 0.00132 ms at 50 MHz"
    )
    code, out, _ = spikeloom(*command, "--clock", "100e6", "--json")
    assert json.loads(out)["cycles"] == {
        "total": 66,
        "per_step": 16.5,
        "most": 24,
        "clock": 100e6,
        "seconds": 66 / 100e6,
    }
    code, out, _ = spikeloom(*command[:2], "--steps", "0", "--json")
    assert json.loads(out)["cycles"] == {"total": 0, "per_step": 0.0, "most": 0}


@pytest.mark.parametrize("clock", ["0", "-5", "nan", "inf"])
def test_a_clock_that_is_none(spikeloom, clock):
    code, out, err = spikeloom("run", "paper.loom", "--steps", "3", "--clock", clock)
    assert (code, out) == (7, "")
    assert err == (
        "spikeloom: error: this is no clock frequency\n"
        f"  found: --clock {clock}\n"
        "  expected: a number of Hz above 0, such as 50e6\n"
    )


def test_a_clock_for_cycles_that_are_not_known_is_refused_before_the_run(spikeloom):
    # So many steps that it would not end.
    command = ("run", "paper.loom", "--steps", "10000000000", "--clock", "1e6")
    code, out, err = spikeloom(*command)
    assert (code, out) == (9, "")
    assert err.startswith("spikeloom: error: the clock cycles of this run are not known\n")
    code, _, err = spikeloom(*command, "--device", "reference")
    assert code == 9
    assert err.startswith("spikeloom: error: this device does not count clock cycles\n")


def test_run_goes_on_from_a_snapshot(spikeloom):
    assert spikeloom("run", "paper.loom", "--inputs", "in.npz", "--snapshot", "s.npz")[0] == 0
    assert Snapshot.load("s.npz").state.step == 5
    code, out, _ = spikeloom(
        "run", "paper.loom", "--restore", "s.npz", "--steps", "2", "-o", "out.npz"
    )
    assert code == 0
    assert out.startswith("2 steps of 0.001 s on emulator, from step 5: ")
    assert read_npz("out.npz")["states.pop.v"][0].tolist() == [6, -2, 2.5]


def test_run_learns_and_writes_what_was_learned(spikeloom):
    group = Group(When.POST, Changes.WEIGHT, 0, (Product(3, Condition.T0),))
    program = tiny_program([{"threshold": 1000}], [Synapse("c0", 0, 0)], channels=1, weight_bits=8)
    with_rule(program, LearningRule(0, (group,), weight_max=127)).save("plastic.loom")
    np.savez("taught.npz", **{"neurons.teacher": np.array([[True], [False], [True]])})
    command = ("run", "plastic.loom", "--device", "reference", "--inputs", "taught.npz")
    for options, weight in (((), 6), (("--no-learning",), 0)):
        code, _, err = spikeloom(*command, *options, "--learned", "learned.loom")
        assert (code, err) == (0, "")
        assert Program.load("learned.loom").cores[0].sparse_weight.tolist() == [weight]
    code, _, err = spikeloom("run", "paper.loom", "--inputs", "taught.npz", "--steps", "3")
    assert code == 7
    assert "'neurons.teacher'" in err


def test_run_in_windows_is_the_same(spikeloom, monkeypatch):
    from spikeloom.cli import run

    assert spikeloom("run", "paper.loom", "--inputs", "in.npz", "-o", "whole.npz")[0] == 0
    monkeypatch.setattr(run, "_STEPS_PER_WINDOW", 2)
    assert spikeloom("run", "paper.loom", "--inputs", "in.npz", "-o", "windows.npz")[0] == 0
    with open("whole.npz", "rb") as a, open("windows.npz", "rb") as b:
        assert a.read() == b.read()


def test_saturation_is_told_once_by_name(spikeloom):
    np.savez("graded.npz", pop=np.full((4, 3), -4000.0))
    code, out, err = spikeloom("run", "paper.loom", "--inputs", "graded.npz", "--json")
    assert code == 7
    assert json.loads(out)["error"]["problem"].startswith("graded input of population 'pop'")
    np.savez("graded.npz", pop=np.full((4, 3), -2000.0))
    code, out, err = spikeloom("run", "paper.loom", "--inputs", "graded.npz", "--json")
    message = (
        "numbers of population 'pop' were clipped at the end of their range: v of 2 neurons; "
        "compile with a smaller scale, or lower weights, bias or input"
    )
    assert (code, err) == (0, f"spikeloom: warning: {message}\n")
    assert json.loads(out)["warnings"] == [message]


def test_run_takes_and_writes_other_formats(spikeloom):
    here = "spikes.csv"
    with open(here, "w") as file:
        file.write("name,step,index\nin,0,0\nin,1,1\nin,3,0\n")
    code, out, _ = spikeloom("run", "paper.loom", "--inputs", here, "-o", "out.nirdata", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["steps"] == 4
    assert told["output"] == "out.nirdata"
    code, _, err = spikeloom("run", "paper.loom", "--inputs", here, "--into", "in")
    assert code == 7
    assert "only events without a name can be put into a source" in err
    code, _, err = spikeloom("run", "paper.loom", "--inputs", "out.nirdata", "--sample", "3")
    assert code == 7
