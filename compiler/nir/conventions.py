"""What the same NIR node means to each framework, as equations of this machine.

The table is in docs/nir.md. Everything here was read from the exporters' and the simulators' own
code and is checked against them in tests/compiler/test_nir_peers.py as far as they install.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

from ...errors import FileError, NetworkError, UnsupportedError
from ..checks import show
from ..neurons import SUSPICIOUS_STEPS
from ..origin import warn_user
from .graph import READOUTS, SPIKING, Node
from .shapes import spread

Source = Literal["spec", "snntorch", "norse", "sinabs", "spikingjelly", "rockpool"]
Reset = Literal["zero", "subtract"]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Convention:
    """How one framework writes and runs neurons.

    Attributes:
        steps: time constants are counted in steps, not seconds.
        exact: decay by exp(−dt/τ); otherwise 1 − dt/τ.
        at_threshold: fires at v ≥ θ; otherwise at v > θ.
        unit_gain: weights act as they are; the file's r and w_in only undo dt/τ.
        reset: what its neurons do unless told otherwise; None: what the file says, a value.
        reset_delay: whether a subtracting reset takes effect one step late.
        nodes: neuron nodes its exporter writes; None: any.
    """

    steps: bool = False
    exact: bool = False
    at_threshold: bool = False
    unit_gain: bool = False
    reset: Reset | None = None
    reset_delay: bool = False
    nodes: tuple[str, ...] | None = None


CONVENTIONS: dict[str, Convention] = {
    "spec": Convention(),
    "snntorch": Convention(unit_gain=True, reset="subtract", reset_delay=True),
    "norse": Convention(),
    "sinabs": Convention(
        steps=True, exact=True, at_threshold=True, reset="subtract", nodes=("LIF", "LI", "IF")
    ),
    "spikingjelly": Convention(at_threshold=True, unit_gain=True),
    "rockpool": Convention(
        exact=True, at_threshold=True, reset="subtract", nodes=("CubaLIF", "LI")
    ),
}

GAIN_ROUNDING = 4 * np.finfo(np.float64).eps
"""Rounding of a product of three numbers."""

GAIN_TOLERANCE = 1e-4
"""Rounding of r and τ in float32, amplified by 1 − β close to 0."""


@dataclass(frozen=True, eq=False)
class Dynamics:
    """One NIR neuron node as this machine's equation; arrays are (size,), in the file's units.

    Attributes:
        tau_mem, tau_syn: seconds; tau_syn None: no synaptic current. A decay of zero is dt.
        decay: what is left of v after a step.
        gain: by which weights (and biases) are multiplied.
        rest: added to v in every step by v_leak.
        threshold, v_reset, start: v before the first step.
    """

    tau_mem: Array
    tau_syn: Array | None
    decay: Array
    gain: Array
    rest: Array
    threshold: Array
    v_reset: Array
    start: Array
    spiking: bool
    exact: bool


def dynamics(node: Node, size: int, dt: float, source: Source, tau_scale: float) -> Dynamics:
    """The equation of a neuron or Threshold node.

    Raises:
        UnsupportedError: the framework does not write this node.
        FileError, NetworkError: impossible or implausible parameters.
    """
    rule = CONVENTIONS[source]
    if node.type not in SPIKING | READOUTS:
        raise AssertionError(node.type)
    if rule.nodes is not None and node.type not in (*rule.nodes, "Threshold"):
        raise UnsupportedError(
            f"{source} does not write {node.type} nodes, so their meaning is not known.",
            expected=", ".join(rule.nodes),
            where=node.where,
            remedy="use source='spec' for NIR's own equations",
        )
    return _Reader(node, size, dt, source, rule, tau_scale).dynamics()


class _Reader:
    """Reads one node's fields by one convention."""

    def __init__(
        self, node: Node, size: int, dt: float, source: Source, rule: Convention, tau_scale: float
    ) -> None:
        self.node, self.size, self.dt, self.rule = node, size, dt, rule
        self.source: Source = source
        self.scale = tau_scale * (dt if rule.steps else 1.0)

    def value(self, name: str, default: float = 0.0) -> Array:
        fields = self.node.fields
        return spread(fields[name], self.size) if name in fields else np.full(self.size, default)

    def dynamics(self) -> Dynamics:
        kind = self.node.type
        threshold, v_reset = self.value("v_threshold"), self.value("v_reset")
        tau_syn: Array | None = None
        if kind == "Threshold":
            threshold = self.value("threshold")
            tau_mem, gain = np.full(self.size, self.dt), np.ones(self.size)
        elif kind in ("IF", "I"):
            tau_mem, gain = np.full(self.size, np.inf), self._gain_without_leak()
        elif kind in ("LIF", "LI"):
            tau_mem = self.tau("tau")
            gain = self._gain_of_leak(tau_mem)
        else:
            tau_mem, tau_syn = self.tau("tau_mem"), self.tau("tau_syn")
            gain = self._gain_of_current(tau_mem, tau_syn)
        exact = self.rule.exact and kind != "Threshold"
        decay = self._decay(tau_mem) if kind != "Threshold" else np.zeros(self.size)
        leak = self.value("v_leak") if kind in ("LIF", "LI", "CubaLIF", "CubaLI") else v_reset
        first = v_reset if self.source == "spikingjelly" and kind in SPIKING else leak
        rest = (1.0 - decay) * (leak if kind not in ("IF", "I", "Threshold") else 0.0)
        if self.rule.at_threshold and kind in SPIKING and kind != "Threshold":
            threshold = np.nextafter(threshold, -np.inf)
        start = first if kind != "Threshold" else np.zeros(self.size)
        self._check(gain)
        return Dynamics(
            tau_mem,
            tau_syn,
            decay,
            gain,
            rest,
            threshold,
            v_reset,
            start,
            spiking=kind in SPIKING,
            exact=exact,
        )

    def _decay(self, tau: Array) -> Array:
        return np.exp(-self.dt / tau) if self.rule.exact else 1.0 - self.dt / tau

    # ------------------------------------------------------------------------------------- gains

    def _gain_without_leak(self) -> Array:
        r = self.value("r")
        if self.source in ("norse", "sinabs"):
            return r  # both add the weight itself in every step and write r = 1
        return self._snapped(r * self.dt)

    def _gain_of_leak(self, tau: Array) -> Array:
        r = self.value("r")
        if self.source == "rockpool":
            self._check_rockpool(tau, r)
            return np.exp(-self.dt / tau)
        if self.source == "sinabs":
            return r * -np.expm1(-self.dt / tau)
        return self._snapped(_ratio(r, tau) * self.dt)

    def _gain_of_current(self, tau_mem: Array, tau_syn: Array) -> Array:
        r, w_in = self.value("r"), self.value("w_in", 1.0)
        if self.source == "rockpool":
            self._check_rockpool(tau_mem, r)
            return np.exp(-self.dt / tau_syn)  # its current decays once before v sees it
        outer = self._snapped(_ratio(r, tau_mem) * self.dt)
        if self.source == "norse":
            return outer * w_in  # the current jumps by the weight itself
        return outer * self._snapped(_ratio(w_in, tau_syn) * self.dt)

    def _snapped(self, gain: Array) -> Array:
        """Gains that only rounding keeps from 1 are 1 (float32's where no other gain exists)."""
        if not self.rule.unit_gain:
            return np.where(np.abs(gain - 1.0) < GAIN_ROUNDING, 1.0, gain)
        lost = np.isnan(gain)  # snnTorch writes β = 1 as τ = r = ∞
        return np.where(lost | (np.abs(gain - 1.0) < GAIN_TOLERANCE), 1.0, gain)

    # -------------------------------------------------------------------------------- plausibility

    def tau(self, name: str) -> Array:
        """A time constant in seconds, at least dt."""
        tau = self.value(name) * self.scale
        where = f"{self.node.where}/{name}"
        if (tau <= 0).any():
            raise FileError("A time constant is not positive.", found=tau.min(), where=where)
        steps = tau / self.dt
        if not self.rule.exact and (steps < 1 - 1e-6).any():
            raise NetworkError(
                "A time constant is shorter than a step, which forward Euler cannot do.",
                found=f"{show(tau.min())} s, {show(steps.min())} steps of {show(self.dt)} s",
                expected=f"≥ {show(self.dt)} s",
                where=where,
                remedy=_advice(float(tau.min()), self.dt, self.source),
            )
        slow = np.isfinite(steps) & (steps > SUSPICIOUS_STEPS)
        if slow.any():
            hint = "" if self.source == "sinabs" else "; Sinabs writes steps: source='sinabs'"
            warn_user(
                f"{where}: {show(tau[slow].max())} s is {show(steps[slow].max())} steps of "
                f"{show(self.dt)} s; is dt right?{hint}"
            )
        return tau if self.rule.exact else np.maximum(tau, self.dt)

    def _check_rockpool(self, tau: Array, r: Array) -> None:
        expected = tau / self.dt * np.exp(-self.dt / tau)
        if not np.allclose(r, expected, rtol=1e-3):
            # r = exp(−x)/x with x = dt/τ, hence x·exp(x) = 1/r
            guess = float(np.median(tau * lambertw(1.0 / np.maximum(r, 1e-9)).real))
            raise NetworkError(
                "The resistance does not fit dt as Rockpool writes it: r = τ/dt · exp(−dt/τ).",
                found=f"r = {show(float(r[0]))}",
                expected=show(float(expected[0])),
                where=self.node.where,
                remedy=f"dt={show(guess)} would fit",
            )

    def _check(self, gain: Array) -> None:
        if not np.isfinite(gain).all():
            raise FileError(
                "The gain r·dt/τ of a neuron is not finite.",
                found=f"r {self.node.fields.get('r')}, gain {gain[~np.isfinite(gain)][0]}",
                where=self.node.where,
            )
        if self.source == "snntorch" and (np.abs(gain - 1) > 0.01).any():
            raise NetworkError(
                "snnTorch's neurons have the gain r·dt/τ = 1; these do not.",
                found=show(float(gain[np.argmax(np.abs(gain - 1))])),
                expected="1",
                where=self.node.where,
                remedy="snnTorch writes dt=1e-4 (with another dt, also pass tau_scale=dt/1e-4); "
                "for another framework's file, name it by source=",
            )


def _ratio(a: Array, b: Array) -> Array:
    with np.errstate(invalid="ignore"):  # ∞/∞ is answered by the caller
        return a / b


def _advice(tau: float, dt: float, source: Source) -> str:
    """Which exporter probably wrote so short a time constant, and what would fit."""
    if source == "norse":
        return (
            "Norse's to_nir writes τ too small by its own dt argument: export with "
            f"to_nir(…, dt=1.0), or pass tau_scale={show(1 / dt)} if it was exported with "
            f"dt={show(dt)}"
        )
    if tau >= 0.999e-4 and dt > 1e-4:
        return (
            "snnTorch and SpikingJelly write for dt=1e-4: pass dt=1e-4 with source='snntorch' or "
            "source='spikingjelly'"
        )
    return (
        "Norse's to_nir writes τ too small by a factor dt: export with to_nir(…, dt=1.0) and pass "
        f"source='norse', or pass tau_scale={show(1 / dt)}; otherwise choose dt ≤ {show(tau)}"
    )
