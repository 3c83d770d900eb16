"""Workers of a Dask cluster, known by its scheduler's address."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import DeviceError
from .jobs import Outcome, Task, attempt

if TYPE_CHECKING:
    from types import TracebackType

_JOBS_PER_THREAD = 2
"""Under way for each thread of the cluster, so that none waits for its next one."""
_Self = TypeVar("_Self", bound="DaskPool")


class DaskPool:
    """A cluster; a context manager.

    Args:
        task: what its workers do; they need this package, in the same version.
        address: of the scheduler, ``tcp://host:port``.

    Raises:
        DeviceError: distributed is not installed, or nobody answers.
    """

    def __init__(self, task: Task, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise DeviceError(
                "a cluster needs dask.distributed", remedy="pip install 'spikeloom[explore]'"
            ) from None
        self._dask: Any = distributed
        try:
            self._client = distributed.Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise DeviceError(
                "no Dask scheduler answers", found=str(error)[:200], where=address,
                remedy="start one, 'dask scheduler', and workers, 'dask worker tcp://…'",
            ) from None  # fmt: skip
        self._address = address
        self._jobs: dict[Any, int] = {}
        try:
            self._task = self._client.scatter(task, broadcast=True, hash=False)
        except Exception as error:
            self._client.close()
            raise DeviceError(
                "the cluster does not take the task",
                found=f"{type(error).__name__}: {error}"[:200],
                where=address,
                remedy="start workers: dask worker tcp://…",
            ) from None

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._jobs))
        self._client.close()

    def room(self) -> int:
        """See :class:`.jobs.Pool`.

        Raises:
            DeviceError: the scheduler is gone.
        """
        try:
            known: Any = self._client.nthreads()
        except Exception as error:  # a closed connection, a scheduler that does not answer
            raise self._gone(error) from None
        threads = sum(known.values())
        return max(1, _JOBS_PER_THREAD * threads) - len(self._jobs)

    def submit(self, number: int, payload: Any) -> None:
        """See :class:`.jobs.Pool`."""
        future = self._client.submit(attempt, self._task, payload, pure=False)
        self._jobs[future] = number

    def wait(self) -> list[Outcome]:
        """See :class:`.jobs.Pool`.

        Raises:
            DeviceError: the scheduler is gone.
        """
        try:
            ended = self._dask.wait(list(self._jobs), return_when="FIRST_COMPLETED").done
        except Exception as error:  # cancelled futures, a closed connection
            if self._client.status != "running":
                raise self._gone(error) from None
            ended = {future for future in self._jobs if future.done()}
        return [self._outcome(future) for future in ended]

    def _gone(self, error: Exception) -> DeviceError:
        return DeviceError(
            "the Dask scheduler is gone", found=str(error)[:200], where=self._address,
            remedy="start it and the command again; what is done is kept",
        )  # fmt: skip

    def _outcome(self, future: Any) -> Outcome:
        number = self._jobs.pop(future)
        if future.status != "finished":
            error = future.exception() if future.status == "error" else None
            told = f"{type(error).__name__}: {error}" if error else str(future.status)
            return Outcome(number, self._address, reason=told[:500])
        result, error, name, seconds = future.result()
        return Outcome(number, name, result, error, seconds)
