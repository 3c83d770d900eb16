"""The options that say what a run is fed, alike wherever a command runs a Program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..formats import read_inputs

if TYPE_CHECKING:
    import argparse

    from ..compiler.program import Program


def configure_inputs(parser: argparse.ArgumentParser, steps: str) -> None:
    """Declare the options.

    Args:
        parser: of the command.
        steps: what ``--steps`` is for.
    """
    add = parser.add_argument
    add("--inputs", metavar="FILE", help="what to feed in: .npz, .csv, .nirdata, .npy, .aedat4")
    add("--into", metavar="SOURCE", help="which source gets the events of an .npy or .aedat4 file")
    add("--sample", type=int, metavar="N", help="which sample of NIRData")
    add("--steps", type=int, help=f"{steps} (default: as many as the input has)")


def given_inputs(options: argparse.Namespace, program: Program) -> tuple[dict[str, Any], int]:
    """Inputs and steps of the file that ``--inputs`` names.

    Raises:
        FileError, InputError: as of ``read_inputs``.
    """
    more = {"into": options.into, "sample": options.sample}
    return read_inputs(options.inputs, program, options.steps, **more)
