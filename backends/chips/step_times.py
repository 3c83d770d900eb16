"""How long the steps of a run take on a chip, and when each message is made, sent and done.

Within a step every core goes through its neurons in the order of their slots; a neuron that fires
makes its messages at once, one after the other. Three ways to time what follows: ``simple`` (no
message waits for another), ``queue`` (the network in fine ticks) and ``flit`` (the network in
cycles of its routers' clock).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...compiler.chip_fields import SIDES
from ...errors import InputError
from .network import MESSAGE, MeshShape
from .network_run import Network

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.chip import Chip
    from .routes import Routes

Mode = Literal["simple", "queue", "flit"]
MODES = ("simple", "queue", "flit")

CORE_TIMES = tuple(
    f"time.{name}"
    for name in (
        *("neuron", "neuron_update", "neuron_spike", "synapse_dense", "synapse_sparse"),
        *("message_out", "message_in", "host"),
    )
)
WAY_TIMES = ("time.inject", "time.eject", *(f"time.hop_{side}" for side in SIDES))
NETWORK = ("network.networks", "network.buffer", "network.receive", "time.interval")


LARGEST_TABLE = 1 << 23
"""Entries of the table of what a spike of each sender costs each core."""


def needed(mode: Mode) -> tuple[str, ...]:
    """Numbers of a chip that a mode needs."""
    more = {"simple": (), "queue": NETWORK, "flit": (*NETWORK, "time.clock")}[mode]
    return (*CORE_TIMES, *WAY_TIMES, *more)


@dataclass(frozen=True, eq=False)
class Activity:
    """What happened in a number of steps.

    Attributes:
        steps: how many.
        step, sender: (spikes,) int64, sorted by step, then source core and slot.
        updated: (steps, neurons) bool, which were updated; None: all.
    """

    steps: int
    step: NDArray[np.int64]
    sender: NDArray[np.int64]
    updated: NDArray[np.bool_] | None = None

    @staticmethod
    def of(
        routes: Routes,
        steps: int,
        neurons: tuple[NDArray[np.int64], NDArray[np.int64]],
        channels: tuple[NDArray[np.int64], NDArray[np.int64]],
        updated: NDArray[np.bool_] | None = None,
    ) -> Activity:
        """From (step, global neuron) and (step, channel), each sorted by step."""
        step = np.concatenate([neurons[0], channels[0]]).astype(np.int64)
        sender = np.concatenate([neurons[1] + routes.channels, channels[1]]).astype(np.int64)
        order = np.argsort(step, kind="stable")  # neurons first: the port is the last core
        return Activity(steps, step[order], sender[order], updated)

    def part(self, low: int, high: int) -> Activity:
        """Some of the steps."""
        first, last = np.searchsorted(self.step, (low, high))
        updated = None if self.updated is None else self.updated[low:high]
        return Activity(high - low, self.step[first:last] - low, self.sender[first:last], updated)


@dataclass(frozen=True, eq=False)
class Plan:
    """What cores do in a number of steps if nothing waits; in seconds from each step's start.

    Attributes:
        activity: what happened.
        number, spike: (messages,) which message of the Routes, and of which spike.
        key: (spikes,) step · cores + source core.
        counts: (spikes,) messages of each.
        out: (spikes,) what making one of its messages takes.
        fire: (spikes,) when each neuron fired; a channel's spike, when its messages are begun.
        made: (messages,) when each is ready.
        work: (messages,) what it costs its target.
        total, worked: (steps, cores) what each core spends on neurons and sending, on receiving.
    """

    activity: Activity
    number: NDArray[np.int64]
    spike: NDArray[np.int64]
    key: NDArray[np.int64]
    counts: NDArray[np.int64]
    out: NDArray[Any]
    fire: NDArray[Any]
    made: NDArray[Any]
    work: NDArray[Any]
    total: NDArray[Any]
    worked: NDArray[Any]


@dataclass(frozen=True, eq=False)
class StepTimes:
    """Times of a number of steps, in seconds; those of spikes and messages from their step's start.

    Attributes:
        duration: (steps,) until every core is through, without synchronisation.
        plan: what the cores did.
        fire: (spikes,) when each neuron fired, or the port began with a channel's spike.
        sent, arrived, done: (messages,) when it left, was in front of its target, was worked off.
        passed, waited: (networks, tiles, 4) messages over each link, and seconds that they waited.
    """

    duration: NDArray[Any]
    plan: Plan
    fire: NDArray[Any]
    sent: NDArray[Any]
    arrived: NDArray[Any]
    done: NDArray[Any]
    passed: NDArray[np.int64]
    waited: NDArray[Any]


class StepTimer:
    """Times the steps of one Program on one chip.

    Args:
        routes: of the Program on the chip.
        chip: whose numbers hold.
        mode: how.
        compiled: whether to use the network's kernel; None: where there is one.

    Raises:
        UnsupportedError: the chip lacks a number that the mode needs.
        InputError: there is no such mode.
    """

    def __init__(
        self, routes: Routes, chip: Chip, mode: Mode = "queue", compiled: bool | None = None
    ) -> None:
        if mode not in MODES:
            raise InputError(
                "no such mode", found=repr(mode), expected="one of simple, queue, flit"
            )
        chip.require(needed(mode), f"latency in mode {mode!r}")
        self.routes, self.chip, self.mode = routes, chip, mode
        self._compiled = compiled
        time = {name[5:]: chip.get(name) for name in (*CORE_TIMES, *WAY_TIMES)}
        self._time = time
        self.work = (
            time["message_in"]
            + routes.dense * time["synapse_dense"]
            + routes.sparse * time["synapse_sparse"]
        )
        hops = routes.hops()
        self._way: Any = (
            time["inject"]
            + time["eject"]
            + sum(ways * time[f"hop_{side}"] for side, ways in zip(SIDES, hops, strict=True))
        )
        self.tick = 0.0 if mode == "simple" else self._unit()

    def _unit(self) -> float:
        """Seconds per tick: a router's clock, or a tenth of the digit of the shortest time."""
        if self.mode == "flit":
            return self.chip.get("time.clock")
        times = [self._time[name[5:]] for name in WAY_TIMES] + [self.chip.get("time.interval")]
        shortest = min((t for t in (*times, *self._time.values()) if t > 0), default=1e-9)
        return 10.0 ** (math.floor(math.log10(shortest)) - 1)

    @cached_property
    def shape(self) -> MeshShape:
        """The mesh in ticks."""
        chip, ticks = self.chip, self.ticks
        return MeshShape(
            *self.routes.tiles,
            tile=self.routes.tile,
            networks=chip.count("network.networks"),
            buffer=chip.count("network.buffer"),
            receive=chip.count("network.receive"),
            interval=int(ticks(chip.get("time.interval"))),
            inject=int(ticks(self._time["inject"])),
            eject=int(ticks(self._time["eject"])),
            hop=tuple(int(ticks(self._time[f"hop_{side}"])) for side in SIDES),  # type: ignore[arg-type]
        )

    def ticks(self, seconds: NDArray[np.float64] | float) -> NDArray[np.int64]:
        """Whole ticks, rounded to nearest, at least 1."""
        found = np.floor(np.asarray(seconds) / self.tick + 0.5)
        if found.max(initial=0) > 2**31 - 1:
            raise InputError(
                "a time of this chip is too long beside its shortest one",
                found=f"{float(np.max(seconds)):g} s in ticks of {self.tick:g} s",
                remedy="mode 'simple'",
            )
        return np.maximum(found, 1).astype(np.int64)

    def plan(self, activity: Activity) -> Plan:
        """What each core does in some steps, if nothing waits for anything."""
        routes, time = self.routes, self._time
        number, spike = routes.messages_of(activity.sender)
        source = routes.source[activity.sender]
        key = activity.step * routes.cores + source
        cells = activity.steps * routes.cores
        shape = (activity.steps, routes.cores)
        counts = routes.start[activity.sender + 1] - routes.start[activity.sender]
        first = np.cumsum(counts) - counts
        is_port = source == routes.cores - 1
        out = np.where(is_port, time["host"], time["message_out"])
        rank = _rank(key)
        before = first - first[np.arange(len(key)) - rank]
        updates, all_updates = self._updates(activity)
        own = (
            (routes.slot[activity.sender] + 1) * time["neuron"]
            + updates * time["neuron_update"]
            + (rank + 1) * time["neuron_spike"]
        )
        fire = np.where(is_port, 0.0, own) + before * out
        made = fire[spike] + (np.arange(len(spike)) - first[spike] + 1) * out[spike]
        total = np.bincount(key, counts * out, cells).reshape(shape)
        total[:, :-1] += routes.neurons[:-1] * time["neuron"]
        total[:, :-1] += all_updates * time["neuron_update"]
        total += np.bincount(key[~is_port], minlength=cells).reshape(shape) * time["neuron_spike"]
        work = self.work[number]
        cell = activity.step[spike] * routes.cores + routes.target[number]
        worked = np.bincount(cell, work, cells).reshape(shape)
        return Plan(activity, number, spike, key, counts, out, fire, made, work, total, worked)

    def busy(self, activity: Activity) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """What ``run`` says of steps and cores in mode simple, without looking at messages.

        Returns:
            (steps,) duration, and (steps, cores) seconds spent on sending and on receiving.
        """
        routes, time = self.routes, self._time
        cells, shape = activity.steps * routes.cores, (activity.steps, routes.cores)
        source = routes.source[activity.sender]
        key = activity.step * routes.cores + source
        is_port = source == routes.cores - 1
        each = np.where(is_port, time["host"], time["message_out"])
        cost = routes.per_sender[activity.sender, 0] * each + ~is_port * time["neuron_spike"]
        total = np.bincount(key, cost, cells).reshape(shape)
        total[:, :-1] += routes.neurons[:-1] * time["neuron"]
        total[:, :-1] += self._updates(activity)[1] * time["neuron_update"]
        worked = np.zeros(shape)
        begins = np.flatnonzero(np.diff(activity.step, prepend=-1))
        if len(begins):
            found = np.add.reduceat(self._work_at[activity.sender], begins, axis=0)
            worked[activity.step[begins]] = found
        return np.maximum(total.max(axis=1), worked.max(axis=1)), total, worked

    @cached_property
    def _work_at(self) -> NDArray[Any]:
        """(senders, cores) what a spike costs each core."""
        routes = self.routes
        sender = np.repeat(np.arange(len(routes.source)), np.diff(routes.start))
        size = len(routes.source) * routes.cores
        found = np.bincount(sender * routes.cores + routes.target, self.work, size)
        return found.reshape(-1, routes.cores)

    @property
    def can_skip_messages(self) -> bool:
        """Whether ``busy`` is possible, and its table small enough to be worth it."""
        cells = len(self.routes.source) * self.routes.cores
        return self.mode == "simple" and cells <= LARGEST_TABLE

    def messages(self, plan: Plan) -> NDArray[np.void]:
        """The messages of a plan in ticks, as ``network`` takes them."""
        messages = np.zeros(len(plan.number), MESSAGE)
        messages["target"] = self.routes.target[plan.number]
        cell = plan.key[plan.spike]
        fresh = np.ones(len(cell), bool)
        fresh[1:] = cell[1:] != cell[:-1]
        before = np.where(fresh, 0.0, np.roll(plan.made, 1))
        messages["make"] = self.ticks(plan.made - before)
        messages["work"] = self.ticks(plan.work)
        return messages

    def run(self, activity: Activity) -> StepTimes:
        """Time some steps."""
        plan = self.plan(activity)
        if self.mode != "simple":
            return self._contended(plan)
        source = self.routes.source[activity.sender][plan.spike]
        arrived = plan.made + self._way[source, self.routes.target[plan.number]]
        rows, columns = self.routes.tiles
        nobody = np.zeros((1, rows * columns, 4), np.int64)
        return StepTimes(
            duration=np.maximum(plan.total.max(axis=1), plan.worked.max(axis=1)),
            plan=plan,
            fire=plan.fire,
            sent=plan.made,
            arrived=arrived,
            done=arrived + plan.work,
            passed=nobody,
            waited=nobody * 0.0,
        )

    def _updates(self, activity: Activity) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Updated neurons up to each spike's on its core, and of each step and core."""
        routes = self.routes
        slot = routes.slot[activity.sender]
        if activity.updated is None:
            return slot + 1, np.broadcast_to(
                routes.neurons[:-1], (activity.steps, routes.cores - 1)
            )
        base = np.cumsum(routes.neurons) - routes.neurons
        sums = np.zeros((activity.steps, activity.updated.shape[1] + 1), np.int32)
        np.cumsum(activity.updated, axis=1, out=sums[:, 1:])
        per_core = sums[:, base[1:]] - sums[:, base[:-1]]
        first = base[routes.source[activity.sender]]
        last = np.minimum(first + slot + 1, sums.shape[1] - 1)
        return sums[activity.step, last] - sums[activity.step, first], per_core

    def _contended(self, plan: Plan) -> StepTimes:
        """Messages through the network."""
        routes, tick, steps = self.routes, self.tick, plan.activity.steps
        first = np.searchsorted(plan.key[plan.spike], np.arange(steps * routes.cores + 1))
        messages = self.messages(plan)
        with Network(self.shape, self._compiled) as network:
            end = network.run_steps(messages, first) * tick
            passed, waited = network.passed, network.waited * tick
        # After its last message a core goes through the rest of its neurons.
        over = plan.total.ravel().copy()
        some = first[1:] > first[:-1]
        last = first[1:][some] - 1
        over[some] += messages["sent"][last] * tick - plan.made[last]
        fire, sends = plan.fire.copy(), plan.counts > 0
        began = (np.cumsum(plan.counts) - plan.counts)[sends]
        fire[sends] = messages["made"][began] * tick - plan.out[sends]
        return StepTimes(
            duration=np.maximum(end, over.reshape(steps, routes.cores).max(axis=1)),
            plan=plan,
            fire=fire,
            sent=messages["sent"] * tick,
            arrived=messages["arrived"] * tick,
            done=messages["done"] * tick,
            passed=passed,
            waited=waited,
        )


def _rank(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many equal keys are before each one of a sorted list."""
    new = np.ones(len(key), bool)
    new[1:] = key[1:] != key[:-1]
    starts = np.flatnonzero(new)
    return np.arange(len(key)) - np.repeat(starts, np.diff(starts, append=len(key)))
