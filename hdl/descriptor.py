"""What a device tells about itself in HELLO, as plain data.

Compact JSON with a fixed set of keys, deflated (RFC 1951), in a ROM of the device: small FPGAs have
few block RAMs. The host never guesses a number that stands here.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

from . import protocol

MAX_TEXT = 65536
"""Bytes of a description that a host looks at."""


@dataclass(frozen=True)
class Region:
    """One memory region of the device, word-addressed.

    Attributes:
        name: what programs call it; its number is its place in the descriptor.
        width: bits of a word.
        depth: number of words.
        writable: whether WRITE is allowed.
        volatile: whether the device changes it by itself, so that a digest says nothing.
    """

    name: str
    width: int
    depth: int
    writable: bool = True
    volatile: bool = False

    @property
    def word_bytes(self) -> int:
        """Bytes of a word on the wire."""
        return (self.width + 7) // 8


@dataclass(frozen=True)
class Descriptor:
    """A device's self-description.

    Attributes:
        build: hash of the design's sources and parameters, hexadecimal.
        clock_hz: the core's clock; 0 where there is none (a simulation).
        baud: of the UART after a reset; 0 where there is none.
        max_payload: largest payload of a frame in either direction, bytes.
        rx_credit: bytes of frames that the device can hold, see ``protocol.RECORD_BYTES``.
        tx_credit: bytes of frames that it can keep for repetition.
        channels: host channels, the bound of EVENTS and BITMAP.
        neurons: neuron slots, the bound of GRADED.
        outputs: indexes of LIST and MAP.
        event_capacity: events that may be queued for steps not yet granted by RUN.
        regions: the memory map.
        geometry: the target's fields, plain JSON data.
        divisor: clock cycles per bit at the pins after a reset; 0 where there are none.
        fastest: fewest clock cycles per bit that RATE may ask for, ``divisor`` where the rate is
            fixed.
    """

    build: str
    clock_hz: int
    baud: int
    max_payload: int
    rx_credit: int
    tx_credit: int
    channels: int
    neurons: int
    outputs: int
    event_capacity: int
    regions: tuple[Region, ...]
    geometry: dict[str, Any] = field(default_factory=dict)
    divisor: int = 0
    fastest: int = 0

    def __post_init__(self) -> None:
        problems = [text for bad, text in self._rules() if bad]
        if problems:
            raise ValueError("; ".join(problems))

    def _rules(self) -> list[tuple[bool, str]]:
        low, high = protocol.MIN_PAYLOAD, protocol.MAX_PAYLOAD
        smallest = 2 * (self.max_payload + protocol.RECORD_BYTES)
        names = [region.name for region in self.regions]
        return [
            (not low <= self.max_payload <= high, f"max_payload must be {low} to {high}"),
            (
                not smallest <= self.rx_credit <= protocol.MAX_CREDIT,
                f"rx_credit must be {smallest} (two frames) to {protocol.MAX_CREDIT}",
            ),
            (
                not smallest <= self.tx_credit <= protocol.MAX_CREDIT,
                f"tx_credit must be {smallest} (two frames) to {protocol.MAX_CREDIT}",
            ),
            (
                any(not 0 <= n <= 1 << 16 for n in (self.channels, self.neurons, self.outputs)),
                "channels, neurons and outputs are numbered with 16 bits",
            ),
            (self.event_capacity < 1, "event_capacity must be at least 1"),
            (
                (self.divisor, self.fastest) != (0, 0)
                and not protocol.MIN_DIVISOR
                <= self.fastest
                <= self.divisor
                <= protocol.MOST_DIVISOR,
                f"a bit takes {protocol.MIN_DIVISOR} to {protocol.MOST_DIVISOR} cycles, the "
                "fastest no more than the others",
            ),
            (not 1 <= len(self.regions) <= 256, "1 to 256 regions are needed"),
            (len(set(names)) != len(names), "two regions have one name"),
            (
                any(not 1 <= r.word_bytes <= protocol.MAX_WORD_BYTES for r in self.regions),
                f"a word has 1 to {8 * protocol.MAX_WORD_BYTES} bits",
            ),
            (
                any(not 1 <= r.depth <= 1 << 32 for r in self.regions),
                "a region has 1 to 2^32 words",
            ),
        ]

    @property
    def rated(self) -> bool:
        """Whether the rate of its line can be changed."""
        return self.fastest < self.divisor

    @property
    def map_bytes(self) -> int:
        """Length of a MAP record's bitmap."""
        return (self.outputs + 7) // 8

    def region(self, name: str) -> tuple[int, Region]:
        """Number and description of a region.

        Raises:
            KeyError: naming the regions that there are.
        """
        for number, region in enumerate(self.regions):
            if region.name == name:
                return number, region
        raise KeyError(f"no region {name!r}; there are {', '.join(r.name for r in self.regions)}")

    def to_bytes(self) -> bytes:
        """As it stands in the device's ROM; the same descriptor always gives the same bytes."""
        data = asdict(self)
        data["regions"] = [
            [r.name, r.width, r.depth, int(r.writable), int(r.volatile)] for r in self.regions
        ]
        text = json.dumps(
            {"protocol": protocol.VERSION, **data}, separators=(",", ":"), sort_keys=True
        )
        deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return deflate.compress(text.encode()) + deflate.flush()

    @staticmethod
    def from_bytes(data: bytes) -> Descriptor:
        """The inverse of ``to_bytes``, for bytes from strangers.

        Raises:
            ValueError: saying what is wrong with them.
        """
        try:
            found = json.loads(_inflated(data).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not JSON: {error}") from None
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        if found.pop("protocol", None) != protocol.VERSION:
            raise ValueError(f"not of protocol version {protocol.VERSION}")
        expected = set(Descriptor.__dataclass_fields__)
        if set(found) != expected:
            raise ValueError(f"keys {sorted(set(found) ^ expected)} are missing or unknown")
        if not isinstance(found["build"], str) or not isinstance(found["geometry"], dict):
            raise ValueError("build must be a text and geometry an object")
        for name in expected - {"build", "geometry", "regions"}:
            if type(found[name]) is not int or not 0 <= found[name] < 1 << 40:
                raise ValueError(f"{name} must be a number")
        return Descriptor(**{**found, "regions": _regions(found["regions"])})


def _inflated(data: bytes) -> bytes:
    """The text, which may be a bomb."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        text = inflate.decompress(data, MAX_TEXT)
    except zlib.error as error:
        raise ValueError(f"not deflated: {error}") from None
    if not inflate.eof or inflate.unused_data:
        raise ValueError(f"not one deflated text of at most {MAX_TEXT} bytes")
    return text


def _regions(found: Any) -> tuple[Region, ...]:
    if not isinstance(found, list):
        raise ValueError("regions must be a list")
    out = []
    for entry in found:
        if (
            not isinstance(entry, list)
            or [type(x) for x in entry] != [str, int, int, int, int]
            or not set(entry[3:]) <= {0, 1}
        ):
            raise ValueError("a region is [name, width, depth, writable, volatile]")
        name, width, depth, writable, volatile = entry
        out.append(Region(name, width, depth, bool(writable), bool(volatile)))
    return tuple(out)
