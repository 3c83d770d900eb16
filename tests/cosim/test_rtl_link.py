"""A whole device at its pins (link, adapter, core) computes what the reference computes."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from support.programs import (
    assert_same_run,
    assert_same_state,
    random_events,
    record_everything,
)
from support.rtl import GEOMETRIES, device, needs_compiler, program_for

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.errors import FitError
from spikeloom.hdl.core_regions import describe
from spikeloom.runtime.backend import Record
from spikeloom.runtime.link.transport import InProcess

pytestmark = [needs_compiler, pytest.mark.slow]

NAME = "8 lanes, 18 bits"
DIVISOR = 4


@functools.cache
def board():
    from spikeloom.backends.rtl.line import LineModel
    from spikeloom.hdl.device import Device

    geometry = GEOMETRIES[NAME]
    descriptor = describe(
        geometry, build="0123456789abcdef", max_payload=256, credit=2048, divisor=DIVISOR,
        fastest=DIVISOR,
    )  # fmt: skip
    return LineModel(Device(geometry, descriptor), bit=DIVISOR)


def remote() -> RemoteBackend:
    return RemoteBackend(InProcess(board().exchange, "simulated pins"))


@pytest.mark.parametrize("seed", range(2))
def test_a_device_at_its_pins_agrees_with_the_reference(seed):
    through_pins, by_back_door, reference = remote(), device(NAME), ReferenceBackend()
    program = program_for(NAME, seed)
    events = random_events(program, 12, np.random.default_rng(seed))
    everything = record_everything(program)
    record = everything if seed == 0 else Record(everything.neurons, everything.channels)
    steps = 12
    for each in (through_pins, by_back_door, reference):
        each.load(program)
    found = through_pins.run(steps, events, record)
    assert_same_run(reference.run(steps, events, record), found, program, record)
    # The link costs no step a clock cycle.
    np.testing.assert_array_equal(found.cycles, by_back_door.run(steps, events, record).cycles)
    assert_same_state(reference.read_state(), through_pins.read_state(), program)
    for mine, right in zip(through_pins.read_weights(), reference.read_weights(), strict=True):
        np.testing.assert_array_equal(mine.sparse, right.sparse)
        np.testing.assert_array_equal(mine.dense, right.dense)
    by_back_door.close()


def test_a_program_that_does_not_fit_is_refused_before_a_byte_is_sent():
    backend = remote()
    sent = backend.model.client.session.statistics.frames_sent
    with pytest.raises(FitError):
        backend.load(program_for("1 lane, 12 bits", 1, neurons=60))
    assert backend.model.client.session.statistics.frames_sent == sent


def test_probes_and_stop():
    """What the client can ask of a core: probed words after each step, and a run without end."""
    from spikeloom.hdl.core_regions import column_region
    from spikeloom.hdl.registers import REGISTER

    backend = remote()
    program = program_for(NAME, 2)
    backend.load(program)
    client = backend.model.client
    before = backend.model.read(REGISTER["SPIKES_LOW"].address)  # counters are never set back
    addresses = np.array([REGISTER["STEP"].address, REGISTER["SPIKES_LOW"].address], "<u4")
    client.write("probes", 0, addresses.tobytes())
    client.write("probe_count", 0, (2).to_bytes(4, "little"))
    done = client.run(6, probes=True, cycles=True)
    assert done.probes[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    neurons = done.spikes[:, 1] < GEOMETRIES[NAME].first_generator
    fired = np.bincount(done.spikes[neurons, 0], minlength=6)
    assert (done.probes[:, 1] - before).tolist() == np.cumsum(fired).tolist()
    assert (done.cycles > 0).all()
    session = client.session
    session.transport._exchange = lambda data: board().exchange(data, 20_000)
    told = []
    for steps, _ in client.free_run(flush=20):
        told.append(steps)
        if len(told) == 3:
            session.stop()
    assert session.poll()["step"] == 6 + told[-1]
    assert client.read(column_region("state", 0)) is not None
