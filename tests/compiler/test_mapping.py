"""Whatever the compiler does with a network, the Program still says the same network."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import SYNAPSE, decode, described, random_input, random_network

import spikeloom as sl
from spikeloom.compiler.program import DENSE, SPARSE
from spikeloom.compiler.program_file import content_hash
from spikeloom.compiling import compile_with_trace

# Some random networks run away; what is clipped then must be the same everywhere, too.
pytestmark = pytest.mark.filterwarnings("ignore:numbers were clipped")

SEEDS = st.integers(0, 1 << 20)


def small_cores(neurons: int, **more: Any) -> sl.Target:
    return sl.Target(name="small", mesh=(9, 9), neurons=neurons, **more)


@pytest.fixture(autouse=True)
def _random_networks_may_be_damaged():
    """Random networks are compiled at scale 1, where some of them fall silent, as they are told."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=r".*\[(neurons_can_fire|neurons_can_be_silent|weights_survive)\]"
        )
        yield


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, neurons=st.integers(1, 60), lanes=st.sampled_from([1, 4, 8]))
def test_every_synapse_is_where_it_belongs(seed: int, neurons: int, lanes: int) -> None:
    net = random_network(seed, integers=True)
    total = sum(p.size for p in net.populations.values())
    target = small_cores(max(neurons, -(-total // 81)), lanes=lanes)
    program = sl.compile(net, target, sl.Quantization(scale=1))
    found = decode(program)
    assert list(found) == list(net.projections)
    for name, synapses in found.items():
        np.testing.assert_array_equal(synapses, described(net, name, 1))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, neurons=st.integers(10, 60))
def test_weights_read_back_are_the_networks(seed: int, neurons: int) -> None:
    net = random_network(seed, integers=True)
    with sl.open("reference") as device:
        device.load(sl.compile(net, small_cores(neurons), sl.Quantization(scale=1)))
        for name in net.projections:
            weights = device.read_weights(name)
            found = np.zeros(len(weights), SYNAPSE)
            found["pre"], found["post"] = weights.pre, weights.post
            found["delay"], found["weight"] = weights.delay_steps, weights.values
            found["receptor"] = net.projections[name].receptor
            np.testing.assert_array_equal(np.sort(found), described(net, name, 1))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, steps=st.just(60))
def test_the_number_of_cores_changes_nothing(seed: int, steps: int) -> None:
    """Splitting over 1 … 9 cores: the same spikes, the same states, to the bit."""
    net = random_network(seed)
    total = sum(p.size for p in net.populations.values())
    inputs = random_input(net, seed, steps)
    expected = None
    for cores in range(1, 10):
        program = sl.compile(net, small_cores(-(-total // cores)))
        with sl.open("reference") as device:
            device.load(program)
            result = device.run(steps, inputs=inputs)
        expected = expected or result
        for name, events in expected.spikes.items():
            np.testing.assert_array_equal(result.spikes[name], events)
        for name, variables in expected.states.items():
            for variable, values in variables.items():
                np.testing.assert_array_equal(result.states[name][variable].raw, values.raw)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_same_input_same_bytes(seed: int) -> None:
    hashes = {content_hash(sl.compile(random_network(seed))) for _ in range(2)}
    assert len(hashes) == 1


def test_parameters_and_keys_follow_the_neurons() -> None:
    net = sl.Network()
    net.population("a", 5, sl.LIF(None, v_threshold=np.arange(1.0, 6.0), v_init=0.5))
    net.population("b", 4, sl.LIF(None, v_threshold=9.0, bias=[1.0, 2.0, 3.0, 4.0]))
    program = sl.compile(net, small_cores(2), sl.Quantization(scale=2))
    for symbol, threshold, bias, first in (
        (program.populations[0], [2, 4, 6, 8, 10], [0] * 5, 0),
        (program.populations[1], [18] * 4, [2, 4, 6, 8], 5),
    ):
        places = list(zip(symbol.core, symbol.slot, strict=True))
        assert [program.cores[c].threshold[s] for c, s in places] == threshold
        assert [program.cores[c].bias[s] for c, s in places] == bias
        assert [program.cores[c].key[s] for c, s in places] == list(
            range(first, first + symbol.size)
        )
        assert (symbol.scale == 2.0).all()


def test_channels_and_generators() -> None:
    net = sl.Network(seed=7)
    net.source("host", 3)
    net.source("noise", 2, sl.Poisson([250.0, 1000.0]))
    net.source("clock", 2, sl.Periodic(period=[4e-3, 5e-3], phase=[0.0, 1e-3]))
    net.population("p", 1, sl.LIF(20e-3, bias=0.1))
    program = sl.compile(net)
    assert [(s.name, s.kind, s.first_channel) for s in program.sources] == [
        ("host", "host", 0),
        ("noise", "poisson", 3),
        ("clock", "periodic", 5),
    ]
    # A rate of one spike per step leaves no chance: it becomes a period of one step.
    assert program.generators.tolist() == [
        (3, 1, 7, 3, 1 << 30, 0),
        (4, 2, 0, 0, 1, 0),
        (5, 2, 0, 0, 4, 0),
        (6, 2, 0, 0, 5, 1),
    ]


def dense_rows(program: sl.Program) -> list[bool]:
    return [bool(kind == DENSE) for core in program.cores for kind in core.rows["kind"]]


def test_dense_array_makes_dense_rows_with_its_zeros() -> None:
    net = sl.Network()
    source, cells = net.source("s", 3), net.population("c", 4, sl.LIF(20e-3))
    net.connect(source, cells, weights=np.eye(3, 4))
    program = sl.compile(net)
    assert dense_rows(program) == [True] * 3
    assert program.report["synapses"] == {"sparse": 0, "dense": 12}


def test_uniform_delay_per_row_stays_dense_and_others_do_not() -> None:
    net = sl.Network()
    source, cells = net.source("s", 3), net.population("c", 4, sl.LIF(20e-3))
    delay = np.full((3, 4), 2e-3)
    delay[1] = 5e-3
    delay[2, 3] = 0.0
    net.connect(source, cells, weights=np.ones((3, 4)), delay=delay)
    program = sl.compile(net)
    assert dense_rows(program) == [True, True, False]
    assert program.cores[0].rows["delay"].tolist() == [2, 5, 0]
    assert program.cores[0].sparse_delay.tolist() == [0, 2, 2, 2]


def test_gaps_make_a_row_sparse_and_explicit_zeros_stay() -> None:
    net = sl.Network()
    source, cells = net.source("s", 1), net.population("c", 4, sl.LIF(20e-3))
    net.connect(source, cells, weights=sl.Synapses([0, 0], [1, 3], [0.0, 0.5]))
    program = sl.compile(net)
    assert dense_rows(program) == [False]
    assert program.cores[0].sparse_target.tolist() == [1, 3]
    assert program.cores[0].sparse_weight.tolist()[0] == 0


def test_a_row_with_a_gap_becomes_two_dense_groups_if_they_are_long() -> None:
    net = sl.Network()
    for name, size in (("long", 33), ("short", 31)):
        cells = net.population(name, size, sl.LIF(20e-3))
        net.connect(cells, cells, weights=0.1, connector=sl.AllToAll(self_connections=False))
    core = sl.compile(net).cores[0]
    rows = core.rows[core.rows["projection"] == 0]
    assert (rows["kind"] == DENSE).all()
    assert [(r["base"], r["count"]) for r in rows[rows["pre"] == 5]] == [(0, 5), (6, 27)]
    assert [(r["base"], r["count"]) for r in rows[rows["pre"] == 0]] == [(1, 32)]
    inner = core.rows[(core.rows["projection"] == 1) & (core.rows["pre"] == 5)]
    assert [(r["kind"], r["count"]) for r in inner] == [(SPARSE, 30)]
    assert len(decode(sl.compile(net))["long->long"]) == 33 * 32


def test_sparse_rows_are_sorted_by_delay() -> None:
    net = sl.Network()
    source, cells = net.source("s", 1), net.population("c", 10, sl.LIF(20e-3))
    post = [0, 1, 2, 4, 6, 9]
    delay = np.array([1, 1, 0, 1, 0, 1]) * 1e-3
    net.connect(source, cells, weights=sl.Synapses([0] * 6, post, 0.5, delay))
    program = sl.compile(net, sl.Target(lanes=1))
    assert program.cores[0].sparse_delay.tolist() == [0, 0, 1, 1, 1, 1]
    assert program.cores[0].sparse_target.tolist() == [2, 6, 0, 1, 4, 9]


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, chunk=st.integers(1, 40))
def test_sorting_in_chunks_changes_nothing(seed: int, chunk: int) -> None:
    net = random_network(seed)
    expected = content_hash(sl.compile(net))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikeloom.compiler.schedule.CHUNK", chunk)
        assert content_hash(sl.compile(net)) == expected


def test_many_synapses_on_many_cores() -> None:
    """As above, larger: 60,000 random synapses, 600 neurons, on cores of 64."""
    rng = np.random.default_rng(6)
    net = sl.Network()
    cells = net.population("cells", 600, sl.LIF(20e-3, v_threshold=1000.0))
    k = 60_000
    synapses = sl.Synapses(
        rng.integers(0, 600, k), rng.integers(0, 600, k), rng.integers(-128, 128, k)
    )
    net.connect(cells, cells, weights=synapses, delay=rng.integers(1, 65, k) * 1e-3)
    program = sl.compile(net, small_cores(64), sl.Quantization(scale=1))
    assert len(program.cores) == 10
    name = "cells->cells"
    np.testing.assert_array_equal(decode(program)[name], described(net, name, 1))


def test_an_axon_collects_the_projections_of_its_sender() -> None:
    net = sl.Network()
    source = net.source("s", 2)
    a, b = (net.population(name, 2, sl.LIF(20e-3)) for name in "ab")
    net.connect(source, a, weights=np.ones((2, 2)))
    net.connect(source, b, weights=np.ones((2, 2)), receptor=1)
    core = sl.compile(net).cores[0]
    assert core.axon_start.tolist() == [0, 2, 4]
    assert core.rows["projection"].tolist() == [0, 1, 0, 1]
    assert core.rows["pre"].tolist() == [0, 0, 1, 1]
    assert core.rows["base"].tolist() == [0, 2, 0, 2]


def test_parts_that_talk_are_neighbours() -> None:
    """A ring of six single-neuron cores on a 2 × 3 mesh: every link is one hop after placement."""
    net = sl.Network()
    ring = net.population("ring", 6, sl.LIF(20e-3))
    order = np.array([0, 3, 1, 5, 2, 4])  # which neuron follows which; not the order of numbers
    net.connect(ring, ring, weights=sl.Synapses(order, np.roll(order, -1), 2.0))
    program = sl.compile(net, sl.Target(mesh=(2, 3), neurons=1))
    core = program.populations[0].core
    row, column = np.divmod(core.astype(int), 3)
    a, b = order, np.roll(order, -1)
    hops = np.abs(row[a] - row[b]) + np.abs(column[a] - column[b])
    assert hops.tolist() == [1] * 6


def test_trace_names_every_pass_and_stays_out_of_the_program() -> None:
    program, trace = compile_with_trace(random_network(3))
    assert list(trace.seconds) == [
        "import",
        "canonicalise",
        "design_rules",
        "quantise",
        "split_inputs",
        "expand",
        "partition",
        "place",
        "slots",
        "route",
        "schedule",
        "emit",
    ]
    assert all(seconds >= 0 for seconds in trace.seconds.values())
    assert "seconds" not in str(program.report)
    assert str(trace).count("ms") == 12


def test_no_projections_and_no_sources() -> None:
    net = sl.Network()
    net.population("alone", 3, sl.LIF(20e-3, bias=0.2))
    net.probe("alone")
    program = sl.compile(net)
    with sl.open("reference") as device:
        device.load(program)
        assert len(device.run(50).spikes["alone"]) > 0
