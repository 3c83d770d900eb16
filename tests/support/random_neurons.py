"""Random neuron parameters that use the whole machine and still give lively networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.compiler.program import PROFILE
from spikeloom.compiler.target import Target


def random_neurons(
    rng: np.random.Generator, n: int, excitation: NDArray[np.int64], target: Target
) -> dict[str, Any]:
    """The neuron arrays of a CoreImage.

    Args:
        n: neuron slots.
        excitation: (2, n) sum of the positive weights of each neuron and receptor.
    """
    top = target.state_max
    number = int(rng.integers(1, 8)) if n else 0
    typical = int(np.median(excitation.sum(axis=0))) if n else 0
    profiles = np.zeros(number, PROFILE)
    for profile in profiles:
        _fill(rng, profile, typical, top)
    which = rng.integers(0, number, n) if n else np.zeros(0, np.int64)
    shift = profiles["shift"][which].astype(np.int64)
    reach = np.clip(excitation.sum(axis=0) << shift, 16, top)
    threshold = (rng.uniform(0.02, 0.6, n) * reach).astype(np.int64)
    bias = np.where(rng.random(n) < 0.4, rng.uniform(-0.2, 0.5, n) * threshold, 0)
    v_init = np.where(rng.random(n) < 0.3, rng.uniform(-1, 1, n) * threshold, 0)
    wild = rng.random((3, n)) < 0.04
    anywhere = rng.integers(-top - 1, top + 1, (3, n))
    anywhere[rng.random((3, n)) < 0.2] = -top - 1
    anywhere[rng.random((3, n)) < 0.2] = top
    return {
        "profile": which.astype(np.uint16),
        "threshold": np.where(wild[0], anywhere[0], threshold).astype(np.int32),
        "bias": np.where(wild[1], anywhere[1], bias).astype(np.int32),
        "v_init": np.where(wild[2], anywhere[2], v_init).astype(np.int32),
        "profiles": profiles,
    }


def _fill(rng: np.random.Generator, profile: np.void, typical: int, top: int) -> None:
    """Draw one profile; ``typical`` is the usual excitation of the core's neurons."""
    room = max(0, (top // max(typical, 1)).bit_length() - 3)
    wild = rng.random() < 0.1
    profile["shift"] = rng.integers(0, 16) if wild else rng.integers(0, min(room, 15) + 1)
    reach = float(np.clip(typical << int(profile["shift"]), 16, top))
    profile["spiking"] = rng.random() < 0.92
    profile["decay_u"] = [_decay(rng), _decay(rng)]
    profile["leak"] = rng.integers(2)
    profile["decay_v"] = _decay(rng)
    profile["leak_step"] = _size(rng, 0.1 * reach, top)
    profile["reset"] = rng.integers(2)
    profile["reset_delay"] = rng.random() < 0.3
    profile["v_reset"] = rng.choice([0, 1, -1]) * _size(rng, 0.1 * reach, top)
    profile["refractory"] = rng.choice([0, 0, 1, 2, 5, 300])
    profile["refractory_mode"] = rng.integers(2)
    profile["adapt_step"] = rng.choice([0, 1]) * _size(rng, 0.2 * reach, top)
    profile["adapt_decay"] = _decay(rng)


def _decay(rng: np.random.Generator) -> int:
    """0 … 4096, both ends often."""
    spans = [(0, 0), (1, 100), (4095, 4096), (0, 4096), (4096, 4096), (300, 2000), (300, 2000)]
    low, high = spans[int(rng.integers(len(spans)))]
    return int(rng.integers(low, high + 1))


def _size(rng: np.random.Generator, usual: float, top: int) -> int:
    """0 … top: mostly up to about ``usual``, now and then anything, now and then the top."""
    draw = rng.random()
    if draw < 0.05:
        return top
    return int(rng.integers(top + 1)) if draw < 0.1 else int(rng.uniform(0, usual))
