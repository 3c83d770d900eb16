"""The options that say how large cores are built: those of a Program, or explicit ones."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from ..backends.rtl.fit import geometry_for
from ..compiler.program import Program
from ..errors import DeviceError
from ..hdl.geometry import Geometry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def add_sizes(parser: argparse.ArgumentParser, other: str = "") -> None:
    """``--for``, and one option per parameter of a core.

    Args:
        parser: of a command.
        other: where the sizes come from that are not given, instead of the usual ones.
    """
    parser.add_argument("--for", dest="program", metavar="net.loom", help="a core for this Program")
    group = parser.add_argument_group(
        "sizes of the core", "instead of, or on top of, those that --for finds (docs/hardware.md)"
    )
    for field in dataclasses.fields(Geometry):
        default = field.default if field.default is not dataclasses.MISSING else None
        group.add_argument(
            "--" + field.name.replace("_", "-"),
            type=_truth if isinstance(default, bool) else int,
            metavar="yes|no" if isinstance(default, bool) else "N",
            help=other or f"without --for {_shown(default)}",
        )


def geometry_of(options: argparse.Namespace, base: Geometry | None = None) -> Geometry:
    """The core that the options ask for, or each core of a mesh.

    Args:
        options: with those of ``add_sizes``.
        base: the core from which the sizes come that are not given, and are not of a Program.

    Raises:
        UnsupportedError: no core is built like this.
        FitError, FileError: of the Program.
    """
    given = {
        field.name: value
        for field in dataclasses.fields(Geometry)
        if (value := getattr(options, field.name)) is not None
    }
    if "lanes" in given:
        given.setdefault("update_lanes", 0)
    if options.program is None:
        return Geometry(**given) if base is None else dataclasses.replace(base, **given)
    program = Program.load(options.program)
    return dataclasses.replace(geometry_for(program, given.get("lanes")), **given)


@contextlib.contextmanager
def needs_hardware_tools() -> Iterator[None]:
    """Around imports of what an installation may lack: an error that says how to mend it."""
    try:
        yield
    except ImportError as error:
        raise DeviceError(
            "the hardware cannot be generated here",
            found=error,
            remedy="pip install 'spikeloom[rtl]'",
        ) from None


def _truth(text: str) -> bool:
    known = {"yes": True, "no": False}
    if text not in known:
        raise ValueError(text)
    return known[text]


def _shown(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
