"""Sessions written down at one device and replayed without it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.echo import EchoCore, descriptor

from spikeloom.errors import DeviceError, FileError, SpikeloomError
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.faults import Faults, FaultyLine
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.record import Recorder, Replay
from spikeloom.runtime.link.session import Session, Timing
from spikeloom.runtime.link.transport import InProcess

FAULTS = Faults.parse("flip=1e-3,lose=1e-3,seed=3")


def work(transport, steps: int = 5) -> list:
    session = Session(transport, timing=Timing(tries=60))
    session.open()
    client = Client(session)
    client.load({"data": bytes(range(200)) * 2})
    found = client.run(steps, cycles=True, probes=True)
    out = [found.probes, found.cycles, client.read("data", 0, 60), vars(session.statistics)]
    transport.close()
    return out


@pytest.fixture
def recording(tmp_path):
    """Of a bad line, so that time-outs and repetitions are in it."""
    path = tmp_path / "session.jsonl"
    line = FaultyLine(DeviceModel(descriptor(), EchoCore()).exchange, FAULTS)
    recorder = Recorder(InProcess(line, name="the bad line"), path)
    recorder.told = work(recorder)
    assert recorder.told[-1]["frames_repeated"] > 0
    return path, recorder.told


def test_a_replay_is_the_session(recording):
    path, told = recording
    replay = Replay(path)
    assert replay.name == f"recording {path} of the bad line"
    found = work(replay)
    for mine, right in zip(found, told, strict=True):
        assert np.array_equal(mine, right)


def test_a_host_that_does_something_else(recording):
    path, _ = recording
    with pytest.raises(DeviceError, match="the host does something else than when") as error:
        work(Replay(path), steps=6)
    assert "line" in str(error.value.where)
    session = Session(Replay(path))
    with pytest.raises(DeviceError, match="the host does something else"):
        session.transport.read(1.0)
    session.transport.close()


def test_the_end_of_a_recording(recording):
    path, _ = recording
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-3]))
    with pytest.raises(DeviceError, match="the host does something else") as error:
        work(Replay(path))
    assert "the end" in str(error.value.expected)


@settings(deadline=None, max_examples=40)
@given(line=st.integers(0, 30), text=st.one_of(st.text(max_size=40), st.just('{"got": "0"}')))
def test_what_is_no_recording(line, text, tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "session.jsonl"
    recorder = Recorder(InProcess(DeviceModel(descriptor(), EchoCore()).exchange), path)
    work(recorder)
    lines = path.read_text().splitlines()
    changed = "".join(text.splitlines()) or "x"
    lines[line % len(lines)] = changed
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(SpikeloomError) as error:
        work(Replay(path))
    assert isinstance(error.value, DeviceError | FileError)


def test_files_that_cannot_be(tmp_path):
    with pytest.raises(FileError, match="the recording cannot be read"):
        Replay(tmp_path / "none")
    with pytest.raises(FileError, match="the recording cannot be written"):
        Recorder(InProcess(lambda data: b""), tmp_path / "no" / "such")
    path = tmp_path / "session.jsonl"
    head = {"session": 1, "line": "x", "baud": 1, "fastest": 0, "latency": 0.0}
    path.write_text(json.dumps(head))
    Replay(path).close()
    for wrong in (
        {"session": 0}, {"session": 1 << 32}, {"baud": -1}, {"fastest": -1}, {"latency": -0.1},
        {"latency": float("nan")}, {"baud": 1.0}, {"more": 1},
    ):  # fmt: skip
        path.write_text(json.dumps({**head, **wrong}))
        with pytest.raises(FileError, match="this is no recording of a session"):
            Replay(path)
