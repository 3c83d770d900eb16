"""Setting up, running, resetting, and the questions about time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyNN import common
from pyNN.common.control import DEFAULT_MAX_DELAY, DEFAULT_MIN_DELAY, DEFAULT_TIMESTEP
from pyNN.recording import get_io

from ..compiler.checks import Reasons
from ..compiler.origin import did_you_mean
from ..compiler.sources import check_seed
from ..errors import NetworkError
from . import simulator

if TYPE_CHECKING:
    from ..compiler.program import Program
    from ..compiler.quantise import Quantization
    from ..compiler.target import Target

_OWN = ("timestep", "min_delay", "max_delay", "device", "target", "quantization", "seed")


def setup(
    timestep: float = DEFAULT_TIMESTEP,
    min_delay: float | str = DEFAULT_MIN_DELAY,
    *,
    device: str = "emulator",
    target: str | Target | None = None,
    quantization: Quantization | None = None,
    seed: int = 0,
    **extra_params: Any,
) -> int:
    """Begin anew; an existing network is dropped.

    Args:
        timestep: ms per step.
        min_delay: ms, or ``"auto"``.
        device: what computes: ``"emulator"``, ``"reference"``, ``"rtl"`` … as for
            :func:`spikeloom.open`, or ``"float"``, the simulation in floating point.
        target: what to compile for; None: what suits the device.
        quantization: how reals become integers; None: scales are chosen automatically.
        seed: uint32, of Poisson sources and noisy currents.
        extra_params: ``max_delay``; what other simulators take (``threads`` …) is ignored, as PyNN
            has it.

    Returns:
        The rank of this process, 0.

    Raises:
        NetworkError: a parameter that is wrong, or nearly one of these names.
        DeviceError: there is no such device.
    """
    reasons = Reasons("setup")
    check_seed(reasons, seed)
    if not isinstance(timestep, (int, float)) or not 0 < timestep < float("inf"):
        reasons.add(f"timestep must be a positive number of ms, got {timestep!r}")
    reasons.done()
    for name in extra_params:
        hint = did_you_mean(name, _OWN)
        if name not in _OWN and hint:
            raise NetworkError(f"setup: no parameter {name!r}", found=name, remedy=hint)
    common.setup(timestep, min_delay, **extra_params)  # type: ignore[arg-type] - PyNN has no types
    simulator.state.configure(timestep, device, target, quantization, seed)
    simulator.state.min_delay = min_delay
    simulator.state.max_delay = extra_params.get("max_delay", DEFAULT_MAX_DELAY)
    return rank()


def end(compatible_output: bool = True) -> None:
    """Write what is to be written at the end, and release the device."""
    state = simulator.state
    for population, variables, filename in state.write_on_end:
        population.write_data(get_io(filename), variables)
    state.write_on_end = []
    state.finish()


def get_program() -> Program:
    """The network as it is now, compiled: save it, run it elsewhere, read its report.

    Raises:
        UnsupportedError: the floating-point device compiles nothing.
    """
    simulator.state.prepare()
    return simulator.state.engine.program()


run, run_until = common.build_run(simulator)
run_for = run
reset = common.build_reset(simulator)
initialize = common.initialize
(
    get_current_time,
    get_time_step,
    get_min_delay,
    get_max_delay,
    num_processes,
    rank,
) = common.build_state_queries(simulator)
