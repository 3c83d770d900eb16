"""Several cores in RTL: the same values as the reference, and the emulator's clock cycles.

Spikes, states, weights and the length of every step are compared, on random Programs and on
compiled networks; in simulated memories, behind the link's model, and at the pins of a UART.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.our_mesh import mesh_cycles
from support.programs import (
    assert_same_run,
    assert_same_state,
    assert_same_weights,
    random_events,
    random_plastic_program,
    random_program,
    record_everything,
)
from support.rtl import needs_compiler
from support.tiny import Synapse, tiny_program

import spikeloom as sl
from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl import RtlBackend
from spikeloom.backends.rtl.fit import geometry_for
from spikeloom.backends.rtl.modelled import ModelledDevice
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.backends.rtl.simulated import SimulatedDevice
from spikeloom.errors import FitError, UnsupportedError
from spikeloom.hdl.geometry import Geometry
from spikeloom.runtime.backend import Backend, Events, Record
from spikeloom.runtime.cosim import cosim
from spikeloom.runtime.link.session import Timing as Patience
from spikeloom.runtime.link.transport import InProcess
from spikeloom.runtime.mesh_routes import MeshRoutes

_SIZES: dict[str, Any] = {
    "neurons": 16, "lanes": 2, "rows": 512, "words": 2048, "axons": 256, "destinations": 512,
    "channels": 64, "generators": 64, "state_bits": 20, "weight_bits": 8,
    "accumulator_bits": 24, "delay_slots": 8, "receptors": 2,
}  # fmt: skip
PROGRAMS = {"2 x 2": 60, "3 x 3": 45}
MESHES = {
    "2 x 2": Geometry(mesh_rows=2, mesh_columns=2, **_SIZES),
    "3 x 3": Geometry(mesh_rows=3, mesh_columns=3, **_SIZES),
}


def program_for(g: Geometry, seed: int, **options: Any) -> Any:
    """A random Program for this mesh; some leave cores of the last row unused."""
    cores = g.cores if seed % 4 else g.cores - g.mesh_columns + 1
    return random_program(
        seed, cores=cores, mesh=(g.mesh_rows, g.mesh_columns), lanes=g.lanes, delays=7,
        state_bits=g.state_bits, weight_bits=8, accumulator_bits=24, receptors=2,
        **{"neurons": 16, **options},
    )  # fmt: skip


def loaded(device: Backend, program: Any) -> Any:
    device.load(program)
    return device


def nothing(program: Any) -> Record:
    return Record(np.zeros(program.neurons, bool), np.zeros(program.channels, bool))


@needs_compiler
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:numbers were clipped")
@pytest.mark.parametrize("name", MESHES)
def test_more_than_a_hundred_random_programs_on_meshes(name):
    """Equal to the reference in everything, to the emulator and to what ``sl.latency`` says of the
    chip also in cycles; loaded one by one."""
    g = MESHES[name]
    hardware = RtlBackend(simulator="compiled", geometry=g)
    different: set[int] = set()
    spikes = 0
    for seed in range(PROGRAMS[name]):
        program = program_for(g, seed)
        steps = 12 + seed % 9
        events = random_events(program, steps, np.random.default_rng(seed))
        record = record_everything(program)
        reference = loaded(ReferenceBackend(), program)
        right = reference.run(steps, events, record)
        found = loaded(hardware, program).run(steps, events, record)
        assert_same_run(right, found, program, record)
        assert_same_state(reference.read_state(), hardware.read_state(), program)
        assert_same_weights(reference.read_weights(), hardware.read_weights(), program)
        kernels = [{"kernel": "c", "threads": 1 + seed % 3}, {"kernel": "numpy"}]
        for options in kernels[: 1 + (seed % 10 == 0)]:
            emulator = loaded(EmulatorBackend(cycles="on", **options), program)
            counted = emulator.run(steps, events, nothing(program)).cycles
            np.testing.assert_array_equal(counted, found.cycles, f"seed {seed}, {options}")
        told = mesh_cycles(program, events, steps)
        np.testing.assert_array_equal(told, found.cycles, f"seed {seed}, latency")
        different |= set(found.cycles.tolist())
        spikes += len(right.neuron)
    assert len(different) > 50
    assert spikes > 3000
    hardware.close()


@needs_compiler
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:numbers were clipped")
def test_one_core_of_a_mesh_takes_its_spikes_from_its_router():
    g = MESHES["2 x 2"]
    device = RtlBackend(simulator="compiled", geometry=g)
    for seed in (3, 5, 8):
        program = random_program(
            seed, cores=1, neurons=16, mesh=(2, 2), lanes=2, delays=7, state_bits=20,
            weight_bits=8, accumulator_bits=24, receptors=2,
        )  # fmt: skip
        events = random_events(program, 20, np.random.default_rng(seed))
        found = loaded(device, program).run(20, events, nothing(program))
        np.testing.assert_array_equal(mesh_cycles(program, events, 20), found.cycles)
    device.close()


@needs_compiler
@pytest.mark.slow
def test_where_a_run_is_cut_changes_nothing_nor_does_a_move_to_another_device():
    g = MESHES["2 x 2"]
    devices: dict[str, Any] = {
        "rtl": RtlBackend(simulator="compiled", geometry=g),
        "emulator": EmulatorBackend(cycles="on"),
    }
    for seed in range(1000, 1008):
        program = program_for(g, seed)
        whole = loaded(devices["rtl"], program).run(24, Events.none(), record_everything(program))
        first = loaded(devices["emulator"], program).run(9, Events.none(), nothing(program))
        moved = devices["emulator"].read_state()
        rest = {}
        for name, device in devices.items():
            loaded(device, program).write_state(moved)
            rest[name] = device.run(15, Events.none(), nothing(program)).cycles
        np.testing.assert_array_equal(rest["rtl"], rest["emulator"])
        np.testing.assert_array_equal(np.append(first.cycles, rest["rtl"]), whole.cycles)
        assert_same_state(devices["emulator"].read_state(), devices["rtl"].read_state(), program)


@needs_compiler
@pytest.mark.slow
def test_compiled_networks_take_their_cores_and_their_time():
    """Dense traffic between four cores; another number of lanes; graded events and a clock."""
    net = sl.Network(dt=1e-3)
    noise = net.source("noise", 24, sl.Poisson(rate=300.0, seed=4))
    given = net.source("given", 5)
    cells = net.population("cells", 48, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(noise, cells, weights=0.4, connector=sl.FixedProbability(0.3, seed=2))
    net.connect(given, cells, weights=0.5, connector=sl.AllToAll())
    net.connect(cells, cells, weights=0.05, connector=sl.FixedProbability(0.5, seed=1))
    net.probe(cells, "spikes")
    program = sl.compile(net, target=sl.Target(mesh=(2, 2), neurons=12, lanes=4))
    assert len(program.cores) == 4
    stimulus = {"given": np.random.default_rng(0).random((60, 5)) < 0.3}
    urls = ["reference", "emulator?cycles=on", "emulator?kernel=numpy&cycles=on", "rtl"]
    assert cosim(program, urls, 60, stimulus) is None
    with sl.open("emulator?cycles=on") as device:
        device.load(program)
        result = device.run(60, stimulus)
    assert len(result.spikes["cells"]) > 200
    assert len(np.unique(result.cycles)) >= 15


@needs_compiler
@pytest.mark.slow
def test_behind_the_link():
    g = MESHES["2 x 2"]
    device = RemoteBackend(InProcess(ModelledDevice(g).exchange), timing=Patience(tries=4))
    for seed in (1, 4):
        program = program_for(g, seed, neurons=8)
        check_linked(device, program, seed)
    device.close()


@needs_compiler
@pytest.mark.slow
def test_at_the_pins_of_a_uart():
    """Two cores; also what the device looks at itself, and a run that the host stops."""
    program = random_program(
        7, cores=2, neurons=5, delays=3, mesh=(1, 2), lanes=1, receptors=1, weight_bits=8,
        accumulator_bits=24,
    )  # fmt: skip
    line = SimulatedDevice(geometry_for(program))
    device = RemoteBackend(InProcess(line.exchange), timing=Patience(tries=4))
    check_linked(device, program, 3)
    before = device.read_state().step
    for _, _ in device.client.free_run(1):
        device.client.session.stop()
    loaded(device, program)
    assert before == 10
    check_linked(device, program, 5)
    check_cores_beyond_the_mesh(device)
    device.close()
    line.close()


def check_cores_beyond_the_mesh(device: RemoteBackend) -> None:
    """They mean all, of which core 0 answers; nothing waits for a core that is not there."""
    device.client.write("core", 0, b"\0")
    right = device.client.read("row.0", 0, 4)
    for beyond in (2, 3, 7, 255):
        device.client.write("core", 0, bytes([beyond]))
        assert device.client.read("row.0", 0, 4) == right
        assert device.client.read("core", 0, 1) == bytes([2])
    device.client.write("core", 0, b"\0")


def check_linked(device: RemoteBackend, program: Any, seed: int) -> None:
    events = random_events(program, 10, np.random.default_rng(seed))
    record = record_everything(program)
    emulator = loaded(EmulatorBackend(cycles="on"), program)
    loaded(device, program)
    right, found = (each.run(10, events, record) for each in (emulator, device))
    assert_same_run(right, found, program, record)
    np.testing.assert_array_equal(right.cycles, found.cycles)
    assert_same_state(emulator.read_state(), device.read_state(), program)
    assert_same_weights(emulator.read_weights(), device.read_weights(), program)
    for mine, other in zip(device.read_saturation(), emulator.read_saturation(), strict=True):
        np.testing.assert_array_equal(mine, other)
    device.verify()


def test_a_step_counted_by_hand():
    """Two cores of one lane. Both neurons of core 0 fire in step 0 and reach one of core 1."""
    neurons = [{"threshold": 2}, {"threshold": 2}, {"core": 1, "threshold": 100}]
    synapses = [Synapse("c0", 0, 3), Synapse("c0", 1, 3), Synapse("n0", 2, 1), Synapse("n1", 2, 1)]
    program = tiny_program(neurons, synapses, channels=1, lanes=1)
    events = replace(Events.none(), spike_step=np.array([0]), spike_channel=np.array([0], np.int32))
    for device in (
        RtlBackend(simulator="amaranth"),
        EmulatorBackend(cycles="on"),
        EmulatorBackend(kernel="numpy", cycles="on"),
    ):
        found = loaded(device, program).run(3, events, record_everything(program))
        assert found.neuron_step.tolist() == [0, 0]
        # Step 0: the channel's spike is offered to core 0's router in cycle 4, arrives in 5, has
        # its first synapse in 11 and its last in 12; 13 and two groups more. Step 1: offered in 6
        # and 7, over the link in 7 and 8, there in 8 and 9, walked in 14 and 16: one row waits for
        # a lane that is alone, and the next one comes 2 cycles later. Step 2: nothing.
        assert found.cycles is not None
        assert found.cycles.tolist() == [11 + 2 + 13 + 2, 16 + 1 + 13 + 1, 1 + 13 + 2]
        device.close()


def test_routes_lead_where_the_program_says():
    """Every flit of random Programs is followed; axons of a core have numbers of their own."""
    shared = 0
    for seed in range(40):
        program = random_program(seed, cores=2 + seed % 8, mesh=(3, 3))
        routes = MeshRoutes.of(program)
        lists = [(program.channel_start, program.channel_to, 0)]
        for core, base in zip(program.cores, program.core_base.tolist(), strict=False):
            lists.append((core.spike_start, core.spike_to, program.channels + base))
        for start, to, first in lists:
            for i in range(len(start) - 1):
                expected = sorted(
                    (int(core), int(axon)) for core, axon in to[start[i] : start[i + 1]]
                    if np.diff(program.cores[core].axon_start)[axon]
                )  # fmt: skip
                found = []
                for flit in range(*routes.start[first + i : first + i + 2]):
                    mask, number = int(routes.cores[flit]), int(routes.number[flit])
                    cores = [c for c in range(len(program.cores)) if mask >> c & 1]
                    shared += len(cores) > 1
                    found += [(c, int(routes.axon[c][number])) for c in cores]
                assert sorted(found) == expected
        for axons in routes.axon:
            used = axons[axons >= 0]
            assert len(np.unique(used)) == len(used)
    assert shared > 1000


def test_programs_that_no_mesh_takes():
    plastic = random_plastic_program(3, cores=2, mesh=(1, 2))
    with pytest.raises(UnsupportedError) as error:
        RtlBackend(simulator="amaranth").load(plastic)
    assert str(error.value) == (
        "cores of a mesh cannot learn in this version\n"
        f"  found: {len(plastic.rules)} rules on 2 cores\n"
        "  expected: one core, or no rules\n"
        '  remedy: compile for a target with larger cores, or use "emulator"'
    )
    device = EmulatorBackend(cycles="on")
    found = loaded(device, plastic).run(1, Events.none(), nothing(plastic))
    assert found.cycles is None
    assert found.why_no_cycles == "cores of a mesh cannot learn in this version"

    row = tiny_program([{"core": i} for i in range(9)], [Synapse("n0", 1, 1)])
    with pytest.raises(UnsupportedError) as error:
        RtlBackend(simulator="amaranth").load(row)
    assert str(error.value) == (
        "the generated hardware has no mesh of that size\n"
        "  found: 1 by 9 cores\n"
        "  expected: at most 8 by 8\n"
        "  remedy: compile for a target with a smaller mesh, or with larger cores"
    )
    found = loaded(device, row).run(1, Events.none(), nothing(row))
    assert found.why_no_cycles == ("the generated hardware has no mesh of that size: 1 by 9 cores")

    three = tiny_program([{"core": i} for i in range(3)], [Synapse("n0", 1, 1)])
    with pytest.raises(FitError) as error:
        RtlBackend(simulator="amaranth", geometry=MESHES["2 x 2"]).load(three)
    assert str(error.value) == (
        "the program does not fit the hardware mesh\n"
        "  found: cores of a mesh of 1 by 3\n"
        "  expected: 2 by 2\n"
        "  remedy: generate another mesh, or compile for a target with this one"
    )
