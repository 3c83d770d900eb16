"""The reference's sources, delivery and state by hand (docs/machine.md §2, §4, §6)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.programs import assert_same_run, assert_same_state, record_everything
from support.tiny import Synapse, events, tiny_program

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.compiler.program import DENSE, PERIODIC, POISSON
from spikeloom.counter_hash import random
from spikeloom.errors import DeviceError
from spikeloom.runtime.backend import CoreWeights, State

QUIET = {"threshold": 1 << 20}
"""Never fires in these tests; u shows what arrived in the step."""


def device_for(program):
    device = ReferenceBackend()
    device.load(program)
    return device


def run(program, steps, spikes=(), graded=()):
    device = device_for(program)
    return device.run(steps, events(spikes, graded), record_everything(program)), device


# --- delivery --------------------------------------------------------------------------------


def test_a_source_arrives_after_its_wheel_delay_and_a_neuron_one_step_later():
    neurons = [{"threshold": 5}, QUIET]
    synapses = [
        Synapse("c0", 0, 6),  # fires neuron 0 in the same step
        Synapse("c0", 1, 100, delay=3),
        Synapse("n0", 1, 7),
        Synapse("n0", 1, 8, delay=3),
    ]
    data, _ = run(tiny_program(neurons, synapses, channels=1), 6, spikes=[(1, 0)])
    assert data.neuron_step.tolist() == [1]
    assert data.states[1][:, 1].tolist() == [0, 0, 7, 0, 100, 8]


def test_the_wheel_wraps_around():
    """Depth 4, an event in every step but some, for many turns of the wheel."""
    synapses = [Synapse("c0", 0, 1, delay=3), Synapse("c1", 0, 10, delay=1), Synapse("c2", 0, 100)]
    program = tiny_program([QUIET], synapses, channels=3)
    assert program.wheel_depth == 4
    times = {0: [0, 1, 2, 5, 8, 13], 1: [0, 3, 4, 9, 13], 2: [2, 3, 7, 14]}
    expected = [0] * 18
    for channel, delay, weight in ((0, 3, 1), (1, 1, 10), (2, 0, 100)):
        for t in times[channel]:
            expected[t + delay] += weight
    spikes = [(t, c) for c, ts in times.items() for t in ts]
    data, _ = run(program, 18, spikes)
    assert data.states[1][:, 0].tolist() == expected


def test_the_longest_delay():
    data, _ = run(
        tiny_program([QUIET], [Synapse("c0", 0, 1, 63)], channels=1), 70, [(0, 0), (5, 0)]
    )
    assert np.nonzero(data.states[1][:, 0])[0].tolist() == [63, 68]


def test_exponent_shift_and_sign():
    synapses = [Synapse("c0", 0, -3, exponent=4), Synapse("c0", 0, 5, exponent=1)]
    data, _ = run(tiny_program([QUIET | {"shift": 2}], synapses, channels=1), 1, [(0, 0)])
    assert data.states[1].tolist() == [[(-48 + 10) * 4]]


def test_receptors_decay_by_their_own_and_are_summed():
    synapses = [Synapse("c0", 0, 64), Synapse("c0", 0, -80, receptor=1)]
    neuron = {"spiking": 0, "decay_u": (2048, 1024), "decay_v": 4096}
    data, _ = run(tiny_program([neuron], synapses, channels=1), 3, [(0, 0)])
    assert data.states[1][:, 0].tolist() == [64, 32, 16]
    assert data.states[2][:, 0].tolist() == [-80, -60, -45]
    assert data.states[0][:, 0].tolist() == [-16, -28, -29]


def test_several_synapses_of_a_pair_all_count():
    synapses = [Synapse("c0", 0, 1), Synapse("c0", 0, 1), Synapse("c0", 0, 1, delay=1)]
    data, device = run(tiny_program([QUIET], synapses, channels=1), 2, [(0, 0)])
    assert data.states[1][:, 0].tolist() == [2, 1]
    assert device.read_state().synaptic_events == 3


def test_one_neuron_reaches_several_cores():
    neurons = [{"threshold": 5, "core": 1}, QUIET | {"core": 0}, QUIET | {"core": 2}]
    synapses = [
        Synapse("c0", 0, 6),
        Synapse("c0", 2, 1),
        Synapse("n0", 1, 2),
        Synapse("n0", 2, 3, delay=1),
        Synapse("n0", 2, 0),  # a weight of zero is walked too
    ]
    data, device = run(tiny_program(neurons, synapses, channels=1), 3, [(0, 0)])
    # Global numbers go by core: neuron 1 of the list is number 0, neuron 0 is 1, neuron 2 is 2.
    assert data.states[1].tolist() == [[0, 6, 1], [2, 0, 0], [0, 0, 3]]
    assert data.neuron.tolist() == [1]
    state = device.read_state()
    assert (state.spikes, state.synaptic_events) == (1, 5)


def test_a_dense_row_is_its_synapses_from_base_on():
    weights = [3, -4, 0, 5]
    synapses = [Synapse("c0", 1 + i, w, delay=2, exponent=1) for i, w in enumerate(weights)]
    sparse = tiny_program([QUIET] * 6, synapses, channels=1)
    core = sparse.cores[0]
    row = core.rows.copy()
    row["kind"], row["base"], row["delay"] = DENSE, 1, 2
    empty = np.zeros(0)
    dense = replace(
        sparse,
        cores=(
            replace(
                core,
                rows=row,
                sparse_target=empty.astype(np.uint16),
                sparse_weight=empty.astype(np.int16),
                sparse_delay=empty.astype(np.uint8),
                dense_weight=core.sparse_weight,
            ),
        ),
    )
    data, device = run(dense, 4, [(0, 0), (1, 0)])
    assert data.states[1][2].tolist() == [0, 6, -8, 0, 10, 0]
    other, other_device = run(sparse, 4, [(0, 0), (1, 0)])
    assert_same_run(data, other, dense)
    assert_same_state(device.read_state(), other_device.read_state(), dense)


def test_graded_events_are_added_to_v_in_their_step():
    neurons = [{"threshold": 10, "decay_v": 2048}, {"threshold": 10, "decay_v": 2048}]
    data, _ = run(tiny_program(neurons), 4, graded=[(0, 1, 8), (1, 0, -7), (2, 1, 11), (3, 0, 1)])
    assert data.states[0].tolist() == [[0, 8], [-7, 4], [-3, 0], [0, 0]]
    assert (data.neuron_step.tolist(), data.neuron.tolist()) == ([2], [1])
    assert data.states[1].tolist() == [[0, 0]] * 4


# --- sources ---------------------------------------------------------------------------------


def test_periodic_sources():
    generators = [(1, PERIODIC, 0, 0, 3, 0), (2, PERIODIC, 0, 0, 1, 5), (3, PERIODIC, 0, 0, 4, 2)]
    program = tiny_program([QUIET], channels=4, generators=generators)
    data, device = run(program, 8, [(0, 0), (4, 0)])
    more = device.run(4, events([(1, 0)]), record_everything(program))
    fired = {c: data.channel_step[data.channel == c].tolist() for c in range(4)}
    assert fired == {0: [0, 4], 1: [0, 3, 6], 2: [5, 6, 7], 3: [2, 6]}
    # The second run counts its own steps, the generators go on with the absolute ones (8 … 11).
    later = {c: more.channel_step[more.channel == c].tolist() for c in range(4)}
    assert later == {0: [1], 1: [1], 2: [0, 1, 2, 3], 3: [2]}


def test_poisson_sources_compare_the_hash():
    p = [0, 1 << 30, 3 << 30, (1 << 32) - 1]
    generators = [(i, POISSON, 9, 100 + i, p[i], 0) for i in range(4)]
    data, _ = run(tiny_program([QUIET], channels=4, generators=generators), 400)
    for channel in range(4):
        expected = [t for t in range(400) if random(9, t, [100 + channel], 1)[0] < p[channel]]
        assert data.channel_step[data.channel == channel].tolist() == expected
    counts = np.bincount(data.channel, minlength=4)
    assert counts[0] == 0
    assert counts[3] == 400  # but for one draw in 2^32
    assert abs(counts[1] - 100) < 5 * np.sqrt(400 * 3 / 16)
    assert abs(counts[2] - 300) < 5 * np.sqrt(400 * 3 / 16)


def test_a_poisson_source_fires_only_below_its_value():
    draw = int(random(9, 5, [100], 1)[0])
    generators = [(i, POISSON, 9, 100, draw + i, 0) for i in (0, 1)]
    data, _ = run(tiny_program([QUIET], channels=2, generators=generators), 6)
    assert data.channel[data.channel_step == 5].tolist() == [1]


def test_steps_beyond_32_bits_repeat_the_noise_and_not_the_periods():
    generators = [(0, POISSON, 3, 0, 1 << 31, 0), (1, PERIODIC, 0, 0, 7, 0)]
    program = tiny_program([QUIET], channels=2, generators=generators)
    first, device = run(program, 30)
    device.write_state(replace(State.initial(program), step=1 << 32))
    late = device.run(30, events(), record_everything(program))
    assert (
        late.channel_step[late.channel == 0].tolist()
        == first.channel_step[first.channel == 0].tolist()
    )
    # 2^32 mod 7 is 4
    assert late.channel_step[late.channel == 1].tolist() == [3, 10, 17, 24]


# --- state -----------------------------------------------------------------------------------


def looped():
    """A neuron that drives itself and another core through the wheel."""
    neurons = [{"threshold": 5, "adapt_step": 1, "adapt_decay": 300}, QUIET | {"core": 1}]
    synapses = [
        Synapse("c0", 0, 6),
        Synapse("n0", 0, 4, delay=2),
        Synapse("n0", 0, 4, delay=5),
        Synapse("n0", 1, 9, delay=1),
    ]
    return tiny_program(neurons, synapses, channels=1)


def test_the_wheel_is_read_from_the_next_step_on():
    _, device = run(looped(), 4, [(2, 0)])
    state = device.read_state()
    # Neuron 0 fired in step 2, its spike arrived in step 3: due in steps 3 + 2, 3 + 5 and 3 + 1;
    # the next step is 4.
    assert state.step == 4
    assert state.wheel[:, 0, 0].tolist() == [0, 4, 0, 0, 4, 0]
    assert state.wheel[:, 0, 1].tolist() == [9, 0, 0, 0, 0, 0]
    assert not state.wheel[:, 1].any()


def test_a_spike_under_way_is_part_of_the_state():
    program = looped()
    _, device = run(program, 3, [(2, 0)])
    state = device.read_state()
    assert state.fired.tolist() == [1, 0]
    assert not state.wheel.any()
    other = device_for(program)
    other.write_state(state)
    assert other.run(2, events(), record_everything(program)).states[1][:, 1].tolist() == [0, 9]


@pytest.mark.parametrize("stop", range(1, 12))
def test_a_state_written_elsewhere_has_the_same_future(stop):
    program = looped()
    inputs = [(t, 0) for t in (0, 3, 4, 8)]
    one, other = device_for(program), device_for(program)
    record = record_everything(program)
    one.run(stop, events([e for e in inputs if e[0] < stop]), record)
    other.write_state(one.read_state())
    assert_same_state(one.read_state(), other.read_state(), program)
    rest = events([(t - stop, c) for t, c in inputs if t >= stop])
    assert_same_run(one.run(20, rest, record), other.run(20, rest, record), program, record)
    assert_same_state(one.read_state(), other.read_state(), program)


def test_states_and_weights_are_copies():
    program = looped()
    device = device_for(program)
    before, weights = device.read_state(), device.read_weights()
    before.v[:] = 99
    before.wheel[:] = 99
    weights[0].sparse[:] = 99
    assert_same_state(device.read_state(), State.initial(program), program)
    assert device.read_weights()[0].sparse.tolist() == program.cores[0].sparse_weight.tolist()
    mine = device.read_state()
    device.write_state(mine)
    mine.v[:] = 99
    assert device.read_state().v.tolist() == [0, 0]


def test_written_weights_are_used_and_load_brings_back_the_programs():
    program = tiny_program([QUIET], [Synapse("c0", 0, 6)], channels=1)
    device = device_for(program)
    device.write_weights((CoreWeights(np.array([-9], np.int16), np.zeros(0, np.int16)),))
    data = device.run(1, events([(0, 0)]), record_everything(program))
    assert data.states[1].tolist() == [[-9]]
    device.load(program)
    data = device.run(1, events([(0, 0)]), record_everything(program))
    assert data.states[1].tolist() == [[6]]


def test_a_state_of_another_program_is_refused():
    device = device_for(looped())
    with pytest.raises(DeviceError) as caught:
        device.write_state(State.initial(tiny_program([QUIET] * 3)))
    assert str(caught.value) == (
        "state 'u' does not fit the loaded program\n"
        "  found: shape (2, 3)\n"
        "  expected: shape (2, 2)\n"
        "  remedy: load the program that it was read from"
    )


def test_weights_of_another_program_are_refused():
    device = device_for(looped())
    with pytest.raises(DeviceError) as caught:
        device.write_weights(())
    assert str(caught.value) == (
        "weights do not fit the loaded program\n"
        "  found: weights of 0 cores\n"
        "  expected: weights of 2 cores"
    )


def test_recording_is_what_was_asked_for():
    program = tiny_program([{"threshold": 0, "bias": 1 + i} for i in range(3)], channels=2)
    device = device_for(program)
    record = replace(
        record_everything(program),
        neurons=np.array([True, False, True]),
        channels=np.array([False, True]),
        states=(("v", np.array([2, 0])), ("threshold", np.array([1]))),
    )
    data = device.run(1, events([(0, 0), (0, 1)]), record)
    assert data.neuron.tolist() == [0, 2]
    assert data.channel.tolist() == [1]
    assert [s.tolist() for s in data.states] == [[[0, 0]], [[0]]]
    assert data.cycles is None


def test_no_steps_at_all():
    data, device = run(looped(), 0)
    assert [s.shape for s in data.states] == [(0, 2)] * 4
    assert device.read_state().step == 0
