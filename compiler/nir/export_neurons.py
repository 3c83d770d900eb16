"""From a population's numbers in steps to the fields of a NIR neuron node, exactly invertible.

NIR speaks seconds and differential equations. What is written is what forward Euler at the
network's dt turns into the very factors that the population has: τ = dt/(1 − factor), and
r, w_in so that weights act as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..network import Population
from ..program import EXPONENTIAL, RESET_SUBTRACT
from .conventions import Reset
from .graph import Node

Array = NDArray[np.float64]

_ULPS = 16


def neuron_node(
    population: Population, dt: float, reset: Reset, reset_delay: bool
) -> tuple[Node | None, Array, list[str]]:
    """The node, the bias that an Affine before it must add, and why it cannot be written.

    Args:
        population: any.
        dt: seconds per step.
        reset, reset_delay: what the reader of the file is told of all neurons.
    """
    p = population.params
    spiking = bool(p["spiking"].any())
    current = bool(p["factor_u"][:, 0].any())
    factor = np.where(p["leak"] == EXPONENTIAL, p["factor_v"], 1.0)
    leakless = bool((factor == 1.0).all())
    problems = _problems(p, spiking, current, factor)
    if spiking:
        problems += _reset_problems(p, reset, reset_delay, leakless and not current)
    elif leakless and (p["v_init"] != 0).any():
        problems.append("v starts elsewhere than at 0, where NIR's integrators start")
    bias = p["bias"].copy()
    leak = p["v_init"].copy()
    if not leakless:
        pull = (1.0 - factor) * leak
        if current and not np.allclose(pull, bias, rtol=1e-12, atol=0):
            problems.append(
                "a bias beside a synaptic current; NIR's bias passes through the current. Give it "
                "by a spike source"
            )
        bias = np.where(np.isclose(pull, bias, rtol=1e-12, atol=0), 0.0, bias - pull)
    if problems:
        return None, bias, problems
    subtract = reset == "subtract"
    fields = {"v_threshold": p["threshold"] * 1.0, "v_reset": p["v_reset"] * (not subtract)}
    fields = fields if spiking else {}
    if leakless:
        fields["r"] = _settled(np.full(len(p), 1.0 / dt), lambda r: r * dt, 1.0)
        return Node("IF" if spiking else "I", fields, population.name), bias, []
    tau = _tau(factor, dt)
    gain = _settled(tau / dt, lambda r: r / tau * dt, 1.0)
    fields |= {"r": gain, "v_leak": leak}
    if not current:
        fields["tau"] = tau
        return Node("LIF" if spiking else "LI", fields, population.name), bias, []
    tau_syn = _tau(p["factor_u"][:, 0], dt)
    fields |= {"tau_mem": tau, "tau_syn": tau_syn}
    fields["w_in"] = _settled(tau_syn / dt, lambda w: w / tau_syn * dt, 1.0)
    return Node("CubaLIF" if spiking else "CubaLI", fields, population.name), bias, []


def _problems(p: NDArray[np.void], spiking: bool, current: bool, factor: Array) -> list[str]:
    leakless = factor == 1.0
    checks = (
        ((p["leak"] != EXPONENTIAL) & (p["leak_step"] != 0), "a linear leak; NIR's is exponential"),
        (spiking & (p["refractory"] != 0), "a refractory period"),
        (spiking & (p["adapt_step"] != 0), "an adaptive threshold"),
        (
            (current & leakless) | (p["factor_u"][:, 0] == 1.0),
            "a synaptic current without decay, or beside a membrane without leak",
        ),
        (leakless & ~leakless.all(), "neurons with and without leak; make it two populations"),
    )
    return [f"[{int(np.argmax(wrong))}]: {what}" for wrong, what in checks if np.any(wrong)]


def _reset_problems(
    p: NDArray[np.void], reset: Reset, reset_delay: bool, integrator: bool
) -> list[str]:
    found = []
    subtract = p["reset"] == RESET_SUBTRACT
    if (subtract != (reset == "subtract")).any():
        said = "subtract" if subtract.any() else "zero"
        found.append(f"a reset that NIR cannot express; say reset={said!r} here and when reading")
    if (p["reset_delay"].astype(bool) != reset_delay).any():
        found.append(
            "a reset at another time; say reset_delay="
            f"{bool(p['reset_delay'].any())} here and when reading"
        )
    start = np.where(subtract, 0.0, p["v_reset"])
    if integrator and (p["v_init"] != start).any():
        found.append("v starts elsewhere than at v_reset, where NIR's integrators start")
    return found


def _tau(factor: Array, dt: float) -> Array:
    """τ for which 1 − dt/τ is the factor, to the last bit where such a number exists."""
    return _settled(dt / (1.0 - factor), lambda tau: 1.0 - 1.0 / (tau / dt), factor)


def _settled(guess: Array, function: Callable[[Array], Array], target: Array | float) -> Array:
    """The nearest neighbours of ``guess`` at which the function comes closest to the target."""
    best, error = guess.copy(), np.abs(function(guess) - target)
    low = high = guess
    for _ in range(_ULPS):
        low, high = np.nextafter(low, 0.0), np.nextafter(high, np.inf)
        for candidate in (low, high):
            off = np.abs(function(candidate) - target)
            best, error = np.where(off < error, candidate, best), np.minimum(off, error)
    return best
