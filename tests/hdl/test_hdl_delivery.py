"""Walkers, look-ups, lanes and spike queues, each by itself, under every kind of pausing."""

from __future__ import annotations

import numpy as np
import pytest
from support.hdl import contents, fill, simulate

from spikeloom.hdl.accumulators import SynapseLane
from spikeloom.hdl.geometry import QUEUE, Geometry
from spikeloom.hdl.layout import dense_part_bits, layout
from spikeloom.hdl.memory import Bank
from spikeloom.hdl.row_walker import RowWalker
from spikeloom.hdl.spike_queue import SpikeQueue
from spikeloom.hdl.walker import Lookup, Slack, Walker


def test_a_bank_reads_what_was_there_before_and_keeps_it():
    bank = Bank(layout(Geometry(receptors=1))["wheel0"], writes=True)

    async def bench(context):
        fill(context, bank, [[0, 0, 5]])
        for signal, value in (
            (bank.read_enable, 1), (bank.read_index, 2),
            (bank.write_enable, 1), (bank.write_index, 2), (bank.write0, 7),
        ):  # fmt: skip
            context.set(signal, value)
        await context.tick()
        assert context.get(bank.read0) == 5
        context.set(bank.read_enable, 0)
        context.set(bank.read_index, 0)
        await context.tick().repeat(3)
        assert context.get(bank.read0) == 5

    simulate(bank, bench)


def test_the_host_writes_and_reads_single_columns():
    table = layout(Geometry(state_bits=24, receptors=2))["state"]
    bank = Bank(table, writes=True)

    async def bench(context):
        host = bank.host
        context.set(host.access, 1)
        context.set(host.asked, 1)
        context.set(host.reads, 1)
        for index in range(4):
            for column in range(len(table.widths)):
                for signal, value in (
                    (host.index, index), (host.column, column), (host.data, 10 * index + column),
                ):  # fmt: skip
                    context.set(signal, value)
                await context.tick()
                context.set(host.write, 1)
                await context.tick()
                context.set(host.write, 0)
        context.set(host.index, 3)
        context.set(host.column, 1)
        await context.tick().repeat(2)
        context.set(host.asked, 0)
        assert context.get(host.read) == 31
        await context.tick().repeat(2)
        assert context.get(host.read) == 0
        for column, words in enumerate(contents(context, bank)):
            assert words[:5] == [column, 10 + column, 20 + column, 30 + column, 0]

    simulate(bank, bench)


def lists_through(lists, pauses):
    """What a walker makes of (start, count) lists, and in how many cycles."""
    walker = Walker(8, 4, 8)
    found, cycles = [], []

    async def give(context):
        for tag, (start, count) in enumerate(lists):
            context.set(walker.input.valid, 1)
            for name, value in (("start", start), ("count", count), ("tag", tag)):
                context.set(walker.input.p[name], value)
            await context.tick().until(walker.input.ready)
        context.set(walker.input.valid, 0)

    async def take(context):
        wanted = sum(count for _, count in lists)
        rng = np.random.default_rng(len(lists))
        passed = 0
        while len(found) < wanted:
            ready = not pauses or rng.random() < 0.5
            context.set(walker.output.ready, ready)
            out = walker.output.p
            _, _, valid, address, place, tag, first = await context.tick().sample(
                walker.output.valid, out.address, out.place, out.tag, out.first
            )
            passed += 1
            assert not valid or first == (place == 0)
            if valid and ready:
                found.append((address, place, tag))
        cycles.append(passed)

    simulate(walker, give, take)
    return found, cycles[0]


@pytest.mark.parametrize("pauses", [False, True])
def test_walker_goes_through_list_after_list_without_a_pause(pauses):
    lists = [(10, 3), (50, 1), (60, 1), (0, 5), (200, 2), (7, 1)]
    found, cycles = lists_through(lists, pauses)
    assert found == [
        (start + i, i, tag) for tag, (start, count) in enumerate(lists) for i in range(count)
    ]
    if not pauses:
        assert cycles == sum(count for _, count in lists) + 1


