"""The reference as a device: state, steps and recording (docs/machine.md §2 and §6)."""

from __future__ import annotations

from itertools import pairwise, starmap
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DeviceError
from ...runtime.backend import Backend, CoreWeights, RunData, State
from .deliver import walk
from .learn import Learning, StepEvents
from .neuron import Neurons
from .sources import generated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events, Record, Variable


class ReferenceBackend(Backend):
    """The machine as docs/machine.md says it, one step after the other."""

    scheme = "reference"

    def load(self, program: Program) -> None:
        """Take a verified Program and reset everything to its beginning."""
        self._program = program
        self.write_weights(CoreWeights.initial(program))
        self.write_state(State.initial(program))

    def run(self, steps: int, events: Events, record: Record) -> RunData:
        """Compute ``steps`` steps from where the last run ended; cycles are not counted."""
        states = tuple(np.zeros((steps, len(which)), np.int32) for _, which in record.states)
        neuron_spikes, channel_spikes = [], []
        spike_due = _due(events.spike_step, steps)
        graded_due = _due(events.graded_step, steps)
        learning_due = [
            _due(step, steps)
            for step in (events.teacher_step, events.factor_step, events.modulator_step)
        ]
        for i in range(steps):
            host = events.spike_channel[spike_due[i]].astype(np.int64)
            injected = np.zeros(self._program.neurons, np.int64)
            injected[events.graded_neuron[graded_due[i]]] = events.graded_value[graded_due[i]]
            teacher = self._learning_input(events, *(due[i] for due in learning_due))

            channels = np.union1d(host, generated(self._program.generators, self._step))
            self._compute_step(channels, injected, teacher)

            for (variable, which), values in zip(record.states, states, strict=True):
                values[i] = self._value(variable)[which]
            neuron_spikes.append(np.nonzero(self._neurons.fired & record.neurons)[0])
            channel_spikes.append(channels[record.channels[channels]])
        return RunData(*_flat(neuron_spikes), *_flat(channel_spikes), states)

    def _learning_input(
        self, events: Events, teacher_due: slice, factor_due: slice, modulator_due: slice
    ) -> NDArray[np.bool_]:
        """Write third factors and the modulator; (n,) who has a teacher event."""
        teacher = np.zeros(self._program.neurons, bool)
        if self._learning is not None:
            teacher[events.teacher_neuron[teacher_due]] = True
            values = events.factor_value[factor_due]
            self._learning.third_factor[events.factor_neuron[factor_due]] = values
            for value in events.modulator_value[modulator_due]:
                self._learning.modulator = int(value)
        return teacher

    def _compute_step(
        self,
        channels: NDArray[np.int64],
        injected: NDArray[np.int64],
        teacher: NDArray[np.bool_],
    ) -> None:
        """Deliver, update, learn. ``channels`` fire in this step."""
        program, arrived = self._program, self._neurons.fired
        for neuron in np.nonzero(self._neurons.fired)[0]:
            core = program.cores[self._neurons.core[neuron]]
            slot = neuron - program.core_base[self._neurons.core[neuron]]
            self._send(core.spike_to[core.spike_start[slot] : core.spike_start[slot + 1]])
        for channel in channels:
            start = program.channel_start
            self._send(program.channel_to[start[channel] : start[channel + 1]])

        slot = self._step % len(self._wheel)
        self._neurons.update(self._wheel[slot], injected, self._step)
        self._wheel[slot] = 0
        self._spikes += int(self._neurons.fired.sum())
        if self._learning is not None:
            fired_channels = np.zeros(program.channels, bool)
            fired_channels[channels] = True
            happened = StepEvents(fired_channels, arrived, self._neurons.fired, teacher)
            self._learning.step(self._step, happened, self._weights)
        self._step += 1

    def _send(self, destinations: NDArray[np.void]) -> None:
        """One spike goes to all its destinations."""
        for core, axon in destinations.tolist():
            base = self._program.core_base
            self._synaptic_events += walk(
                self._program.cores[core],
                self._weights[core],
                axon,
                self._wheel[:, :, base[core] : base[core + 1]],
                self._step,
            )

    def _value(self, variable: Variable) -> NDArray[np.int64]:
        neurons = self._neurons
        if variable == "threshold":
            return neurons.threshold + neurons.adapt
        return {"v": neurons.v, "u0": neurons.u[0], "u1": neurons.u[1]}[variable]

    def read_state(self) -> State:
        """A copy of the state."""
        n = self._neurons
        return State(
            step=self._step,
            u=n.u.astype(np.int32),
            v=n.v.astype(np.int32),
            adapt=n.adapt.astype(np.int32),
            refractory=n.refractory.astype(np.int32),
            reset_pending=n.reset_pending.astype(np.uint8),
            fired=n.fired.astype(np.uint8),
            wheel=np.roll(self._wheel, -self._step, axis=0).astype(np.int32),
            saturated=n.saturated.astype(np.uint8),
            saturations=n.saturations.copy(),
            spikes=self._spikes,
            synaptic_events=self._synaptic_events,
            learning=None if self._learning is None else self._learning.state(),
        )

    def write_state(self, state: State) -> None:
        """Continue from ``state``; its future is exactly the one it would have had.

        Raises:
            DeviceError: an array's shape is not the loaded Program's.
        """
        found, expected = _arrays(state), _arrays(State.initial(self._program))
        if found.keys() != expected.keys():
            raise DeviceError(
                "the state does not fit the loaded program",
                found=", ".join(found),
                expected=", ".join(expected),
                remedy="load the program that it was read from",
            )
        for name, like in expected.items():
            _check_shape(f"state {name!r}", found[name], like)
        n = Neurons(self._program)
        n.u = state.u.astype(np.int64)
        n.v = state.v.astype(np.int64)
        n.adapt = state.adapt.astype(np.int64)
        n.refractory = state.refractory.astype(np.int64)
        n.reset_pending = state.reset_pending != 0
        n.fired = state.fired != 0
        n.saturated = state.saturated.astype(np.int64)
        n.saturations = state.saturations.astype(np.int64)
        self._neurons = n
        self._step = int(state.step)
        self._wheel = np.roll(state.wheel.astype(np.int64), self._step, axis=0)
        self._spikes = int(state.spikes)
        self._synaptic_events = int(state.synaptic_events)
        self._learning = state.learning and Learning(self._program, state.learning)

    def read_weights(self) -> tuple[CoreWeights, ...]:
        """A copy of the weights and of learned delays, one entry per core."""
        return tuple(w.copy() for w in self._weights)

    def write_weights(self, weights: tuple[CoreWeights, ...]) -> None:
        """Replace the weights and learned delays; shapes are those of the Program.

        Raises:
            DeviceError: an array's shape is not the loaded Program's.
        """
        expected = CoreWeights.initial(self._program)
        if len(weights) != len(expected):
            raise DeviceError(
                "weights do not fit the loaded program",
                found=f"weights of {len(weights)} cores",
                expected=f"weights of {len(expected)} cores",
            )
        for number, (given, like) in enumerate(zip(weights, expected, strict=True)):
            _check_shape(f"sparse weights of core {number}", given.sparse, like.sparse)
            _check_shape(f"dense weights of core {number}", given.dense, like.dense)
            _check_shape(f"delays of core {number}", given.delay, like.delay)
        self._weights = tuple(w.copy() for w in weights)

    def describe(self) -> dict[str, Any]:
        """Facts for ``spikeloom devices``: plain JSON data."""
        return {"scheme": self.scheme, "kernel": "NumPy, int64", "cycles": False}


