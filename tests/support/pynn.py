"""What tests of the PyNN back end share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spike_times(population: Any, index: int, segment: int = 0) -> NDArray[np.float64]:
    """Recorded spike times of one neuron in ms."""
    trains = population.get_data("spikes").segments[segment].spiketrains
    first = int(population.first_id)
    return next(
        np.asarray(t.rescale("ms").magnitude)
        for t in trains
        if t.annotations["channel_id"] == first + index
    )


def signal(population: Any, name: str, segment: int = 0) -> NDArray[np.float64]:
    """(samples, neurons) of a recorded variable."""
    (found,) = population.get_data(name).segments[segment].filter(name=name)
    return np.asarray(found.magnitude)
