"""What a run made the hardware core do, step by step, from its spikes: for the cycle formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..hdl.cycles import StepWork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .backend import Events, RunData
    from .images import HardwareImage


def step_work(
    image: HardwareImage,
    steps: int,
    run: RunData,
    events: Events,
    fired: NDArray[np.integer] | None = None,
) -> StepWork:
    """The work of each step of a run.

    Args:
        image: the Program on the geometry whose cycles are asked for.
        run: with the spikes of all neurons and channels.
        events: its input.
        fired: (neurons,) who fired in the step before the run; by default nobody.
    """
    g, program = image.geometry, image.program
    cost = image.origin_cycles

    def per_step(step: NDArray[np.int64], origin: NDArray[np.int64]) -> NDArray[np.int64]:
        inside = step < steps
        total = np.bincount(step[inside], weights=cost[origin[inside]], minlength=steps)
        return total.astype(np.int64)

    neurons = per_step(run.neuron_step + 1, run.neuron.astype(np.int64))
    if fired is not None and steps:
        neurons[0] += cost[np.flatnonzero(fired)].sum()
    origin = image.channel_origin[run.channel]
    driven = (origin >= g.first_generator) & (origin < g.first_channel)
    return StepWork(
        neurons=neurons,
        host=per_step(run.channel_step[~driven], origin[~driven]),
        generators=per_step(run.channel_step[driven], origin[driven]),
        graded=np.bincount(events.graded_step, minlength=steps)[:steps],
        groups=-(-image.core.neurons // g.update_lanes),
        generator_groups=-(-len(program.generators) // g.update_lanes),
    )
