"""Neurons that add up inputs of others: what ``Program.verify`` accepts, and what it refuses.

The splits here are made by hand; the machine itself says that the good one changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from support.compare import assert_same_result, ran
from support.split_sketch import CHIP, Group, Sketch, Sums, Synapse, full, good, taken

import spikeloom as sl
from spikeloom.compiler.program import LINEAR, SPARSE, Program

pytestmark = [
    pytest.mark.filterwarnings("ignore:numbers were clipped"),
    pytest.mark.filterwarnings(
        r"ignore:.*\[(neurons_can_(fire|be_silent)|weights_survive|decay_is_representable)\]"
    ),
]


@pytest.mark.parametrize("nested", [False, True])
def test_a_good_one_passes_and_changes_nothing(nested: bool) -> None:
    program = good(nested).program()
    program.verify()
    assert len(program.cores) > 1
    plain = sl.compile(full().network(), CHIP, sl.Quantization(scale=1))
    for seed in range(3):
        inputs = {"a": np.random.default_rng(seed).random((400, 6)) < 0.15 + 0.2 * seed}
        one, other = ran(plain, inputs, 400), ran(program, inputs, 400)
        assert len(one.spikes["t"]) > 50
        assert_same_result(one, other)


def test_with_twins_and_from_a_file(tmp_path: Any) -> None:
    program = good().program(CHIP.with_(fan_out=1, neurons=30, mesh=(2, 3)))
    assert len(program.twins)
    program.save(tmp_path / "a.loom")
    assert sl.Program.load(tmp_path / "a.loom").splits == program.splits


def with_array(program: Program, core: int, name: str, at: Any, value: Any) -> Program:
    """The same but for one place of one of a core's arrays."""
    cores = list(program.cores)
    array = getattr(cores[core], name).copy()
    array[at] = value
    cores[core] = replace(cores[core], **{name: array})
    return replace(program, cores=tuple(cores))


def refused(program: Program) -> str | None:
    """What is wrong with a Program."""
    try:
        program.verify()
    except sl.FileError as error:
        return error.problem.removeprefix("the Program is not valid: ")
    return None


def program_of(change: Callable[[Sketch], Any]) -> Program:
    sketch = good()
    change(sketch)
    return sketch.program()


def places(program: Program, *names: str) -> list[tuple[int, str, int, int]]:
    """Core, kind, row and place in the core's arrays of each synapse of some projections."""
    wanted = [i for i, p in enumerate(program.projections) if p.name in names]
    found = []
    for number, core in enumerate(program.cores):
        for index in np.flatnonzero(np.isin(core.rows["projection"], wanted)):
            row = core.rows[index]
            kind = "sparse" if row["kind"] == SPARSE else "dense"
            ends = row["offset"], row["offset"] + row["count"]
            found += [(number, kind, int(index), at) for at in range(*ends)]
    return found


def projections(program: Program, *roles: str) -> list[str]:
    parts = [getattr(split, role) for split in program.splits for role in roles]
    return [name if isinstance(name, str) else name[0] for part in parts for name in part]


ZERO = 15
"""Index of a neuron whose group never receives anything: it may claim what it likes."""


@pytest.fixture(scope="module")
def valid() -> Program:
    return good().program()


@pytest.mark.parametrize("change", [-1, 1])
def test_each_threshold(valid: Program, change: int) -> None:
    found = set()
    for split in valid.splits:
        symbol = valid.population(split.sums)
        assert symbol is not None
        for index, (core, slot) in enumerate(zip(symbol.core, symbol.slot, strict=True)):
            theta = valid.cores[core].threshold[slot] + change
            if change == -1 or (split.sums, index) != ("t/sums", ZERO):
                found.add(refused(with_array(valid, core, "threshold", slot, theta)))
    assert {problem and problem[:22] for problem in found} <= {
        "a neuron's threshold i",
        "a carrier's value is n",
        "a carrier's threshold ",
    }


