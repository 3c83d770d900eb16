"""Requests from standard input, answers on what was standard output."""

from __future__ import annotations

import os
import select
import threading
import time
import traceback
from typing import Any

import numpy as np

from . import frames

POLL = 0.2
"""Seconds between two looks at whether everybody is still there."""


class Worker:
    """One request after the other; a second thread watches over parent and children.

    Requests are methods ``do_…``, which take header and arrays and return what is told and found.
    """

    name = "the simulator"

    def __init__(self) -> None:
        # What the simulator prints must not get among the frames.
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._parent = os.getppid()
        self._lock = threading.Lock()
        self._busy: int | None = None
        self._children: list[Any] = []
        _lifeline()

    def serve(self) -> None:
        """Until the parent says so or goes away."""
        threading.Thread(target=self._guard, daemon=True).start()
        while True:
            prefix = _read(frames.PREFIX.size)
            sizes = frames.lengths(prefix)
            header, arrays = frames.unpack(_read(sizes[0]), _read(sizes[1]))
            self._busy = header["id"]
            try:
                told, found = getattr(self, f"do_{header['do']}")(header, arrays)
            except Exception as error:
                self._stopped()
                text = "".join(traceback.format_exception(error))
                told, found = {"error": f"{type(error).__name__}: {error}", "trace": text}, {}
            self._answer(header["id"], told, found)
            self._busy = None
            if header["do"] == "quit":
                os._exit(0)

    def _answer(self, number: int, told: dict[str, Any], found: dict[str, np.ndarray]) -> None:
        with self._lock:
            for part in frames.pack({"id": number, **told}, found):
                view = memoryview(part)
                while view:
                    view = view[os.write(self._out, view) :]

    def _guard(self) -> None:
        hangup = select.poll()
        hangup.register(0, 0)  # asks for nothing but that the other end was closed
        while True:
            time.sleep(POLL)
            if os.getppid() != self._parent or hangup.poll(0):
                os._exit(1)  # the lifeline takes the simulator's processes along
            busy, dead = self._busy, [a for a in self._children if not a.is_alive()]
            if busy is not None and dead:
                self._answer(busy, {"error": f"a process of {self.name}'s ended", "trace": ""}, {})
                os._exit(1)

    def _stopped(self) -> None:
        self._children = []


def _read(count: int) -> bytes:
    """Exactly that many bytes; ends the process at the end of the input."""
    parts, left = [], count
    while left:
        part = os.read(0, min(left, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _lifeline() -> None:
    """Every process that is forked from now on ends when this one does, however it ends."""
    here, there = os.pipe()

    def hold() -> None:
        os.read(here, 1)  # returns when the last writing end is closed
        os._exit(1)

    def in_child() -> None:
        os.close(there)
        threading.Thread(target=hold, daemon=True).start()

    os.register_at_fork(after_in_child=in_child)
