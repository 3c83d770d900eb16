"""Neuron models with conductances, in uS; PyNN's IF_cond_* and EIF_cond_*.

Conductances are exact at the ends of steps. The membrane sees them as they are in the middle of
the step, which makes the potential second-order accurate in the step; the exponential models use
the classical Runge-Kutta method of fourth order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..membrane import decay
from .models import Model, both

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_STEEPEST = 20.0
"""Largest exponent of the spike's upstroke: beyond it the threshold has been passed for long."""


class ConductanceModel(Model):
    """Two conductances, ``gsyn_exc`` and ``gsyn_inh``, of exponential or alpha shape.

    They are what users see just before the spikes of the present time arrive.
    """

    variables = ("v", "gsyn_exc", "gsyn_inh")
    alpha = False

    def begin(self) -> None:
        self.gsyn = np.zeros((2, self.size))
        self.rise = np.zeros((2, self.size))

    def prepare(self, p: dict[str, Array]) -> None:
        tau = both(p)
        self.cm, self.g_leak = p["cm"], p["cm"] / p["tau_m"]
        self.reversal = np.stack([p["e_rev_E"], p["e_rev_I"]]) - self.v_rest
        self.fall, self.half, self.slope = decay(tau, self.dt), decay(tau, self.dt / 2), np.e / tau

    def after(self, arrivals: Array, fraction: float) -> tuple[Array, Array]:
        """Conductances and their rise a fraction (0, 1/2 or 1) of the step after the arrivals."""
        fall = {0.0: 1.0, 0.5: self.half, 1.0: self.fall}[fraction]
        if not self.alpha:
            return (self.gsyn + arrivals) * fall, self.rise
        rise = self.rise + arrivals * self.slope
        return (self.gsyn + rise * (fraction * self.dt)) * fall, rise * fall

    def update(self, arrivals: Array, current: Array) -> NDArray[np.int64]:
        fired = super().update(arrivals, current)
        self.gsyn, self.rise = self.after(arrivals, 1.0)
        return fired

    def read(self, variable: str) -> Array:
        if variable in ("gsyn_exc", "gsyn_inh"):
            return self.gsyn[int(variable == "gsyn_inh")]
        return super().read(variable)

    def write(self, variable: str, index: NDArray[np.int64], values: Array) -> None:
        if variable in ("gsyn_exc", "gsyn_inh"):
            self.gsyn = self.gsyn.copy()
            self.gsyn[int(variable == "gsyn_inh"), index] = values
        else:
            super().write(variable, index, values)


class Conductance(ConductanceModel):
    """IF_cond_exp."""

    def integrate(self, arrivals: Array, current: Array) -> Array:
        g, _ = self.after(arrivals, 0.5)
        total = self.g_leak + g.sum(axis=0)
        goal = ((g * self.reversal).sum(axis=0) + current) / total
        return goal + (self.v - goal) * np.exp(-self.dt * total / self.cm)


class AlphaConductance(Conductance):
    """IF_cond_alpha: ``weight · t/tau · exp(1 - t/tau)`` uS after an arriving spike."""

    alpha = True


class AdaptiveExponential(ConductanceModel):
    """EIF_cond_exp_isfa_ista (Brette and Gerstner, 2005, doi:10.1152/jn.00686.2005).

    A spike is where v passes ``v_spike``; it resets v and adds ``b`` to the current w (nA).
    """

    variables = ("v", "w", "gsyn_exc", "gsyn_inh")

    def begin(self) -> None:
        super().begin()
        self.w = np.zeros(self.size)

    def prepare(self, p: dict[str, Array]) -> None:
        super().prepare(p)
        self.upstroke, self.sharpness = self.threshold, p["delta_T"]
        # Without an upstroke (delta_T = 0) the neuron fires where it would begin.
        self.threshold = np.where(self.sharpness > 0, p["v_spike"] - self.v_rest, self.upstroke)
        self.a, self.b, self.tau_w = p["a"] * 1e-3, p["b"], p["tau_w"]

    def update(self, arrivals: Array, current: Array) -> NDArray[np.int64]:
        held = self.held > 0
        w = self.w + (self.a * self.v - self.w) * -np.expm1(-self.dt / self.tau_w)
        fired = super().update(arrivals, current)  # sets self.w of those that are not held
        self.w = np.where(held, w, self.w)
        self.w[fired] += self.b[fired]
        return fired

    def integrate(self, arrivals: Array, current: Array) -> Array:
        g = [self.after(arrivals, fraction)[0] for fraction in (0.0, 0.5, 0.5, 1.0)]
        v, w = self.v, self.w
        slopes: list[tuple[Array, Array]] = []
        for stage, reach in enumerate((0.0, 0.5, 0.5, 1.0)):
            ahead = reach * self.dt
            dv, dw = slopes[-1] if slopes else (0.0, 0.0)
            slopes.append(self._slopes(v + ahead * dv, w + ahead * dw, g[stage], current))
        weights = np.array([1.0, 2.0, 2.0, 1.0])[:, None] * (self.dt / 6)
        self.w = w + (weights * np.array([dw for _, dw in slopes])).sum(axis=0)
        return v + (weights * np.array([dv for dv, _ in slopes])).sum(axis=0)

    def _slopes(self, v: Array, w: Array, g: Array, current: Array) -> tuple[Array, Array]:
        v = np.minimum(v, self.threshold)  # beyond it the model says nothing
        synaptic = (g * (self.reversal - v)).sum(axis=0)
        sharp = self.sharpness > 0
        exponent = (v - self.upstroke) / np.where(sharp, self.sharpness, 1.0)
        spike = np.where(sharp, self.sharpness * np.exp(np.minimum(exponent, _STEEPEST)), 0.0)
        dv = (self.g_leak * (spike - v) + synaptic + current - w) / self.cm
        return dv, (self.a * v - w) / self.tau_w


class AlphaAdaptiveExponential(AdaptiveExponential):
    """EIF_cond_alpha_isfa_ista."""

    alpha = True
