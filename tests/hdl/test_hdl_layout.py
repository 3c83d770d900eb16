"""Geometry, memory layout, registers and the cycle formula: plain data, and the page made of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.errors import UnsupportedError
from spikeloom.hdl import document
from spikeloom.hdl.core_regions import core_regions
from spikeloom.hdl.cycles import SenderRows, StepWork, step_cycles
from spikeloom.hdl.geometry import QUEUE, Geometry, waiting_rows
from spikeloom.hdl.layout import dense_part_bits, layout
from spikeloom.hdl.registers import REGISTER

PAGE = Path(__file__).parents[2] / "docs" / "hardware.md"

geometries = st.builds(
    Geometry,
    neurons=st.integers(1, 4096),
    lanes=st.sampled_from([1, 2, 4, 8, 16, 32, 64]),
    axons=st.integers(1, 1 << 20),
    rows=st.integers(1, 1 << 20),
    words=st.integers(1, 1 << 22),
    destinations=st.integers(1, 1 << 20),
    channels=st.integers(1, 1 << 16),
    generators=st.integers(0, 1 << 16),
    profiles=st.integers(1, 4096),
    state_bits=st.integers(12, 24),
    weight_bits=st.integers(2, 16),
    accumulator_bits=st.integers(16, 31),
    delay_slots=st.sampled_from([1, 2, 4, 8, 16, 32, 64]),
    receptors=st.integers(1, 2),
    refractory_bits=st.integers(0, 16),
    adaptation=st.booleans(),
    graded=st.booleans(),
    exponents=st.integers(0, 15),
    shifts=st.integers(0, 15),
    linear=st.booleans(),
    subtract=st.booleans(),
    late=st.booleans(),
    mask=st.booleans(),
    bias=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(geometries, st.integers(0, 1 << 30))
def test_every_field_of_every_table_comes_back_as_it_was_written(g, seed):
    rng = np.random.default_rng(seed)
    for table in layout(g).values():
        assert max(table.widths) <= 32
        assert len(table.widths) <= 8
        values = {}
        for field in table.fields:
            low = -(1 << field.width - 1) if field.signed else 0
            high = (1 << field.width - field.signed) - 1
            values[field.name] = rng.integers(low, high, 20, endpoint=True)
            values[field.name][:2] = low, high
        found = table.decode(table.encode(20, values))
        for name, expected in values.items():
            np.testing.assert_array_equal(found[name], expected, err_msg=f"{table.name}.{name}")
    synapse, bits = layout(g)["synapse"], dense_part_bits(g)
    last = synapse.field("last")
    assert g.weight_bits << bits <= (synapse.widths[0] if last.column else last.offset)


def test_a_value_that_does_not_fit_its_field_is_an_error():
    with pytest.raises(ValueError, match=r"^neuron\.threshold: 0 … 8388608 do not fit$"):
        layout(Geometry())["neuron"].encode(2, {"threshold": np.array([0, 1 << 23])})


def test_addresses_and_registers_are_unique():
    tables = layout(Geometry(receptors=2, generators=9)).values()
    regions = [t.region for t in tables]
    assert len(set(regions)) == len(regions)
    assert 0 not in regions
    numbers = [r.number for r in REGISTER.values()]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < 256


def test_digests_tell_of_every_table_that_the_core_does_not_write():
    constant = {"xkey", "ykey", "term", "walk", "rule", "code", "salt", "decay", "window"}
    g = Geometry(rules=4, plastic=64, slots=64, code=16, windows=True, scattered=True)
    volatile = {e.region.name: e.region.volatile for e in core_regions(g)}
    for name, changes in volatile.items():
        if name.partition(".")[0] in constant:
            assert not changes, name
    assert volatile["plastic.0"]
    assert "term.0" in volatile


def test_a_core_that_cannot_be_built_is_refused():
    with pytest.raises(UnsupportedError) as error:
        Geometry(lanes=12)
    assert str(error.value) == (
        "a core cannot be built: lanes is out of range\n"
        "  found: 12\n"
        "  expected: a power of two from 1 to 64"
    )


def test_a_core_without_any_leak_or_refractory_mode_is_refused():
    with pytest.raises(UnsupportedError) as error:
        Geometry(hold=False, mask=False)
    assert str(error.value) == (
        "a core cannot be built: it has neither hold nor mask\n  expected: at least one of them"
    )
    with pytest.raises(UnsupportedError, match=r"neither exponential nor linear"):
        Geometry(exponential=False, linear=False)


def test_half_the_lanes_are_updated_at_a_time_unless_told_otherwise():
    assert [Geometry(lanes=p).update_lanes for p in (1, 2, 8, 64)] == [1, 1, 4, 32]
    g = Geometry(neurons=100, lanes=8, update_lanes=2)
    assert (g.groups, g.update_groups, g.first_generator) == (13, 52, 104)
    with pytest.raises(UnsupportedError, match=r"update_lanes is out of range\n  found: 16"):
        Geometry(lanes=8, update_lanes=16)


@pytest.mark.parametrize("part", ["registers", "memories"])
def test_the_page_shows_what_the_hardware_is_built_from(part):
    shown = re.search(f"<!-- {part} -->\n(.*?)\n?<!-- end -->", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == getattr(document, part)()


def cycles(neurons=(), host=(), generators=(), graded=0, groups=2, generator_groups=0):
    """Of one step in which each sender has one row: how long each lane takes for it."""
    rows = [*neurons, *host, *generators]
    entries = np.array(rows, np.int32).reshape(len(rows), len(rows[0]) if rows else 2)
    sent = np.array([[len(neurons)], [len(host)], [len(generators)]])
    numbers = np.split(np.arange(len(rows), dtype=np.int32), np.cumsum(sent)[:2])
    work = StepWork(
        SenderRows(np.arange(len(rows) + 1), np.arange(len(rows), dtype=np.int32), entries),
        (numbers[0], numbers[1], numbers[2]),
        sent,
        np.array([graded]),
        groups,
        generator_groups,
    )
    return int(step_cycles(work)[0])


def test_the_formula_of_the_page_in_the_cases_that_it_names():
    assert cycles(host=20 * [8 * [12]], groups=23) == 284
    assert cycles(host=26 * [8 * [32]], groups=64) == 917
    assert cycles(host=26 * [32 * [8]], groups=16) == 245
    hidden = 10 * [[1] * 10 + [0] * 22]
    assert cycles(hidden, 100 * [32 * [4]], groups=9) == 442


def test_senders_wait_for_each_other_only_as_far_as_the_page_says():
    assert cycles() == 15
    assert cycles(graded=40) == 40 + 15
    assert cycles([[5]], [[10]], graded=40) == 48 + 10 + 15
    assert cycles([[100]], [[10]], [[7]], generator_groups=9) == 10 + 100 + 10 + 7 + 15
    assert cycles([[1]], [], [[7]], generator_groups=9) == 9 + 17 + 7 + 15
    # A lane that has nothing of a row goes on with the next one.
    assert cycles([[100, 0]], [[0, 10]], graded=40) == 10 + 100 + 15
    assert cycles([[30, 0]], [[0, 10]], graded=40) == 48 + 10 + 15


def test_a_row_waits_until_there_is_room_in_every_lane_that_takes_part():
    # One row is walked in lane 0 and QUEUE wait, until cycle 110; another one may come at 112.
    before = [[100, 0]] + [[1, 0]] * QUEUE
    assert cycles([*before, [0, 50]]) == 10 + 100 + QUEUE + 15
    assert cycles([*before, [1, 50]]) == 10 + 100 + 2 + 50 + 15
    assert cycles([*before, [1, 0], [0, 50]]) == 10 + 100 + 3 + 50 + 15


def test_the_recurrence_is_that_of_the_page_written_out():
    rng = np.random.default_rng(2)
    for _ in range(60):
        lanes = int(rng.choice([1, 2, 8]))
        rows = rng.integers(1, 6, (int(rng.integers(1, 50)), lanes))
        rows *= rng.random(rows.shape) < rng.random()
        rows[:, 0] += ~rows.any(axis=1)
        split = int(rng.integers(len(rows) + 1))
        graded = int(rng.integers(60))
        queue = waiting_rows(lanes)
        due, through, begins = 0, [0] * lanes, [[] for _ in range(lanes)]
        for k, row in enumerate(rows):
            own = [lane for lane in range(lanes) if row[lane]]
            room = [begins[lane][-queue] + 2 for lane in own if len(begins[lane]) >= queue]
            due = max(due + 1, 10 if k < split else 8 + graded, *room)
            for lane in own:
                begins[lane].append(max(due, through[lane]))
                through[lane] = begins[lane][-1] + row[lane]
        found = cycles(rows[:split].tolist(), rows[split:].tolist(), graded=graded)
        assert found == max(*through, graded, 0) + 15
