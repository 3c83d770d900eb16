"""List the kinds of device that a Program can be run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..runtime.open import BACKENDS
from ..runtime.open import open as open_device
from .output import indented, print_json

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
  spikeloom devices
  spikeloom devices --json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""


def look() -> list[dict[str, Any]]:
    """Each kind of device of this version, opened and asked."""
    found = []
    for scheme, (_, _, summary) in BACKENDS.items():
        entry: dict[str, Any] = {"scheme": scheme, "what": summary, "usable": True}
        try:
            with open_device(scheme) as device:
                entry.update(device.backend.describe())
        except Exception as error:
            # Whatever a broken installation raises: this command is there to tell it.
            entry.update(usable=False, error=f"{type(error).__name__}: {error}")
        found.append(entry)
    return found


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    found = look()
    if options.json:
        print_json({"devices": found})
        return 0
    for entry in found:
        print(f"{entry.pop('scheme')}: {entry.pop('what')}")
        print(indented(entry))
    return 0
