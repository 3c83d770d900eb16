"""The clock that a core, or a mesh of them, reaches, placed and routed by nextpnr on Lattice ECP5.

    python benchmarks/hardware_timing.py [configuration …] [--device 85k] [--words 4096]

The core stands between two shift registers, so that it needs three pins and every path of it lies
between registers. Native tools on the path, or those that YOSYS and NEXTPNR_ECP5 name, are taken
before those of the Python package index, which take several times as long: then a core that learns
takes an hour. docs/hardware.md records the result.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import In, Out
from hardware_resources import CONFIGURATIONS, SYNTHESIS

from spikeloom.boards.tools import find_tool
from spikeloom.hdl.component import Component
from spikeloom.hdl.core import Core
from spikeloom.hdl.export import to_rtlil
from spikeloom.hdl.mesh import Mesh, make_chip
from spikeloom.hdl.micro.core import MicroCore


class Pinned(Component):
    """A chip whose inputs come from a shift register and whose outputs go into one."""

    def __init__(self, core: Core | Mesh | MicroCore) -> None:
        self.core = core
        super().__init__({"given": In(1), "made": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        """Inputs shift on in every cycle; outputs are registered, then folded."""
        m = Module()
        m.submodules.core = core = self.core
        bus, source, sink = core.bus, core.input, core.output
        inputs = [
            bus.valid, bus.write, bus.address, bus.data, source.valid,
            source.payload.as_value(), sink.ready,
        ]  # fmt: skip
        if isinstance(core, Mesh):
            inputs.append(core.select)
        outputs = [
            bus.ready, bus.done, bus.read, source.ready, sink.valid, sink.payload.as_value(),
        ]  # fmt: skip
        shifted = Signal(sum(len(value) for value in inputs))
        seen = Signal(sum(len(value) for value in outputs))
        folded = Signal.like(seen)
        m.d.sync += [
            shifted.eq(Cat(self.given, shifted)),
            seen.eq(Cat(*outputs)),
            folded.eq(Cat(0, folded) ^ seen),
            self.made.eq(folded[-1]),
        ]
        m.d.comb += Cat(*inputs).eq(shifted)  # pyright: ignore[reportAttributeAccessIssue]
        return m


def place(name: str, device: str, words: int, aim: int, folder: Path) -> dict[str, Any]:
    """nextpnr's report."""
    geometry = CONFIGURATIONS[name]
    geometry = replace(geometry, words=min(geometry.words, words))
    (folder / "core.il").write_text(to_rtlil(Pinned(make_chip(geometry)), "core"))
    script = f"read_rtlil core.il; {SYNTHESIS['ecp5']} -json core.json"
    yosys, nextpnr = find_tool("yosys"), find_tool("nextpnr-ecp5")
    print(name, yosys.told, nextpnr.told, sep=", ", flush=True)
    subprocess.run([*yosys.command, "-q", "-p", script], cwd=folder, check=True)
    # The other router does not find its way where memories stand close together.
    options = [
        f"--{device}", "--package", "CABGA381", "--json", "core.json", "--freq", str(aim),
        "--quiet", "--lpf-allow-unconstrained", "--timing-allow-fail", "--router", "router1",
        "--report", "report.json",
    ]  # fmt: skip
    subprocess.run([*nextpnr.command, *options], cwd=folder, check=True)
    return json.loads((folder / "report.json").read_text())


def main() -> None:
    """Print the clock, what was used, and the slowest path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configurations", nargs="*", default=["256-short"])
    parser.add_argument("--device", default="85k", choices=["25k", "45k", "85k"])
    parser.add_argument("--words", type=int, default=4096, help="most entries of a lane's synapses")
    parser.add_argument("--aim", type=int, default=60, help="MHz that nextpnr is asked for")
    given = parser.parse_args()
    for name in given.configurations:
        with tempfile.TemporaryDirectory() as folder:
            report = place(name, given.device, given.words, given.aim, Path(folder))
        clocks = {k: round(v["achieved"], 1) for k, v in report["fmax"].items()}
        used = {k: v["used"] for k, v in report["utilization"].items() if v["used"]}
        print(name, json.dumps({"MHz": clocks, "used": used}), flush=True)
        for path in report["critical_paths"]:
            print(path["from"], "→", path["to"])
            for part in path["path"]:
                there = part["to"]
                print(f"  {part['delay']:6.2f} {part['type']:9} {there['cell']}.{there['port']}")


if __name__ == "__main__":
    main()
