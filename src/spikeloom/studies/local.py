"""Workers as processes of this computer, each replaced when it dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InputError
from .jobs import Outcome, Task, attempt

if TYPE_CHECKING:
    from types import TracebackType

MOST_WORKERS = 1024
_Self = TypeVar("_Self", bound="LocalPool")


@dataclass
class _Worker:
    process: Any
    line: Connection
    number: int | None = None

    @property
    def name(self) -> str:
        return f"pid {self.process.pid}"


class LocalPool:
    """Processes with interpreters of their own; a context manager.

    Args:
        task: what they do. A script that uses this must guard what it does at its top level with
            ``if __name__ == "__main__":``, since each worker imports it.
        workers: how many; None: one for each processor that this process may use.

    Raises:
        InputError: their number is none.
    """

    def __init__(self, task: Task, workers: int | None = None) -> None:
        count = _processors() if workers is None else workers
        if not 1 <= count <= MOST_WORKERS:
            raise InputError(
                "this is no number of workers", found=count, expected=f"1 to {MOST_WORKERS}"
            )
        self._task, self._count = task, count
        # Not forked: a fork of a process with threads may stand still for ever.
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            if worker.number is not None:
                worker.process.kill()
            worker.line.close()  # an idle worker reads the end of its jobs, and ends
        for worker in self._workers:
            worker.process.join()
            worker.process.close()
        self._workers.clear()

    def room(self) -> int:
        """Workers without a job, and those that could be started."""
        busy = sum(worker.number is not None for worker in self._workers)
        return self._count - busy

    def submit(self, number: int, payload: Any) -> None:
        """Give a job to a worker, which is started where all are at work."""
        for worker in [w for w in self._workers if w.number is None]:
            if self._give(worker, number, payload):
                return
        worker = self._start()
        worker.number = number
        with contextlib.suppress(OSError):  # if it is dead already, wait() finds it so
            worker.line.send(payload)

    def _give(self, worker: _Worker, number: int, payload: Any) -> bool:
        """Whether the worker took the job; one that died while it was idle did not."""
        try:
            worker.line.send(payload)
        except OSError:
            self._bury(worker)
            return False
        worker.number = number
        return True

    def _start(self) -> _Worker:
        mine, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._task), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, mine)
        self._workers.append(worker)
        return worker

    def wait(self) -> list[Outcome]:
        """See :class:`.jobs.Pool`."""
        busy = {worker.line: worker for worker in self._workers if worker.number is not None}
        found = []
        for line in wait(list(busy)):
            worker = busy[line]  # type: ignore[index]
            number = worker.number
            assert number is not None
            try:
                result, error, name, seconds = worker.line.recv()
                found.append(Outcome(number, name, result, error, seconds))
                worker.number = None
            except (EOFError, OSError):
                name, code = worker.name, self._bury(worker)
                found.append(Outcome(number, name, reason=f"{name} ended with {_ending(code)}"))
        return found

    def _bury(self, worker: _Worker) -> int | None:
        self._workers.remove(worker)
        worker.line.close()
        worker.process.join(5)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        code = worker.process.exitcode
        worker.process.close()
        return code


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _serve(line: Connection, task: Task) -> None:
    """What a worker does: one job after the other, until nobody is there to give it one."""
    # Ctrl-C goes to the whole group; who gives the jobs decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):
        while True:
            line.send(attempt(task, line.recv()))
