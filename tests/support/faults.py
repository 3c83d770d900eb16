"""Lines that damage what goes over them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

from spikeloom.hdl.protocol import FrameType
from spikeloom.runtime.link.codec import Frame


class FaultyLine:
    """An ``exchange`` with faults in both directions, each byte hit with the same probability.

    Args:
        exchange: the device.
        rate: probability that something happens to a byte.
        seed: of the faults.
        kinds: out of "flip", "lose", "double", "garbage".
        split: hand bytes over in pieces of random length, some of them one exchange late.
    """

    def __init__(
        self,
        exchange: Callable[[bytes], bytes],
        rate: float,
        seed: int,
        kinds: tuple[str, ...] = ("flip", "lose", "double", "garbage"),
        split: bool = False,
    ):
        self._exchange = exchange
        self._rate, self._kinds, self._split = rate, kinds, split
        self._random = random.Random(seed)
        self._late = [bytearray(), bytearray()]
        self.hits = 0

    def __call__(self, data: bytes) -> bytes:
        there = self._delay(0, self._damage(data))
        return self._delay(1, self._damage(self._exchange(there)))

    def _delay(self, way: int, data: bytes) -> bytes:
        if not self._split:
            return data
        late = self._late[way]
        late += data
        # An exchange with nothing new brings everything, or nothing would ever come.
        count = self._random.randint(0, len(late)) if data else len(late)
        out = bytes(late[:count])
        del late[:count]
        return out

    def _damage(self, data: bytes) -> bytes:
        if not self._rate or not data:
            return data
        out, draw, at = bytearray(), self._random, 0
        while True:
            # How many bytes pass before the next one is hit is geometric, as with a draw for each.
            passed = int(math.log(1.0 - draw.random()) / math.log(1.0 - self._rate))
            out += data[at : at + passed]
            at += passed + 1
            if at > len(data):
                break
            self.hits += 1
            byte, kind = data[at - 1], draw.choice(self._kinds)
            if kind == "flip":
                out.append(byte ^ 1 << draw.randrange(8))
            elif kind == "double":
                out += bytes((byte, byte))
            elif kind == "garbage":
                out += draw.randbytes(draw.randint(1, 16))
        return bytes(out)


def corpus() -> list[Frame]:
    """Frames whose damaged forms are tried one by one."""
    draw = random.Random(5)
    payloads = [b"", b"\0", bytes(40), draw.randbytes(40), b"\xff" * 260]
    return [
        Frame(FrameType.DATA, draw.getrandbits(32) | 1, i, i + 1, 4096, payload)
        for i, payload in enumerate(payloads)
    ]


def damaged(whole: bytes) -> Iterator[bytes]:
    """Every bit flipped, every byte lost or doubled, every truncation."""
    for at, byte in enumerate(whole):
        for bit in range(8):
            yield whole[:at] + bytes((byte ^ 1 << bit,)) + whole[at + 1 :]
        yield whole[:at]
        yield whole[:at] + whole[at + 1 :]
        yield whole[:at] + bytes((byte, byte)) + whole[at + 1 :]
