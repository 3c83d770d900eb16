"""The thread that a viewed device belongs to: it runs windows and obeys the pages in between."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError, InputError, SpikeloomError, UnsupportedError
from ..stimulus import MAX_RUN_STEPS
from .feed import Feed, Watched
from .pictures import Pictures

if TYPE_CHECKING:
    from ..recording import Result
    from ..runtime.device import Device
    from .facts import Shown
    from .inputs import Feeder

WINDOW = 0.03
"""Seconds that a window of steps should take: as often does the runner look for commands."""
MOST_WATCHED = 6
_MOST_STEPS, _MOST_NEURON_STEPS = 4096, 2_000_000
_MOST_COMMANDS = 64


class Runner(threading.Thread):
    """Runs a device in windows; everything that touches the device happens in this thread.

    Args:
        device: with a Program.
        shown: whose spikes are recorded.
        feeder: its input.
        speed: steps per second; None: as fast as it goes.
    """

    def __init__(self, device: Device, shown: Shown, feeder: Feeder, speed: float | None) -> None:
        super().__init__(name="spikeloom view", daemon=True)
        self._device, self._shown, self._feeder = device, shown, feeder
        self._base = device.step
        self._commands: queue.Queue[tuple[Callable[[], Any], Future[Any]] | None] = queue.Queue(
            _MOST_COMMANDS
        )
        self._ending = threading.Event()
        self._running, self._goal = False, self._first_goal()
        self._stream: Iterator[Result] | None = None
        self._every, self._capacity = 1, 0.0
        self._due = 0.0
        self._marks: deque[tuple[float, int]] = deque(maxlen=100)
        self._told_at = 0.0
        self._warned: dict[str, tuple[int, str]] = {}
        self.failure: BaseException | None = None
        self.pictures = Pictures(device)
        self.feed = Feed(
            shown,
            {
                "state": "paused",
                "note": "",
                "speed": speed,
                "rate": 0.0,
                "learning": device.learning,
                "warnings": [],
                "error": "",
                "picture": 0,
            },
        )
        self.feed.clear(device.step)
        self._speed = speed
        self.watch([])

    def _first_goal(self) -> int | None:
        """The step at which the input ends."""
        steps = None if self._feeder.repeat else self._feeder.steps
        return None if steps is None else self._base + steps

    # ------------------------------------------------------------------ from other threads

    def ask(self, what: Callable[[], Any], patience: float = 30.0) -> Any:
        """Have something done between two windows, and its result.

        Raises:
            SpikeloomError: what it raised, or the runner failed or is busy.
        """
        done: Future[Any] = Future()
        try:
            self._commands.put_nowait((what, done))
        except queue.Full:
            raise DeviceError("the device is busy", found="too many commands") from None
        deadline = time.monotonic() + patience
        while not wait([done], timeout=0.2).done:
            if not self.is_alive():
                self._refuse_the_rest()
            elif time.monotonic() > deadline:
                raise DeviceError(
                    "the device is busy", found=f"no window of steps ended within {patience:g} s"
                )
        return done.result()

    def end(self) -> None:
        """Ask the thread to end after the present window, and wait for it."""
        self._ending.set()
        with contextlib.suppress(queue.Full):
            self._commands.put_nowait(None)
        if self.is_alive():
            self.join()

    # ------------------------------------------------------------------ the thread

    def run(self) -> None:
        """Windows and commands, until the end or a failure."""
        try:
            while not self._ending.is_set():
                self._obey()
                if self._running and not self._ending.is_set():
                    self._window()
        except Exception as error:
            self.failure = error
            self.feed.tell(state="failed", error=str(error) or type(error).__name__)
        finally:
            self._refuse_the_rest()

    def _refuse_the_rest(self) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            if command is not None:
                ended = DeviceError("the view has ended", found=str(self.failure or "") or None)
                command[1].set_exception(ended)

    def _obey(self) -> None:
        """All commands that wait; the next one as well while nothing is to be run yet."""
        while True:
            left = max(0.0, self._due - time.monotonic()) if self._running else 0.5
            left = min(left, threading.TIMEOUT_MAX)
            try:
                command = self._commands.get(timeout=left) if left else self._commands.get_nowait()
            except queue.Empty:
                return
            if command is None:
                return
            what, done = command
            try:
                done.set_result(what())
            except BaseException as error:
                done.set_exception(error)
                if not isinstance(error, SpikeloomError):
                    raise

    def _window(self) -> None:
        every = self._window_steps()
        if self._stream is None or every != self._every:
            left = MAX_RUN_STEPS if self._goal is None else self._goal - self._device.step
            self._every = every
            self._stream = self._device.stream(left, self._input, every=every)
        begun = time.monotonic()
        # Filters of warnings belong to the whole process; they are ours while a window runs.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = next(self._stream)
        ended = time.monotonic()
        self._measure(result.steps, begun, ended)
        self._tell_warnings(caught)
        self.feed.add(result)
        if self._device.step == self._goal:
            self._reached()
        self._show(paused=not self._running)

    def _tell_warnings(self, caught: list[warnings.WarningMessage]) -> None:
        """The newest of each kind, and how many there have been."""
        for warning in caught:
            count = self._warned.get(warning.category.__name__, (0, ""))[0]
            self._warned[warning.category.__name__] = (count + 1, str(warning.message))
        if caught:
            told = [f"{text} ({n:,} so far)" for n, text in self._warned.values()]
            self.feed.tell(warnings=told)

    def _input(self, start: int, steps: int) -> Any:
        return self._feeder(start - self._base, steps)

    def _window_steps(self) -> int:
        """As many steps as take about ``WINDOW`` seconds; a power of two, so that it stays."""
        neurons = max(self._device.program.neurons, 1)
        most = min(_MOST_STEPS, max(1, _MOST_NEURON_STEPS // neurons), self._capacity * WINDOW)
        if self._speed is not None:
            most = min(most, self._speed * WINDOW)
        return 1 << max(0, int(most).bit_length() - 1)

    def _measure(self, steps: int, begun: float, ended: float) -> None:
        able = steps / max(ended - begun, 1e-6)
        self._capacity = able if not self._capacity else 0.8 * self._capacity + 0.2 * able
        if self._speed is not None:
            # What is late is not made up for, or a slow second would be followed by a burst.
            self._due = max(self._due, begun - WINDOW) + steps / self._speed
        self._marks.append((ended, self._device.step))
        while len(self._marks) > 2 and ended - self._marks[0][0] > 1.0:
            self._marks.popleft()
        (first, low), (last, high) = self._marks[0], self._marks[-1]
        if ended - self._told_at > 0.2 and last > first:
            self._told_at = ended
            self.feed.tell(rate=(high - low) / (last - first))

    def _reached(self) -> None:
        """The end of the input, or of the steps that were asked for."""
        ended = self._goal == self._first_goal()
        self._halt("the input ends here; Start goes on without" if ended else "")

    def _halt(self, note: str = "") -> None:
        self._running, self._stream, self._goal = False, None, None
        self._marks.clear()
        self.feed.tell(state="paused", note=note, rate=0.0)

    def _show(self, paused: bool) -> None:
        if self.pictures.refresh(self._device, now=paused):
            self.feed.tell(picture=self.pictures.number)

    # ------------------------------------------------------------------ commands, in the thread

    def go(self) -> None:
        """Run until told otherwise, or until the input ends."""
        first = self._first_goal()
        ahead = first is not None and self._device.step < first
        self._set_off(first if ahead else None)

    def pause(self) -> None:
        """Stop after the present window."""
        if self._running:
            self._halt()
        self._show(paused=True)

    def advance(self, steps: int) -> None:
        """Run exactly so many steps, then pause."""
        if not 1 <= steps <= MAX_RUN_STEPS:
            raise InputError(
                "the number of steps is wrong", found=steps, expected="an integer from 1"
            )
        self._set_off(self._device.step + steps)

    def _set_off(self, goal: int | None) -> None:
        self._running, self._goal, self._stream = True, goal, None
        self._due = time.monotonic()
        self.feed.tell(state="running", note="")

    def reset(self, weights: bool) -> None:
        """Back to step 0, paused; the weights stay unless told."""
        self._halt()
        self._device.reset(weights=weights)
        self._base, self._goal = 0, None
        self._warned.clear()
        self.feed.tell(warnings=[])
        self.feed.clear(0)
        self.pictures.stale()
        self._show(paused=True)

    def hurry(self, speed: float | None) -> None:
        """Aim at so many steps per second; None: as many as go."""
        self._speed, self._due = speed, time.monotonic()
        self.feed.tell(speed=speed)

    def learn(self, on: bool) -> None:
        """Let the rules change synapses, or not."""
        if not self._device.program.rules:
            raise UnsupportedError("nothing in this Program learns")
        self._stream = None
        self._device.learning = on
        self.feed.tell(learning=on)

    def watch(self, neurons: list[tuple[str, int]]) -> None:
        """Record the membranes of these neurons (population, index), and no others."""
        if len(neurons) > MOST_WATCHED:
            raise InputError(
                "too many neurons to watch", found=len(neurons), expected=f"{MOST_WATCHED} or fewer"
            )
        program = self._device.program
        chosen: dict[str, list[int]] = {}
        for name, index in dict.fromkeys(neurons):
            chosen.setdefault(name, []).append(index)
        probes = {name: ["spikes"] for name in self._shown.names}
        for name in chosen:
            probes.setdefault(name, []).append("v")
        self._device.watch(probes, chosen)
        watched = []
        for name, index in dict.fromkeys(neurons):
            population = program.population(name)
            assert population is not None, "the device has checked the name"
            core = program.cores[population.core[index]]
            slot = population.slot[index]
            fires = core.profiles["spiking"][core.profile[slot]]
            threshold = int(core.threshold[slot]) if fires else None
            watched.append(Watched(name, index, float(population.scale[index]), threshold))
        self.feed.watch(tuple(watched))

    def picture(self, projection: str, kind: str) -> None:
        """Show the weights of this projection."""
        self.pictures.choose(self._device, projection, kind)
        self._show(paused=True)
        self.feed.tell(picture=self.pictures.number)  # none is news, too
