"""What the small core does not have, and so no geometry of it may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UnsupportedError

if TYPE_CHECKING:
    from ..geometry import Geometry

ADDRESSES = 1 << 16
"""Words of tables, and plastic synapses, that a pointer of the sequencer reaches."""
LIMITS: dict[str, tuple[int, int]] = {
    "lanes": (1, 1), "update_lanes": (1, 1), "words": (1, 1), "generators": (0, 0),
    "state_bits": (16, 16), "weight_bits": (2, 7), "accumulator_bits": (16, 16),
    "receptors": (1, 1), "refractory_bits": (1, 12), "bias": (1, 1), "hold": (1, 1),
    "exponential": (1, 1), "exponents": (0, 0), "shifts": (0, 0),
    "mesh_rows": (1, 1), "mesh_columns": (1, 1), "rules": (1, 1), "plastic": (1, ADDRESSES),
    "factors": (1, 1), "coefficient_bits": (2, 32), "sum_bits": (2, 32),
}  # fmt: skip
"""The least and the largest value of each size. The one word of synapses that do not learn is there
because no table is empty; Programs with such synapses are refused."""
WITHOUT = (
    "adaptation", "graded", "linear", "subtract", "late", "mask", "tags", "delays", "windows",
    "post_delays", "seconds", "thirds", "by_weight", "shared", "signs", "sums", "scattered",
)  # fmt: skip
"""Parts that it is never built with."""


def check_limits(g: Geometry) -> None:
    """Refuse what the small core does not have.

    Raises:
        UnsupportedError: naming it.
    """
    from .places import Places  # knows geometries itself

    for name, (low, high) in (*LIMITS.items(), *((name, (0, 0)) for name in WITHOUT)):
        value = getattr(g, name)
        if not low <= value <= high:
            exactly = repr(type(value)(low))
            expected = exactly if low == high else f"an integer from {low} to {high}"
            raise UnsupportedError(
                f"a small core cannot be built: {name} is out of range",
                found=repr(value),
                expected=expected,
                remedy="another geometry, or one with micro=False",
            )
    words = Places(g).words
    if words > ADDRESSES:
        raise UnsupportedError(
            "a small core cannot be built: its tables are larger than its memory can be",
            found=f"{words} words of 16 bits",
            expected=f"at most {ADDRESSES}",
            remedy="fewer neurons, channels, axons, rows, destinations or delay_slots",
        )
