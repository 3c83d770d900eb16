"""Hold on a simulator's process: requests with time-outs, and its end, whatever happens."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ...errors import DeviceError
from .peer_worker import frames

if TYPE_CHECKING:
    import numpy as np

STARTUP = """\
import runpy, sys
sys.path[:0] = sys.argv[1:]
runpy.run_module("worker", run_name="__main__")"""
QUIT = 10.0
"""Seconds for an orderly end; then it is killed."""


@dataclass(frozen=True)
class Peer:
    """A simulator that runs in an interpreter of its own.

    Attributes:
        name: its own.
        key: of its version in the worker's ``hello``, and the module that the running interpreter
            is searched for.
        part: a folder that the module has; an empty folder of its name is none.
        package: what pip calls it.
        wanted: versions, as users say it.
        prefix: of a version that can be used.
        variable: environment variable that names the interpreter which has it.
        install: commands that install it.
        folder: of the backend, which has ``worker``.
    """

    name: str
    key: str
    part: str
    package: str
    wanted: str
    prefix: str
    variable: str
    install: str
    folder: Path

    @property
    def installer(self) -> str:
        """The command that makes an environment with it."""
        return f"python -m spikeloom.backends.{self.folder.name}.install"

    def find_python(self, given: str | None) -> str:
        """The interpreter that runs it: the one given, the environment's, or this one.

        Raises:
            DeviceError: there is none.
        """
        named = given or os.environ.get(self.variable)
        if named:
            path = shutil.which(named)
            if path is None:
                raise DeviceError(
                    f"the interpreter for {self.name} cannot be run",
                    found=named,
                    expected=f"a Python that has {self.wanted}",
                    where="python=" if given else f"environment variable {self.variable}",
                    remedy=f"install {self.name}: {self.installer} DIR",
                )
            return path
        if not self.is_here():
            version = sys.version.split()[0]
            raise DeviceError(
                f"{self.name} is not installed",
                found=f"Python {version} without {self.package} ({sys.executable})",
                expected=self.wanted,
                remedy=f"{self.install} DIR; then {self.folder.name}?python=DIR/bin/python, or "
                f"{self.variable}",
            )
        return sys.executable

    def is_here(self) -> bool:
        """Whether this interpreter could import it; looks without importing."""
        try:
            spec = importlib.util.find_spec(self.key)
        except (ImportError, ValueError):
            return False
        places = spec.submodule_search_locations if spec else None
        return any((Path(place) / self.part).is_dir() for place in places or ())


class Remote:
    """One worker process.

    Args:
        peer: what it runs.
        python: its interpreter.
        timeout: seconds that an answer may take.

    Raises:
        DeviceError: it cannot be started, or has no such simulator.
    """

    def __init__(self, peer: Peer, python: str, timeout: float) -> None:
        self.peer, self.timeout, self._number = peer, timeout, 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        environment = dict(os.environ)
        if python != sys.executable:
            # What is meant for this interpreter would break another one.
            for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
                environment.pop(name, None)
        try:
            self._process = subprocess.Popen(
                [python, "-c", STARTUP, str(peer.folder), str(Path(__file__).resolve().parent)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,  # so that it can be killed with all that it started
                env=environment,
                bufsize=0,
            )
        except OSError as error:
            self._log.close()
            raise DeviceError(
                f"the interpreter for {peer.name} cannot be started", found=f"{python}: {error}"
            ) from None
        self._end = weakref.finalize(self, _kill, self._process, self._log, os.getpid())
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self.facts, _ = self.ask("hello")
        version = str(self.facts.get(peer.key, ""))
        if not version.startswith(peer.prefix):
            self.kill()
            raise DeviceError(
                f"the interpreter has no {peer.name} that can be used",
                found=f"{python}: {self.facts.get('missing') or f'{peer.package} {version}'}",
                expected=peer.wanted,
                remedy=f"install it: {peer.install} DIR",
            )

    @property
    def pid(self) -> int:
        """Of the worker, and of the session that all its processes belong to."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._end.alive

    def ask(
        self,
        what: str,
        header: dict[str, Any] | None = None,
        arrays: dict[str, np.ndarray] | None = None,
        timeout: float | None = None,
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """One request and its answer.

        Raises:
            DeviceError: the worker failed, ended or took too long; it has been ended then.
        """
        if not self.alive:
            raise DeviceError(
                f"{self.peer.name} is not running any more", remedy="load the Program again"
            )
        self._number += 1
        request = {**(header or {}), "do": what, "id": self._number}
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        try:
            for part in frames.pack(request, arrays):
                self._write(part, deadline, what)
            while True:
                told, found = self._answer(deadline, what)
                if told.get("id") == self._number:  # others are of requests that were interrupted
                    break
        except (OSError, frames.FrameError) as error:
            raise self._failed(
                f"the process that runs {self.peer.name} failed: {error}", what
            ) from None
        if "error" in told:
            trace = str(told.get("trace", ""))
            raise self._failed(f"{self.peer.name} failed: {told['error']}", what, trace)
        return told, found

    def _answer(self, deadline: float, what: str) -> Any:
        sizes = frames.lengths(self._read(frames.PREFIX.size, deadline, what))
        text, body = (self._read(size, deadline, what) for size in sizes)
        return frames.unpack(text, body)

    def _write(self, part: bytes, deadline: float, what: str) -> None:
        view = memoryview(part)
        while view:
            self._wait([], [self._to], deadline, what)
            try:
                view = view[os.write(self._to, view[: 1 << 16]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._failed(f"the process that runs {self.peer.name} ended", what) from None

    def _read(self, count: int, deadline: float, what: str) -> bytes:
        parts, left = [], count
        while left:
            self._wait([self._from], [], deadline, what)
            part = os.read(self._from, min(left, 1 << 20))
            if not part:
                raise self._failed(f"the process that runs {self.peer.name} ended", what)
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _wait(self, read: list[int], write: list[int], deadline: float, what: str) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not any(select.select(read, write, [], left)[:2]):
            raise self._failed(
                f"{self.peer.name} did not answer within {self.timeout:g} s",
                what,
                remedy=f"{self.peer.folder.name}?timeout=SECONDS, if it only needs longer; "
                "load the Program again",
            )

    def _failed(
        self, problem: str, what: str, trace: str = "", remedy: str | None = None
    ) -> DeviceError:
        told = trace or self._last_words()
        self.kill()
        return DeviceError(
            problem,
            found="\n    ".join(["", *told.splitlines()[-12:]]) if told.strip() else None,
            where=f"request {what!r}",
            remedy=remedy or "load the Program again",
        )

    def _last_words(self) -> str:
        """The end of what was written to standard error."""
        with contextlib.suppress(OSError, ValueError):
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(size - 4000, 0))
            return self._log.read().decode(errors="replace")
        return ""

    def close(self) -> None:
        """End it, in good order if it can be, and everything that it started."""
        if self.alive:
            with contextlib.suppress(DeviceError):
                self.ask("quit", timeout=min(QUIT, self.timeout))
        self.kill()

    def kill(self) -> None:
        """End it and everything that it started, at once."""
        self._end()


def _kill(process: subprocess.Popen[bytes], log: IO[bytes], owner: int) -> None:
    if os.getpid() != owner:  # a fork of ours has no say
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(QUIT)
    log.close()


def seconds(value: str | float) -> float:
    """An option that is a time.

    Raises:
        DeviceError: it is none.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = 0.0
    if not 0 < found < 1e9:
        raise DeviceError("timeout is no time", found=repr(value), expected="seconds, more than 0")
    return found
