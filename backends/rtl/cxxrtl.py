"""Amaranth designs as compiled simulation models: RTLIL, CXXRTL, g++, one shared object.

A model is kept in the user's cache under the hash of everything it was made from, so that a
design is compiled once.
"""

from __future__ import annotations

import ctypes
import hashlib
import inspect
import sys
import tempfile
from pathlib import Path
from typing import Any

from ...cache import cache_folder
from ...errors import DeviceError
from . import gated
from .tools import FLAGS, missing_tools, run_compiler, run_yosys, versions


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
    library = cache_folder() / "rtl" / f"{name}.so"
    if not library.exists():
        missing = missing_tools()
        if missing:
            raise DeviceError(
                "the hardware cannot be simulated: a tool is missing",
                found=missing,
                remedy="install it, then try again",
            )
        _build(text, harness, library)
    return ctypes.CDLL(str(library))


def _hash(text: str, harness: str) -> str:
    """Over everything that the library is made from."""
    parts = (text, harness, inspect.getsource(gated), _SCRIPT, *versions(), *FLAGS, sys.platform)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part.encode())
    return digest.hexdigest()[:32]


def _build(text: str, harness: str, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        work = Path(folder)
        (work / "top.il").write_text(text)
        parts = gated.kept_apart(text)
        keep = "".join(f"setattr -mod -set keep_hierarchy 1 {part}\n" for part in parts)
        run_yosys(_SCRIPT.format(keep=keep), work)
        model = gated.gate((work / "top.cc").read_text(), parts)
        (work / "model.cc").write_text(f"{model}\n{harness}")
        # Made under another name: another process may be making the same model.
        run_compiler("model.cc", "model.so", work).replace(library)


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
