"""From a geometry to a shared library, built once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ...cache import cache_folder
from ...errors import DeviceError
from ...hdl.layout import layout, path
from ...hdl.streams import OUTPUT_END, input_layout, output_layout
from . import tools
from .quick import FLAGS, quicken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...hdl.geometry import Geometry

NO_HARDWARE = ("cycles.py", "document.py")
"""Modules of `hdl` that can change without the circuit's changing."""

DRIVER = Path(__file__).with_name("driver.cpp")

SCRIPT = """
read_rtlil core.il
delete */t:$meminit_v2 core.control.counters/* %d
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


def build_hash(geometry: Geometry) -> str:
    """Names a build: the design's sources, its parameters, and the tools that make it."""
    digest = hashlib.sha256()
    design = (Path(__file__).parents[2] / "hdl").glob("*.py")
    sources = [*sorted(path for path in design if path.name not in NO_HARDWARE)]
    sources += [DRIVER, *(Path(__file__).with_name(f"{n}.py") for n in ("build", "quick", "tools"))]
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    digest.update(json.dumps([geometry.to_dict(), tools.versions()]).encode())
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
    from ...hdl.core import Core
    from ...hdl.export import to_rtlil

    core = Core(geometry, build=int(build_hash(geometry)[:8], 16))
    (folder / "core.il").write_text(to_rtlil(core, "core"))
    tools.run_yosys(SCRIPT, folder)
    made = folder / "core.cc"
    made.write_text(quicken(made.read_text(), "p_core"))

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
    return tools.run_compiler("all.cpp", "core.so", folder, FLAGS)


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
