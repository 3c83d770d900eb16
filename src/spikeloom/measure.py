"""What quantisation does to a network's activity: a device against floating point."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .compiler.program import Probe, Program
from .compiler.simulate import simulate
from .errors import InputError
from .runtime.open import open as open_device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .compiler.network import Network
    from .recording import Result


@dataclass(frozen=True)
class RateError:
    """One population, device against floating point.

    Attributes:
        spikes, reference_spikes: counted on the device and in floating point.
        rmse: root mean square over neurons of the difference of rates, in Hz.
        ratio: spikes / reference_spikes; not a number where the reference has none.
        coincidence: share of both sides' spikes that have a partner of the same neuron on the
            other side within the window; 1 where neither side has any.
    """

    spikes: int
    reference_spikes: int
    rmse: float
    ratio: float
    coincidence: float


@dataclass(frozen=True)
class RateErrors:
    """All populations.

    Attributes:
        populations: name to its errors.
        steps: length of the run.
        window: steps within which spikes coincide.
        device: what was compared with floating point.
    """

    populations: dict[str, RateError]
    steps: int
    window: int
    device: str

    def __str__(self) -> str:
        head = ("population", "spikes", "reference", "ratio", "rate RMSE", "coincidence")
        cells = [head] + [
            (
                name,
                str(e.spikes),
                str(e.reference_spikes),
                f"{e.ratio:.3f}",
                f"{e.rmse:.3g} Hz",
                f"{e.coincidence:.1%}",
            )
            for name, e in self.populations.items()
        ]
        widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
        return "\n".join(
            "  ".join(
                f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}"
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in cells
        )


def rate_errors(
    net: Network,
    program: Program,
    inputs: Mapping[str, Any] | None,
    steps: int,
    device: str = "emulator",
    *,
    window: int = 1,
) -> RateErrors:
    """Run a network in floating point and its Program on a device, with the same input and noise.

    Args:
        net: the network that ``program`` was compiled from.
        program: what the device runs.
        inputs: as for ``Device.run``.
        steps: length of the run, at least 1.
        device: what to open.
        window: steps within which two spikes of a neuron coincide.

    Raises:
        InputError: the network and the Program have different populations, or steps is below 1.
    """
    sizes = {name: p.size for name, p in net.populations.items()}
    compiled = {p.name: p.size for p in program.populations if p.name not in program.generated}
    if sizes != compiled:
        raise InputError(
            "the Program was not compiled from this network", found=compiled, expected=sizes
        )
    if steps < 1:
        raise InputError("a rate needs at least one step", found=steps)
    probes = [Probe(name, "spikes") for name in sizes]
    probed = copy.copy(net)
    probed.probes = probes
    reference = simulate(probed, steps, inputs)
    with open_device(device) as opened:
        opened.load(replace(program, probes=tuple(probes)))
        result = opened.run(steps, inputs=inputs)
    return RateErrors(
        {name: _compare(name, result, reference, window) for name in sizes}, steps, window, device
    )


def _compare(name: str, result: Result, reference: Result, window: int) -> RateError:
    mine, theirs = result.spikes[name], reference.spikes[name]
    difference = result.rates(name) - reference.rates(name)
    hits = _partnered(mine, theirs, window) + _partnered(theirs, mine, window)
    both = len(mine) + len(theirs)
    return RateError(
        spikes=len(mine),
        reference_spikes=len(theirs),
        rmse=float(np.sqrt(np.mean(difference**2))),
        ratio=len(mine) / len(theirs) if len(theirs) else float("nan"),
        coincidence=hits / both if both else 1.0,
    )


def _partnered(events: NDArray[np.int64], others: NDArray[np.int64], window: int) -> int:
    """How many events have one of the others, of the same neuron, within ``window`` steps."""
    if not len(events) or not len(others):
        return 0
    stride = int(max(events[:, 0].max(), others[:, 0].max())) + 2 * window + 1
    key = np.sort(others[:, 1] * stride + others[:, 0])
    own = events[:, 1] * stride + events[:, 0]
    low = np.searchsorted(key, own - window, side="left")
    return int((np.searchsorted(key, own + window, side="right") > low).sum())
