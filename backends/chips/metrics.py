"""What the times of many steps come to; docs/latency.md defines each figure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .routes import Routes
    from .step_times import Busy, StepTimes


class Collector:
    """Adds up steps.

    Args:
        routes: of the Program.
        each: whether to look at every message; otherwise only at steps and cores.

    Attributes:
        spikes, messages: how many.
        step, sender, fired, latency: lists of arrays, one entry per spike that reaches anybody;
            fired in seconds from the run's start, latency until its last message is done.
        distortion_sum, distortion_max, pairs: changes of inter-spike intervals, in seconds.
        disordered: messages that were done after one that was fired later, at the same core.
        made_in, worked_in: (cores,) seconds that each core was busy, on neurons and sending, and on
            receiving; the latter without what ``receive`` has yet to add.
        passed, waited: (tiles, 4) messages over each link, and seconds that they waited.
    """

    def __init__(self, routes: Routes, each: bool = True) -> None:
        self.routes, self.each = routes, each
        self.spikes = self.messages = self.pairs = self.disordered = 0
        self.step: list[NDArray[np.int64]] = []
        self.sender: list[NDArray[np.int64]] = []
        self.fired: list[NDArray[np.float64]] = []
        self.latency: list[NDArray[np.float64]] = []
        self.distortion_sum = self.distortion_max = 0.0
        self.made_in = np.zeros(routes.cores)
        self.worked_in = np.zeros(routes.cores)
        self._often = np.zeros(len(routes.source), np.int64)
        tiles = routes.tiles[0] * routes.tiles[1]
        self.passed, self.waited = np.zeros((tiles, 4), np.int64), np.zeros((tiles, 4))
        self._last = np.full(len(routes.target) if each else 0, np.nan)

    def add_busy(self, times: Busy) -> None:
        """Take up steps of which single messages are not known."""
        self.spikes += times.spikes
        self.messages += times.messages
        self.made_in += times.total
        self._often += times.often
        self.passed += times.passed.sum(axis=0)
        self.waited += times.waited.sum(axis=0)

    def receive(self, work: NDArray[Any]) -> None:
        """Add what the cores spent on receiving in all steps so far; once, for it looks at each
        message of the Program.

        Args:
            work: (messages,) seconds that each message of the Program costs its target.
        """
        routes = self.routes
        work = work * np.repeat(self._often, np.diff(routes.start))
        self.worked_in += np.bincount(routes.target, work, routes.cores)
        self._often[:] = 0

    def add(self, times: StepTimes, first_step: int, starts: NDArray[np.float64]) -> None:
        """Take up steps.

        Args:
            times: of them.
            first_step: number of the first one.
            starts: (steps,) when each began, in seconds from the run's start.
        """
        plan, activity = times.plan, times.plan.activity
        self.add_busy(times)
        if not self.each or not len(plan.number):
            return
        delay = times.done - times.fire[plan.spike]
        begins = np.flatnonzero(np.diff(plan.spike, prepend=-1))
        reached = plan.spike[begins]
        self.step.append(activity.step[reached] + first_step)
        self.sender.append(activity.sender[reached])
        self.fired.append(starts[activity.step[reached]] + times.fire[reached])
        self.latency.append(np.maximum.reduceat(delay, begins))
        self.distort(activity.step[plan.spike], plan.number, delay)
        cell = activity.step[plan.spike] * self.routes.cores + self.routes.target[plan.number]
        self.disordered += overtaken(cell, times.fire[plan.spike], times.done)

    def distort(
        self, step: NDArray[np.int64], number: NDArray[np.int64], delay: NDArray[np.float64]
    ) -> None:
        """An interval changes by as much as its second spike is later than its first one was.

        Args:
            step: (messages,) of each, ascending.
            number: (messages,) which message of the Program, less than there are in its Routes.
            delay: (messages,) seconds from firing until it was done.
        """
        bounds = [*np.flatnonzero(np.diff(step, prepend=-1)).tolist(), len(step)]
        for low, high in pairwise(bounds):
            own = number[low:high]
            change = np.abs(delay[low:high] - self._last[own])
            self._last[own] = delay[low:high]
            change = change[~np.isnan(change)]
            self.pairs += len(change)
            self.distortion_sum += float(change.sum())
            self.distortion_max = max(self.distortion_max, float(change.max(initial=0)))


def overtaken(cell: NDArray[np.int64], fire: NDArray[np.float64], done: NDArray[np.float64]) -> int:
    """How many messages were done after one that was fired later, in the same step and core.

    Times count in picoseconds, so that rounding makes no order where there is none.
    """
    fired, ended = (np.rint(times * 1e12).astype(np.int64) for times in (fire, done))
    order = np.lexsort((fired, ended, cell))
    group, fired = cell[order], fired[order]
    # The latest firing so far within the group: groups are lifted apart, then one running maximum.
    lift = (fired.max(initial=0) + 1) * (group - group.min(initial=0))
    return int((fired + lift < np.maximum.accumulate(fired + lift)).sum())
