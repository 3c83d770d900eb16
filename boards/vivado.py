"""Builds by Vivado, in batch: a project folder that needs no hand work, run here or by ssh."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError, FitError
from . import counts
from .constraints import constraints
from .flow import TOP, run_step, synthesis, write_sources
from .report import cells
from .tools import find_tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from .design import Design

_TCL = """\
# Makes {top}.bit; run it by: vivado -mode batch -nojournal -source build.tcl
set_param general.maxThreads 4
read_verilog {top}.v
read_xdc {top}.xdc
synth_design -top {top} -part {part}
opt_design
place_design
phys_opt_design
route_design
report_utilization -file utilization.rpt
report_timing_summary -file timing.rpt
proc cells {{pattern}} {{
    return [llength [get_cells -quiet -hierarchical -filter "REF_NAME =~ $pattern"]]
}}
set slack [get_property SLACK [get_timing_paths -max_paths 1]]
set out [open result.json w]
puts $out "{{\\"slack_ns\\": $slack, \\"LUT\\": [cells LUT*], \\"FF\\": [cells FD*],"
puts $out "\\"RAMB18\\": [cells RAMB18*], \\"RAMB36\\": [cells RAMB36*],"
puts $out "\\"DSP\\": [cells DSP48*]}}"
close $out
if {{$slack < 0}} {{
    puts "ERROR: the design does not meet its timing, slack $slack ns"
    exit 2
}}
write_bitstream -force {top}.bit
"""
COMMAND = ("-mode", "batch", "-nojournal", "-source", "build.tcl")
BITSTREAM = f"{TOP}.bit"
_PRIMITIVES = ("+/xilinx/cells_sim.v", "+/xilinx/cells_xtra.v")
"""Where yosys describes what the clock generator is made of."""


def write_project(
    design: Design, folder: Path, tell: Callable[[str], object] = lambda what: None
) -> dict[str, int]:
    """Verilog, constraints and the script, and the counts that yosys makes of them.

    Args:
        design: of a board with an Artix-7.
        folder: where; it is made.
        tell: is told what is being done.

    Returns:
        Resource -> what yosys counts.

    Raises:
        FitError: the counts are more than the board has.
        DeviceError: yosys is missing, or failed.
    """
    from ..hdl.verilog import to_verilog
    from .top import BoardTop

    tools = {"yosys": find_tool("yosys")}
    folder.mkdir(parents=True, exist_ok=True)
    tell("generating the device")
    write_sources(design, folder)
    top = BoardTop(design.board, design.device(), design.clock_hz)
    (folder / f"{TOP}.v").write_text(to_verilog(top, TOP, _PRIMITIVES), encoding="utf-8")
    (folder / f"{TOP}.xdc").write_text(constraints(design.board), encoding="utf-8")
    script = _TCL.format(top=TOP, part=design.board.part.device)
    (folder / "build.tcl").write_text(script, encoding="utf-8")
    run_step(synthesis(design), tools, folder, tell)
    used = counts.counted("xc7", cells(folder))
    counts.check_counts(used, design.board.part, design.board.name)
    return used


def run_project(
    design: Design,
    folder: Path,
    ssh: str | None = None,
    tell: Callable[[str], object] = lambda what: None,
) -> dict[str, Any]:
    """Have Vivado make the bitstream.

    Args:
        design: that of the folder.
        folder: as ``write_project`` left it.
        ssh: run it there, ``user@host``; Vivado is on the path there.
        tell: is told what is being done.

    Returns:
        ``slack_ns`` and the counts.

    Raises:
        FitError: the timing is not met.
        DeviceError: Vivado, ssh or scp is missing, or failed.
    """
    (folder / "result.json").unlink(missing_ok=True)
    if ssh is None:
        found = find_tool("vivado")
        tell(f"Vivado: {found.told}")
        code = _run([*found.command, *COMMAND], folder)
    else:
        code = _by_ssh(ssh, folder, tell)
    result = _result(folder)
    if result is not None and result["slack_ns"] < 0:
        raise FitError(
            "the design does not meet its timing",
            found=f"slack {result['slack_ns']} ns",
            expected=f"{design.clock_hz / 1e6:g} MHz",
            where=folder / "timing.rpt",
            remedy="a slower --clock, fewer lanes (--lanes) or fewer --state-bits",
        )
    if code or result is None or not (folder / BITSTREAM).is_file():
        log = folder / "vivado.out"
        said = log.read_text(errors="replace").splitlines() if log.is_file() else []
        errors = [line for line in said if line.startswith("ERROR")] or said[-10:]
        raise DeviceError(
            "Vivado failed", found="\n".join(errors)[:2000] or f"exit code {code}", where=log
        )
    return result


def _by_ssh(ssh: str, folder: Path, tell: Callable[[str], object]) -> int:
    """Copy the project there, run it, and copy the results back."""
    for tool in ("ssh", "scp"):
        if shutil.which(tool) is None:
            raise DeviceError(f"{tool} is missing", remedy="install an OpenSSH client")
    if ssh.startswith("-"):
        raise DeviceError("this is no host", found=repr(ssh), expected="user@host")
    there = f"spikeloom-{folder.name}"
    tell(f"Vivado at {ssh}, in {there}")
    sources = [str(folder / name) for name in (f"{TOP}.v", f"{TOP}.xdc", "build.tcl")]
    words = " ".join(("vivado", *COMMAND))
    for command in (
        ["ssh", ssh, f"mkdir -p {shlex.quote(there)}"],
        ["scp", "-q", *sources, f"{ssh}:{there}/"],
    ):
        if _run(command, folder):
            return 1
    code = _run(["ssh", ssh, f"cd {shlex.quote(there)} && {words}"], folder)
    for name in ("result.json", "timing.rpt", "utilization.rpt", BITSTREAM):
        _run(["scp", "-q", f"{ssh}:{there}/{name}", str(folder / name)], folder)
    return code


def _run(command: list[str], folder: Path) -> int:
    """A command in the project's folder; what it says is appended to ``vivado.out``."""
    with (folder / "vivado.out").open("a", encoding="utf-8") as out:
        return subprocess.run(
            command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, check=False
        ).returncode


def _result(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        return {**found, "slack_ns": float(found["slack_ns"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None
