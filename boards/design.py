"""What is built: a board, a core, a clock and a line; with all that must hold between them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..hdl.geometry import Geometry
from ..hdl.layout import dense_part_bits
from ..hdl.protocol import (
    MAX_PAYLOAD,
    MIN_DIVISOR,
    MIN_PAYLOAD,
    MOST_DIVISOR,
    RATE_ERROR,
    START_BAUD,
)
from .pll import find_pll

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..hdl.contents import Contents
    from ..hdl.descriptor import Descriptor
    from ..hdl.device import Device
    from .board import Board


@dataclass(frozen=True)
class Design:
    """One device on one board.

    Attributes:
        board: which.
        geometry: of the core.
        clock_hz: the core's clock.
        baud: the fastest of the line.
        max_payload: bytes of a frame.
        seed: of place and route.
        start: baud rate of the line after a reset; hosts ask for faster ones from there. Where
            ``baud`` is less, the line has that rate only.
        contents: of the core's memories from the beginning; None: zeros.
    """

    board: Board
    geometry: Geometry
    clock_hz: int
    baud: int
    max_payload: int
    seed: int = 1
    start: int = START_BAUD
    contents: Contents | None = None

    @staticmethod
    def of(
        board: Board,
        geometry: Geometry | None = None,
        *,
        clock_hz: int | None = None,
        baud: int | None = None,
        max_payload: int | None = None,
        seed: int = 1,
        start: int = START_BAUD,
        contents: Contents | None = None,
    ) -> Design:
        """The board's own design, with what is given instead."""
        return Design(
            board,
            board.geometry if geometry is None else geometry,
            board.clock_hz if clock_hz is None else clock_hz,
            board.baud if baud is None else baud,
            board.max_payload if max_payload is None else max_payload,
            seed,
            start,
            contents,
        )

    def __post_init__(self) -> None:
        find_pll(self.board.part.family, self.board.oscillator_hz, self.clock_hz)
        held = self.contents.tables if self.contents else frozenset()
        if not self.geometry.micro:  # all of whose tables are in the board's single memories
            held &= frozenset(self.board.single)
        if held:
            raise InputError(
                "this board's bitstream cannot hold a network",
                found=f"{', '.join(sorted(held))} in SPRAM, which is empty after configuration",
                where=self.board.name,
                remedy="load the network with `spikeloom deploy`",
            )
        if not MIN_PAYLOAD <= self.max_payload <= MAX_PAYLOAD:
            raise InputError(
                "no device has frames of this size",
                found=f"{self.max_payload} bytes",
                expected=f"{MIN_PAYLOAD} to {MAX_PAYLOAD}",
            )
        if self.baud < 1 or self.divisor < MIN_DIVISOR:
            raise InputError(
                "the device's receiver needs more clock cycles per bit",
                found=f"{self.baud} baud at {self.clock_hz / 1e6:g} MHz",
                expected=f"at most {self.clock_hz // MIN_DIVISOR} baud",
            )
        if self.divisor > MOST_DIVISOR:
            raise InputError(
                "a bit takes too many clock cycles",
                found=f"{self.baud} baud at {self.clock_hz / 1e6:g} MHz",
                expected=f"at least {-(-self.clock_hz // MOST_DIVISOR)} baud",
            )
        error = self.clock_hz / self.divisor / self.baud - 1
        if abs(error) > RATE_ERROR:
            near = sorted({self.clock_hz // d for d in (self.divisor, self.divisor + 1)})
            raise InputError(
                "this baud rate cannot be made of the clock",
                found=f"{self.baud} baud at {self.clock_hz / 1e6:g} MHz, {error:+.1%} off",
                expected=f"for example {' or '.join(map(str, near))} baud",
                remedy="choose another --baud or --clock",
            )
        first = min(self.start, self.baud)
        error = self.clock_hz / self.start_divisor / first - 1
        if abs(error) > RATE_ERROR:
            raise InputError(
                "the rate at which a session begins cannot be made of the clock",
                found=f"{first} baud at {self.clock_hz / 1e6:g} MHz, {error:+.1%} off",
                expected=f"at most {RATE_ERROR:.0%} off",
                remedy="choose another --clock, or a --baud below that",
            )
        if self.baud > self.board.adapter.most_baud:
            raise InputError(
                "the board's adapter is not that fast",
                found=f"{self.baud} baud",
                expected=f"at most {self.board.adapter.most_baud}",
                where=f"{self.board.name}, {self.board.adapter.what}",
            )

    @property
    def divisor(self) -> int:
        """Clock cycles per bit of the fastest rate."""
        return round(self.clock_hz / self.baud) if self.baud > 0 else 0

    @property
    def start_divisor(self) -> int:
        """Clock cycles per bit after a reset."""
        return round(self.clock_hz / min(self.start, self.baud))

    @property
    def neurons(self) -> int:
        """Of all cores."""
        return self.geometry.neurons * self.geometry.cores

    @property
    def synapses(self) -> tuple[int, int]:
        """How many sparse synapses, and how many dense weights, the memories of all cores hold, of
        those that do not learn."""
        entries = self.geometry.words * self.geometry.lanes * self.geometry.cores
        if self.geometry.micro:
            entries = 0
        return entries, entries << dense_part_bits(self.geometry)

    @property
    def plastic(self) -> int:
        """How many synapses that learn the memories of all cores hold."""
        g = self.geometry
        return g.plastic * g.lanes * g.cores if g.rules else 0

    def device(self) -> Device:
        """The device, which describes itself."""
        from ..hdl.device import Device

        return Device(self.geometry, self.descriptor(), self.contents)

    def descriptor(self) -> Descriptor:
        """What the device tells of itself."""
        from ..hdl.device import description

        return description(
            self.geometry,
            self.start_divisor,
            fastest=self.divisor,
            clock_hz=self.clock_hz,
            max_payload=self.max_payload,
            events=self.board.events,
            probes=self.board.probes,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "board": self.board.name,
            "part": self.board.part.name,
            "clock_hz": self.clock_hz,
            "baud": self.baud,
            "start": min(self.start, self.baud),
            "max_payload": self.max_payload,
            "seed": self.seed,
            "geometry": self.geometry.to_dict(),
            **({"contents": self.contents.digest} if self.contents else {}),
        }

    def build_hash(self, tools: Iterable[str]) -> str:
        """Names a build: the sources, this design, the board's facts, and the tools that make it.

        Args:
            tools: name and version of each.
        """
        from ..hdl.source_hash import source_hash

        digest = hashlib.sha256()
        for name in ("clocking", "constraints", "flow", "pll", "top"):
            digest.update(Path(__file__).with_name(f"{name}.py").read_bytes() + b"\0")
        facts = [self.to_dict(), repr(self.board), list(tools)]
        return source_hash({"sources": digest.hexdigest(), "facts": json.dumps(facts)})
