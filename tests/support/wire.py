"""A serial line in simulated time: bytes take their time, and adapters hold them back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from spikeloom.runtime.link.transport import Transport


class Wire(Transport):
    """A line to a device that answers at once.

    Args:
        exchange: the device.
        baud: ten bits per byte, both ways at the same time.
        latency: seconds that the adapter holds the device's bytes back.
    """

    PIECE = 32

    def __init__(self, exchange: Callable[[bytes], bytes], baud: int, latency: float):
        self.name, self.baud, self.latency = "simulated wire", baud, latency
        self._exchange = exchange
        self._time = self._out_free = self._in_free = 0.0
        self._there: deque[tuple[float, bytes]] = deque()
        self._back: deque[tuple[float, bytes]] = deque()
        self.sent = 0

    def now(self) -> float:
        return self._time

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        for at in range(0, len(data), self.PIECE):
            piece = data[at : at + self.PIECE]
            self._out_free = max(self._out_free, self._time) + 10 * len(piece) / self.baud
            self._there.append((self._out_free, piece))

    def read(self, timeout: float) -> bytes:
        end = self._time + timeout
        while not (self._back and self._back[0][0] <= self._time):
            next_there = self._there[0][0] if self._there else end + 1
            next_back = self._back[0][0] if self._back else end + 1
            if min(next_there, next_back) > end:
                self._time = end
                return b""
            self._time = max(self._time, min(next_there, next_back))
            if next_there <= next_back:
                self._deliver()
        out = b""
        while self._back and self._back[0][0] <= self._time:
            out += self._back.popleft()[1]
        return out

    def _deliver(self) -> None:
        when, piece = self._there.popleft()
        answer = self._exchange(piece)
        for at in range(0, len(answer), self.PIECE):
            piece = answer[at : at + self.PIECE]
            self._in_free = max(self._in_free, when) + 10 * len(piece) / self.baud
            self._back.append((self._in_free + self.latency, piece))
