"""Neuron models with currents: exact integration, the threshold checked at the ends of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..membrane import alpha_gain, constant_gain, decay, exponential_gain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..plan import Cells

    Array = NDArray[np.float64]


class Model:
    """A population in floating point: parameters, state, and the update of one step.

    ``v`` is kept relative to ``v_rest``, where the leak is a factor. A neuron fires when v exceeds
    the threshold at the end of a step, is reset at once, and is then held for ``tau_refrac``.

    Args:
        cells: parameters and initial values.
        dt: ms.

    Attributes:
        early: by how many steps before its time an arriving spike has to be handed to ``update``.
        variables: state that users know by name.
    """

    early: ClassVar[int] = 0
    variables: ClassVar[tuple[str, ...]] = ("v",)

    def __init__(self, cells: Cells, dt: float) -> None:
        self.dt, self.size = dt, cells.size
        self.v_rest = self.completed(cells.parameters)["v_rest"]
        self.v = cells.initial["v"] - self.v_rest
        self.take(cells)
        self.held = np.zeros(cells.size, np.int64)
        self.begin()
        for name, values in cells.initial.items():
            if name != "v":
                self.write(name, np.arange(cells.size), values)

    def take(self, cells: Cells) -> None:
        """Use these parameters from now on; the state stays."""
        p = self.completed(cells.parameters)
        rest = p["v_rest"]
        self.v = self.v + (self.v_rest - rest)
        self.v_rest = rest
        self.threshold = p["v_thresh"] - rest
        self.v_reset = p["v_reset"] - rest
        self.refractory = np.rint(p["tau_refrac"] / self.dt).astype(np.int64)
        self.i_offset = p["i_offset"]
        self.prepare(p)

    def completed(self, p: dict[str, Array]) -> dict[str, Array]:
        """The parameters, with stand-ins for what a model does not have."""
        return p

    def prepare(self, p: dict[str, Array]) -> None:
        """Compute what follows from the parameters."""
        raise NotImplementedError

    def begin(self) -> None:
        """Zero all state but v."""

    def integrate(self, arrivals: Array, current: Array) -> Array:
        """(size,) v after the step, from (2, size) arriving weights and (size,) nA."""
        raise NotImplementedError

    def update(self, arrivals: Array, current: Array) -> NDArray[np.int64]:
        """One step; returns who fired."""
        free = self.held == 0
        v = np.where(free, self.integrate(arrivals, current + self.i_offset), self.v)
        fire = (v > self.threshold) & free
        self.v = np.where(fire, self.v_reset, v)
        self.held = np.where(fire, self.refractory, np.maximum(self.held - 1, 0))
        return np.flatnonzero(fire)

    def read(self, variable: str) -> Array:
        """A state variable now, in PyNN's units."""
        return self.v + self.v_rest if variable == "v" else getattr(self, variable)

    def write(self, variable: str, index: NDArray[np.int64], values: Array) -> None:
        """Set a state variable of some neurons, in PyNN's units."""
        if variable == "v":
            self.v = self.v.copy()
            self.v[index] = values - self.v_rest[index]
        else:
            array = getattr(self, variable).copy()
            array[index] = values
            setattr(self, variable, array)


def both(p: dict[str, Array]) -> Array:
    """(2, size) synaptic time constants in ms."""
    return np.stack([p["tau_syn_E"], p["tau_syn_I"]])


class Delta(Model):
    """IF_curr_delta: a spike moves v when it arrives."""

    early = 1

    def prepare(self, p: dict[str, Array]) -> None:
        self.leak = decay(p["tau_m"], self.dt)
        self.gain = constant_gain(p["tau_m"], p["cm"], self.dt)

    def integrate(self, arrivals: Array, current: Array) -> Array:
        return self.v * self.leak + self.gain * current + arrivals.sum(axis=0)


class CurrentModel(Model):
    """Two synaptic currents, in nA, as users see them: ``isyn_exc`` and ``isyn_inh``.

    They are what flows just before the spikes of the present time arrive.
    """

    variables = ("v", "isyn_exc", "isyn_inh")

    def begin(self) -> None:
        self.isyn = np.zeros((2, self.size))

    def read(self, variable: str) -> Array:
        if variable in ("isyn_exc", "isyn_inh"):
            return self.isyn[int(variable == "isyn_inh")]
        return super().read(variable)

    def write(self, variable: str, index: NDArray[np.int64], values: Array) -> None:
        if variable in ("isyn_exc", "isyn_inh"):
            self.isyn = self.isyn.copy()
            self.isyn[int(variable == "isyn_inh"), index] = values
        else:
            super().write(variable, index, values)


class Exponential(CurrentModel):
    """IF_curr_exp: an arriving spike makes the current jump; it decays exponentially."""

    def prepare(self, p: dict[str, Array]) -> None:
        self.leak = decay(p["tau_m"], self.dt)
        self.gain = constant_gain(p["tau_m"], p["cm"], self.dt)
        self.fall = decay(both(p), self.dt)
        self.effect = exponential_gain(p["tau_m"], p["cm"], both(p), self.dt)

    def update(self, arrivals: Array, current: Array) -> NDArray[np.int64]:
        fired = super().update(arrivals, current)
        self.isyn = (self.isyn + arrivals) * self.fall  # also while the membrane is held
        return fired

    def integrate(self, arrivals: Array, current: Array) -> Array:
        synaptic = (self.effect * (self.isyn + arrivals)).sum(axis=0)
        return self.v * self.leak + self.gain * current + synaptic


class Alpha(CurrentModel):
    """IF_curr_alpha: ``weight · t/tau · exp(1 - t/tau)`` nA after an arriving spike."""

    def begin(self) -> None:
        super().begin()
        self.rise = np.zeros((2, self.size))

    def prepare(self, p: dict[str, Array]) -> None:
        tau = both(p)
        self.leak = decay(p["tau_m"], self.dt)
        self.gain = constant_gain(p["tau_m"], p["cm"], self.dt)
        self.fall, self.slope = decay(tau, self.dt), np.e / tau
        self.effect = exponential_gain(p["tau_m"], p["cm"], tau, self.dt)
        self.effect_of_rise = alpha_gain(p["tau_m"], p["cm"], tau, self.dt)

    def update(self, arrivals: Array, current: Array) -> NDArray[np.int64]:
        fired = super().update(arrivals, current)
        rise = self.rise + arrivals * self.slope
        self.isyn = (self.isyn + rise * self.dt) * self.fall
        self.rise = rise * self.fall
        return fired

    def integrate(self, arrivals: Array, current: Array) -> Array:
        rise = self.rise + arrivals * self.slope
        synaptic = (self.effect * self.isyn + self.effect_of_rise * rise).sum(axis=0)
        return self.v * self.leak + self.gain * current + synaptic
