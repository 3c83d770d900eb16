"""The base of all parts of the hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.lib import wiring


class Component(wiring.Component):
    """A component whose ports come from the signature that it hands to ``super().__init__``."""

    if TYPE_CHECKING:
        # Ports become attributes only when the signature is known.
        def __getattr__(self, name: str) -> Any: ...
