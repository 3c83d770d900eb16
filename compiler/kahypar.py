"""mt-KaHyPar's partition, where the package is installed (``pip install "spikeloom[mapping]"``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import CompileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .refine import Level

UNITS = 10_000
"""Its weights are whole numbers; this much is the room of a core, and the mean rate."""


def kahypar(level: Level, parts: int) -> NDArray[np.int64]:
    """(neurons,) the part of each, by its connectivity metric, which is the traffic.

    Raises:
        CompileError: the package is not installed.
    """
    try:
        import mtkahypar  # pyright: ignore[reportMissingImports]  (an extra)
    except ImportError:
        raise CompileError(
            "mt-KaHyPar is not installed",
            remedy='pip install "spikeloom[mapping]", or mapping="best"',
        ) from None
    if parts == 1:  # which it does not take
        return np.zeros(len(level.weight), np.int64)
    weight = np.ceil(level.weight * UNITS).astype(int)
    rate = np.rint(level.rate / max(float(level.rate.mean()), 1e-30) * 100).astype(int)
    even = -(-int(weight.sum()) // parts)
    library = mtkahypar.initialize(1)
    context = library.context_from_preset(mtkahypar.PresetType.DEFAULT)
    context.set_partitioning_parameters(parts, max(0.0, UNITS / even - 1), mtkahypar.Objective.KM1)
    mtkahypar.set_seed(0)
    context.logging = False
    start, pins = level.pins.indptr.tolist(), level.pins.indices.tolist()
    nets = [pins[start[i] : start[i + 1]] for i in range(len(rate))]
    found = library.create_hypergraph(
        context, len(weight), len(nets), nets, weight.tolist(), rate.tolist()
    ).partition(context)
    return np.array([found.block_id(v) for v in range(len(weight))], np.int64)
