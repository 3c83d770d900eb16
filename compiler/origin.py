"""Where in the user's own file something was made, and warnings that point there."""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable
from pathlib import PurePath

_OURS = {__name__.partition(".")[0], "pyNN"}
"""Packages whose lines are not the user's; PyNN calls ours in its name."""


def _user_frame() -> tuple[str, int, int]:
    """File, line and depth (as ``warnings.warn`` counts) of the first frame outside of those."""
    frame, depth = sys._getframe(1), 1
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in _OURS:
            return frame.f_code.co_filename, frame.f_lineno, depth
        frame, depth = frame.f_back, depth + 1
    return "?", 0, 1  # the package itself is the program: no user's line exists


def user_origin() -> str:
    """``"file.py:12"``: the line of the user's file that is being executed now."""
    file, line, _ = _user_frame()
    return f"{PurePath(file).name}:{line}"


def warn_user(message: str) -> None:
    """Issue a UserWarning that points at the user's line."""
    _, _, depth = _user_frame()
    warnings.warn(message, UserWarning, stacklevel=depth)


def did_you_mean(name: object, known: Iterable[str]) -> str | None:
    """A remedy that names the closest known name, if one is close."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else None
