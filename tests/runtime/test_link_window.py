"""The window keeps the line busy; measured in simulated time, which no machine disturbs."""

from __future__ import annotations

import random

import pytest
from support.echo import EchoCore, descriptor
from support.wire import Wire

from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.session import Session

BAUD = 3_000_000
HALF = random.Random(3).randbytes(16384)


def opened(max_payload: int, credit: int, latency: float) -> tuple[Client, Wire]:
    device = DeviceModel(descriptor(max_payload, credit), EchoCore())
    wire = Wire(device.exchange, BAUD, latency)
    session = Session(wire)
    session.open()
    return Client(session), wire


@pytest.mark.parametrize("latency", [0.0, 0.016])
def test_64_kib_at_ninety_percent_of_the_line(latency):
    client, wire = opened(1024, 8192, latency)
    before = wire.now()
    for _ in range(4):
        client.write("data", 0, HALF)
    client.session.flush()
    # The last acknowledgement is on its way for the latency, whatever the window.
    seconds = wire.now() - before - latency
    assert 10 * 65536 / BAUD / seconds >= 0.9
    assert client.session.statistics.frames_repeated == 0
    assert client.session.statistics.polls == 0


def test_reading_keeps_up_as_well():
    client, wire = opened(1024, 8192, 0.016)
    client.write("data", 0, HALF)
    client.session.flush()
    before = wire.now()
    assert client.read("data") == HALF
    assert 10 * len(HALF) / BAUD / (wire.now() - before - 2 * 0.016) >= 0.5


def test_a_window_of_two_frames_is_slow_but_right():
    client, _ = opened(64, 256, 0.016)
    client.load({"data": HALF})
    assert client.read("data") == HALF
