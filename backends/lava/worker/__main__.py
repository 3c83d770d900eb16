"""The worker: reads requests from standard input, answers on what was standard output."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
import traceback
import warnings
from typing import Any

import numpy as np

from . import frames, python311

POLL = 0.2
"""Seconds between two looks at whether everybody is still there."""


class Worker:
    """One request after the other; a second thread watches over parent and children."""

    def __init__(self) -> None:
        # What Lava prints must not get among the frames.
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._parent = os.getppid()
        self._lock = threading.Lock()
        self._simulation: Any = None
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
                os._exit(1)  # the lifeline takes Lava's processes along
            busy, dead = self._busy, [a for a in self._children if not a.is_alive()]
            if busy is not None and dead:
                self._answer(busy, {"error": "a process of Lava's ended", "trace": ""}, {})
                os._exit(1)

    def _stopped(self) -> None:
        self._children, self._simulation = [], None

    # ------------------------------------------------------------------ requests

    def do_hello(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Import Lava, and say which; ``missing`` says why it cannot be imported."""
        import importlib.metadata

        from .memory import use_anonymous_memory

        try:
            use_anonymous_memory()
        except ImportError as error:
            return {"missing": str(error)}, {}
        return {
            "lava": importlib.metadata.version("lava-nc"),
            "python": sys.version.split()[0],
            "numpy": np.__version__,
        }, {}

    def do_build(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Make the processes, and start them."""
        from .simulation import Simulation

        self.do_stop(header, arrays)
        simulation = Simulation(header, arrays)
        simulation.start()
        self._simulation, self._children = simulation, simulation.actors()
        return {"processes": len(self._children), "pids": [a.pid for a in self._children]}, {}

    def do_stop(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """End Lava's processes."""
        simulation = self._simulation
        self._stopped()
        if simulation is not None:
            simulation.stop()
        return {}, {}

    def do_write(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Go on from another state."""
        self._simulation.write(arrays)
        return {}, {}

    def do_learning(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Let rules change weights, or not."""
        self._simulation.on[0] = header["on"]
        return {}, {}

    def do_read(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """The state."""
        return {}, self._simulation.state()

    def do_run(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """One window; ``record`` has the neurons whose u and v are wanted."""
        simulation, steps = self._simulation, header["steps"]
        simulation.run(steps, arrays)
        alarms = [simulation.alarm(group) for group in range(len(simulation.groups))]
        step, neuron = np.nonzero(simulation.spikes[:steps])
        wanted = arrays["record"]
        return {"alarms": [a for a in alarms if a is not None]}, {
            "step": step,
            "neuron": neuron,
            "u": simulation.u_rows[:steps, wanted].astype(np.float64),
            "v": simulation.v_rows[:steps, wanted].astype(np.float64),
        }

    def do_quit(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """End, with Lava's processes."""
        return self.do_stop(header, arrays)


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


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Lava's own deprecations are no news to anybody here.
    python311.prepare()
    Worker().serve()
