"""Our cores on our routers, to the clock cycle: what the hardware's cycle formula says of a run.

``MeshTimer`` goes through the steps with the code that counts an emulated mesh's cycles, and notes
what becomes of each spike on the way.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends.chips.energy import CAUSES, count
from .backends.emulator.mesh_clock import FlitCarrier
from .compiler.chip_fields import SIDES
from .errors import UnsupportedError
from .hdl.flits import KINDS, SentFlits, members
from .hdl.routing import Port
from .runtime.symbols import RoundingWarning, Symbols
from .runtime.timing import Timing
from .stimulus import make_stimulus

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .backends.chips.metrics import Collector
    from .backends.chips.routes import Routes
    from .backends.chips.step_times import Activity
    from .compiler.chip import Chip
    from .compiler.program import Program
    from .hdl.flits import FlitTimes

ONE_CYCLE = ("time.clock", "time.interval", *(f"time.hop_{side}" for side in SIDES))
"""What takes a clock cycle on our mesh."""
ONE = ("network.networks", "mesh.tile_rows", "mesh.tile_columns")
"""What there is one of."""
_WAYS = [CAUSES.index(name) for name in
         ("message_out", "message_in", *(f"hop_{side}" for side in SIDES))]  # fmt: skip
_PORTS = [int(Port[side.upper()]) for side in SIDES]


@dataclass(frozen=True, eq=False)
class MeshSteps:
    """What became of the spikes of some steps; in cycles from each step's start.

    A *spike* is here what one sender sends in one step: that of a neuron in the step after the one
    in which it fired.

    Attributes:
        cycles: (steps,) length of each step.
        step, sender: (spikes,) of those that reach anybody.
        done: (spikes,) when the last lane was through with its rows.
        message_step, message, message_done: (messages,) the same of each core that it reaches;
            ``message`` is a number that says which sender and core.
        passed, waited: (cores, sides) messages over each link, and cycles that they waited for it.
        updating, walking: (cores,) cycles that each core spent on neurons, and on rows: those of
            all its lanes by their number.
        flits: that neurons sent.
    """

    cycles: NDArray[np.int64]
    step: NDArray[np.int64]
    sender: NDArray[np.int64]
    done: NDArray[np.int64]
    message_step: NDArray[np.int64]
    message: NDArray[np.int64]
    message_done: NDArray[np.int64]
    passed: NDArray[np.int64]
    waited: NDArray[np.int64]
    updating: NDArray[np.int64]
    walking: NDArray[np.float64]
    flits: int

    @property
    def counts(self) -> NDArray[np.int64]:
        """(causes,) what the routers saw: messages out, messages in, hops; and 0."""
        found = np.zeros(len(CAUSES), np.int64)
        found[_WAYS] = [self.flits, len(self.message), *self.passed.sum(axis=0)]
        return found


class MeshTimer:
    """Times the steps of one run, one after the other.

    Args:
        program: compiled for the chip.
        chip: our mesh.
        inputs, steps: of the run, as for ``Device.run``.

    Raises:
        UnsupportedError: the Program learns, or the chip's numbers are not those of our mesh.
    """

    def __init__(self, program: Program, chip: Chip, inputs: Any, steps: int) -> None:
        _check(program, chip)
        timing = Timing.of_mesh(program, program.target.lanes)
        assert timing.mesh is not None
        mesh = replace(timing.mesh, room=chip.count("network.buffer"))
        self._timing = replace(timing, mesh=mesh)
        self._carrier = FlitCarrier(self._timing)
        self._mesh, self._channels = mesh, program.channels
        self._cycle: Any = 1 / chip.get("clock.frequency")  # seconds
        symbols = Symbols(program)
        stimulus = make_stimulus(
            inputs, steps, symbols.hosts, symbols.graded, symbols.generators, symbols.learning
        )
        with warnings.catch_warnings():  # the device that computes the values warns
            warnings.simplefilter("ignore", RoundingWarning)
            self._events = symbols.encode(stimulus)
        self._driven = np.zeros(program.channels, bool)
        self._driven[program.generators["channel"]] = True
        # Messages are numbered flit by flit.
        counts = members(mesh.cores, mesh.rows * mesh.columns).sum(axis=1)
        self._first = np.append(0, np.cumsum(counts)).astype(np.int64)

    def run(self, start: int, activity: Activity) -> MeshSteps:
        """Some steps.

        Args:
            start: number of the first one.
            activity: who sends in which of them: neurons that fired in the step before, channels
                that fire.
        """
        steps, step, sender = activity.steps, activity.step, activity.sender
        cut = [np.searchsorted(of, (start, start + steps)) for of in
               (self._events.spike_step, self._events.graded_step)]  # fmt: skip
        given, graded = (slice(*bounds) for bounds in cut)
        neurons = sender >= self._channels
        generated = np.zeros(len(sender), bool)
        generated[~neurons] = self._driven[sender[~neurons]]
        kinds = (
            (step[neurons], sender[neurons]),
            (self._events.spike_step[given] - start, self._events.spike_channel[given]),
            (step[generated], sender[generated]),
        )
        sent = SentFlits.of(
            self._mesh,
            tuple(who for _, who in kinds),  # type: ignore[arg-type]
            np.stack([np.bincount(when, minlength=steps) for when, _ in kinds]),
        )
        times: list[FlitTimes] = []

        def walk(earliest: NDArray[np.int64]) -> NDArray[np.int64]:
            times.append(self._carrier.carry(sent, earliest))
            return np.concatenate([times[0].last[None], times[0].ends])

        events = np.bincount(self._events.graded_step[graded] - start, minlength=steps)
        cycles = self._timing.around(walk, events)
        return self._told(cycles, sent, times[0])

    def _told(self, cycles: NDArray[np.int64], sent: SentFlits, times: FlitTimes) -> MeshSteps:
        mesh, steps = self._mesh, len(cycles)
        counts = np.diff(sent.first)
        group = np.repeat(np.arange(len(sent.start) - 1), np.diff(sent.start))
        step, kind = group // (KINDS * mesh.rows * mesh.columns), group % KINDS
        flit = np.repeat(np.arange(len(sent.flit)), counts)
        rank = np.arange(len(flit)) - sent.first[flit]
        # The flits of a sender follow each other.
        fresh = np.ones(len(flit), bool)
        fresh[1:] = (np.diff(sent.sender[flit]) != 0) | (np.diff(group[flit]) != 0)
        begins = np.flatnonzero(fresh)
        done = np.maximum.reduceat(times.done, begins) if len(begins) else times.done
        walking = np.zeros(len(mesh.entries))
        for core, entries in enumerate(mesh.entries):
            sums = np.append(0, np.cumsum(entries.sum(axis=1, dtype=np.int64)))
            number = mesh.number[sent.flit[flit[sent.core == core]]]
            begin, end = mesh.row_start[core][number], mesh.row_end[core][number]
            walking[core] = (sums[end] - sums[begin]).sum() / entries.shape[1]
        return MeshSteps(
            cycles=cycles,
            step=step[flit[begins]],
            sender=sent.sender[flit[begins]],
            done=done,
            message_step=step[flit],
            message=self._first[sent.flit[flit]] + rank,
            message_done=times.done,
            passed=times.passed[:, _PORTS],
            waited=times.waited[:, _PORTS],
            updating=mesh.groups * steps,
            walking=walking,
            flits=int((kind == 0).sum()),
        )

    def collect(self, collector: Collector, told: MeshSteps, first: int, began: int) -> None:
        """Take up steps, the first of which has the number ``first`` and began in cycle ``began``.

        All neurons of a step have fired when it ends, and all channels when it begins.
        """
        columns = collector.routes.tiles[1]
        core = np.arange(len(told.passed))
        tile = core // self._mesh.columns * columns + core % self._mesh.columns
        collector.messages += len(told.message)
        collector.passed[tile] += told.passed
        collector.waited[tile] += told.waited * self._cycle
        collector.made_in[: len(told.updating)] += told.updating * self._cycle
        collector.worked_in[: len(told.walking)] += told.walking * self._cycle
        if not collector.each:
            return
        begins = began + np.cumsum(told.cycles) - told.cycles
        collector.step.append(first + told.step - (told.sender >= self._channels))
        collector.sender.append(told.sender)
        collector.fired.append(begins[told.step] * self._cycle)
        collector.latency.append(told.done * self._cycle)
        order = np.argsort(told.message_step, kind="stable")
        delay = told.message_done[order] * self._cycle
        collector.distort(told.message_step[order], told.message[order], delay)


def sent_by_step(
    fired: Activity, channels: int, before: NDArray[np.int64]
) -> tuple[Activity, NDArray[np.int64]]:
    """Who sends in which step: neurons in the one after that in which they fired.

    Args:
        fired: who fired in which.
        channels: senders that are channels, which send in the same step.
        before: neurons that fired in the step before.

    Returns:
        the same for sending, and the neurons that fired in the last step.
    """
    neurons = fired.sender >= channels
    step = np.append(np.zeros(len(before), np.int64), fired.step + neurons)
    sender = np.append(before, fired.sender)
    now = step < fired.steps
    order = np.lexsort((sender[now] < channels, step[now]))  # neurons first
    sent = replace(fired, step=step[now][order], sender=sender[now][order])
    return sent, sender[~now]


def counts_without_ways(routes: Routes, fired: Activity, sent: Activity) -> NDArray[np.int64]:
    """(causes,) as ``energy.count`` of what was sent, with all spikes that were fired; without what
    ``MeshSteps.counts`` knows."""
    found = count(routes, sent).sum(axis=0)
    found[CAUSES.index("neuron_spike")] = (fired.sender >= routes.channels).sum()
    found[_WAYS] = 0
    return found


def _check(program: Program, chip: Chip) -> None:
    """Whether the chip's numbers are those of the mesh whose cycles are known."""
    chip.require(("clock.frequency", "network.buffer"), "the cycles of our mesh")
    if program.rules:
        raise UnsupportedError(
            "cores of a mesh cannot learn in this version",
            found=f"{len(program.rules)} rules on chip {chip.name!r}",
            expected="one core, or no rules",
            remedy="compile for a target with larger cores, or use the chip 'core'",
        )
    cycle = 1 / chip.get("clock.frequency")
    wrong = [
        f"{name} = {chip.get(name):g}"
        for names, expected in ((ONE_CYCLE, cycle), (ONE, 1.0))
        for name in names
        if chip.has(name) and not math.isclose(chip.get(name), expected, rel_tol=1e-6)
    ]
    for name, expected in (("routing", "multicast"), ("arbitration", "fixed")):
        if getattr(chip, name) != expected:
            wrong.append(f"{name} = {getattr(chip, name)!r}")
    if wrong:
        raise UnsupportedError(
            f"chip {chip.name!r} has other routers than those whose cycles are known",
            found=", ".join(wrong),
            expected=f"one core and one network for each router, {cycle:g} s for each of "
            + ", ".join(ONE_CYCLE)
            + ", multicast in a fixed order",
            remedy='model = "messages" in the chip\'s file',
        )
