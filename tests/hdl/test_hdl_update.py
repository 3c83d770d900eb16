"""Hash, datapath, generators and sequencer, each by itself, against the machine's definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.hdl import fill, simulate
from support.random_neurons import random_neurons
from support.tiny import tiny_program

from spikeloom.backends.reference.neuron import Neurons
from spikeloom.backends.reference.sources import generated
from spikeloom.compiler.program import PERIODIC, POISSON
from spikeloom.compiler.target import Target
from spikeloom.counter_hash import THRESHOLD_DECAY, mix, random, step_term
from spikeloom.hdl.generators import Generators
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.hash_unit import Mix
from spikeloom.hdl.neuron import Neuron
from spikeloom.hdl.sequencer import Sequencer
from spikeloom.runtime.images import HardwareImage


def test_mix_is_the_counter_hash():
    unit = Mix()
    values = [0, 1, 0xFFFFFFFF, 0x80000000, *np.random.default_rng(0).integers(0, 1 << 32, 200)]
    found = []

    async def bench(context):
        for value in [*values, *[0] * Mix.LATENCY]:
            context.set(unit.value, int(value))
            await context.tick()
            found.append(context.get(unit.hashed))

    simulate(unit, bench)
    shift = Mix.LATENCY - 1
    assert found[shift : shift + len(values)] == mix(np.array(values)).tolist()


@pytest.mark.parametrize("state_bits", [12, 18, 24])
@pytest.mark.parametrize("receptors", [1, 2])
def test_the_datapath_is_the_machines_neuron_for_extreme_and_usual_numbers(state_bits, receptors):
    g = Geometry(state_bits=state_bits, receptors=receptors, neurons=512, profiles=512)
    target = Target(state_bits=state_bits, receptors=receptors, accumulator_bits=24)
    rng = np.random.default_rng(state_bits + receptors)
    n = 400
    excitation = rng.integers(0, 1 << rng.integers(1, 20, (2, n)))
    parameters = random_neurons(rng, n, excitation, target)
    program = one_core_program(parameters, target)
    state, sums, injected = random_inputs(rng, n, state_bits, receptors)
    expected, clips = reference_step(program, state, sums, injected, step=77)

    image = HardwareImage(program, g)
    fields = image.parameters()
    profiles = image.tables["profile"].decode(fields["profile"])
    neurons = image.tables["neuron"].decode(fields["neuron"])
    noise = random(program.seed, 77, program.cores[0].key, THRESHOLD_DECAY)
    unit = Neuron(g)
    found = {name: [] for name in (*expected, "clips")}

    phases = Neuron.phases(g)
    of_profile = {name: values[parameters["profile"]] for name, values in profiles.items()}

    async def bench(context):
        for cycle in range(n + Neuron.LATENCY):

            def give(signal, name, values, now=cycle):
                which = now - phases.get(name, 0)
                if 0 <= which < n:
                    context.set(signal, int(values[which]))

            for name, values in of_profile.items():
                give(unit.profile[name], name, values)
            for name, values in neurons.items():
                give(unit.neuron[name], name, values)
            for name, values in state.items():
                give(unit.state[name], "", values)  # all of it at once
            for r in range(receptors):
                give(getattr(unit, f"sum{r}"), "sum", sums[r])
            give(unit.injected, "injected", injected)
            if 0 <= cycle - Neuron.NOISE_DELAY < n:
                context.set(unit.random, int(noise[cycle - Neuron.NOISE_DELAY]))
            if cycle >= Neuron.LATENCY:
                for name in expected:
                    found[name].append(context.get(unit.next_state[name]))
                found["clips"].append(
                    [context.get(getattr(unit, f"clipped_{k}")) for k in ("u", "v", "threshold")]
                )
            await context.tick()

    simulate(unit, bench)
    for name, values in expected.items():
        np.testing.assert_array_equal(np.array(found[name]), values, err_msg=name)
    assert np.array(found["clips"]).sum(axis=0).tolist() == clips


def one_core_program(parameters, target):
    """A Program of these neurons and nothing else."""
    base = tiny_program([{}])
    core = base.cores[0]
    n = len(parameters["profile"])
    rng = np.random.default_rng(n)
    core = replace(
        core, **parameters, key=rng.integers(0, 1 << 32, n).astype(np.uint32),
        spike_start=np.zeros(n + 1, np.int32),
    )  # fmt: skip
    return replace(base, cores=(core,), target=target.with_(neurons=n), seed=99)


def random_inputs(rng, n, bits, receptors):
    """State, accumulators and graded events of every size."""
    top = (1 << bits - 1) - 1

    def numbers(low):
        wide = rng.integers(low, top + 1, n) >> rng.integers(0, bits, n)
        return np.where(rng.random(n) < 0.1, rng.choice([low, top], n), wide)

    state = {
        "u0": numbers(-top - 1),
        "v": numbers(-top - 1),
        "adapt": numbers(0),
        "refractory": rng.choice([0, 0, 1, 2, 65535], n),
        "pending": rng.integers(0, 2, n),
        "fired": np.zeros(n, np.int64),
        "saturated": rng.integers(0, 8, n),
    }
    if receptors == 2:
        state["u1"] = numbers(-top - 1)
    sums = rng.integers(-(1 << 23), 1 << 23, (2, n)) >> rng.integers(0, 24, (2, n))
    sums[receptors:] = 0
    return state, sums, numbers(-top - 1)


def reference_step(program, state, sums, injected, step):
    neurons = Neurons(program)
    n = program.neurons
    neurons.u = np.stack([state["u0"], state.get("u1", np.zeros(n, np.int64))])
    neurons.v, neurons.adapt = state["v"].copy(), state["adapt"].copy()
    neurons.refractory = state["refractory"].astype(np.int64)
    neurons.reset_pending = state["pending"] != 0
    neurons.saturated = state["saturated"].copy()
    neurons.update(sums, injected, step)
    after = {
        "u0": neurons.u[0], "v": neurons.v, "adapt": neurons.adapt,
        "refractory": neurons.refractory, "pending": neurons.reset_pending,
        "fired": neurons.fired, "saturated": neurons.saturated,
    }  # fmt: skip
    if "u1" in state:
        after["u1"] = neurons.u[1]
    return after, neurons.saturations[0].tolist()


def test_generators_fire_when_the_machine_says_and_hand_out_those_that_send():
    lanes, count = 4, 11
    rng = np.random.default_rng(3)
    generators = []
    for i in range(count):
        if rng.random() < 0.5:
            generators.append((i, POISSON, 5, 100 + i, int(rng.integers(1 << 31, 1 << 32)), 0))
        else:
            generators.append((i, PERIODIC, 0, 0, int(rng.integers(1, 4)), int(rng.integers(3))))
    program = tiny_program([{}], channels=count, generators=generators)
    g = Geometry(
        lanes=lanes, update_lanes=lanes, generators=16, neurons=64, weight_bits=16, receptors=2
    )
    image = HardwareImage(program, g)
    unit = Generators(g)
    sends = rng.random(count) < 0.6
    entries = image.tables["generator"].decode(image.generators(0))
    entries["sends"] = sends.astype(np.int64)
    columns = image.tables["generator"].encode(count, entries)

    async def bench(context):
        for lane, bank in enumerate(unit.banks):
            fill(context, bank, [column[lane::lanes] for column in columns])
        context.set(unit.groups, 3)
        for step in range(8):
            pipe = [[0] * lanes] * Mix.LATENCY
            fired, sent = set(), set()
            context.set(unit.start, 1)
            context.set(unit.output.ready, 1)
            for cycle in range(60):
                keys = [context.get(getattr(unit, f"key{i}")) for i in range(lanes)]
                hashed = mix(np.array(keys) + int(step_term(step)[0]) & 0xFFFFFFFF)
                pipe = [*pipe[1:], hashed.tolist()]
                await context.tick()
                for lane in range(lanes):
                    context.set(getattr(unit, f"random{lane}"), pipe[0][lane])
                context.set(unit.start, 0)
                if context.get(unit.spikes_valid):
                    group, mask = context.get(unit.spikes_group), context.get(unit.spikes)
                    fired |= {group * lanes + i for i in range(lanes) if mask >> i & 1}
                if context.get(unit.output.valid):
                    sent.add(context.get(unit.output.payload))
                assert not (cycle < 9 and context.get(unit.done))
            expected = set(generated(program.generators, step).tolist())
            assert fired == expected
            assert sent == {i for i in expected if sends[i]}
            assert context.get(unit.done)

    simulate(unit, bench)


def test_steps_follow_each_other_at_the_pace_and_lateness_is_told():
    unit = Sequencer()
    starts, late = [], []

    async def core(context):
        """Delivers for 3 cycles; updates for 4, in the fourth step for 20."""
        for step in range(6):
            await context.tick().until(unit.start)
            await context.tick().repeat(3)
            context.set(unit.delivered, 1)
            await context.tick().until(unit.update)
            context.set(unit.delivered, 0)
            await context.tick().repeat(20 if step == 3 else 4)
            context.set(unit.updated, 1)
            await context.tick()
            context.set(unit.updated, 0)

    async def bench(context):
        context.set(unit.pace, 16)
        context.set(unit.wanted, 1)
        for cycle in range(120):
            _, _, start, is_late = await context.tick().sample(unit.start, unit.late)
            if start:
                starts.append(cycle)
                late.append(is_late)
            if len(starts) == 6:
                context.set(unit.wanted, 0)

    simulate(unit, core, bench)
    gaps = np.diff(starts).tolist()
    assert gaps[:3] == [16, 16, 16]
    assert gaps[3] > 20
    assert gaps[4] == 16
    assert late == [0, 0, 0, 0, 1, 0]