@pytest.mark.parametrize("role", ["copies", "feedback", "outputs"])
def test_each_weight_and_delay(valid: Program, role: str) -> None:
    """All single changes; every second synapse, to be quick."""
    fine = []
    for core, kind, row, at in places(valid, *projections(valid, role))[::2]:
        image = valid.cores[core]
        weight = getattr(image, f"{kind}_weight")[at]
        changed = [
            with_array(valid, core, f"{kind}_weight", at, weight + (-1 if weight > 0 else 1))
        ]
        if kind == "sparse":
            later = image.sparse_delay[at] + 1
            changed.append(with_array(valid, core, "sparse_delay", at, later))
        else:
            later = image.rows[row].copy()
            later["delay"] += 1
            changed.append(with_array(valid, core, "rows", row, later))
        fine += [(core, row) for program in changed if refused(program) is None]
    if role == "outputs":  # only of the neuron that never fires
        pre = {int(valid.cores[core].rows[row]["pre"]) for core, row in fine}
        assert pre <= {ZERO}
    else:
        assert not fine


def sums(sketch: Sketch) -> Sums:
    return sketch.sums[0]


def drop(tables: str, *at: int) -> Callable[[Sketch], Any]:
    """Leave out some synapses of a projection of the first split."""

    def change(sketch: Sketch) -> None:
        kind, name = tables.split(" ", 1)
        table = getattr(sums(sketch), kind)[name]
        table = table[1] if isinstance(table, tuple) else table
        for index in sorted(at, reverse=True):
            del table[index]

    return change


def add(tables: str, synapse: Synapse) -> Callable[[Sketch], Any]:
    def change(sketch: Sketch) -> None:
        kind, name = tables.split(" ", 1)
        table = getattr(sums(sketch), kind)[name]
        (table[1] if isinstance(table, tuple) else table).append(synapse)

    return change


def member_sends(index: int, **new: int) -> Callable[[Sketch], Any]:
    """Another target, value or delay of what a neuron of the first split sends."""

    def change(sketch: Sketch) -> None:
        for table in sums(sketch).outputs.values():
            for at, (pre, post, value, delay) in enumerate(table):
                if pre == index:
                    was = {"post": post, "value": value, "delay": delay}
                    table[at] = (pre, *{**was, **new}.values())  # type: ignore[assignment]

    return change


def regrouped(*groups: tuple[Any, ...]) -> Callable[[], Sketch]:
    """Other neurons for the same three synapses: from -3 to 12."""

    def make() -> Sketch:
        made = full()
        moved = taken(made, "a->t", 0, 0, 1, 2)[:3]
        assert [s[2] for _, s in moved] == [5, -3, 7]
        made.split("t/sums", [Group(0, moved, list(groups), 5)])
        return made

    return make


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ([(4, 3, 1), (1, 3, 0)], None),
        ([(13, 0, 1), (4, 3, 0), (1, 3, 0)], None),
        ([(13, 1, 1), (7, 1, 0), (3, 2, 0), (1, 2, 0)], None),
        ([(4, 2, 1), (1, 3, 0)], "too few neurons for what it can receive"),
        ([(4, 3, 1), (1, 2, 0)], "too few neurons for what it can receive"),
        ([(4, 3, 0), (1, 3, 0)], "too few neurons for its negative sums"),
        ([(2, 6, 1), (1, 1, 0)], "too few neurons for its negative sums"),
        ([(4, 3, 1), (2, 1, 0)], "can leave a remainder"),
        ([(4, 3, 1)], "can leave a remainder"),
        ([(4, 3, 1), (1, 3, 1)], "not of its group's first stage"),
        ([(4, 3, 1), (1, 3, 0), (1, 1, 0)], "not below that of the stage before"),
        ([(1, 12, 3)], None),
    ],
)
def test_coverage(stages: list[tuple[int, int, int]], problem: str | None) -> None:
    found = refused(regrouped(*stages)().program())
    assert (found is None) if problem is None else (found and problem in found), found


@pytest.mark.parametrize("few", [False, True])
def test_of_negative_sums_more_is_left_than_the_largest_sum(few: bool) -> None:
    made = full()
    stages: list[Any] = [(4, 0, 1), (1, 2 if few else 3, 0)]  # -3 is -4 + 1, but -1 is -4 + 3
    made.projections["a->t"] += [(5, 0, -1, 9)]
    moved = [("a->t", (1, 0, -3, 8)), ("a->t", (5, 0, -1, 9))]
    made.split("t/sums", [Group(0, moved, stages, 5)])
    problem = "a stage has too few neurons for what it can receive" if few else None
    assert refused(made.program()) == problem


