"""A device behind a link: probes, digests, resets, free running; the link is the Python model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.echo import EchoCore, descriptor
from support.programs import (
    assert_same_run,
    assert_same_state,
    random_events,
    record_everything,
)
from support.rtl import GEOMETRIES, needs_compiler, program_for
from support.wire import Wire

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl.modelled import ModelledDevice
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.errors import DeviceError
from spikeloom.runtime.backend import Events, Record
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.session import Timing
from spikeloom.runtime.link.transport import InProcess

pytestmark = needs_compiler

NAMES = ["8 lanes, 18 bits", "1 lane, 12 bits"]


class Line:
    """Counts what goes over the line, and can reset the device at any frame."""

    def __init__(self, name: str, **sizes: int):
        self.device = ModelledDevice(GEOMETRIES[name], **sizes)
        self.frames = self.bytes = 0
        self.reset_at = -1

    def exchange(self, data: bytes) -> bytes:
        if data:
            if self.frames == self.reset_at:
                self.device.restart()
            self.frames += 1
        answer = self.device.exchange(data)
        self.bytes += len(data) + len(answer)
        return answer

    def open(self) -> RemoteBackend:
        return RemoteBackend(InProcess(self.exchange), timing=Timing(tries=4))


@pytest.mark.parametrize("name", NAMES)
def test_it_agrees_with_the_reference(name):
    line = Line(name)
    device, reference = line.open(), ReferenceBackend()
    # Loaded twice: the second program meets what the first one left.
    for seed in (3, 4):
        program = program_for(name, seed)
        record = record_everything(program)
        events = random_events(program, 15, np.random.default_rng(seed))
        for each in (device, reference):
            each.load(program)
        found = device.run(15, events, record)
        assert_same_run(reference.run(15, events, record), found, program, record)
        assert_same_state(reference.read_state(), device.read_state(), program)
        right = reference.read_saturation()
        for mine, other in zip(device.read_saturation(), right, strict=True):
            np.testing.assert_array_equal(mine, other)
        device.verify()
    assert device.run(0, Events.none(), record).states[0].shape[0] == 0
    device.close()


def test_recording_is_one_exchange_for_many_steps():
    name, steps = NAMES[0], 100
    program = program_for(name, 5)
    record = Record(
        np.zeros(program.neurons, bool), np.zeros(program.channels, bool),
        (("v", np.array([2, 0])), ("threshold", np.array([0])), ("u1", np.array([1]))),
    )  # fmt: skip
    line = Line(name)
    device, reference = line.open(), ReferenceBackend()
    for each in (device, reference):
        each.load(program)
    device.run(1, Events.none(), record)  # tells the device what to look at
    frames, sent = line.frames, line.bytes
    found = device.run(steps, Events.none(), record)
    assert line.frames - frames <= 3
    regions = line.device.descriptor.regions
    table = sum(r.depth * r.word_bytes for r in regions if r.name.startswith("state."))
    assert line.bytes - sent < steps * table / 10
    reference.run(1, Events.none(), record)
    assert_same_run(reference.run(steps, Events.none(), record), found, program, record)


def test_more_than_the_device_can_look_at():
    name = NAMES[0]
    program = program_for(name, 6)
    record = record_everything(program)
    device, reference = Line(name, probes=2).open(), ReferenceBackend()
    events = random_events(program, 5, np.random.default_rng(1))
    for each in (device, reference):
        each.load(program)
    found = device.run(5, events, record)
    assert_same_run(reference.run(5, events, record), found, program, record)


def test_a_device_that_holds_something_else_is_found_out():
    device = Line(NAMES[0]).open()
    device.load(program_for(NAMES[0], 7))
    device.verify()
    client = device.model.client
    word = bytearray(client.read("row.0", 3, 1))
    word[0] ^= 1
    client.write("row.0", 3, bytes(word))
    with pytest.raises(DeviceError) as error:
        device.verify()
    assert error.value.problem == "a region does not hold what was loaded any more"
    assert error.value.where == "region 'row.0' of the device at in-process"
    device.load(device._program)
    device.verify()


def test_what_the_device_holds_already_is_not_sent_again():
    name = NAMES[0]
    line = Line(name)
    device, reference = line.open(), ReferenceBackend()
    program, other = program_for(name, 7), program_for(name, 8)
    device.load(program)
    whole = device.model.sent
    events = random_events(program, 8, np.random.default_rng(7))
    nothing = Record(np.ones(program.neurons, bool), np.zeros(program.channels, bool))
    device = line.open()  # another host, which finds all of it by the digests
    device.load(program)
    assert device.model.sent == 0
    device.load(other)
    device.load(program)
    sent = device.model.sent
    weights = [w.sparse.copy() for w in device.read_weights()]
    weights[0][0] += 1 if weights[0][0] < 0 else -1
    changed = replace_sparse(device, weights)
    device.write_weights(changed)
    device.verify()
    assert 0 < device.model.sent - sent <= 8 < whole
    reference.load(program)
    reference.write_weights(changed)
    assert_same_run(
        reference.run(8, events, nothing), device.run(8, events, nothing), program, nothing
    )


def replace_sparse(device: RemoteBackend, weights: list[np.ndarray]) -> tuple:
    return tuple(
        replace(old, sparse=new) for old, new in zip(device.read_weights(), weights, strict=True)
    )


def test_what_changed_behind_our_back_is_mended_by_the_next_load():
    """What the host knows says only what to send: digests tell whether it is right."""
    device = Line(NAMES[0]).open()
    program = program_for(NAMES[0], 7)
    device.load(program)
    client = device.model.client
    for region in ("row.0", "state.0", "synapse.0"):
        word = bytearray(client.read(region, 3, 1))
        word[0] ^= 1
        client.write(region, 3, bytes(word))
    device.load(program)
    device.verify()
    record = record_everything(program)
    events = random_events(program, 8, np.random.default_rng(7))
    reference = ReferenceBackend()
    reference.load(program)
    assert_same_run(
        reference.run(8, events, record), device.run(8, events, record), program, record
    )


def test_loading_waits_for_one_answer():
    """In simulated time: the bytes, and once the adapter's latency; the check is in it."""
    latency, baud = 0.05, 3_000_000
    program = program_for(NAMES[0], 3)
    wire = Wire(ModelledDevice(GEOMETRIES[NAMES[0]]).exchange, baud, latency)
    device = RemoteBackend(wire)
    began, sent = wire.now(), wire.sent
    device.load(program)
    took = wire.now() - began
    assert latency < took < 10 * (wire.sent - sent) / baud + 1.2 * latency


