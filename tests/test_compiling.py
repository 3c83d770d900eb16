"""What a name stands for that a network is compiled for."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import spikeloom as sl
from spikeloom import cli
from spikeloom.board_fit import target_of
from spikeloom.boards.catalogue import BOARDS
from spikeloom.compiler.chip import chip_names
from spikeloom.compiler.program_file import content_hash


def network(size: int = 10) -> sl.Network:
    net = sl.Network(dt=1e-3)
    pixels = net.source("pixels", 64)
    digits = net.population("digits", size, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(pixels, digits, weights=np.linspace(0.01, 0.2, 64 * size).reshape(64, size))
    return net


@pytest.mark.parametrize("name", ["ulx3s-25f", "tang-nano-9k", "ulx3s-85f-mesh"])
def test_a_board_is_the_core_that_it_comes_with(name):
    program = sl.compile(network(), name)
    assert program.target == target_of(BOARDS[name].geometry, name)
    assert content_hash(program) == content_hash(sl.compile(network(), program.target))


def test_the_command_makes_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "import numpy as np, spikeloom as sl\n"
        "net = sl.Network(dt=1e-3)\n"
        "pixels = net.source('pixels', 64)\n"
        "digits = net.population('digits', 10, sl.LIF(tau_mem=20e-3, v_threshold=1.0))\n"
        "net.connect(pixels, digits, weights=np.linspace(0.01, 0.2, 640).reshape(64, 10))\n"
    )
    assert cli.main(["compile", "net.py", "--target", "ulx3s-25f", "-o", "net.loom"]) == 0
    assert content_hash(sl.load("net.loom")) == content_hash(sl.compile(network(), "ulx3s-25f"))


def test_what_a_board_does_not_hold_is_refused():
    with pytest.raises(sl.SpikeloomError) as caught:
        sl.compile(network(300), "tang-nano-9k")
    assert "tang-nano-9k" in str(caught.value)


def test_no_name_stands_for_two_things():
    names = [*BOARDS, *chip_names(), *(name for name in sl.TARGETS if name not in chip_names())]
    assert len(set(names)) == len(names)


def test_an_unknown_name():
    message = (
        "unknown target\n  found: 'ulx3s-58f'\n  expected: one of core, emulator; a chip's name or "
        "file; a board that `spikeloom boards` lists; or a spikeloom.Target"
    )
    with pytest.raises(sl.CompileError, match=f"^{re.escape(message)}$"):
        sl.compile(network(), "ulx3s-58f")
