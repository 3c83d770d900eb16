"""Sessions over lines that lose and damage bytes: the right result or a clear error, never else."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.echo import EchoCore, descriptor
from support.soak import soak

from spikeloom.errors import DeviceError, InputError
from spikeloom.hdl import protocol
from spikeloom.hdl.protocol import FrameType
from spikeloom.runtime.backend import Events
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.codec import Frame
from spikeloom.runtime.link.faults import Faults, FaultyLine
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


@pytest.mark.parametrize("kind", Faults.KINDS)
def test_one_kind_of_fault(kind):
    line = FaultyLine(device().exchange, Faults.parse(f"{kind}=1e-3,seed=5"))
    client = check(line)
    assert line.hits > 5
    statistics = client.session.statistics
    assert statistics.damaged + statistics.frames_repeated > 5


def test_stalls():
    model, late = device(), []

    def exchange(data: bytes) -> bytes:
        late.append(line.waiting)
        return model.exchange(data)

    line = FaultyLine(exchange, Faults.parse("stall=0.2"))
    check(line)
    assert sum(map(bool, late)) > 10


RATES = st.sampled_from([0.0, 0.0, 1e-4, 1e-3])


@settings(max_examples=25, deadline=None)
@given(
    st.builds(
        Faults, flip=RATES, lose=RATES, double=RATES, garbage=RATES, burst=RATES, swap=RATES,
        stall=st.sampled_from([0.0, 0.05]), split=st.booleans(), seed=st.integers(0, 1 << 32),
    )
)  # fmt: skip
def test_any_mixture(faults):
    check(FaultyLine(device().exchange, faults))


def test_latency_is_waited_for():
    """Answers come when the time has come, and no frame is taken for lost before."""
    model, told = device(), []
    transport = InProcess(lambda data: line(data), patience=1e-3)
    line = FaultyLine(model.exchange, Faults(latency=0.016), now=transport.now)
    session = Session(transport, nonce=99)
    session.open()
    before = transport.now()
    assert Client(session).read("data", 0, 4) == bytes(16)
    told.append(transport.now() - before)
    assert 0.016 <= told[0] < 0.1
    assert session.statistics.frames_repeated == session.statistics.polls == 0


@pytest.mark.slow
def test_a_million_frames():
    """0.1 % of all bytes are hit; whatever is written and read is right."""
    found = soak(1_000_000, Faults.parse("flip=2.5e-4,lose=2.5e-4,double=2.5e-4,garbage=2.5e-4"))
    assert found.frames >= 1_000_000
    assert found.damaged > 50_000
    assert found.wrong == 0


class Traffic:
    """An exchange that does something to one byte of all that pass.

    Args:
        at: number of the byte, both directions counted together.
        action: what becomes of data, at the byte's place in them.
    """

    def __init__(self, exchange, at: int, action):
        self._exchange, self._at, self._action = exchange, at, action
        self.passed = 0

    def _pass(self, data: bytes) -> bytes:
        place = self._at - self.passed
        self.passed += len(data)
        return self._action(data, place) if 0 <= place < len(data) else data

    def __call__(self, data: bytes) -> bytes:
        return self._pass(self._exchange(self._pass(data)))


def short(exchange) -> list:
    """A little of everything; what came of it."""
    session = Session(InProcess(exchange), nonce=0x01020304, timing=Timing(tries=6))
    session.open()
    client = Client(session)
    client.load({"wide": bytes(range(36))})
    steps = client.run(3, SHORT, cycles=True)
    status = session.poll()
    return [steps.spikes, steps.cycles, client.read("wide", 0, 4), np.array(status["step"])]


SHORT = Events(
    np.array([0, 2]), np.array([5, 7], np.int32), np.array([1]), np.array([3], np.int32),
    np.array([-9], np.int32),
)  # fmt: skip


def roomy() -> DeviceModel:
    """Tells all about itself in one frame."""
    return DeviceModel(descriptor(1024, 4096), EchoCore())


ACTIONS = {
    "flip": lambda data, at: data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :],
    "lose": lambda data, at: data[:at] + data[at + 1 :],
    "double": lambda data, at: data[: at + 1] + data[at:],
    "zero": lambda data, at: data[:at] + b"\0" + data[at + 1 :],
}


@pytest.mark.parametrize("kind", ACTIONS)
def test_every_single_fault_of_a_session(kind):
    """Each byte in turn, of both directions, from the first to the last."""
    clean = Traffic(roomy().exchange, -1, None)
    right = short(clean)
    assert clean.passed > 600
    for at in range(clean.passed):
        found = short(Traffic(roomy().exchange, at, ACTIONS[kind]))
        assert all(np.array_equal(a, b) for a, b in zip(found, right, strict=True)), at


def test_a_split_at_every_offset():
    """What comes in two pieces, the second of them an exchange later, is as good as in one."""
    clean = Traffic(roomy().exchange, -1, None)
    right = short(clean)
    for at in range(1, clean.passed):
        model, kept = roomy(), [b"", b""]

        passed = 0

        def one_way(data: bytes, way: int, at: int = at, kept=kept) -> bytes:
            nonlocal passed
            place, passed = at - passed, passed + len(data)
            data, kept[way] = kept[way] + data, b""
            if 0 < place < len(data):
                data, kept[way] = data[:place], data[place:]
            return data

        def exchange(data: bytes, model=model, one_way=one_way) -> bytes:
            return one_way(model.exchange(one_way(data, 0)), 1)

        found = short(exchange)
        assert all(np.array_equal(a, b) for a, b in zip(found, right, strict=True)), at


@pytest.mark.parametrize("at", range(0, 40, 3))
def test_two_hosts(at):
    """The second takes over, at whatever frame; the first is told, nothing of it is mixed in."""
    model, count, second = device(), 0, []

    def exchange(data: bytes) -> bytes:
        nonlocal count
        count += bool(data)
        if count == at + 1 and not second:
            session = Session(InProcess(model.exchange), nonce=5)
            session.open()
            second.append(Client(session))
            second[0].write("narrow", 0, b"\1\2")
        return model.exchange(data)

    first = Session(InProcess(exchange), nonce=99, timing=Timing(tries=4))
    problem = ""
    try:
        first.open()
        Client(first).load({"data": IMAGE})
    except DeviceError as error:
        problem = error.problem
    if problem:
        assert problem.startswith("the device was reset, or another host opened it")
        assert second[0].read("narrow", 0, 1) == b"\1\2"
    else:
        # Opening is repeated until it is answered: then the first has taken over again.
        with pytest.raises(DeviceError, match="another host opened it"):
            second[0].read("narrow", 0, 1)
        assert bytes(model.core.memory[0][: len(IMAGE)]) == IMAGE


@pytest.mark.parametrize("text", ["flop=1", "flip", "split=1", "flip=x", "flip=1e-3,flip=1e-3", ""])
def test_what_is_no_description_of_faults(text):
    with pytest.raises(InputError, match="this is no description of faults"):
        Faults.parse(text)


def test_a_description_of_faults():
    assert Faults.parse("flip=1e-3, split,cut=50,seed=9") == Faults(
        flip=1e-3, split=True, cut=50, seed=9
    )
    with pytest.raises(InputError) as error:
        Faults.parse("flip=0.5,lose=0.6")
    assert error.value.problem == "probabilities are from 0 to 1, also all of them together"
    with pytest.raises(InputError, match="cut and latency cannot be negative"):
        Faults.parse("cut=-1")


def test_a_line_that_is_cut():
    with pytest.raises(DeviceError, match="the device has stopped answering"):
        work(FaultyLine(device().exchange, Faults(cut=3000)))


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