@pytest.mark.slow
def test_a_reset_at_any_frame_of_a_load_is_told():
    name = NAMES[1]
    program = program_for(name, 1, neurons=5)
    sizes = {"max_payload": 64, "credit": 512}
    line = Line(name, **sizes)
    device = line.open()
    first = line.frames
    device.load(program)
    assert line.frames > first + 10
    told = set()
    for at in range(line.frames):
        line = Line(name, **sizes)
        line.reset_at = at
        try:
            device = line.open()
            device.load(program)
            device.verify()  # the last frame of a load only says that its answer has come
        except DeviceError as error:
            told.add(error.problem)
        else:
            # Only while the session was being opened: then it was opened again.
            assert at < first
    assert told == {"the device was reset, or another host opened it, while this session was open"}


def test_free_running_until_stopped():
    device = Line(NAMES[0]).open()
    program = program_for(NAMES[0], 8)
    device.load(program)
    client, told = device.model.client, []
    transport = client.session.transport
    exchange, given = transport._exchange, []

    def in_slices(data: bytes) -> bytes:
        given.append(len(data))
        return exchange(data)

    transport._exchange = in_slices
    for steps, _ in client.free_run(flush=10):
        told.append(steps)
        if len(told) == 3:
            client.session.stop()
    assert told[0] >= 10
    assert client.session.poll()["step"] == told[-1]


@pytest.mark.parametrize("change", [{}, {"neurons": "many"}, {"more": 1}, {"lanes": None}])
def test_a_core_that_is_not_known(change):
    told = {**GEOMETRIES[NAMES[0]].told(), **change}
    if not change:
        del told["words"]
    device = DeviceModel(replace(descriptor(), geometry=told), EchoCore())
    with pytest.raises(DeviceError) as caught:
        RemoteBackend(InProcess(device.exchange))
    assert caught.value.problem == "the device describes a core that this version does not know"
    assert caught.value.found == ", ".join(sorted(told))
