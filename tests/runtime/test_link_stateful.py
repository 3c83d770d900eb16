"""Hypothesis plays a host, a bad line, a second host and a device that loses its power."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from support.echo import EchoCore, descriptor

from spikeloom.errors import DeviceError
from spikeloom.runtime.backend import Events
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.faults import Faults, FaultyLine
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.session import Session, Timing
from spikeloom.runtime.link.transport import InProcess

WORDS = 256
RATES = st.sampled_from([0.0, 0.0, 5e-4, 2e-3])
LINES = st.builds(
    Faults, flip=RATES, lose=RATES, double=RATES, garbage=RATES, burst=RATES, swap=RATES,
    stall=st.sampled_from([0.0, 0.05]), split=st.booleans(), seed=st.integers(0, 1 << 32),
)  # fmt: skip
ADDRESSES = st.integers(0, WORDS - 1)


class Play(RuleBasedStateMachine):
    """Whatever happens, memory is what was written, steps are as counted, or an error says why."""

    def __init__(self) -> None:
        super().__init__()
        self.model = DeviceModel(descriptor(), EchoCore())
        self.memory = bytearray(4 * WORDS)
        self.step = 0

    @initialize(faults=LINES)
    def begin(self, faults: Faults) -> None:
        self.line = FaultyLine(self.model.exchange, faults)
        self.client = self.opened()

    def opened(self) -> Client:
        session = Session(InProcess(lambda data: self.line(data)), timing=Timing(tries=80))
        session.open()
        assert session.poll()["step"] == self.step
        return Client(session)

    @rule(faults=LINES)
    def the_line_changes(self, faults: Faults) -> None:
        self.line = FaultyLine(self.model.exchange, faults)

    @rule(at=ADDRESSES, data=st.binary(min_size=1, max_size=300))
    def write(self, at: int, data: bytes) -> None:
        data = data[: len(data) // 4 * 4][: 4 * (WORDS - at)]
        self.client.write("data", at, data)
        self.memory[4 * at : 4 * at + len(data)] = data

    @rule(at=ADDRESSES, count=st.integers(0, WORDS))
    def read(self, at: int, count: int) -> None:
        count = min(count, WORDS - at)
        assert self.client.read("data", at, count) == self.memory[4 * at : 4 * (at + count)]

    @rule(at=ADDRESSES)
    def digest(self, at: int) -> None:
        assert self.client.digest("data", at, WORDS - at) == zlib.crc32(self.memory[4 * at :])

    @rule(steps=st.integers(1, 20), spikes=st.lists(st.integers(0, 59), max_size=10))
    def run_steps(self, steps: int, spikes: list[int]) -> None:
        channels = np.array(sorted(set(spikes)), np.int32)
        none = np.zeros(0, np.int32)
        when = np.full(len(channels), steps - 1)
        events = Events(when, channels, none, none, none)
        found = self.client.run(steps, events, start=self.step)
        assert np.array_equal(found.spikes, np.stack([when, channels], axis=1))
        self.step += steps

    @rule()
    def another_host(self) -> None:
        """It takes over; the first one's commands were done, or it learns that they were not."""
        self.client.session.flush()
        before, self.client = self.client, self.opened()
        with pytest.raises(DeviceError, match="another host opened it"):
            before.read("data", 0, 1)

    @rule()
    def power_fails(self) -> None:
        self.client.session.flush()
        self.model.reset()
        self.step = 0
        with pytest.raises(DeviceError, match="the device was reset"):
            self.client.read("data", 0, 1)
        self.client = self.opened()


TestPlay = Play.TestCase
TestPlay.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
