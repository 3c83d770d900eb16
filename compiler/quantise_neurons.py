"""Neuron parameters as integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import CompileError
from .ir import INTEGER_NEURON
from .target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ir import PopulationNode

ULPS = 8
"""Rounding of ``θ·S`` that still counts as the whole number next to it."""

MANTISSA_MAX = 4095
"""Largest mantissa of a bias where numbers are to be multiples of something: Lava's."""


def quantise_neurons(
    population: PopulationNode,
    scale: NDArray[np.float64],
    shift: int,
    target: Target,
    multiple_of: int = 1,
) -> NDArray[np.void]:
    """(size,) of INTEGER_NEURON, its thresholds multiples of ``multiple_of``.

    Raises:
        CompileError: a value does not fit the state at this scale; names all that do not.
    """
    p = population.params
    out = np.zeros(population.size, INTEGER_NEURON)
    profile = out["profile"]
    profile["spiking"] = p["spiking"]
    profile["shift"] = shift
    profile["decay_u"] = decay(p["factor_u"])
    profile["leak"] = p["leak"]
    profile["decay_v"] = decay(p["factor_v"])
    profile["reset"] = p["reset"]
    profile["reset_delay"] = p["reset_delay"]
    profile["refractory"] = p["refractory"]
    profile["refractory_mode"] = p["refractory_mode"]
    profile["adapt_decay"] = decay(p["factor_adapt"])
    problems: list[str] = []
    for name, where in (
        ("leak_step", profile),
        ("v_reset", profile),
        ("adapt_step", profile),
        ("bias", out),
        ("v_init", out),
    ):
        value = np.rint(p[name] * scale)
        if name == "bias":
            value = _coarse(value, multiple_of)
        if name == "leak_step":  # a larger one takes no more than everything, either
            value = np.minimum(value, target.state_max)
        where[name] = _fit(problems, name, value, p[name], scale, target)
    whole = threshold(p["threshold"], scale)
    if multiple_of > 1:
        whole = np.rint(p["threshold"] * scale / multiple_of) * multiple_of
    out["threshold"] = _fit(problems, "threshold", whole, p["threshold"], scale, target)
    if problems:
        listing = "".join(f"\n  - {problem}" for problem in problems)
        raise CompileError(
            f"population {population.name!r}: numbers do not fit the {target.state_bits}-bit "
            f"state at the given scale{listing}",
            expected=f"{-target.state_max - 1} … {target.state_max}",
            where=population.origin,
            remedy="use a smaller scale, or scale='auto'",
        )
    return out


def decay(factor: NDArray[np.float64]) -> NDArray[np.uint16]:
    """k of ``decay(x, k)``: 4096ths of x that are lost per step."""
    return np.rint(4096.0 * (1.0 - factor)).astype(np.uint16)


def threshold(theta: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """The integer that decides ``v > θ`` for integers v as the real one does: ⌊θ·S⌋.

    The product's own rounding must not turn 3 into 2.9999…: unless the scale is a power of two,
    and the product exact, numbers within a few ulps of a whole number are that number.
    """
    product = theta * scale
    nearest = np.rint(product)
    exact = np.frexp(scale)[0] == 0.5
    noise = np.abs(product - nearest) <= ULPS * np.spacing(np.abs(product))
    return np.where(noise & ~exact, nearest, np.floor(product))


def _coarse(value: NDArray[np.float64], multiple_of: int) -> NDArray[np.float64]:
    """Values of more than 12 bits become multiples of larger powers of two, up to that one."""
    beyond = np.ceil(np.log2(np.maximum(np.abs(value) / MANTISSA_MAX, 1.0)))
    step = np.exp2(np.minimum(beyond, multiple_of.bit_length() - 1))
    return np.rint(value / step) * step


def _fit(
    problems: list[str],
    name: str,
    value: NDArray[np.float64],
    real: NDArray[np.float64],
    scale: NDArray[np.float64],
    target: Target,
) -> NDArray[np.int64]:
    wrong = (value > target.state_max) | (value < -target.state_max - 1)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        problems.append(f"{name}[{i}] = {real[i]:g} times scale {scale[i]:g} is {value[i]:.0f}")
        return np.zeros(len(value), np.int64)
    return value.astype(np.int64)
