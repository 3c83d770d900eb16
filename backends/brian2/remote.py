"""Where Brian2 is."""

from __future__ import annotations

from pathlib import Path

from ..peer.remote import Peer

BRIAN2 = Peer(
    name="Brian2",
    key="brian2",
    part="codegen",
    package="brian2",
    wanted="brian2 2.9 or later",
    prefix="2.",
    variable="SPIKELOOM_BRIAN2_PYTHON",
    install="pip install 'spikeloom[brian2]', or python -m spikeloom.backends.brian2.install",
    folder=Path(__file__).resolve().parent,
)
