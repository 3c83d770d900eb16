"""Current sources: a number of nA for each step, injected into neurons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyNN.parameters import ParameterSpace, Sequence
from pyNN.standardmodels import StandardCurrentSource, electrodes

from . import simulator
from .cells import unchanged
from .plan import locate

if TYPE_CHECKING:
    from numpy.typing import NDArray

Currents = dict[str, tuple["NDArray[np.int64]", "NDArray[np.float64]"]]
"""Population -> (m,) indices, each once, and (steps, m) nA."""


class CurrentSource(StandardCurrentSource):
    """What all current sources share: parameters, targets, and the record of what flowed.

    The current of step k flows from k · dt to (k + 1) · dt and has the value of its beginning.
    """

    _now: dict[str, Any]

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        state = simulator.state
        self.number = len(state.current_sources)
        self.targets: list[tuple[Any, NDArray[np.int64]]] = []
        self._recording = False
        space = ParameterSpace(self.default_parameters, self.get_schema(), shape=(1,))
        space.update(**parameters)
        self._now = {}
        self.set_native_parameters(self.translate(space))
        self.begin()
        state.current_sources.append(self)

    def begin(self) -> None:
        """Time starts at 0: forget what flowed."""
        self._flowed: list[NDArray[np.float64]] = []

    def level(self, first: int, steps: int) -> NDArray[np.float64]:
        """(steps,) nA in the steps from ``first``."""
        raise NotImplementedError

    # ------------------------------------------------------------------ PyNN's interface

    def inject_into(self, cells: Any, location: Any = None) -> None:
        """Inject into a Population, PopulationView, Assembly, or list of cells.

        Raises:
            TypeError: one of them is a spike source.
        """
        if location is not None:
            raise TypeError("neurons are points: there is no location to inject into")
        if hasattr(cells, "all_cells"):
            populations, owner, index = locate(cells)
            found = [(p, index[owner == i]) for i, p in enumerate(populations)]
        else:
            found = [(c.parent, np.array([c.parent.id_to_index(c)], np.int64)) for c in cells]
        for population, _ in found:
            if not population.celltype.injectable:
                raise TypeError("Can't inject current into a spike source.")
        self.targets += found

    def record(self) -> None:
        """Keep the current, for ``get_data``."""
        self._recording = True

    def get_native_parameters(self) -> ParameterSpace:
        return ParameterSpace(dict(self._now))

    def set_native_parameters(self, parameters: ParameterSpace) -> None:
        parameters.evaluate(simplify=True)
        changed = dict(self._now)
        for name, value in parameters.items():
            value = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
            changed[name] = value.value if isinstance(value, Sequence) else value
        self._now = self._checked(changed)

    def _checked(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Parameters as they are used."""
        return parameters

    def _get_data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        state = simulator.state
        now = self.level(state.step, 1)
        values = np.concatenate([*self._flowed, now])
        times = state.milliseconds(np.arange(state.step + 1 - len(values), state.step + 1))
        return times, values

    # ------------------------------------------------------------------ what the simulation calls

    @property
    def width(self) -> int:
        """Injected numbers per step."""
        return sum(len(index) for _, index in self.targets)

    def flow(self, first: int, steps: int, currents: Currents) -> None:
        """Add what flows in the steps from ``first`` to ``currents``."""
        amplitude = self.level(first, steps)
        if self._recording:
            self._flowed.append(amplitude)
        for population, index in self.targets:
            known, total = currents.get(
                population.name, (np.zeros(0, np.int64), np.zeros((steps, 0)))
            )
            new = np.setdiff1d(index, known)
            known = np.concatenate([known, new])
            total = np.concatenate([total, np.zeros((steps, len(new)))], axis=1)
            place = np.argsort(known)[np.searchsorted(np.sort(known), index)]
            total += amplitude[:, None] * np.bincount(place, minlength=len(known))
            currents[population.name] = known, total

    def _within(self, first: int, steps: int) -> NDArray[np.bool_]:
        """(steps,) which steps begin from ``start`` on and before ``stop``."""
        dt = simulator.state.dt
        step = np.arange(first, first + steps)
        start, stop = (np.rint(self._now[name] / dt) for name in ("start", "stop"))
        return (step >= start) & (step < stop)


