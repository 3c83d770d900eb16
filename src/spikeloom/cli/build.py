"""Make a board's bitstream.

For FPGAs with open tools: yosys, nextpnr and the family's packer, all from the Python package
index, or native where the machine has them. For those without: a project that Vivado works through
without a hand, here, at another machine (--ssh), or later (--project). A design that does not fit
the board, or does not meet its timing, is an error that says what to reduce.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..board_bake import contents_of
from ..boards.catalogue import find_board
from ..boards.design import Design
from ..cache import cache_folder
from ..compiler.program import Program
from ..errors import InputError
from .output import Waiting, print_json, table
from .sizes import add_sizes, geometry_of, needs_hardware_tools

if TYPE_CHECKING:
    import argparse

    from ..boards.build import Built

EXAMPLE = """\
  spikeloom build --board ulx3s-25f
  spikeloom build --board ulx3s-85f --for net.loom
  spikeloom build --board ulx3s-25f --bake net.loom    # holds that network from power-on
  spikeloom build --board icebreaker --lanes 1 --neurons 64 --clock 12e6 --json
  spikeloom build --board basys3 --project basys3      # for Vivado, later
  spikeloom build --board arty-a7-35t --ssh me@lab     # with the Vivado there"""

VIVADO = "xc7"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("--board", required=True, metavar="NAME", help="which (spikeloom boards)")
    add("--clock", type=float, metavar="HZ", help="the core's clock (default: the board's)")
    add("--baud", type=int, metavar="N", help="the line's fastest (default: the board's)")
    add("--max-payload", type=int, metavar="BYTES", help="of a frame (default: the board's)")
    add("--seed", type=int, default=1, metavar="N", help="of place and route (default: 1)")
    add("--bake", metavar="net.loom", help="a Program that is in the bitstream itself")
    add("--again", action="store_true", help="build even if the same was built before")
    vivado = parser.add_mutually_exclusive_group()
    vivado.add_argument("--project", metavar="FOLDER", help="write the Vivado project, run nothing")
    vivado.add_argument("--ssh", metavar="USER@HOST", help="run the Vivado of another machine")
    add_sizes(parser, "default: the board's")


def design_of(options: argparse.Namespace) -> Design:
    """What the options ask for."""
    board = find_board(options.board)
    clock = options.clock
    if clock is not None and not 1e6 <= clock <= 1e9:
        raise InputError(
            "this is no clock frequency",
            found=f"--clock {clock:g}",
            expected="a number of Hz, such as 45e6",
        )
    geometry = geometry_of(options, board.geometry)
    contents = None
    if options.bake is not None:
        contents = contents_of(Program.load(options.bake), geometry)
    return Design.of(
        board,
        geometry,
        clock_hz=None if clock is None else round(clock),
        baud=options.baud,
        max_payload=options.max_payload,
        seed=options.seed,
        contents=contents,
    )


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    design = design_of(options)
    if design.board.part.family == VIVADO:
        return _vivado(options, design)
    if options.project or options.ssh:
        raise InputError(
            "this board's bitstreams are not made by Vivado",
            found=options.board,
            remedy="leave --project and --ssh out",
        )
    with needs_hardware_tools():
        from ..boards.build import build

    with Waiting("building"):
        built = build(design, again=options.again, tell=_tell)
    if options.json:
        print_json(built.to_dict())
    else:
        print(report(built))
    return 0


def _tell(what: str) -> None:
    print(what, file=sys.stderr)


def report(built: Built) -> str:
    """The result for people."""
    design = built.design
    rows = [
        (name, used, there, f"{100 * used / there:.0f} %")
        for name, (used, there) in built.placed.used.items()
    ]
    lines = [
        f"{design.board.name}, {design.board.part.name}: {built.bitstream}",
        "",
        table(rows, ("resource", "used", "available", "share")),
        "",
    ]
    clocks = [
        (f"{c.needed_mhz:.1f}", f"{c.achieved_mhz:.1f}", f"{c.slack_ns:+.2f}", c.name)
        for c in built.placed.clocks
    ]
    lines.append(table(clocks, ("MHz", "could be", "slack ns", "clock")))
    path = built.placed.path
    if path is not None:
        lines.append(f"slowest: {path['ns']} ns, {path['levels']} levels of logic, from")
        lines.append(f"  {path['from']} to {path['to']}")
    sparse, dense = design.synapses
    g = design.geometry
    cores = f"{g.cores} cores, " if g.cores > 1 else ""
    quiet = quiet_step(design)
    kinds = [f"{sparse} sparse synapses or {dense} dense ones"] if sparse else []
    kinds += [f"{design.plastic} synapses that learn"] if design.plastic else []
    lines += [
        "",
        f"{cores}{design.neurons} neurons, {g.lanes} lanes, {', '.join(kinds)}, {design.baud} baud",
    ]
    if quiet is not None:
        lines.append(
            f"a step without spikes takes {quiet} cycles, {1e6 * quiet / design.clock_hz:.2f} us; "
            "for a network's: spikeloom fit NET"
        )
    else:
        lines.append("for a network's steps: spikeloom fit NET")
    lines += [
        f"build {built.build[:16]}; the device says {built.device_build}"
        + (", built before" if built.cached else f", built in {built.seconds:.0f} s"),
    ]
    return "\n".join(lines)


def quiet_step(design: Design) -> int | None:
    """Cycles of a step in which nobody spikes and all neurons are updated; None of the small core,
    where that depends on the network."""
    if design.geometry.micro:
        return None
    from ..hdl.cycles import OVERHEAD
    from ..hdl.mesh_cycles import QUIET

    agreed = QUIET if design.geometry.cores > 1 else 0
    return OVERHEAD + max(1, design.geometry.update_groups) + agreed


def _vivado(options: argparse.Namespace, design: Design) -> int:
    with needs_hardware_tools():
        from ..boards import counts, vivado
        from ..boards.tools import find_tool

        if not options.project and not options.ssh:
            find_tool("vivado")  # before anything that takes long
    name = f"{design.board.name}-{design.build_hash(['vivado'])[:16]}"
    folder = Path(options.project) if options.project else cache_folder() / "boards" / name
    with Waiting("writing the project"):
        used = vivado.write_project(design, folder, _tell)
    there = counts.available(design.board.part)
    told: dict[str, Any] = {
        **design.to_dict(),
        "folder": str(folder),
        "counted_by_yosys": {
            name: {"used": used[name], "available": number} for name, number in there.items()
        },
        "bitstream": None,
    }
    if not options.project:
        with Waiting("building by Vivado"):
            told["vivado"] = vivado.run_project(design, folder, options.ssh, _tell)
        told["bitstream"] = str(folder / vivado.BITSTREAM)
    if options.json:
        print_json(told)
        return 0
    rows = [(name, used[name], number) for name, number in there.items()]
    print(table(rows, ("counted by yosys", "used", "available")))
    if options.project:
        command = " ".join(("vivado", *vivado.COMMAND))
        print(f"\n{folder}: run it by\n  cd {folder} && {command}")
    else:
        print(f"\n{told['bitstream']}: slack {told['vivado']['slack_ns']} ns")
    return 0
