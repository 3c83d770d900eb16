"""Lava as a device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DeviceError
from ...runtime.backend import CoreWeights, RunData, State
from ..peer.backend import WINDOW, WINDOW_NUMBERS, PeerBackend
from ..peer.generators import generated, merged
from ..peer.synapses import enabled, mantissas, put_back
from .learning_state import Plastic, copied, numbers, plastics, remember, with_registers
from .plan import ALIGNMENT, Mode, Plan, lava_weights, make_plan
from .remote import LAVA
from .transit import due_of, pending, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events, Record

MODES = ("fixed_pt", "floating_pt")
LEARNING_WINDOW = 128
"""Most steps between two answers where something learns."""
MAX_PROCESSES = 400
"""Each process of Lava's is one of the operating system, and every step asks each of them."""


class LavaBackend(PeerBackend):
    """Lava's own models, in a process of their own.

    Args:
        mode: ``fixed_pt``, which computes the machine's bits, or ``floating_pt``, which does not
            round.
        python: interpreter that has Lava; by default the environment's SPIKELOOM_LAVA_PYTHON, or
            the running one.
        timeout: seconds that Lava may take for a start or a window of a run.

    Raises:
        DeviceError: there is no Lava, or the options are wrong.
    """

    scheme, peer = "lava", LAVA

    def __init__(
        self, mode: str = "fixed_pt", python: str | None = None, timeout: str | float = 120.0
    ) -> None:
        if mode not in MODES:
            raise DeviceError(
                "there is no such mode", found=repr(mode), expected=" or ".join(MODES)
            )
        super().__init__(python, timeout)
        self._mode: Mode = mode  # type: ignore[assignment]

    # ------------------------------------------------------------------ loading

    def load(self, program: Program) -> None:
        """Take a verified Program and reset everything to its beginning.

        Raises:
            UnsupportedError: Lava cannot run it, with all reasons.
            DeviceError: Lava cannot be started.
        """
        plan = make_plan(program, self._mode)
        processes = len(plan.blocks) + len(plan.groups) + len(plan.connections)
        if processes > MAX_PROCESSES:
            raise DeviceError(
                "the Program needs too many of Lava's processes",
                found=f"{len(plan.groups)} of neurons, {len(plan.connections)} of connections, "
                f"{len(plan.blocks)} of sources",
                expected=f"at most {MAX_PROCESSES} in all",
                remedy="neurons of a population with equal parameters share one, as do synapses "
                "of a projection with one exponent",
            )
        weights = tuple(core.copy() for core in CoreWeights.initial(program))
        self._lava_weights(plan, mantissas(plan.table, weights))  # refuses before anything starts
        self._program, self._plan, self._weights = program, plan, weights
        self._plastics = plastics(program, plan)
        self._host_state = State.initial(program)
        self._window = max(
            1, min(WINDOW, WINDOW_NUMBERS // max(program.neurons + program.channels, 1))
        )
        if program.rules:  # whose random numbers go along
            self._window = min(self._window, LEARNING_WINDOW)
        self._build()
        self._write(State.initial(program))

    def _build(self) -> None:
        """Start Lava's processes, in a new worker where the last one is gone."""
        plan, table = self._plan, self._plan.table
        self._start()
        ends = np.cumsum([len(g.neurons) for g in plan.groups]).tolist()
        groups = [
            [g.name, end - len(g.neurons), end, *_parameters(g, self._mode), g.spiking]
            for g, end in zip(plan.groups, ends, strict=True)
        ]
        connections, first = [], 0
        for c in plan.connections:
            last = first + len(c.synapses)
            connections.append([c.name, c.kind, c.from_source, c.pre, c.post, first, last, c.depth])
            first = last
        nothing = np.zeros(0, np.int64)
        joined = {
            name: np.concatenate([nothing, *(getattr(c, name) for c in plan.connections)])
            for name in ("rows", "cols", "delays")
        }
        assert first == len(table)
        header = {
            "mode": self._mode,
            "window": self._window,
            "limit": self._program.target.state_max,
            "depth": self._program.wheel_depth,
            "channels": self._program.channels,
            "sources": [[b.name, b.first, b.last] for b in plan.blocks],
            "groups": groups,
            "connections": connections,
            "rules": [self._rule(plastic) for plastic in self._plastics],
        }
        enable = [
            enabled(table[c.synapses], self._program).astype(np.int64) for c in plan.connections
        ]
        joined["enable"] = np.concatenate([nothing, *enable])
        arrays = {"bias_mant": plan.bias_mant, "bias_exp": plan.bias_exp, **joined}
        self._ask("build", header, arrays)

    def _rule(self, plastic: Plastic) -> dict[str, Any]:
        rule = self._program.rules[plastic.rule.number]
        connection = self._plan.connections[plastic.connection]
        return {
            "number": plastic.rule.number,
            "connection": plastic.connection,
            "dw": plastic.rule.dw,
            "tau": plastic.rule.tau,
            "impulse": plastic.rule.impulse,
            "low": rule.weight_min,
            "high": rule.weight_max,
            "shift": max((group.shift for group in rule.groups), default=0),
            "unit": 2.0**connection.shift,
            "early": not plastic.from_source,
            "lag_x": 0 if plastic.from_source else 1,
            "lag_y": plastic.post_delay,
        }

    def _lava_weights(
        self, plan: Plan, values: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Weights of all connections end to end, and the exponent of each."""
        pairs = [lava_weights(c, values[c.synapses], plan.mode) for c in plan.connections]
        weights = np.concatenate([np.zeros(0), *(w for w, _ in pairs)])
        return weights, np.array([e for _, e in pairs], np.int64)

    # ------------------------------------------------------------------ running

    def run(self, steps: int, events: Events, record: Record) -> RunData:
        """Compute ``steps`` steps from where the last run ended; cycles are not counted.

        Raises:
            DeviceError: Lava failed, or a number went where Lava and the machine differ.
        """
        wanted = np.unique(np.concatenate([np.zeros(0, np.int64), *(n for _, n in record.states)]))
        if self._host_state.learning is not None:
            learning = with_registers(self._host_state.learning, events)
            self._host_state = replace(self._host_state, learning=learning)
        windows = []
        for first in range(0, steps, self._window):
            length = min(self._window, steps - first)
            windows.append(self._run_window(first, length, events, wanted))
        channel_step, channel, step, neuron, u, v = (
            np.concatenate(column) if column else np.zeros(0, np.int64)
            for column in (zip(*windows, strict=True) if windows else [[]] * 6)
        )
        everyone = np.concatenate(
            [np.zeros(0, np.int32), *(c.threshold for c in self._program.cores)]
        )
        states = []
        for variable, neurons in record.states:
            at = np.searchsorted(wanted, neurons)
            if variable == "threshold":
                values = np.tile(everyone[neurons], (steps, 1))
            elif variable == "u1" or not steps:
                values = np.zeros((steps, len(neurons)))
            else:
                values = np.rint((u if variable == "u0" else v)[:, at])
            states.append(values.astype(np.int32))
        mine, theirs = record.neurons[neuron.astype(int)], record.channels[channel.astype(int)]
        return RunData(
            step[mine].astype(np.int64),
            neuron[mine].astype(np.int32),
            channel_step[theirs].astype(np.int64),
            channel[theirs].astype(np.int32),
            tuple(states),
        )

    def _run_window(
        self, first: int, length: int, events: Events, wanted: NDArray[np.int64]
    ) -> tuple[NDArray[Any], ...]:
        host, plan = self._host_state, self._plan
        where = np.empty(self._program.neurons, np.int64)
        where[plan.order] = np.arange(len(plan.order))
        spikes = slice(*np.searchsorted(events.spike_step, [first, first + length]))
        graded = slice(*np.searchsorted(events.graded_step, [first, first + length]))
        channel_step, channel = merged(
            events.spike_step[spikes] - first,
            events.spike_channel[spikes],
            *generated(self._program.generators, host.step, length),
        )
        noise = [numbers(self._program, p, host.step, length) for p in self._plastics]
        told, found = self._ask(
            "run",
            {"steps": length},
            {
                "spike_step": channel_step,
                "spike_channel": channel,
                "graded_step": events.graded_step[graded] - first,
                "graded_neuron": where[events.graded_neuron[graded]],
                "graded_value": events.graded_value[graded].astype(np.int64),
                "record": where[wanted],
                **{name: values for table in noise for name, values in table.items()},
            },
        )
        if told["alarms"]:
            raise self._out_of_range(min(told["alarms"]))
        neuron = plan.order[found["neuron"]]
        order = np.lexsort((neuron, found["step"]))
        step, neuron = found["step"][order], neuron[order]
        before = host.fired
        self._count(length, step, neuron, channel)
        if self._plastics:
            self._learned(length, before, (step, neuron), (channel_step, channel))
        return (
            channel_step + first, channel, step + first, neuron, found["u"], found["v"]
        )  # fmt: skip

    def _learned(
        self,
        length: int,
        before: NDArray[np.uint8],
        fired: tuple[NDArray[np.int64], NDArray[np.int64]],
        sent: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> None:
        """Bring on weights and traces, from what Lava has now."""
        _, found = self._ask("read")
        self._weights = self._read_weights(found)
        spikes = np.zeros((length, self._program.neurons), bool)
        channels = np.zeros((length, self._program.channels), bool)
        spikes[fired], channels[sent] = True, True
        state = self._host_state.learning
        assert state is not None, "a Program with rules has a state of learning"
        for plastic in self._plastics:
            remember(self._program, plastic, state, before, spikes, channels, found)

    def _count(
        self,
        length: int,
        step: NDArray[np.int64],
        neuron: NDArray[np.int64],
        channel: NDArray[np.int64],
    ) -> None:
        """Bring on what the host keeps of the state: who fired last, and the counters."""
        host, n = self._host_state, self._program.neurons
        fan_out = np.bincount(self._plan.table["sender"], minlength=n + self._program.channels)
        walked = fan_out[:n][host.fired != 0].sum() + fan_out[n + channel].sum()
        walked += fan_out[neuron[step < length - 1]].sum()
        fired = np.zeros(n, np.uint8)
        fired[neuron[step == length - 1]] = 1
        self._host_state = replace(
            host,
            step=host.step + length,
            fired=fired,
            spikes=host.spikes + len(neuron),
            synaptic_events=host.synaptic_events + int(walked),
        )

    def _out_of_range(self, alarm: list[int]) -> DeviceError:
        row, place, kind, value = alarm
        neuron, names = int(self._plan.order[place]), "a neuron"
        for population in self._program.populations:
            index = np.flatnonzero(self._program.global_neurons(population) == neuron)
            if len(index):
                names = f"{population.name!r}[{index[0]}]"
        limit = self._program.target.state_max
        variable = ("u", "v", "v of a readout")[kind]
        return DeviceError(
            f"{variable} of {names} left the range in which Lava and the machine are the same",
            found=f"{value} in step {self._host_state.step + row}",
            expected=f"{-limit} to {limit}",
            where="Lava wraps u and clips v, the machine saturates both",
            remedy="a smaller scale, lower weights, bias or input; then reset the device",
        )

    # ------------------------------------------------------------------ state

    def read_state(self) -> State:
        """A copy of the state; what is on its way is read from Lava's connections."""
        _, found = self._ask("read")
        host, order = self._host_state, self._plan.order
        u = np.zeros_like(host.u)
        v, wheel = np.zeros_like(host.v), np.zeros(host.wheel.shape, np.int64)
        u[0, order], v[order] = np.rint(found["u"]), np.rint(found["v"])
        wheel[:, 0, order] = np.rint(found["pending"] / unit(self._plan))
        wheel[:, 0] -= due_of(self._program, self._plan, host.fired, self._weights)
        learning = copied(host.learning)
        return replace(host, u=u, v=v, wheel=wheel.astype(np.int32), learning=learning)

    def write_state(self, state: State) -> None:
        """Continue from ``state``; its future is exactly the one it would have had.

        Raises:
            DeviceError: Lava has nowhere to keep a part of it.
        """
        foreign = {
            "θa": state.adapt,
            "a refractory counter": state.refractory,
            "a pending reset": state.reset_pending,
            "u of a second receptor": np.concatenate([state.u[1], state.wheel[:, 1].ravel()]),
        }
        for what, values in foreign.items():
            if np.any(values):
                raise DeviceError(f"Lava has no place for this state: {what} is not 0")
        self._write(state)

    def _write(self, state: State) -> None:
        if self._gone:
            self._build()
        order, values = self._plan.order, mantissas(self._plan.table, self._weights)
        weights, exponents = self._lava_weights(self._plan, values)
        due = state.wheel[:, 0] + due_of(self._program, self._plan, state.fired, self._weights)
        self._ask(
            "write",
            {},
            {
                "u": state.u[0, order].astype(np.float64),
                "v": state.v[order].astype(np.float64),
                "pending": pending(self._plan, due[:, order]),
                "weights": weights,
                "exponents": exponents,
                **self._learning_arrays(state),
            },
        )
        self._host_state = replace(
            state,
            learning=copied(state.learning),
            fired=state.fired.copy(),
            saturated=state.saturated.copy(),
            saturations=state.saturations.copy(),
        )

    def _learning_arrays(self, state: State) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {}
        if state.learning is not None:
            self._ask("learning", {"on": bool(state.learning.on)})
            for plastic in self._plastics:
                arrays |= plastic.waiting(self._program, state.learning, state.fired)
        return arrays

    def set_learning(self, on: bool) -> None:
        """Let the Program's rules change weights, or not; traces go on."""
        learning = self._host_state.learning
        if learning is not None:
            self._ask("learning", {"on": on})
            self._host_state = replace(self._host_state, learning=replace(learning, on=on))

    def read_weights(self) -> tuple[CoreWeights, ...]:
        """A copy of the weights, as Lava holds them."""
        _, found = self._ask("read")
        return self._read_weights(found)

    def _read_weights(self, found: dict[str, NDArray[Any]]) -> tuple[CoreWeights, ...]:
        plan = self._plan
        out = tuple(core.copy() for core in self._weights)
        _, exponents = self._lava_weights(plan, mantissas(plan.table, self._weights))
        values, first = np.zeros(len(plan.table), np.int64), 0
        for connection, exponent in zip(plan.connections, exponents.tolist(), strict=True):
            held = found["held"][first : first + len(connection.synapses)]
            unit = ALIGNMENT if self._mode == "fixed_pt" or connection.rule else 0
            scaled = np.ldexp(held, exponent + unit - connection.shift)
            values[connection.synapses] = np.rint(scaled)
            first += len(held)
        put_back(plan.table, values, out)
        return out

    def write_weights(self, weights: tuple[CoreWeights, ...]) -> None:
        """Replace the weights; shapes and widths are those of the Program.

        Raises:
            UnsupportedError: Lava cannot hold them; nothing is changed then.
        """
        self._lava_weights(self._plan, mantissas(self._plan.table, weights))
        gone = self._gone
        state = self._host_state if gone else self.read_state()
        self._weights = tuple(core.copy() for core in weights)
        if not gone:  # else a state will be written next, and the weights with it
            self._write(state)

    # ------------------------------------------------------------------ the rest

    def describe(self) -> dict[str, Any]:
        """As of every simulator, with the mode."""
        return {**super().describe(), "mode": self._mode}


def _parameters(group: Any, mode: str) -> list[float]:
    """du, dv and vth of a LIF process."""
    if mode == "fixed_pt":
        return [group.ku - 1, group.kv, group.vth]
    threshold = float(group.threshold) if group.spiking else 1e300
    return [group.ku / 4096, group.kv / 4096, threshold]
