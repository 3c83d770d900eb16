"""The reference's neuron against numbers worked out by hand from docs/machine.md §3 and §5."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.programs import record_everything
from support.tiny import Synapse, events, tiny_program

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.reference.neuron import decay
from spikeloom.compiler.program import HOLD, LINEAR, MASK, RESET_SUBTRACT
from spikeloom.counter_hash import mix, random

WORD = 0xFFFFFFFF


def trace(neuron, steps, *, spikes=(), graded=(), synapses=(), channels=1, **more):
    """v after each step, the steps with spikes, and the device, of one neuron."""
    device = ReferenceBackend()
    program = tiny_program([neuron], synapses, channels=channels, **more)
    device.load(program)
    run = device.run(steps, events(spikes, graded), record_everything(program))
    return run.states[0][:, 0].tolist(), run.neuron_step.tolist(), device


def thresholds(neuron, steps, **more):
    device = ReferenceBackend()
    program = tiny_program([neuron], **more)
    device.load(program)
    return device.run(steps, events(), record_everything(program)).states[3][:, 0].tolist()


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "k", "expected"),
    [
        (5, 2048, 2),  # 2.5
        (-5, 2048, -2),  # toward zero, not down
        (-1, 1, 0),
        (1, 4095, 0),
        (8388607, 0, 8388607),
        (-8388608, 4096, 0),
        (8388607, 1, 8386559),  # 8388607 - 2047.99… = 8386559.0002…
        (-8388608, 1, -8386560),  # exact
    ],
)
def test_decay(x, k, expected):
    assert decay(np.array([x]), np.array([k])).tolist() == [expected]


@given(st.integers(-(1 << 23), (1 << 23) - 1), st.integers(0, 4096))
def test_decay_is_the_product_truncated_toward_zero(x, k):
    exact = Fraction(x) * (1 - Fraction(k, 4096))
    result = int(decay(np.array([x]), np.array([k]))[0])
    assert result == int(exact)
    assert abs(result) <= abs(x)


def mix_by_hand(x):
    x ^= x >> 16
    x = x * 0x7FEB352D & WORD
    x ^= x >> 15
    x = x * 0x846CA68B & WORD
    return x ^ x >> 16


def random_by_hand(seed, step, key, purpose):
    salted = mix_by_hand((seed + purpose * 0x9E3779B9) & WORD)
    from_key = mix_by_hand((key + salted) & WORD)
    from_step = mix_by_hand((step + 0x85EBCA6B) & WORD)
    return mix_by_hand((from_key + from_step) & WORD)


@given(st.integers(0, WORD))
def test_mix_can_be_undone(x):
    """Its steps in reverse, with the multipliers' inverses modulo 2^32."""
    y = int(mix(x)[0])
    y ^= y >> 16
    y = y * pow(0x846CA68B, -1, 1 << 32) & WORD
    y ^= y >> 15 ^ y >> 30
    y = y * pow(0x7FEB352D, -1, 1 << 32) & WORD
    assert y ^ y >> 16 == x


@given(st.integers(0, WORD), st.integers(0, 1 << 40), st.integers(0, WORD), st.sampled_from([1, 2]))
def test_random_numbers_are_those_of_the_page(seed, step, key, purpose):
    assert random(seed, step, [key], purpose).tolist() == [random_by_hand(seed, step, key, purpose)]


@given(st.integers(12, 24), st.integers(-(1 << 23), (1 << 23) - 1), st.integers(-(1 << 23), 0))
def test_v_saturates_at_the_states_range(bits, start, push):
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    start, push = max(low, min(high, start)), max(low, push)
    neuron = {"spiking": 0, "v_init": start, "bias": push}
    v, _, device = trace(neuron, 1, state_bits=bits)
    assert v == [max(low, start + push)]
    assert device.read_state().saturations.tolist() == [[0, int(start + push < low), 0]]


# --- leak, threshold, reset --------------------------------------------------------------------


def test_threshold_must_be_exceeded_and_v_resets_to_the_value():
    v, spikes, _ = trace({"threshold": 10, "bias": 5, "v_reset": 3}, 5)
    assert v == [5, 10, 3, 8, 3]
    assert spikes == [2, 4]


def test_reset_by_subtraction_keeps_the_rest():
    v, spikes, _ = trace({"threshold": 10, "bias": 7, "reset": RESET_SUBTRACT}, 5)
    assert v == [7, 4, 1, 8, 5]
    assert spikes == [1, 2, 4]


@pytest.mark.parametrize("sign", [1, -1])
def test_exponential_leak_truncates_toward_zero(sign):
    neuron = {"spiking": 0, "bias": sign * 100, "decay_v": 1024}  # three quarters stay
    assert trace(neuron, 4)[0] == [sign * 100, sign * 175, sign * 231, sign * 273]


@pytest.mark.parametrize("sign", [1, -1])
def test_linear_leak_stops_at_zero(sign):
    neuron = {"spiking": 0, "leak": LINEAR, "leak_step": 30, "v_init": sign * 100}
    assert trace(neuron, 5)[0] == [sign * 70, sign * 40, sign * 10, 0, 0]