CHANGES: list[tuple[Callable[[Sketch], Any], str]] = [
    (drop("feedback t/sums/back", 0), "lacks feedback of an earlier stage"),
    (drop("feedback t/sums/back", 20), "lacks feedback of an earlier stage"),
    (add("feedback t/sums/back", (0, 1, 3, 1)), "does not arrive when its target's stage works"),
    (add("feedback t/sums/back", (7, 0, 3, 1)), "does not arrive when its target's stage works"),
    (add("feedback t/sums/back", (0, 12, 8, 2)), "feedback leaves its group"),
    (add("feedback t/sums/back", (0, 7, 8, 2)), "feedback is not what its neuron counts"),
    (add("feedback t/sums/back", (0, 7, -8, 2)), "lacks feedback of an earlier stage"),
    (add("feedback t/sums/back", (7, 7, -1, 1)), "does not arrive when its target's stage works"),
    (drop("copies t/sums/copy a->t", 3), "has not as many synapses as its carrier"),
    (add("copies t/sums/copy a->t", (5, 0, 1, 3)), "has not as many synapses as its carrier"),
    (add("copies t/sums/copy a->t", (5, 7, 1, 3)), "has not as many synapses as its carrier"),
    (drop("carriers t/sums/carry b->t", 0), "has not as many synapses as its carrier"),
    (add("carriers t/sums/carry a->t", (5, 6, 1, 3)), "feedback leaves its group"),
    (member_sends(2, value=4), "neuron's unit is not that of its stage"),
    (member_sends(2, value=-8), "threshold is not that of its place"),
    (member_sends(2, post=2), "sends to another neuron or receptor than its carrier"),
    (member_sends(5, delay=5), "neuron's unit is not that of its stage"),
    (member_sends(5, delay=8), "stage's unit is not below"),
    (member_sends(5, delay=4), "works after its carrier"),
    (member_sends(9, value=6), "no multiple of what a 1 is for its carrier"),
    (member_sends(12, value=12), "its threshold . 1, times a power of two"),
    (member_sends(12, value=-4), "its threshold . 1, times a power of two"),
    (lambda s: sums(s).members.append(sums(s).members[-1]), "does not send one value to one"),
    (add("outputs t/sums/out0", (0, 1, 1, 3)), "does not send one value to one"),
    (add("outputs t/sums/out0", (1, 0, 8, 7)), "does not send one value to one"),
    (add("outputs t/sums/out1", (12, 1, 4, 3)), "does not send one value to one"),
]


@pytest.mark.parametrize(("change", "problem"), CHANGES)
def test_changes_of_the_network(change: Callable[[Sketch], Any], problem: str) -> None:
    with pytest.raises(sl.FileError, match=problem):
        program_of(change).verify()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (member_sends(0, value=-16), "neuron's unit is not that of its stage"),
        (member_sends(0, value=8), "threshold is not that of its place"),
        (member_sends(4, delay=7), "neuron's unit is not that of its stage"),
        (member_sends(7, delay=6), "neuron's unit is not that of its stage"),
        (member_sends(7, value=2), "stage's unit is not below"),
        (member_sends(7, value=3), "its threshold . 1, times a power of two"),
    ],
)
def test_digits_that_are_split_themselves(change: Callable[[Sketch], Any], problem: str) -> None:
    """A digit goes wrong on its way through the neurons of a later split, which are sound."""
    made = good(between=change)
    with pytest.raises(sl.FileError, match=problem) as caught:
        made.program().verify()
    assert "'t/sums'" in str(caught.value)


def test_neurons_behind_the_last_carrier() -> None:
    def change(sketch: Sketch) -> None:
        sums(sketch).members.append(sums(sketch).members[-1])
        add("outputs t/sums/out0", (len(sums(sketch).members) - 1, 2, 4, 1))(sketch)

    with pytest.raises(sl.FileError, match="last neuron is no carrier"):
        program_of(change).verify()


