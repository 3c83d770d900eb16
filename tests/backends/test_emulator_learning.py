"""The emulator with Programs that learn: what it refuses and what it tells."""

from dataclasses import replace

import numpy as np
import pytest
from support.plastic import with_rule
from support.programs import record_everything
from support.tiny import Synapse, tiny_program

from spikeloom.backends.emulator import EmulatorBackend, native
from spikeloom.compiler.microcode import (
    Changes,
    Condition,
    Group,
    LearningRule,
    Product,
    Trace,
    TraceKind,
    When,
)
from spikeloom.errors import DeviceError
from spikeloom.runtime.backend import Events

DELAYS = LearningRule(
    projection=0,
    groups=(
        Group(When.PRE, Changes.WEIGHT, 0, (Product(1, Condition.X0),)),
        Group(When.PRE, Changes.DELAY, 0, (Product(1, Condition.X0),)),
    ),
    y1=Trace(TraceKind.EXPONENTIAL, impulse=3, decay=5),
    weight_min=-10,
    weight_max=20,
    delay_max=3,
)


def program():
    """One channel onto two neurons; the second synapse does not learn."""
    plain = tiny_program(
        [{"threshold": 100}] * 2,
        [Synapse("c0", 0, 5), Synapse("c0", 1, 5, 2)],
        channels=1,
    )
    learns = with_rule(plain, DELAYS)
    enable = np.array([1, 0], np.uint8)
    return replace(learns, cores=(replace(learns.cores[0], sparse_enable=enable),))


@pytest.fixture(params=["c", "numpy"])
def device(request):
    if request.param == "c":
        try:
            native.library()
        except native.KernelUnavailableError as reason:
            pytest.skip(f"no compiled kernel: {reason}")
    one = EmulatorBackend(kernel=request.param)
    one.load(program())
    return one


def learning_events(**fields):
    return replace(Events.none(), **{name: np.array(value) for name, value in fields.items()})


def test_only_what_is_enabled_learns_up_to_its_limits(device):
    given = learning_events(spike_step=np.arange(30), spike_channel=np.zeros(30, np.int32))
    device.run(30, given, record_everything(program()))
    (weights,) = device.read_weights()
    assert weights.sparse.tolist() == [20, 5]
    assert weights.delay.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"teacher_step": [0], "teacher_neuron": [2]},
            "the neuron of a teacher event is out of range\n  found: 2 … 2\n  expected: 0 … 1",
        ),
        (
            {"factor_step": [0], "factor_neuron": [-1], "factor_value": [1]},
            "the neuron of a third factor is out of range\n  found: -1 … -1\n  expected: 0 … 1",
        ),
        (
            {"factor_step": [0], "factor_neuron": [1], "factor_value": [128]},
            "factor_value is out of the range of 8 bits\n"
            "  found: 128 … 128\n  expected: -128 … 127",
        ),
        (
            {"modulator_step": [0], "modulator_value": [-129]},
            "modulator_value is out of the range of 8 bits\n"
            "  found: -129 … -129\n  expected: -128 … 127",
        ),
        (
            {"modulator_step": [3, 2], "modulator_value": [1, 1]},
            "the steps of the modulator events are not ascending from 0",
        ),
        (
            {"teacher_step": [0, 1], "teacher_neuron": [0]},
            "teacher_neuron has the wrong shape\n  found: (1,)\n  expected: (2,)",
        ),
    ],
)
def test_learning_input_that_does_not_fit(device, given, message):
    with pytest.raises(DeviceError) as caught:
        device.run(4, learning_events(**given), record_everything(program()))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "sparse",
            [21, 5],
            "sparse weights of core 0 are beyond what a rule allows\n"
            "  found: 21\n  expected: -10 … 20",
        ),
        (
            "delay",
            [4, 2],
            "delays of core 0 are beyond what a rule allows\n  found: 4\n  expected: 0 … 3",
        ),
        (
            "delay",
            [0, 1],
            "delays of core 0 are beyond what a rule allows\n  found: 1\n  expected: 2 … 2",
        ),
        (
            "delay",
            None,
            "delays of core 0 does not fit the loaded program\n"
            "  found: shape ()\n  expected: shape (2,)\n"
            "  remedy: load the program that it was read from",
        ),
    ],
)
def test_weights_that_no_rule_could_have_made(device, field, value, message):
    (weights,) = device.read_weights()
    wrong = value if value is None else np.array(value, getattr(weights, field).dtype)
    with pytest.raises(DeviceError) as caught:
        device.write_weights((replace(weights, **{field: wrong}),))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"y": np.array([[128, 0], [0, 0]], np.uint32)},
            "state 'y' is out of the trace's range\n  found: 0 … 128\n  expected: 0 … 127",
        ),
        (
            {"modulator": 200},
            "a third factor is out of the range of 8 bits\n"
            "  found: 0 … 200\n  expected: -128 … 127",
        ),
        (
            {"fired_before": np.zeros(3, np.uint64)},
            "state 'fired_before' does not fit the loaded program\n"
            "  found: shape (3,)\n  expected: shape (2,)\n"
            "  remedy: load the program that it was read from",
        ),
    ],
)
def test_a_state_of_learning_that_does_not_fit(device, fields, message):
    state = device.read_state()
    with pytest.raises(DeviceError) as caught:
        device.write_state(replace(state, learning=replace(state.learning, **fields)))
    assert str(caught.value) == message


def test_a_state_without_learning_does_not_fit(device):
    state = device.read_state()
    with pytest.raises(DeviceError) as caught:
        device.write_state(replace(state, learning=None))
    plain = (
        "step, u, v, adapt, refractory, reset_pending, fired, wheel, saturated, saturations, "
        "spikes, synaptic_events"
    )
    learning = (
        "on, x, y, fired_before, third_factor, modulator, sparse_tag of core 0, dense_tag of core 0"
    )
    assert str(caught.value) == (
        "the state does not fit the loaded program\n"
        f"  found: {plain}\n  expected: {plain}, {learning}\n"
        "  remedy: load the program that it was read from"
    )


def test_the_description_counts_all_synapses(device):
    assert device.describe()["synapses"] == 2
    assert device.describe()["synapse_bytes"] > 0
