"""Weights as mantissas: what fits, what is exact, and which scale rounds least."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ir import ProjectionEdge
    from .target import Target

CANDIDATES = 64
"""Scales that are tried within an octave."""
SAMPLE = 1024
"""Weights per projection that are looked at to compare scales."""


def whole(values: Any, rounding: str) -> Any:
    """Rounded values; half-way cases go to the even neighbour."""
    return np.rint(values) if rounding == "nearest" else np.trunc(values)


def shift_range(scaled: NDArray[np.float64], target: Target, rounding: str) -> tuple[int, int]:
    """Smallest total shift (s + e) that fits weights into mantissas, and the largest exact one.

    Args:
        scaled: (k,) weights in state LSBs, not all 0.
        target: width of the mantissas.
        rounding: of mantissas.

    Returns:
        Both shifts; the first is ``target.most_shift + 1`` if there is none.
    """
    top, bottom = float(scaled.max()), float(scaled.min())
    low = 0
    while low <= target.most_shift and not (
        whole(np.ldexp(top, -low), rounding) <= target.weight_max
        and whole(np.ldexp(bottom, -low), rounding) >= -target.weight_max - 1
    ):
        low += 1
    at_low = np.ldexp(scaled, -low)
    rounded = np.rint(at_low)
    if low > target.most_shift or (at_low != rounded).any():
        return low, low
    common = int(np.bitwise_or.reduce(np.abs(rounded).astype(np.int64)))
    return low, low + (common & -common).bit_length() - 1


def best_scale(edges: Sequence[ProjectionEdge], largest: float, target: Target) -> float:
    """The scale within the octave up to ``largest`` that rounds the weights least.

    A power of two is taken if all weights are exact there. Otherwise few distinct weights (a
    constant per projection, say) fall near mantissas at some scale, while for many different
    ones hardly anything beats the full range.
    """
    used = [edge for edge in edges if edge.lowest.any() or edge.highest.any()]
    power = float(2.0 ** np.floor(np.log2(largest)))
    # Weights that learn need steps as fine as the mantissas have, more than exact first values.
    if not any(edge.plastic for edge in used) and _exact(used, power, target):
        return power
    scales = largest * 2.0 ** (-np.arange(CANDIDATES) / CANDIDATES)
    errors = sum(_squared_error(edge, scales, target) for edge in used)
    return float(scales[int(np.argmin(errors))])


def _squared_error(
    edge: ProjectionEdge, scales: NDArray[np.float64], target: Target
) -> NDArray[np.float64]:
    """(c,) sums of a projection's squared errors in network units, estimated from a sample."""
    weights = edge.fixed
    step = max(len(weights) // SAMPLE, 1)
    values, counts = np.unique(weights[::step], return_counts=True)
    # As in shift_range, up to ties: what rounds to the largest mantissa still fits.
    highest = max(edge.highest.max() / (target.weight_max + 0.5), 0.0)
    lowest = max(-edge.lowest.min() / (target.weight_max + 1.5), 0.0)
    shift = np.maximum(np.ceil(np.log2(max(highest, lowest) * scales)), 0.0)
    unit = 2.0**shift / scales
    error = np.rint(values[:, None] / unit) * unit - values[:, None]
    return counts @ error**2 * step


def _exact(edges: Sequence[ProjectionEdge], scale: float, target: Target) -> bool:
    """Whether all weights, of projections that have any but 0, are whole mantissas at a scale."""
    for edge in edges:
        for weights in (edge.synapses.weight[:SAMPLE], edge.synapses.weight):  # mostly decided soon
            scaled = weights * scale
            if not scaled.any():
                continue
            values = np.ldexp(scaled, -shift_range(scaled, target, "nearest")[0])
            if (values != np.rint(values)).any():
                return False
    return True
