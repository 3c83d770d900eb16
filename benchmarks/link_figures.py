"""What the line carries, in simulated time: ten bits to a byte, adapters that hold bytes back.

    python benchmarks/link_figures.py
    python benchmarks/link_figures.py --baud 1000000 --latency 0.016

Host, protocol and the device's model are the real ones; only the time is reckoned, so that no
machine disturbs it, and the device itself takes none. Told are payload bytes against what the line
could carry, how long a network of 90 neurons, all to all, with 64 inputs takes to load and verify,
and spikes per second both ways at once: 20 of 1,024 channels in each step, whose spikes all come
back in it; and how fast the digits of ``examples/digits_supervised.py`` are learned, with a
teacher's events in two of three steps.
"""

from __future__ import annotations

import argparse
import random
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

import numpy as np
from digits_learning import Data, spikes_of
from digits_supervised import ETA, FULL, PAUSE, PERIOD, network, teacher_of
from support.echo import EchoCore, descriptor
from support.wire import Wire

import spikeloom as sl
from spikeloom.backends.rtl.fit import geometry_for
from spikeloom.backends.rtl.modelled import ModelledDevice
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.hdl.protocol import command
from spikeloom.runtime.backend import Events
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.session import Session

IMAGE = random.Random(3).randbytes(16384)


CHANNELS, ACTIVE = 1024, 20


def opened(baud: int, latency: float) -> tuple[Client, Wire]:
    """A client of a device with a toy core, with frames and buffers as devices are built."""
    sizes = {"channels": CHANNELS, "outputs": CHANNELS, "event_capacity": 1024}
    device = DeviceModel(replace(descriptor(1024, 8192), **sizes), EchoCore(1024))
    wire = Wire(device.exchange, baud, latency)
    session = Session(wire)
    session.open()
    return Client(session), wire


def line_rates(baud: int, latency: float, images: int = 16) -> tuple[float, float]:
    """Shares of the line's bytes that are payload: to the device, and from it."""
    client, wire = opened(baud, latency)
    line = 10 * len(IMAGE) * images / baud
    began = wire.now()
    for _ in range(images):
        client.write("data", 0, IMAGE)
    client.session.flush()
    # The last acknowledgement is on its way for the latency, whatever the window.
    there = line / (wire.now() - began - latency)
    began = wire.now()
    for _ in range(images):
        client.session.write(command("READ", region=0, address=0, count=4096))
    for _ in range(images):
        assert client.session.read(10 + len(IMAGE))[10:] == IMAGE
    return there, line / (wire.now() - began - latency)


def spikes_per_second(baud: int, latency: float, steps: int = 2000) -> float:
    """Both ways at once."""
    client, wire = opened(baud, latency)
    draw, none = np.random.default_rng(2), np.zeros(0, np.int32)
    each = [np.sort(draw.choice(CHANNELS, ACTIVE, replace=False)) for _ in range(steps)]
    channels = np.concatenate(each).astype(np.int32)
    events = Events(
        np.repeat(np.arange(steps), ACTIVE), channels, none.astype(np.int64), none, none
    )
    began = wire.now()
    found = client.run(steps, events)
    assert np.array_equal(found.spikes[:, 1], channels)
    return len(channels) / (wire.now() - began)


def load_time(baud: int, latency: float) -> float:
    """Seconds to load and verify 90 neurons with 8,100 + 5,760 synapses."""
    draw = np.random.default_rng(1)
    net = sl.Network(dt=1e-3)
    inputs = net.source("inputs", 64)
    cells = net.population("cells", 90, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(inputs, cells, weights=draw.uniform(-1, 1, (64, 90)), delay=0.0)
    net.connect(cells, cells, weights=draw.uniform(-1, 1, (90, 90)))
    net.probe(cells, "spikes")
    program = sl.compile(net)
    wire = Wire(ModelledDevice(geometry_for(program)).exchange, baud, latency)
    backend = RemoteBackend(wire)
    began = wire.now()
    backend.load(program)
    backend.verify()
    return wire.now() - began


def learning(baud: int, latency: float, images: int = 100) -> tuple[float, float, float]:
    """Seconds, host's DATA frames, and bytes both ways, per image that is learned."""
    program = sl.compile(network(ETA, "stochastic", 0))
    data = Data.load("random")
    inputs = {
        "pixels": spikes_of(data.train[:images], PAUSE),
        "digits.teacher": teacher_of(data.train_labels[:images]),
        "modulator": ([0], [FULL]),
    }
    modelled, carried = ModelledDevice(geometry_for(program)), [0]

    def exchange(sent: bytes) -> bytes:
        answer = modelled.exchange(sent)
        carried[0] += len(sent) + len(answer)
        return answer

    wire = Wire(exchange, baud, latency)
    backend = RemoteBackend(wire)
    with sl.Device(backend) as device, sl.open("emulator") as emulator:
        for each in (device, emulator):
            each.load(program)
        device.run(PERIOD)  # tells the device what to look at
        emulator.run(PERIOD)
        began, carried[0] = wire.now(), 0
        frames = backend.client.session.statistics.frames_sent
        device.run(images * PERIOD, inputs)
        seconds = wire.now() - began
        frames = backend.client.session.statistics.frames_sent - frames
        emulator.run(images * PERIOD, inputs)
        found, right = (each.read_weights("pixels->digits") for each in (device, emulator))
        assert (found.raw == right.raw).all()
    return seconds / images, frames / images, carried[0] / images


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description="The link in simulated time.")
    parser.add_argument("--baud", type=int, default=3_000_000)
    parser.add_argument("--latency", type=float, action="append", help="seconds")
    given = parser.parse_args()
    for latency in given.latency or (0.002, 0.016):
        there, back = line_rates(given.baud, latency)
        print(f"{given.baud} baud, {1e3 * latency:g} ms of latency:")
        print(f"  payload {there:.1%} of the line to the device, {back:.1%} from it")
        print(f"  {load_time(given.baud, latency) * 1e3:.0f} ms to load and verify the network")
        print(f"  {spikes_per_second(given.baud, latency):.0f} spikes per second each way")
        seconds, frames, size = learning(given.baud, latency)
        print(f"  {1e3 * seconds:.1f} ms, {frames:.1f} frames, {size:.0f} bytes an image learned")


if __name__ == "__main__":
    main()
