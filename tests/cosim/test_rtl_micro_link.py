"""A small core behind a link, modelled and at its pins: loaded, verified, run, read, stopped."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from support.micro import SMALL, small_events, small_network, small_program
from support.programs import (
    assert_same_run,
    assert_same_state,
    assert_same_weights,
    record_everything,
)
from support.rtl import needs_compiler

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl import RtlBackend
from spikeloom.backends.rtl.modelled import ModelledDevice
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.compiler.program import Program
from spikeloom.hdl.core_regions import column_region
from spikeloom.hdl.registers import CONTROL_HOST_INPUT, REGISTER, STATUS_LATE, STATUS_REFUSED
from spikeloom.hdl.streams import INPUT_END, INPUT_GRADED
from spikeloom.runtime.backend import Record
from spikeloom.runtime.link.transport import InProcess

pytestmark = needs_compiler

DIVISOR = 4
STEPS = 8


@functools.cache
def board():
    from spikeloom.backends.rtl.line import LineModel
    from spikeloom.hdl.device import make_device

    design = make_device(SMALL, DIVISOR, max_payload=256, events=256, probes=64)
    return LineModel(design, bit=DIVISOR)


def at_pins() -> Any:
    return RemoteBackend(InProcess(board().exchange, "simulated pins"))


def the_program(seed: int) -> Program:
    program = small_network(seed) if seed % 2 else small_program(seed)
    assert program is not None
    return program


@pytest.mark.parametrize("way", ["modelled", "pins"])
def test_a_small_core_behind_a_link_agrees_with_the_reference(way):
    device = RemoteBackend(InProcess(ModelledDevice(SMALL).exchange)) if way == "modelled" else None
    device = device or at_pins()
    by_back_door = RtlBackend(simulator="compiled", geometry=SMALL)
    reference = ReferenceBackend()
    # Loaded one after the other: each Program meets what the one before it left.
    for seed in (1, 4, 6):
        program = the_program(seed)
        events = small_events(program, STEPS, np.random.default_rng(seed))
        everything = record_everything(program)
        record = everything if seed != 4 else Record(everything.neurons, everything.channels)
        for each in (device, by_back_door, reference):
            each.load(program)
        device.verify()
        for _ in range(2):
            found = device.run(STEPS, events, record)
            assert_same_run(reference.run(STEPS, events, record), found, program, record)
            # The link costs no step a clock cycle.
            right = by_back_door.run(STEPS, events, record).cycles
            np.testing.assert_array_equal(found.cycles, right)
            assert_same_state(reference.read_state(), device.read_state(), program)
            assert_same_weights(reference.read_weights(), device.read_weights(), program)
        device.verify()
    by_back_door.close()


def test_probes_and_stop():
    """Probed words after each step, and a run without end that is stopped."""
    backend = at_pins()
    backend.load(the_program(1))
    client = backend.model.client
    before = backend.model.read(REGISTER["EVENTS_LOW"].address)
    addresses = np.array([REGISTER[n].address for n in ("STEP", "EVENTS_LOW", "STATUS")], "<u4")
    client.write("probes", 0, addresses.tobytes())
    client.write("probe_count", 0, (3).to_bytes(4, "little"))
    done = client.run(6, probes=True, cycles=True)
    assert done.probes[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert done.probes[:, 1].min() >= before
    assert not done.probes[:, 2].any()  # it rests
    assert (done.cycles > 0).all()
    client.write("probe_count", 0, bytes(4))
    session = client.session
    session.transport._exchange = lambda data: board().exchange(data, 20_000)
    told = []
    for steps, _ in client.free_run(flush=20):
        told.append(steps)
        if len(told) == 3:
            session.stop()
    assert session.poll()["step"] == 6 + told[-1]
    assert backend.model.read(REGISTER["STATUS"].address) == 0
    assert client.read(column_region("state", 0)) is not None


def test_registers_are_as_on_other_cores():
    rtl = RtlBackend(simulator="compiled", geometry=SMALL)
    rtl.load(the_program(1))
    model = rtl.model

    def register(name: str) -> int:
        return model.read(REGISTER[name].address)

    def write(name: str, value: int) -> None:
        model.write(REGISTER[name].address, value)

    for name in ("NEURONS", "LANES", "PLASTIC", "RULES", "MICRO", "WEIGHT_BITS"):
        assert register(name) == int(getattr(SMALL, name.lower())), name
    for name in ("STEP", "GROUPS", "FIRED", "LEARNING", "RULES_USED", "MODULATOR"):
        before = register(name)
        write(name, 1)
        assert register(name) == 1, name
        write(name, before)
    write("NEURONS", 3)  # cannot be written
    assert register("NEURONS") == SMALL.neurons
    assert register("IDENT") == 0x53504C31
    # Input of a kind that it does not know is told, until that is taken back.
    write("CONTROL", CONTROL_HOST_INPUT)
    given = np.array([(INPUT_GRADED, 0, 5), (INPUT_END, 0, 0)], np.int64)
    step = register("STEP")
    model.steps(1, given, 1 << 20)
    assert register("STATUS") == STATUS_REFUSED
    assert register("STEP") == step + 1
    write("STATUS", 0)
    assert register("STATUS") == 0
    rtl.close()


def test_steps_keep_a_pace_and_being_late_is_told():
    rtl = RtlBackend(simulator="compiled", geometry=SMALL)
    program = the_program(1)
    rtl.load(program)
    model, quiet = rtl.model, np.array([(INPUT_END, 0, 0)] * 5, np.int64)
    plain = model.steps(5, quiet, 1 << 20)
    longest = int(plain.items[:, 2].max())
    pace = 2 * longest
    model.write(REGISTER["PACE"].address, pace)
    paced = model.steps(5, quiet, 1 << 20)
    assert paced.items.tolist() == plain.items.tolist()  # no step is longer
    assert abs(paced.cycles - (4 * pace + longest)) < 200
    assert model.read(REGISTER["STATUS"].address) == 0
    model.write(REGISTER["PACE"].address, longest // 2)
    model.steps(5, quiet, 1 << 20)
    assert model.read(REGISTER["STATUS"].address) == STATUS_LATE
    model.write(REGISTER["STATUS"].address, 0)
    assert model.read(REGISTER["STATUS"].address) == 0
    rtl.close()
