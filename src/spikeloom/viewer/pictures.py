"""The picture of a projection's weights, made anew while they change, as often as it is cheap."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .images import Layout, lay_out, paint

if TYPE_CHECKING:
    from ..runtime.device import Device

PAUSE = 0.25
"""Seconds between two pictures at least."""
_SHARE = 5
"""Reading weights may take one part in so many of the time."""


class Pictures:
    """Holds the newest picture; all calls but ``newest`` are of the device's thread.

    Args:
        device: with a Program.
    """

    def __init__(self, device: Device) -> None:
        program = device.program
        self.number = 0
        self._sides = dict(program.shapes)
        self._plastic = {program.projections[rule.projection].name for rule in program.rules}
        self._layout: Layout | None = None
        self._name = ""
        self._top = self._due = 0.0
        self._stale = False
        self._newest: dict[str, Any] = {}

    def newest(self) -> dict[str, Any]:
        """The picture, plain JSON data; {} if none was chosen."""
        return self._newest

    def choose(self, device: Device, name: str, kind: str) -> None:
        """Show this projection, as ``lay_out`` does; nothing for the name "".

        Raises:
            InputError: there is no such projection, or no such picture of it.
        """
        if not name:
            self._layout, self._name, self._newest = None, "", {}
            self.number += 1
            return
        weights = device.read_weights(name)
        projection = device.program.projection(name)
        assert projection is not None, "the device has checked the name"
        sides = self._sides.get(projection.pre, ())
        if kind not in ("matrix", "fields") or (kind == "fields" and not sides):
            raise InputError(
                "there is no such picture of this projection",
                found=repr(kind),
                expected="'matrix', or 'fields' where the layer before has sides",
            )
        self._layout, self._name = lay_out(weights, kind, sides), name
        self._top, self._stale = 0.0, True

    def stale(self) -> None:
        """The weights may have changed by other means than learning."""
        self._stale, self._top = True, 0.0

    def refresh(self, device: Device, *, now: bool) -> bool:
        """Paint again if it is time to.

        Args:
            device: whose weights are shown.
            now: whether it may not wait, since nothing runs any more.

        Returns:
            Whether there is a new picture.
        """
        changes = self._stale or (device.learning and self._name in self._plastic)
        begun = time.monotonic()
        if self._layout is None or not changes or (begun < self._due and not now):
            return False
        picture = paint(self._layout, device.read_weights(self._name).values, self._top)
        self._top, self._stale = picture["top"], False
        self.number += 1
        picture |= {"projection": self._name, "number": self.number, "step": device.step}
        self._newest = picture
        ended = time.monotonic()
        self._due = ended + max(PAUSE, (_SHARE - 1) * (ended - begun))
        return True
