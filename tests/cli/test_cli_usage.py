"""The command line: usage, errors and exit codes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spikeloom import cli


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
