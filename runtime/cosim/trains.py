"""How alike the spikes of a population are in two runs; ``n`` neurons, times in steps.

Van Rossum's distance is elephant's, which is imported when it is asked for.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DeviceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = 200
"""Most neurons whose distances are computed, spread evenly over the population."""
LAGS = 20
"""Steps by which activities are shifted against each other, either way."""
QUANTILES = 400


@dataclass(frozen=True, eq=False)
class Trains:
    """The spikes of a population in one run.

    Attributes:
        events: (k, 2) int64 of step and index, sorted by step.
        size: neurons.
        steps: of the run.
    """

    events: NDArray[np.int64]
    size: int
    steps: int

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(n,) spikes of each neuron."""
        return np.bincount(self.events[:, 1], minlength=self.size)

    @cached_property
    def activity(self) -> NDArray[np.float64]:
        """(steps,) spikes of all neurons."""
        return np.bincount(self.events[:, 0], minlength=self.steps).astype(float)

    @cached_property
    def intervals(self) -> NDArray[np.int64]:
        """Steps between consecutive spikes of one neuron, of all neurons."""
        step, neuron = self.events[np.lexsort((self.events[:, 0], self.events[:, 1]))].T
        return np.diff(step)[np.diff(neuron) == 0]


def interval_difference(a: Trains, b: Trains) -> float:
    """First Wasserstein distance of the intervals' distributions over their mean."""
    share = (np.arange(QUANTILES) + 0.5) / QUANTILES
    x, y = (np.quantile(trains.intervals, share) for trains in (a, b))
    return float(np.abs(x - y).mean() / ((x.mean() + y.mean()) / 2))


def distance(a: Trains, b: Trains, tau: float) -> float:
    """Van Rossum's (2001), squared, over the number of spikes: 0 where trains are the same, 1 where
    no spike has a partner within several ``tau``.

    Raises:
        DeviceError: elephant is not installed.
    """
    try:
        import neo
        import quantities as pq
        from elephant.spike_train_dissimilarity import van_rossum_distance
    except ImportError as error:
        raise DeviceError(
            "the distance between spike trains is not available",
            found=str(error),
            expected="elephant 1.2, which computes it",
            remedy="pip install 'spikeloom[statistics]', or do without it: --without distance",
        ) from None
    which = np.unique(np.linspace(0, a.size - 1, min(SAMPLE, a.size)).astype(int))
    unmatched, spikes = 0.0, 0
    for neuron in which:
        pair = [
            neo.SpikeTrain(
                trains.events[trains.events[:, 1] == neuron, 0] * pq.s, t_stop=trains.steps * pq.s
            )
            for trains in (a, b)
        ]
        count = sum(map(len, pair))
        if count:
            with warnings.catch_warnings():
                # Of equal trains it is 0 but for rounding, and elephant tells that it clipped.
                warnings.simplefilter("ignore", RuntimeWarning)
                matrix = van_rossum_distance(pair, time_constant=tau * pq.s)
            unmatched, spikes = unmatched + float(matrix[0, 1]) ** 2, spikes + count
    return unmatched / spikes if spikes else 0.0


def correlation(a: Trains, b: Trains, bins: int) -> float | None:
    """Pearson's coefficient of the activities, ``bins`` steps taken together; None where one of
    them does not change."""
    x, y = (_binned(trains.activity, bins) for trains in (a, b))
    if len(x) < 3 or not x.std() or not y.std():
        return None
    return float(np.corrcoef(x, y)[0, 1])


def lag(a: Trains, b: Trains) -> int | None:
    """Steps by which ``b``'s activity is late, from the peak of their cross-correlation; None
    where no peak stands out from what unrelated activities have."""
    x, y = (trains.activity - trains.activity.mean() for trains in (a, b))
    norm = np.sqrt((x**2).sum() * (y**2).sum())
    if not norm or a.steps <= 4 * LAGS:
        return None
    shifts = np.arange(-LAGS, LAGS + 1)
    found = np.array([_shifted(x, y, shift) for shift in shifts.tolist()]) / norm
    # Unrelated white activities have a standard deviation of 1/sqrt(steps).
    if found.max() < 5 / np.sqrt(a.steps):
        return None
    return int(shifts[int(np.argmax(found))])


def _shifted(x: NDArray[np.float64], y: NDArray[np.float64], shift: int) -> float:
    if shift < 0:
        return _shifted(y, x, -shift)
    return float(x[: len(x) - shift] @ y[shift:])


def _binned(activity: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    whole = len(activity) // bins * bins
    return activity[:whole].reshape(-1, bins).sum(1)
