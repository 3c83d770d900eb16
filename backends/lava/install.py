"""Install Lava in an environment of its own: ``python -m spikeloom.backends.lava.install DIR``.

lava-nc 0.10.0 declares Python below 3.11 and pins that no longer resolve, yet the parts that
Spikeloom uses work unchanged on 3.11 to 3.13. So it is installed without its dependencies, these
beside it, and ``worker/python311.py`` with a ``.pth`` file that imports it when Python starts,
which mends the one module that newer Pythons refuse: any script for Lava runs there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

from ...errors import DeviceError
from .remote import VARIABLE

HERE = Path(__file__).resolve().parent
HOOK = "lava_on_python311"

REQUIREMENTS: list[list[str]] = [
    # With NumPy 2.4 some of Lava's processes hang; 2.3.5 is the last good one, and needs 3.11.
    [
        "numpy==2.3.5; python_version >= '3.11'",
        "numpy<2; python_version < '3.11'",
        "scipy",
        "networkx",  # Lava's compiler
        "asteval",  # its learning rules, imported with everything else
        "scikit-learn",  # the same
        "matplotlib",  # its monitors
        "pandas",  # its profilers
    ],
    ["--no-deps", "--ignore-requires-python", "lava-nc==0.10.0"],
]
"""Arguments of consecutive ``pip install`` calls."""


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / "bin" / "python"


def install(folder: Path) -> Path:
    """Make the environment, or complete it.

    Returns:
        Its interpreter.

    Raises:
        DeviceError: pip failed.
    """
    python = python_of(folder)
    if not python.exists():
        venv.create(folder, with_pip=True, symlinks=True)
    for arguments in REQUIREMENTS:
        command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
        if subprocess.run(command).returncode:
            raise DeviceError("pip could not install Lava", where=" ".join(command))
    add_hook(python)
    return python


def add_hook(python: Path) -> None:
    """Let that interpreter import Lava, whatever script it runs."""
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    packages = Path(answer.stdout.strip())
    source = (HERE / "worker" / "python311.py").read_text(encoding="utf-8")
    (packages / f"{HOOK}.py").write_text(source, encoding="utf-8")
    (packages / f"{HOOK}.pth").write_text(f"import {HOOK}\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m spikeloom.backends.lava.install",
        description="Install Lava in an environment of its own.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="where the environment goes")
    folder = parser.parse_args(arguments).folder.resolve()
    try:
        python = install(folder)
    except DeviceError as error:
        print(f"spikeloom: error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"Lava is in {folder}. To use it:\n")
    print(f"  export {VARIABLE}={python}\n")
    print(f'or open the device as "lava?python={python}".')
    return 0


if __name__ == "__main__":
    sys.exit(main())