def test_linear_leak_comes_before_the_input():
    neuron = {"spiking": 0, "leak": LINEAR, "leak_step": 30, "v_init": 10, "bias": -5}
    assert trace(neuron, 3)[0] == [-5, -5, -5]


def test_a_neuron_that_does_not_spike_only_integrates():
    v, spikes, _ = trace({"spiking": 0, "threshold": 10, "bias": 7, "v_reset": 1}, 4)
    assert v == [7, 14, 21, 28]
    assert spikes == []


def test_a_negative_threshold_fires_below_zero():
    v, spikes, _ = trace({"threshold": -5, "v_init": -8, "bias": 2, "v_reset": -8}, 4)
    assert v == [-6, -8, -6, -8]
    assert spikes == [1, 3]


# --- refractory period -----------------------------------------------------------------------


def test_hold_freezes_v_and_ignores_bias_and_graded_input():
    neuron = {"threshold": 10, "bias": 6, "refractory": 2, "refractory_mode": HOLD, "v_reset": 1}
    v, spikes, _ = trace(neuron, 7, graded=[(2, 0, 1000), (3, 0, -1000)])
    assert v == [6, 1, 1, 1, 7, 1, 1]
    assert spikes == [1, 5]


def test_mask_lets_v_go_on_and_only_keeps_it_from_firing():
    neuron = {"threshold": 10, "bias": 6, "refractory": 2, "refractory_mode": MASK}
    v, spikes, _ = trace(neuron, 6, graded=[(2, 0, 1)])
    assert v == [6, 0, 7, 13, 0, 6]
    assert spikes == [1, 4]


def test_synaptic_current_goes_on_while_v_is_held():
    neuron = {"threshold": 10, "refractory": 2, "refractory_mode": HOLD, "decay_u": (2048, 4096)}
    synapses = [Synapse("c0", 0, 64)]
    v, spikes, device = trace(neuron, 4, spikes=[(0, 0)], synapses=synapses)
    # u: 64, 32, 16, 8
    assert v == [0, 0, 0, 8]
    assert spikes == [0]
    assert device.read_state().u.tolist() == [[8], [0]]


# --- delayed reset ---------------------------------------------------------------------------


def test_delayed_reset_to_the_value_replaces_the_next_step():
    v, spikes, device = trace({"threshold": 10, "bias": 6, "v_reset": 1, "reset_delay": 1}, 5)
    assert v == [6, 12, 1, 7, 13]
    assert spikes == [1, 4]
    assert device.read_state().reset_pending.tolist() == [1]


def test_delayed_subtraction_is_added_to_the_next_step():
    neuron = {"threshold": 10, "bias": 6, "reset": RESET_SUBTRACT, "reset_delay": 1}
    v, spikes, _ = trace(neuron, 6)
    assert v == [6, 12, 8, 14, 10, 16]  # 12 + 6 - 10 = 8, …
    assert spikes == [1, 3, 5]


def test_a_neuron_may_fire_while_its_reset_is_due():
    neuron = {"threshold": 10, "bias": 15, "reset": RESET_SUBTRACT, "reset_delay": 1}
    v, spikes, _ = trace(neuron, 3)
    assert v == [15, 20, 25]
    assert spikes == [0, 1, 2]


def test_delayed_reset_acts_on_a_held_neuron():
    neuron = {"threshold": 10, "bias": 6, "reset": RESET_SUBTRACT, "reset_delay": 1}
    v, spikes, _ = trace(neuron | {"refractory": 1, "refractory_mode": HOLD}, 5)
    assert v == [6, 12, 2, 8, 14]
    assert spikes == [1, 4]


# --- adaptive threshold ----------------------------------------------------------------------


def test_threshold_grows_with_each_spike():
    neuron = {"threshold": 10, "bias": 6, "adapt_step": 4}
    v, spikes, _ = trace(neuron, 9)
    assert spikes == [1, 4, 8]  # exceeds 10 after two steps, 14 after three, 18 after four
    assert v == [6, 0, 6, 12, 0, 6, 12, 18, 0]
    assert thresholds(neuron, 9) == [10, 14, 14, 14, 18, 18, 18, 18, 22]


def test_threshold_that_forgets_at_once():
    neuron = {"threshold": 10, "bias": 6, "adapt_step": 4, "adapt_decay": 4096}
    assert thresholds(neuron, 5) == [10, 14, 10, 14, 10]


def test_subtraction_uses_the_threshold_of_the_step():
    neuron = {"threshold": 10, "bias": 6, "adapt_step": 4, "reset": RESET_SUBTRACT}
    assert trace(neuron, 2)[0] == [6, 2]  # 12 - 10
    assert trace(neuron | {"reset_delay": 1}, 3)[0] == [6, 12, 4]  # 12 + 6 - (10 + 4)


