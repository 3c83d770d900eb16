"""List the FPGA boards, and the core that each of them holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..boards.catalogue import BOARDS, find_board
from ..boards.design import Design
from .output import indented, print_json, table

if TYPE_CHECKING:
    import argparse

    from ..boards.board import Board

EXAMPLE = """\
  spikeloom boards
  spikeloom boards ulx3s-85f --json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("board", nargs="?", help="all that is known of this one")


def facts(board: Board) -> dict[str, Any]:
    """A board as data."""
    design = Design.of(board)
    sparse, dense = design.synapses
    return {
        "name": board.name,
        "title": board.title,
        "part": asdict(board.part),
        "oscillator_hz": board.oscillator_hz,
        "pins": {port: asdict(pin) for port, pin in board.pins.items()},
        "clock_hz": board.clock_hz,
        "baud": board.baud,
        "adapter": asdict(board.adapter),
        "programmer": asdict(board.programmer),
        "max_payload": board.max_payload,
        "memory": board.memory,
        "cores": board.geometry.cores,
        "neurons": design.neurons,
        "lanes": board.geometry.lanes,
        "synapses": {"sparse": sparse, "dense": dense, "plastic": design.plastic},
        "why": board.why,
        "geometry": board.geometry.to_dict(),
        "sources": list(board.sources),
    }


def board_like(geometry: dict[str, Any], clock_hz: int) -> str | None:
    """The only board that comes with this core and clock; None where there is none, or several."""
    names = [
        board.name
        for board in BOARDS.values()
        if board.geometry.to_dict() == geometry and board.clock_hz == clock_hz
    ]
    return names[0] if len(names) == 1 else None


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    if options.board is not None:
        found = facts(find_board(options.board))
        if options.json:
            print_json(found)
        else:
            print(indented(found, 0))
        return 0
    everything = [facts(board) for board in BOARDS.values()]
    if options.json:
        print_json({"boards": everything})
        return 0
    rows = [
        (
            of["name"], of["part"]["name"], of["part"]["luts"],
            (of["part"]["block_rams"] * of["part"]["block_ram_bits"]
             + of["part"]["sprams"] * (1 << 18)) >> 10,
            f"{of['clock_hz'] / 1e6:g}", of["baud"], of["cores"], of["lanes"], of["neurons"],
            of["synapses"]["sparse"], of["synapses"]["dense"], of["synapses"]["plastic"] or "",
        )
        for of in everything
    ]  # fmt: skip
    header = (
        "board", "FPGA", "LUT", "RAM kbit", "MHz", "baud", "cores", "lanes", "neurons",
        "sparse synapses", "or dense", "that learn",
    )  # fmt: skip
    print(table(rows, header))
    print("\nspikeloom boards NAME says more; cores to dense are of what it is built with")
    return 0
