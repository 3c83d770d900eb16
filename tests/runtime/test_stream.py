"""Streaming: windows are one run, loops can be closed, and mistakes are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.devices import DEVICES
from support.paper_program import paper_program
from support.programs import random_program

import spikeloom as sl
from spikeloom import DeviceError, InputError

EVENTS = {"in": [[0, 0], [3, 0], [3, 1], [6, 1]], "pop": ([[2, 1], [6, 0]], [1.0, 2.0])}


@pytest.fixture(params=DEVICES)
def device(request):
    with sl.open(request.param) as device:
        device.load(paper_program())
        yield device


def same(a, b) -> bool:
    return (
        all(np.array_equal(a.spikes[name], b.spikes[name]) for name in a.spikes)
        and all(
            np.array_equal(a.states[name][v].raw, b.states[name][v].raw)
            for name in a.states
            for v in a.states[name]
        )
        and (a.steps, a.start) == (b.steps, b.start)
    )


@pytest.mark.parametrize("every", [1, 2, 3, 7, 100])
def test_a_stream_is_one_run(device, every):
    whole = device.run(7, EVENTS)
    device.reset()
    windows = list(device.stream(7, EVENTS, every=every))
    assert [w.steps for w in windows][:-1] == [every] * (len(windows) - 1)
    assert same(sl.Result.join(windows), whole)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32), every=st.integers(1, 12), url=st.sampled_from(DEVICES))
@pytest.mark.filterwarnings("ignore::spikeloom.SaturationWarning")
def test_a_stream_is_one_run_of_any_program(seed, every, url):
    program = random_program(seed, neurons=12)
    rng = np.random.default_rng(seed)
    inputs = {s.name: rng.random((20, s.size)) < 0.3 for s in program.sources if s.kind == "host"}
    with sl.open(url) as device:
        device.load(program)
        whole = device.run(20, inputs)
        device.reset()
        assert same(sl.Result.join(device.stream(20, inputs, every=every)), whole)


def test_windows_come_while_it_runs(device):
    stream = device.stream(6, every=2)
    assert device.step == 0
    next(stream)
    assert device.step == 2
    assert device.read_state("pop")["v"].tolist() == [0, 0, 0]
    device.write_weights("in->pop", [1.0, -1.0, 0.5])
    assert next(stream).start == 2


def test_closed_loop(device):
    asked = []

    def answer(start, steps):
        asked.append((start, steps, device.read_state("pop")["v"][0]))
        return {"in": [[0, 0]]} if device.read_state("pop")["v"][0] < 12 else None

    device.run(2)
    results = list(device.stream(7, answer, every=2))
    assert asked == [(2, 2, 0), (4, 2, 6), (6, 2, 12), (8, 1, 12)]
    assert [r.states["pop"]["v"][-1, 0] for r in results] == [6, 12, 12, 12]


def test_an_iterator_of_inputs(device):
    feed = iter([{"in": [[1, 0]]}, None, {"in": [[0, 0]]}])
    results = list(device.stream(5, feed, every=2))
    assert sl.Result.join(results).spikes["in"].tolist() == [[1, 0], [4, 0]]


def test_an_iterator_that_ends_too_early(device):
    stream = device.stream(5, [None, {"in": []}], every=2)
    next(stream), next(stream)
    with pytest.raises(InputError) as caught:
        next(stream)
    assert str(caught.value) == (
        "the inputs ended before the stream\n"
        "  found: 2 entries\n"
        "  expected: 3, one for each window of 2 steps\n"
        "  remedy: give None for a window without input"
    )


def test_wrong_arguments_are_refused_at_the_call(device):
    with pytest.raises(InputError) as caught:
        device.stream(5, 7)
    assert str(caught.value) == (
        "inputs of a stream are of the wrong type\n"
        "  found: int\n"
        "  expected: a mapping, a function (start, steps) -> mapping, or an iterable of mappings"
    )
    with pytest.raises(InputError, match=r"^a window must have steps\n  found: every=0"):
        device.stream(5, every=0)
    with pytest.raises(InputError, match=r"^input of 'in': step out of range"):
        device.stream(5, {"in": [[5, 0]]})


def test_a_window_cannot_have_input_beyond_its_end(device):
    with pytest.raises(InputError, match=r"^input of 'in': step out of range\n  found: step 2"):
        list(device.stream(4, lambda start, steps: {"in": [[2, 0]]}, every=2))


@pytest.mark.parametrize("move", ["run", "reset"])
def test_a_device_that_was_moved_cannot_go_on_streaming(device, move):
    stream = device.stream(6, every=2)
    next(stream)
    device.run(1) if move == "run" else device.reset()
    with pytest.raises(DeviceError) as caught:
        next(stream)
    assert str(caught.value) == (
        "the device was moved while it was streaming\n"
        f"  found: step {3 if move == 'run' else 0}\n"
        "  expected: step 2\n"
        f"  where: {device.url}\n"
        "  remedy: finish or drop the stream before running, resetting or loading"
    )


def test_a_function_must_not_move_the_device(device):
    def answer(start, steps):
        device.run(1)

    with pytest.raises(DeviceError, match=r"^the device was moved while it was streaming\n"):
        list(device.stream(4, answer))


def test_another_program_ends_a_stream(device):
    stream = device.stream(4)
    device.load(paper_program(bias=1))
    with pytest.raises(DeviceError, match=r"^the device was moved while it was streaming\n"):
        next(stream)
