"""Walkers, look-ups, accumulators and spike queues, each by itself, under every kind of pausing."""

from __future__ import annotations

import numpy as np
import pytest
from support.hdl import contents, fill, simulate

from spikeloom.hdl.accumulators import SynapseLane
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.layout import layout
from spikeloom.hdl.memory import Bank
from spikeloom.hdl.spike_queue import SpikeQueue
from spikeloom.hdl.walker import Lookup, Walker


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
        context.set(host.write, 1)
        for index in range(4):
            for column in range(len(table.widths)):
                for signal, value in (
                    (host.index, index), (host.column, column), (host.data, 10 * index + column),
                ):  # fmt: skip
                    context.set(signal, value)
                await context.tick()
        context.set(host.write, 0)
        context.set(host.index, 3)
        context.set(host.column, 1)
        await context.tick()
        context.set(host.asked, 0)
        assert context.get(host.read) == 31
        await context.tick()
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


def test_accumulators_add_back_to_back_into_one_place_and_are_empty_once_taken():
    g = Geometry(neurons=32, lanes=4, words=64, weight_bits=4, delay_slots=8, receptors=2, axons=16)
    lane = SynapseLane(g)
    table = layout(g)["synapse"]
    rng = np.random.default_rng(1)
    weight, group, delay = (
        rng.integers(-8, 8, 64), rng.integers(0, 2, 64), rng.integers(0, 8, 64)
    )  # fmt: skip
    columns = table.encode(64, {"weight": weight, "group": group, "delay": delay})
    slot = 5
    expected = np.zeros((2, 8, 8), np.int64)
    sparse = rng.integers(0, 64, 40)
    for number, i in enumerate(sparse):
        expected[number % 2, group[i], (slot + delay[i]) % 8] += weight[i] << 3
    # The last 16 entries are read as dense weights too: two per entry, the first in the low bits.
    parts = [(columns[0][i // 2] >> 4 * (i % 2) & 15).astype(np.int64) for i in range(96, 128)]
    for i, part in zip(range(96, 128), parts, strict=True):
        expected[1, i % 8, (slot + 2) % 8] += (part ^ 8) - 8

    async def bench(context):
        fill(context, lane.synapses, columns)
        context.set(lane.slot, slot)
        context.set(lane.valid, 1)
        word = lane.word
        for number, i in enumerate(sparse):
            for name, value in (
                ("address", i), ("dense", 0), ("receptor", number % 2), ("exponent", 3),
            ):  # fmt: skip
                context.set(word[name], int(value))
            await context.tick()
        for i in range(96, 128):
            for name, value in (
                ("address", i), ("dense", 1), ("receptor", 1), ("exponent", 0),
                ("group", i % 8), ("delay", 2),
            ):  # fmt: skip
                context.set(word[name], value)
            await context.tick()
        context.set(lane.valid, 0)
        await context.tick().repeat(lane.DELAY - 1)
        for at in range(8):
            context.set(lane.slot, at)
            context.set(lane.take, 1)
            for taken in range(8):
                context.set(lane.take_index, taken << 3 | at)
                await context.tick()
                sums = [as_signed(context.get(s), 24) for s in (lane.sum0, lane.sum1)]
                assert sums == expected[:, taken, at].tolist(), (taken, at)
        context.set(lane.take, 0)
        await context.tick().repeat(2)
        for bank in lane.accumulators.banks:
            assert not np.any(contents(context, bank))

    simulate(lane, bench)


def as_signed(value, bits):
    return (value ^ 1 << bits - 1) - (1 << bits - 1)
