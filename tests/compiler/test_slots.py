"""Dealing neurons to lanes: an order of the neurons, never a worse one, and no other results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import random_input, random_network

import spikeloom as sl
from spikeloom.compiler import slots as slots_module
from spikeloom.compiler.pipeline import passes
from spikeloom.compiler.program import DENSE, SPARSE
from spikeloom.compiler.quantise import Quantization
from spikeloom.compiler.slot_freedom import Core, Loads
from spikeloom.compiler.slots import deal, squares
from spikeloom.runtime.timing import row_entries

# Random networks may run away, or have neurons that barely reach their threshold.
pytestmark = [
    pytest.mark.filterwarnings("ignore:numbers were clipped"),
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_(fire|be_silent)\]"),
]


def core_of(loads: Any, blocks: Any = None) -> Core:
    n = loads.shape[1]
    blocks = [np.arange(n)] if blocks is None else blocks
    return Core(0, np.arange(n), tuple(blocks), loads_of(loads), 0)


def loads_of(matrix: Any) -> Loads:
    """The loads of a matrix of synapse counts, given one by one."""
    sender, neuron = np.nonzero(matrix)
    counts = matrix[sender, neuron]
    return Loads.of(*matrix.shape, np.repeat(sender, counts), np.repeat(neuron, counts))


def random_loads(seed: int, senders: int, neurons: int, density: float) -> Any:
    """Synapse counts of senders on neurons, a few of them above one."""
    rng = np.random.default_rng(seed)
    some = (rng.random((senders, neurons)) < density).astype(np.int32)
    return some * rng.integers(1, 3, some.shape, dtype=np.int32)


def squares_by_hand(loads: Any, slot: Any, lanes: int) -> int:
    """As ``slots.squares``, synapse by synapse."""
    total = 0
    for row in np.asarray(loads):
        meet = [0] * lanes
        for neuron, count in enumerate(row.tolist()):
            meet[int(slot[neuron]) % lanes] += count
        total += sum(load * load for load in meet)
    return total


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 20),
    senders=st.integers(1, 30),
    neurons=st.integers(1, 70),
    lanes=st.sampled_from([2, 4, 8, 32]),
    density=st.floats(0.02, 0.6),
    cut=st.integers(0, 70),
)
def test_dealing_permutes_within_blocks_and_is_never_worse(
    seed: int, senders: int, neurons: int, lanes: int, density: float, cut: int
) -> None:
    loads = random_loads(seed, senders, neurons, density)
    blocks = [b for b in (np.arange(neurons)[:cut:2], np.arange(neurons)[cut:]) if len(b)]
    slot = deal(core_of(loads, blocks), lanes, 8)
    assert sorted(slot.tolist()) == list(range(neurons))
    for block in blocks:
        assert set(slot[block].tolist()) == set(block.tolist())
    fixed = np.setdiff1d(np.arange(neurons), np.concatenate(blocks))
    assert slot[fixed].tolist() == fixed.tolist()
    before = squares_by_hand(loads, np.arange(neurons), lanes)
    after = squares_by_hand(loads, slot, lanes)
    assert after == squares(loads_of(loads), slot.astype(np.int64), lanes)
    assert after <= before


def test_it_finds_what_can_be_found() -> None:
    """Sixteen senders with four neurons each, all in one lane at first: then in almost four."""
    loads = np.zeros((16, 64), np.int32)
    for sender in range(16):
        loads[sender, sender % 4 + 16 * (sender // 4) + 4 * np.arange(4)] = 1
    slot = deal(core_of(loads), 4, 16)
    assert squares_by_hand(loads, np.arange(64), 4) == 16 * 16
    assert 16 * 4 <= squares_by_hand(loads, slot, 4) <= 16 * 4 + 8


def test_large_cores_are_judged_by_all_synapses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third sender decides the exchanges; where they do harm on the whole, none is made."""
    loads = np.zeros((18, 8), np.int32)
    seen = np.arange(0, 18, 3)
    loads[seen[:, None], [0, 4]] = 1  # these want 0 and 4 in two lanes
    others = [(a, b) for a in (0, 4) for b in (1, 2, 3, 5, 6, 7)]
    for row, pair in zip(np.setdiff1d(np.arange(18), seen), others, strict=True):
        loads[row, list(pair)] = 4  # and these want both with nobody else
    work, at = slots_module._Dealer(loads_of(loads).every(3), 4), np.arange(8)
    assert work.improve(at, np.arange(4))
    before = squares_by_hand(loads, np.arange(8), 4)
    assert squares_by_hand(loads, np.argsort(at), 4) > before
    monkeypatch.setattr(slots_module, "PAIRS", np.count_nonzero(loads) // 3 + 1)
    assert deal(core_of(loads), 4, 4).tolist() == list(range(8))


def sparse_network(size: int = 256, density: float = 0.1) -> sl.Network:
    net = sl.Network(dt=1e-3, seed=3)
    source = net.source("in", size)
    cells = net.population("cells", size, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    connector = sl.FixedProbability(density, seed=1)
    net.connect(source, cells, weights=0.25, connector=connector)
    net.connect(cells, cells, weights=-0.125, connector=connector, name="back")
    net.probe(cells, "spikes", "v")
    return net


@pytest.mark.parametrize("lanes", [8, 32])
def test_rows_take_lanes_more_evenly(lanes: int) -> None:
    """The fullest lane of each row, on average: at least a sixth less of it beyond the mean."""
    net = sparse_network()
    before = row_entries(sl.compile(net, sl.Target(lanes=1)).cores[0], lanes)
    after = row_entries(sl.compile(net, sl.Target(lanes=lanes)).cores[0], lanes)
    mean = after.sum() / after.size
    assert after.sum() == before.sum()
    assert after.max(axis=1).mean() - mean < 5 / 6 * (before.max(axis=1).mean() - mean)


def results(program: sl.Program, inputs: Any, device: str, steps: int) -> Any:
    with sl.open(device) as opened:
        opened.load(program)
        result = opened.run(steps, inputs=inputs)
        return result, {p.name: opened.read_weights(p.name) for p in program.projections}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 20), lanes=st.sampled_from([2, 8, 16]), split=st.booleans())
