"""How spikes reach the accumulators (docs/machine.md §1, §2 and §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import DENSE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import CoreImage
    from ...runtime.backend import CoreWeights


def walk(
    core: CoreImage,
    weights: CoreWeights,
    axon: int,
    wheel: NDArray[np.int64],
    step: int,
) -> int:
    """Let one spike arrive on an axon: every synapse of its row adds its weight.

    Args:
        core: whose axon it is.
        weights: the core's current mantissas, and delays where they are learned.
        axon: its number there.
        wheel: (depth, 2, n) accumulators of the core's neurons, changed in place; those of step
            ``t`` are in slot ``t mod depth``.
        step: the current step.

    Returns:
        how many synapses were walked.
    """
    depth = len(wheel)
    delays = core.sparse_delay if weights.delay is None else weights.delay
    events = 0
    for row in core.rows[core.axon_start[axon] : core.axon_start[axon + 1]]:
        receptor, exponent, count = int(row["receptor"]), int(row["exponent"]), int(row["count"])
        synapses = slice(int(row["offset"]), int(row["offset"]) + count)
        if row["kind"] == DENSE:
            slot = (step + int(row["delay"])) % depth
            base = int(row["base"])
            added = weights.dense[synapses].astype(np.int64) << exponent
            wheel[slot, receptor, base : base + count] += added
        else:
            slots = (step + delays[synapses].astype(np.int64)) % depth
            added = weights.sparse[synapses].astype(np.int64) << exponent
            targets = core.sparse_target[synapses].astype(np.int64)
            # `add.at`, because several synapses of a row may have the same target and delay.
            np.add.at(wheel[:, receptor], (slots, targets), added)
        events += count
    return events
