"""Random static networks in SuperNeuroMAT's terms."""

from __future__ import annotations

from typing import Any

import numpy as np


def random_network(rng: np.random.Generator) -> dict[str, Any]:
    """A network in the peer's terms; see tests/peers/superneuromat_run.py."""
    n = int(rng.integers(1, 40))
    steps = int(rng.integers(20, 80))
    neurons = []
    for _ in range(n):
        reset = int(rng.choice([0, 0, 0, 5, -7]))
        leak = int(rng.integers(0, 8)) if rng.random() < 0.8 else None
        threshold = int(rng.integers(-2, 30)) + reset
        initial = int(rng.integers(-20, 40)) if rng.random() < 0.3 else 0
        neurons.append([threshold, leak, reset, int(rng.choice([0, 0, 1, 2, 5])), initial])
    chance = min(1.0, 6 / n)
    pairs = np.argwhere(rng.random((n, n)) < chance)  # Self-connections are allowed.
    synapses = [
        [*pair, int(rng.integers(-12, 25)), int(rng.choice([1, 1, 1, 2, 3, 8, 30]))]
        for pair in pairs.tolist()
    ]
    driven = rng.random(n) < 0.5
    inputs = [
        [*place, int(rng.integers(-15, 50))]
        for place in np.argwhere((rng.random((steps, n)) < 0.15) & driven).tolist()
    ]
    return {
        "steps": steps,
        "sparse": bool(rng.integers(2)),
        "neurons": neurons,
        "synapses": synapses,
        "inputs": inputs,
    }
