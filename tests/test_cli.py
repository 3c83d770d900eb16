"""The command line: every command in this process, and the process itself where it matters."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from support.devices import install_broken
from support.paper_program import paper_program
from support.plastic import with_rule
from support.tiny import Synapse, tiny_program

from spikeloom import Program, Snapshot, cli
from spikeloom.compiler.microcode import Changes, Condition, Group, LearningRule, Product, When
from spikeloom.runtime.npz import read_npz

NETWORK = textwrap.dedent(
    """
    import spikeloom as sl

    def build():
        net = sl.Network(dt=1e-3, name="pair")
        pixels = net.source("pixels", 3)
        digits = net.population("digits", 2, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
        net.connect(pixels, digits, weights=[[1.5, 0.1], [0.2, 1.5], [0.3, 0.3]])
        net.probe(digits, "spikes", "v")
        return net

    net = build()
    number = 5

    def broken():
        raise RuntimeError("on purpose")

    def wrong():
        sl.LIF(tau_mem=-1.0)
    """
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a Python file, a Program and inputs; the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK)
    paper_program().save("paper.loom")
    np.savez("in.npz", **{"in": np.eye(5, 2, dtype=bool)})
    return tmp_path


@pytest.fixture
def spikeloom(here, capsys):
    """Run a command in this process; gives exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def started(*arguments: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spikeloom", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# ---------------------------------------------------------------- usage


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_has_an_example(spikeloom, command):
    code, out, err = spikeloom(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: spikeloom {command} ")
    assert f"example:\n  spikeloom {command}" in out
    assert "--json" in out


def test_help_version_and_nothing(spikeloom):
    code, out, _ = spikeloom("--help")
    assert code == 0
    assert all(f"    {command}" in out for command in cli.COMMANDS)
    code, out, _ = spikeloom("--version")
    assert (code, out.split()[0]) == (0, "spikeloom")
    code, out, err = spikeloom()
    assert (code, out) == (2, "")
    assert err.endswith("spikeloom: error: the following arguments are required: COMMAND\n")


def test_wrong_usage_as_text_and_as_json(spikeloom):
    code, out, err = spikeloom("run", "net.loom", "--speed", "5")
    assert (code, out) == (2, "")
    assert err.endswith("spikeloom: error: unrecognized arguments: --speed 5\n")
    code, out, _ = spikeloom("run", "--json")
    assert code == 2
    assert json.loads(out) == {
        "error": {
            "kind": "UsageError",
            "problem": "the following arguments are required: net.loom",
            "exit_code": 2,
        }
    }


# ---------------------------------------------------------------- run


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
    assert out.splitlines()[2] == "62 clock cycles, 15.5 per step, at most 23"
    assert read_npz("out.npz")["cycles"].tolist() == [13, 23, 13, 13]
    code, out, _ = spikeloom(*command, "--clock", "50e6")
    assert out.splitlines()[2] == (
        "62 clock cycles, 15.5 per step, at most 23; 0.00124 ms at 50 MHz"
    )
    code, out, _ = spikeloom(*command, "--clock", "100e6", "--json")
    assert json.loads(out)["cycles"] == {
        "total": 62,
        "per_step": 15.5,
        "most": 23,
        "clock": 100e6,
        "seconds": 62 / 100e6,
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


def test_errors_as_text_and_as_json(spikeloom):
    text = (
        "spikeloom: error: input for something that the network does not have\n"
        "  found: 'inn'\n"
        "  expected: one of 'in', 'pop'\n"
        "  where: wrong.npz\n"
        "  remedy: did you mean 'in'?\n"
    )
    np.savez("wrong.npz", inn=[[0, 0]])
    arguments = ("run", "paper.loom", "--inputs", "wrong.npz", "--steps", "3")
    assert spikeloom(*arguments) == (7, "", text)
    code, out, err = spikeloom(*arguments, "--json")
    assert (code, err) == (7, text)
    assert json.loads(out) == {
        "error": {
            "kind": "InputError",
            "problem": "input for something that the network does not have",
            "found": "'inn'",
            "expected": "one of 'in', 'pop'",
            "where": "wrong.npz",
            "remedy": "did you mean 'in'?",
            "exit_code": 7,
        }
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("compile", "net.py:wrong"), 3),
        (("compile", "net.py", "--target", "cora"), 4),
        (("info", "none.loom"), 6),
        (("info", "in.npz"), 6),
        (("run", "paper.loom"), 7),
        (("run", "paper.loom", "--steps", "-1"), 7),
        (("run", "paper.loom", "--steps", "1", "--device", "emulater"), 8),
        (("run", "paper.loom", "--steps", "1", "--device", "emulator?threads=x"), 8),
        (("run", "paper.loom", "--steps", "1", "--device", "lava?mode=none"), 8),
        (("run", "paper.loom", "--steps", "1", "-o", "no/such/folder.npz"), 6),
        (("compile", "net.py", "-o", "no/such/folder.loom"), 6),
        (("compile", "net.py", "-o", "/dev/null"), 6),
        (("run", "paper.loom", "--steps", "1", "-o", "/dev/null"), 6),
    ],
)
def test_exit_codes(spikeloom, arguments, code):
    found, out, err = spikeloom(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("spikeloom: error: ")


def test_too_little_memory(spikeloom, monkeypatch):
    from spikeloom.cli import run

    def greedy(*_):
        raise MemoryError("Unable to allocate 16 TiB")

    monkeypatch.setattr(run, "_run", greedy)
    code, _, err = spikeloom("run", "paper.loom", "--steps", "4000000000")
    assert (code, err) == (
        8,
        "spikeloom: error: there is not enough memory\n"
        "  found: Unable to allocate 16 TiB\n"
        "  remedy: run fewer steps at a time (--snapshot, --restore), or probe less\n",
    )


# ---------------------------------------------------------------- the other commands


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
    assert usable == {"emulator": True, "reference": True, "rtl": True, "lava": usable["lava"]}
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


# ---------------------------------------------------------------- the process


def test_the_installed_command_and_the_module(here):
    done = started("info", "paper.loom", "--json")
    out, err = done.communicate()
    assert (done.returncode, err) == (0, "")
    assert json.loads(out)["hash"] == paper_program().content_hash


def test_heavy_packages_are_not_imported_by_a_run(here):
    script = (
        "import sys; from spikeloom.cli import main; main(sys.argv[1:]); "
        "print([m for m in ('scipy', 'networkx', 'h5py', 'rich', 'matplotlib', 'pytest') "
        "if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, "run", "paper.loom", "--steps", "3", "-o", "o.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_interruption_is_clean(here):
    script = textwrap.dedent(
        """
        import signal
        import sys
        from spikeloom.cli import main, run

        # A shell's background jobs, of which this may be one, ignore interruptions.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        inner = run._run

        def told(*arguments):
            print("running", flush=True)
            return inner(*arguments)

        run._run = told
        sys.exit(main(sys.argv[1:]))
        """
    )
    # So many steps that it cannot end by itself before it is interrupted.
    command = ["run", "paper.loom", "--device", "reference", "--steps", "100000000", "-o", "o.npz"]
    running = subprocess.Popen(
        [sys.executable, "-c", script, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "running\n"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, out, err) == (130, "", "\nspikeloom: interrupted\n")
    assert not list(here.glob("o.npz*"))


def test_a_reader_that_goes_away(here):
    running = started("info", "paper.loom")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait() == 141
    running.stderr.close()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_to_people_who_waited(spikeloom, monkeypatch):
    from spikeloom.cli import output, run

    monkeypatch.setattr(run, "_STEPS_PER_WINDOW", 2)
    monkeypatch.setattr(sys, "stderr", _Terminal())
    monkeypatch.setattr(output.time, "monotonic", iter(range(100)).__next__)
    assert spikeloom("run", "paper.loom", "--steps", "9")[0] == 0
    assert sys.stderr.getvalue() == (  # type: ignore[attr-defined]
        "\r\x1b[Kstep 4 of 9, about 2 s left"
        "\r\x1b[Kstep 6 of 9, about 2 s left"
        "\r\x1b[Kstep 8 of 9, about 0 s left"
        "\r\x1b[Kstep 9 of 9, about 0 s left"
        "\r\x1b[K"
    )
    monkeypatch.setattr(sys, "stderr", terminal := _Terminal())
    arguments = ("cosim", "paper.loom", "--steps", "70")
    assert spikeloom(*arguments)[0] == 0
    assert terminal.getvalue() == (
        "\r\x1b[Kstep 64 of 70, about 0 s left\r\x1b[Kstep 70 of 70, about 0 s left\r\x1b[K"
    )
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert spikeloom("run", "paper.loom", "--steps", "9")[0] == 0
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


def test_waiting_is_shown_to_people_only(monkeypatch):
    from spikeloom.cli import output

    monkeypatch.setattr(output, "PATIENCE", 0.0)
    for terminal in (_Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", terminal)
        with output.Waiting("compiling") as waiting:
            if terminal.isatty():
                waiting._over.wait(0.5)
        shown = terminal.getvalue()
        assert shown.endswith("\r\x1b[K") if terminal.isatty() else shown == ""
        assert ("compiling, 0 s" in shown) == terminal.isatty()