def _flat(spikes: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Who fired in each step, as two parallel columns: step and number."""
    steps = np.repeat(np.arange(len(spikes), dtype=np.int64), [len(s) for s in spikes])
    return steps, np.concatenate([np.zeros(0, np.int64), *spikes]).astype(np.int32)


def _due(event_step: NDArray[np.int64], steps: int) -> list[slice]:
    """For each step of a run, which of the events are due in it."""
    bounds = np.searchsorted(event_step, np.arange(steps + 1)).tolist()
    return list(starmap(slice, pairwise(bounds)))


def _arrays(state: State) -> dict[str, Any]:
    """Everything in a state by name, that of learning and of its cores one by one."""
    found = {name: value for name, value in vars(state).items() if name != "learning"}
    for name, value in vars(state.learning).items() if state.learning else ():
        parts = enumerate(value) if isinstance(value, tuple) else ()
        found |= {f"{name} of core {core}": part for core, part in parts} or {name: value}
    return found


def _check_shape(what: str, found: Any, expected: Any) -> None:
    if np.shape(found) != np.shape(expected):
        raise DeviceError(
            f"{what} does not fit the loaded program",
            found=f"shape {np.shape(found)}",
            expected=f"shape {np.shape(expected)}",
            remedy="load the program that it was read from",
        )
