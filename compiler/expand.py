"""Pass 6: from populations to neurons in one numbering, with shared parameter sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .ir import INTEGER_NEURON, Graph
from .mapped import Flat
from .program import PROFILE
from .target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Expand:
    """Lay all populations end to end and find the distinct profiles.

    Attributes:
        target: what the network is mapped to.
    """

    target: Target

    def apply(self, ir: Graph) -> Flat:
        """The flat network."""
        empty = np.zeros(0, INTEGER_NEURON)
        params = np.concatenate([empty, *(p.params for p in ir.populations)])
        profiles, profile = _distinct(params["profile"])
        return Flat(
            ir,
            self.target,
            profiles,
            profile,
            np.ascontiguousarray(params["threshold"]),
            np.ascontiguousarray(params["bias"]),
            np.ascontiguousarray(params["v_init"]),
            np.arange(len(params), dtype=np.int32),
        )


def _distinct(all_profiles: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.int32]]:
    """Distinct profiles in the order of first use, and which one each neuron has."""
    packed = np.ascontiguousarray(all_profiles)
    rows = packed.view(np.dtype((np.void, PROFILE.itemsize)))
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return packed[first[order]], rank[inverse.reshape(-1)].astype(np.int32)
