"""The window keeps the line busy; measured in simulated time, which no machine disturbs."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from support.echo import EchoCore, descriptor
from support.wire import Wire

from spikeloom.errors import DeviceError
from spikeloom.hdl.protocol import command
from spikeloom.runtime.backend import Events
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.inputs import run_commands
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
def test_64_kib_at_ninety_five_percent_of_the_line(latency):
    client, wire = opened(1024, 8192, latency)
    before = wire.now()
    for _ in range(4):
        client.write("data", 0, HALF)
    client.session.flush()
    # The last acknowledgement is on its way for the latency, whatever the window.
    seconds = wire.now() - before - latency
    assert 10 * 65536 / BAUD / seconds >= 0.95
    assert client.session.statistics.frames_repeated == 0
    assert client.session.statistics.polls == 0


def test_reading_keeps_up_as_well():
    client, wire = opened(1024, 8192, 0.016)
    client.write("data", 0, HALF)
    client.session.flush()
    before = wire.now()
    for _ in range(4):
        client.session.write(command("READ", region=0, address=0, count=4096))
    for _ in range(4):
        assert client.session.read(10 + len(HALF))[10:] == HALF
    # The question is on its way, and the first byte of the answer waits for the latency.
    assert 10 * 4 * len(HALF) / BAUD / (wire.now() - before - 0.016) >= 0.95


def test_spikes_both_ways():
    """20 of 1,024 channels in every step: 100,000 in a second each way, waiting included."""
    sizes = {"channels": 1024, "outputs": 1024, "event_capacity": 1024}
    device = DeviceModel(replace(descriptor(1024, 8192), **sizes), EchoCore(1024))
    wire = Wire(device.exchange, BAUD, 0.016)
    session = Session(wire)
    session.open()
    steps, draw, none = 2000, np.random.default_rng(2), np.zeros(0, np.int32)
    each = [np.sort(draw.choice(1024, 20, replace=False)) for _ in range(steps)]
    channels = np.concatenate(each).astype(np.int32)
    before = wire.now()
    found = Client(session).run(
        steps, Events(np.repeat(np.arange(steps), 20), channels, none, none, none)
    )
    assert np.array_equal(found.spikes[:, 1], channels)
    assert len(channels) / (wire.now() - before) >= 100_000


def test_a_window_of_two_frames_is_slow_but_right():
    client, _ = opened(64, 256, 0.016)
    client.load({"data": HALF})
    assert client.read("data") == HALF


@pytest.mark.parametrize("step", [-1, 4, 5])
def test_nothing_is_written_beside_a_run(step):
    told = descriptor(1024, 8192)
    with pytest.raises(DeviceError) as caught:
        run_commands(told, 0, 4, None, 0, [(1, b"first"), (step, b"second")])
    assert str(caught.value) == (
        "something is to be written beside the steps of a run\n"
        f"  found: before step {step}\n  expected: a step from 0 to 3"
    )
