"""Closing the loop: what a Program computes when its spikes arrive as late as the chip lets them.

The Program runs on a device step by step, but no spike goes its own way: every message is a channel
of its own, which fires in the first step that begins after the chip's network has delivered it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends.chips.network_run import Journey
from .backends.chips.step_times import CLOSED_MODES, Activity
from .compiler.program import CoreImage, Probe, Program, SourceSymbol
from .errors import InputError, UnsupportedError
from .runtime.open import open as open_device

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .backends.chips.step_times import StepTimer

MESSAGES = "(messages)"
"""The source whose channels are the messages."""


@dataclass(frozen=True, eq=False)
class Loop:
    """What happened on the chip.

    Attributes:
        spikes: population or source to (n, 2) step and index.
        activity: all spikes that made messages.
        fire: (spikes,) seconds from the run's start.
        number, spike: (messages,) as in a Plan, of messages that were worked off in time.
        done: (messages,) seconds from the run's start.
        late: messages that arrived in a later step than the Program means.
        under_way: messages that had not arrived when the run ended.
        passed, waited: as in StepTimes.
        line_in: (spikes,) seconds that each spike of a channel spent on the host's line, else 0.
    """

    spikes: dict[str, NDArray[np.int64]]
    activity: Activity
    fire: NDArray[np.float64]
    number: NDArray[np.int64]
    spike: NDArray[np.int64]
    done: NDArray[np.float64]
    late: int
    under_way: int
    passed: NDArray[np.int64]
    waited: NDArray[Any]
    line_in: NDArray[np.float64]


def with_messages(program: Program) -> Program:
    """The same Program with a channel for each message, instead of spikes that find their way.

    Spikes of sources that drive themselves go on arriving at once.

    Raises:
        UnsupportedError: it learns, or a name stands in the way.
    """
    if program.rules:
        raise UnsupportedError("a closed loop cannot learn in this version")
    hosts = {s.name for s in program.sources if s.kind == "host"}
    if MESSAGES in {x.name for x in (*program.sources, *program.populations)}:
        raise UnsupportedError("the closed loop needs a name that the network has", found=MESSAGES)
    driven = np.zeros(program.channels, bool)
    for source in program.sources:
        driven[source.first_channel : source.first_channel + source.size] = source.name in hosts
    channel_of = np.repeat(driven, np.diff(program.channel_start))
    starts = [program.channel_start.astype(np.int64)]
    tables = [program.channel_to]
    for core in program.cores:
        starts.append(core.spike_start[1:].astype(np.int64) + sum(map(len, tables)))
        tables.append(core.spike_to)
    to = np.concatenate(tables)
    mine = np.ones(len(to), bool)
    mine[: len(channel_of)] = channel_of
    numbers = [np.full(core.axons, -1) for core in program.cores]
    for index, own in enumerate(numbers):
        here = np.flatnonzero(mine & (to["core"] == index))
        own[to["axon"][here]] = here
    cores = tuple(_core(core, own) for core, own in zip(program.cores, numbers, strict=True))
    kept = program.channel_to[~channel_of]
    counts = np.where(driven, 0, np.diff(program.channel_start))
    start = np.concatenate([[0], np.cumsum(counts), len(kept) + np.arange(1, len(to) + 1)])
    # Messages of generators have channels too, which nobody drives and which go nowhere new.
    target = to.copy()
    if not mine.all():
        start, target = _skip(start, target, mine, program.channels)
    symbols = tuple(
        replace(p, pre=MESSAGES, base_delay=0) if p.pre not in _generated(program) else p
        for p in program.projections
    )
    return replace(
        program,
        cores=cores,
        channel_start=start.astype(np.int32),
        channel_to=np.concatenate([kept, target]),
        sources=(*program.sources, SourceSymbol(MESSAGES, len(to), "host", program.channels)),
        projections=symbols,
        splits=(),  # digits may come late, and sums be wrong
        probes=tuple(Probe(p.name, "spikes") for p in program.populations)
        + tuple(Probe(s.name, "spikes") for s in program.sources),
    )


def _generated(program: Program) -> set[str]:
    return {s.name for s in program.sources if s.kind != "host"}


def _skip(
    start: NDArray[np.int64], to: NDArray[np.void], mine: NDArray[np.bool_], channels: int
) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """Messages that nobody sends reach nobody."""
    base = start[channels]
    return np.concatenate([start[: channels + 1], base + np.cumsum(mine)]), to[mine]


def _core(core: CoreImage, numbers: NDArray[np.int64]) -> CoreImage:
    rows = core.rows.copy()
    number = numbers[np.repeat(np.arange(core.axons), np.diff(core.axon_start))]
    rows["pre"] = np.where(number >= 0, number, rows["pre"])
    return replace(
        core,
        rows=rows,
        spike_start=np.zeros(core.neurons + 1, np.int32),
        spike_to=core.spike_to[:0],
    )


class _Line:
    """The serial line from the host: bytes one after the other."""

    def __init__(self, timer: StepTimer) -> None:
        chip = timer.chip
        self.known = chip.has("link.baud", "link.bits_per_byte", "link.step_in", "link.spike_in")
        if self.known:
            byte = chip.get("link.bits_per_byte") / chip.get("link.baud")
            self.step, self.spike = (
                byte * chip.get(f"link.{what}_in") for what in ("step", "spike")
            )
        self.free = 0.0

    def send(self, now: float, count: int) -> NDArray[Any]:
        """(count,) when each spike of a step has come in."""
        if not self.known or not count:
            return np.full(count, now)
        begin = max(self.free, now)
        done = begin + self.step + self.spike * np.arange(1, count + 1)
        self.free = float(done[-1])
        return done


class _Column:
    """An array that grows."""

    def __init__(self, kind: type) -> None:
        self._data, self._size = np.zeros(1024, kind), 0

    def add(self, values: NDArray[Any]) -> None:
        size = self._size + len(values)
        if size > len(self._data):
            grown = np.zeros(max(size, 2 * len(self._data)), self._data.dtype)
            grown[: self._size] = self._data[: self._size]
            self._data = grown
        self._data[self._size : size] = values
        self._size = size

    def __len__(self) -> int:
        return self._size

    @property
    def values(self) -> NDArray[Any]:
        return self._data[: self._size]


class ClosedLoop:
    """One run of one Program.

    Args:
        program: compiled for the chip.
        timer: of its Routes, in mode ``queue`` or ``flit``.
        device: what computes the neurons.
    """

    def __init__(self, program: Program, timer: StepTimer, device: str = "emulator") -> None:
        if timer.mode not in CLOSED_MODES:
            raise InputError(
                "a closed loop needs a network that is fed while it works",
                found=f"mode {timer.mode!r}",
                expected="one of " + ", ".join(CLOSED_MODES),
            )
        self.program, self.timer, self.url = program, timer, device
        self.rewired = with_messages(program)
        self._line = _Line(timer)
        self._due: dict[int, list[NDArray[np.int64]]] = {}
        # Of each spike that makes messages, and of each message.
        self._sender, self._step, self._packets = _Column(int), _Column(int), _Column(int)
        self._begin, self._out, self._line_in = _Column(float), _Column(float), _Column(float)
        self._number, self._spike, self._meant = _Column(int), _Column(int), _Column(int)
        self._done: list[NDArray[np.int64]] = []
        self.late = 0

    def run(self, steps: int, inputs: Mapping[str, Any] | None = None) -> Loop:
        """Run; inputs as for ``Device.run``."""
        events = self._events(inputs, steps)
        spikes: dict[str, list[NDArray[np.int64]]] = {}
        multicast = self.timer.multicast
        with (
            Journey(self.timer.shape, multicast=multicast) as journey,
            open_device(self.url) as device,
        ):
            device.load(self.rewired)
            self._host(journey, events, 0)

            def given(start: int, _: int) -> dict[str, Any]:
                # Step t begins at (t + 1) dt: its input has one step's time to come in.
                self._arrivals(journey.advance(self._tick_of(start + 1)), journey)
                return {**self._graded(inputs, start), **self._own(inputs, start),
                        MESSAGES: self._take(start)}  # fmt: skip

            for window in device.stream(steps, given, every=1):
                for name, found in window.spikes.items():
                    spikes.setdefault(name, []).append(
                        np.column_stack([found[:, 0] + window.start, found[:, 1]])
                    )
                self._feed(journey, window)
                self._host(journey, events, window.start + 1)
            self._arrivals(journey.advance(self._tick_of(steps + 1)), journey)
            return self._result(steps, spikes, journey)

    def _tick_of(self, step: int) -> int:
        return math.floor(step * self.program.dt / self.timer.tick + 1e-6)

    # ------------------------------------------------------------------ input

    def _events(
        self, inputs: Mapping[str, Any] | None, steps: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Step and channel of the host's spikes, checked as a device checks them."""
        with open_device(self.url) as device:
            probed = replace(
                self.program,
                probes=tuple(Probe(s.name, "spikes") for s in self.program.sources),
            )
            device.load(probed)
            found = device.run(steps, inputs)
        parts = [
            (found.spikes[s.name][:, 0], found.spikes[s.name][:, 1] + s.first_channel)
            for s in self.program.sources
            if s.kind == "host"
        ]
        if not parts:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        step, channel = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(step, kind="stable")
        return step[order], channel[order]

    def _graded(self, inputs: Mapping[str, Any] | None, start: int) -> dict[str, Any]:
        """Graded input of one step, cut out of what the user gave."""
        cut: dict[str, Any] = {}
        for name, given in (inputs or {}).items():
            if self.program.population(name) is None:
                continue
            if isinstance(given, tuple):
                events, values = np.asarray(given[0]), np.asarray(given[1])
                now = events[:, 0] == start
                cut[name] = (np.column_stack([events[now, 0] - start, events[now, 1]]), values[now])
            else:
                cut[name] = np.asarray(given)[start : start + 1]
        return cut

    def _own(self, inputs: Mapping[str, Any] | None, start: int) -> dict[str, Any]:
        """Spikes of host sources as such: they reach nobody, but are recorded."""
        cut: dict[str, Any] = {}
        for name, given in (inputs or {}).items():
            if self.program.source(name) is None:
                continue
            given = np.asarray(given)
            if given.dtype != bool and given.ndim == 2 and given.shape[1] == 2:
                cut[name] = given[given[:, 0] == start] - [start, 0]
            else:
                cut[name] = given[start : start + 1]
        return cut

    def _host(
        self, journey: Journey, events: tuple[NDArray[np.int64], NDArray[np.int64]], step: int
    ) -> None:
        """The host's spikes for a step set out one step's time before it begins."""
        low, high = np.searchsorted(events[0], (step, step + 1))
        channels = events[1][low:high]
        if not len(channels):
            return
        now = step * self.program.dt
        entered = self._line.send(now, len(channels))
        self._send(journey, channels, entered, step)
        self._line_in.add(entered - now)

    def _feed(self, journey: Journey, window: Any) -> None:
        """Neurons that fired in a step make their messages."""
        found = []
        for population in self.program.populations:
            index = window.spikes[population.name][:, 1]
            found.append(self.program.global_neurons(population)[index])
        _, neurons = self.program.with_twins(np.concatenate(found))
        senders = np.sort(neurons) + self.timer.routes.channels
        if len(senders):
            now = (window.start + 1) * self.program.dt
            self._send(journey, senders, np.full(len(senders), now), window.start)
            self._line_in.add(np.zeros(len(senders)))

    def _send(
        self, journey: Journey, senders: NDArray[np.int64], begin: NDArray[np.float64], step: int
    ) -> None:
        zeros = np.zeros(len(senders), np.int64)
        plan = self.timer.plan(Activity(1, zeros, senders))
        messages = self.timer.messages(plan)
        messages["made"] = np.ceil(begin[plan.spike] / self.timer.tick - 1e-6)
        routes = self.timer.routes
        makers = np.repeat(senders, plan.packets)
        journey.feed(messages, routes.source[makers].astype(np.int64), makers)
        self._number.add(plan.number)
        self._spike.add(plan.spike + len(self._sender))
        self._meant.add(step + (senders >= routes.channels)[plan.spike])
        self._sender.add(senders)
        self._step.add(np.full(len(senders), step))
        self._packets.add(plan.packets)
        self._begin.add(begin)
        self._out.add(plan.out)

    # ------------------------------------------------------------------ arrivals

    def _arrivals(self, finished: NDArray[np.int64], journey: Journey) -> None:
        """Messages that are done go to the first step that begins afterwards."""
        if not len(finished):
            return
        self._done.append(finished)
        done = journey.messages["done"][finished] * self.timer.tick
        step = np.maximum(np.ceil(done / self.program.dt - 1e-9).astype(np.int64) - 1, 0)
        number = self._number.values[finished]
        self.late += int((step > self._meant.values[finished]).sum())
        for at in np.unique(step):
            self._due.setdefault(int(at), []).append(number[step == at])

    def _take(self, step: int) -> NDArray[np.int64]:
        """(n, 2) events of the messages that are due; one that came twice waits for the next."""
        due = self._due.pop(step, [])
        if not due:
            return np.zeros((0, 2), np.int64)
        number = np.concatenate(due)
        once, index = np.unique(number, return_index=True)
        again = np.delete(number, index)
        if len(again):
            self._due.setdefault(step + 1, []).append(again)
        return np.column_stack([np.zeros(len(once), np.int64), once])

    def _result(
        self, steps: int, spikes: dict[str, list[NDArray[np.int64]]], journey: Journey
    ) -> Loop:
        tick, packets = self.timer.tick, self._packets.values
        finished = np.concatenate([np.zeros(0, np.int64), *self._done])
        fire, sends = self._begin.values.copy(), packets > 0
        made, sent = journey.departures((np.cumsum(packets) - packets)[sends])
        fire[sends] = np.where(sent > 0, made * tick - self._out.values[sends], fire[sends])
        return Loop(
            spikes={name: np.concatenate(parts) for name, parts in spikes.items()},
            activity=Activity(steps, self._step.values, self._sender.values),
            fire=fire,
            number=self._number.values[finished],
            spike=self._spike.values[finished],
            done=journey.messages["done"][finished] * tick,
            late=self.late,
            under_way=len(self._number) - len(finished),
            passed=journey.passed,
            waited=journey.waited * tick,
            line_in=self._line_in.values,
        )
