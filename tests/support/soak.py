"""Many frames over a bad line to a device that is nothing but memory."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from spikeloom.hdl.descriptor import Descriptor, Region
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.faults import Faults, FaultyLine
from spikeloom.runtime.link.model import DeviceModel, ModelCore
from spikeloom.runtime.link.session import Session, Timing
from spikeloom.runtime.link.transport import InProcess

WIDE = 64
"""Bytes of a word: the fewer words, the more of the time goes to frames."""

WORDS = 512


class Memory(ModelCore):
    """One region of wide words; it computes nothing."""

    def __init__(self) -> None:
        self.data = bytearray(WIDE * WORDS)

    def reset(self) -> None:
        self.step = 0

    def read(self, region: int, address: int) -> bytes:
        return bytes(self.data[WIDE * address : WIDE * (address + 1)])

    def write(self, region: int, address: int, word: bytes) -> None:
        self.data[WIDE * address : WIDE * (address + 1)] = word

    def event(self, graded: bool, step: int, index: int, value: int) -> None:
        raise AssertionError("the host sends no events here")

    def run(
        self, steps: int, *, spikes: bool, cycles: bool, probes: bool
    ) -> Iterator[tuple[str, int]]:
        raise AssertionError("the host runs nothing here")


@dataclass(frozen=True)
class Soaked:
    """What came of it; ``wrong`` counts images not held as written, or not read as held."""

    frames: int
    repeated: int
    hits: int
    damaged: int
    wrong: int
    seconds: float


def soak(frames: int, faults: Faults, payload: int = 64) -> Soaked:
    """Write and read back random images until so many numbered frames have got there."""
    core = Memory()
    descriptor = Descriptor(
        build="5" * 16, clock_hz=0, baud=0, max_payload=payload, rx_credit=16 * payload - 16,
        tx_credit=16 * payload, channels=1, neurons=1, outputs=1, event_capacity=1,
        regions=(Region("data", 8 * WIDE, WORDS),),
    )  # fmt: skip
    model = DeviceModel(descriptor, core)
    line = FaultyLine(model.exchange, faults)
    session = Session(InProcess(line), nonce=7, timing=Timing(tries=100))
    session.open()
    client, draw, began = Client(session), random.Random(2), time.process_time()
    wrong, counts = 0, session.statistics
    while counts.frames_done < frames:
        image = draw.randbytes(WIDE * WORDS)
        client.write("data", 0, image)
        session.flush()
        wrong += core.data != image
        wrong += client.read("data") != image
    return Soaked(
        counts.frames_done,
        counts.frames_repeated,
        line.hits,
        counts.damaged + session.poll()["bad_frames"],
        wrong,
        time.process_time() - began,
    )
