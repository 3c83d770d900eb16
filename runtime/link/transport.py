"""How bytes get to a device: serial port, pseudo-terminal, TCP, or within this process.

A transport moves bytes and tells the time; it knows nothing of frames. Reading waits for at most
the time given; a closed or unplugged line is an error, never an empty answer.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from ...errors import DeviceError


class Transport(ABC):
    """A byte stream to a device."""

    name: str
    """How errors call it."""

    baud: int = 0
    """Bits per second on the line, ten to a byte; 0 where there is no such limit."""

    fastest: int = 0
    """Bits per second up to which a session may take the line; 0 where its rate is not ours."""

    latency: float = 0.0
    """Seconds that a byte may be held back by adapters on its way there and back."""

    nonce: int | None = None
    """The number that a session must have here; None for any."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send all of it."""

    @abstractmethod
    def read(self, timeout: float) -> bytes:
        """What has arrived; waits at most ``timeout`` seconds for the first byte."""

    def set_baud(self, baud: int) -> bool:
        """From now on the line has this rate; False where it cannot, and nothing has changed."""
        return baud == self.baud

    def now(self) -> float:
        """Seconds on the clock that time-outs are measured with."""
        return time.monotonic()

    def send_break(self) -> None:
        """Reset the device by a break on the line.

        Raises:
            DeviceError: there is no such thing on this kind of line.
        """
        raise DeviceError(
            "this line cannot carry a break", where=self.name, remedy="reset the device itself"
        )

    def close(self) -> None:  # noqa: B027 - some transports hold nothing
        """Release the line."""

    def closed(self, why: object) -> DeviceError:
        """The error that the line is gone."""
        return DeviceError(
            "the line to the device was closed",
            found=str(why),
            where=self.name,
            remedy="check cable and power, then open the device again; nothing read since is lost "
            "in silence: the operation that was under way has failed",
        )


class InProcess(Transport):
    """A device in this process: anything that turns bytes into bytes.

    Args:
        exchange: takes bytes for the device, returns bytes from it; called with ``b""`` to let it
            go on.
        name: how errors call it.
        patience: seconds that the clock advances when a read brings nothing. The clock is
            virtual, so that time-outs cost no time and tests repeat exactly.
    """

    TICK = 1e-4

    def __init__(
        self, exchange: Callable[[bytes], bytes], name: str = "in-process", patience: float = 1.0
    ):
        self.name = name
        self._exchange = exchange
        self._inbox = bytearray()
        self._clock = 0.0
        self._patience = patience

    def write(self, data: bytes) -> None:
        """Hand over; what it answers waits for ``read``."""
        self._inbox += self._exchange(data)

    def read(self, timeout: float) -> bytes:
        """What there is; the virtual clock goes on when there is nothing."""
        if not self._inbox:
            self._inbox += self._exchange(b"")
        # A little time passes even when bytes come, or noise could keep us here for ever.
        self._clock += self.TICK if self._inbox else min(timeout, self._patience)
        out = bytes(self._inbox)
        self._inbox.clear()
        return out

    def now(self) -> float:
        """The virtual clock."""
        return self._clock
