"""Results: values with their integers, rates, rasters, joining."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from spikeloom import InputError, Result, UnsupportedError
from spikeloom.recording import Scaled


def scaled() -> Scaled:
    return Scaled(np.arange(6).reshape(3, 2) / 4, np.arange(6, dtype=np.int32).reshape(3, 2))


def result(start=0, steps=3, **changes) -> Result:
    settings = {
        "spikes": {"pop": np.array([[0, 1], [2, 0], [2, 1]]), "in": np.zeros((0, 2), np.int64)},
        "states": {"pop": {"v": scaled()}},
        "sizes": {"pop": 2, "in": 4},
        "device": "reference",
    }
    return Result(steps, start, 1e-3, **{**settings, **changes})


def test_scaled_keeps_values_and_integers_together():
    values = scaled()
    for part, raw in ((values[1:], [[2, 3], [4, 5]]), (values[:, 0], [0, 2, 4])):
        assert part.raw.tolist() == raw
        assert (part == part.raw / 4).all()
    assert values[2, 1] == 1.25
    for same in (values.copy(), copy.deepcopy(values), pickle.loads(pickle.dumps(values))):
        assert np.array_equal(same, values)
        assert np.array_equal(same.raw, values.raw)


def test_arithmetic_gives_plain_arrays():
    assert type(scaled() * 2) is type(np.sqrt(scaled())) is np.ndarray
    assert float(scaled().sum()) == 3.75


def test_a_derived_array_does_not_pretend_to_know_its_integers():
    with pytest.raises(AttributeError, match=r"^raw is known for results, their slices and copies"):
        _ = scaled().reshape(2, 3).raw
    assert Scaled(np.zeros(3)).raw is None


def test_scaled_refuses_integers_of_another_shape():
    with pytest.raises(ValueError, match=r"^raw has shape \(2,\), the values \(3,\)$"):
        Scaled(np.zeros(3), np.zeros(2, int))


def test_rates_counts_and_raster():
    assert result().counts("pop").tolist() == [1, 2]
    assert result().rates("pop") == pytest.approx([1000 / 3, 2000 / 3])
    assert result().counts("in").tolist() == [0, 0, 0, 0]
    assert result().raster("pop").tolist() == [[False, True], [False, False], [True, True]]
    assert np.isnan(result(steps=0, spikes={"pop": np.zeros((0, 2), int)}).rates("pop")).all()


def test_what_was_not_recorded():
    with pytest.raises(InputError) as caught:
        result().rates("other")
    assert str(caught.value) == (
        "the spikes of this name were not recorded\n"
        "  found: 'other'\n"
        "  expected: one of 'pop', 'in'\n"
        '  remedy: ask for them before compiling: net.probe(population, "spikes")'
    )


def test_a_device_without_a_clock():
    with pytest.raises(UnsupportedError) as caught:
        _ = result().cycles
    assert str(caught.value) == (
        "this device does not count clock cycles\n"
        "  found: reference\n"
        '  remedy: run the Program on "emulator", or on "rtl", the generated hardware'
    )
    assert result(clock_cycles=np.array([7, 8, 9])).cycles.tolist() == [7, 8, 9]


def test_join_of_consecutive_results():
    joined = Result.join([result(10), result(13), result(16)])
    assert (joined.steps, joined.start) == (9, 10)
    assert joined.spikes["pop"][:, 0].tolist() == [0, 2, 2, 3, 5, 5, 6, 8, 8]
    assert np.array_equal(joined.states["pop"]["v"].raw, np.tile(scaled().raw, (3, 1)))
    counted = [result(0, clock_cycles=np.arange(3)), result(3, clock_cycles=np.arange(3))]
    assert Result.join(counted).cycles.tolist() == [0, 1, 2, 0, 1, 2]


def test_join_refuses_what_does_not_follow():
    with pytest.raises(InputError, match=r"^no results to join$"):
        Result.join([])
    with pytest.raises(InputError) as caught:
        Result.join([result(0), result(4)])
    assert str(caught.value) == (
        "results are not consecutive\n  found: a result that starts at step 4\n  expected: step 3"
    )
    with pytest.raises(InputError, match=r"^results recorded different things"):
        Result.join([result(0), result(3, states={})])
