"""The balanced random network that both sides of the comparison run; needs NumPy only.

Current-based LIF neurons, four fifths excitatory. Every neuron gets 80 excitatory and 20
inhibitory synapses, and a Bernoulli drive of its own, drawn anew in every step. Numbers are in
whole state units, so that the emulator's quantisation of them is exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EXCITATORY, INHIBITORY = 80, 20
"""Synapses that a neuron receives."""
W_EXCITATORY, W_INHIBITORY, W_DRIVE = 16.0, -80.0, 80.0
DRIVE_PROBABILITY = 0.25
"""Per neuron and step."""
THRESHOLD = 1600.0
REFRACTORY_STEPS = 2
DT = 1e-3
KEEP_U, KEEP_V = 3277 / 4096, 3891 / 4096
"""What a step leaves of the synaptic current and of the membrane potential."""


def synapses(
    neurons: int, seed: int = 1
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """(pre, post, weight), each (100 · neurons,), sorted by post."""
    rng = np.random.default_rng(seed)
    border = neurons * EXCITATORY // (EXCITATORY + INHIBITORY)
    pre = np.concatenate(
        [
            rng.integers(0, border, (neurons, EXCITATORY), dtype=np.int32),
            rng.integers(border, neurons, (neurons, INHIBITORY), dtype=np.int32),
        ],
        axis=1,
    )
    weight = np.repeat([W_EXCITATORY, W_INHIBITORY], [EXCITATORY, INHIBITORY])
    post = np.repeat(np.arange(neurons, dtype=np.int32), EXCITATORY + INHIBITORY)
    return pre.ravel(), post, np.tile(weight, neurons)
