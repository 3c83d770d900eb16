"""The network of a chip: the kernel against its definition, and both against pencil and paper."""

import numpy as np
import pytest
from support.traffic import (
    assert_no_faster_than_alone,
    line,
    messages_of,
    random_messages,
    random_packets,
    random_shape,
)

from spikeloom.backends.chips import native
from spikeloom.backends.chips.network import MESSAGE, TickByTick, ports_of
from spikeloom.backends.chips.network_run import Journey, Multicast, Network
from spikeloom.backends.chips.trees import Trees
from spikeloom.errors import InputError

BOTH = [
    pytest.param(
        True,
        id="compiled",
        marks=pytest.mark.skipif(native.library() is None, reason="the kernel was not compiled"),
    ),
    pytest.param(False, id="definition"),
]
TIMES = ["made", "sent", "arrived", "done"]


def run(shape, messages, first, compiled):
    filled = messages.copy()
    with Network(shape, compiled) as network:
        end = network.run_steps(filled, first)
        return filled, end, network.passed, network.waited


@pytest.mark.skipif(native.library() is None, reason="the kernel was not compiled")
@pytest.mark.parametrize("seed", range(60))
def test_the_kernel_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    shape = random_shape(rng)
    messages, first = random_messages(rng, shape, steps=2, most=int(rng.integers(1, 25)))
    slow, fast = (run(shape, messages, first, compiled) for compiled in (False, True))
    for name in TIMES:
        assert slow[0][name].tolist() == fast[0][name].tolist(), name
    for mine, theirs in zip(slow[1:], fast[1:], strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.skipif(native.library() is None, reason="the kernel was not compiled")
@pytest.mark.parametrize("seed", range(40))
def test_multicast_is_its_definition(seed):
    rng = np.random.default_rng(3000 + seed)
    shape = random_shape(rng)
    messages, first, groups = random_packets(rng, shape, steps=2, most=int(rng.integers(1, 15)))
    found = []
    for compiled in (False, True):
        filled = messages.copy()
        with Network(shape, compiled) as network:
            end = network.run_steps(filled, first, groups)
            found.append((filled, end, network.passed, network.waited))
    slow, fast = found
    for name in TIMES:
        assert slow[0][name].tolist() == fast[0][name].tolist(), name
    for mine, theirs in zip(slow[1:], fast[1:], strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.skipif(native.library() is None, reason="the kernel was not compiled")
@pytest.mark.parametrize("seed", range(12))
def test_a_fed_network_is_its_definition(seed):
    rng = np.random.default_rng(1000 + seed)
    shape = random_shape(rng)
    cores = len(shape.tile)
    found = []
    parts = [random_messages(rng, shape, 1, 8) for _ in range(12)]
    for compiled in (False, True):
        with Journey(shape, compiled) as journey:
            done = []
            for step, (messages, first) in enumerate(parts):
                fed = messages.copy()
                fed["made"] = step * 40
                journey.feed(fed, np.repeat(np.arange(cores), np.diff(first)))
                done.append(sorted(journey.advance(40 * (step + 1)).tolist()))
            done.append(sorted(journey.advance(1 << 40).tolist()))
            count = sum(len(messages) for messages, _ in parts)
            found.append((done, [journey.messages[name][:count].tolist() for name in TIMES]))
    assert found[0] == found[1]
    all_done = sorted(message for part in found[0][0] for message in part)
    assert all_done == list(range(sum(len(messages) for messages, _ in parts)))


@pytest.mark.skipif(native.library() is None, reason="the kernel was not compiled")
@pytest.mark.parametrize("seed", range(12))
def test_a_network_that_is_fed_packets_that_fork_is_its_definition(seed):
    rng = np.random.default_rng(2000 + seed)
    shape = random_shape(rng)
    cores, senders = len(shape.tile), 15
    source = np.sort(rng.integers(0, cores, senders)).astype(np.int32)
    targets = [rng.permutation(cores)[: int(rng.integers(0, cores + 1))] for _ in range(senders)]
    start = np.concatenate([[0], np.cumsum([len(own) for own in targets])])
    target = np.concatenate(targets).astype(np.int32)
    work = rng.integers(1, 30, len(target)).astype(np.int32)
    trees = Trees.of(start, source, target, shape.tile, shape.port, shape.columns)
    sends = np.flatnonzero(np.diff(start))
    parts = [np.sort(rng.choice(sends, int(rng.integers(0, 12)))) for _ in range(12)]
    found = []
    for compiled in (False, True):
        make = np.random.default_rng(seed)
        with Journey(shape, compiled, Multicast(start, trees, work)) as journey:
            done, packets = [], []
            for step, sender in enumerate(parts):
                counts = np.diff(start)[sender]
                number = np.concatenate(
                    [np.zeros(0, int), *(np.arange(*start[s : s + 2]) for s in sender)]
                )
                messages = np.zeros(len(number), MESSAGE)
                messages["target"], messages["work"] = target[number], work[number]
                messages["make"] = np.repeat(make.integers(1, 30, len(sender)), counts)
                messages["made"] = step * 40
                packets += journey.feed(messages, source[sender].astype(int), sender).tolist()
                done.append(sorted(journey.advance(40 * (step + 1)).tolist()))
            done.append(sorted(journey.advance(1 << 40).tolist()))
            count = sum(map(len, done))
            times = [journey.messages[name][:count].tolist() for name in ("arrived", "done")]
            times += [of.tolist() for of in journey.departures(np.array(packets))]
            found.append((done, times, journey.passed.tolist(), journey.waited.tolist()))
    assert found[0] == found[1]
    assert sorted(message for part in found[0][0] for message in part) == list(range(count))
    assert packets == list(range(sum(map(len, parts))))
    assert count >= len(packets)


@pytest.mark.parametrize("compiled", BOTH)
def test_one_message_takes_the_sum_of_its_parts(compiled):
    messages, end, passed, waited = run(
        line(4), messages_of((3, 10, 7)), np.array([0, 1, 1, 1, 1]), compiled
    )
    # made 10, in the router 12, three hops east of 4, eject 1, work 7
    assert messages[0].tolist()[4:] == (10, 10, 25, 32)
    assert end.tolist() == [32]
    assert passed[0, :, 1].tolist() == [1, 1, 1, 0]
    assert passed.sum() == 3
    assert waited.sum() == 0


@pytest.mark.parametrize("compiled", BOTH)
def test_two_messages_share_a_link(compiled):
    # Both cores of tile 0 send east in the same tick: core 0 first, core 1 an interval later.
    shape = line(2, tile=np.array([0, 0, 1], np.int32))
    rows = messages_of((2, 5, 1), (2, 5, 1))
    messages, end, _, waited = run(shape, rows, np.array([0, 1, 2, 2]), compiled)
    assert messages["arrived"].tolist() == [5 + 2 + 4 + 1, 5 + 2 + 3 + 4 + 1]
    assert waited[0, 0, 1] == 3
    assert end.tolist() == [16]


@pytest.mark.parametrize("compiled", BOTH)
def test_a_packet_forks_where_its_ways_part(compiled):
    # From the middle of a row of three: west, east, and to the core itself, all at once.
    messages = messages_of((0, 10, 7), (1, 10, 5), (2, 10, 3))
    with Network(line(3), compiled) as network:
        end = network.run_steps(messages, np.array([0, 0, 1, 1]), np.array([0, 3]))
        passed = network.passed
    # made 10, in the router 12, west 5 or east 4, eject 1
    assert messages["sent"].tolist() == [10, 10, 10]
    assert messages["arrived"].tolist() == [18, 13, 17]
    assert messages["done"].tolist() == [25, 18, 20]
    assert end.tolist() == [25]
    assert passed[0, 1].tolist() == [0, 1, 0, 1]
    assert passed.sum() == 2


@pytest.mark.parametrize("compiled", BOTH)
def test_a_common_way_is_gone_once(compiled):
    messages = messages_of((2, 10, 7), (3, 10, 5))
    with Network(line(4), compiled) as network:
        network.run_steps(messages, np.array([0, 1, 1, 1, 1]), np.array([0, 2]))
        assert network.passed[0, :, 1].tolist() == [1, 1, 1, 0]
    assert messages["arrived"].tolist() == [21, 25]


def test_trees_to_tiles_with_many_cores():
    """Two tiles with 70 cores each: the last core of the second one is one hop east."""
    tile = np.repeat([0, 1], 70).astype(np.int32)
    target = np.array([69, 139], np.int32)
    port = ports_of(tile)
    trees = Trees.of(np.array([0, 2]), np.array([0], np.int32), target, tile, port, 2)
    assert trees.links.tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("block", [1, 7, 40])
def test_trees_are_laid_out_in_parts(monkeypatch, block):
    rng = np.random.default_rng(6)
    shape = random_shape(rng)
    messages, first, groups = random_packets(rng, shape, steps=6, most=12)
    cores = len(shape.tile)
    source = np.repeat(np.arange(len(first) - 1) % cores, np.diff(first)).astype(np.int32)
    where = (groups, source, messages["target"], shape.tile, shape.port, shape.columns)
    whole = Trees.of(*where)
    monkeypatch.setattr("spikeloom.backends.chips.trees.BLOCK", block)
    parts = Trees.of(*where)
    assert len(source) > 8
    for name in ("root", "words", "links"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


def test_trees_that_places_cannot_number_are_refused(monkeypatch):
    monkeypatch.setattr("spikeloom.backends.chips.trees.MOST_WORDS", 6)
    tile, port = np.array([0, 1]), np.array([0, 0])
    with pytest.raises(InputError) as told:  # two nodes with an output each
        Trees.of(np.array([0, 1]), np.array([0]), np.array([1]), tile, port, 2)
    assert str(told.value) == (
        "the trees of all senders are too large for multicast\n"
        "  found: 6 words\n  expected: fewer than 6\n"
        "  remedy: fewer cores per spike, by another mapping"
    )


@pytest.mark.parametrize("compiled", BOTH)
def test_a_slow_core_stops_its_senders(compiled):
    # One core sends to itself, faster than it works; one place in front of it, one in its router.
    shape = line(1, buffer=1, receive=1, interval=1, inject=1, eject=1)
    rows = messages_of(*[(0, 1, 100)] * 4)
    messages, end, *_ = run(shape, rows, np.array([0, 4]), compiled)
    assert messages["made"].tolist() == [1, 2, 4, 6]
    # Message 0 leaves the router in 2 and is worked on from 3 on, message 1 waits in front of the
    # Message 0 is worked on from 3 on; 1 waits in front of the core, 2 in the router, and 3 at home
    # until 1 is begun in 103, which lets 2 out of the router.
    assert messages["sent"].tolist() == [1, 3, 5, 104]
    assert messages["done"].tolist() == [103, 203, 303, 403]
    assert end.tolist() == [403]


def test_a_mesh_that_the_kernel_has_no_room_for_runs_all_the_same():
    shape = line(1, tile=np.zeros(70, np.int32))
    messages, end, *_ = run(shape, messages_of((69, 10, 7)), np.append(0, np.ones(70, int)), None)
    assert messages["arrived"].tolist() == [13]
    assert end.tolist() == [20]


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_faster_than_without_contention(seed):
    rng = np.random.default_rng(2000 + seed)
    shape = random_shape(rng)
    messages, first = random_messages(rng, shape, steps=1, most=20)
    filled = run(shape, messages, first, None)[0]
    source = np.repeat(np.arange(len(shape.tile)), np.diff(first))
    assert_no_faster_than_alone(shape, filled, source)


def test_a_core_begins_no_message_before_its_time():
    shape = line(1)
    messages = messages_of((0, 5, 1))
    messages["made"] = 100
    slow = TickByTick(shape, messages)
    slow.feed(0, 0, 1)
    slow.advance()
    assert messages["made"].tolist() == [105]
