"""A local web page that shows a network while it runs on a device (docs/view.md)."""

from __future__ import annotations

import contextlib
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError, InputError, SpikeloomError
from ..runtime.device import Device
from ..runtime.open import open as open_device
from .facts import Shown, describe
from .inputs import Feeder
from .runner import Runner
from .server import PageServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..compiler.program import Program
    from .inputs import Given

LINGER = 3.0
"""Seconds after the last page was closed until a view ends: time to load the page again."""


def view(
    program: Program | str | Path,
    device: str | Device = "emulator",
    *,
    inputs: Given = None,
    steps: int | None = None,
    repeat: bool = False,
    speed: float | None = None,
    start: bool = False,
    port: int = 0,
) -> View:
    """Show a network while it runs, on a web page of this machine.

    Args:
        program: a Program, or the ``.loom`` file of one.
        device: its address, or an open Device; that is the view's alone until the view ends, and
            goes on from where it is if this Program is loaded on it.
        inputs: as for :meth:`Device.run`; steps count from the first that is viewed, or from the
            last reset. Or a function ``(start, steps) -> mapping or None`` that is asked before
            each window of steps, in a thread of the view.
        steps: length of the inputs. The view pauses there, and goes on without input.
        repeat: begin the inputs again instead.
        speed: steps per second at first; None: those of real time, ``1 / dt``; ``math.inf``: as
            many as go.
        start: run at once; otherwise the page's Start does it.
        port: where the page is served; 0 takes a free port.

    Returns:
        The view, which runs in threads of its own: ``with spikeloom.view(program) as live:
        print(live.url); live.wait()``.

    Raises:
        DeviceError: the device cannot be opened, or the port is taken.
        InputError: the inputs are malformed.
    """
    return View(program, device, inputs, steps, repeat, speed, start, port)


class View:
    """A page of this machine, and what runs behind it; made by :func:`spikeloom.view`.

    A context manager; leaving it ends the view and closes the device, if the view opened it.

    Attributes:
        url: of the page; the part after the port is a secret of this view.
    """

    def __init__(
        self,
        program: Program | str | Path,
        device: str | Device,
        inputs: Given,
        steps: int | None,
        repeat: bool,
        speed: float | None,
        start: bool,
        port: int,
    ) -> None:
        self._closed = False
        with contextlib.ExitStack() as stack:
            if isinstance(device, Device):
                opened = device
            else:
                opened = stack.enter_context(open_device(device))
            title = Path(program).name if isinstance(program, (str, Path)) else "Network"
            _load(opened, program)
            program = opened.program
            shown = Shown.of(program)
            if speed is None:
                speed = 1.0 / program.dt
            stack.callback(_stop_watching, opened)
            self._runner = Runner(
                opened, shown, Feeder(program, inputs, steps, repeat), _speed(speed)
            )
            self._server = PageServer(
                port,
                describe(program, title, opened.url),
                self._runner.feed.news,
                self._runner.pictures.newest,
                self._command,
            )
            self._stack = stack.pop_all()
        self.url = self._server.url
        self._serving = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="spikeloom page", daemon=True
        )
        if start:
            self._runner.go()
        self._runner.start()
        self._serving.start()

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, stop: threading.Event | None = None, linger: float | None = LINGER) -> None:
        """Return when the last page has been closed.

        Args:
            stop: returns when this is set, too.
            linger: seconds that a page may be gone before it counts as closed; None: for ever.

        Raises:
            SpikeloomError: what ended the run, for instance a device that failed.
        """
        stop = stop or threading.Event()
        while not stop.wait(0.1) and not self._closed:
            if self._runner.failure is not None:
                stop.wait(1.0)  # so that open pages can say why
                raise self._runner.failure
            if linger is not None and self._server.pages.deserted_for() > linger:
                return

    def close(self) -> None:
        """End the view; the page says so. Closing twice is allowed."""
        if self._closed:
            return
        self._closed = True
        self._runner.end()
        if self._runner.failure is None:
            self._runner.feed.tell(state="ended")
        self._server.shutdown()
        self._server.server_close()
        self._serving.join()
        self._stack.close()

    def _command(self, given: dict[str, Any]) -> None:
        """Carry out what a page asks for.

        Raises:
            InputError: it is no command.
            SpikeloomError: it cannot be done.
        """
        self._runner.ask(_meant(self._runner, given))


def _meant(runner: Runner, given: dict[str, Any]) -> Callable[[], Any]:
    """The call that a page's command means."""

    def item(name: str, *kinds: type) -> Any:
        value = given.get(name)
        if type(value) not in kinds:  # nor a subclass: a boolean is no integer
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise InputError("malformed command", found=f"{name}: {value!r}", expected=expected)
        return value

    what = given.get("do")
    if what == "start":
        return runner.go
    if what == "pause":
        return runner.pause
    if what == "step":
        steps = item("steps", int)
        return lambda: runner.advance(steps)
    if what == "reset":
        weights = item("weights", bool)
        return lambda: runner.reset(weights)
    if what == "speed":
        speed = None
        if given.get("speed") is not None:
            # An integer of JSON may be longer than any number can be.
            speed = _speed(max(0.0, min(item("speed", int, float), 1e9)))
        return lambda: runner.hurry(speed)
    if what == "learning":
        on = item("on", bool)
        return lambda: runner.learn(on)
    if what == "watch":
        neurons = [_neuron(entry) for entry in item("neurons", list)]
        return lambda: runner.watch(neurons)
    if what == "picture":
        projection, kind = item("projection", str), item("kind", str)
        return lambda: runner.picture(projection, kind)
    raise InputError("there is no such command", found=repr(what))


def _neuron(entry: Any) -> tuple[str, int]:
    if not (isinstance(entry, list) and list(map(type, entry)) == [str, int]):
        raise InputError("malformed command", found=repr(entry), expected="[population, index]")
    return entry[0], entry[1]


def _speed(speed: float) -> float | None:
    """Steps per second; None: as many as go."""
    if not speed > 0:
        raise InputError(
            "this is no speed", found=f"{speed:g}", expected="a number of steps per second above 0"
        )
    return None if math.isinf(speed) else float(speed)


def _load(device: Device, program: Program | str | Path) -> None:
    """Load it, unless it is there: then the device goes on from where it is."""
    from ..compiler.program import Program

    if isinstance(program, (str, Path)):
        program = Program.load(program)
    try:
        loaded = device.program.content_hash
    except DeviceError:
        loaded = ""  # nothing yet; that the device is closed will be said by load
    if not isinstance(program, Program) or loaded != program.content_hash:
        device.load(program)


def _stop_watching(device: Device) -> None:
    """Give the Program's probes back; a device that failed has none to give."""
    with contextlib.suppress(SpikeloomError):
        device.watch(None)
