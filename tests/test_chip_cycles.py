"""Our mesh as a chip: its cycles, what becomes of single spikes, and what it refuses."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from support.our_mesh import inputs_of, mesh_chip, mesh_cycles
from support.programs import random_events, random_plastic_program, random_program
from support.tiny import Synapse, tiny_program

import spikeloom as sl
from spikeloom import chip_latency
from spikeloom.backends.emulator import EmulatorBackend, native
from spikeloom.backends.emulator.mesh_clock import FlitCarrier
from spikeloom.hdl import cycles, flits
from spikeloom.hdl import mesh_cycles as formula
from spikeloom.runtime.backend import Record
from spikeloom.runtime.timing import SentFlits, Timing, first_cycles

CYCLE = 2e-8
EAST = 1


def random_mesh_program(seed: int) -> Any:
    rows, columns = ((1, 2), (2, 2), (2, 3), (3, 3), (2, 4), (1, 5))[seed % 6]
    cores = rows * columns - (seed % 4 == 1)
    return random_program(seed, cores=cores, mesh=(rows, columns), neurons=16)


def emulated(program: Any, events: Any, steps: int) -> Any:
    device = EmulatorBackend(cycles="on")
    device.load(program)
    silent = Record(np.zeros(program.neurons, bool), np.zeros(program.channels, bool))
    return device.run(steps, events, silent).cycles


@pytest.mark.filterwarnings("ignore:numbers were clipped")
def test_random_programs_take_the_cycles_of_an_emulated_mesh(monkeypatch):
    different: set[int] = set()
    for seed in range(60):
        program = random_mesh_program(seed)
        events = random_events(program, 20, np.random.default_rng(seed))
        right = emulated(program, events, 20)
        np.testing.assert_array_equal(mesh_cycles(program, events, 20), right, f"seed {seed}")
        different |= set(right.tolist())
        if seed % 5 == 0:  # cut anywhere
            with monkeypatch.context() as patch:
                patch.setattr(chip_latency, "STEPS_AT_A_TIME", 7)
                patch.setattr(chip_latency, "MESSAGES_AT_A_TIME", 10)
                np.testing.assert_array_equal(mesh_cycles(program, events, 20), right)
    assert len(different) > 100


def test_what_becomes_of_flits_is_the_same_in_c():
    """With any room in the buffers; in any order of senders."""
    try:
        native.library()
    except native.KernelUnavailableError as reason:
        pytest.skip(str(reason))
    waits = 0
    for seed in range(30):
        program, rng = random_mesh_program(seed), np.random.default_rng(seed)
        timing = Timing.of(program)
        assert timing.mesh is not None
        timing = replace(timing, mesh=replace(timing.mesh, room=(1, 2, 3, 16)[seed % 4]))
        most = np.array([[40], [10], [5]])
        sent = rng.integers(0, most, (3, 12))
        senders = tuple(
            rng.integers(low, high, int(times.sum()))
            for (low, high), times in zip(
                (
                    (program.channels, program.channels + program.neurons),
                    (0, program.channels),
                    (0, program.channels),
                ),
                sent,
                strict=True,
            )
        )
        earliest = first_cycles(rng.integers(0, 5, 12), timing.mesh.generator_groups[:, None])
        flits_sent = SentFlits.of(timing.mesh, senders, sent)  # type: ignore[arg-type]
        found, right = (
            FlitCarrier(timing, compiled).carry(flits_sent, earliest) for compiled in (True, False)
        )
        for field in fields(flits.FlitTimes):
            values = [getattr(times, field.name) for times in (found, right)]
            np.testing.assert_array_equal(*values, f"seed {seed}, {field.name}", strict=True)
        waits += int(right.waited.sum())
        assert (right.waited >= 0).all()
    assert waits > 1000


def two_cores() -> Any:
    """Both neurons of core 0 fire in step 0 and reach one of core 1, which is east of it."""
    neurons = [{"threshold": 2}, {"threshold": 2}, {"core": 1, "threshold": 100}]
    synapses = [Synapse("c0", 0, 3), Synapse("c0", 1, 3), Synapse("n0", 2, 1), Synapse("n1", 2, 1)]
    return tiny_program(neurons, synapses, channels=1, lanes=2)


def test_figures_of_single_spikes_by_pencil():
    program = two_cores()
    report = sl.latency(program, {"channels": [[0, 0]]}, 3, mesh_chip(program))
    # The channel's spike is offered to core 0's router in cycle o and arrives in o + 1; ARRIVED
    # later its two synapses are walked, one per lane. Step 1: offered in p and p + 1, a link more.
    o, p = cycles.HOST - formula.OFFERED, cycles.NEURONS - formula.OFFERED
    done = [o + 1 + formula.ARRIVED + 1, *(p + k + 2 + formula.ARRIVED + 1 for k in range(2))]
    ends = [cycles.OVERHEAD + n for n in (done[0] + 2, done[2] + 1, formula.QUIET + 2)]
    ends[1] = cycles.OVERHEAD + max(done[2] + 1, p + 3 + formula.QUIET + 2)
    assert report.step_seconds / CYCLE == pytest.approx(ends)
    assert report.spike_step.tolist() == [0, 0, 0]
    assert report.spike_sender.tolist() == [0, 1, 2]
    assert report.spike_latency / CYCLE == pytest.approx(done)
    assert report.spike_fired / CYCLE == pytest.approx([0, ends[0], ends[0]])
    assert report.link_messages.tolist() == [[[0, 2, 0, 0], [0, 0, 0, 0]]]
    assert report.link_wait.sum() == 0
    assert report.link_use[0, 0, EAST] == pytest.approx(2 / sum(ends))
    assert (report.spikes, report.messages, report.disorder, report.mode) == (3, 3, 0.0, "cycles")
    counted = {name: report.counts[name] for name in ("message_out", "message_in", "hop_east")}
    assert counted == {"message_out": 2, "message_in": 3, "hop_east": 2}
    # Groups of one neuron, three steps; and the synapses walked, by both lanes.
    assert report.core_busy * sum(ends) == pytest.approx([3 * 2 + 2 / 2, 3 * 1 + 2 / 2])


def test_spikes_that_meet_wait_for_the_link():
    """Cores 0 and 1 send three flits each to core 2, which is east of both."""
    cores = [{"core": i // 3, "threshold": 1, "bias": 2 * (i < 6)} for i in range(7)]
    program = tiny_program(cores, [Synapse(f"n{i}", 6, 1) for i in range(6)], lanes=2)
    report = sl.latency(program, None, 2, mesh_chip(program))
    assert report.link_messages[0, :, EAST].tolist() == [3, 6, 0]
    # Core 1's first flit goes at once; its second one waits until core 0's have gone by.
    assert report.link_wait[0, :, EAST] * 6 / CYCLE == pytest.approx([0, 3, 0])
    found = dict(zip(report.spike_sender.tolist(), report.spike_latency / CYCLE, strict=True))
    assert [found[i] - found[3] for i in (3, 0, 1, 2, 4, 5)] == pytest.approx(range(6))


def test_the_estimate_of_messages_has_the_meshs_constants():
    chip = sl.load_chip("core-mesh")
    cycle = 1 / chip.get("clock.frequency")
    own = cycles.OVERHEAD + formula.QUIET + cycles.NEURONS - formula.OFFERED
    assert chip.table("time.barrier", 64) == pytest.approx(own * cycle)
    assert chip.get("time.eject") == pytest.approx(formula.ARRIVED * cycle)
    assert chip.get("network.buffer") == formula.ROOM


@pytest.mark.filterwarnings("ignore:numbers were clipped")
def test_room_in_buffers_changes_when_spikes_arrive_but_not_what_is_sent():
    program = random_program(13, cores=9, mesh=(3, 3), neurons=16, lanes=2)
    inputs = inputs_of(program, random_events(program, 15, np.random.default_rng(13)))
    reports = [
        sl.latency(program, inputs, 15, mesh_chip(program, network_buffer=room))
        for room in (1, 2, 16)
    ]
    assert len({tuple(report.link_messages.ravel()) for report in reports}) == 1
    assert reports[0].seconds > reports[1].seconds >= reports[2].seconds


def test_other_routers_are_refused():
    program = two_cores()
    slow = mesh_chip(program, time_hop_east=4e-8, network_networks=2)
    with pytest.raises(sl.UnsupportedError) as told:
        sl.latency(program, None, 3, slow)
    assert str(told.value) == (
        "chip 'tiny' has other routers than those whose cycles are known\n"
        "  found: time.hop_east = 4e-08, network.networks = 2\n"
        "  expected: one core and one network for each router, 2e-08 s for each of time.clock, "
        "time.interval, time.hop_north, time.hop_east, time.hop_south, time.hop_west, "
        "multicast in a fixed order\n"
        '  remedy: model = "messages" in the chip\'s file'
    )
    with pytest.raises(sl.UnsupportedError, match=r"found: routing = 'unicast'"):
        sl.latency(program, None, 3, replace(mesh_chip(program), routing="unicast"))
    bare = mesh_chip(program)
    numbers = {name: number for name, number in bare.numbers.items() if name != "network.buffer"}
    with pytest.raises(sl.UnsupportedError, match=r"needs\n  found: no network.buffer"):
        sl.latency(program, None, 3, replace(bare, numbers=numbers))
    # Timed by messages, all of that may be.
    assert sl.latency(program, None, 3, replace(slow, model="messages")).seconds > 0


@pytest.mark.filterwarnings("ignore:numbers were clipped")
@pytest.mark.parametrize("close_loop", [False, True])
def test_packets_that_fork_bring_one_message_to_a_core(close_loop):
    """Our routers send a flit more for a second axon; the network of messages has no such thing."""
    program = random_program(7, cores=4, mesh=(2, 2), neurons=16)
    inputs = inputs_of(program, random_events(program, 10, np.random.default_rng(7)))
    chip = replace(mesh_chip(program), model="messages")
    with pytest.raises(sl.UnsupportedError) as told:
        sl.latency(program, inputs, 10, chip, close_loop=close_loop)
    assert str(told.value) == (
        "a multicast packet brings one message to a core\n"
        "  found: 2 axons of sender 34 on core 1\n"
        '  remedy: routing = "unicast" in the chip\'s file'
    )
    unicast = replace(chip, routing="unicast")
    assert sl.latency(program, inputs, 10, unicast, close_loop=close_loop).messages > 0


def test_a_mesh_that_learns_is_refused():
    program = random_plastic_program(3, cores=2, mesh=(1, 2))
    with pytest.raises(sl.UnsupportedError, match="cores of a mesh cannot learn in this version"):
        sl.latency(program, None, 3, mesh_chip(program))
