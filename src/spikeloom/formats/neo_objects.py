"""Results as Neo objects, and spike trains from Neo as input; needs neo (``spikeloom[pynn]``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, UnsupportedError
from .binning import steps_of, unique_events

if TYPE_CHECKING:
    import neo
    from numpy.typing import NDArray

    from ..recording import Result


def _neo() -> tuple[Any, Any]:
    try:
        import neo
        import quantities
    except ImportError:
        raise UnsupportedError(
            "neo is not installed", remedy="pip install 'spikeloom[pynn]', or pip install neo"
        ) from None
    return neo, quantities


def to_neo(result: Result) -> neo.Block:
    """A Block with one Segment: a SpikeTrain for each neuron, an AnalogSignal for each state.

    Trains are annotated with ``source_population`` and ``source_index``; a spike's time is that of
    its step's beginning, counted from the last reset. Signals are dimensionless.

    Raises:
        UnsupportedError: neo is not installed.
    """
    neo, quantities = _neo()
    start, dt = result.start * result.dt, result.dt
    segment = neo.Segment(name=f"steps {result.start} to {result.start + result.steps}")
    for name, events in result.spikes.items():
        order = np.argsort(events[:, 1], kind="stable")
        times = start + events[order, 0] * dt
        ends = np.searchsorted(events[order, 1], np.arange(result.sizes[name] + 1))
        for index in range(result.sizes[name]):
            train = neo.SpikeTrain(
                times[ends[index] : ends[index + 1]],
                units="s",
                t_start=start * quantities.s,
                t_stop=(result.start + result.steps) * dt * quantities.s,
                name=f"{name}[{index}]",
                source_population=name,
                source_index=index,
            )
            segment.spiketrains.append(train)
    for name, variables in result.states.items():
        for variable, values in variables.items():
            signal = neo.AnalogSignal(
                np.asarray(values),
                units="dimensionless",
                t_start=start * quantities.s,
                sampling_period=dt * quantities.s,
                name=f"{name}.{variable}",
                source_population=name,
            )
            segment.analogsignals.append(signal)
    block = neo.Block(name=result.device)
    block.segments.append(segment)
    return block


def from_neo(
    trains: Any, dt: float, steps: int | None = None, *, population: str | None = None
) -> tuple[NDArray[np.int64], int]:
    """Spike trains as input of a source.

    Neuron ``i`` is the train annotated with ``source_index=i``, where all are so annotated; else
    the i-th train. A time t falls into step ``floor(t / dt)``; what falls together is told.

    Args:
        trains: a ``neo.Segment``, or SpikeTrains.
        dt: length of a step in seconds.
        steps: length of the run; None: up to the last spike.
        population: only trains annotated with this ``source_population``.

    Returns:
        (k, 2) int64 of step and index, sorted, each once; and the number of steps.

    Raises:
        InputError: there are no trains, or a spike is before time 0.
    """
    listed: list[Any] = list(getattr(trains, "spiketrains", trains))
    if population is not None:
        listed = [t for t in listed if t.annotations.get("source_population") == population]
    if not listed or not all(hasattr(train, "annotations") for train in listed):
        raise InputError(
            "there are no spike trains",
            found=f"{type(trains).__name__} with {len(listed)} entries",
            expected="a neo.Segment, or a list of neo.SpikeTrain",
        )
    indices = _indices(listed)
    index = np.repeat(indices, [len(train) for train in listed])
    times = np.concatenate([np.asarray(train.rescale("s").magnitude, float) for train in listed])
    return unique_events(steps_of(times, dt, "spike trains"), index, steps, "spike trains")


def _indices(trains: Iterable[Any]) -> NDArray[np.int64]:
    given = [train.annotations.get("source_index") for train in trains]
    whole = all(isinstance(i, (int, np.integer)) and i >= 0 for i in given)
    if whole and len(set(given)) == len(given):
        return np.array(given, np.int64)
    return np.arange(len(given))
