"""Which cores a Program needs, and how its capacities are rounded so that builds can be shared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UnsupportedError
from ...hdl.geometry import (
    LEARNING_FLAGS,
    MAX_COEFFICIENT_BITS,
    MAX_FRACTION,
    MAX_SUM_BITS,
    Geometry,
)
from ...runtime.images import HardwareImage, parts_used
from ...runtime.mesh_image import mesh_images
from ...runtime.mesh_routes import MeshRoutes
from ...runtime.row_plan import plan_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ...compiler.program import CoreImage, Program


def geometry_for(program: Program, lanes: int | None = None) -> Geometry:
    """Cores with the widths of the Program's target, room for its contents and needed parts.

    Args:
        program: of one core, or of several, which get a mesh of equal ones.
        lanes: instead of the target's.

    Raises:
        UnsupportedError: there is no hardware for it.
    """
    if len(program.cores) != 1:
        return _mesh_for(program, lanes)
    plan = plan_rows(program)
    geometry = replace(
        _geometry(program, lanes, len(program.generators)),
        axons=_room(len(plan.axon_start) - 1),
        rows=_room(len(plan.row)),
        destinations=_room(len(plan.neuron_axon) + len(plan.channel_axon)),
        **(_LEARNING if program.rules else {}),
    )
    # How many words the synapses take depends on the lanes and widths, but not on the room.
    image = HardwareImage(program, geometry)
    if program.target.micro:
        return _micro(image, lanes)
    return replace(geometry, words=_room(image.words), **_learning(image))


def _micro(image: HardwareImage, lanes: int | None) -> Geometry:
    """The small core with the same room.

    Raises:
        UnsupportedError: it has one lane.
    """
    if lanes not in (None, 1):
        raise UnsupportedError(
            "a small core has one lane", found=f"{lanes} lanes", where="device 'rtl'",
            remedy="leave the option lanes out",
        )  # fmt: skip
    geometry, target = image.geometry, image.program.target
    if image.learning is None:
        raise UnsupportedError(
            "a small core computes exactly one rule", found="a program without any",
            where="device 'rtl'",
        )  # fmt: skip
    needs = image.learning.needs_with(1, target.fraction)
    return replace(
        geometry, words=1, update_lanes=1, profiles=max(geometry.profiles, 1),
        refractory_bits=max(1, target.refractory_bits), exponents=0, shifts=0,
        **dict.fromkeys(("bias", "hold", "exponential"), True),
        **dict.fromkeys(("adaptation", "graded", "linear", "subtract", "late", "mask"), False),
        **dict.fromkeys(LEARNING_FLAGS, False),
        rules=1, plastic=_room(needs["plastic"]), slots=_room(needs["slots"], 2), code=2,
        factors=1, fraction=target.fraction, coefficient_bits=target.coefficient_bits,
        sum_bits=target.sum_bits, micro=True,
    )  # fmt: skip


def _mesh_for(program: Program, lanes: int | None) -> Geometry:
    """Cores that hold the largest part of everything."""
    routes = MeshRoutes.of(program)
    cores = range(len(program.cores))
    home = routes.home[: program.channels]
    driven = np.bincount(home[program.generators["channel"]], minlength=len(cores))
    sent = np.bincount(routes.home, np.diff(routes.start), len(cores)).astype(np.int64)
    geometry = replace(
        _geometry(program, lanes, int(driven.max(initial=0))),
        axons=_room(max(int(routes.arrivals.max()), *(len(axon) for axon in routes.axon))),
        rows=_room(max(len(core.rows) for core in program.cores)),
        destinations=_room(int(sent.max(initial=0))),
        mesh_rows=routes.rows,
        mesh_columns=routes.columns,
    )
    words = max(image.words for image in mesh_images(program, geometry))
    return replace(geometry, words=_room(words))


def _geometry(program: Program, lanes: int | None, generators: int) -> Geometry:
    """What of the geometry follows from neurons and target, and as many words as there can be."""
    cores, target = program.cores, program.target
    P = target.lanes if lanes is None else lanes
    profiles = np.concatenate([core.profiles for core in cores])
    exponents = np.concatenate([core.rows["exponent"] for core in cores])
    return Geometry(
        neurons=min(4096, _room(max(core.neurons for core in cores), P)),
        lanes=P,
        words=1 << 22,
        channels=_room(program.channels - len(program.generators)),
        generators=_room(generators, P) if generators else 0,
        profiles=min(4096, _room(max(len(core.profiles) for core in cores))),
        state_bits=target.state_bits,
        weight_bits=target.weight_bits,
        accumulator_bits=target.accumulator_bits,
        delay_slots=target.delay_slots,
        receptors=target.receptors,
        refractory_bits=_bits(profiles["refractory"], (0, 8, 16)),
        adaptation=bool((profiles["adapt_step"] != 0).any()),
        exponents=(1 << _bits(exponents, range(5))) - 1,
        shifts=(1 << _bits(profiles["shift"], (0, 4))) - 1,
        **_parts(cores),
    )


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


def _parts(cores: Iterable[CoreImage]) -> dict[str, bool]:
    """The parts of the neuron that are used; of alternatives without any use, the usual one."""
    of_cores = [parts_used(core) for core in cores]
    used = {name: any(parts[name] for parts in of_cores) for name in of_cores[0]}
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
