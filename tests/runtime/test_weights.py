"""Weights by projection: read and written in units, before, between and after runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.devices import DEVICES
from support.paper_program import paper_program
from support.programs import random_program

import spikeloom as sl
from spikeloom import InputError


@pytest.fixture(params=DEVICES)
def device(request):
    with sl.open(request.param) as device:
        device.load(paper_program())
        yield device


def refusal(device, *args, **kwargs) -> str:
    before = device.read_weights("in->pop").raw
    with pytest.raises(InputError) as caught:
        device.write_weights("in->pop", *args, **kwargs)
    assert np.array_equal(device.read_weights("in->pop").raw, before)
    return str(caught.value)


def test_read(device):
    weights = device.read_weights("in->pop")
    assert len(weights) == 3
    assert weights.pre.tolist() == [0, 0, 1]
    assert weights.post.tolist() == [0, 1, 2]
    assert weights.raw.tolist() == [3, -2, 5]
    assert weights.exponent.tolist() == [1, 1, 1]
    # w << (1 + 2), divided by the scale 4, 8 or 16 of the target neuron.
    assert weights.values.tolist() == [6, -2, 2.5]
    assert weights.delay_steps.tolist() == [0, 1, 2]
    assert weights.delay.tolist() == pytest.approx([0, 1e-3, 2e-3])
    assert weights.toarray().tolist() == [[6, -2, 0], [0, 0, 2.5]]
    assert np.asarray(weights, np.float32).dtype == np.float32
    recurrent = device.read_weights("pop->pop")
    assert (recurrent.pre.tolist(), recurrent.post.tolist()) == ([1], [2])
    assert (recurrent.delay_steps.tolist(), recurrent.values.tolist()) == ([2], [3.5])


def test_before_between_and_after_runs(device):
    before = device.read_weights("in->pop").values
    device.run(2, {"in": [[0, 0], [1, 1]]})
    between = device.read_weights("in->pop").values
    device.run(2)
    after = device.read_weights("in->pop").values
    assert before.tolist() == between.tolist() == after.tolist() == [6, -2, 2.5]


@pytest.mark.parametrize(
    "given",
    [[4.0, -1.0, 10.0], np.array([[4.0, -1.0, 0.0], [0.0, 0.0, 10.0]]), [3.9, -1.2, 9.9]],
)
def test_write_in_units(device, given):
    device.write_weights("in->pop", given)
    assert device.read_weights("in->pop").raw.tolist() == [2, -1, 20]
    v = device.run(3, {"in": [[0, 0], [0, 1]]}).states["pop"]["v"]
    assert v[-1].tolist() == [4, -1, 10]


def test_write_mantissas_and_what_was_read(device):
    before = device.read_weights("in->pop")
    device.write_weights("in->pop", raw=[127, -128, 0])
    assert device.read_weights("in->pop").raw.tolist() == [127, -128, 0]
    device.write_weights("in->pop", before)
    assert device.read_weights("in->pop").raw.tolist() == [3, -2, 5]


def test_the_program_is_not_changed(device):
    device.write_weights("in->pop", raw=[1, 1, 1])
    assert device.program.cores[1].sparse_weight.tolist() == [3, 7]
    device.reset(weights=True)
    assert device.read_weights("in->pop").raw.tolist() == [3, -2, 5]


def test_what_does_not_fit(device):
    assert refusal(device, [6.0, -200.0, 0.0]) == (
        "a weight of 'in->pop' does not fit\n"
        "  found: -200 from 0 to 1\n"
        "  expected: -128 to 127\n"
        "  remedy: compile a network whose largest weight is as large as will be needed"
    )
    assert refusal(device, raw=[128, 0, 0]).splitlines()[1] == "  found: 128 from 0 to 0"


def test_wrong_shapes_and_values(device):
    assert refusal(device, [1.0, 2.0]) == (
        "values for 'in->pop' have the wrong shape or dtype\n"
        "  found: shape (2,), dtype float64\n"
        "  expected: (3,) numbers in the order of read_weights, or a (2, 3) matrix"
    )
    assert refusal(device, [1.0, np.nan, 0.0]) == (
        "weights of 'in->pop' must be finite\n  found: nan from 0 to 1"
    )
    assert refusal(device, np.ones((2, 3))) == (
        "a weight of 'in->pop' has no synapse to go to\n"
        "  found: 1.0 from 0 to 2\n"
        "  expected: 0 where the compiled network has no synapse\n"
        "  remedy: connect the two neurons before compiling"
    )
    assert refusal(device, raw=[1.0, 2.0, 3.0]) == (
        "raw weights of 'in->pop' must be integers\n  found: dtype float64"
    )
    assert refusal(device) == refusal(device, [1], raw=[1])
    assert refusal(device) == "write_weights takes either values or raw"


def test_unknown_projection(device):
    with pytest.raises(InputError) as caught:
        device.read_weights("in->pup")
    assert str(caught.value) == (
        "there is no projection of this name\n"
        "  found: 'in->pup'\n"
        "  expected: one of 'in->pop', 'pop->pop'\n"
        "  remedy: did you mean 'in->pop'?"
    )


def test_weights_with_which_an_accumulator_could_overflow():
    program = paper_program()
    narrow = sl.Program(
        **{**vars(program), "target": program.target.with_(weight_bits=8, accumulator_bits=16)}
    )
    for core in narrow.cores:
        core.rows["exponent"] = 10
    with sl.open("reference") as device:
        device.load(narrow)
        with pytest.raises(InputError) as caught:
            device.write_weights("in->pop", raw=[3, -33, 5])
        assert str(caught.value) == (
            "with these weights an accumulator could overflow\n"
            "  found: weights onto 'pop'[1], receptor 0, that add up to 33792\n"
            "  expected: at most 32767\n"
            "  remedy: use smaller weights, or a target with wider accumulators"
        )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1 << 32), url=st.sampled_from(DEVICES))
def test_every_projection_of_any_program_reads_back_what_was_written(seed, url):
    program = random_program(seed, neurons=20)
    rng = np.random.default_rng(seed)
    with sl.open(url) as device:
        device.load(program)
        total = 0
        for projection in program.projections:
            weights = device.read_weights(projection.name)
            total += len(weights)
            smaller = np.trunc(weights.raw * rng.random(len(weights))).astype(int)
            device.write_weights(projection.name, raw=smaller)
            again = device.read_weights(projection.name)
            assert np.array_equal(again.raw, smaller)
            # The values that were read, written back, are the same integers.
            device.write_weights(projection.name, again.values)
            assert np.array_equal(device.read_weights(projection.name).raw, smaller)
        stored = sum(len(c.sparse_weight) + len(c.dense_weight) for c in program.cores)
        assert total == stored
