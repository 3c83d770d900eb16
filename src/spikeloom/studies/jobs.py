"""Jobs of a store, done by a pool of workers: a worker that is killed loses nothing."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from ..errors import DeviceError, SpikeloomError

if TYPE_CHECKING:
    from .store import Store

MOST_ATTEMPTS = 3
"""A job whose worker was lost so often has failed: it may well be the cause."""
MOST_LOSSES = 12
"""Workers lost one after the other, without any job done, after which nothing is tried any more."""


@dataclass(frozen=True)
class Task:
    """What workers do.

    Attributes:
        prepare: of a module; gets ``context``, once in each worker.
        work: of a module; gets what ``prepare`` returned and a job's payload, returns JSON data.
        context: what all jobs share.
        key: of this task, by which a worker knows what it has prepared.
    """

    prepare: Callable[[Any], Any]
    work: Callable[[Any, Any], Any]
    context: Any
    key: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Outcome:
    """How a job ended in a worker.

    Attributes:
        number: of the job.
        worker: who.
        result, error: one of them; neither: the worker was lost, and ``reason`` says how.
        seconds: what it took.
    """

    number: int
    worker: str
    result: Any = None
    error: str | None = None
    seconds: float | None = None
    reason: str | None = None


class Pool(Protocol):
    """Workers."""

    def room(self) -> int:
        """How many jobs could be handed in now."""
        ...

    def submit(self, number: int, payload: Any) -> None:
        """Hand a job in."""
        ...

    def wait(self) -> list[Outcome]:
        """At least one that has ended; jobs must be under way."""
        ...


_prepared: dict[str, Any] = {}


def attempt(task: Task, payload: Any) -> tuple[Any, str | None, str, float]:
    """Do one job in this process.

    Returns:
        Result, error text or None, this worker's name, seconds.
    """
    began, name = time.perf_counter(), f"{socket.gethostname()}:{os.getpid()}"
    result, error = None, None
    try:
        if task.key not in _prepared:
            _prepared.clear()
            _prepared[task.key] = task.prepare(task.context)
        result = task.work(_prepared[task.key], payload)
    except SpikeloomError as told:
        error = str(told)
    except Exception as unexpected:
        last = traceback.extract_tb(unexpected.__traceback__)[-1]
        place = f"{os.path.basename(last.filename)}:{last.lineno}"
        error = f"{type(unexpected).__name__}: {unexpected} ({place})"
    return result, error, name, time.perf_counter() - began


def drain(
    store: Store, pool: Pool, progress: Callable[[dict[str, int]], object] | None = None
) -> None:
    """Do all pending jobs of a store.

    Args:
        store: where they are, and what became of them.
        pool: who does them.
        progress: gets the counts by state, whenever something has changed.

    Raises:
        DeviceError: workers are lost one after the other.
    """
    under_way = losses = 0
    while True:
        while pool.room() > 0 and (job := store.take()) is not None:
            pool.submit(*job)
            under_way += 1
        if progress is not None:
            progress(store.counts())
        if not under_way:
            return
        for outcome in pool.wait():
            under_way -= 1
            losses = _end(store, outcome, losses)


def _end(store: Store, outcome: Outcome, losses: int) -> int:
    """Write down how a job ended; returns the workers lost in a row."""
    number, worker, seconds = outcome.number, outcome.worker, outcome.seconds
    if outcome.reason is not None:
        store.lost(number, worker, outcome.reason, MOST_ATTEMPTS)
        if losses + 1 >= MOST_LOSSES:
            raise DeviceError(
                "workers are lost one after the other", found=f"{losses + 1}; {outcome.reason}"
            )
        return losses + 1
    if outcome.error is not None:
        store.failed(number, outcome.error, worker, seconds)
    else:
        store.done(number, outcome.result, worker, seconds or 0.0)
    return 0
