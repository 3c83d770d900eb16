"""Input of a run: accepted forms, and the words with which the others are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloom import InputError
from spikeloom.event_arrays import events_to_raster, raster_to_events
from spikeloom.learning_inputs import LearningInputs
from spikeloom.stimulus import MAX_RUN_STEPS, check_steps, make_stimulus

LEARNING = LearningInputs(
    plastic=["digits", "wide"], teacher=["digits"], third_factor=["digits", "wide"], modulator=True
)
SOURCES, POPULATIONS = {"pixels": 3, "pair": 2}, {"digits": 2, "wide": 4}


def stimulus(inputs, steps=4, generators=(), learning=None):
    return make_stimulus(inputs, steps, SOURCES, POPULATIONS, generators, learning)


def refusal(inputs, steps=4, generators=(), learning=None) -> str:
    with pytest.raises(InputError) as caught:
        stimulus(inputs, steps, generators, learning)
    return str(caught.value)


rasters = st.tuples(st.integers(0, 20), st.integers(1, 6)).flatmap(
    lambda shape: hnp.arrays(np.bool_, shape)
)


@given(rasters)
def test_raster_to_events_and_back(raster):
    assert np.array_equal(events_to_raster(raster_to_events(raster), *raster.shape), raster)


@given(rasters, st.randoms(use_true_random=False), st.sampled_from(["i1", "u1", "<i4", ">u8"]))
def test_events_in_any_order_and_type_mean_their_raster(raster, random, dtype):
    steps, size = raster.shape
    events = raster_to_events(raster)
    shuffled = events[random.sample(range(len(events)), len(events))].astype(dtype)
    one = make_stimulus({"s": shuffled}, steps, {"s": size}, {}).spikes["s"]
    two = make_stimulus({"s": raster}, steps, {"s": size}, {}).spikes["s"]
    assert np.array_equal(one, events)
    assert np.array_equal(two, events)
    assert one.dtype == two.dtype == np.int64


@given(rasters, st.randoms(use_true_random=False))
def test_graded_pair_means_its_raster(raster, random):
    steps, size = raster.shape
    values = np.cumsum(raster).reshape(raster.shape) * raster * -0.25
    events = raster_to_events(raster)
    order = random.sample(range(len(events)), len(events))
    pair = (events[order], values[raster][order])
    given_events, given_values = make_stimulus({"p": pair}, steps, {}, {"p": size}).graded["p"]
    from_raster = make_stimulus({"p": values}, steps, {}, {"p": size}).graded["p"]
    assert np.array_equal(given_events, from_raster[0])
    assert np.array_equal(given_values, from_raster[1])


def test_no_input():
    assert stimulus(None).spikes == stimulus({}).graded == {}


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 2)), np.zeros((0, 2), int), [[0] * 3] * 4])
def test_empty_input_has_the_shape_of_events(nothing):
    assert stimulus({"pixels": nothing}).spikes["pixels"].shape == (0, 2)


def test_a_list_of_pairs_and_a_raster_of_zeros_and_ones():
    assert stimulus({"pixels": [[3, 0], [1, 2]]}).spikes["pixels"].tolist() == [[1, 2], [3, 0]]
    raster = np.eye(4, 3)
    assert stimulus({"pixels": raster}).spikes["pixels"].tolist() == [[0, 0], [1, 1], [2, 2]]


def test_the_type_decides_where_the_shape_does_not():
    both = np.array([[0, 1], [1, 0], [1, 1], [0, 0]])
    assert stimulus({"pair": both}).spikes["pair"].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    raster = stimulus({"pair": both.astype(bool)}).spikes["pair"].tolist()
    assert raster == [[0, 1], [1, 0], [2, 0], [2, 1]]


def test_input_is_copied():
    events = np.array([[0, 1]])
    checked = stimulus({"pixels": events}).spikes["pixels"]
    events[0, 0] = 3
    assert checked.tolist() == [[0, 1]]


def test_unknown_name():
    assert refusal({"pixel": []}) == (
        "input for something that the network does not have\n"
        "  found: 'pixel'\n"
        "  expected: one of 'pixels', 'pair', 'digits', 'wide'\n"
        "  remedy: did you mean 'pixels'?"
    )


def test_generator():
    assert refusal({"noise": []}, generators=("noise",)) == (
        "source 'noise' drives itself and takes no input\n"
        "  where: inputs['noise']\n"
        "  remedy: declare it as a host source: net.source(name, size)"
    )


def test_wrong_shape():
    assert refusal({"pixels": np.zeros((4, 5), bool)}) == (
        "input of 'pixels' has the wrong shape\n"
        "  found: shape (4, 5), dtype bool\n"
        "  expected: (n, 2) integers (step, index), or a (4, 3) raster\n"
        "  where: inputs['pixels']"
    )


def test_floating_point_events():
    assert refusal({"pixels": np.array([[1.0, 2.0]])}) == (
        "input of 'pixels' has the wrong dtype\n"
        "  found: shape (1, 2), dtype float64\n"
        "  expected: (n, 2) integers (step, index), or a (4, 3) raster\n"
        "  where: inputs['pixels']\n"
        "  remedy: events are integers: array.astype(int)"
    )


def test_step_out_of_range():
    assert refusal({"pixels": [[0, 1], [4, 1]]}) == (
        "input of 'pixels': step out of range\n"
        "  found: step 4 in row 1\n"
        "  expected: 0 to 3\n"
        "  where: inputs['pixels'][1, 0]"
    )


def test_index_out_of_range():
    assert refusal({"pixels": [[0, 1], [3, -1]]}) == (
        "input of 'pixels': index out of range\n"
        "  found: index -1 in row 1\n"
        "  expected: 0 to 2\n"
        "  where: inputs['pixels'][1, 1]"
    )


def test_numbers_beyond_64_bits_do_not_wrap():
    huge = np.array([[2**64 - 1, 0]], np.uint64)
    assert "found: step 18446744073709551615 in row 0" in refusal({"pixels": huge})


def test_the_same_event_twice():
    assert refusal({"pixels": [[2, 1], [0, 0], [2, 1]]}) == (
        "input of 'pixels': the same event twice\n"
        "  found: step 2, index 1 in rows 0 and 2\n"
        "  expected: at most one event per step and index\n"
        "  where: inputs['pixels'][2]\n"
        "  remedy: remove the repetition: np.unique(events, axis=0)"
    )


def test_an_integer_raster_of_two_columns_is_told_apart():
    assert refusal({"pair": np.ones((4, 2), int)}).endswith(
        "remedy: an (n, 2) integer array is read as events; if it is a raster, give it as bool"
    )


def test_raster_of_other_numbers():
    raster = np.zeros((4, 3))
    raster[2, 1] = 2
    assert refusal({"pixels": raster}) == (
        "raster of 'pixels' holds something else than zeros and ones\n"
        "  found: 2.0 at step 2, index 1\n"
        "  expected: 0 or 1: at most one event per step and index\n"
        "  where: inputs['pixels'][2, 1]"
    )


def test_not_a_number():
    values = np.zeros((4, 4))
    values[1, 2] = np.nan
    assert refusal({"wide": values}) == (
        "graded values of population 'wide' must be finite\n"
        "  found: nan at step 1, index 2\n"
        "  where: inputs['wide'][1, 2]"
    )
    assert refusal({"wide": ([[0, 0], [0, 1]], [1.0, np.inf])}) == (
        "graded values of population 'wide' must be finite\n"
        "  found: inf in row 1\n"
        "  where: inputs['wide'][1][1]"
    )


def test_spikes_for_a_population():
    assert refusal({"wide": np.ones((4, 4), bool)}) == (
        "input of population 'wide' has the wrong shape or dtype\n"
        "  found: shape (4, 4), dtype bool\n"
        "  expected: (4, 4) numbers in the network's units, or a tuple (events, values)\n"
        "  where: inputs['wide']\n"
        "  remedy: a population takes graded values; spikes go to a source that is connected to it"
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (([[0, 0]],), "input of population 'digits': a tuple must be (events, values)"),
        (([[0.0, 0.0]], [1]), "events of population 'digits' have the wrong shape or dtype"),
        (([0, 0], [1]), "events of population 'digits' have the wrong shape or dtype"),
        (([[0, 0]], [1, 2]), "values of population 'digits' do not match its events"),
        (([[0, 0]], [True]), "values of population 'digits' do not match its events"),
        (([[0, 2]], [1]), "input of 'digits': index out of range"),
        (([[0, 1], [0, 1]], [1, 2]), "input of 'digits': the same event twice"),
    ],
)
def test_wrong_pairs(given, problem):
    assert refusal({"digits": given}).splitlines()[0] == problem


@pytest.mark.parametrize(
    "given", ["text", None, [[0, 1], [2]], np.array([{}]), np.array([1j]), object(), 2**80]
)
def test_what_is_no_array_of_numbers(given):
    assert refusal({"pixels": given}).startswith(
        "input of 'pixels': spikes must be an array of numbers\n  found: "
    )


def test_inputs_must_be_a_mapping():
    assert refusal([("pixels", [])]) == (
        "inputs must be a mapping from names to arrays\n"
        "  found: list\n"
        '  expected: for example {"pixels": events}'
    )


@pytest.mark.parametrize("steps", [-1, 1.0, "5", None, True, MAX_RUN_STEPS + 1])
def test_wrong_numbers_of_steps(steps):
    message = (
        "the number of steps is wrong\n"
        f"  found: {steps!r}\n"
        f"  expected: an integer from 0 to {MAX_RUN_STEPS}"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_steps(steps)


def test_numpy_integers_are_steps():
    assert check_steps(np.int32(5)) == 5


# ---------------------------------------------------------------- what rules read


@given(rasters)
def test_teacher_events_and_their_raster(raster):
    steps, size = raster.shape
    learning = LearningInputs(plastic=["p"], teacher=["p"])
    events = raster_to_events(raster)
    for given_events in (raster, events, raster.astype(float)):
        found = make_stimulus({"p.teacher": given_events}, steps, {}, {"p": size}, (), learning)
        assert np.array_equal(found.teacher["p"], events)


@given(
    st.tuples(st.integers(0, 12), st.integers(1, 4)).flatmap(
        lambda shape: hnp.arrays(np.int16, shape, elements=st.integers(-128, 127))
    )
)
def test_every_steps_third_factor_is_told_where_it_changes(values):
    steps, size = values.shape
    learning = LearningInputs(plastic=["p"], third_factor=["p"], modulator=True)
    inputs = {"p.third_factor": values, "modulator": values[:, 0]}
    found = make_stimulus(inputs, steps, {}, {"p": size}, (), learning)
    for (events, told), wanted in (
        (found.third_factor["p"], values),
        (found.modulator, values[:, :1]),
    ):
        held = np.full(wanted.shape[1], 999)  # never seen: all are told in the first step
        rebuilt = np.zeros(wanted.shape, np.int64)
        for step in range(steps):
            now = events[:, 0] == step
            held[events[now, 1]] = told[now]
            rebuilt[step] = held
        assert np.array_equal(rebuilt, wanted)


def test_values_with_events_are_sorted():
    inputs = {
        "wide.third_factor": ([[3, 0], [1, 2]], [5, -128]),
        "modulator": ([2, 0], np.array([127, 1], np.int8)),
    }
    found = stimulus(inputs, learning=LEARNING)
    assert [a.tolist() for a in found.third_factor["wide"]] == [[[1, 2], [3, 0]], [-128, 5]]
    assert found.modulator is not None
    assert [a.tolist() for a in found.modulator] == [[[0, 0], [2, 0]], [1, 127]]
    empty = stimulus({"modulator": ([], []), "wide.third_factor": ([], [])}, learning=LEARNING)
    assert empty.modulator is not None
    assert len(empty.modulator[0]) == len(empty.third_factor["wide"][0]) == 0


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"wide.third_factor": np.full((4, 4), 128)},
            "a value of input 'wide.third_factor' is out of range\n"
            "  found: 128\n"
            "  expected: -128 to 127\n"
            "  where: inputs['wide.third_factor'][0, 0]",
        ),
        (
            {"modulator": ([0, 1], [0, -129])},
            "a value of input 'modulator' is out of range\n"
            "  found: -129\n"
            "  expected: -128 to 127\n"
            "  where: inputs['modulator'][1][1]",
        ),
        (
            {"modulator": [0.5, 0, 0, 0]},
            "input 'modulator' has the wrong shape or dtype\n"
            "  found: shape (4,), dtype float64\n"
            "  expected: (4,) integers, or a tuple (steps, values)\n"
            "  where: inputs['modulator']",
        ),
        (
            {"digits.third_factor": np.zeros((3, 2), int)},
            "input 'digits.third_factor' has the wrong shape or dtype\n"
            "  found: shape (3, 2), dtype int64\n"
            "  expected: (4, 2) integers, or a tuple (events, values)\n"
            "  where: inputs['digits.third_factor']",
        ),
        (
            {"modulator": ([[0, 1]], [1])},
            "events of input 'modulator' have the wrong shape or dtype\n"
            "  found: shape (1, 2), dtype int64\n"
            "  expected: (n,) integers (step)\n"
            "  where: inputs['modulator'][0]",
        ),
        (
            {"modulator": ([1, 1], [1, 2])},
            "input of 'modulator': the same event twice\n"
            "  found: step 1, index 0 in rows 0 and 1\n"
            "  expected: at most one event per step and index\n"
            "  where: inputs['modulator'][1]\n"
            "  remedy: remove the repetition: np.unique(events, axis=0)",
        ),
        (
            {"digits.teacher": [[4, 0]]},
            "input of 'digits.teacher': step out of range\n"
            "  found: step 4 in row 0\n"
            "  expected: 0 to 3\n"
            "  where: inputs['digits.teacher'][0, 0]",
        ),
        (
            {"wide.teacher": [[0, 0]]},
            "input 'wide.teacher' would change nothing\n"
            "  found: no rule of a projection onto 'wide' reads t0\n"
            "  where: inputs['wide.teacher']\n"
            "  remedy: use t0 in the rule's text",
        ),
        (
            {"digit.teacher": [[0, 0]]},
            "input for something that the network does not have\n"
            "  found: 'digit.teacher'\n"
            "  expected: one of 'pixels', 'pair', 'digits', 'wide', 'digits.teacher', "
            "'digits.third_factor', 'wide.third_factor', 'modulator'\n"
            "  remedy: did you mean 'digits.teacher'?",
        ),
    ],
)
def test_wrong_input_for_rules(inputs, message):
    assert refusal(inputs, learning=LEARNING) == message


def test_input_for_rules_that_are_not_there():
    assert refusal({"modulator": [1, 1, 1, 1]}) == (
        "input 'modulator' would change nothing\n"
        "  found: nothing learns: no projection has a rule\n"
        "  where: inputs['modulator']\n"
        "  remedy: net.connect(…, learning=…)"
    )
    assert refusal({"digits.teacher": [[0, 0]]}, learning=LearningInputs(plastic=["wide"])) == (
        "input 'digits.teacher' would change nothing\n"
        "  found: no projection onto 'digits' has a rule\n"
        "  where: inputs['digits.teacher']\n"
        "  remedy: they belong to the postsynaptic population of the projection that learns"
    )


def test_names_that_mean_two_things():
    learning = LearningInputs(plastic=["p"], modulator=True)
    populations = {"p": 1, "modulator": 1, "p.teacher": 1}
    with pytest.raises(InputError) as caught:
        make_stimulus({"modulator": [[1.0]]}, 1, {}, populations, (), learning)
    assert str(caught.value) == (
        "input 'modulator' means two things\n"
        "  found: a source or population of this name, and the modulator\n"
        "  where: inputs['modulator']\n"
        "  remedy: give the source or population another name"
    )
    # No rule reads teacher events: the name is the population's.
    found = make_stimulus({"p.teacher": [[1.0]]}, 1, {}, populations, (), learning)
    assert list(found.graded) == ["p.teacher"]
