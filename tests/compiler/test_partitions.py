"""Partitions and placements: valid, never worse than filling cores in order, and without effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import decode, described, random_input, random_network

import spikeloom as sl
from spikeloom.compiler.mapping_report import link_loads
from spikeloom.compiler.place import arrange
from spikeloom.compiler.program import Program

# Random networks may run away, or have neurons that barely reach their threshold.
pytestmark = [
    pytest.mark.filterwarnings("ignore:numbers were clipped"),
    pytest.mark.filterwarnings(r"ignore:.*\[(neurons_can_(fire|be_silent)|weights_survive)\]"),
]


def messages_of(program: Program, rate: Any = None) -> float:
    """Messages between cores, walked destination by destination in the finished tables."""
    total = 0.0
    for number, core in enumerate(program.cores):
        for slot in range(core.neurons):
            to = core.spike_to[slice(*core.spike_start[slot : slot + 2])]
            away = len(set(to["core"].tolist()) - {number})
            total += away * (1.0 if rate is None else rate[int(core.key[slot])])
    return total


def clusters(size: int = 16, count: int = 12, seed: int = 0, stray: int = 1) -> sl.Network:
    """Groups of neurons that are connected all to all, in mixed order, with some strays."""
    rng = np.random.default_rng(seed)
    n = size * count
    group = rng.permutation(n) // size
    pre, post = np.nonzero(group[:, None] == group)
    far = rng.integers(0, n, (stray * n, 2))
    net = sl.Network(dt=1e-3, seed=1)
    cells = net.population("cells", n, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    both = [np.concatenate([a, b]) for a, b in ((pre, far[:, 0]), (post, far[:, 1]))]
    net.connect(cells, cells, weights=sl.Synapses(both[0], both[1], 0.1))
    return net


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 20), neurons=st.integers(6, 40))
def test_best_is_the_same_network_with_no_more_messages(seed: int, neurons: int) -> None:
    net, steps = random_network(seed), 30
    target = sl.Target(mesh=(12, 12), neurons=neurons)
    inputs = random_input(net, seed, steps)
    found = []
    for mapping in ("sequential", "best"):
        program = sl.compile(net, target, mapping=mapping)
        program.verify()
        if len(program.cores) > 1:
            told = program.report["mapping"]
            assert told["messages"] == messages_of(program)
            assert told["traffic"].get(told["method"], told["messages"]) == told["messages"]
        with sl.open("reference") as device:
            device.load(program)
            found.append((program, device.run(steps, inputs=inputs)))
    (before, plain), (after, best) = found
    assert messages_of(after) <= messages_of(before)
    for name, events in plain.spikes.items():
        np.testing.assert_array_equal(best.spikes[name], events)
    for name, variables in plain.states.items():
        for variable, values in variables.items():
            np.testing.assert_array_equal(best.states[name][variable].raw, values.raw)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1 << 20))
def test_every_synapse_is_where_it_belongs_on_mapped_cores(seed: int) -> None:
    net = random_network(seed, integers=True)
    target = sl.Target(mesh=(12, 12), neurons=12)
    found = decode(sl.compile(net, target, sl.Quantization(scale=1), mapping="best"))
    for name, synapses in found.items():
        np.testing.assert_array_equal(synapses, described(net, name, 1))


def test_groups_are_found_and_kept_together() -> None:
    """Twelve groups of 16 on cores of 16: little more than strays goes between cores."""
    target = sl.Target(mesh=(4, 4), neurons=16)
    before = sl.compile(clusters(), target, mapping="sequential")
    after = sl.compile(clusters(), target, mapping="best")
    assert messages_of(before) > 1500
    assert messages_of(after) < 230
    assert len(after.cores) <= 13
    assert after.content_hash == sl.compile(clusters(), target, mapping="best").content_hash


def test_what_does_not_fit_in_order_is_mapped_another_way() -> None:
    """In mixed order each core of 16 neurons hears almost everybody; by groups it need not."""
    target = sl.Target(mesh=(4, 4), neurons=16, axons=48)
    with pytest.raises(sl.FitError, match="does not fit target 'core'"):
        sl.compile(clusters(), target, mapping="sequential")
    program = sl.compile(clusters(), target)
    assert program.report["mapping"]["method"] != "sequential"
    assert "sequential" not in program.report["mapping"]["traffic"]
    assert max(core.axons for core in program.cores) <= 48


def test_what_fits_no_way_says_so_as_before() -> None:
    with pytest.raises(sl.FitError) as caught:
        sl.compile(clusters(), sl.Target(mesh=(2, 2), neurons=16), mapping="best")
    assert caught.value.table[0] == {
        "resource": "cores",
        "population": "(all)",
        "needed": 12,
        "available": 4,
        "per": "total",
    }


def test_rates_decide_who_stays_together() -> None:
    """A chain of four pairs: those that fire often share a core, the others need not."""
    net = sl.Network(dt=1e-3)
    cells = net.population("cells", 6, sl.LIF(tau_mem=20e-3))
    pairs = np.array([(0, 3), (3, 0), (1, 4), (4, 1), (2, 5), (5, 2)])
    net.connect(cells, cells, weights=sl.Synapses(pairs[:, 0], pairs[:, 1], 0.5))
    target, rates = sl.Target(mesh=(2, 2), neurons=4), np.array([9.0, 1.0, 1.0, 9.0, 1.0, 1.0])
    program = sl.compile(net, target, mapping=sl.Mapping("best", rates={"cells": rates}))
    core = program.populations[0].core.tolist()
    assert core[0] == core[3]
    assert program.report["mapping"]["messages"] == messages_of(program, rates)


def test_a_wrong_mapping_is_refused() -> None:
    net = clusters()
    with pytest.raises(sl.CompileError) as unknown:
        sl.compile(net, mapping="fastest")
    assert str(unknown.value) == (
        "unknown mapping\n  found: 'fastest'\n  expected: one of auto, sequential, best, mtkahypar"
    )
    with pytest.raises(sl.CompileError, match="a population that the network does not have"):
        sl.compile(net, mapping=sl.Mapping(rates={"others": 3.0}))
    with pytest.raises(sl.NetworkError, match="3 rates for 192 neurons"):
        sl.compile(net, mapping=sl.Mapping(rates={"cells": [1.0, 2.0, 3.0]}))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 20), parts=st.integers(3, 24), columns=st.integers(1, 6))
def test_placements_are_orders_of_the_cores_and_no_longer_ways(
    seed: int, parts: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    flow = rng.random((parts, parts)) * (rng.random((parts, parts)) < 0.3)
    flow = flow + flow.T
    np.fill_diagonal(flow, 0)
    row, column = np.divmod(np.arange(parts), columns)
    distance = np.abs(row[:, None] - row) + np.abs(column[:, None] - column)
    for thorough in (False, True):
        place = arrange(flow, columns, thorough=thorough)
        assert sorted(place.tolist()) == list(range(parts))
        ways = (flow * distance[np.ix_(place, place)]).sum()
        assert ways <= (flow * distance).sum() * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 20), rows=st.integers(1, 4), columns=st.integers(1, 4))
def test_links_carry_each_message_once(seed: int, rows: int, columns: int) -> None:
    """Against trees walked link by link."""
    rng = np.random.default_rng(seed)
    cores, senders = rows * columns, 6
    home = rng.integers(0, cores, senders)
    weight = rng.integers(1, 5, senders).astype(float)
    to = [np.flatnonzero((rng.random(cores) < 0.5) & (np.arange(cores) != h)) for h in home]
    expected: dict[Any, float] = {}
    for s in range(senders):
        tree = set()
        for core in to[s].tolist():
            at, goal = divmod(int(home[s]), columns), divmod(core, columns)
            while at != goal:
                r, c = at
                if c != goal[1]:
                    after = (r, c + (1 if goal[1] > c else -1))
                else:
                    after = (r + (1 if goal[0] > r else -1), c)
                tree.add((at, after))
                at = after
        for link in tree:
            expected[link] = expected.get(link, 0.0) + weight[s]
    sender = np.repeat(np.arange(senders), [len(t) for t in to])
    core = np.concatenate(to).astype(np.int64)
    away = np.ones(len(core), bool)
    links, load = link_loads(sender, core, home[sender], away, weight[sender], (rows, columns))
    found = {link: value for link, value in zip(links, load.tolist(), strict=True) if value}
    assert found == pytest.approx(expected)


def test_kahypar_is_one_more_candidate_or_says_how_to_get_it() -> None:
    target = sl.Target(mesh=(4, 4), neurons=17)
    try:
        import mtkahypar  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(sl.CompileError) as caught:
            sl.compile(clusters(), target, mapping="mtkahypar")
        assert str(caught.value) == (
            'mt-KaHyPar is not installed\n  remedy: pip install "spikeloom[mapping]", or '
            'mapping="best"'
        )
        return
    program = sl.compile(clusters(), target, mapping="mtkahypar")
    assert "mtkahypar" in program.report["mapping"]["traffic"]
    assert messages_of(program) < 230
