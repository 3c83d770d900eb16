"""Choosing scales and exponents: as much precision as the state's headroom leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CompileError, FitError
from .bounds import Drive
from .fit import FitRow
from .mantissas import best_scale, shift_range, whole
from .target import MAX_SHIFT, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ir import PopulationNode, ProjectionEdge

GUARD_BITS = 6
"""Wanted bits of the state below the weights' last bit, so that decay has something to round."""
PROVEN_GUARD = 4
"""Guard bits that suffice where they buy the proof that u and v cannot saturate."""
HEADROOM = 32.0
"""Wanted room above the largest parameter or weight, where the worst case does not fit."""
TIGHT = 4.0
"""Headroom that is given up last, in exchange for up to ``TIGHT_GUARD`` guard bits."""
TIGHT_GUARD = 3
READOUT_SHARE = 0.25
"""Wanted room of a readout, which nothing resets: this share of the worst case of u and v."""
READOUT_STEPS = 100.0
"""Steps at the worst u that a readout without leak has room for, times READOUT_SHARE."""
READOUT_MANTISSA_BITS = 6
"""What a readout's weights keep when their last bits are given up for that room."""
UNDRIVEN_HEADROOM = 64.0
"""Room above the parameters of a population that has no weights to go by."""


@dataclass(frozen=True, eq=False)
class Exponents:
    """Exponents and mantissas of a population's incoming projections.

    Attributes:
        shift: s of the population's profiles.
        exponent: e by projection.
        mantissa: (k,) int16 mantissas by projection.
        automatic: whether the scale was chosen, not given.
        limits: smallest and largest mantissa of the plastic projections' enabled synapses.
    """

    shift: int
    exponent: dict[str, int]
    mantissa: dict[str, NDArray[np.int16]]
    automatic: bool
    limits: dict[str, tuple[int, int]]


def choose_scale(
    population: PopulationNode,
    edges: Sequence[ProjectionEdge],
    drive: Drive,
    target: Target,
    per_neuron: bool,
) -> NDArray[np.float64]:
    """(size,) scales that use the mantissas' range and leave headroom.

    With the largest weight on the largest mantissa, the scale is a power of two times a
    constant. The power is as large as the proven worst case of u and v allows; where that leaves
    too few guard bits (no leak, large fan-in) ``HEADROOM`` times the largest parameter has to do,
    and the guard stops at ``GUARD_BITS``. Readouts go as far as their input drives them, so they
    get room before their weights get bits. ``best_scale`` then looks for a slightly smaller scale
    that happens to round these weights less.
    """
    size = population.size
    magnitude = _magnitude(population, drive)
    strongest, worst = drive.largest_weight, np.maximum(drive.worst, magnitude)
    readout = _readout_room(population, drive)
    if not per_neuron:
        strongest, worst, magnitude, readout = (
            np.full(1, a.max()) for a in (strongest, worst, magnitude, readout)
        )
    bound = np.minimum(worst, HEADROOM * magnitude)
    if strongest.max() == 0:
        unit = float(magnitude.max()) or 1.0
        return np.full(size, _power_below(target.state_max / (UNDRIVEN_HEADROOM * unit)))
    # Neurons without synapses follow the others: nothing of theirs can lose precision.
    strongest = np.where(strongest == 0, strongest.max(), strongest)
    per_bit = target.weight_max / strongest  # scale at guard 0
    deepest = min(MAX_SHIFT, target.most_shift)

    def most(limit: NDArray[np.float64]) -> int:
        """Guard bits that leave room for ``limit``; in logarithms, for any magnitude."""
        limit = np.maximum(limit, np.finfo(float).tiny)
        room = np.log2(target.state_max) - np.log2(limit) - np.log2(per_bit)
        # With a scale per neuron the best off decides; the others are held back below.
        return min(int(np.floor(room.max())), deepest)

    proven, wanted = most(worst) if np.isfinite(worst).all() else -99, most(bound)
    if proven >= PROVEN_GUARD:
        guard = min(proven, deepest)
    else:
        guard = min(wanted, GUARD_BITS)
        if guard < TIGHT_GUARD:
            tight = most(np.minimum(worst, TIGHT * magnitude))
            guard = max(guard, min(tight, TIGHT_GUARD))
    if readout.any():
        least = min(READOUT_MANTISSA_BITS - target.weight_bits, 0)
        guard = min(guard, max(most(np.maximum(bound, readout)), least))
    scale = np.ldexp(per_bit, guard)
    if per_neuron:
        held = bound > 0
        scale[held] = np.minimum(scale[held], target.state_max / bound[held])
    else:
        scale = np.array([best_scale(edges, float(scale[0]), target)])
    return np.broadcast_to(scale, (size,)).copy()