def test_lookup_keeps_its_entry_until_it_is_taken():
    table = layout(Geometry(axons=16))["destination"]
    lookup = Lookup(table)
    found = []

    async def give(context):
        fill(context, lookup.bank, [[(3 * i + 1) % 16 for i in range(16)]])
        for index in (2, 9, 9, 15, 0):
            context.set(lookup.input.valid, 1)
            context.set(lookup.input.payload, index)
            await context.tick().until(lookup.input.ready)
        context.set(lookup.input.valid, 0)

    async def take(context):
        for ready in [0, 0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1]:
            context.set(lookup.ready, ready)
            _, _, valid, entry = await context.tick().sample(lookup.valid, lookup.get("axon"))
            if valid and ready:
                found.append(entry)

    simulate(lookup, give, take)
    assert found == [(3 * i + 1) % 16 for i in (2, 9, 9, 15, 0)]


@pytest.mark.parametrize("busy", [0.0, 0.5])
def test_slack_delays_nothing_and_loses_nothing(busy):
    """What comes while nothing is held goes on in the same cycle; one more is held."""
    slack = Slack(8)
    rng = np.random.default_rng(3)
    given, found = [], []

    async def bench(context):
        for item in range(200):
            offered, ready = rng.random() < 0.7, rng.random() >= busy
            context.set(slack.input.valid, offered)
            context.set(slack.input.payload, item)
            context.set(slack.output.ready, ready)
            held = len(given) - len(found)
            assert context.get(slack.input.ready) == (held == 0)
            assert context.get(slack.output.valid) == (held or offered)
            if offered and not held:
                given.append(item)
            if context.get(slack.output.valid) and ready:
                found.append(context.get(slack.output.payload))
            await context.tick()

    simulate(slack, bench)
    assert found == given[: len(found)]
    assert len(given) - len(found) <= 1
    assert len(found) > 50


@pytest.mark.parametrize("lanes", [1, 4, 64])
@pytest.mark.parametrize("pauses", [False, True])
def test_spike_queue_hands_out_every_lane_once_and_without_a_pause(lanes, pauses):
    rng = np.random.default_rng(lanes)
    masks = [int.from_bytes(rng.bytes(8), "little") % (1 << lanes) or 1 for _ in range(9)]
    masks[3] = (1 << lanes) - 1
    g = Geometry(neurons=16 * lanes, lanes=lanes, update_lanes=lanes)
    queue = SpikeQueue(layout(g)["fired"], lanes)
    expected = [g * lanes + i for g, m in enumerate(masks) for i in range(lanes) if m >> i & 1]
    found, seen = [], []

    async def bench(context):
        for group, mask in enumerate(masks):
            for signal, value in ((queue.push, 1), (queue.group, group), (queue.mask, mask)):
                context.set(signal, value)
            await context.tick()
        context.set(queue.push, 0)
        assert context.get(queue.count) == len(masks)
        context.set(queue.start, 1)
        await context.tick()
        context.set(queue.start, 0)
        assert not context.get(queue.done)
        while not context.get(queue.done):
            ready = not pauses or rng.random() < 0.6
            context.set(queue.output.ready, ready)
            _, _, valid, number = await context.tick().sample(
                queue.output.valid, queue.output.payload
            )
            seen.append(valid)
            if valid and ready:
                found.append(number)
        context.set(queue.clear, 1)
        await context.tick()
        assert context.get(queue.count) == 0

    simulate(queue, bench)
    assert found == expected
    if not pauses:
        assert seen == [0, 0] + [1] * len(expected)


LANE = Geometry(
    neurons=128, lanes=4, words=256, weight_bits=3, delay_slots=4, receptors=2, axons=16
)


