"""The emulator as a device: options, kernels, what it refuses; bits are compared in tests/cosim."""

import dataclasses

import numpy as np
import pytest
from support.programs import (
    assert_same_run,
    assert_same_state,
    random_events,
    random_program,
    record_everything,
)
from support.tiny import Synapse, events, tiny_program

from spikeloom.backends.emulator import EmulatorBackend, backend, c_kernel, native, recorder
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.compiler.program import POISSON, Program
from spikeloom.compiler.target import Target
from spikeloom.errors import DeviceError
from spikeloom.runtime.backend import CoreWeights, Events, Record, State


def compiled(threads=1):
    try:
        native.library()
    except native.KernelUnavailableError as reason:
        pytest.skip(f"no compiled kernel: {reason}")
    return EmulatorBackend(threads, "c")


def kernels():
    return [compiled(1), compiled(2), EmulatorBackend(kernel="numpy")]


def driven_program(n=200, fan=8, probability=(1 << 30,), weight=(40,), delay=1):
    """Neurons with a Poisson channel each (values repeat along them) and some synapses."""
    rng = np.random.default_rng(n)
    synapses = [Synapse(f"c{i}", i, weight[i % len(weight)], delay) for i in range(n)]
    for i in range(n):
        synapses += [Synapse(f"n{i}", int(j), 25, int(j) % 4) for j in rng.integers(0, n, fan)]
    generators = [(i, POISSON, 5, i, probability[i % len(probability)], 0) for i in range(n)]
    neuron = {"threshold": 99, "decay_v": 200, "refractory": 2}
    return tiny_program([neuron] * n, synapses, channels=n, generators=generators)


def assert_like_the_reference(program, device, steps, record, given=None):
    given = Events.none() if given is None else given
    reference = ReferenceBackend()
    for one in (reference, device):
        one.load(program)
    expected = reference.run(steps, given, record)
    assert_same_run(expected, device.run(steps, given, record), program, record)
    assert_same_state(reference.read_state(), device.read_state(), program)


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, -1, 256, "two", "", "1.5", None])
def test_a_wrong_number_of_threads(threads):
    with pytest.raises(DeviceError) as caught:
        EmulatorBackend(threads=threads)
    assert str(caught.value) == (
        "the emulator cannot use that many threads\n"
        f"  found: {threads!r}\n"
        "  expected: an integer from 1 to 255\n"
        "  where: option threads"
    )


def test_a_wrong_kernel():
    with pytest.raises(DeviceError) as caught:
        EmulatorBackend(kernel="cuda")
    assert str(caught.value) == (
        "the emulator has no such kernel\n"
        "  found: 'cuda'\n"
        "  expected: one of 'auto', 'c', 'numpy'\n"
        "  where: option kernel"
    )


def test_options_come_as_text_from_a_url():
    device = EmulatorBackend(threads="2", kernel="numpy")
    assert device.describe() == {
        "scheme": "emulator",
        "kernel": "numpy",
        "instruction_set": "numpy",
        "threads": 1,
        "why_not_c": "the NumPy kernel was asked for",
        "cycles": True,
    }


def test_the_compiled_kernel_describes_itself():
    device = compiled("2")
    facts = device.describe()
    assert (facts["kernel"], facts["threads"], facts["why_not_c"]) == ("c", 2, None)
    assert facts["instruction_set"] in native.INSTRUCTION_SETS
    device.load(driven_program())
    facts = device.describe()
    assert facts["threads_in_use"] == 2
    assert facts["synapses"] == 200 * 9
    assert facts["synapse_bytes"] > 0


def test_without_the_compiled_kernel_auto_is_numpy(monkeypatch):
    def unavailable():
        raise native.KernelUnavailableError("there is no compiler")

    monkeypatch.setattr(native, "library", unavailable)
    facts = EmulatorBackend(threads=3).describe()
    assert (facts["kernel"], facts["threads"]) == ("numpy", 1)
    assert facts["why_not_c"] == "there is no compiler"
    with pytest.raises(DeviceError) as caught:
        EmulatorBackend(kernel="c")
    assert str(caught.value) == (
        "the emulator's compiled kernel cannot be used\n"
        "  found: there is no compiler\n"
        "  where: option kernel\n"
        "  remedy: use kernel=auto or kernel=numpy, which gives the same results, only slower"
    )


