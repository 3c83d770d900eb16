"""From a plan in PyNN's terms to a Network in the machine's.

The machine's step is the exact solution of IF_curr_exp and IF_curr_delta on the time grid: u is the
synaptic current as the mV that it adds in a step, v is relative to ``v_rest``, a constant current
is a bias. Step k takes the time from k · dt to (k + 1) · dt, so a neuron that fires in it has the
spike time (k + 1) · dt, and v after it is the sample of that time.

A delay of d steps in PyNN is the wheel delay d: the spike of time s · dt joins u in step s + d.
Onto IF_curr_delta it is d - 1, since there the jump belongs to the end of the step before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.checks import show
from ..compiler.connectors import Synapses
from ..compiler.network import Network
from ..compiler.neurons import LIF
from ..compiler.origin import warn_user
from ..compiler.program import Probe
from .learning import learning_rule
from .membrane import constant_gain, decay, exponential_gain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .plan import Cells, Plan

    Array = NDArray[np.float64]

DECAYS = 4096
"""A decay factor of the machine is a multiple of one part in so many (docs/machine.md §3)."""
NOTABLE = 0.01
"""A time constant that changes by more than this is told."""
_NATIVE = {"v": "v", "isyn_exc": "u0", "isyn_inh": "u1", "spikes": "spikes"}
_USER = {native: user for user, native in _NATIVE.items()}


@dataclass(frozen=True, eq=False)
class Lowered:
    """A population as the machine has it, and the way back.

    Attributes:
        early: by how many steps less than its delay a spike waits on the wheel.
        rest: (size,) mV, the machine's zero.
        gain: (size,) mV that 1 nA adds to v in a step.
        effect: (2, size) mV that a weight of 1 adds to u of each receptor.
        fall: (2, size) what is left of u after a step.
    """

    early: int
    rest: Array
    gain: Array
    effect: Array
    fall: Array

    @staticmethod
    def user_name(native: str) -> str:
        """PyNN's name of a state variable."""
        return _USER[native]

    @staticmethod
    def native_name(user: str) -> str:
        """The machine's name of a state variable."""
        return _NATIVE[user]

    def to_user(self, native: str, values: Array) -> Array:
        """(…, size) state in PyNN's units.

        u after a step is the current at the step's beginning: what is left of it is the current
        at its end, just before the spikes of that time arrive.
        """
        if native == "v":
            return values + self.rest
        r = int(native == "u1")
        return values * (self.fall[r] / self.effect[r])

    def to_native(self, native: str, values: Array, index: NDArray[np.int64]) -> Array:
        """The way back, for neurons ``index``; a current without a time constant leaves nothing."""
        if native == "v":
            return values - self.rest[index]
        r = int(native == "u1")
        left = self.fall[r][index]
        kept = np.where(left > 0, left, 1.0)
        return np.where(left > 0, values * self.effect[r][index] / kept, 0.0)


def rounded_tau(name: str, tau: Array, dt: float) -> Array:
    """The time constants whose decay per step is a multiple of 1/4096, as the machine has it.

    Those that decay by less are left to the compiler, which says that they became none.

    Warns:
        UserWarning: one changes by more than a hundredth.
    """
    k = np.clip(np.rint(DECAYS * -np.expm1(-dt / tau)), 0, DECAYS - 1)
    near = np.where(k > 0, -dt / np.log1p(-np.maximum(k, 1) / DECAYS), tau)
    off = np.abs(near / tau - 1)
    if (off > NOTABLE).any():
        at = int(np.argmax(off))
        warn_user(
            f"{name} of {show(tau[at])} ms is {show(near[at])} ms on the device: at a timestep of "
            f"{show(dt)} ms decays are coarse; a longer timestep comes closer"
        )
    return near


def lower_cells(cells: Cells, dt: float, exact: bool) -> tuple[Lowered, LIF]:
    """The numbers of a population, and its neuron.

    Where time constants are rounded, the membrane's resistance and the charge of a synaptic
    current stay what they are, and so do mean potentials.
    """
    p = cells.parameters

    def tau_of(name: str) -> Array:
        return p[name] if exact else rounded_tau(f"{name} of {cells.name!r}", p[name], dt)

    delta = cells.model == "IF_curr_delta"
    tau_m = tau_of("tau_m")
    cm = p["cm"] * (tau_m / p["tau_m"])
    if delta:
        effect, fall = np.ones((2, cells.size)), np.zeros((2, cells.size))
        tau_syn = None
    else:
        tau = np.stack([tau_of("tau_syn_E"), tau_of("tau_syn_I")])
        fall = decay(tau, dt)
        given = np.stack([p["tau_syn_E"], p["tau_syn_I"]])
        effect = exponential_gain(tau_m, cm, tau, dt) * (given / tau)
        tau_syn = (tau[0] * 1e-3, tau[1] * 1e-3)
    rest, gain = p["v_rest"], constant_gain(tau_m, cm, dt)
    neuron = LIF(
        tau_m * 1e-3,
        tau_syn,
        v_threshold=p["v_thresh"] - rest,
        v_reset=p["v_reset"] - rest,
        refractory=np.rint(p["tau_refrac"] / dt) * dt * 1e-3,
        bias=p["i_offset"] * gain,
        v_init=cells.initial["v"] - rest,
    )
    return Lowered(int(delta), rest, gain, effect, fall), neuron


def lower(plan: Plan, *, exact: bool = False) -> tuple[Network, dict[str, Lowered]]:
    """The network of a plan, with PyNN's labels as names, and its populations' numbers.

    Args:
        plan: the network in PyNN's terms.
        exact: keep time constants that the machine would have to round.
    """
    net = Network(dt=plan.dt * 1e-3, seed=plan.seed, name="pynn")
    for trains in plan.trains:
        net.source(trains.name, trains.size)
    lowered = {}
    for cells in plan.cells:
        lowered[cells.name], neuron = lower_cells(cells, plan.dt, exact)
        net.population(cells.name, cells.size, neuron)
    for links in plan.links:
        target = lowered[links.post]
        base = 0 if links.pre in net.sources else 1  # how the network counts delays
        steps = links.delay - target.early + base
        effect = target.effect[links.receptor, links.post_index]
        net.connect(
            links.pre,
            links.post,
            weights=Synapses(
                links.pre_index, links.post_index, links.weight * effect, steps * net.dt
            ),
            receptor=links.receptor,
            learning=learning_rule(links, effect, plan.dt),
            name=links.name,
        )
    net.probes = list(probes(plan))
    return net, lowered


def probes(plan: Plan) -> tuple[Probe, ...]:
    """What is to be recorded."""
    return tuple(
        Probe(cells.name, _NATIVE[variable])  # type: ignore[arg-type]
        for cells in plan.cells
        for variable in cells.record
    )
