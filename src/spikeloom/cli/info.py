"""Say what is in a Program: its target, its names and sizes, and what the compiler reported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.program import Program
from .output import print_json, report_text, table

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
  spikeloom info net.loom
  spikeloom info net.loom --json"""

_MOST_CORES = 16


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("program", metavar="net.loom", help="the Program to look at")


def facts(program: Program) -> dict[str, Any]:
    """Everything worth telling about a Program, as plain JSON data."""
    probes: dict[str, list[str]] = {}
    for probe in program.probes:
        probes.setdefault(probe.of, []).append(probe.variable)
    return {
        "hash": program.content_hash,
        "dt": program.dt,
        "seed": program.seed,
        "target": program.target.to_dict(),
        "cores": [_core(i, core) for i, core in enumerate(program.cores)],
        "sources": [
            {"name": s.name, "size": s.size, "kind": s.kind, "probes": probes.get(s.name, [])}
            for s in program.sources
        ],
        "populations": [
            {
                "name": p.name,
                "size": p.size,
                "cores": len(np.unique(p.core)),
                "scale": _span(p.scale),
                "probes": probes.get(p.name, []),
            }
            for p in program.populations
        ],
        "projections": [
            {
                "name": p.name,
                "pre": p.pre,
                "post": p.post,
                "receptor": p.receptor,
                "synapses": int(n),
            }
            for p, n in zip(program.projections, program.synapses, strict=True)
        ],
        "wheel_depth": program.wheel_depth,
        "report": program.report,
    }


def _core(number: int, core: Any) -> dict[str, int]:
    return {
        "core": number,
        "neurons": core.neurons,
        "axons": core.axons,
        "rows": len(core.rows),
        "sparse synapses": len(core.sparse_target),
        "dense synapses": len(core.dense_weight),
        "profiles": len(core.profiles),
    }


def _span(scale: np.ndarray) -> float | list[float]:
    """One number, or the smallest and the largest."""
    low, high = float(scale.min()), float(scale.max())
    return low if low == high else [low, high]


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    program = Program.load(options.program)
    told = {"file": options.program, "bytes": os.path.getsize(options.program), **facts(program)}
    if options.json:
        print_json(told)
        return 0
    target = program.target
    print(f"{options.program}: {told['bytes']} bytes, hash {told['hash']}")
    print(
        f"step {program.dt:g} s, target {target.name!r}: "
        f"{target.mesh[0]} x {target.mesh[1]} cores, "
        f"{target.state_bits} bit state, {target.weight_bits} bit weights, "
        f"{len(program.cores)} cores used, delay wheel of {program.wheel_depth} steps"
    )
    for name in ("sources", "populations", "projections", "cores"):
        rows = told[name]
        if name == "cores" and len(rows) > _MOST_CORES:
            print(f"\nthe first {_MOST_CORES} of {len(rows)} cores (--json has all)")
            rows = rows[:_MOST_CORES]
        if rows:
            header = list(rows[0])
            print()
            print(table([[_cell(row[key]) for key in header] for row in rows], header))
    if program.report:
        print("\n" + report_text(program.report), end="")
    return 0


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value) or "-"
    return f"{value:g}" if isinstance(value, float) else value
