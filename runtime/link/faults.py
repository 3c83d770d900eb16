"""A line that damages what goes over it, on purpose: between any host and any device.

Text like ``flip=1e-4,lose=1e-4,split`` says what happens; the same text and bytes give the same
faults. Rates are per byte and direction.
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields

from ...errors import InputError

_BURST, _GARBAGE, _CHUNK, _STALL = 32, 16, 16, 8


@dataclass(frozen=True)
class Faults:
    """What happens to a line.

    Attributes:
        flip: probability that a bit of a byte is turned over.
        lose, double: that a byte is lost, comes twice.
        garbage: that up to 16 random bytes follow a byte.
        burst: that a byte and up to 31 after it become noise.
        swap: that a byte and up to 15 after it change places with as many behind them.
        stall: probability, per exchange, that everything is held back for some exchanges.
        split: pieces of random length arrive one exchange late.
        cut: bytes, counted in both directions together, after which nothing passes any more.
        latency: seconds by which what the device says is held back.
        seed: of the random numbers.
    """

    flip: float = 0.0
    lose: float = 0.0
    double: float = 0.0
    garbage: float = 0.0
    burst: float = 0.0
    swap: float = 0.0
    stall: float = 0.0
    split: bool = False
    cut: int = 0
    latency: float = 0.0
    seed: int = 1

    KINDS = ("flip", "lose", "double", "garbage", "burst", "swap")

    def __post_init__(self) -> None:
        rates = [getattr(self, kind) for kind in (*self.KINDS, "stall")]
        if any(not 0 <= rate <= 1 for rate in rates) or sum(rates[:-1]) > 1:
            problem = "probabilities are from 0 to 1, also all of them together"
            raise InputError(problem, found=rates)
        if self.cut < 0 or not 0 <= self.latency < math.inf:
            raise InputError(
                "cut and latency cannot be negative", found=f"cut {self.cut}, {self.latency} s"
            )

    @staticmethod
    def parse(text: str) -> Faults:
        """From ``name=number`` separated by commas; ``split`` stands alone.

        Raises:
            InputError: naming what there is.
        """
        kinds: dict[str, type] = {f.name: type(f.default) for f in fields(Faults)}
        values: dict[str, float | int | bool] = {}
        for part in text.split(","):
            name, equals, number = (piece.strip() for piece in part.partition("="))
            kind = kinds.get(name)
            if kind is None or name in values or (kind is bool) == bool(equals):
                raise _malformed(part)
            try:
                values[name] = True if kind is bool else kind(number)
            except ValueError:
                raise _malformed(part) from None
        return Faults(**values)  # type: ignore[arg-type]


def _malformed(part: str) -> InputError:
    known = [f.name if f.default is False else f"{f.name}=NUMBER" for f in fields(Faults)]
    return InputError(
        "this is no description of faults",
        found=part,
        expected="each at most once, separated by commas: " + ", ".join(known),
    )


class FaultyLine:
    """An ``exchange`` with faults in both directions.

    Attributes:
        hits: how often something happened to a byte.

    Args:
        exchange: the device.
        faults: what happens.
        now: the clock for ``latency``, seconds.
    """

    def __init__(
        self,
        exchange: Callable[[bytes], bytes],
        faults: Faults,
        now: Callable[[], float] = time.monotonic,
    ):
        self._exchange, self._faults, self._now = exchange, faults, now
        self._random = random.Random(faults.seed)
        self._late = (bytearray(), bytearray())
        self._back: deque[tuple[float, bytes]] = deque()
        self._stalled = 0
        self._passed = 0
        self._kinds = [kind for kind in Faults.KINDS if getattr(faults, kind)]
        self._weights = [getattr(faults, kind) for kind in self._kinds]
        self._rate = sum(self._weights)
        self.hits = 0

    def __call__(self, data: bytes) -> bytes:
        """Bytes for the device in, bytes from it out."""
        there = self._delay(0, self._damage(self._cut(data)))
        back = self._delay(1, self._damage(self._cut(self._exchange(there))))
        if not self._faults.latency:
            return back
        if back:
            self._back.append((self._now() + self._faults.latency, back))
        out = bytearray()
        while self._back and self._back[0][0] <= self._now():
            out += self._back.popleft()[1]
        return bytes(out)

    @property
    def waiting(self) -> int:
        """How many pieces are held back."""
        return len(self._back) + sum(map(bool, self._late))

    def _cut(self, data: bytes) -> bytes:
        if not self._faults.cut:
            return data
        left = max(0, self._faults.cut - self._passed)
        self._passed += len(data)
        return data[:left]

    def _delay(self, way: int, data: bytes) -> bytes:
        late = self._late[way]
        if self._stalled:
            self._stalled -= 1
            late += data
            return b""
        if data and self._faults.stall and self._random.random() < self._faults.stall:
            self._stalled = self._random.randint(1, _STALL)
        if not (self._faults.split or late or self._stalled):
            return data
        late += data
        if self._stalled:
            return b""
        # An exchange with nothing new brings everything, or nothing would ever come.
        count = self._random.randint(0, len(late)) if data and self._faults.split else len(late)
        out = bytes(late[:count])
        del late[:count]
        return out

    def _damage(self, data: bytes) -> bytes:
        if not self._rate or not data:
            return data
        out, draw, at = bytearray(), self._random, 0
        while True:
            # How many bytes pass before the next one is hit is geometric, as with a draw for each.
            whole = self._rate >= 1
            passed = 0 if whole else int(math.log(1 - draw.random()) / math.log(1 - self._rate))
            out += data[at : at + passed]
            at += passed
            if at >= len(data):
                return bytes(out)
            self.hits += 1
            kind = draw.choices(self._kinds, self._weights)[0]
            piece, at = self._hit(kind, data, at)
            out += piece

    def _hit(self, kind: str, data: bytes, at: int) -> tuple[bytes, int]:
        """What becomes of the byte at a place, and where it goes on."""
        draw, one = self._random, data[at : at + 1]
        if kind == "flip":
            return bytes((one[0] ^ 1 << draw.randrange(8),)), at + 1
        if kind == "double":
            return one + one, at + 1
        if kind == "garbage":
            return one + draw.randbytes(draw.randint(1, _GARBAGE)), at + 1
        if kind == "burst":
            end = min(len(data), at + draw.randint(1, _BURST))
            return draw.randbytes(end - at), end
        if kind == "swap":
            size = draw.randint(1, _CHUNK)
            first, second = data[at : at + size], data[at + size : at + 2 * size]
            return second + first, at + len(first) + len(second)
        return b"", at + 1
