"""Neuron models as users write them: seconds and the network's own units."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from .checks import Reasons, at, choice, more, numbers, show, whole_steps
from .origin import warn_user
from .program import EXPONENTIAL, HOLD, LINEAR, MASK, RESET_SUBTRACT, RESET_VALUE
from .sources import spread

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Reset = Literal["value", "subtract"]
RefractoryMode = Literal["hold", "mask"]
Leak = Literal["exponential", "linear"]
Discretization = Literal["exact", "euler"]

NEURON = np.dtype(
    [
        ("spiking", "u1"),
        ("factor_u", "<f8", (2,)),  # what is left of u[r] after a step, 0 .. 1
        ("leak", "u1"),  # EXPONENTIAL or LINEAR
        ("factor_v", "<f8"),  # what is left of v after a step (exponential leak)
        ("leak_step", "<f8"),  # by how much |v| shrinks in a step (linear leak)
        ("threshold", "<f8"),
        ("reset", "u1"),  # RESET_VALUE or RESET_SUBTRACT
        ("reset_delay", "u1"),
        ("v_reset", "<f8"),
        ("refractory", "<i8"),  # steps
        ("refractory_mode", "u1"),  # HOLD or MASK
        ("adapt_step", "<f8"),  # Δθ
        ("factor_adapt", "<f8"),  # what is left of θa after a step
        ("bias", "<f8"),  # what is added to v per step
        ("v_init", "<f8"),
    ]
)
"""One neuron in steps and reals: the parameters of docs/machine.md §5 before quantisation."""

MAX_REFRACTORY = 65535
SUSPICIOUS_STEPS = 4000
"""A time constant of more steps than this decays by less than one in 4096 per step: more likely
a value in milliseconds than a meant one."""
ABSURD_STEPS = 1 / 20
"""A time constant of fewer steps than this leaves less than 2e-9 after one step."""

_TAUS = ("tau_mem", "tau_threshold")
_NUMBERS: dict[str, dict[str, Any]] = {
    "tau_mem": {"above": 0.0, "infinite": True},
    "v_threshold": {},
    "v_reset": {},
    "refractory": {"low": 0.0},
    "bias": {},
    "leak_rate": {"low": 0.0},
    "threshold_step": {"low": 0.0},
    "tau_threshold": {"above": 0.0, "infinite": True},
    "v_init": {},
}


@dataclass(frozen=True, eq=False)
class LIF:
    """Leaky integrate-and-fire neurons; docs/network.md has the equations.

    A spike adds its weight to the synaptic current u; in every step ``u + bias`` is added to v.
    A neuron fires when ``v > v_threshold``. Every number is a scalar or one value per neuron.

    Args:
        tau_mem: membrane time constant in seconds; None or inf: no leak.
        tau_syn: synaptic time constant in seconds, or a pair for the two receptors. None: delta
            synapses, a spike moves v at once and leaves no current. inf: the current never decays.
        v_threshold: in the network's units.
        v_reset: v after a spike (``reset="value"``).
        refractory: seconds; rounded to steps with a warning.
        bias: what is added to v in every step.
        reset: ``"value"`` sets v to ``v_reset``; ``"subtract"`` takes the threshold from v.
        reset_delay: the reset takes effect in the step after the spike (snnTorch's default).
        refractory_mode: ``"hold"`` freezes v while refractory, ``"mask"`` only keeps the neuron
            from firing.
        leak: ``"exponential"`` (``tau_mem``) or ``"linear"`` (``leak_rate``).
        leak_rate: by how much the size of v shrinks per second (linear leak).
        threshold_step: by how much a spike raises the neuron's own threshold.
        tau_threshold: seconds in which a raised threshold decays; None or inf: never.
        v_init: v before the first step.
        spiking: False makes a readout that only integrates.
        discretization: ``"exact"`` leaves ``exp(-dt/tau)`` of a value after a step,
            ``"euler"`` ``1 - dt/tau``.

    Raises:
        NetworkError: with everything that is wrong with the parameters.
    """

    tau_mem: ArrayLike | None
    tau_syn: ArrayLike | tuple[ArrayLike | None, ArrayLike | None] | None = None
    v_threshold: ArrayLike = 1.0
    v_reset: ArrayLike = 0.0
    refractory: ArrayLike = 0.0
    bias: ArrayLike = 0.0
    _: KW_ONLY
    reset: Reset = "value"
    reset_delay: bool = False
    refractory_mode: RefractoryMode = "hold"
    leak: Leak = "exponential"
    leak_rate: ArrayLike = 0.0
    threshold_step: ArrayLike = 0.0
    tau_threshold: ArrayLike | None = None
    v_init: ArrayLike = 0.0
    spiking: bool = True
    discretization: Discretization = "exact"

    def __post_init__(self) -> None:
        reasons = Reasons("neuron")
        for name, rule in _NUMBERS.items():
            value = getattr(self, name)
            value = np.inf if value is None and name in _TAUS else value
            object.__setattr__(self, name, numbers(reasons, name, value, **rule))
        object.__setattr__(self, "tau_syn", _tau_syn(reasons, self.tau_syn))
        choice(reasons, "reset", self.reset, get_args(Reset))
        choice(reasons, "leak", self.leak, get_args(Leak))
        choice(reasons, "refractory_mode", self.refractory_mode, get_args(RefractoryMode))
        choice(reasons, "discretization", self.discretization, get_args(Discretization))
        for name in ("reset_delay", "spiking"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                reasons.add(f"{name} must be True or False, got {getattr(self, name)!r}")
        if not reasons:
            self._check_combinations(reasons)
        reasons.done()

    def _check_combinations(self, reasons: Reasons) -> None:
        if self.leak == "linear" and np.isfinite(self.tau_mem).any():  # type: ignore[arg-type]
            reasons.add("tau_mem belongs to leak='exponential'; pass None with leak='linear'")
        if self.leak == "exponential" and np.any(self.leak_rate):
            reasons.add("leak_rate belongs to leak='linear'")
        if self.reset == "subtract" and np.any(self.v_reset):
            reasons.add("v_reset belongs to reset='value'; reset='subtract' takes v_threshold off")
        if self.reset == "subtract" and np.any(np.asarray(self.v_threshold) < 0):
            reasons.add("reset='subtract' with a negative v_threshold would raise v at each spike")
        if not np.any(self.threshold_step) and np.isfinite(self.tau_threshold).any():  # type: ignore[arg-type]
            reasons.add("tau_threshold has no effect while threshold_step is 0")

    def resolve(self, size: int, dt: float, reasons: Reasons) -> NDArray[np.void]:
        """The parameters of ``size`` neurons with steps of ``dt`` seconds.

        Args:
            size: number of neurons.
            dt: length of a step in seconds.
            reasons: where findings go; doubtful values issue a UserWarning instead.

        Returns:
            (size,) of NEURON.
        """
        out = np.zeros(size, NEURON)

        def value(name: str) -> NDArray[np.float64]:
            return spread(reasons, name, np.asarray(getattr(self, name), np.float64), size)

        out["spiking"] = self.spiking
        out["leak"] = LINEAR if self.leak == "linear" else EXPONENTIAL
        out["leak_step"] = value("leak_rate") * dt
        out["threshold"] = value("v_threshold")
        out["reset"] = RESET_SUBTRACT if self.reset == "subtract" else RESET_VALUE
        out["reset_delay"] = self.reset_delay
        out["v_reset"] = value("v_reset")
        out["refractory_mode"] = MASK if self.refractory_mode == "mask" else HOLD
        out["refractory"] = _refractory(reasons, value("refractory"), dt)
        out["adapt_step"] = value("threshold_step")
        out["bias"] = value("bias")
        out["v_init"] = value("v_init")

        def factor(name: str, tau: NDArray[np.float64]) -> NDArray[np.float64]:
            return _factor(reasons, name, tau, dt, self.discretization)

        out["factor_v"] = factor("tau_mem", value("tau_mem"))
        out["factor_adapt"] = factor("tau_threshold", value("tau_threshold"))
        taus: tuple[Any, Any] = self.tau_syn  # type: ignore[assignment]
        for r, tau in enumerate(taus):
            name = "tau_syn" if taus[0] is taus[1] else f"tau_syn[{r}]"
            if tau is None:
                out["factor_u"][:, r] = 0.0
            elif r == 1 and taus[0] is taus[1]:
                out["factor_u"][:, 1] = out["factor_u"][:, 0]
            else:
                out["factor_u"][:, r] = factor(name, spread(reasons, name, tau, size))
        return out


def LI(tau_mem: ArrayLike | None, tau_syn: Any = None, bias: ArrayLike = 0.0, **more: Any) -> LIF:  # noqa: N802 - named like the class it makes
    """A readout: leaky integrator that never fires. Keywords as for :class:`LIF`."""
    return LIF(tau_mem, tau_syn, bias=bias, spiking=False, **more)


def IF(v_threshold: ArrayLike = 1.0, tau_syn: Any = None, **more: Any) -> LIF:  # noqa: N802 - named like the class it makes
    """Integrate-and-fire without leak. Keywords as for :class:`LIF`."""
    return LIF(None, tau_syn, v_threshold=v_threshold, **more)


def _tau_syn(reasons: Reasons, value: Any) -> tuple[Any, Any]:
    """One value or a pair as a pair of arrays or None; the same object twice for one value."""
    if value is None:
        return None, None
    rule: dict[str, Any] = {"above": 0.0, "infinite": True}
    if isinstance(value, tuple):
        if len(value) != 2:
            reasons.add(f"tau_syn must be one value or a pair, got {len(value)} values")
            return None, None
        return tuple(  # type: ignore[return-value]
            None if v is None else numbers(reasons, f"tau_syn[{r}]", v, **rule)
            for r, v in enumerate(value)
        )
    tau = numbers(reasons, "tau_syn", value, **rule)
    return tau, tau


def _factor(
    reasons: Reasons, name: str, tau: NDArray[np.float64], dt: float, method: Discretization
) -> NDArray[np.float64]:
    """What a time constant leaves of a value after one step."""
    steps = tau / dt
    absurd = steps < (1.0 if method == "euler" else ABSURD_STEPS)
    if absurd.any():
        least = "dt with discretization='euler'" if method == "euler" else "dt/20"
        reasons.add(
            f"{at(name, absurd)} of {show(tau[absurd][0])} s is shorter than {least} "
            f"(dt = {show(dt)} s){more(absurd)}"
        )
        return np.zeros_like(tau)
    slow = np.isfinite(steps) & (steps > SUSPICIOUS_STEPS)
    if slow.any():
        warn_user(
            f"{reasons.subject}: {at(name, slow)} of {show(tau[slow][0])} s is "
            f"{show(steps[slow][0])} steps of {show(dt)} s: are times given in seconds? "
            f"So slow a decay cannot be told from none (use inf for none)"
        )
    return np.exp(-1.0 / steps) if method == "exact" else 1.0 - 1.0 / steps


def _refractory(reasons: Reasons, seconds: NDArray[np.float64], dt: float) -> NDArray[np.int64]:
    steps, off = whole_steps(seconds, dt)
    if off.any():
        warn_user(
            f"{reasons.subject}: {at('refractory', off)} of {show(seconds[off][0])} s is no whole "
            f"number of steps of {show(dt)} s{more(off)}; rounded to "
            f"{show(float(steps[off][0]) * dt)} s"
        )
    long = steps > MAX_REFRACTORY
    if long.any():
        reasons.add(
            f"{at('refractory', long)} of {show(seconds[long][0])} s is longer than "
            f"{MAX_REFRACTORY} steps of {show(dt)} s: are times given in seconds?"
        )
    return np.minimum(steps, MAX_REFRACTORY)
