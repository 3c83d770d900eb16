"""What computes: one interface for the devices of the runtime and the floating-point simulation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..compiler.origin import did_you_mean
from ..errors import DeviceError, UnsupportedError
from ..runtime.open import ADDRESSED, BACKENDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ..compiler.program import Program
    from ..compiler.quantise import Quantization
    from ..compiler.target import Target
    from .plan import Links, Plan

FLOAT = "float"
"""The device that simulates in floating point."""


@dataclass(frozen=True, eq=False)
class Output:
    """What a run brought back; steps count from the run's first step.

    Attributes:
        spikes: population -> (n, 2) step and index, sorted. A spike of step k has the time
            (k + 1) dt: the state crossed the threshold at the end of the step.
        states: population -> variable -> (steps, size) in PyNN's units, at the ends of the steps.
    """

    spikes: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    states: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)


class Engine(Protocol):
    """A device, as this front end uses it.

    Attributes:
        url: how the user called it.
        cell_types, synapse_types: names of the PyNN models that it runs.
        max_delay: longest delay in steps; None: any.
    """

    url: str
    cell_types: frozenset[str]
    synapse_types: frozenset[str]
    max_delay: int | None

    def load(self, plan: Plan) -> None:
        """Take a network and go to its beginning."""
        ...

    def update(self, plan: Plan) -> None:
        """Take a changed network and go on from the present state of all that is still there."""
        ...

    def run(
        self,
        steps: int,
        spikes: Mapping[str, NDArray[np.int64]],
        currents: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]],
        record: Mapping[str, tuple[str, ...]],
    ) -> Output:
        """Compute.

        Args:
            steps: how many.
            spikes: of each Trains, (n, 2) step and index.
            currents: population -> (m,) indices and (steps, m) nA during each step.
            record: population -> variables; the same as in the plan.
        """
        ...

    def read_weights(self, name: str) -> NDArray[np.float64]:
        """(k,) weights of Links now, in their order and PyNN's units."""
        ...

    def write_weights(self, links: Links) -> None:
        """Take the weights (and the version) of Links that are otherwise as they were."""
        ...

    def write_state(
        self, name: str, variable: str, index: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        """Set a state variable of some neurons now, in PyNN's units."""
        ...

    def program(self) -> Program:
        """The compiled network.

        Raises:
            UnsupportedError: this engine compiles nothing.
        """
        ...

    def close(self) -> None:
        """Release the device."""
        ...


def open_engine(
    device: str,
    target: str | Target | None = None,
    quantization: Quantization | None = None,
) -> Engine:
    """Open what ``setup(device=…)`` names.

    Raises:
        DeviceError: there is no such device.
        UnsupportedError: options that the floating-point simulation does not have.
    """
    if device == FLOAT:
        if target is not None or quantization is not None:
            raise UnsupportedError(
                "the floating-point device compiles nothing",
                found="target" if target is not None else "quantization",
                remedy='leave it out, or choose device="emulator"',
            )
        from .floating.engine import FloatEngine

        return FloatEngine()
    known = [*BACKENDS, *ADDRESSED, FLOAT]
    scheme = str(device).partition("?")[0].partition(":")[0]
    if scheme not in known:
        raise DeviceError(
            "no such device",
            found=repr(device),
            expected="one of " + ", ".join(known),
            where="setup(device=…)",
            remedy=did_you_mean(scheme, known),
        )
    from .integer import IntegerEngine

    return IntegerEngine(device, target, quantization)
