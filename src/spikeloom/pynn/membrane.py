"""What a step does to a membrane, exactly: PyNN's parameters as factors of one step.

Between spikes, ``cm dv/dt = -cm/tau_m (v - v_rest) + I(t)`` is linear. With a current that is
constant during the step, or that decays with a time constant, v after the step is a fixed linear
combination of v and of the current's state before it (Rotter and Diesmann, 1999,
doi:10.1007/s004220050570). Both the devices' networks and the floating-point models use these.
Times are in ms, currents in nA, capacities in nF, potentials in mV.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_NEAR = 1e-3
"""Below this |a dt| the series is more exact than the formula."""


def decay(tau: Array, dt: float) -> Array:
    """What is left of a value after a step."""
    return np.exp(-dt / tau)


def constant_gain(tau_m: Array, cm: Array, dt: float) -> Array:
    """mV that 1 nA adds to v when it flows during a step."""
    return -np.expm1(-dt / tau_m) * tau_m / cm


def exponential_gain(tau_m: Array, cm: Array, tau_syn: Array, dt: float) -> Array:
    """mV that a current of 1 nA, decaying with ``tau_syn`` from the step's start, adds to v."""
    x = dt * (1 / tau_syn - 1 / tau_m)
    safe = np.where(np.abs(x) < _NEAR, 1.0, x)
    series = 1 - x / 2 + x**2 / 6 - x**3 / 24
    mean = np.where(np.abs(x) < _NEAR, series, -np.expm1(-safe) / safe)
    return decay(tau_m, dt) * dt * mean / cm


def alpha_gain(tau_m: Array, cm: Array, tau_syn: Array, dt: float) -> Array:
    """The same for the current ``s · exp(-s / tau_syn)`` nA, s ms after the step's start."""
    x = dt * (1 / tau_syn - 1 / tau_m)
    safe = np.where(np.abs(x) < _NEAR, 1.0, x)
    series = 1 / 2 - x / 3 + x**2 / 8 - x**3 / 30
    exact = (-np.expm1(-safe) - safe * np.exp(-safe)) / safe**2
    return decay(tau_m, dt) * dt**2 * np.where(np.abs(x) < _NEAR, series, exact) / cm
