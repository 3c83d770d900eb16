"""All boards, by name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..errors import InputError
from . import (
    arty_a7,
    basys3,
    cmod_a7,
    colorlight_i5,
    colorlight_i9,
    gatemate_evb,
    icebreaker,
    orangecrab,
    tang_nano_9k,
    tang_nano_20k,
    ulx3s,
)

if TYPE_CHECKING:
    from .board import Board

_MODULES = (
    icebreaker, ulx3s, orangecrab, colorlight_i5, colorlight_i9, tang_nano_9k, tang_nano_20k,
    gatemate_evb, arty_a7, basys3, cmod_a7,
)  # fmt: skip

BOARDS: dict[str, Board] = {board.name: board for module in _MODULES for board in module.BOARDS}
"""Name -> board."""


def find_board(name: str) -> Board:
    """The board of that name.

    Raises:
        InputError: there is none; with the nearest name.
    """
    if name in BOARDS:
        return BOARDS[name]
    close = get_close_matches(name, BOARDS, n=1, cutoff=0.5)
    raise InputError(
        "no such board",
        found=repr(name),
        expected="one of " + ", ".join(BOARDS),
        remedy=f"did you mean {close[0]!r}?" if close else "`spikeloom boards` lists them",
    )