def test_a_missing_member_of_each_place() -> None:
    """Whichever neuron never fires, the sum is wrong, and it is told."""
    for index in range(len(good().sums[0].members)):
        sketch = good(nested=False)
        for table in sums(sketch).outputs.values():
            table[:] = [synapse for synapse in table if synapse[0] != index]
        assert refused(sketch.program()) is not None


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("decay_u", (4096, 4095), "keeps some of u"),
        ("decay_u", (4095, 4096), "keeps some of u"),
        ("decay_v", 4095, "keeps some of v"),
        ("leak", LINEAR, "keeps some of v"),
        ("shift", 1, "shift is not 0"),
        ("spiking", 0, "does not spike"),
        ("v_reset", 1, "v_reset is not 0"),
        ("reset", 1, "keeps v when it fires"),
        ("reset_delay", 1, "reset_delay is not 0"),
        ("refractory", 1, "refractory is not 0"),
        ("adapt_step", 1, "adapt_step is not 0"),
        ("bias", 1, "bias is not 0"),
        ("v_init", -1, "v_init is not 0"),
    ],
)
def test_neuron_parameters(valid: Program, name: str, value: Any, problem: str) -> None:
    symbol = valid.population("t/sums")
    assert symbol is not None
    core, slot = int(symbol.core[2]), symbol.slot[2]
    if name in ("bias", "v_init"):
        changed = with_array(valid, core, name, slot, value)
    else:
        row = valid.cores[core].profile[slot]
        profiles = valid.cores[core].profiles.copy()
        profiles[name][row] = value
        changed = with_array(valid, core, "profiles", slice(None), profiles)
    with pytest.raises(sl.FileError, match=problem):
        changed.verify()


def test_linear_leak(valid: Program) -> None:
    """It takes everything, too, if it is as large as any v."""
    symbol = valid.population("t/sums")
    assert symbol is not None
    core = int(symbol.core[2])
    row = valid.cores[core].profile[symbol.slot[2]]
    for step in (CHIP.state_max, CHIP.state_max - 1):
        profiles = valid.cores[core].profiles.copy()
        profiles["leak"][row], profiles["leak_step"][row] = LINEAR, step
        problem = refused(with_array(valid, core, "profiles", slice(None), profiles))
        assert problem == (None if step == CHIP.state_max else "a neuron keeps some of v")


def test_sums_beyond_the_state() -> None:
    made = full()
    extra = [(pre, 2, 240, at) for pre in range(3) for at in (8, 9, 10)]
    made.projections["a->t"] += extra
    groups = [Group(2, [("a->t", s) for s in extra], [(960, 2, 0), (240, 3, 0)], 3)]
    made.split("t/sums", groups)
    assert refused(made.program()) is None
    assert refused(made.program(CHIP.with_(state_bits=12))) == "a sum can exceed the state"


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ({"population": "nobody"}, "no such population"),
        ({"population": "a"}, "no such population"),
        ({"sums": "nobody"}, "no such population"),
        ({"sums": "t/sums2"}, "those of another split"),
        ({"population": "t/sums2"}, "inputs of neurons that add up"),
        ({"population": "t/sums"}, "inputs of neurons that add up"),
        ({"population": "b"}, "."),
        ({"outputs": ()}, "no split lists it"),
        ({"outputs": ("t/sums/out0", "t/sums/out1", "t->t")}, "does not connect what it should"),
        ({"outputs": ("t/sums/out0", "nothing")}, "no such projection"),
        ({"feedback": ("t/sums/back", "t/sums/back")}, "is listed twice"),
        ({"feedback": ("t/sums/out0",)}, "does not connect what it should"),
        ({"feedback": ()}, "no split lists it"),
        ({"copies": ()}, "no split lists it"),
        ({"carriers": ()}, "no split lists it"),
        ({"carriers": (("t/sums/carry a->t", "a->b"),)}, "no such projection"),
        ({"carriers": (("t/sums/carry a->t", "drive"),)}, "a projection that leads elsewhere"),
        ({"carriers": (("t/sums/carry a->t", "b->t"),)}, "does not connect what it should"),
        ({"carriers": (("t/sums/carry a->t", "t/sums2/out0"),)}, "does not connect what it"),
        ({"carriers": (("t/sums/carry a->t", "t/sums/out0"),)}, "that leads elsewhere"),
    ],
)
def test_names(valid: Program, new: dict[str, Any], problem: str) -> None:
    first, second = valid.splits
    with pytest.raises(sl.FileError, match=problem):
        replace(valid, splits=(replace(first, **new), second)).verify()


