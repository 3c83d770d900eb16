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

from ..compiler.connectors import Synapses
from ..compiler.network import Network
from ..compiler.neurons import LIF
from ..compiler.program import Probe
from .learning import learning_rule
from .membrane import constant_gain, decay, exponential_gain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .plan import Cells, Plan

    Array = NDArray[np.float64]

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


def lower_cells(cells: Cells, dt: float) -> tuple[Lowered, LIF]:
    """The numbers of a population, and its neuron."""
    p = cells.parameters
    delta = cells.model == "IF_curr_delta"
    if delta:
        effect, fall = np.ones((2, cells.size)), np.zeros((2, cells.size))
        tau_syn = None
    else:
        tau = np.stack([p["tau_syn_E"], p["tau_syn_I"]])
        effect, fall = exponential_gain(p["tau_m"], p["cm"], tau, dt), decay(tau, dt)
        tau_syn = (tau[0] * 1e-3, tau[1] * 1e-3)
    rest, gain = p["v_rest"], constant_gain(p["tau_m"], p["cm"], dt)
    neuron = LIF(
        p["tau_m"] * 1e-3,
        tau_syn,
        v_threshold=p["v_thresh"] - rest,
        v_reset=p["v_reset"] - rest,
        refractory=np.rint(p["tau_refrac"] / dt) * dt * 1e-3,
        bias=p["i_offset"] * gain,
        v_init=cells.initial["v"] - rest,
    )
    return Lowered(int(delta), rest, gain, effect, fall), neuron


def lower(plan: Plan) -> tuple[Network, dict[str, Lowered]]:
    """The network of a plan, with PyNN's labels as names, and its populations' numbers."""
    net = Network(dt=plan.dt * 1e-3, seed=plan.seed, name="pynn")
    for trains in plan.trains:
        net.source(trains.name, trains.size)
    lowered = {}
    for cells in plan.cells:
        lowered[cells.name], neuron = lower_cells(cells, plan.dt)
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
