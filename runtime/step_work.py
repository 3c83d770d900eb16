"""What a run made the hardware core do, step by step, from its spikes: for the cycle formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..hdl.cycles import LEARN, StepWork
from .backend import LearningState
from .learning_work import LearningWork

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
    start: tuple[int, LearningState] | None = None,
) -> StepWork:
    """The work of each step of a run.

    Args:
        image: the Program on the geometry whose cycles are asked for.
        run: with the spikes of all neurons and channels.
        events: its input.
        fired: (neurons,) who fired in the step before the run; by default nobody.
        start: number of the run's first step and state of learning before it, where something
            learns; by default the beginning.
    """
    g, program = image.geometry, image.program
    first, learning = start or (0, LearningState.initial(program))
    learned: NDArray[np.int64] | int = LEARN if g.rules else 0
    fading = 0
    if learning is not None:
        spikes = (run.neuron_step, run.neuron)
        work = LearningWork(program, g.lanes)
        fading = work.fading
        learned = work.cycles(first, steps, spikes, events, learning.fired_before, learning.on)
    before = np.flatnonzero([] if fired is None else fired)
    # A neuron's spike is walked in the next step.
    due = run.neuron_step + 1 < steps
    neuron = np.append(before, run.neuron[due])
    neuron_step = np.append(np.zeros(len(before), np.int64), run.neuron_step[due] + 1)
    origin = image.channel_origin[run.channel]
    driven = (origin >= g.first_generator) & (origin < g.first_channel)
    order = np.lexsort((origin[driven], run.channel_step[driven]))
    given = events.spike_step < steps
    kinds = (
        (neuron_step, neuron),
        (events.spike_step[given], image.channel_origin[events.spike_channel[given]]),
        (run.channel_step[driven][order], origin[driven][order]),
    )
    neurons, host, generators = (senders.astype(np.int32) for _, senders in kinds)
    return StepWork(
        rows=image.sender_rows,
        senders=(neurons, host, generators),
        sent=np.stack([np.bincount(step, minlength=steps)[:steps] for step, _ in kinds]),
        graded=np.bincount(events.graded_step, minlength=steps)[:steps],
        groups=-(-image.core.neurons // g.update_lanes),
        generator_groups=-(-len(program.generators) // g.update_lanes),
        on=learning is not None and learning.on,
        learned=learned,
        fading=fading,
    )