# -- the same bits in every circumstance ----------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "weight"), [((1 << 30,), (40,)), ((1 << 30, 1 << 28), (40, 13, -7))]
)
@pytest.mark.parametrize("recorded", ["nothing", "everything", "some"])
def test_one_to_one_drives(probability, weight, recorded):
    program = driven_program(probability=probability, weight=weight)
    n = program.neurons
    record = {
        "nothing": Record(np.zeros(n, bool), np.zeros(n, bool)),
        "everything": record_everything(program),
        "some": Record(np.arange(n) % 3 == 0, np.arange(n) % 7 == 1, (("v", np.array([9, 3, 9])),)),
    }[recorded]
    for device in kernels():
        assert_like_the_reference(program, device, 60, record)


def uniform_program(seed):
    """Long runs of equal neurons, of every kind: each core's profiles in order."""
    program = random_program(seed, cores=1 + seed % 2, neurons=500)
    cores = [dataclasses.replace(c, profile=np.sort(c.profile)) for c in program.cores]
    return dataclasses.replace(program, cores=tuple(cores))


@pytest.mark.parametrize("seed", range(12))
def test_runs_of_equal_neurons(seed):
    program = uniform_program(seed)
    given = random_events(program, 30, np.random.default_rng(seed))
    for device in kernels():
        assert_like_the_reference(program, device, 30, record_everything(program), given)


@pytest.mark.parametrize("number", range(len(native.INSTRUCTION_SETS)))
@pytest.mark.parametrize("seed", range(4))
def test_every_instruction_set_computes_the_same(seed, number, monkeypatch):
    program = uniform_program(seed)
    device = compiled()
    if device._library.instructions < number:
        pytest.skip(f"this processor does not have {native.INSTRUCTION_SETS[number]}")
    monkeypatch.setattr(device._library, "instructions", number)
    device.load(program)
    assert device.describe()["instruction_set"] == native.INSTRUCTION_SETS[number]
    given = random_events(program, 30, np.random.default_rng(seed))
    assert_like_the_reference(program, device, 30, record_everything(program), given)


@pytest.mark.parametrize("threads", [1, 3])
def test_full_buffers_are_emptied_in_time(threads, monkeypatch):
    monkeypatch.setattr(recorder, "_LEAST_ROOM", 0)  # room for the spikes of four steps at most
    program = driven_program(probability=((1 << 32) - 1,), weight=(3000,), delay=0)
    assert_like_the_reference(program, compiled(threads), 90, record_everything(program))


def test_many_short_calls_are_one_long_call(monkeypatch):
    monkeypatch.setattr(c_kernel, "_LONGEST_CALL", 1)
    program = random_program(77, neurons=300, cores=2)
    given = random_events(program, 20, np.random.default_rng(0))
    assert_like_the_reference(program, compiled(2), 20, record_everything(program), given)


@pytest.mark.parametrize("threads", [2, 255])
def test_more_threads_than_targets(threads):
    program = driven_program(n=130)
    device = compiled(threads)
    assert_like_the_reference(program, device, 20, record_everything(program))
    assert device.describe()["threads_in_use"] == 2
    program = driven_program(n=5)
    assert_like_the_reference(program, device, 20, record_everything(program))
    assert device.describe()["threads_in_use"] == 1


def empty_program(channels):
    full = tiny_program([{}], channels=channels)
    return Program(
        target=Target(),
        dt=1e-3,
        seed=0,
        cores=(),
        channel_start=full.channel_start,
        channel_to=full.channel_to,
        generators=full.generators,
        sources=full.sources,
        populations=(),
        projections=(),
    )


@pytest.mark.parametrize("channels", [0, 3])
def test_a_program_without_neurons(channels):
    program = empty_program(channels)
    given = events([(1, 2), (3, 0)] if channels else [])
    for device in kernels():
        device.load(program)
        data = device.run(5, given, record_everything(program))
        assert data.channel.tolist() == ([2, 0] if channels else [])
        assert device.read_state().step == 5
        assert device.read_weights() == ()


def test_neurons_without_synapses_and_runs_without_steps():
    program = tiny_program([{"threshold": 3, "bias": 2, "v_init": 1}] * 3)
    for device in kernels():
        assert_like_the_reference(program, device, 0, record_everything(program))
        assert_like_the_reference(program, device, 9, record_everything(program))


def foreign_state(program):
    """A state that this Program does not get into by itself: every part of it is in use."""
    rng = np.random.default_rng(3)
    n, depth = program.neurons, program.wheel_depth
    return State(
        step=(1 << 32) + 5,
        u=rng.integers(-500, 500, (2, n)).astype(np.int32),
        v=rng.integers(-500, 90, n).astype(np.int32),
        adapt=rng.integers(0, 300, n).astype(np.int32),
        refractory=rng.integers(0, 4, n).astype(np.int32),
        reset_pending=rng.integers(0, 2, n).astype(np.uint8),
        fired=rng.integers(0, 2, n).astype(np.uint8),
        wheel=rng.integers(-90, 90, (depth, 2, n)).astype(np.int32),
        saturated=rng.integers(0, 8, n).astype(np.uint8),
        saturations=rng.integers(0, 9, (len(program.cores), 3)),
        spikes=1000,
        synaptic_events=12345678901,
    )


