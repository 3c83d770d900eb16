"""How far u and v can go at worst: bounds from the fan-in, for scales, proofs and warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .program import LINEAR, MASK, RESET_VALUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ir import PopulationNode, ProjectionEdge


@dataclass(frozen=True, eq=False)
class Drive:
    """Bounds of one population without graded input, every array (size,).

    Attributes:
        u_low, u_high: (2, size), the currents when every negative (positive) synapse gets a
            spike in every step.
        v_low, v_high: the same for v; infinite where nothing bounds it.
        v_rest: where v settles, without resets, while every negative synapse gets a spike in
            every step: no input holds it lower in the long run.
        largest_weight: largest |w| among the neuron's synapses.
    """

    u_low: NDArray[np.float64]
    u_high: NDArray[np.float64]
    v_low: NDArray[np.float64]
    v_high: NDArray[np.float64]
    v_rest: NDArray[np.float64]
    largest_weight: NDArray[np.float64]

    @property
    def worst(self) -> NDArray[np.float64]:
        """(size,) the largest |u| or |v|."""
        both = [*np.abs(self.u_low), *np.abs(self.u_high), np.abs(self.v_low), np.abs(self.v_high)]
        return np.max(both, axis=0)


def real_drive(population: PopulationNode, edges: Iterable[ProjectionEdge]) -> Drive:
    """Bounds of a population of the real graph."""
    n, p = population.size, population.params
    low, high = np.zeros((2, n)), np.zeros((2, n))
    largest = np.zeros(n)
    for edge in edges:
        post, lowest, highest = edge.synapses.post, edge.lowest, edge.highest
        high[edge.receptor] += np.bincount(post, np.maximum(highest, 0.0), n)
        low[edge.receptor] += np.bincount(post, np.minimum(lowest, 0.0), n)
        np.maximum.at(largest, post, np.maximum(np.abs(lowest), np.abs(highest)))
    return drive_of(
        low, high, 1.0 - p["factor_u"].T, 1.0 - p["factor_v"], p["leak"], p["leak_step"],
        p["bias"], p["v_init"], p, largest,
    )  # fmt: skip


def integer_drive(population: PopulationNode, edges: Iterable[ProjectionEdge]) -> Drive:
    """Bounds of a population of the integer graph, in state LSBs."""
    n, p = population.size, population.params
    low, high = np.zeros((2, n)), np.zeros((2, n))
    profile = p["profile"]
    gain = 2.0 ** profile["shift"]
    for edge in edges:
        post = edge.synapses.post
        lowest, highest = (
            np.ldexp(w.astype(np.float64), edge.exponent) for w in (edge.lowest, edge.highest)
        )
        high[edge.receptor] += np.bincount(post, np.maximum(highest, 0.0), n) * gain
        low[edge.receptor] += np.bincount(post, np.minimum(lowest, 0.0), n) * gain
    lost_u = profile["decay_u"].T / 4096.0
    return drive_of(
        low, high, lost_u, profile["decay_v"] / 4096.0, profile["leak"],
        profile["leak_step"].astype(np.float64), p["bias"].astype(np.float64),
        p["v_init"].astype(np.float64), _IntegerView(p), np.zeros(n),
    )  # fmt: skip


class _IntegerView:
    """Lets ``drive_of`` read an integer neuron by the names of a real one."""

    def __init__(self, params: NDArray[np.void]) -> None:
        self._params = params

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        fields = self._params.dtype.names or ()
        return (self._params if name in fields else self._params["profile"])[name]


def drive_of(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    lost_u: NDArray[np.float64],
    lost_v: NDArray[np.float64],
    leak: NDArray[np.uint8],
    leak_step: NDArray[np.float64],
    bias: NDArray[np.float64],
    v_init: NDArray[np.float64],
    p: NDArray[np.void] | _IntegerView,
    largest: NDArray[np.float64],
) -> Drive:
    """Bounds from the sums of one step's weights; ``lost`` is 1 - the factor that is left."""
    u_low, u_high = _steady(low, lost_u), _steady(high, lost_u)
    x_low, x_high = u_low.sum(axis=0) + bias, u_high.sum(axis=0) + bias
    linear = leak == LINEAR
    slack_low, slack_high = np.minimum(x_low + leak_step, 0.0), np.maximum(x_high - leak_step, 0.0)
    v_low = np.where(
        linear, x_low + _steady(slack_low, np.zeros_like(bias)), _steady(x_low, lost_v)
    )
    v_high = np.where(
        linear, x_high + _steady(slack_high, np.zeros_like(bias)), _steady(x_high, lost_v)
    )
    # A neuron that is set back by value cannot climb beyond its threshold by more than what
    # comes in until the reset takes effect; a masked refractory period lets it climb longer.
    climbs = 1.0 + p["reset_delay"] + np.where(p["refractory_mode"] == MASK, p["refractory"], 0)
    bounded = (p["spiking"] == 1) & (p["reset"] == RESET_VALUE) & (p["adapt_step"] == 0)
    with np.errstate(invalid="ignore"):  # infinity times zero: not used where x is infinite
        climb = np.maximum(p["threshold"], p["v_reset"]) + climbs * np.maximum(x_high, 0.0)
    v_high = np.where(bounded & np.isfinite(climb), np.minimum(v_high, climb), v_high)
    v_rest = v_low
    v_low = np.minimum(np.minimum(v_low, v_init), np.minimum(p["v_reset"], 0.0))
    v_high = np.maximum(np.maximum(v_high, v_init), np.maximum(p["v_reset"], 0.0))
    return Drive(u_low, u_high, v_low, v_high, v_rest, largest)


def accumulator_sums(size: int, edges: Iterable[ProjectionEdge]) -> NDArray[np.float64]:
    """(2, size) the largest |accumulator| that can occur, exact: Σ |m| << e (machine.md §3).

    Plastic synapses count with the larger of their limits.

    Float64 holds these sums exactly up to 2^53, far above any accumulator.
    """
    sums = np.zeros((2, size))
    for edge in edges:
        largest = np.maximum(
            np.abs(edge.lowest.astype(np.int64)), np.abs(edge.highest.astype(np.int64))
        )
        m = np.ldexp(largest.astype(np.float64), edge.exponent)
        sums[edge.receptor] += np.bincount(edge.synapses.post, m, size)
    return sums


def _steady(step: NDArray[np.float64], lost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where ``y = y (1 - lost) + step`` settles; infinite if it does not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        settled = step / lost
    return np.where(step == 0, 0.0, np.where(np.isnan(settled), 0.0, settled))
