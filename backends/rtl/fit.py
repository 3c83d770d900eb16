"""Which core a Program needs, and how its capacities are rounded so that builds can be shared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...hdl.geometry import (
    LEARNING_FLAGS,
    MAX_COEFFICIENT_BITS,
    MAX_FRACTION,
    MAX_SUM_BITS,
    Geometry,
)
from ...runtime.images import HardwareImage, parts_used
from ...runtime.row_plan import plan_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ...compiler.program import CoreImage, Program


def geometry_for(program: Program, lanes: int | None = None) -> Geometry:
    """A core with the widths of the Program's target, room for its contents and needed parts.

    Args:
        program: of a single core.
        lanes: instead of the target's.
    """
    core, target = program.cores[0], program.target
    generators = len(program.generators)
    P = target.lanes if lanes is None else lanes
    plan = plan_rows(program)
    geometry = Geometry(
        neurons=min(4096, _room(core.neurons, P)),
        lanes=P,
        axons=_room(len(plan.axon_start) - 1),
        rows=_room(len(plan.row)),
        words=1 << 22,
        destinations=_room(len(plan.neuron_axon) + len(plan.channel_axon)),
        channels=_room(program.channels - generators),
        generators=_room(generators, P) if generators else 0,
        profiles=min(4096, _room(len(core.profiles))),
        state_bits=target.state_bits,
        weight_bits=target.weight_bits,
        accumulator_bits=target.accumulator_bits,
        delay_slots=target.delay_slots,
        receptors=target.receptors,
        refractory_bits=_bits(core.profiles["refractory"], (0, 8, 16)),
        adaptation=bool((core.profiles["adapt_step"] != 0).any()),
        exponents=(1 << _bits(core.rows["exponent"], range(5))) - 1,
        shifts=(1 << _bits(core.profiles["shift"], (0, 4))) - 1,
        **_parts(core),
        **(_LEARNING if program.rules else {}),
    )
    # How many words the synapses take depends on the lanes and widths, but not on the room.
    image = HardwareImage(program, geometry)
    return replace(geometry, words=_room(image.words), **_learning(image))


_LEARNING: dict[str, Any] = {
    "rules": 64, "plastic": 1 << 20, "slots": 1 << 12, "code": 1 << 10, "factors": 3,
    **dict.fromkeys(LEARNING_FLAGS, True),
    "fraction": MAX_FRACTION, "coefficient_bits": MAX_COEFFICIENT_BITS, "sum_bits": MAX_SUM_BITS,
}  # fmt: skip
"""The largest learning engine."""


def _learning(image: HardwareImage) -> dict[str, Any]:
    """The learning engine that a Program needs."""
    if image.learning is None:
        return {}
    factors = max(1, image.learning.needs["factors"])
    fraction = image.learning.needs["fraction"]
    needs = image.learning.needs_with(factors, fraction)
    return {
        "rules": _room(needs["rules"], 1),
        "plastic": _room(needs["plastic"]),
        "slots": _room(needs["slots"], 2),
        "code": _room(needs["code"], 4),
        "factors": factors,
        "fraction": fraction,
        "coefficient_bits": min(MAX_COEFFICIENT_BITS, _multiple(needs["coefficient_bits"], 9)),
        "sum_bits": min(MAX_SUM_BITS, _multiple(needs["sum_bits"], 4)),
        **{name: bool(needs[name]) for name in LEARNING_FLAGS},
    }


def _parts(core: CoreImage) -> dict[str, bool]:
    """The parts of the neuron that are used; of alternatives without any use, the usual one."""
    used = parts_used(core)
    used["exponential"] |= not used["linear"]
    used["hold"] |= not used["mask"]
    return used


def _bits(values: NDArray, sizes: Iterable[int]) -> int:
    """The first of these widths that holds all values."""
    needed = int(values.max(initial=0)).bit_length()
    return next(size for size in sizes if size >= needed)


def _room(needed: int, least: int = 16) -> int:
    """The next power of two, not below ``least``."""
    return 1 << (max(needed, least, 1) - 1).bit_length()


def _multiple(needed: int, of: int) -> int:
    """The next multiple, at least one."""
    return of * max(1, -(-needed // of))
