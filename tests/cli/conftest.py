"""A folder with a network, a Program and inputs, and the commands in this process."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
from support.paper_program import paper_program

from spikeloom import cli

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
