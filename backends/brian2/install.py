"""Install Brian2 in an environment of its own: ``python -m spikeloom.backends.brian2.install DIR``.

It is under the CeCILL licence and brings a NumPy of its own liking; nothing of it is imported here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..peer.install import command_line, make
from .remote import BRIAN2

if TYPE_CHECKING:
    from pathlib import Path

REQUIREMENTS: list[list[str]] = [
    # 2.9, the last for Python 3.10 and 3.11, breaks with NumPy 2.4.
    ["brian2>=2.9,<3", "numpy<2.4"],
]
"""Arguments of consecutive ``pip install`` calls."""


def install(folder: Path) -> Path:
    """Make the environment, or complete it.

    Returns:
        Its interpreter.

    Raises:
        DeviceError: pip failed.
    """
    return make(BRIAN2, folder, REQUIREMENTS)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    return command_line(BRIAN2, install, arguments)


if __name__ == "__main__":
    sys.exit(main())
