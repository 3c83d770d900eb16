"""Latency and energy of a Program on a chip: ``sl.latency``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends.chips.energy import CAUSES, NUMBERS, count, joules
from .backends.chips.metrics import Collector, overtaken
from .backends.chips.routes import Routes
from .backends.chips.step_times import (
    CLOSED_MODES,
    MESSAGES_AT_A_TIME,
    MODES,
    Activity,
    Mode,
    StepTimer,
    StepTimes,
    needed,
)
from .chip_cycles import MeshTimer, counts_without_ways, sent_by_step
from .chip_host import host_line
from .chip_loop import ClosedLoop
from .chip_report import LatencyReport
from .compiler.chip import Chip, load_chip
from .compiler.network import Network
from .compiler.program import Probe, Program
from .errors import InputError
from .runtime.open import open as open_device

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from .recording import Result

STEPS_AT_A_TIME = 256
NEURON_STEPS_AT_A_TIME = 1 << 21
"""Bounds of what is looked at at once, so that memory does not grow with the run."""


def latency(
    program: Program | Network | str | Path,
    inputs: Mapping[str, Any] | None = None,
    steps: int = 0,
    chip: str | Path | Chip = "loihi",
    *,
    mode: Mode = "queue",
    each: bool = True,
    close_loop: bool | None = None,
    device: str = "emulator",
) -> LatencyReport:
    """What a Program takes on a chip.

    Args:
        program: compiled for the chip (``sl.compile(net, target="loihi")``); a Network is
            compiled here; or the path of a ``.loom`` file.
        inputs: as for ``Device.run``.
        steps: length of the run.
        chip: a name (``spikeloom latency --help`` lists them), the path of a chip file, or a Chip.
        mode: ``"simple"`` (no message waits for another), ``"loose"`` (they do, loosely timed),
            ``"queue"`` (to the tick), ``"flit"`` (in cycles of the routers' clock). Chips whose
            model is ``cycles`` have one mode, ours to
            the clock cycle, whichever is asked for, but in a closed loop.
        each: whether to look at every spike; otherwise only at steps, cores and energy.
        close_loop: whether late spikes arrive late, and what the network does changes; by default
            for chips whose discipline is ``event``. A step then lasts ``dt``, in real time.
        device: what computes the neurons.

    Returns:
        The report. What the chip lacks numbers for is listed in ``missing``; asking for it raises.

    Raises:
        CompileError: the Program was not compiled for the chip, or there is no such chip.
        FitError: it breaks a limit of the chip.
        UnsupportedError: the chip lacks every number that latency, and every one that energy needs.
        InputError: the input is malformed.
    """
    chip = load_chip(chip)
    program = _program(program, chip)
    chip.check(program)
    if mode not in MODES:
        raise InputError("no such mode", found=repr(mode), expected="one of " + ", ".join(MODES))
    run = _Run(program, chip, mode, each, device)
    if chip.model == "cycles" and not close_loop:
        if chip.tiles == chip.tile_shape == (1, 1):
            return run.by_cycles(inputs, steps)
        return run.on_the_mesh(inputs, steps)
    if close_loop is None:
        close_loop = chip.discipline == "event" and mode in CLOSED_MODES and chip.has(*needed(mode))
    return run.closed(inputs, steps) if close_loop else run.open(inputs, steps)


def _program(program: Program | Network | str | Path, chip: Chip) -> Program:
    if isinstance(program, Network):
        from .compiling import compile

        return compile(program, chip.target)
    return program if isinstance(program, Program) else Program.load(program)


@dataclass(frozen=True, eq=False)
class _Run:
    program: Program
    chip: Chip
    mode: Mode
    each: bool
    device: str

    # ------------------------------------------------------------------ what happens

    def windows(self, inputs: Any, steps: int, *, states: bool) -> Iterator[Result]:
        """Results of consecutive windows, with all spikes, and states where they matter."""
        program = self.program
        probes = [Probe(x.name, "spikes") for x in (*program.sources, *program.populations)]
        if states:
            variables = ("v", "u0", "u1")
            probes += [Probe(p.name, v) for p in program.populations for v in variables]
        every = max(1, min(STEPS_AT_A_TIME, NEURON_STEPS_AT_A_TIME // max(program.neurons, 1)))
        with open_device(self.device) as device:
            device.load(replace(program, probes=tuple(probes)))
            yield from device.stream(steps, inputs, every=every)

    def activity(
        self, routes: Routes, window: Result, updated: NDArray[np.bool_] | None
    ) -> Activity:
        """A window's spikes by sender; a twin fires with its original."""
        program = self.program
        step, neurons = _merged(
            (window.spikes[p.name], program.global_neurons(p)) for p in program.populations
        )
        if len(program.twins):
            which, neurons = program.with_twins(neurons)
            step = step[which]
            order = np.lexsort((neurons, step))
            step, neurons = step[order], neurons[order]
        channels = _merged(
            (window.spikes[s.name], s.first_channel + np.arange(s.size)) for s in program.sources
        )
        return Activity.of(routes, window.steps, (step, neurons), channels, updated)

    def updated(
        self, window: Result, before: NDArray[np.bool_], bias: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which neurons have a bias, a current or a voltage; and whose voltage is left."""
        program = self.program
        size = (window.steps, program.neurons)
        volts, found = np.zeros(size, bool), np.zeros(size, bool)
        for population in program.populations:
            neurons, states = program.global_neurons(population), window.states[population.name]
            volts[:, neurons] = states["v"].raw != 0
            found[:, neurons] = (states["u0"].raw != 0) | (states["u1"].raw != 0)
            events = window.spikes[population.name]
            found[events[:, 0], neurons[events[:, 1]]] = True
        if len(program.twins):
            volts, found = volts[:, program.twin_of], found[:, program.twin_of]
        found |= volts | bias
        found[1:] |= volts[:-1]
        found[0] |= before
        return found, volts[-1]

    # ------------------------------------------------------------------ reports

    def open(self, inputs: Any, steps: int) -> LatencyReport:
        """Timing does not change what happens."""
        program, chip = self.program, self.chip
        routes = Routes.of(program, chip)
        missing = self._missing()
        timer = None if "time" in missing else StepTimer(routes, chip, self.mode)
        each = self.each or chip.discipline == "tick"
        each |= timer is not None and not timer.can_skip_messages
        active = chip.updates == "active"
        collector = Collector(routes, self.each)
        counts = np.zeros(len(CAUSES), np.int64)
        busy: list[NDArray[np.float64]] = []
        late = [0, 0.0]
        software: dict[str, list[NDArray[np.int64]]] = {}
        volts = np.concatenate([np.zeros(0, bool), *(c.v_init != 0 for c in program.cores)])
        bias = np.concatenate([np.zeros(0, bool), *(c.bias != 0 for c in program.cores)])
        began = 0.0
        for window in self.windows(inputs, steps, states=active):
            updated = None
            if active:
                updated, volts = self.updated(window, volts, bias)
            for name, events in window.spikes.items():
                software.setdefault(name, []).append(_absolute(events, window.start))
            activity = self.activity(routes, window, updated)
            counts += count(routes, activity).sum(axis=0)
            if timer is None:
                collector.spikes += len(activity.sender)
                collector.messages += int(np.diff(routes.start)[activity.sender].sum())
                continue
            for low, high in timer.parts(activity, each):
                part = activity.part(low, high)
                if not each:
                    found = timer.busy(part)
                    collector.add_busy(found)
                    busy.append(found.duration)
                    continue
                times = timer.run(part)
                lengths = self._step_lengths(times.duration, routes)
                starts = began + np.cumsum(lengths) - lengths
                began += float(lengths.sum())
                busy.append(times.duration)
                self._late(times, late)
                collector.add(times, window.start + low, starts)
        if timer:
            collector.receive(timer.work)
        busy_seconds = np.concatenate([np.zeros(0), *busy]) if timer else None
        step_seconds = None if busy_seconds is None else self._step_lengths(busy_seconds, routes)
        if step_seconds is None and chip.discipline == "tick" and chip.has("time.tick"):
            step_seconds = np.full(steps, chip.get("time.tick"))
            missing.pop("time", None)
        spikes = {name: np.concatenate(parts) for name, parts in software.items()}
        report = self._report(routes, collector, counts, steps, step_seconds, missing, spikes)
        return replace(
            report, busy_seconds=busy_seconds, deadline=self._deadline(busy_seconds, late)
        )

    def closed(self, inputs: Any, steps: int) -> LatencyReport:
        """Late spikes arrive late."""
        program, chip = self.program, self.chip
        self._refuse(self._missing())
        routes = Routes.of(program, chip)
        timer = StepTimer(routes, chip, self.mode)
        software: dict[str, list[NDArray[np.int64]]] = {}
        for window in self.windows(inputs, steps, states=False):
            for name, events in window.spikes.items():
                software.setdefault(name, []).append(_absolute(events, window.start))
        loop = ClosedLoop(program, timer, self.device).run(steps, inputs)
        activity = loop.activity
        collector = Collector(routes, self.each)
        order = np.argsort(activity.step, kind="stable")
        ordered = Activity(steps, activity.step[order], activity.sender[order])
        counts, plan = count(routes, ordered).sum(axis=0), timer.plan(ordered)
        collector.made_in, collector.worked_in = plan.total.sum(axis=0), plan.worked.sum(axis=0)
        collector.spikes, collector.messages = len(activity.sender), len(plan.number)
        collector.passed, collector.waited = loop.passed.sum(axis=0), loop.waited.sum(axis=0)
        if self.each:
            _collect_loop(collector, loop)
        step_seconds = np.full(steps, program.dt)
        spikes = {name: np.concatenate(parts) for name, parts in software.items()}
        report = self._report(
            routes, collector, counts, steps, step_seconds, self._missing(), spikes
        )
        mine = {name: events for name, events in loop.spikes.items() if name in spikes}
        return replace(report, discipline="event, loop closed", hardware=mine, late=loop.late)

    def by_cycles(self, inputs: Any, steps: int) -> LatencyReport:
        """Our core, by its cycle formula."""
        program, chip = self.program, self.chip
        chip.require(("clock.frequency",), "latency")
        routes = Routes.of(program, chip)
        counts = np.zeros(len(CAUSES), np.int64)
        collector = Collector(routes, each=False)
        cycles: list[NDArray[np.int64]] = []
        software: dict[str, list[NDArray[np.int64]]] = {}
        for window in self.windows(inputs, steps, states=False):
            activity = self.activity(routes, window, None)
            counts += count(routes, activity).sum(axis=0)
            collector.spikes += len(activity.sender)
            collector.messages += int(np.diff(routes.start)[activity.sender].sum())
            cycles.append(window.cycles)
            for name, events in window.spikes.items():
                software.setdefault(name, []).append(_absolute(events, window.start))
        seconds = np.concatenate([np.zeros(0, np.int64), *cycles]) / chip.get("clock.frequency")
        spikes = {name: np.concatenate(parts) for name, parts in software.items()}
        missing = self._missing_energy()
        report = self._report(routes, collector, counts, steps, seconds, missing, spikes)
        # A spike of a step is out, and acts on others, when the step is over.
        senders = self._senders()
        events = [np.column_stack([e[:, 0], senders[n][e[:, 1]]]) for n, e in spikes.items()]
        merged = np.concatenate([np.zeros((0, 2), np.int64), *events])
        merged = merged[np.lexsort((merged[:, 1], merged[:, 0]))]
        step = merged[:, 0]
        begins = np.cumsum(seconds) - seconds
        return replace(
            report,
            mode="cycles",
            busy_seconds=seconds,
            spike_step=step,
            spike_sender=merged[:, 1],
            spike_fired=begins[step],
            spike_latency=seconds[step],
            core_busy=np.ones(len(program.cores)),
        )

    def on_the_mesh(self, inputs: Any, steps: int) -> LatencyReport:
        """Our cores on our routers, by their cycle formula."""
        program, chip = self.program, self.chip
        timer = MeshTimer(program, chip, inputs, steps)
        routes = replace(Routes.of(program, chip), multicast=False)  # the timer has the ways
        cycle = 1 / chip.get("clock.frequency")
        counts = np.zeros(len(CAUSES), np.int64)
        collector = Collector(routes, self.each)
        lengths: list[NDArray[np.int64]] = []
        began = 0
        software: dict[str, list[NDArray[np.int64]]] = {}
        before = np.zeros(0, np.int64)
        for window in self.windows(inputs, steps, states=False):
            for name, events in window.spikes.items():
                software.setdefault(name, []).append(_absolute(events, window.start))
            fired = self.activity(routes, window, None)
            sent, before = sent_by_step(fired, routes.channels, before)
            counts += counts_without_ways(routes, fired, sent)
            for low, high in sent.parts(routes, MESSAGES_AT_A_TIME):
                told = timer.run(window.start + low, sent.part(low, high))
                counts += told.counts
                timer.collect(collector, told, window.start + low, began)
                lengths.append(told.cycles)
                began += int(told.cycles.sum())
            collector.spikes += len(fired.sender)
        seconds: Any = np.concatenate([np.zeros(0, np.int64), *lengths]) * cycle
        spikes = {name: np.concatenate(parts) for name, parts in software.items()}
        report = self._report(
            routes, collector, counts, steps, seconds, self._missing_energy(), spikes
        )
        order = np.lexsort((report.spike_sender, report.spike_step))
        return replace(
            report,
            mode="cycles",
            busy_seconds=seconds,
            link_use=report.link_messages * (cycle / max(float(seconds.sum()), cycle)),
            **{f"spike_{name}": getattr(report, f"spike_{name}")[order]
               for name in ("step", "sender", "fired", "latency")},
        )  # fmt: skip

    def _report(
        self,
        routes: Routes,
        collector: Collector,
        counts: NDArray[np.int64],
        steps: int,
        step_seconds: NDArray[np.float64] | None,
        missing: dict[str, str],
        software: dict[str, NDArray[np.int64]],
    ) -> LatencyReport:
        program, chip = self.program, self.chip
        total = None if step_seconds is None else float(step_seconds.sum())
        rows, columns = routes.tiles
        passed = collector.passed.reshape(rows, columns, 4)
        waited = collector.waited.reshape(rows, columns, 4)
        use = np.zeros(passed.shape)
        if total and chip.has("time.interval", "network.networks") and self.mode != "simple":
            each = chip.get("time.interval") / chip.count("network.networks")
            use = passed * each / total
        timed = step_seconds is not None and "latency" not in missing
        pairs = collector.pairs
        none, senders = np.zeros(0), self._senders()
        # Of a run without steps there is nothing yet.
        software = {name: software.get(name, np.zeros((0, 2), np.int64)) for name in senders}
        occurred = dict(zip(CAUSES, counts.tolist(), strict=True))
        return LatencyReport(
            chip=chip.name,
            title=chip.title,
            mode=self.mode,
            discipline=chip.discipline,
            steps=steps,
            dt=program.dt,
            spikes=collector.spikes,
            messages=collector.messages,
            synaptic_events=occurred["synapse_dense"] + occurred["synapse_sparse"],
            counts=occurred,
            step_seconds=step_seconds,
            **self._spikes(collector),
            distortion={
                "mean": collector.distortion_sum / pairs,
                "max": collector.distortion_max,
                "pairs": pairs,
            }
            if pairs
            else {},
            disorder=collector.disordered / collector.messages
            if self.each and timed and collector.messages
            else None,
            core_busy=(collector.made_in + collector.worked_in)[:-1] / total
            if timed and total
            else none,
            link_messages=passed,
            link_wait=waited / np.maximum(passed, 1),
            link_use=use,
            joules=self._joules(counts, total, missing),
            host=host_line(chip, program, software, steps, step_seconds),
            missing=missing,
            senders=senders,
            software=software,
            hardware=software,
        )

    # ------------------------------------------------------------------ parts of a report

    def _senders(self) -> dict[str, NDArray[np.int64]]:
        """Sender numbers of the neurons of each source and population."""
        program = self.program
        found = {s.name: s.first_channel + np.arange(s.size) for s in program.sources}
        for p in program.populations:
            found[p.name] = program.channels + program.global_neurons(p)
        return found

    def _spikes(self, collector: Collector) -> dict[str, Any]:
        """Single spikes by their user's names: with its twins' messages a spike is one."""
        whole, none = np.zeros(0, np.int64), np.zeros(0)
        step, sender = (np.concatenate([whole, *p]) for p in (collector.step, collector.sender))
        fired, latency = (np.concatenate([none, *p]) for p in (collector.fired, collector.latency))
        channels = self.program.channels
        if len(self.program.twins) and len(sender):
            own = sender >= channels
            sender[own] = channels + self.program.twin_of[sender[own] - channels]
            order = np.lexsort((sender, step))
            new = (np.diff(step[order], prepend=-1) != 0) | (
                np.diff(sender[order], prepend=-1) != 0
            )
            begins = np.flatnonzero(new)
            done = np.maximum.reduceat((fired + latency)[order], begins)
            fired = np.minimum.reduceat(fired[order], begins)
            step, sender, latency = step[order][begins], sender[order][begins], done - fired
        found = {"step": step, "sender": sender, "fired": fired, "latency": latency}
        return {f"spike_{name}": values for name, values in found.items()}

    def _missing(self) -> dict[str, str]:
        chip = self.chip
        missing = self._missing_energy()
        names = list(needed(self.mode))
        if chip.discipline == "barrier":
            names.append("time.barrier")
        if chip.discipline == "tick":
            names.append("time.tick")
        absent = chip.missing(names)
        if absent:
            text = f"mode {self.mode!r} needs " + ", ".join(absent)
            missing |= {"time": text, "latency": text}
        return missing

    def _missing_energy(self) -> dict[str, str]:
        absent = self.chip.missing(NUMBERS)
        return {"energy": "energy needs " + ", ".join(absent)} if absent else {}

    def _refuse(self, missing: dict[str, str]) -> None:
        if "time" in missing:
            self.chip.require(needed(self.mode), f"latency in mode {self.mode!r}")

    def _step_lengths(self, busy: NDArray[np.float64], routes: Routes) -> NDArray[np.float64]:
        """From each step's start to the next one's."""
        chip = self.chip
        if chip.discipline == "barrier":
            return busy + chip.table("time.barrier", routes.tiles_in_use)
        length = chip.get("time.tick") if chip.discipline == "tick" else self.program.dt
        return np.full(len(busy), length)

    def _late(self, times: StepTimes, late: list[Any]) -> None:
        """Spikes whose last message is done after the tick in which they fired."""
        if self.chip.discipline != "tick" or not len(times.done):
            return
        over = times.done > self.chip.get("time.tick")
        late[0] += len(np.unique(times.plan.spike[over]))

    def _deadline(self, busy: NDArray[np.float64] | None, late: list[Any]) -> dict[str, float]:
        if self.chip.discipline != "tick" or busy is None:
            return {}
        tick = self.chip.get("time.tick")
        excess = np.maximum(busy - tick, 0.0)
        return {
            "tick": tick,
            "missed": int((excess > 0).sum()),
            "late": int(late[0]),
            "worst": float(excess.max(initial=0.0)),
            "slack": float((tick - busy).min(initial=tick)),
        }

    def _joules(
        self, counts: NDArray[np.int64], total: float | None, missing: dict[str, str]
    ) -> dict[str, float] | None:
        """Energy by cause; nothing, and why, where a number of something that occurred lacks."""
        chip = self.chip
        lacking = chip.missing(
            [name for name, n in zip(NUMBERS, counts.tolist(), strict=True) if n]
        )
        if lacking:
            missing["energy"] = "energy needs " + ", ".join(lacking)
            return None
        missing.pop("energy", None)
        found = dict(zip(CAUSES, joules(chip, counts).tolist(), strict=True))
        static = {"static_chip": ("power.chip", 1), "static_cores": ("power.core", None)}
        for cause, (name, times) in static.items():
            if not chip.has(name):
                continue
            if total is None:
                missing["energy"] = f"{name} needs the time of the run, which is not known"
                return None
            found[cause] = chip.get(name) * total * (times or len(self.program.cores))
        return found


def _absolute(events: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    """Events of a window with steps of the run."""
    return np.column_stack([events[:, 0] + start, events[:, 1]])


def _merged(
    parts: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]] | Any,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Step (from the window's start) and number of several lists of events, sorted by both."""
    steps, numbers = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for events, number_of in parts:
        steps.append(events[:, 0])
        numbers.append(number_of[events[:, 1]])
    step, number = np.concatenate(steps), np.concatenate(numbers)
    order = np.lexsort((number, step))
    return step[order], number[order]


def _collect_loop(collector: Collector, loop: Any) -> None:
    """Figures of single spikes of a closed loop."""
    order = np.argsort(loop.spike, kind="stable")
    spike, number, done = loop.spike[order], loop.number[order], loop.done[order]
    if not len(spike):
        return
    delay = done - loop.fire[spike] + loop.line_in[spike]
    begins = np.flatnonzero(np.diff(spike, prepend=-1))
    reached = spike[begins]
    collector.step.append(loop.activity.step[reached])
    collector.sender.append(loop.activity.sender[reached])
    collector.fired.append(loop.fire[reached])
    collector.latency.append(np.maximum.reduceat(delay, begins))
    by_message = np.argsort(number, kind="stable")
    same = np.diff(number[by_message]) == 0
    change = np.abs(np.diff(delay[by_message]))[same]
    collector.pairs = len(change)
    collector.distortion_sum = float(change.sum())
    collector.distortion_max = float(change.max(initial=0.0))
    target = collector.routes.target[number].astype(np.int64)
    collector.disordered = overtaken(target, loop.fire[spike], done)
