"""Environments for simulators that want one of their own: the command, and what it says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import spikeloom as sl
from spikeloom.backends.brian2.remote import BRIAN2
from spikeloom.backends.peer.install import command_line, make, python_of


@pytest.mark.slow
def test_an_environment_is_made_and_its_use_told(tmp_path, capsys):
    seen: list[Path] = []
    folder = tmp_path / "env"
    install = lambda where: make(BRIAN2, where, [], seen.append)  # noqa: E731
    assert command_line(BRIAN2, install, [str(folder)]) == 0
    assert seen == [python_of(folder)]
    assert subprocess.run([str(python_of(folder)), "-c", "import pip"]).returncode == 0
    assert capsys.readouterr().out == (
        f"Brian2 is in {folder}. To use it:\n\n"
        f"  export SPIKELOOM_BRIAN2_PYTHON={python_of(folder)}\n\n"
        f'or open the device as "brian2?python={python_of(folder)}".\n'
    )
    # It is there, so it is completed: what pip cannot install is told.
    missing = str(tmp_path / "no-such.whl")
    with pytest.raises(sl.DeviceError) as caught:
        make(BRIAN2, folder, [["--no-deps", missing]])
    assert str(caught.value) == (
        "pip could not install Brian2\n"
        f"  where: {python_of(folder)} -m pip install --quiet --no-deps {missing}"
    )

    def fails(where: Path) -> Path:
        raise caught.value

    assert command_line(BRIAN2, fails, [str(folder)]) == caught.value.exit_code
    assert capsys.readouterr().err.startswith("spikeloom: error: pip could not install Brian2\n")