class DCSource(CurrentSource, electrodes.DCSource):
    __doc__ = electrodes.DCSource.__doc__
    translations = unchanged(electrodes.DCSource)

    def level(self, first: int, steps: int) -> NDArray[np.float64]:
        return np.where(self._within(first, steps), self._now["amplitude"], 0.0)


class ACSource(CurrentSource, electrodes.ACSource):
    __doc__ = electrodes.ACSource.__doc__
    translations = unchanged(electrodes.ACSource)

    def level(self, first: int, steps: int) -> NDArray[np.float64]:
        now, state = self._now, simulator.state
        since = state.milliseconds(np.arange(first, first + steps)) - now["start"]
        angle = 2 * np.pi * (since * 1e-3 * now["frequency"] + now["phase"] / 360)
        wave = now["offset"] + now["amplitude"] * np.sin(angle)
        return np.where(self._within(first, steps), wave, 0.0)


class StepCurrentSource(CurrentSource, electrodes.StepCurrentSource):
    __doc__ = electrodes.StepCurrentSource.__doc__
    translations = unchanged(electrodes.StepCurrentSource)

    def _checked(self, parameters: dict[str, Any]) -> dict[str, Any]:
        times, amplitudes = (
            np.asarray(parameters[name], np.float64).reshape(-1) for name in ("times", "amplitudes")
        )
        if len(times) != len(amplitudes):
            raise ValueError(
                f"Step current has {len(times)} times and {len(amplitudes)} amplitudes."
            )
        if not (times >= 0).all():
            raise ValueError("Step current cannot accept negative timestamps.")
        if not (np.diff(times) > 0).all():
            raise ValueError("Step current timestamps should be monotonically increasing.")
        steps = np.rint(times / simulator.state.dt).astype(np.int64)
        last = np.append(steps[1:] != steps[:-1], True)[: len(steps)]  # of those in one step
        return {
            **parameters,
            "times": simulator.state.milliseconds(steps[last]),
            "amplitudes": amplitudes[last],
        }

    def level(self, first: int, steps: int) -> NDArray[np.float64]:
        changes = np.rint(self._now["times"] / simulator.state.dt)
        levels = np.concatenate([[0.0], self._now["amplitudes"]])
        return levels[np.searchsorted(changes, np.arange(first, first + steps), side="right")]


class NoisyCurrentSource(CurrentSource, electrodes.NoisyCurrentSource):
    __doc__ = electrodes.NoisyCurrentSource.__doc__
    translations = unchanged(electrodes.NoisyCurrentSource)

    def __init__(self, **parameters: Any) -> None:
        self._drawn = np.zeros(0)
        if "rng" in parameters:
            raise TypeError("NoisyCurrentSource draws from setup's seed and takes no rng")
        parameters.setdefault("dt", simulator.state.dt)
        super().__init__(**parameters)
        self._generator = np.random.default_rng((simulator.state.seed, self.number))

    def level(self, first: int, steps: int) -> NDArray[np.float64]:
        now, dt = self._now, simulator.state.dt
        every = max(1, int(np.rint(now["dt"] / dt)))
        since = np.arange(first, first + steps) - int(np.rint(now["start"] / dt))
        number = np.maximum(since, 0) // every
        missing = int(number.max(initial=-1)) + 1 - len(self._drawn)
        if missing > 0:
            self._drawn = np.append(self._drawn, self._generator.standard_normal(missing))
        noise = now["mean"] + now["stdev"] * self._drawn[number]
        return np.where(self._within(first, steps), noise, 0.0)
