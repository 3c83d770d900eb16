"""From a design to a shared library, built once and kept in the user's cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cache import cache_folder
from ...errors import DeviceError
from ...hdl.export import to_rtlil
from ...hdl.layout import layout, path
from ...hdl.source_hash import source_hash
from ...hdl.streams import OUTPUT_END, chip_input_layout, chip_output_layout
from . import tools
from .netlist import SCRIPT, Netlist
from .translate import translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...hdl.geometry import Geometry

DRIVER = Path(__file__).with_name("driver.cpp")
MAKERS = (
    "build.py", "cells.py", "netlist.py", "operands.py", "parts.py", "tools.py", "translate.py",
)  # fmt: skip
"""Modules that a model depends on, beside the design's own."""

_ZEROS = re.compile(
    r"^  cell \$meminit_v2 \S+\n(?:    .*\n)*?    connect \\DATA \d+'0+\n(?:    .*\n)*?  end\n",
    re.MULTILINE,
)
"""Initial contents of a memory that are nothing but zeros, as it begins anyway."""


def build_hash(geometry: Geometry) -> str:
    """Names a build of a core: the design's sources, its parameters, and the tools that make it."""
    return _hash(source_hash(geometry.to_dict()), DRIVER.read_text(encoding="utf-8"))


def library(geometry: Geometry) -> Path:
    """The shared library of a core, built now unless it has been built before.

    Raises:
        DeviceError: a tool failed; with its last words.
    """
    name = build_hash(geometry)
    return _kept(name, lambda folder: _build_core(geometry, int(name[:8], 16), folder))


def changed_library(
    geometry: Geometry, change: Callable[[Path], None], more: str, folder: Path
) -> Path:
    """The shared library of a core that is not as it should be.

    Args:
        change: changes the netlist, a JSON file.
        more: C++ source that follows the driver's.
        folder: where it is built.

    Raises:
        DeviceError: a tool failed; with its last words.
    """
    return _build_core(geometry, int(build_hash(geometry)[:8], 16), folder, change, more)


def compile_design(design: Any, harness: str) -> ctypes.CDLL:
    """A design's model, wrapped by C++ code that exports C functions.

    Args:
        design: an Amaranth component; its ports are fields of ``Circuit``, and
            ``step(Circuit &)`` computes a clock cycle.
        harness: C++ source that follows the model's.

    Raises:
        DeviceError: a tool is missing, or fails.
    """
    text = to_rtlil(design, "top")

    def make(folder: Path) -> Path:
        _, model = _translated(text, "top", folder)
        return _compiled(model + harness, folder)

    missing = tools.missing_tools()
    if missing:
        raise DeviceError(
            "the hardware cannot be simulated: a tool is missing",
            found=missing,
            remedy="install it, then try again",
        )
    return ctypes.CDLL(str(_kept(_hash(text, harness), make)))


def memory_names(geometry: Geometry) -> list[tuple[int, str, int, int, str]]:
    """Core, table, lane, column and hierarchical path of every memory, in the driver's order."""
    if geometry.micro:
        return []  # tables share memories
    return [
        (core, name, lane, column, path(name, lane, column, core if geometry.cores > 1 else None))
        for core in range(geometry.cores)
        for name, table in layout(geometry).items()
        for lane in range(table.banks)
        for column in range(len(table.widths))
    ]


def _hash(*parts: str) -> str:
    makers = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in MAKERS)
    digest = hashlib.sha256()
    for part in (*parts, *makers, *tools.versions()):
        digest.update(len(part).to_bytes(8, "little") + part.encode())
    return digest.hexdigest()


def _kept(name: str, make: Callable[[Path], Path]) -> Path:
    """The library of this name in the cache; made in a folder of its own if it is not there."""
    kept = cache_folder() / "rtl" / f"{name[:32]}.so"
    if kept.is_file():
        return kept
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            made = make(Path(folder))
            os.replace(made, kept)  # whoever builds the same at the same time loses nothing
    except OSError as error:
        raise DeviceError(
            "the compiled model cannot be kept",
            found=error,
            where=kept.parent,
            remedy="set SPIKELOOM_CACHE to a folder that can be written",
        ) from error
    return kept


def _translated(
    text: str, top: str, folder: Path, change: Callable[[Path], None] | None = None
) -> tuple[Netlist, str]:
    """RTLIL, yosys' netlist, which may be changed, C++."""
    (folder / f"{top}.il").write_text(_ZEROS.sub("", text), encoding="utf-8")
    # Bits that nobody uses are no places for a change.
    script = SCRIPT.replace("write_json", "wreduce\nopt_clean -purge\nwrite_json")
    tools.run_yosys((script if change else SCRIPT).format(top=top), folder)
    if change:
        change(folder / f"{top}.json")
    netlist = Netlist(folder / f"{top}.json", top)
    return netlist, translate(netlist)


def _compiled(text: str, folder: Path) -> Path:
    (folder / "model.cpp").write_text(text, encoding="utf-8")
    return tools.run_compiler("model.cpp", "model.so", folder)


def _build_core(
    geometry: Geometry,
    build: int,
    folder: Path,
    change: Callable[[Path], None] | None = None,
    more: str = "",
) -> Path:
    from ...hdl.mesh import make_chip

    text = _without_reset(to_rtlil(make_chip(geometry, build=build), "core"), "core")
    netlist, model = _translated(text, "core", folder, change)
    entries = (
        f"SL_MEMORY({number}, m{memory.number}, {lane}, {memory.lanes})"
        for number, (memory, lane) in enumerate(
            netlist.memories[place] for *_, place in memory_names(geometry)
        )
    )
    head = (
        f"#define SL_MEMORIES {' '.join(entries)}\n"
        f"#define SL_SELECT {int(geometry.cores > 1)}\n"
        f"#define SL_INPUT_PLACES {_places(chip_input_layout(geometry).values())}\n"
        f"#define SL_OUTPUT_PLACES {_places(chip_output_layout(geometry).values())}\n"
        f"#define SL_OUTPUT_END {OUTPUT_END}\n"
    )
    return _compiled(model + head + DRIVER.read_text(encoding="utf-8") + more, folder)


def _without_reset(text: str, top: str) -> str:
    """A design in RTLIL whose reset is never active: the driver makes a new one instead."""
    begin = text.index(f"\nmodule \\{top}\n")
    end = text.index("\nend\n", begin)
    module, found = re.subn(
        r"^  wire width 1 input \d+\s+\\rst$", r"  wire width 1 \\rst",
        text[begin:end], flags=re.MULTILINE,
    )  # fmt: skip
    if found != 1:
        raise DeviceError(
            "the generated core is not as expected",
            found=f"{found} resets",
            remedy="install the version of Amaranth that `spikeloom[rtl]` asks for",
        )
    return f"{text[:begin]}{module}\n  connect \\rst 1'0{text[end:]}"


def _places(widths: Iterable[int]) -> str:
    places, low = [], 0
    for width in widths:
        places.append(f"Place{{{low}, {width}}}")
        low += width
    return "{" + ", ".join(places) + "}"
