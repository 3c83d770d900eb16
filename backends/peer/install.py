"""An environment for a simulator that wants one of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .remote import Peer


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / "bin" / "python"


def make(
    peer: Peer,
    folder: Path,
    requirements: Sequence[Sequence[str]],
    finish: Callable[[Path], None] = lambda python: None,
) -> Path:
    """Make the environment, or complete it.

    Args:
        peer: what goes in.
        folder: of the environment.
        requirements: arguments of consecutive ``pip install`` calls.
        finish: is called with the interpreter at the end.

    Returns:
        Its interpreter.

    Raises:
        DeviceError: pip failed.
    """
    python = python_of(folder)
    if not python.exists():
        venv.create(folder, with_pip=True, symlinks=True)
    for arguments in requirements:
        command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
        if subprocess.run(command).returncode:
            raise DeviceError(f"pip could not install {peer.name}", where=" ".join(command))
    finish(python)
    return python


def command_line(
    peer: Peer, install: Callable[[Path], Path], arguments: Sequence[str] | None
) -> int:
    """The command that installs it, and says how to use it."""
    parser = argparse.ArgumentParser(
        prog=peer.installer, description=f"Install {peer.name} in an environment of its own."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="where the environment goes")
    folder = parser.parse_args(arguments).folder.resolve()
    try:
        python = install(folder)
    except DeviceError as error:
        print(f"spikeloom: error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{peer.name} is in {folder}. To use it:\n")
    print(f"  export {peer.variable}={python}\n")
    print(f'or open the device as "{peer.folder.name}?python={python}".')
    return 0
