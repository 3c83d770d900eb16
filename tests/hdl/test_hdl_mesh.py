"""Routers against the arithmetic of their time, cycle by cycle; and what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.backends.chips import network_run as chips
from spikeloom.backends.chips.network import MESSAGE, MeshShape
from spikeloom.errors import UnsupportedError
from spikeloom.hdl.flits import Network
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.mesh import connect_routers
from spikeloom.hdl.router import Router
from spikeloom.hdl.routing import PRIORITY, ROOM, Port, neighbour, region

SIDES = [(1, 2), (2, 2), (3, 3), (2, 4)]


def traffic(
    rng: np.random.Generator, cores: int, most: int, first: int = 30
) -> list[list[tuple[int, int, int]]]:
    """For each core flits: first cycle, cores, number; some cores are favoured by all."""
    hot = int(rng.integers(cores))
    waiting = []
    for _ in range(cores):
        cycles = np.sort(rng.integers(0, first, int(rng.integers(0, most))))
        masks = rng.integers(1, 1 << cores, len(cycles))
        one = rng.random(len(cycles)) < 0.5
        masks[one] = 1 << np.where(
            rng.random(one.sum()) < 0.5, hot, rng.integers(0, cores, one.sum())
        )
        numbers = rng.integers(0, 512, len(cycles))
        waiting.append(list(zip(cycles.tolist(), masks.tolist(), numbers.tolist(), strict=True)))
    return waiting


def simulate(rows: int, columns: int, waiting: list[Any]) -> list[list[tuple[int, int]]]:
    """The routers alone; senders offer each flit from its first cycle on, cores always take."""
    cores = rows * columns
    geometry = Geometry(mesh_rows=rows, mesh_columns=columns)
    m = Module()
    routers = [Router(geometry, i) for i in range(cores)]
    for i, router in enumerate(routers):
        m.submodules[f"router{i}"] = router
    connect_routers(m, routers)
    arrived: list[list[tuple[int, int]]] = [[] for _ in range(cores)]

    async def bench(context: Any) -> None:
        at = [0] * cores
        for router in routers:
            context.set(router.out_local.ready, 1)
        for cycle in range(5000):
            for i, router in enumerate(routers):
                due = at[i] < len(waiting[i]) and waiting[i][at[i]][0] <= cycle
                context.set(router.in_local.valid, due)
                if due:
                    _, mask, number = waiting[i][at[i]]
                    context.set(router.in_local.payload.cores, mask)
                    context.set(router.in_local.payload.axon, number)
            for i, router in enumerate(routers):
                if context.get(router.in_local.valid & router.in_local.ready):
                    at[i] += 1
                if context.get(router.out_local.valid):
                    arrived[i].append((cycle, context.get(router.out_local.payload.axon)))
            done = all(a == len(w) for a, w in zip(at, waiting, strict=True))
            await context.tick()
            if done and all(context.get(router.empty) for router in routers):
                return
        raise AssertionError("something is still on its way")

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return arrived


@pytest.mark.parametrize("sides", SIDES)
def test_routers_take_the_time_that_the_arithmetic_says(sides):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        # From few flits to more than the links carry.
        waiting = traffic(rng, sides[0] * sides[1], (4, 15, 40, 40)[seed], (30, 30, 30, 1)[seed])
        assert simulate(*sides, waiting) == Network(*sides).carry(waiting)


@pytest.mark.parametrize("compiled", [None, False])
@pytest.mark.parametrize("sides", SIDES)
def test_a_chip_with_these_numbers_has_these_routers(sides, compiled):
    """The network that times other chips, with a fixed order at each output, tick for cycle."""
    cores = sides[0] * sides[1]
    shape = MeshShape(
        *sides, tile=np.arange(cores, dtype=np.int32), networks=1, buffer=ROOM, receive=1024,
        interval=1, inject=1, eject=1, hop=(1, 1, 1, 1), fixed=True,
    )  # fmt: skip
    for seed in range(6):
        rng = np.random.default_rng(seed)
        waiting = traffic(rng, cores, (4, 15, 40)[seed % 3], (30, 30, 1)[seed % 3])
        network = Network(*sides)
        right = [[(cycle, core) for cycle, _ in found]
                 for core, found in enumerate(network.carry(waiting))]  # fmt: skip
        sent = [(first, mask) for flits in waiting for first, mask, _ in flits]
        groups = np.append(0, np.cumsum([mask.bit_count() for _, mask in sent])).astype(int)
        messages = np.zeros(groups[-1], MESSAGE)
        targets = [core for _, mask in sent for core in range(cores) if mask >> core & 1]
        messages["target"], messages["make"], messages["work"] = targets, 1, 1
        # Times begin with 1 there; and what leaves a router in one tick is at the core in the next.
        messages["made"] = np.repeat([first for first, _ in sent], np.diff(groups))
        with chips.Network(shape, compiled) as other:
            counts = [len(flits) for flits in waiting]
            other.run_steps(messages, np.append(0, np.cumsum(counts)), groups)
            found = sorted(zip(messages["arrived"] - 2, messages["target"], strict=True))
            assert found == sorted(arrival for core in right for arrival in core)
            ports = [Port.NORTH, Port.EAST, Port.SOUTH, Port.WEST]
            assert other.passed[0].tolist() == network.passed[:, ports].tolist()
            assert other.waited[0].tolist() == network.waited[:, ports].tolist()


@given(st.integers(0, 1 << 32), st.sampled_from([*SIDES, (1, 8), (8, 8), (5, 3)]))
@settings(max_examples=60, deadline=None)
def test_every_spike_arrives_once_wherever_it_is_for_and_no_link_carries_two_at_once(seed, sides):
    cores = sides[0] * sides[1]
    rng = np.random.default_rng(seed)
    waiting = [
        [(cycle, mask, sender << 32 | turn) for turn, (cycle, mask, _) in enumerate(flits)]
        for sender, flits in enumerate(traffic(rng, min(cores, 30), 30))
    ]
    waiting += [[] for _ in range(cores - len(waiting))]
    arrived = Network(*sides).carry(waiting)
    for core, found in enumerate(arrived):
        cycles = [cycle for cycle, _ in found]
        assert len(set(cycles)) == len(cycles)
        expected = [n for flits in waiting for _, mask, n in flits if mask >> core & 1]
        assert sorted(number for _, number in found) == sorted(expected)
        for cycle, number in found:
            sender, turn = divmod(number, 1 << 32)
            (row, column), (r, c) = divmod(sender, sides[1]), divmod(core, sides[1])
            assert cycle >= waiting[sender][turn][0] + 1 + abs(row - r) + abs(column - c)
    # Spikes of one sender for one core stay in order.
    for found in arrived:
        for sender in range(cores):
            turns = [number for _, number in found if number >> 32 == sender]
            assert turns == sorted(turns)


def test_a_link_carries_a_flit_in_every_cycle():
    """A hundred flits through a whole row, others across: what is on its way goes first."""
    waiting: list[list[tuple[int, int, int]]] = [[] for _ in range(9)]
    waiting[3] = [(0, 1 << 5, i) for i in range(100)]
    arrived = Network(3, 3).carry(waiting)
    assert arrived[5] == [(3 + i, i) for i in range(100)]
    waiting[4] = [(0, 1 << 5, 1000)]  # begins at once, where nothing has come yet
    waiting[1] = [(0, 1 << 7, 2000)]  # crosses them
    arrived = Network(3, 3).carry(waiting)
    assert arrived[5][0] == (2, 1000)
    assert arrived[5][1:] == [(3 + i, i) for i in range(100)]
    assert arrived[7] == [(3, 2000)]
    waiting[4] = [(5, 1 << 5, 1000)]  # too late: the link is taken until all hundred have passed
    assert Network(3, 3).carry(waiting)[5][-1] == (103, 1000)


def test_outputs_divide_the_mesh_and_columns_never_turn_into_rows():
    for rows, columns in [*SIDES, (8, 8)]:
        for core in range(rows * columns):
            masks = [region(core, port, rows, columns) for port in Port]
            assert sum(masks) == (1 << rows * columns) - 1
            for port, mask in zip(Port, masks, strict=True):
                assert (neighbour(core, port, rows, columns) is None) == (
                    port == Port.LOCAL or not mask
                )
    for vertical in (Port.NORTH, Port.SOUTH):
        assert vertical not in PRIORITY[Port.WEST] + PRIORITY[Port.EAST]


def test_meshes_that_are_not_built():
    with pytest.raises(UnsupportedError) as error:
        Geometry(mesh_rows=9)
    assert str(error.value) == (
        "a core cannot be built: mesh_rows is out of range\n"
        "  found: 9\n"
        "  expected: an integer from 1 to 8"
    )
    with pytest.raises(UnsupportedError) as error:
        Geometry(mesh_columns=2, rules=1, plastic=1, slots=1, code=1)
    assert str(error.value) == (
        "cores of a mesh cannot learn in this version\n"
        "  found: 1 rules on a mesh of 2 cores\n"
        "  expected: one core, or no rules"
    )