def test_results_do_not_depend_on_it(seed: int, lanes: int, split: bool) -> None:
    net, steps = random_network(seed), 40
    inputs = random_input(net, seed, steps)
    target = sl.Target(mesh=(9, 9), neurons=20 if split else 1024, lanes=1)
    plain, plain_weights = results(sl.compile(net, target), inputs, "reference", steps)
    program = sl.compile(net, target.with_(lanes=lanes))
    dealt, weights = results(program, inputs, "emulator", steps)
    for name, events in plain.spikes.items():
        np.testing.assert_array_equal(dealt.spikes[name], events)
    for name, variables in plain.states.items():
        for variable, values in variables.items():
            np.testing.assert_array_equal(dealt.states[name][variable].raw, values.raw)
    for name, expected in plain_weights.items():
        for field in ("pre", "post", "raw", "delay_steps"):
            np.testing.assert_array_equal(getattr(weights[name], field), getattr(expected, field))


def test_learning_does_not_depend_on_it() -> None:
    """Static and plastic projections onto populations that are dealt and that are not."""
    steps, found = 120, []
    for lanes in (1, 8):
        net = sparse_network(64, 0.2)
        cells, source = net.populations["cells"], net.sources["in"]
        out = net.population("out", 24, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
        net.connect(cells, out, weights=np.full((64, 24), 0.3), learning=sl.STDP(w_max=1.0))
        sparse = sl.FixedProbability(0.3, seed=5)
        net.connect(source, out, weights=0.2, connector=sparse, learning=sl.STDP(w_max=1.0))
        net.probe(out)
        program = sl.compile(net, sl.Target(lanes=lanes))
        assert (program.population("out").slot == np.arange(64, 88)).all()  # type: ignore[union-attr]
        moved = program.population("cells").slot != np.arange(64)  # type: ignore[union-attr]
        assert moved.any() == (lanes > 1)
        inputs = {"in": np.random.default_rng(0).random((steps, 64)) < 0.1}
        found.append(results(program, inputs, "emulator", steps))
    (plain, plain_weights), (dealt, weights) = found
    assert len(plain.spikes["out"]) > 50
    for name, events in plain.spikes.items():
        np.testing.assert_array_equal(dealt.spikes[name], events)
    for name, expected in plain_weights.items():
        np.testing.assert_array_equal(weights[name].pre, expected.pre)
        np.testing.assert_array_equal(weights[name].post, expected.post)
        np.testing.assert_array_equal(weights[name].raw, expected.raw)


def test_dense_rows_stay_dense() -> None:
    """A population that dense rows reach whole is dealt as a block; one with a band not at all."""
    net = sl.Network(dt=1e-3)
    source = net.source("in", 48)
    whole = net.population("whole", 40, sl.LIF(20e-3))
    band = net.population("band", 40, sl.LIF(20e-3))
    sparse = sl.FixedProbability(0.3, seed=2)
    values = np.random.default_rng(0).uniform(0.1, 0.9, (48, 40))
    net.connect(source, whole, weights=values)
    pre = np.repeat(np.arange(30), 10)
    net.connect(source, band, weights=sl.Synapses(pre, pre + np.tile(np.arange(10), 30), 0.5))
    net.connect(whole, whole, weights=0.5, connector=sparse, name="a")
    net.connect(whole, band, weights=0.5, connector=sparse, name="b")
    program = sl.compile(net)
    slot = {p.name: p.slot for p in program.populations}
    assert slot["band"].tolist() == list(range(40, 80))
    assert sorted(slot["whole"].tolist()) == list(range(40))
    assert slot["whole"].tolist() != list(range(40))
    rows = program.cores[0].rows
    assert (rows["kind"][rows["projection"] == 0] == DENSE).all()
    assert (rows["kind"][rows["projection"] == 1] == DENSE).all()
    assert (rows["kind"][rows["projection"] == 2] == SPARSE).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 20), neurons=st.integers(8, 60))
