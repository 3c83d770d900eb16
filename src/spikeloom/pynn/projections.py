"""Projection and its connections; PyNN's connectors say who is connected with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyNN import common, errors
from pyNN.space import Space

from ..compiler.checks import show
from . import simulator
from .connections import Connection, for_numpy_2
from .plan import Links, locate
from .synapses import StaticSynapse, STDPMechanism

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


class Projection(common.Projection):
    __doc__ = common.Projection.__doc__
    _simulator = simulator
    _static_synapse_class = StaticSynapse

    def __init__(
        self,
        presynaptic_neurons: Any,
        postsynaptic_neurons: Any,
        connector: Any,
        synapse_type: Any = None,
        source: str | None = None,
        receptor_type: str | None = None,
        space: Space | None = None,
        label: str | None = None,
    ) -> None:
        super().__init__(
            presynaptic_neurons,
            postsynaptic_neurons,
            connector,
            synapse_type,
            source,
            receptor_type,
            space or Space(),
            label,
        )
        state = simulator.state
        self.model = type(self.synapse_type).__name__
        state.refuse(self.model, "synapse type", state.engine.synapse_types)
        self.number = len(state.projections)
        self.version = 0
        self._chunks: list[tuple[NDArray[np.int64], int, dict[str, NDArray[np.float64]]]] = []
        for_numpy_2(connector).connect(self)
        self._finish()
        state.projections.append(self)
        state.touch()

    # ------------------------------------------------------------------ what connectors call

    def _convergent_connect(
        self,
        presynaptic_indices: Any,
        postsynaptic_index: int,
        location_selector: Any = None,
        **connection_parameters: Any,
    ) -> None:
        if location_selector is not None:
            raise errors.ConnectionError("neurons are points: there is no location to select")
        pre = np.asarray(presynaptic_indices, np.int64).reshape(-1)
        values = {}
        for name, value in connection_parameters.items():
            value = value.evaluate(simplify=True) if hasattr(value, "evaluate") else value
            values[name] = np.broadcast_to(np.asarray(value, np.float64), pre.shape)
        self._chunks.append((pre, int(postsynaptic_index), values))

    def _finish(self) -> None:
        """Join what the connector made."""
        names = list(self.synapse_type.get_parameter_names())
        empty = np.zeros(0, np.int64)
        self.pre_index = np.concatenate([empty, *(c[0] for c in self._chunks)])
        self.post_index = np.repeat(
            np.array([c[1] for c in self._chunks], np.int64),
            np.array([len(c[0]) for c in self._chunks], np.int64),
        )
        self.attributes = {
            name: np.concatenate([np.zeros(0), *(c[2][name] for c in self._chunks)])
            for name in names
        }
        self._chunks = []
        for name, values in self.attributes.items():
            self._check(name, values)
        self.delay_steps = self._to_steps(self.attributes["delay"])
        self._place()

    def _place(self) -> None:
        """Which populations and neurons the indices mean."""
        self._pres, owner, index = locate(self.pre)
        self._pre_owner, self._pre_place = owner[self.pre_index], index[self.pre_index]
        self._posts, owner, index = locate(self.post)
        self._post_owner, self._post_place = owner[self.post_index], index[self.post_index]

    def _to_steps(self, delay: NDArray[np.float64]) -> NDArray[np.int64]:
        """Delays as whole steps; what is stored are the steps in ms.

        Raises:
            ConnectionError: a delay is shorter than a step, or longer than the device can.
        """
        state = simulator.state
        steps = state.steps(delay, f"delay in {self.label!r}")
        most = state.engine.max_delay
        wrong = steps < 1 if most is None else (steps < 1) | (steps > most)
        if wrong.any():
            limit = "" if most is None else f" to {show(most * state.dt)} ms ({most} steps)"
            raise errors.ConnectionError(
                f"Delay ({show(delay[wrong][0])} ms) in {self.label!r} is out of range: "
                f"on device {state.engine.url!r} it is from {show(state.dt)} ms (one step){limit}; "
                "choose another timestep"
            )
        self.attributes["delay"] = state.milliseconds(steps)
        return steps

    def _check(self, name: str, values: NDArray[np.float64]) -> None:
        if not np.isfinite(values).all():
            raise errors.InvalidParameterValueError(
                f"{name} of the connections of {self.label!r} must be finite"
            )

    # ------------------------------------------------------------------ what the engine is given

    def parts(self) -> Iterator[Links]:
        """The connections by pairs of populations."""
        for part, chosen in self._pairs():
            pre, post = self._pres[part[0]], self._posts[part[1]]
            kinds = post.celltype.receptor_types
            rule = None
            if isinstance(self.synapse_type, STDPMechanism):
                kind = self.synapse_type
                rule = (
                    type(kind.timing_dependence).__name__,
                    type(kind.weight_dependence).__name__,
                )
            yield Links(
                f"{self.label} #{self.number}.{part[0]}.{part[1]}",
                pre.name,
                post.name,
                list(kinds).index(self.receptor_type),
                self._pre_place[chosen],
                self._post_place[chosen],
                self.attributes["weight"][chosen],
                self.delay_steps[chosen],
                self.model,
                {
                    name: values[chosen]
                    for name, values in self.attributes.items()
                    if name not in ("weight", "delay")
                },
                rule,
                self.version,
            )

    def _pairs(self) -> Iterator[tuple[tuple[int, int], NDArray[np.bool_]]]:
        for i in range(len(self._pres)):
            for j in range(len(self._posts)):
                chosen = (self._pre_owner == i) & (self._post_owner == j)
                if chosen.any():
                    yield (i, j), chosen

    # ------------------------------------------------------------------ reading and writing

    def __len__(self) -> int:
        return len(self.pre_index)

    def __getitem__(self, i: int) -> Connection:
        return Connection(self, range(len(self))[i])

    @property
    def connections(self) -> list[Connection]:
        """All connections, one by one."""
        return [Connection(self, number) for number in range(len(self))]

    def values(self, name: str) -> NDArray[np.float64]:
        """(k,) a parameter of all connections; weights as the device has them now."""
        state = simulator.state
        values = self.attributes[name]
        loaded = state.plan is not None and self.number < state.loaded
        if name != "weight" or not loaded or self in state.new_weights:
            return values
        values = values.copy()
        for part, (_, chosen) in zip(self.parts(), self._pairs(), strict=True):
            values[chosen] = state.engine.read_weights(part.name)
        return values

    def keep(self) -> None:
        """The engine is about to go: remember its weights."""
        self.attributes["weight"] = self.values("weight")

    def assign(self, name: str, values: NDArray[np.float64]) -> None:
        """Set a parameter of all connections.

        Raises:
            NonExistentParameterError: connections have no such parameter.
            InvalidParameterValueError: a value is not finite.
            ConnectionError: a delay is out of range.
        """
        if name not in self.attributes:
            raise errors.NonExistentParameterError(name, self.model, list(self.attributes))
        self._check(name, values)
        self.attributes[name] = values
        state = simulator.state
        if name == "weight":
            self.version += 1
            state.new_weights.add(self)
            return
        if name == "delay":
            self.delay_steps = self._to_steps(values)
        state.touch()

    def _set_attributes(self, parameter_space: Any) -> None:
        parameter_space.evaluate(simplify=False)
        for name, matrix in parameter_space.items():
            matrix = np.broadcast_to(np.asarray(matrix, np.float64), self.shape)
            chosen = matrix[self.pre_index, self.post_index]
            given = ~np.isnan(chosen)
            self.assign(name, np.where(given, chosen, self.values(name)))

    def _set_initial_value_array(self, variable: str, initial_value: Any) -> None:
        raise errors.NonExistentParameterError(variable, self.model, [])

    def _get_attributes_as_list(self, names: Sequence[str]) -> list[tuple[Any, ...]]:
        addresses = {"presynaptic_index": self.pre_index, "postsynaptic_index": self.post_index}
        columns = [addresses[name] if name in addresses else self._column(name) for name in names]
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _get_attributes_as_arrays(
        self, names: Sequence[str], multiple_synapses: str = "sum"
    ) -> list[NDArray[np.float64]]:
        place = (self.pre_index, self.post_index)
        arrays = []
        for name in names:
            values = self._column(name)
            array = np.full(self.shape, np.nan)
            if multiple_synapses == "sum":
                array[place] = 0.0
                np.add.at(array, place, values)
            elif multiple_synapses in ("first", "last"):
                order = np.arange(len(values))[:: 1 if multiple_synapses == "first" else -1]
                key = (self.pre_index * self.shape[1] + self.post_index)[order]
                pairs, first = np.unique(key, return_index=True)
                array.reshape(-1)[pairs] = values[order[first]]
            else:
                (np.fmin if multiple_synapses == "min" else np.fmax).at(array, place, values)
            arrays.append(array)
        return arrays

    def _column(self, name: str) -> NDArray[np.float64]:
        if name not in self.attributes:
            raise errors.NonExistentParameterError(name, self.model, list(self.attributes))
        return self.values(name)
