"""The commands that make a bitstream, family by family."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import DeviceError
from ..hdl.layout import layout, path
from .constraints import SUFFIX, constraints
from .tools import FAMILY_TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .design import Design
    from .tools import Found

TOP = "top"
"""Name of the top module, and of all files."""

_SYNTHESIS = {
    "ice40": "synth_ice40 -dsp",
    "ecp5": "scratchpad -set abc9.D {period}; synth_ecp5",
    "gowin": "synth_gowin",
    "gatemate": "synth_gatemate -luttree -nomx8",
    "xc7": "synth_xilinx -family xc7 -flatten",
}
"""For ECP5 with the delay that logic may have, in ps: what is faster is also larger."""

BITSTREAM = {"ice40": "top.bin", "ecp5": "top.bit", "gowin": "top.fs", "gatemate": "top.bit"}
"""Family -> name of the file that is flashed."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        tool: its name.
        what: what it does, for people.
        arguments: of it.
    """

    tool: str
    what: str
    arguments: tuple[str, ...]


def write_sources(design: Design, folder: Path) -> None:
    """The circuit as RTLIL, and the constraints."""
    from ..hdl.export import to_rtlil
    from .top import BoardTop

    top = BoardTop(design.board, design.device(), design.clock_hz)
    (folder / f"{TOP}.il").write_text(to_rtlil(top, TOP), encoding="utf-8")
    name = f"{TOP}.{SUFFIX[design.board.part.family]}"
    (folder / name).write_text(constraints(design.board), encoding="utf-8")


def synthesis(design: Design) -> Step:
    """Cells of the family, as JSON, and their counts."""
    family = design.board.part.family
    command = _SYNTHESIS[family].format(period=round(1e12 / design.clock_hz))
    netlist = "" if family == "xc7" else f" -json {TOP}.json"
    told = "tee -q -o stat.json stat -json"
    script = f"read_rtlil {TOP}.il; {_styles(design)}{command} -top {TOP}{netlist}; {told}"
    return Step("yosys", "synthesis", ("-q", "-p", script))


def _styles(design: Design) -> str:
    """Commands that put the board's light and single tables where they belong."""
    tables, core = layout(design.geometry), f"{TOP}.device.core"
    out = []
    for style, names in (("distributed", design.board.light), ("huge", design.board.single)):
        places = {
            f"{core}.{path(name, lane, 0).rpartition('.')[0]}/m:*"
            for name in names
            if name in tables
            for lane in range(tables[name].banks)
        }
        if design.geometry.micro:  # its memories hold many tables each
            places = {f"{core}/m:{name}" for name in names}
        out += [f'setattr -set ram_style "{style}" {place}; ' for place in sorted(places)]
        if style == "huge":
            cells = sorted({place.partition("/")[0] for place in places})
            out += [f"delete {cell}/t:$meminit*; " for cell in cells]
    return "".join(out)


def place_and_pack(design: Design) -> tuple[Step, ...]:
    """Place, route, and make the bitstream."""
    part, seed = design.board.part, str(design.seed)
    _, placer, packer = FAMILY_TOOLS[part.family]
    target = f"{design.clock_hz / 1e6:g}"
    common = (
        "--json", f"{TOP}.json", "--freq", target, "--seed", seed, "--timing-allow-fail",
        "--report", "report.json",
    )  # fmt: skip
    if part.family == "ice40":
        place = (
            f"--{part.device}", "--package", part.package, "--pcf", f"{TOP}.pcf",
            "--asc", f"{TOP}.asc", *common,
        )  # fmt: skip
        pack = (f"{TOP}.asc", BITSTREAM["ice40"])
    elif part.family == "ecp5":
        # The other router does not find its way where memories stand close together; which of the
        # two is the default is a matter of nextpnr's version.
        place = (
            f"--{part.device}", "--package", part.package, "--speed", part.speed,
            "--lpf", f"{TOP}.lpf", "--textcfg", f"{TOP}.config", "--router", "router1", *common,
        )  # fmt: skip
        pack = ("--compress", f"{TOP}.config", BITSTREAM["ecp5"])
    elif part.family == "gowin":
        place = (
            "--device", part.device, "--vopt", f"family={part.tool_family}",
            "--vopt", f"cst={TOP}.cst", "--write", f"{TOP}.pnr.json", *common,
        )  # fmt: skip
        pack = ("-d", part.tool_family, "-o", BITSTREAM["gowin"], f"{TOP}.pnr.json")
    else:
        place = (
            "--device", part.device, "--vopt", f"ccf={TOP}.ccf", "--vopt", f"out={TOP}.txt",
            *common,
        )  # fmt: skip
        pack = (f"{TOP}.txt", BITSTREAM["gatemate"])
    return Step(placer, "place and route", place), Step(packer, "bitstream", pack)


def run_step(
    step: Step, tools: Mapping[str, Found], folder: Path, tell: Callable[[str], object]
) -> None:
    """Run one command in a folder; what it says is kept beside its results.

    Raises:
        DeviceError: it failed; with its own words.
    """
    found = tools[step.tool]
    tell(f"{step.what}: {found.told}")
    command = [*found.command, *step.arguments]
    log = folder / f"{step.tool}.log"
    with log.open("w", encoding="utf-8") as out:
        out.write(" ".join(step.arguments) + "\n")
        out.flush()
        code = subprocess.run(
            command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in said if line.startswith("ERROR")] or said[-10:]
        raise DeviceError(
            f"{step.what} failed",
            found="\n".join(errors)[:2000] or f"exit code {code}",
            where=found.told,
        )
