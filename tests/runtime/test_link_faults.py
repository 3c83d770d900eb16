"""Sessions over lines that lose and damage bytes: the right result or a clear error, never else."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.echo import EchoCore, descriptor
from support.faults import FaultyLine

from spikeloom.errors import DeviceError
from spikeloom.hdl import protocol
from spikeloom.hdl.protocol import FrameType
from spikeloom.runtime.backend import Events
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.codec import Frame
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.session import Session, Timing
from spikeloom.runtime.link.transport import InProcess

IMAGE = random.Random(1).randbytes(4 * 600)
STEPS = 40


def events(seed: int) -> Events:
    """A few spikes and graded values in each step."""
    draw = np.random.default_rng(seed)
    spikes = np.argwhere(draw.random((STEPS, 60)) < 0.1)
    graded = np.argwhere(draw.random((STEPS, 50)) < 0.02)
    return Events(
        spikes[:, 0], spikes[:, 1].astype(np.int32), graded[:, 0], graded[:, 1].astype(np.int32),
        draw.integers(-(1 << 31), 1 << 31, len(graded)).astype(np.int32),
    )  # fmt: skip


def work(exchange) -> tuple[Client, list]:
    """Load, run, read back; what came of it."""
    session = Session(InProcess(exchange), nonce=99, timing=Timing(tries=60))
    session.open()
    client = Client(session)
    client.load({"data": IMAGE})
    steps = client.run(STEPS, events(3), cycles=True, probes=True)
    return client, [steps.spikes, steps.probes, steps.cycles, client.read("data")]


def device() -> DeviceModel:
    return DeviceModel(descriptor(), EchoCore())


CLEAN = work(device().exchange)[1]


def test_a_clean_line():
    """What the faulty ones are compared with is itself right."""
    given_events = events(3)
    spikes, probes, cycles, data = CLEAN
    expected = np.stack([given_events.spike_step, given_events.spike_channel], axis=1)
    assert np.array_equal(spikes, expected)
    count = np.bincount(given_events.spike_step, minlength=STEPS)
    assert np.array_equal(cycles, 7 + count)
    words = np.frombuffer(IMAGE, "<i4").copy()
    for step in range(STEPS):
        now = given_events.graded_step == step
        words[given_events.graded_neuron[now]] = given_events.graded_value[now]
        assert np.array_equal(probes[step], words[:2])
    assert data[: len(IMAGE)] == words.tobytes()


def check(exchange) -> Client:
    client, found = work(exchange)
    for mine, right in zip(found, CLEAN, strict=True):
        assert np.array_equal(mine, right)
    return client


@pytest.mark.parametrize("kind", ["flip", "lose", "double", "garbage"])
def test_one_kind_of_fault(kind):
    line = FaultyLine(device().exchange, 1e-3, 5, (kind,))
    client = check(line)
    assert line.hits > 5
    assert client.session.statistics.frames_repeated > 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([0, 1e-4, 1e-3, 5e-3]), st.booleans())
def test_any_mixture(seed, rate, split):
    check(FaultyLine(device().exchange, rate, seed, split=split))


def test_a_dead_line():
    session = Session(InProcess(lambda data: b""))
    with pytest.raises(DeviceError) as error:
        session.open()
    assert str(error.value) == (
        "no device answers at this line\n"
        "  found: 10 HELLO frames without an answer; 0 damaged frames came\n"
        "  expected: a HELLO frame of a Spikeloom device\n"
        "  where: in-process\n"
        "  remedy: check power and baud rate, and that the bitstream is loaded"
    )


@given(st.binary(max_size=300))
def test_noise_instead_of_a_device(noise):
    session = Session(InProcess(lambda data: noise), timing=Timing(tries=2))
    with pytest.raises(DeviceError, match="no device answers at this line"):
        session.open()


def test_a_loop_instead_of_a_device():
    """A plug that sends everything back is no device."""
    session = Session(InProcess(lambda data: data), timing=Timing(tries=2))
    with pytest.raises(DeviceError, match="no device answers at this line"):
        session.open()


def frames_of(action) -> int:
    """How many exchanges with data an action takes on a clean line."""
    model, count = device(), 0

    def counting(data: bytes) -> bytes:
        nonlocal count
        count += bool(data)
        return model.exchange(data)

    action(counting)
    return count


def load(exchange) -> None:
    session = Session(InProcess(exchange), nonce=99, timing=Timing(tries=4))
    session.open()
    Client(session).load({"data": IMAGE[:800]})


@pytest.mark.parametrize("at", range(frames_of(load)))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reset_at_every_frame_of_a_load(at, when):
    """A device that was reset never passes for a loaded one."""
    model, count = device(), 0

    def exchange(data: bytes) -> bytes:
        nonlocal count
        if when == "before" and data and count == at:
            _lose_everything(model)
        answer = model.exchange(data)
        if when == "after" and data and count == at:
            _lose_everything(model)
        count += bool(data)
        return answer

    failed = ""
    try:
        load(exchange)
    except DeviceError as error:
        failed = error.problem
    if failed:
        assert failed.startswith("the device was reset, or another host opened it")
    else:
        # It was reset before it held anything, or after it had confirmed everything.
        kept = bytes(model.core.memory[0][:800]) == IMAGE[:800]
        assert kept or (when == "after" and at == count - 1)


def _lose_everything(model: DeviceModel) -> None:
    model.reset()
    for memory in model.core.memory[:3]:
        memory[:] = bytes(len(memory))


@pytest.mark.parametrize("at", range(0, 42, 6))
def test_a_line_that_dies_at_any_frame(at):
    model, count = device(), 0

    def exchange(data: bytes) -> bytes:
        nonlocal count
        count += bool(data)
        return model.exchange(data) if count <= at else b""

    def everything() -> None:
        session = Session(InProcess(exchange), timing=Timing(tries=3))
        session.open()
        Client(session).load({"data": IMAGE})

    with pytest.raises(DeviceError, match=r"no device answers|the device has stopped answering"):
        everything()


def test_a_device_that_answers_but_does_nothing():
    model = device()
    session = Session(InProcess(model.exchange), timing=Timing(stall=3.0))
    session.open()
    model._work = iter(lambda: False, True)  # its executor hangs
    with pytest.raises(DeviceError) as error:
        Client(session).read("data", 0, 1)
    assert error.value.problem == "the device answers but makes no progress"
    assert "it is idle; 1 frames are unacknowledged" in str(error.value.found)
    with pytest.raises(DeviceError, match="this session has failed before"):
        session.flush()


def test_frames_of_an_older_session_at_opening():
    model = device()
    old = Frame(FrameType.DATA, 98, 0, 0, 60000, b"\x01")
    model.exchange(old.encode() * 3 + b"half a fra")
    client, found = work(model.exchange)
    assert np.array_equal(found[0], CLEAN[0])
    assert client.session.poll()["bad_frames"] == 1


def test_another_version():
    def exchange(data: bytes) -> bytes:
        return Frame(FrameType.HELLO, 99, 0, 0, 0, bytes(30), version=2).encode()

    with pytest.raises(DeviceError) as error:
        Session(InProcess(exchange), nonce=99).open()
    assert error.value.problem == "the device speaks another version of the protocol"
    assert (error.value.found, error.value.expected) == (2, protocol.VERSION)


@given(st.binary(max_size=200))
def test_a_description_that_makes_no_sense(text):
    head = bytes(protocol.STATUS.size) + protocol.HELLO_PLACE.pack(offset=0, total=len(text))

    def exchange(data: bytes) -> bytes:
        return Frame(FrameType.HELLO, 99, 0, 0, 0, head + text).encode()

    with pytest.raises(DeviceError, match="description"):
        Session(InProcess(exchange), nonce=99).open()
