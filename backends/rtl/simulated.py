"""A whole simulated device at its UART pins, as servers take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...hdl.device import make_device
from .line import LineModel

if TYPE_CHECKING:
    from ...hdl.geometry import Geometry

BITS_PER_BYTE = 10
SLICE = 20_000
"""Clock cycles between two looks at the host: some milliseconds while the core rests."""


class SimulatedDevice:
    """The generated hardware with its UART pins, built for the occasion.

    Args:
        geometry: of the core.
        divisor: clock cycles per bit, at least 4. The fewer, the faster the line: the simulation
            computes every cycle.
        fastest: the fewest that a host may ask for; None where the rate is fixed.

    Attributes:
        descriptor: what it tells of itself.

    Raises:
        DeviceError: it cannot be compiled here.
    """

    linger = 2.0
    """Seconds for which it goes on without a byte; longer than a waiting host is silent."""

    def __init__(self, geometry: Geometry, divisor: int = 4, fastest: int | None = None):
        design = make_device(geometry, divisor, fastest=fastest)
        self.descriptor, self.divisor = design.descriptor, divisor
        self._line = LineModel(design, bit=divisor)
        # Longer than any pause within a frame, and shorter than what a host notices.
        self._pause = 4 * BITS_PER_BYTE * divisor

    def exchange(self, data: bytes) -> bytes:
        """Put bytes on the line, and return what came within a slice of time."""
        return self._line.slice(data, SLICE, self._pause)

    def set_baud(self, share: float) -> None:
        """The host's end of the line has another rate.

        Args:
            share: of the rate that the device has after a reset.
        """
        self._line.set_bit(self.divisor / share)
        self._pause = 4 * BITS_PER_BYTE * max(1, round(self.divisor / share))

    def waiting(self) -> int:
        """Bytes that have not gone onto the line yet."""
        return self._line.waiting

    def close(self) -> None:
        """Free the simulation."""
        self._line.close()