def test_the_report_counts_what_the_program_has(seed: int, neurons: int) -> None:
    program = sl.compile(random_network(seed), sl.Target(mesh=(9, 9), neurons=neurons))
    target, used = program.target, program.report["resources"]
    bits = [
        len(core.sparse_weight) * target.sparse_synapse_bits
        + len(core.dense_weight) * target.weight_bits
        for core in program.cores
    ]
    rows, axons = [len(c.rows) for c in program.cores], [c.axons for c in program.cores]
    for name, found in (("synapse_bits", bits), ("rows", rows), ("axons", axons)):
        assert (used[name]["total"], used[name]["largest_core"]) == (sum(found), max(found)), name


def test_a_core_that_is_full_keeps_its_order() -> None:
    """A dense row by chance must not become a sparse one that the memory has no room for."""
    net = sl.Network(dt=1e-3)
    source, cells = net.source("in", 33), net.population("cells", 64, sl.LIF(20e-3))
    pre = np.repeat(np.arange(33), 2)
    post = np.array([[i, i + 32] for i in range(32)] + [[7, 8]]).ravel()
    net.connect(source, cells, weights=sl.Synapses(pre, post, 0.5))
    target = sl.Target(lanes=8)
    plain = sl.compile(net, target.with_(lanes=1))
    used = 64 * target.sparse_synapse_bits + 2 * target.weight_bits
    assert plain.report["resources"]["synapse_bits"]["total"] == used
    full = sl.compile(net, target.with_(synapse_bits=used))
    assert full.population("cells").slot.tolist() == list(range(64))  # type: ignore[union-attr]
    more = target.sparse_synapse_bits - target.weight_bits
    roomy = sl.compile(net, target.with_(synapse_bits=used + 2 * more))
    assert roomy.population("cells").slot.tolist() != list(range(64))  # type: ignore[union-attr]


def test_the_emulators_memories_need_no_dealing() -> None:
    program = sl.compile(sparse_network(64, 0.2), "emulator")
    assert program.population("cells").slot.tolist() == list(range(64))  # type: ignore[union-attr]


def test_every_level_stays_valid() -> None:
    state: Any = sparse_network(64, 0.2)
    for name, step in passes(sl.Target(), Quantization()):
        before = state
        state = step.apply(state)
        state.verify()
        if name == "slots":
            assert (before.slot == np.arange(64)).all()
            assert replace(state, slot=before.slot).dump() == before.dump()
            return
    raise AssertionError("no pass deals neurons to lanes")
