"""Population, PopulationView and Assembly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyNN import common, errors
from pyNN.parameters import LazyArray, ParameterSpace, simplify

from . import simulator
from .plan import SOURCES
from .recording import Recorder
from .sources import ArrayTrains, PoissonTrains

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POSITIVE = ("tau_m", "cm", "g_leak", "tau_syn_E", "tau_syn_I", "tau_w")


class Assembly(common.Assembly):
    __doc__ = common.Assembly.__doc__
    _simulator = simulator

    @property
    def receptor_types(self) -> list[str]:
        """Receptors that all members have, in the first one's order.

        PyNN's own list has the order of a set, which differs from run to run, and a projection
        without a ``receptor_type`` takes the first of it.
        """
        kinds = [p.celltype.receptor_types for p in self.populations]
        return [kind for kind in kinds[0] if all(kind in others for others in kinds[1:])]


class _Group:
    """What Population and PopulationView share; subclasses say where their neurons are."""

    celltype: Any
    size: int
    label: str

    def _place(self) -> tuple[Population, NDArray[np.int64]]:
        """The population, and the indices in it."""
        raise NotImplementedError

    def _get_view(self, selector: Any, label: str | None = None) -> PopulationView:
        return PopulationView(self, selector, label)

    def _get_parameters(self, *names: str) -> ParameterSpace:
        population, index = self._place()
        unknown = [name for name in names if name not in population.parameters]
        if unknown:
            raise errors.NonExistentParameterError(
                unknown[0], type(self.celltype).__name__, self.celltype.get_parameter_names()
            )
        values = {name: simplify(population.parameters[name][index]) for name in names}
        return ParameterSpace(values, shape=(self.size,))

    _get_native_parameters = _get_parameters

    def _set_parameters(self, parameter_space: ParameterSpace) -> None:
        population, index = self._place()
        parameter_space.evaluate(simplify=False)
        changed = dict(population.parameters)
        for name, value in parameter_space.items():
            changed[name] = population.parameters[name].copy()
            changed[name][index] = value
        population.take(changed)

    def initialize(self, **initial_values: Any) -> None:
        """Set state variables: their initial values, and, after a run, their present ones too.

        Values are numbers, arrays, RandomDistributions or functions of the index, in PyNN's units.
        """
        population, index = self._place()
        for variable, value in initial_values.items():
            if variable not in self.celltype.default_initial_values:
                raise errors.NonExistentParameterError(
                    variable,
                    type(self.celltype).__name__,
                    list(self.celltype.default_initial_values),
                )
            lazy = LazyArray(value, shape=(self.size,), dtype=float)
            values = np.broadcast_to(lazy.evaluate(simplify=False), (self.size,))
            population.set_state(variable, index, np.array(values, np.float64))


class PopulationView(_Group, common.PopulationView):
    __doc__ = common.PopulationView.__doc__
    _assembly_class = Assembly
    _simulator = simulator

    def _place(self) -> tuple[Population, NDArray[np.int64]]:
        index = np.asarray(self.index_in_grandparent(np.arange(self.size)), np.int64)
        return self.grandparent, index

    @property
    def initial_values(self) -> dict[str, LazyArray]:
        """Initial values of the view's neurons; a copy."""
        population, index = self._place()
        return {
            name: LazyArray(simplify(values[index]), shape=(self.size,), dtype=float)
            for name, values in population.initial.items()
        }


class Population(_Group, common.Population):
    __doc__ = common.Population.__doc__
    _simulator = simulator
    _recorder_class = Recorder
    _assembly_class = Assembly

    def _create_cells(self) -> None:
        state = simulator.state
        self.model = type(self.celltype).__name__
        self.is_source = self.model in SOURCES
        state.refuse(self.model, "cell type", state.engine.cell_types)
        self.number = len(state.populations)
        taken = any(p.label == self.label for p in state.populations)
        self.name = f"{self.label} #{self.number}" if taken else self.label
        self.all_cells = np.array(
            [simulator.ID(n) for n in range(state.id_counter, state.id_counter + self.size)],
            dtype=simulator.ID,
        )
        self._mask_local = np.ones(self.size, bool)
        for cell in self.all_cells:
            cell.parent = self
        self.initial: dict[str, NDArray[np.float64]] = {}
        self.trains: ArrayTrains | PoissonTrains | None = None
        if self.model == "SpikeSourceArray":
            self.trains = ArrayTrains(self.name, self.size)
        elif self.is_source:
            key = sum(p.size for p in state.populations if p.is_source)
            self.trains = PoissonTrains(self.name, self.size, state.dt, state.seed, key)
        space = self.celltype.native_parameters
        space.shape = (self.size,)
        space.evaluate(simplify=False)
        self.take({name: np.array(np.broadcast_to(v, (self.size,))) for name, v in space.items()})
        state.id_counter += self.size
        state.populations.append(self)

    def _place(self) -> tuple[Population, NDArray[np.int64]]:
        return self, np.arange(self.size)

    def take(self, parameters: dict[str, NDArray[Any]]) -> None:
        """Check parameters, one value per neuron in PyNN's units, and use them from now on.

        Raises:
            InvalidParameterValueError: one is out of range.
        """
        state = simulator.state
        if self.trains is not None:
            self.trains.take(parameters, state.steps, state.step if state.running else 0)
        else:
            for name, values in parameters.items():
                self._check(name, np.asarray(values, np.float64))
            if "tau_refrac" in parameters:
                state.steps(parameters["tau_refrac"], f"tau_refrac of {self.label!r}")
            state.touch()
        self.parameters = parameters

    def _check(self, name: str, values: NDArray[np.float64]) -> None:
        low = 0.0 if name in (*_POSITIVE, "tau_refrac") else -np.inf
        wrong = ~np.isfinite(values) | (values < low) | ((values == 0) & (name in _POSITIVE))
        if wrong.any():
            index = int(np.argmax(wrong))
            kind = "positive" if name in _POSITIVE else "not negative" if low == 0 else "finite"
            raise errors.InvalidParameterValueError(
                f"{name} of {self.label!r}[{index}] must be {kind}, got {values[index]:g}"
            )

    def set_state(
        self, variable: str, index: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        """Set initial values of some neurons, and after a run the present ones too.

        Raises:
            InvalidParameterValueError: a value is not finite.
        """
        if not np.isfinite(values).all():
            raise errors.InvalidParameterValueError(
                f"initial values of {variable} of {self.label!r} must be finite"
            )
        whole = self.initial.get(variable, np.zeros(self.size)).copy()
        whole[index] = values
        self.initial[variable] = whole
        self.initial_values[variable] = LazyArray(simplify(whole), shape=(self.size,), dtype=float)
        if simulator.state.running:
            simulator.state.prepare()
            simulator.state.engine.write_state(self.name, variable, index, values)
        else:
            simulator.state.plan = None

    def emit(self, first: int, steps: int) -> NDArray[np.int64]:
        """(n, 2) step (from ``first``) and index of a source's spikes."""
        assert self.trains is not None
        return self.trains.emit(first, steps)
