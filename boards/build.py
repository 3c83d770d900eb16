"""From a design to a bitstream, made once and kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cache import cache_folder
from ..errors import DeviceError
from . import counts
from .flow import BITSTREAM, place_and_pack, run_step, synthesis, write_sources
from .report import Clock, Placed, cells, check_timing, read_report
from .tools import FAMILY_TOOLS, find_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .design import Design
    from .tools import Found


def _silent(what: str) -> None:
    pass


@dataclass(frozen=True)
class Built:
    """A bitstream, and what it was made with.

    Attributes:
        design: what was built.
        folder: where all files of the build are.
        build: its hash.
        device_build: the hash that the device tells in HELLO.
        placed: the report of place and route.
        tools: one line for each tool.
        seconds: what it took; 0 where it was there already.
        cached: whether it was there already.
    """

    design: Design
    folder: Path
    build: str
    device_build: str
    placed: Placed
    tools: tuple[str, ...]
    seconds: float
    cached: bool

    @property
    def bitstream(self) -> Path:
        """The file that is flashed."""
        return self.folder / BITSTREAM[self.design.board.part.family]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        sparse, dense = self.design.synapses
        return {
            **self.design.to_dict(),
            "build": self.build,
            "device_build": self.device_build,
            "folder": str(self.folder),
            "bitstream": str(self.bitstream),
            "bytes": self.bitstream.stat().st_size,
            **self.placed.to_dict(),
            "neurons": self.design.neurons,
            "synapses": {"sparse": sparse, "dense": dense, "plastic": self.design.plastic},
            "tools": list(self.tools),
            "seconds": self.seconds,
            "cached": self.cached,
        }


def find_tools(family: str) -> dict[str, Found]:
    """All tools that a family's bitstreams take.

    Raises:
        DeviceError: one is missing; with all that was examined.
    """
    return {name: find_tool(name) for name in FAMILY_TOOLS[family]}


def build(design: Design, *, again: bool = False, tell: Callable[[str], object] = _silent) -> Built:
    """Make the bitstream, unless it is there already.

    Args:
        design: of a board whose tools are open; see ``vivado`` for the others.
        again: make it even so.
        tell: is told what is being done.

    Raises:
        FitError: it does not fit the board, or does not meet its timing.
        DeviceError: a tool is missing, or failed.
    """
    family = design.board.part.family
    tools = find_tools(family)
    told = tuple(tools[name].told for name in tools)
    name = design.build_hash(f"{found.tool.name} {found.version}" for found in tools.values())
    folder = cache_folder() / "boards" / f"{design.board.name}-{name[:16]}"
    device_build = design.descriptor().build
    if not again and (folder / "result.json").is_file():
        placed = _read(folder / "result.json")
        if placed is not None and (folder / BITSTREAM[family]).is_file():
            built = Built(design, folder, name, device_build, placed, told, 0.0, True)
            check_timing(placed, design)
            return built
    begun = time.perf_counter()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its place, and moved there whole: an interrupted build leaves nothing behind.
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        placed = make(design, tools, partial, tell)
        _keep(partial, folder, placed)
    except DeviceError as error:
        raise _with_logs(error, partial, folder) from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    seconds = time.perf_counter() - begun
    check_timing(placed, design)
    return Built(design, folder, name, device_build, placed, told, seconds, False)


def make(
    design: Design, tools: Mapping[str, Found], folder: Path, tell: Callable[[str], object]
) -> Placed:
    """Every step, in a folder.

    Raises:
        FitError: the counts after synthesis are more than the board has.
        DeviceError: a tool failed.
    """
    tell("generating the device")
    write_sources(design, folder)
    run_step(synthesis(design), tools, folder, tell)
    part = design.board.part
    counts.check_counts(counts.counted(part.family, cells(folder)), part, design.board.name)
    for step in place_and_pack(design):
        run_step(step, tools, folder, tell)
    return read_report(design, folder)


def _with_logs(error: DeviceError, partial: Path, folder: Path) -> DeviceError:
    """The error, with the place where all that the tools said is kept."""
    failed = folder.with_name(f"{folder.name}-failed")
    shutil.rmtree(failed, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.replace(partial, failed)
    where = f"{error.where}; " if error.where else ""
    return DeviceError(
        error.problem, found=error.found, expected=error.expected,
        where=f"{where}all that the tools said is in {failed}", remedy=error.remedy,
    )  # fmt: skip


def _keep(partial: Path, folder: Path, placed: Placed) -> None:
    text = json.dumps(placed.to_dict(), indent=2)
    (partial / "result.json").write_text(text + "\n", encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    with contextlib.suppress(OSError):
        os.replace(partial, folder)
    if not (folder / "result.json").is_file():
        raise DeviceError(
            "the build cannot be kept", where=folder, remedy="check the cache folder's rights"
        )


def _read(path: Path) -> Placed | None:
    """What an earlier build wrote; None where it is of another form."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        used = {name: (of["used"], of["available"]) for name, of in data["used"].items()}
        clocks = tuple(Clock(c["name"], c["achieved_mhz"], c["needed_mhz"]) for c in data["clocks"])
        return Placed(used, clocks, data["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
