"""Say which boards a network fits, and how fast its steps would be there.

``yes``: the core that the board comes with holds it. ``built``: a core made for it would fit, as
far as can be told before it is built (spikeloom build --for). A network is compiled for each board;
a Program (.loom) is taken as it is. A Python file is EXECUTED.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ..boards.catalogue import BOARDS, find_board
from .compile import add_nir_options, network_of
from .output import Waiting, print_json, table
from .sizes import needs_hardware_tools

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
  spikeloom fit net.nir --dt 1e-4
  spikeloom fit net.py:build --board ulx3s-25f
  spikeloom fit net.loom --json

The exit code is 5 where no board holds the network."""

NO_BOARD = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("network", metavar="net.loom|net.nir|net.py[:NAME]", help="the network")
    add("--board", metavar="NAME", action="append", help="only this one; may be repeated")
    add_nir_options(parser)


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    boards = [find_board(name) for name in options.board or BOARDS]
    with needs_hardware_tools():
        from ..board_fit import fit_boards
    from ..compiler.program import Program

    with Waiting("fitting"), warnings.catch_warnings():
        # What quantising costs is told by `compile`; here each board would tell it again.
        warnings.simplefilter("ignore")
        if options.network.endswith(".loom"):
            network = Program.load(options.network)
        else:
            network = network_of(options)
        found = fit_boards(network, boards)
    code = 0 if any(fit.fits != "no" for fit in found) else NO_BOARD
    if options.json:
        print_json({"network": options.network, "boards": [fit.to_dict() for fit in found]})
        return code
    rows = []
    for fit in found:
        times = ["", "", ""]
        if fit.cycles is not None:
            times = [f"{1e6 * c / fit.clock_hz:.1f}" for c in fit.cycles]
        rows.append((fit.board.name, fit.fits, f"{fit.clock_hz / 1e6:g}", *times, fit.why))
    header = ("board", "fits", "MHz", "quiet us", "10 % us", "all us", "not as it comes because")
    print(table(rows, header))
    print("\nus per step: without spikes, with every tenth sender's, with all senders' spikes")
    return code
