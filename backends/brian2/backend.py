"""Brian2 as a device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.program import EXPONENTIAL, HOLD, RESET_VALUE
from ...errors import DeviceError, UnsupportedError
from ...runtime.backend import CoreWeights, RunData, State, check_state, check_weights
from ..peer.backend import WINDOW, WINDOW_NUMBERS, PeerBackend
from ..peer.generators import generated, merged
from ..peer.synapses import mantissas, put_back, synapses
from .remote import BRIAN2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events, Record

LARGEST = 2.0**31 - 1
"""Of what can be told as an integer; the machine's numbers saturate long before."""


class Brian2Backend(PeerBackend):
    """The machine's neurons in double precision, computed by Brian2 in a process of its own.

    Args:
        python: interpreter that has Brian2; by default the environment's
            SPIKELOOM_BRIAN2_PYTHON, or the running one.
        timeout: seconds that Brian2 may take for a start or a window of a run.

    Raises:
        DeviceError: there is no Brian2, or the options are wrong.
    """

    scheme, peer = "brian2", BRIAN2

    def __init__(self, python: str | None = None, timeout: str | float = 120.0) -> None:
        super().__init__(python, timeout)

    # ------------------------------------------------------------------ loading

    def load(self, program: Program) -> None:
        """Take a verified Program and reset everything to its beginning.

        Raises:
            UnsupportedError: it has rules.
            DeviceError: Brian2 cannot be started.
        """
        if program.rules:
            raise UnsupportedError(
                "the device brian2 does not learn",
                found=", ".join(
                    repr(program.projections[r.projection].name) for r in program.rules
                ),
                expected="a Program without rules",
                remedy="sl.simulate learns in real numbers; or learn on another device, and take "
                "its weights: program.with_weights(…)",
            )
        self._program, self._table = program, synapses(program)
        self._parameters = _parameters(program)
        self._weights = tuple(core.copy() for core in CoreWeights.initial(program))
        self._window = max(1, min(WINDOW, WINDOW_NUMBERS // max(program.neurons, 1)))
        self._write(State.initial(program))

    def _values(self) -> NDArray[np.int64]:
        """(s,) what a spike adds to an accumulator."""
        return mantissas(self._table, self._weights) << self._table["exponent"]

    def _write(self, state: State, numbers: dict[str, NDArray[Any]] | None = None) -> None:
        """Build the network in a state; ``numbers`` are its neurons' where they are real."""
        self._start()
        if numbers is None:
            numbers = {
                "u0": state.u[0],
                "u1": state.u[1],
                "v": state.v,
                "adapt": state.adapt,
                "counter": state.refractory,
                "due": state.reset_pending,
            }
        table, values = self._table, self._values()
        pending = state.wheel.astype(np.int64)
        sends = np.concatenate([state.fired, np.zeros(self._program.channels, np.uint8)])
        _arrive(pending, table, values, sends[table["sender"]] != 0, 0)
        self._ask(
            "build",
            {"channels": self._program.channels},
            {
                **self._parameters,
                **{name: values.astype(np.float64) for name, values in numbers.items()},
                "pending": pending.astype(np.float64),
                "sender": table["sender"],
                "post": table["post"],
                "receptor": table["receptor"].astype(np.float64),
                "delay": table["delay"],
                "weight": values.astype(np.float64),
            },
        )
        self._host_state = replace(
            state, fired=state.fired.copy(), wheel=state.wheel.copy(),
            saturated=state.saturated.copy(), saturations=state.saturations.copy(),
        )  # fmt: skip

    # ------------------------------------------------------------------ running

    def run(self, steps: int, events: Events, record: Record) -> RunData:
        """Compute ``steps`` steps from where the last run ended; state is rounded.

        Raises:
            DeviceError: Brian2 failed, or a number is too large to be told.
        """
        parts = [
            self._run_window(first, min(self._window, steps - first), events)
            for first in range(0, steps, self._window)
        ]
        rows = {
            name: np.concatenate([np.zeros((0, self._program.neurons)), *(p[name] for p in parts)])
            for name in ("u0", "u1", "v", "adapt")
        }
        rows["threshold"] = rows["adapt"] + self._parameters["theta"]
        states = tuple(_told(rows[variable][:, which]) for variable, which in record.states)
        step, neuron, channel_step, channel = (
            np.concatenate([np.zeros(0, np.int64), *(p[name] for p in parts)])
            for name in ("step", "neuron", "channel_step", "channel")
        )
        mine, theirs = record.neurons[neuron], record.channels[channel]
        return RunData(
            step[mine],
            neuron[mine].astype(np.int32),
            channel_step[theirs],
            channel[theirs].astype(np.int32),
            states,
        )

    def _run_window(self, first: int, length: int, events: Events) -> dict[str, NDArray[Any]]:
        spikes = slice(*np.searchsorted(events.spike_step, [first, first + length]))
        graded = slice(*np.searchsorted(events.graded_step, [first, first + length]))
        channel_step, channel = merged(
            events.spike_step[spikes] - first,
            events.spike_channel[spikes],
            *generated(self._program.generators, self._host_state.step, length),
        )
        _, found = self._ask(
            "run",
            {"steps": length},
            {
                "spike_step": channel_step,
                "spike_channel": channel,
                "graded_step": events.graded_step[graded] - first,
                "graded_neuron": events.graded_neuron[graded].astype(np.int64),
                "graded_value": events.graded_value[graded].astype(np.int64),
            },
        )
        self._remember(length, found["step"], found["neuron"], channel_step, channel)
        found["step"] += first
        return found | {"channel_step": channel_step + first, "channel": channel}

    def _remember(
        self,
        length: int,
        step: NDArray[np.int64],
        neuron: NDArray[np.int64],
        channel_step: NDArray[np.int64],
        channel: NDArray[np.int64],
    ) -> None:
        """Bring on what the host keeps: who fired last, the wheel, and the counters."""
        host, program, table = self._host_state, self._program, self._table
        n, depth = program.neurons, program.wheel_depth
        before = np.flatnonzero(host.fired)
        # A neuron's spike walks its row in the step after it was fired.
        walks = step < length - 1
        when = np.concatenate([np.zeros_like(before), step[walks] + 1, channel_step])
        who = np.concatenate([before, neuron[walks], n + channel])
        fan_out = np.bincount(table["sender"], minlength=n + program.channels)
        wheel = np.zeros((depth, *host.wheel.shape[1:]), np.int64)
        wheel[: max(depth - length, 0)] = host.wheel[length:]
        values = self._values()
        for t in range(max(length - depth, 0), length):
            sends = np.zeros(n + program.channels, bool)
            sends[who[when == t]] = True
            _arrive(wheel, table, values, sends[table["sender"]], t - length)
        fired = np.zeros(n, np.uint8)
        fired[neuron[step == length - 1]] = 1
        self._host_state = replace(
            host,
            step=host.step + length,
            fired=fired,
            wheel=wheel.astype(np.int32),
            spikes=host.spikes + len(neuron),
            synaptic_events=host.synaptic_events + int(fan_out[who].sum()),
        )

    # ------------------------------------------------------------------ state

    def read_state(self) -> State:
        """A copy of the state, rounded to integers."""
        _, found = self._ask("read")
        host = self._host_state
        return replace(
            host,
            u=_told(np.stack([found["u0"], found["u1"]])),
            v=_told(found["v"]),
            adapt=_told(found["adapt"]),
            refractory=_told(found["counter"]),
            reset_pending=_told(found["due"]).astype(np.uint8),
            fired=host.fired.copy(),
            wheel=host.wheel.copy(),
        )

    def write_state(self, state: State) -> None:
        """Continue from ``state``.

        Raises:
            DeviceError: an array's shape is not the loaded Program's.
        """
        check_state(self._program, state)
        self._write(state)

    def read_weights(self) -> tuple[CoreWeights, ...]:
        """A copy of the weights, as Brian2 holds them."""
        _, found = self._ask("read")
        out = tuple(core.copy() for core in self._weights)
        values = np.rint(np.ldexp(found["weight"], -self._table["exponent"])).astype(np.int64)
        put_back(self._table, values, out)
        return out

    def write_weights(self, weights: tuple[CoreWeights, ...]) -> None:
        """Replace the weights.

        Raises:
            DeviceError: shapes or widths are not those of the loaded Program.
        """
        check_weights(self._program, weights)
        numbers = None if self._gone else self._ask("read")[1]
        self._weights = tuple(core.copy() for core in weights)
        if numbers is not None:  # else a state will be written next, and the weights with it
            self._write(self._host_state, numbers)


def _parameters(program: Program) -> dict[str, NDArray[np.float64]]:
    """(n,) each, in state LSBs; shares of 4096 as shares."""
    p = np.concatenate([c.profiles[c.profile] for c in program.cores])
    found = {
        "ku0": p["decay_u"][:, 0] / 4096,
        "ku1": p["decay_u"][:, 1] / 4096,
        "gain": np.exp2(p["shift"].astype(float)),
        "exponential": p["leak"] == EXPONENTIAL,
        "kv": p["decay_v"] / 4096,
        "leak": p["leak_step"],
        "theta": np.concatenate([c.threshold for c in program.cores]),
        "bias": np.concatenate([c.bias for c in program.cores]),
        "to_value": p["reset"] == RESET_VALUE,
        "v_reset": p["v_reset"],
        "reset_late": p["reset_delay"] != 0,
        "rest": p["refractory"],
        "hold": p["refractory_mode"] == HOLD,
        "adapt_step": p["adapt_step"],
        "adapt_decay": p["adapt_decay"] / 4096,
        "spiking": p["spiking"] != 0,
    }
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def _arrive(
    wheel: NDArray[np.int64],
    table: NDArray[np.void],
    values: NDArray[np.int64],
    mine: NDArray[np.bool_],
    step: int,
) -> None:
    """Add what synapses bring whose rows are walked in ``step``, as far as the wheel has it."""
    rows, values = table[mine], values[mine]
    due = rows["delay"] + step
    there = due >= 0
    np.add.at(wheel, (due[there], rows["receptor"][there], rows["post"][there]), values[there])


def _told(values: NDArray[np.float64]) -> NDArray[np.int32]:
    """Real numbers as the integers next to them.

    Raises:
        DeviceError: they are too large.
    """
    if not (np.abs(values) <= LARGEST).all():
        raise DeviceError(
            "a number left the range of the machine's",
            found=f"{np.abs(values).max():g}",
            expected=f"at most {LARGEST:g}",
            where="real numbers do not saturate",
            remedy="a smaller scale, lower weights, bias or input; then reset the device",
        )
    return np.rint(values).astype(np.int32)
