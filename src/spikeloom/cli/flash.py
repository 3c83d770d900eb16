"""Load a bitstream into a board: until power-off, or into the memory that it starts from.

The bitstream is that of ``spikeloom build`` with the same options, made now if it was not before,
or a file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..boards.catalogue import find_board
from ..errors import InputError
from . import build as build_command
from .output import Waiting, print_json
from .sizes import needs_hardware_tools

if TYPE_CHECKING:
    import argparse

    from ..boards.design import Design

EXAMPLE = """\
  spikeloom flash --board ulx3s-25f
  spikeloom flash --board icebreaker --permanent
  spikeloom flash --board basys3 --bitstream basys3/top.bit"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    build_command.configure(parser)
    add = parser.add_argument
    add("--permanent", action="store_true", help="to flash memory: it is there after power-off")
    add("--bitstream", metavar="FILE", help="instead of that of `spikeloom build`")


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    board = find_board(options.board)
    if options.project:
        raise InputError(
            "a project cannot be flashed",
            found=f"--project {options.project}",
            remedy="build it, then say --bitstream FILE",
        )
    from ..boards.flash import flash

    if options.bitstream:
        bitstream = Path(options.bitstream)
    else:
        bitstream = _built(options, build_command.design_of(options))
    with Waiting("flashing"):
        said = flash(board, bitstream, permanent=options.permanent, tell=_tell)
    facts = {
        "board": board.name, "bitstream": str(bitstream), "permanent": options.permanent,
        "said": said,
    }  # fmt: skip
    if options.json:
        print_json(facts)
    else:
        kept = "its flash memory" if options.permanent else "the FPGA, until power-off"
        print(f"{board.name}: {bitstream} is in {kept}")
    return 0


def _built(options: argparse.Namespace, design: Design) -> Path:
    with needs_hardware_tools():
        from ..boards import vivado
        from ..boards.build import build
        from ..cache import cache_folder

    if design.board.part.family != build_command.VIVADO:
        with Waiting("building"):
            return build(design, again=options.again, tell=_tell).bitstream
    name = f"{design.board.name}-{design.build_hash(['vivado'])[:16]}"
    found = cache_folder() / "boards" / name / vivado.BITSTREAM
    if not found.is_file():
        raise InputError(
            "this bitstream has not been built",
            found=f"no file {found}",
            remedy=f"spikeloom build --board {design.board.name} with the same options, "
            "or --bitstream FILE",
        )
    return found


def _tell(what: str) -> None:
    print(what, file=sys.stderr)