def choose_exponents(
    population: PopulationNode,
    edges: Sequence[ProjectionEdge],
    scale: NDArray[np.float64],
    target: Target,
    *,
    automatic: bool,
    rounding: str,
    multiple_of: int = 1,
) -> tuple[NDArray[np.float64], Exponents]:
    """Exponents and mantissas at a scale, and the proof that no accumulator overflows.

    Where a larger shift of the sums would make the accumulators fit, and the target has none, an
    automatic scale is halved instead: mantissas lose as many bits, and states one more.

    Args:
        population: target of the projections.
        edges: all its incoming projections.
        scale: (size,).
        target: widths, and the largest exponent and shift.
        automatic: whether weights may lose bits to make the accumulators fit.
        rounding: of mantissas.
        multiple_of: power of two that all shifted mantissas are multiples of.

    Returns:
        (size,) the scale, and what belongs to it.

    Raises:
        CompileError: weights need more bits than mantissa, exponent and shift have.
        FitError: an accumulator could overflow (never when ``automatic``).
    """
    while True:
        chosen, sums = _at_scale(
            population, edges, scale, target,
            automatic=automatic, rounding=rounding, multiple_of=multiple_of,
        )  # fmt: skip
        if sums.max(initial=0) <= target.accumulator_max:
            return scale, chosen
        if not automatic:
            raise _overflow(population, edges, sums, target)
        scale = scale / 2


def _at_scale(
    population: PopulationNode,
    edges: Sequence[ProjectionEdge],
    scale: NDArray[np.float64],
    target: Target,
    *,
    automatic: bool,
    rounding: str,
    multiple_of: int,
) -> tuple[Exponents, NDArray[np.float64]]:
    """The least shift at which the accumulators fit, else the largest there is; and their sums."""
    scaled = {e.name: e.synapses.weight * scale[e.synapses.post] for e in edges}
    # Total shifts (s + e) at which the weights fit their mantissas, and up to which they stay
    # exact. Projections without a weight but 0 go along with any.
    extent = {
        e.name: np.append(scaled[e.name], _scaled_limits(e, scale)) if e.plastic else scaled[e.name]
        for e in edges
    }
    ranges = {
        name: shift_range(values, target, rounding)
        for name, values in extent.items()
        if values.any()
    }
    least = multiple_of.bit_length() - 1
    if ranges and least > target.most_shift:
        raise _too_coarse(population, multiple_of, target)
    low = {name: max(first, least) for name, (first, _) in ranges.items()}
    for edge in edges:
        if low.get(edge.name, 0) > target.most_shift:
            raise _too_large(edge, extent[edge.name], target)
    exact = min((last for _, last in ranges.values()), default=0)
    shift = min(min(low.values(), default=0), target.shifts)
    shift = max(shift, max(low.values(), default=0) - target.exponents)
    while True:
        chosen = _round(edges, scaled, scale, low, shift, rounding, automatic)
        sums = _sums(population.size, edges, chosen)
        # A larger shift makes smaller mantissas: that costs bits, unless they are all zero.
        more = shift < target.shifts and (automatic or shift < exact)
        if sums.max(initial=0) <= target.accumulator_max or not more:
            return chosen, sums
        shift += 1


def _round(
    edges: Sequence[ProjectionEdge],
    scaled: dict[str, NDArray[np.float64]],
    scale: NDArray[np.float64],
    low: dict[str, int],
    shift: int,
    rounding: str,
    automatic: bool,
) -> Exponents:
    exponent: dict[str, int] = {}
    mantissa: dict[str, NDArray[np.int16]] = {}
    limits: dict[str, tuple[int, int]] = {}
    for edge in edges:
        total = max(low.get(edge.name, 0), shift)
        exponent[edge.name] = total - shift
        values = np.ldexp(scaled[edge.name], -total)
        mantissa[edge.name] = whole(values, rounding).astype(np.int16)
        if edge.plastic is not None:
            both = whole(np.ldexp(_scaled_limits(edge, scale), -total), rounding)
            limits[edge.name] = int(both[0]), int(both[1])
    return Exponents(shift, exponent, mantissa, automatic, limits)


