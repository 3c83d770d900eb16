"""Where Lava is."""

from __future__ import annotations

from pathlib import Path

from ..peer.remote import Peer

LAVA = Peer(
    name="Lava",
    key="lava",
    part="magma",
    package="lava-nc",
    wanted="lava-nc 0.10",
    prefix="0.10.",
    variable="SPIKELOOM_LAVA_PYTHON",
    install="pip install 'spikeloom[lava]' (Python 3.10), or "
    "python -m spikeloom.backends.lava.install",
    folder=Path(__file__).resolve().parent,
)