def test_a_state_from_elsewhere():
    program = driven_program()
    state, record = foreign_state(program), record_everything(program)
    reference = ReferenceBackend()
    reference.load(program)
    reference.write_state(state)
    expected, after = reference.run(30, Events.none(), record), reference.read_state()
    for device in kernels():
        device.load(program)
        device.write_state(state)
        assert_same_state(state, device.read_state(), program)
        assert_same_run(expected, device.run(30, Events.none(), record), program, record)
        assert_same_state(after, device.read_state(), program)
        saturations, saturated = device.read_saturation()
        assert np.array_equal(saturations, after.saturations)
        assert np.array_equal(saturated, after.saturated)


# -- refusals -------------------------------------------------------------------------------------


@pytest.fixture(params=["c", "numpy"])
def device(request):
    one = compiled() if request.param == "c" else EmulatorBackend(kernel="numpy")
    one.load(driven_program(n=20))
    return one


def test_nothing_works_before_load_or_after_close(device):
    fresh = EmulatorBackend()
    device.close()
    for one in (fresh, device):
        with pytest.raises(DeviceError) as caught:
            one.read_state()
        assert str(caught.value) == (
            "the emulator has no program\n  remedy: call load(program) before anything else"
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            events([(0, 20)]),
            "the channel of a spike is out of range\n  found: 20 … 20\n  expected: 0 … 19",
        ),
        (
            events(graded=[(0, -1, 5)]),
            "the neuron of a graded event is out of range\n  found: -1 … -1\n  expected: 0 … 19",
        ),
        (
            events(graded=[(0, 1, 1 << 23)]),
            "graded_value is out of the state's range\n"
            "  found: 8388608 … 8388608\n  expected: -8388608 … 8388607",
        ),
        (events([(-1, 0)]), "the steps of the spikes events are not ascending from 0"),
    ],
)
def test_input_from_outside_the_program(device, given, message):
    program = driven_program(n=20)
    with pytest.raises(DeviceError) as caught:
        device.run(3, given, record_everything(program))
    assert str(caught.value) == message


def test_a_record_of_another_program(device):
    with pytest.raises(DeviceError) as caught:
        device.run(3, Events.none(), Record(np.ones(19, bool), np.ones(20, bool)))
    assert str(caught.value) == (
        "record.neurons has the wrong shape\n  found: (19,)\n  expected: (20,)"
    )


def test_a_state_that_does_not_fit(device):
    state = device.read_state()
    with pytest.raises(DeviceError, match="state 'v' does not fit the loaded program"):
        device.write_state(dataclasses.replace(state, v=state.v[1:]))
    wild = dataclasses.replace(state, v=state.v + (1 << 23))
    with pytest.raises(DeviceError) as caught:
        device.write_state(wild)
    assert str(caught.value) == (
        "state 'v' is out of the state's range\n"
        "  found: 8388608 … 8388608\n  expected: -8388608 … 8388607"
    )


def test_weights_that_do_not_fit(device):
    (weights,) = device.read_weights()
    with pytest.raises(DeviceError, match="found: weights of 0 cores"):
        device.write_weights(())
    with pytest.raises(DeviceError, match="sparse weights of core 0 does not fit"):
        device.write_weights((CoreWeights(weights.sparse[1:], weights.dense),))
    with pytest.raises(DeviceError) as caught:
        device.write_weights((CoreWeights(weights.sparse.astype(np.float32), weights.dense),))
    assert str(caught.value) == (
        "sparse weights of core 0 do not fit the loaded program\n"
        "  found: float32\n  expected: integers that fit int16"
    )


def test_read_weights_gives_copies(device):
    (weights,) = device.read_weights()
    weights.sparse[:] = 0
    assert device.read_weights()[0].sparse.any()
    device.write_weights((weights,))
    weights.sparse[:] = 1
    assert not device.read_weights()[0].sparse.any()


def test_a_failing_thread_start_is_an_error(monkeypatch):
    device = compiled(2)
    device.load(driven_program())
    monkeypatch.setattr(device._library, "run", lambda *_: -1)
    with pytest.raises(DeviceError) as caught:
        device.run(1, Events.none(), record_everything(driven_program()))
    assert str(caught.value) == (
        "the emulator could not start its threads\n"
        "  found: 2 threads wanted\n"
        "  remedy: open the device with fewer threads, for example emulator?threads=1"
    )
    assert backend.MOST_THREADS == 255
