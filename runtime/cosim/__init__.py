"""Devices in lockstep: the first difference, what led to it, and a small case that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...compiler.program import Program
from ...errors import InputError
from ...stimulus import check_steps, make_stimulus
from ..open import open as open_device
from ..symbols import Symbols
from .agreement import Agreement, Measure, compare_spikes, cosim_statistics
from .divergence import Arrival, Divergence
from .lockstep import Lockstep
from .shrink import Reproducer, Shrinker

if TYPE_CHECKING:
    from ..stream import Inputs

__all__ = [
    "Agreement",
    "Arrival",
    "Divergence",
    "Measure",
    "Reproducer",
    "compare_spikes",
    "cosim",
    "cosim_statistics",
    "reproduce",
]


def cosim(
    program: Program | str | Path,
    devices: Sequence[str] = ("reference", "emulator"),
    steps: int = 100,
    inputs: Inputs | None = None,
    progress: Callable[[int], object] | None = None,
) -> Divergence | None:
    """Run a Program on several devices and compare spikes, state and weights.

    Args:
        program: a Program, or the path of a ``.loom`` file.
        devices: two or more addresses for :func:`spikeloom.open`; the first one is compared with
            each of the others.
        steps: how many steps.
        inputs: as for :meth:`Device.run`.
        progress: called with the number of steps that have been compared.

    Returns:
        The first difference, or None where there is none.

    Raises:
        InputError: fewer than two devices, or the input is malformed.
        DeviceError, UnsupportedError: a device cannot be opened.
        FileError: the Program is not valid.
    """
    if len(devices) < 2 or len(set(devices)) != len(devices):
        raise InputError(
            "co-simulation needs two or more different devices", found=", ".join(devices)
        )
    steps = check_steps(steps)
    if not isinstance(program, Program):
        program = Program.load(program)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_device(url)) for url in devices]
        for device in opened:
            device.load(program)
        return Lockstep(program, opened).run(steps, inputs, progress)


def reproduce(
    program: Program,
    divergence: Divergence,
    steps: int,
    inputs: Mapping[str, Any] | None = None,
    seconds: float = 60.0,
) -> Reproducer | None:
    """Make a difference small: the fewest neurons, synapses, inputs and steps that show it.

    What differs stays the same variable on the same two devices; which neuron it is may change.

    Args:
        program: that :func:`cosim` ran.
        divergence: what it found.
        steps, inputs: what it was given.
        seconds: when the search ends at the latest; what it has found by then is the answer. A
            device that compiles a core for each size of Program (``rtl``) may need minutes.

    Returns:
        The small case; None where the difference does not come again when the devices begin anew.
    """
    symbols = Symbols(program)
    stimulus = make_stimulus(
        inputs, steps, symbols.hosts, symbols.graded, symbols.generators, symbols.learning
    )
    devices = tuple(divergence.values)
    return Shrinker(
        program,
        stimulus,
        divergence,
        lambda part, steps, given: cosim(part, devices, steps, given),
        seconds,
    ).search()
