"""How long the steps of a run take on a chip, and when each message is made, sent and done.

Within a step every core goes through its neurons in the order of their slots; a neuron that fires
makes its messages at once, one after the other. Four ways to time what follows: ``simple`` (no
message waits for another), ``loose`` (the network in spans of ticks), ``queue`` (in fine ticks) and
``flit`` (in cycles of its routers' clock).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...compiler.chip_fields import SIDES
from ...errors import InputError
from .native import SPIKE
from .network import MESSAGE, MeshShape
from .network_run import Multicast, Network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ...compiler.chip import Chip
    from .network_run import SpikeTimes
    from .routes import Routes

Mode = Literal["simple", "loose", "queue", "flit"]
MODES = ("simple", "loose", "queue", "flit")
CLOSED_MODES = ("queue", "flit")
"""Those whose network can be fed while it works."""

CORE_TIMES = tuple(
    f"time.{name}"
    for name in (
        *("neuron", "neuron_update", "neuron_spike", "synapse_dense", "synapse_sparse"),
        *("message_out", "message_in", "host"),
    )
)
WAY_TIMES = ("time.inject", "time.eject", *(f"time.hop_{side}" for side in SIDES))
NETWORK = ("network.networks", "network.buffer", "network.receive", "time.interval")


SPAN_HOPS = 4
"""Hops of a message in one span of mode ``loose``: longer spans are faster and less exact."""
LARGEST_TABLE = 1 << 23
"""Entries of the table of what a spike of each sender costs each core."""
MESSAGES_AT_A_TIME = 1 << 17
"""Messages that are timed at once, so that memory does not grow with the run."""
MESSAGES_IN_A_CALL = 1 << 21
"""The same where no single one is kept: for as long an interruption is not heard."""


def needed(mode: Mode) -> tuple[str, ...]:
    """Numbers of a chip that a mode needs."""
    more = {"simple": (), "flit": (*NETWORK, "time.clock")}.get(mode, NETWORK)
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

    def parts(self, routes: Routes, most: int) -> Iterator[tuple[int, int]]:
        """Bounds of parts with as many steps as have ``most`` messages, or one."""
        sent = np.diff(routes.start)[self.sender]
        totals = np.cumsum(np.bincount(self.step, sent, self.steps))
        low = 0
        while low < self.steps:
            before = totals[low - 1] if low else 0.0
            high = int(np.searchsorted(totals, before + most, side="right"))
            high = min(max(high, low + 1), self.steps)
            yield low, high
            low = high


@dataclass(frozen=True, eq=False)
class Firing:
    """What cores send in a number of steps if nothing waits; in seconds from each step's start.

    Attributes:
        activity: what happened.
        key: (spikes,) step · cores + source core.
        counts, packets: (spikes,) messages of each, and packets that bring them.
        out: (spikes,) what making one of its packets takes.
        fire: (spikes,) when each neuron fired; a channel's spike, when its messages are begun.
        total: (steps, cores) what each core spends on neurons and sending.
    """

    activity: Activity
    key: NDArray[np.int64]
    counts: NDArray[np.int64]
    packets: NDArray[np.int64]
    out: NDArray[Any]
    fire: NDArray[Any]
    total: NDArray[Any]

    @property
    def first(self) -> NDArray[np.int64]:
        """(spikes,) the first message of each."""
        return np.cumsum(self.counts) - self.counts


@dataclass(frozen=True, eq=False)
class Plan(Firing):
    """And what their targets do.

    Attributes:
        number, spike: (messages,) which message of the Routes, and of which spike.
        made: (messages,) when each is ready.
        work: (messages,) what it costs its target.
        worked: (steps, cores) what each core spends on receiving.
    """

    number: NDArray[np.int64]
    spike: NDArray[np.int64]
    made: NDArray[Any]
    work: NDArray[Any]
    worked: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Busy:
    """Times of a number of steps as a whole, in seconds.

    Attributes:
        duration: (steps,) until every core is through, without synchronisation.
        spikes, messages: how many.
        total: (cores,) what each core spends on neurons and sending.
        often: (senders,) how many spikes each makes.
        passed, waited: (networks, tiles, 4) messages over each link, and seconds that they waited.
    """

    duration: NDArray[Any]
    spikes: int
    messages: int
    total: NDArray[Any]
    often: NDArray[np.int64]
    passed: NDArray[np.int64]
    waited: NDArray[Any]


@dataclass(frozen=True, eq=False)
class StepTimes(Busy):
    """Also of every message; spikes and messages in seconds from their step's start.

    Attributes:
        plan: what the cores did.
        fire: (spikes,) when each neuron fired, or the port began with a channel's spike.
        done: (messages,) when it was worked off.
    """

    plan: Plan
    fire: NDArray[Any]
    done: NDArray[Any]


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
                "no such mode", found=repr(mode), expected="one of " + ", ".join(MODES)
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
    def shift(self) -> int | None:
        """Mode ``loose``: its spans are ``2 ** shift`` ticks, as far as four hops reach."""
        if self.mode != "loose":
            return None
        return int(math.log2(SPAN_HOPS * sum(self.shape.hop) / len(SIDES)))

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
            fixed=chip.arbitration == "fixed",
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

    def firing(self, activity: Activity) -> Firing:
        """What each core sends in some steps, if nothing waits for anything."""
        routes, time = self.routes, self._time
        source = routes.source[activity.sender]
        key = activity.step * routes.cores + source
        cells, shape = activity.steps * routes.cores, (activity.steps, routes.cores)
        counts = routes.start[activity.sender + 1] - routes.start[activity.sender]
        packets = routes.packets[activity.sender]
        first = np.cumsum(packets) - packets
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
        cost = packets * out + ~is_port * time["neuron_spike"]
        # Without a spike these are integers.
        total = np.bincount(key, cost, cells).astype(np.float64).reshape(shape)
        total[:, :-1] += routes.neurons[:-1] * time["neuron"]
        total[:, :-1] += all_updates * time["neuron_update"]
        return Firing(activity, key, counts, packets, out, fire, total)

    def plan(self, activity: Activity) -> Plan:
        """What each core does in some steps, if nothing waits for anything."""
        routes, sent = self.routes, self.firing(activity)
        number, spike = routes.messages_of(activity.sender)
        rank = np.arange(len(spike)) - sent.first[spike]
        if routes.multicast:
            rank[:] = 0
        made = sent.fire[spike] + (rank + 1) * sent.out[spike]
        work = self.work[number]
        cell = activity.step[spike] * routes.cores + routes.target[number]
        worked = np.bincount(cell, work, activity.steps * routes.cores)
        worked = worked.reshape(activity.steps, routes.cores)
        return Plan(**vars(sent), number=number, spike=spike, made=made, work=work, worked=worked)

    def busy(self, activity: Activity) -> Busy:
        """What ``run`` says of steps, links and cores, without looking at single messages."""
        sent = self.firing(activity)
        sums = {
            "spikes": len(sent.key),
            "messages": int(sent.counts.sum()),
            "total": sent.total.sum(axis=0),
            "often": self._often(activity),
        }
        if self.mode != "simple":
            duration, passed, waited, _ = self._contended(sent, each=False)
            return Busy(duration, **sums, passed=passed, waited=waited)
        worked = np.zeros(sent.total.shape)
        begins = np.flatnonzero(np.diff(activity.step, prepend=-1))
        if len(begins):
            found = np.add.reduceat(self._work_at[activity.sender], begins, axis=0)
            worked[activity.step[begins]] = found
        duration = np.maximum(sent.total.max(axis=1), worked.max(axis=1))
        return Busy(duration, **sums, passed=self._nothing, waited=self._nothing * 0.0)

    def _often(self, activity: Activity) -> NDArray[np.int64]:
        return np.bincount(activity.sender, minlength=len(self.routes.source))

    @property
    def _nothing(self) -> NDArray[np.int64]:
        rows, columns = self.routes.tiles
        return np.zeros((1, rows * columns, 4), np.int64)

    @cached_property
    def _work_at(self) -> NDArray[Any]:
        """(senders, cores) what a spike costs each core."""
        routes = self.routes
        found = np.zeros((len(routes.source), routes.cores))
        sender = np.repeat(np.arange(len(routes.source), dtype=np.int32), np.diff(routes.start))
        np.add.at(found, (sender, routes.target), self.work)
        return found

    @property
    def can_skip_messages(self) -> bool:
        """Whether ``busy`` needs no table, or one that is small enough to be worth it."""
        size = len(self.routes.source) * self.routes.cores
        return self.mode != "simple" or size <= LARGEST_TABLE

    def parts(self, activity: Activity, each: bool) -> Iterator[tuple[int, int]]:
        """Bounds of what is timed at once, by ``run`` (``each``) or by ``busy``."""
        kept = each or self.mode == "simple"
        return activity.parts(self.routes, MESSAGES_AT_A_TIME if kept else MESSAGES_IN_A_CALL)

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
        amounts = {"spikes": len(plan.key), "messages": len(plan.number)}
        sums = {"total": plan.total.sum(axis=0), "often": self._often(activity)}
        if self.mode != "simple":
            duration, passed, waited, times = self._contended(plan, each=True)
            assert times.made is not None
            assert times.done is not None
            fire, sends = plan.fire.copy(), plan.counts > 0
            fire[sends] = times.made[plan.first[sends]] * self.tick - plan.out[sends]
            return StepTimes(duration, **amounts, **sums, passed=passed, waited=waited, plan=plan,
                             fire=fire, done=times.done * self.tick)  # fmt: skip
        source = self.routes.source[activity.sender][plan.spike]
        arrived = plan.made + self._way[source, self.routes.target[plan.number]]
        duration = np.maximum(plan.total.max(axis=1), plan.worked.max(axis=1))
        return StepTimes(duration, **amounts, **sums, passed=self._nothing,
                         waited=self._nothing * 0.0, plan=plan, fire=plan.fire,
                         done=arrived + plan.work)  # fmt: skip

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

    @cached_property
    def multicast(self) -> Multicast | None:
        """The packets that fork, if the chip has them."""
        routes = self.routes
        if not routes.multicast:
            return None
        return Multicast(routes.start, routes.trees, self._work_ticks)

    @cached_property
    def _work_ticks(self) -> NDArray[np.int32]:
        return self.ticks(self.work).astype(np.int32)

    def _contended(
        self, sent: Firing, each: bool
    ) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[Any], SpikeTimes]:
        """Spikes through the network: durations, links, and the rest in ticks."""
        routes, tick, steps = self.routes, self.tick, sent.activity.steps
        some = np.flatnonzero(sent.counts)
        key, packets, out = sent.key[some], sent.packets[some], sent.out[some]
        ready, last = sent.fire[some] + out, sent.fire[some] + packets * out
        fresh = np.ones(len(key), bool)
        fresh[1:] = key[1:] != key[:-1]
        spikes = np.zeros(len(key), SPIKE)
        sender = sent.activity.sender[some]
        spikes["count"], spikes["number"] = packets, sent.first[some]
        spikes["first"] = sender if routes.multicast else routes.start[sender]
        spikes["lead"] = self.ticks(ready - np.where(fresh, 0.0, np.roll(last, 1)))
        spikes["rest"] = self.ticks(out)
        first = np.searchsorted(key, np.arange(steps * routes.cores + 1))
        tables = routes.target, self._work_ticks
        with Network(self.shape, self._compiled, self.shift) as network:
            if routes.multicast:
                times = network.run_trees(routes.start, routes.trees, *tables, spikes, first, each)
            else:
                times = network.run_spikes(*tables, spikes, first, each)
            passed, waited = network.passed, network.waited * tick
        # After its last message a core goes through the rest of its neurons.
        over = sent.total.ravel().copy()
        sends = np.flatnonzero(first[1:] > first[:-1])
        over[sends] += times.sent.ravel()[sends] * tick - last[first[1:][sends] - 1]
        over = over.reshape(steps, routes.cores).max(axis=1)
        return np.maximum(times.end * tick, over), passed, waited, times


def _rank(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many equal keys are before each one of a sorted list."""
    new = np.ones(len(key), bool)
    new[1:] = key[1:] != key[:-1]
    starts = np.flatnonzero(new)
    return np.arange(len(key)) - np.repeat(starts, np.diff(starts, append=len(key)))
