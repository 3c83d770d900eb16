"""Which core a Program needs, and how its capacities are rounded so that builds can be shared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...hdl.geometry import Geometry
from ...runtime.images import HardwareImage

if TYPE_CHECKING:
    from ...compiler.program import Program


def geometry_for(program: Program, lanes: int | None = None) -> Geometry:
    """A core with the widths of the Program's target and room for its contents.

    Args:
        program: of a single core.
        lanes: instead of the target's.
    """
    core, target = program.cores[0], program.target
    generators = len(program.generators)
    P = target.lanes if lanes is None else lanes
    geometry = Geometry(
        neurons=min(4096, _room(core.neurons, P)),
        lanes=P,
        axons=_room(core.axons),
        rows=_room(len(core.rows)),
        words=1 << 22,
        destinations=_room(len(core.spike_to) + len(program.channel_to)),
        channels=_room(program.channels - generators),
        generators=_room(generators, P) if generators else 0,
        profiles=min(4096, _room(len(core.profiles))),
        state_bits=target.state_bits,
        weight_bits=target.weight_bits,
        accumulator_bits=target.accumulator_bits,
        delay_slots=target.delay_slots,
        receptors=target.receptors,
    )
    # How many words the synapses take depends on the lanes and widths, but not on the room.
    return replace(geometry, words=_room(HardwareImage(program, geometry).words))


def _room(needed: int, least: int = 16) -> int:
    """The next power of two, not below ``least``."""
    return 1 << (max(needed, least, 1) - 1).bit_length()
