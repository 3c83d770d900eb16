"""Energy of a run by cause: how often each thing happened, times what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.chip_fields import SIDES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.chip import Chip
    from .routes import Routes
    from .step_times import Activity

CAUSES = (
    *("neuron", "neuron_update", "neuron_spike", "synapse_dense", "synapse_sparse"),
    *("message_out", "message_in", *(f"hop_{side}" for side in SIDES)),
)
NUMBERS = tuple(f"energy.{cause}" for cause in CAUSES)


def count(routes: Routes, activity: Activity) -> NDArray[np.int64]:
    """(steps, causes) how often each cause occurred.

    A packet that crosses the chip counts one hop for each tile border on its way, in all its
    branches; ``message_out`` counts packets, ``message_in`` the cores that they get to. Spikes of
    channels are no cause of ``neuron_spike`` and ``message_out``, which cores pay for.
    """
    counts = np.zeros((activity.steps, len(CAUSES)), np.int64)
    counts[:, 0] = routes.neurons.sum()
    counts[:, 1] = counts[:, 0] if activity.updated is None else activity.updated.sum(axis=1)
    begins = np.flatnonzero(np.diff(activity.step, prepend=-1))
    if len(begins):
        each = np.take(routes.per_sender, activity.sender, axis=0)
        counts[activity.step[begins], 2:] = np.add.reduceat(each, begins)
    return counts


def joules(chip: Chip, counts: NDArray[np.int64]) -> NDArray[Any]:
    """(…, causes) energy of counts.

    Raises:
        UnsupportedError: the chip lacks a number of something that did occur.
    """
    occurred = counts.reshape(-1, len(CAUSES)).astype(bool).sum(axis=0).tolist()
    chip.require([n for n, yes in zip(NUMBERS, occurred, strict=True) if yes], "energy")
    each = [chip.get(n) if yes else 0.0 for n, yes in zip(NUMBERS, occurred, strict=True)]
    return counts * np.array(each)
