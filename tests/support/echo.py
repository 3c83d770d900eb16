"""A toy core behind the link, for tests: memories, and spikes that come back in their own step.

``tests/support/echo_hdl.py`` is the same in Amaranth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from spikeloom.hdl.descriptor import Descriptor, Region
from spikeloom.runtime.link.model import ModelCore

REGIONS = (
    Region("data", 32, 4096),
    Region("narrow", 12, 64),
    Region("wide", 72, 16),
    Region("fixed", 8, 4, writable=False),
)
FIXED = b"loom"
PROBES = 2
CAPACITY = 16


def descriptor(
    max_payload: int = 64, credit: int = 512, divisor: int = 0, fastest: int | None = None
) -> Descriptor:
    """Of a device with an echo core; at pins if it has a divisor."""
    return Descriptor(
        build="e" * 16,
        clock_hz=0,
        baud=0,
        max_payload=max_payload,
        rx_credit=credit - 16,
        tx_credit=credit,
        channels=60,
        neurons=50,
        outputs=60,
        event_capacity=CAPACITY,
        regions=REGIONS,
        divisor=divisor,
        fastest=divisor if fastest is None else fastest,
    )


class EchoCore(ModelCore):
    """A channel's spike comes back; a graded value goes to ``data[neuron]``.

    Probes are ``data[0]`` and ``data[1]``; a step takes 7 cycles and one per spike.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.memory = [bytearray(r.word_bytes * r.depth) for r in REGIONS]
        self.memory[3][:] = FIXED
        self.queue: deque[tuple[bool, int, int, int]] = deque()

    def reset(self) -> None:
        """The step number and the queue; memories stay."""
        self.step = 0
        self.stop = False
        self.queue.clear()

    def read(self, region: int, address: int) -> bytes:
        size = REGIONS[region].word_bytes
        return bytes(self.memory[region][address * size : (address + 1) * size])

    def write(self, region: int, address: int, word: bytes) -> None:
        width, size = REGIONS[region].width, REGIONS[region].word_bytes
        value = int.from_bytes(word, "little") & ((1 << width) - 1)
        self.memory[region][address * size : (address + 1) * size] = value.to_bytes(size, "little")

    def event(self, graded: bool, step: int, index: int, value: int) -> None:
        assert len(self.queue) < self.capacity, "the host queues more than there is room for"
        self.queue.append((graded, step, index, value))

    def run(
        self, steps: int, *, spikes: bool, cycles: bool, probes: bool
    ) -> Iterator[tuple[str, int]]:
        done = 0
        while not self.stop and (steps == 0 or done < steps):
            fired = 0
            while self.queue and self.queue[0][1] == self.step:
                graded, _, index, value = self.queue.popleft()
                if graded:
                    self.write(0, index, (value & 0xFFFFFFFF).to_bytes(4, "little"))
                    continue
                fired += 1
                if spikes:
                    yield "SPIKE", index
            if probes:
                for i in range(PROBES):
                    yield "PROBE", int.from_bytes(self.read(0, i), "little")
            if cycles:
                yield "CYCLES", 7 + fired
            self.step = (self.step + 1) & 0xFFFFFFFF
            done += 1
            yield "STEP", 0
        yield "DONE", int(steps == 0 or done < steps)