def test_carried_and_copied_are_not_the_same(valid: Program) -> None:
    first, second = valid.splits
    for one, other in (("a->t", "a->t#2"), ("a->t#2", "a->t")):
        for role in ("carriers", "copies"):
            pairs = {of: name for name, of in getattr(first, role)}
            pairs = {**pairs, one: pairs[other], other: pairs[one]}
            swapped = tuple((name, of) for of, name in pairs.items())
            changed = replace(valid, splits=(replace(first, **{role: swapped}), second))
            assert refused(changed) is not None


def test_the_order_of_splits(valid: Program) -> None:
    with pytest.raises(sl.FileError, match="carries synapses of a later split"):
        replace(valid, splits=valid.splits[::-1]).verify()


def test_nobody_else_leads_there(valid: Program) -> None:
    def onto(sketch: Sketch) -> sl.Network:
        net = sketch.network()
        net.connect("a", "t/sums", np.zeros((6, 26)), name="intruder")
        return net

    def off(sketch: Sketch) -> sl.Network:
        net = sketch.network()
        net.connect("t/sums", "b", np.zeros((26, 4)), name="intruder")
        return net

    for make in (onto, off):
        program = sl.compile(make(good()), CHIP, sl.Quantization(scale=1))
        program.verify()
        with pytest.raises(sl.FileError, match="no split lists it"):
            replace(program, splits=valid.splits).verify()


def test_receptor() -> None:
    sketch = good()
    sketch.receptor["t/sums/back"] = 1
    with pytest.raises(sl.FileError, match="not for receptor 0"):
        sketch.program().verify()


@pytest.mark.parametrize("name", ["t/sums/back", "t/sums/out0", "t/sums/carry b->t"])
def test_learning(name: str) -> None:
    sketch = good()
    sketch.learning[name] = sl.STDP(w_min=-255, w_max=255)
    with pytest.raises(sl.FileError, match="a projection of a split learns"):
        sketch.program().verify()


WEIGHTS = st.integers(-12, 12)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_what_is_accepted_is_exact(data: Any) -> None:
    """Every sum of any of some synapses comes out of any stages that are accepted."""
    factor = data.draw(st.sampled_from([1, 1, 3]))
    weights = [factor * w for w in data.draw(st.lists(WEIGHTS, min_size=1, max_size=5))]
    most = sum(w for w in weights if w > 0)
    least = -sum(w for w in weights if w < 0)
    stages, bound = [], most + 1
    for k, top in enumerate(
        sorted(data.draw(st.sets(st.integers(1, 16), min_size=1, max_size=3)))[::-1]
    ):
        unit = top * factor
        slack = data.draw(st.sampled_from([0, 0, 0, -1, 1]))
        positive = max(-(-bound // unit) - 1 + slack, 0)
        negative = max(-(-least // unit) + data.draw(st.sampled_from([0, 0, -1])), 0)
        stages.append((unit, positive, negative if k == 0 else 0))
        bound = unit if least else min(bound, unit)
    if stages[-1][1] == 0:
        stages[-1] = (stages[-1][0], 1, stages[-1][2])
    made = full()
    extra = [(i, 2, w, 20) for i, w in enumerate(weights)]
    made.projections["a->t"] += extra
    made.split("t/sums", [Group(2, [("a->t", s) for s in extra], list(stages), 3)])
    problem = refused(made.program(CHIP.with_(neurons=256)))
    for fired in itertools.product((0, 1), repeat=len(weights)):
        left = total = sum(w for w, on in zip(weights, fired, strict=True) if on)
        for unit, positive, negative in stages:
            more = sum(left >= (i + 1) * unit for i in range(positive))
            left -= unit * (more - sum(-left > i * unit for i in range(negative)))
        if left:
            assert problem is not None, (weights, stages, total)
            return
    event(f"exact, {problem}")
