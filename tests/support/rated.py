"""A line whose two ends have a rate each, in simulated time: what is sent at another is noise."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

from spikeloom.hdl import protocol
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.transport import Transport

TOLERANCE = 0.02
_BREAK = 15 / 9
"""So much slower than the receiver's a zero byte is a break."""


class RatedLine(Transport):
    """A serial port with a device model behind it, whose rates are those of a clock.

    Args:
        device: the model.
        clock: of its pins, cycles per second.
        baud: of the port.
        bears: whether the cable does at a rate; else everything is damaged.
        refused: rates that the port does not know.
        damage: what becomes of bytes on their way: direction (0: to the device), number of the
            piece in that direction, the piece.
        latency: seconds for which bytes from the device are held back.
    """

    def __init__(
        self,
        device: DeviceModel,
        clock: int,
        *,
        baud: int = 115_200,
        fastest: int = 12_000_000,
        bears: Callable[[int], bool] = lambda baud: True,
        refused: Collection[int] = (),
        damage: Callable[[int, int, bytes], bytes] = lambda way, number, data: data,
        latency: float = 0.002,
    ):
        self.name, self.baud, self.fastest, self.latency = "rated line", baud, fastest, latency
        self.device, self.clock = device, clock
        self._bears, self._refused, self._damage = bears, refused, damage
        self._random = random.Random(7)
        self._time = 0.0
        self._until: float | None = None
        self._in = bytearray()
        self._pieces = [0, 0]
        self.breaks = 0
        self.history = [baud]

    @property
    def device_baud(self) -> float:
        return self.clock / self.device.divisor

    def now(self) -> float:
        return self._time

    def set_baud(self, baud: int) -> bool:
        if baud in self._refused:
            return False
        self.baud = baud
        self.history.append(baud)
        return True

    def send_break(self) -> None:
        self.breaks += 1
        self._reset()

    def _reset(self) -> None:
        self.device.reset()
        self._until = None

    def _pass_time(self, seconds: float) -> None:
        self._time += seconds
        if self._until is not None and self._time >= self._until:
            self._until = None
            self.device.time_is_up()

    def _over(self, way: int, data: bytes, sender: float, receiver: float) -> bytes:
        """What a receiver makes of bytes."""
        number, self._pieces[way] = self._pieces[way], self._pieces[way] + 1
        if abs(sender / receiver - 1) > TOLERANCE:
            if way == 0 and 0 in data and receiver / sender >= _BREAK:
                self._reset()
                return b""
            return self._random.randbytes(round(len(data) * min(4.0, receiver / sender)))
        if not self._bears(self.baud):
            data = bytes(byte ^ self._random.getrandbits(8) for byte in data)
        return self._damage(way, number, data)

    def write(self, data: bytes) -> None:
        self._pass_time(10 * len(data) / self.baud)
        self.device.receive(self._over(0, data, self.baud, self.device_baud))
        sender, trying = self.device_baud, self.device.trying
        answer = self.device.take()
        if answer:
            self._in += self._over(1, answer, sender, self.baud)
        if self.device.trying and not trying:
            self._until = self._time + protocol.TRIAL_SECONDS
        elif not self.device.trying:
            self._until = None

    def read(self, timeout: float) -> bytes:
        if not self._in:
            self._pass_time(timeout)
            return b""
        self._pass_time(self.latency + 10 * len(self._in) / self.baud)
        out = bytes(self._in)
        self._in.clear()
        return out
