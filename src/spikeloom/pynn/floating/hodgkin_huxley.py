"""HH_cond_exp: the Hodgkin-Huxley neuron of Traub and Miles (Neuronal Networks of the Hippocampus,
Cambridge 1991) in the form of Brette et al. (2007, doi:10.1007/s10827-007-0038-6, appendix 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .conductances import ConductanceModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LONGEST = 0.01
"""ms: a step is divided until its parts are no longer."""
CROSSING = 0.0
"""mV: a spike is where v rises above this."""


def linear_rate(x: Array, scale: float) -> Array:
    """``x / (exp(x / scale) - 1)``, at 0 its limit."""
    small = np.abs(x) < 1e-6
    return np.where(small, scale - x / 2, x / np.expm1(np.where(small, 1.0, x) / scale))


class HodgkinHuxley(ConductanceModel):
    """Nothing is reset and nothing is held: the spike is the potential's own course."""

    variables = ("v", "gsyn_exc", "gsyn_inh")

    def completed(self, p: dict[str, Array]) -> dict[str, Array]:
        none = np.zeros(self.size)
        return {
            **p,
            "v_rest": none,
            "v_thresh": none + CROSSING,
            "v_reset": none,
            "tau_refrac": none,
            "tau_m": p["cm"] / p["g_leak"],
        }

    def begin(self) -> None:
        super().begin()
        self.m, self.h, self.n = np.zeros(self.size), np.ones(self.size), np.zeros(self.size)

    def prepare(self, p: dict[str, Array]) -> None:
        super().prepare(p)
        self.p = p

    def update(self, arrivals: Array, current: Array) -> NDArray[np.int64]:
        before = self.v
        self.v = self.integrate(arrivals, current + self.i_offset)
        self.gsyn, self.rise = self.after(arrivals, 1.0)
        return np.flatnonzero((self.v > self.threshold) & (before <= self.threshold))

    def integrate(self, arrivals: Array, current: Array) -> Array:
        parts = int(np.ceil(self.dt / LONGEST))
        ahead = self.dt / parts
        g, _ = self.after(arrivals, 0.5)
        state = np.stack([self.v, self.m, self.h, self.n])
        for _ in range(parts):
            first = self._slopes(state, g, current)
            second = self._slopes(state + ahead / 2 * first, g, current)
            third = self._slopes(state + ahead / 2 * second, g, current)
            last = self._slopes(state + ahead * third, g, current)
            state = state + ahead / 6 * (first + 2 * second + 2 * third + last)
        v, self.m, self.h, self.n = state
        return v

    def _slopes(self, state: Array, g: Array, current: Array) -> Array:
        p, (v, m, h, n) = self.p, state
        x = v - p["v_offset"]
        opening = np.stack(
            [
                0.32 * linear_rate(13.0 - x, 4.0),
                0.128 * np.exp((17.0 - x) / 18.0),
                0.032 * linear_rate(15.0 - x, 5.0),
            ]
        )
        closing = np.stack(
            [
                0.28 * linear_rate(x - 40.0, 5.0),
                4.0 / (1.0 + np.exp((40.0 - x) / 5.0)),
                0.5 * np.exp((10.0 - x) / 40.0),
            ]
        )
        gates = state[1:]
        sodium = p["gbar_Na"] * m**3 * h * (p["e_rev_Na"] - v)
        potassium = p["gbar_K"] * n**4 * (p["e_rev_K"] - v)
        leak = p["g_leak"] * (p["e_rev_leak"] - v)
        synaptic = (g * (self.reversal - v)).sum(axis=0)
        dv = (sodium + potassium + leak + synaptic + current) / p["cm"]
        return np.concatenate([dv[None], opening * (1 - gates) - closing * gates])