def random_rows(rng, count):
    """Rows of one lane in a memory: fields of each, its (address, group) in turn, last entries."""
    bits = dense_part_bits(LANE)
    assert bits == 1
    rows, turns, last, free = [], [], np.zeros(LANE.words, np.int64), 0
    for _ in range(count):
        row = {name: int(rng.integers(top)) for name, top in
               (("exponent", 4), ("receptor", 2), ("delay", 4), ("dense", 2))}  # fmt: skip
        row["address"] = free
        groups = int(rng.choice([1, 1, 2, 3, 8]))
        if row["dense"]:
            first = int(rng.integers(32 - groups))
            row["group"], row["end"] = first, (first + groups - 1) % 2
            turn = [(free + j // 2 - first // 2, j) for j in range(first, first + groups)]
        else:
            turn = [(free + i, None) for i in range(groups)]
        free = turn[-1][0] + 1 + int(rng.integers(2))
        last[turn[-1][0]] = 1
        rows.append(row)
        turns.append(turn)
    return rows, turns, last


async def offer(context, ports, row):
    """Push a row as soon as there is room."""
    context.set(ports.push, 0)
    while context.get(ports.full):
        await context.tick()
    for name, value in row.items():
        context.set(ports.row[name], value)
    context.set(ports.push, 1)
    context.set(ports.offered, 1)
    await context.tick()
    context.set(ports.push, 0)
    context.set(ports.offered, 0)


@pytest.mark.parametrize("pauses", [0.0, 0.3, 0.9])
def test_a_row_walker_goes_from_row_to_row_without_a_pause(pauses):
    rng = np.random.default_rng(8)
    walker = RowWalker(LANE)
    rows, turns, last = random_rows(rng, 60)
    entered, found, queued = [], [], []
    now = [0]

    async def give(context):
        for row in rows:
            while rng.random() < pauses:
                await context.tick()
            await offer(context, walker, row)
            entered.append(now[0] - 1)  # the cycle of the push has ended

    async def memory_and_clock(context):
        read = 0
        while len(found) < sum(map(len, turns)):
            address = context.get(walker.address)
            sampled = (walker.valid, walker.walked.dense, walker.walked.group, walker.full)
            _, _, valid, dense, group, full = await context.tick().sample(*sampled)
            if valid:
                found.append((now[0], read, group if dense else None))
            queued.append(full)
            read = address
            context.set(walker.last, int(last[address]))
            now[0] += 1
        await context.tick()
        assert not context.get(walker.busy)

    simulate(walker, memory_and_clock, give)
    expected, through, began = [], 0, []
    for at, turn in zip(entered, turns, strict=True):
        began.append(max(through, at + 2))
        through = began[-1] + len(turn)
        expected += [(began[-1] + i, *entry) for i, entry in enumerate(turn)]
    assert found == expected
    # A row has left the queue when its first entry is on the memory's output.
    for cycle, full in enumerate(queued):
        inside = sum(at < cycle < begin for at, begin in zip(entered, began, strict=True))
        assert full == (inside == QUEUE), cycle
    assert any(queued) == (pauses < 0.9)


def test_a_lane_adds_rows_back_to_back_and_its_sums_are_empty_once_taken():
    lane = SynapseLane(LANE)
    table = layout(LANE)["synapse"]
    rng = np.random.default_rng(1)
    rows, turns, last = random_rows(rng, 40)
    size = len(last)
    weight, group, delay = rng.integers(-4, 4, size), rng.integers(0, 2, size), np.arange(size) % 4
    columns = table.encode(size, {"weight": weight, "group": group, "delay": delay, "last": last})
    slot = 3
    expected = np.zeros((2, 32, 4), np.int64)
    for row, turn in zip(rows, turns, strict=True):
        for address, to in turn:
            if to is None:
                place, value = (group[address], (slot + delay[address]) % 4), weight[address]
            else:
                place = (to, (slot + row["delay"]) % 4)
                value = (int(columns[0][address]) >> 3 * (to % 2) & 7 ^ 4) - 4
            expected[(row["receptor"], *place)] += value << row["exponent"]

    async def bench(context):
        fill(context, lane.synapses, columns)
        context.set(lane.slot, slot)
        for row in rows:
            await offer(context, lane, row)
        while context.get(lane.busy):
            await context.tick()
        await context.tick().repeat(3)
        for at in range(4):
            context.set(lane.slot, at)
            context.set(lane.take, 1)
            for taken in range(32):
                context.set(lane.take_group, taken)
                await context.tick()
                sums = [as_signed(context.get(s), 24) for s in (lane.sum0, lane.sum1)]
                assert sums == expected[:, taken, at].tolist(), (taken, at)
        context.set(lane.take, 0)
        await context.tick().repeat(3)
        for bank in lane.accumulators.banks:
            assert not np.any(contents(context, bank))

    simulate(lane, bench)


def as_signed(value, bits):
    return (value ^ 1 << bits - 1) - (1 << bits - 1)
