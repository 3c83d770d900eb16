"""The machine in vectorised NumPy: slower than the compiled kernel, same bits, runs anywhere.

State is kept in int32 and every product is split so that it fits, as in ``kernel.c``. What no
neuron of the Program uses (second receptor, adaptation, delayed reset …) is not computed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.program import PERIODIC, POISSON
from ...counter_hash import POISSON_SOURCE, THRESHOLD_DECAY, key_term, mix, step_term
from ...runtime.backend import RunData, State
from ...runtime.timing import CycleCounter
from . import native as c
from .neurons import Neurons
from .numpy_learning import NumpyLearning
from .rows import FlatMemory, build_rows, gather
from .wiring import Wiring, receptors_in_use

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import CoreWeights, Events, Record
    from ...runtime.timing import Timing

_U, _V, _THRESHOLD = range(3)


def decay(x: NDArray[np.int32], factor: NDArray[np.int32] | np.int32) -> NDArray[np.int32]:
    """``x · factor / 4096`` toward zero, for |x| ≤ 2^24 and factors up to 4096, within 32 bits."""
    rest = x & 4095
    rest *= factor
    rest += (x >> 31) & 4095
    rest >>= 12
    rest += (x >> 12) * factor
    return rest


class NumpyKernel:
    """One Program on NumPy.

    Args:
        program: a verified Program.
        weights: mantissas per core.
        timing: what its clock cycles follow from.
    """

    def __init__(self, program: Program, weights: tuple[CoreWeights, ...], timing: Timing) -> None:
        self._program, self._timing = program, timing
        self._neurons = Neurons.of(program)
        self._wiring = Wiring.of(program)
        self._receptors = receptors_in_use(program)
        self._core = np.repeat(np.arange(len(program.cores)), np.diff(program.core_base))
        self._low, self._high = -program.target.state_max - 1, program.target.state_max
        self._parameters = [self._parameter(code) for code in range(c.P_COUNT)]
        self._adapt_key = key_term(program.seed, self._neurons.key, THRESHOLD_DECAY)
        generators = program.generators
        poisson = generators[generators["kind"] == POISSON]
        self._poisson = poisson["channel"].astype(np.int64)
        self._poisson_key = key_term(poisson["seed"], poisson["key"], POISSON_SOURCE)
        self._probability = poisson["value"].copy()
        periodic = generators[generators["kind"] == PERIODIC]
        self._periodic = periodic["channel"].astype(np.int64)
        self._phase = periodic["phase"].astype(np.uint64)
        self._period = periodic["value"].astype(np.uint64)
        self._learns_delays = any(rule.changes_delays for rule in program.rules)
        self._learning: NumpyLearning | None = None
        self.set_weights(weights)
        self.write_state(State.initial(program))

    def _parameter(self, code: int) -> Any:
        """(n,) values, or one number where all neurons agree."""
        row = self._neurons.table[code]
        if row.size and (row == row[0]).all():
            return np.int32(row[0])
        return self._neurons.parameter(code)

    def describe(self) -> dict[str, Any]:
        """Facts about this kernel as it is loaded."""
        rows = self._rows
        return {
            "threads_in_use": 1,
            "synapses": len(rows.place),
            "synapse_bytes": sum(
                array.nbytes
                for array in (rows.start, rows.place, rows.value, rows.synapse, rows.exponent)
                if array is not None
            ),
        }

    def set_weights(self, weights: tuple[CoreWeights, ...]) -> None:
        """Lay out the synapses anew."""
        before = self._learning and self._learning.read()
        self.weights = weights
        if self._program.rules:
            self._flat = FlatMemory(self._program, weights)
            self.weights = self._flat.weights
            self._learning = NumpyLearning(self._program, self._flat)
            if before is not None:
                self._learning.write(before)
        self._rows = build_rows(self._program, self._wiring, self.weights, self._receptors)

    def set_learning(self, on: bool) -> None:
        """Let rules change synapses, or not."""
        assert self._learning is not None
        self._learning.on = on

    # -- state ------------------------------------------------------------------------------------

    def write_state(self, state: State) -> None:
        """Continue from ``state``, whose shapes and ranges have been checked."""
        if self._receptors == 1 and (state.u[1].any() or state.wheel[:, 1].any()):
            self._receptors = 2
            self.set_weights(self.weights)
        depth, n = self._program.wheel_depth, self._program.neurons
        if self._learning is not None and state.learning is not None:
            self._learning.write(state.learning)
        self._step = int(state.step)
        wheel = np.roll(state.wheel[:, : self._receptors], self._step % depth, axis=0)
        self._wheel = np.ascontiguousarray(wheel, np.int32)
        self._accumulators = self._wheel.reshape(depth * self._receptors * n)
        self._u = np.array(state.u, np.int32)
        self._v = np.array(state.v, np.int32)
        self._adapt = np.array(state.adapt, np.int32)
        self._refractory = np.array(state.refractory, np.int32)
        self._pending = state.reset_pending != 0
        self._fired = np.flatnonzero(state.fired)
        self._saturated = np.array(state.saturated, np.uint8)
        self._saturations = np.array(state.saturations, np.int64)
        self._spikes, self._events = int(state.spikes), int(state.synaptic_events)
        p, table = self._parameters, self._neurons.table
        self._adapts = bool(table[c.P_ADAPT_STEP].any() or self._adapt.any())
        self._linear = bool(table[c.P_LEAK_STEP].any())
        self._resets_late = bool(table[c.P_DELAYED].any() or self._pending.any())
        self._refracts = bool(table[c.P_REFRACTORY].any() or self._refractory.any())
        self._subtract = np.asarray(p[c.P_SUBTRACT] != 0)
        self._subtracts = bool(table[c.P_SUBTRACT].any())

    def read_state(self) -> State:
        """The state in its canonical form."""
        depth, n = self._program.wheel_depth, self._program.neurons
        wheel = np.zeros((depth, 2, n), np.int32)
        wheel[:, : self._receptors] = np.roll(self._wheel, -(self._step % depth), axis=0)
        fired = np.zeros(n, np.uint8)
        fired[self._fired] = 1
        saturations, saturated = self.read_saturation()
        return State(
            step=self._step,
            u=self._u.copy(),
            v=self._v.copy(),
            adapt=self._adapt.copy(),
            refractory=self._refractory.copy(),
            reset_pending=self._pending.astype(np.uint8),
            fired=fired,
            wheel=wheel,
            saturated=saturated,
            saturations=saturations,
            spikes=self._spikes,
            synaptic_events=self._events,
            learning=self._learning and self._learning.read(),
        )

    def read_saturation(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Counters per core and sticky bits per neuron."""
        return self._saturations.copy(), self._saturated.copy()

    # -- running ----------------------------------------------------------------------------------

    def run(self, steps: int, events: Events, record: Record) -> RunData:
        """Compute ``steps`` steps; the events have been checked."""
        states = tuple(np.zeros((steps, len(which)), np.int32) for _, which in record.states)
        spike_at = np.searchsorted(events.spike_step, np.arange(steps + 1))
        graded_at = np.searchsorted(events.graded_step, np.arange(steps + 1))
        learning_at = [
            np.searchsorted(step, np.arange(steps + 1))
            for step in (events.teacher_step, events.factor_step, events.modulator_step)
        ]
        work, first = self._timing.learning, self._step
        before = self._learning and work and self._learning.fired_before()
        on = self._learning is not None and self._learning.on
        neurons, channels, everyone = [], [], []
        fired_before = self._fired
        senders: tuple[list, list, list] = ([], [], [])
        for i in range(steps):
            host = events.spike_channel[spike_at[i] : spike_at[i + 1]].astype(np.int64)
            channel = self._channels(host)
            fired = self._fired + self._program.channels
            if self._timing.counts:
                for walked, some in zip(
                    senders, (fired, host, np.sort(channel[len(host) :])), strict=True
                ):
                    walked.append(some.astype(np.int32))
            self._deliver(np.concatenate([channel, fired]))
            due = slice(graded_at[i], graded_at[i + 1])
            arrived = self._fired
            self._update(events.graded_neuron[due], events.graded_value[due])
            if self._learning is not None:
                parts = (slice(at[i], at[i + 1]) for at in learning_at)
                teacher = self._learning.take_input(events, *parts)
                self._learning.step(self._step - 1, channel, arrived, self._fired, teacher)
            for (variable, which), values in zip(record.states, states, strict=True):
                values[i] = self._value(variable)[which]
            everyone.append(self._fired)
            neurons.append(self._fired[record.neurons[self._fired]])
            channels.append(np.sort(channel[record.channels[channel]]))
        if self._timing.micro is not None:
            cycles = self._timing.micro.cycles(steps, _flat(everyone), events, fired_before, on)
            return RunData(*_flat(neurons), *_flat(channels), states, cycles)
        counter = CycleCounter(self._timing, steps, events)
        counter.add(steps, partial(self._walk, senders, on))
        data = RunData(*_flat(neurons), *_flat(channels), states, *counter.result())
        if work is None or before is None or data.cycles is None:
            return data
        learned = work.cycles(first, steps, _flat(everyone), events, before, on)
        return replace(data, cycles=np.maximum(data.cycles, work.fading) + learned)

    def _walk(
        self, senders: tuple[list, list, list], on: bool, earliest: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """When the hardware's lanes are through, in each step; ``senders`` by step."""
        sent = np.array([[len(some) for some in kind] for kind in senders], np.int64)
        neurons, host, generators = (np.concatenate(kind) for kind in senders)
        return self._timing.walk((neurons, host, generators), sent, earliest, on)

    def _value(self, variable: str) -> NDArray[np.int32]:
        if variable == "threshold":
            return self._neurons.theta + self._adapt
        return {"v": self._v, "u0": self._u[0], "u1": self._u[1]}[variable]

    def _channels(self, host: NDArray[np.int64]) -> NDArray[np.int64]:
        """All channels that fire in this step."""
        parts = [host]
        if len(self._poisson):
            drawn = mix(self._poisson_key + step_term(self._step)) < self._probability
            parts.append(self._poisson[drawn])
        if len(self._periodic):
            step = np.uint64(self._step)
            begun = np.flatnonzero(self._phase <= step)
            parts.append(
                self._periodic[begun[(step - self._phase[begun]) % self._period[begun] == 0]]
            )
        return np.concatenate(parts)

    def _deliver(self, sources: NDArray[np.int64]) -> None:
        synapse = gather(self._rows, sources)
        self._events += len(synapse)
        if not len(synapse):
            return
        place = self._rows.place.take(synapse).astype(np.int64)
        depth, size = len(self._wheel), len(self._accumulators)
        if self._learns_delays and self._rows.synapse is not None:
            delay = self._flat.delay.take(self._rows.synapse.take(synapse))
            place += delay.astype(np.int64) * (size // depth)
        if depth > 1:
            place += self._step % depth * (size // depth)
            place -= size * (place >= size)
        np.add.at(self._accumulators, place, self._values(synapse))

    def _values(self, synapse: NDArray[np.int64]) -> NDArray[np.int32]:
        """What some synapses of ``self._rows`` add now."""
        rows = self._rows
        if rows.synapse is None or rows.exponent is None:
            return rows.value.take(synapse).astype(np.int32)
        weight = self._flat.weight.take(rows.synapse.take(synapse))
        return weight.astype(np.int32) << rows.exponent.take(synapse)

    def _update(self, graded: NDArray[np.int32], values: NDArray[np.int32]) -> None:
        p = self._parameters
        thr = self._neurons.theta + self._adapt if self._adapts else self._neurons.theta
        held = self._refractory > 0
        slot = self._wheel[self._step % len(self._wheel)]
        x = self._neurons.bias.copy()
        x[graded] += values
        for r in range(self._receptors):
            acc = np.clip(slot[r], -p[c.P_LIMIT], p[c.P_LIMIT])
            acc *= p[c.P_SCALE]
            acc += decay(self._u[r], p[c.P_DECAY_U0 + r])
            self._u[r] = self._sat(acc, _U)
            x += self._u[r]
        slot[:] = 0

        base = decay(self._v, p[c.P_DECAY_V])
        if self._linear:
            size = np.maximum(np.abs(base) - p[c.P_LEAK_STEP], 0)
            base = np.where(base < 0, -size, size)
        base += x
        if self._refracts:
            np.copyto(base, self._v, where=held & (p[c.P_HOLD] != 0))
        if self._resets_late:
            reset = np.where(self._subtract, base - thr, p[c.P_V_RESET])
            np.copyto(base, reset, where=self._pending)
        self._v = v = self._sat(base, _V)

        fire = (v > thr) & (p[c.P_SPIKING] != 0)
        if self._refracts:
            fire &= ~held
            np.maximum(self._refractory - 1, 0, out=self._refractory)
        fired = np.flatnonzero(fire)
        self._refractory[fired] = _pick(p[c.P_REFRACTORY], fired)
        now = fired
        if self._resets_late:
            late = np.broadcast_to(_pick(p[c.P_DELAYED], fired) != 0, len(fired))
            self._pending[:] = False
            self._pending[fired[late]] = True
            now = fired[~late]
        self._reset(now, thr)
        if self._adapts:
            self._adapt_thresholds(fired)
        self._fired = fired
        self._spikes += len(fired)
        self._step += 1

    def _reset(self, now: NDArray[np.int64], thr: NDArray[np.int32]) -> None:
        """Immediate resets of those that fired."""
        after = np.broadcast_to(_pick(self._parameters[c.P_V_RESET], now), len(now))
        if self._subtracts:
            by_value = np.broadcast_to(_pick(self._subtract, now), len(now))
            reduced = self._sat(np.where(by_value, self._v[now] - thr[now], 0), _V, now)
            after = np.where(by_value, reduced, after)
        self._v[now] = after

    def _adapt_thresholds(self, fired: NDArray[np.int64]) -> None:
        p, old = self._parameters, self._adapt
        factor = p[c.P_ADAPT_DECAY]
        noise = mix(self._adapt_key + step_term(self._step)) >> np.uint32(20)
        rest = (old & 4095) * factor + noise.astype(np.int32)
        adapt = (old >> 12) * factor + (rest >> 12)
        adapt[fired] += _pick(p[c.P_ADAPT_STEP], fired)
        self._adapt = self._sat(adapt, _THRESHOLD)

    def _sat(
        self, x: NDArray[np.int32], kind: int, which: NDArray[np.int64] | None = None
    ) -> NDArray[np.int32]:
        """Clip to the state's range; count what changes, per core, and mark its neurons."""
        if not x.size or (x.min() >= self._low and x.max() <= self._high):
            return x
        clipped = np.clip(x, self._low, self._high)
        changed = np.flatnonzero(clipped != x)
        neurons = changed if which is None else which[changed]
        self._saturated[neurons] |= np.uint8(1 << kind)
        np.add.at(self._saturations[:, kind], self._core[neurons], 1)
        return clipped


def _pick(parameter: Any, which: NDArray[np.int64]) -> Any:
    """The parameter of some neurons, where it is one number for all: that number."""
    return parameter[which] if np.ndim(parameter) else parameter


def _flat(lists: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Who fired in each step, as two parallel columns: step and number."""
    steps = np.repeat(np.arange(len(lists), dtype=np.int64), [len(one) for one in lists])
    return steps, np.concatenate([np.zeros(0, np.int64), *lists]).astype(np.int32)
