"""Install Lava in an environment of its own: ``python -m spikeloom.backends.lava.install DIR``.

lava-nc 0.10.0 declares Python below 3.11 and pins that no longer resolve, yet the parts that
Spikeloom uses work unchanged on 3.11 to 3.13. So it is installed without its dependencies, these
beside it, and ``worker/python311.py`` with a ``.pth`` file that imports it when Python starts,
which mends the one module that newer Pythons refuse: any script for Lava runs there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ..peer.install import command_line, make
from .remote import LAVA

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


def install(folder: Path) -> Path:
    """Make the environment, or complete it.

    Returns:
        Its interpreter.

    Raises:
        DeviceError: pip failed.
    """
    return make(LAVA, folder, REQUIREMENTS, add_hook)


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
    return command_line(LAVA, install, arguments)


if __name__ == "__main__":
    sys.exit(main())