def _scaled_limits(edge: ProjectionEdge, scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limits of the weights in state LSBs; plastic projections have one scale for all neurons."""
    if edge.plastic is None or not edge.plastic.enable.any():
        return np.zeros(0 if edge.plastic is None else 2)
    return np.array(edge.plastic.limits) * scale[0]


def _sums(size: int, edges: Sequence[ProjectionEdge], chosen: Exponents) -> NDArray[np.float64]:
    sums = np.zeros((2, size))
    for edge in edges:
        m = np.abs(chosen.mantissa[edge.name].astype(np.float64))
        if edge.plastic is not None:
            m[edge.plastic.enable == 1] = max(map(abs, chosen.limits[edge.name]))
        m = np.ldexp(m, chosen.exponent[edge.name])
        sums[edge.receptor] += np.bincount(edge.synapses.post, m, size)
    return sums


def _too_large(edge: ProjectionEdge, scaled: NDArray[np.float64], target: Target) -> CompileError:
    return CompileError(
        f"projection {edge.name!r}: weights are too large for the given scale",
        found=f"|w|·scale up to {np.abs(scaled).max():g}",
        expected=f"at most {target.weight_max} << {target.most_shift}",
        where=edge.origin,
        remedy="use a smaller scale, or scale='auto'",
    )


def _too_coarse(population: PopulationNode, multiple_of: int, target: Target) -> CompileError:
    return CompileError(
        f"population {population.name!r}: mantissas cannot be multiples of {multiple_of}",
        found=f"target {target.name!r} shifts them by at most {target.most_shift} bits",
        expected=f"at least {multiple_of.bit_length() - 1}",
        where=population.origin,
        remedy="a smaller multiple_of, or a target with larger exponents or shifts",
    )


def _overflow(
    population: PopulationNode,
    edges: Sequence[ProjectionEdge],
    sums: NDArray[np.float64],
    target: Target,
) -> FitError:
    receptor, neuron = (int(i) for i in np.unravel_index(np.argmax(sums), sums.shape))
    fan_in = sum(int((e.synapses.post == neuron).sum()) for e in edges if e.receptor == receptor)
    error = FitError(
        f"population {population.name!r}: an accumulator could overflow",
        found=f"{int(sums[receptor, neuron])} at neuron {neuron}, receptor {receptor}, if all its "
        f"{fan_in} synapses got a spike in one step",
        expected=f"at most {target.accumulator_max} ({target.accumulator_bits} bits)",
        where=population.origin,
        remedy="use a smaller scale or scale='auto', share the synapses between both receptors, "
        "or a target with wider accumulators",
    )
    needed = int(sums.max()).bit_length() + 1
    row = FitRow("accumulator_bits", population.name, needed, target.accumulator_bits, "neuron")
    error.table = (row.to_dict(),)
    return error


def _magnitude(population: PopulationNode, drive: Drive) -> NDArray[np.float64]:
    """(size,) the largest parameter or weight of each neuron."""
    p = population.params
    names = ("threshold", "v_reset", "v_init", "bias", "adapt_step")
    return np.max([*(np.abs(p[name]) for name in names), drive.largest_weight], axis=0)


def _readout_room(population: PopulationNode, drive: Drive) -> NDArray[np.float64]:
    """(size,) how far a non-spiking neuron should be able to go; 0 for the others."""
    stepwise = READOUT_STEPS * np.abs([*drive.u_low, *drive.u_high]).max(axis=0)
    far = READOUT_SHARE * np.where(np.isfinite(drive.worst), drive.worst, stepwise)
    return np.where((population.params["spiking"] == 0) & np.isfinite(far), far, 0.0)


def _power_below(value: float) -> float:
    """The largest power of two that is not above ``value``."""
    return float(2.0 ** np.floor(np.log2(value)))