def test_threshold_decay_rounds_by_the_hash():
    neuron = {"threshold": 0, "v_init": 1, "adapt_step": 1001, "adapt_decay": 1000, "key": 77}
    adapt, expected = 1001, [1001]
    for step in range(1, 20):
        adapt = (adapt * 3096 + (random_by_hand(5, step, 77, 2) >> 20)) >> 12
        expected.append(adapt)
    assert thresholds(neuron, 20, seed=5) == expected


def test_threshold_decay_is_unbiased():
    n = 2000
    program = tiny_program([{"threshold": 500, "adapt_decay": 1000}] * n)
    device = ReferenceBackend()
    device.load(program)
    state = device.read_state()
    state.adapt[:] = 100
    device.write_state(state)
    device.run(1, events(), record_everything(program))
    adapt = device.read_state().adapt
    assert set(adapt.tolist()) == {75, 76}
    # mean 100 * 3096 / 4096 = 75.586; a standard deviation of the mean is 0.011
    assert abs(adapt.mean() - 75.586) < 0.05


def test_adaptation_saturates_and_the_sum_of_thresholds_does_not():
    neuron = {"threshold": 2047, "v_init": 2047, "bias": 1, "adapt_step": 2000}
    program = tiny_program([neuron], state_bits=12)
    device = ReferenceBackend()
    device.load(program)
    state = device.read_state()
    state.adapt[:] = 2000
    device.write_state(state)
    record = record_everything(program)
    assert device.run(1, events(), record).states[3].tolist() == [[4047]]  # 2047 ≤ 4047: silent
    state = device.read_state()
    assert state.adapt.tolist() == [2000]

    program = tiny_program([neuron | {"threshold": -1}], state_bits=12)
    device.load(program)
    state = device.read_state()
    state.adapt[:] = 2000
    device.write_state(state)
    # v = 2047 (saturated) > 1999 fires; θa = 4000 becomes 2047
    assert device.run(1, events(), record).states[3].tolist() == [[2046]]
    state = device.read_state()
    assert state.saturations.tolist() == [[0, 1, 1]]
    assert state.saturated.tolist() == [0b110]


def test_a_threshold_beyond_the_states_range_is_subtracted_whole():
    neuron = {"threshold": 2000, "v_init": 2010, "adapt_step": 100, "reset": RESET_SUBTRACT}
    v, spikes, _ = trace(neuron | {"reset_delay": 1}, 2, state_bits=12)
    assert v == [2010, -90]
    assert spikes == [0]


# --- saturation ------------------------------------------------------------------------------


@pytest.mark.parametrize(("bias", "end"), [(1500, 2047), (-1500, -2048)])
def test_v_saturates_counts_and_leaves_a_sticky_bit(bias, end):
    v, _, device = trace({"spiking": 0, "bias": bias}, 3, state_bits=12)
    assert v == [bias, end, end]
    state = device.read_state()
    assert state.saturations.tolist() == [[0, 2, 0]]
    assert state.saturated.tolist() == [0b010]


def test_reaching_the_limit_exactly_is_no_saturation():
    v, _, device = trace({"spiking": 0, "bias": 2047, "decay_v": 4096}, 3, state_bits=12)
    assert v == [2047, 2047, 2047]
    assert device.read_state().saturations.tolist() == [[0, 0, 0]]


def test_two_assignments_of_v_in_a_step_count_twice():
    neuron = {"threshold": -2048, "v_init": 2000, "bias": 100, "reset": RESET_SUBTRACT}
    v, spikes, device = trace(neuron, 1, state_bits=12)
    assert v == [2047]  # 2100 → 2047; fires; 2047 + 2048 → 2047
    assert spikes == [0]
    assert device.read_state().saturations.tolist() == [[0, 2, 0]]


def test_u_saturates_per_receptor_and_a_zero_v_shows_the_clipped_sum():
    synapses = [
        Synapse("c0", 0, 100, exponent=3),  # 100 << 3 << 2 = 3200
        Synapse("c0", 0, -600, receptor=1),  # -600 << 2 = -2400
    ]
    neuron = {"spiking": 0, "shift": 2}
    v, _, device = trace(neuron, 1, spikes=[(0, 0)], synapses=synapses, state_bits=12)
    state = device.read_state()
    assert state.u.tolist() == [[2047], [-2048]]
    assert v == [-1]
    assert state.saturations.tolist() == [[2, 0, 0]]
    assert state.saturated.tolist() == [0b001]


def test_saturations_are_counted_at_the_neurons_core():
    neurons = [{"bias": 1}, {"bias": -2000, "core": 1}, {"bias": -2000, "core": 1}]
    device = ReferenceBackend()
    program = tiny_program([n | {"threshold": 100} for n in neurons], state_bits=12)
    device.load(program)
    device.run(2, events(), record_everything(program))
    assert device.read_state().saturations.tolist() == [[0, 0, 0], [0, 2, 0]]
    assert device.read_state().saturated.tolist() == [0, 2, 2]
