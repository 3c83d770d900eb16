"""Bringing spikes, states and work out of the compiled kernel, whatever their number.

The kernel writes into buffers of fixed size and stops in good time before one of them could
overflow; :meth:`Recorder.drain` empties them between two calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...runtime.backend import RunData
from . import native

if TYPE_CHECKING:
    import ctypes

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events, Record
    from .clock import Clock, MicroClock

VARIABLES = {"v": 0, "u0": 1, "u1": 2, "threshold": 3}
_LEAST_ROOM = 1 << 15


class Recorder:
    """The buffers of one run.

    Args:
        program: the Program that runs.
        clock: counts clock cycles, for which everything has to be recorded; or nothing does.
        ranges: (threads + 1,) first neuron of each thread.
        steps: how many steps the run has.
        events: its input.
        record: what to bring back.
    """

    def __init__(
        self,
        program: Program,
        clock: Clock | MicroClock | None,
        ranges: NDArray[np.int64],
        steps: int,
        events: Events,
        record: Record,
    ) -> None:
        self._neurons, self._channels = program.neurons, program.channels
        self._clock = clock
        self._learns = clock is not None and bool(program.rules)
        self._all_neurons: list[NDArray[np.int64]] = []
        self._wanted = record
        self._neuron_mask = np.ascontiguousarray(record.neurons).astype(np.uint8)
        self._channel_mask = np.ascontiguousarray(record.channels).astype(np.uint8)
        if clock is not None:
            self._neuron_mask[:] = self._channel_mask[:] = 1
        threads = len(ranges) - 1
        self._most_neurons = int(self._neuron_mask.sum())
        self._most_channels = int(self._channel_mask.sum())
        if self._most_channels and len(events.spike_step):
            self._most_channels += int(np.unique(events.spike_step, return_counts=True)[1].max())
        # One more: the kernel writes a number before it knows whether to keep it.
        shapes = [max(_LEAST_ROOM, 4 * m) + 1 for m in (self._most_neurons, self._most_channels)]
        self._neuron_buffer = np.zeros((threads, shapes[0]), np.uint32)
        self._channel_buffer = np.zeros((threads, shapes[1]), np.uint32)
        self._states = tuple(np.zeros((steps, len(which)), np.int32) for _, which in record.states)
        self._traces = (native.Trace * max(1, len(record.states)))()
        self._keep: list[NDArray] = []
        for trace, (variable, which), out in zip(
            self._traces, record.states, self._states, strict=False
        ):
            order = np.argsort(which, kind="stable").astype(np.int64)
            neuron = np.asarray(which, np.int64)[order]
            start = np.searchsorted(neuron, ranges).astype(np.int64)
            self._keep += [order, neuron, start]
            trace.neuron, trace.column, trace.start = (
                x.ctypes.data for x in (neuron, order, start)
            )
            trace.width, trace.variable = len(which), VARIABLES[variable]
            trace.out = out.ctypes.data
        self._trace_count = len(record.states)
        self._found_neurons: list[NDArray[np.int64]] = []
        self._found_channels: list[NDArray[np.int64]] = []

    def attach(self, machine: native.Machine, drives: ctypes.Array[native.Drive]) -> None:
        """Tell the machine what is recorded."""
        machine.neuron_mask = self._neuron_mask.ctypes.data
        machine.channel_mask = self._channel_mask.ctypes.data
        machine.traces, machine.trace_count = self._traces, self._trace_count
        for drive in drives:
            mask = self._channel_mask[drive.channel : drive.channel + drive.count]
            drive.recorded = bool(mask.any())

    def prepare(self, machine: native.Machine, done: int, steps: int) -> None:
        """Empty buffers for a call of at most ``steps`` steps that begins after ``done``."""
        self._per_step = np.zeros((2, machine.threads, steps), np.uint32)
        for k in range(machine.threads):
            lane = machine.lanes[k]
            lane.recorded_neurons = self._neuron_buffer[k].ctypes.data
            lane.recorded_channels = self._channel_buffer[k].ctypes.data
            lane.neurons_used = lane.channels_used = 0
            lane.neuron_limit = self._neuron_buffer.shape[1] - 1 - self._most_neurons
            lane.channel_limit = self._channel_buffer.shape[1] - 1 - self._most_channels
            lane.records_neurons = self._most_neurons > 0
            lane.records_channels = self._most_channels > 0
            lane.neurons_per_step = self._per_step[0, k].ctypes.data
            lane.channels_per_step = self._per_step[1, k].ctypes.data
        for trace, states in zip(self._traces, self._states, strict=False):
            trace.out = states.ctypes.data + done * states.shape[1] * states.itemsize

    def drain(self, machine: native.Machine, done: int, computed: int) -> None:
        """Take over what a call recorded, as single numbers ``step · size + index``."""
        if self._clock is not None:
            self._clock.add(machine, computed)
        for kind, found, buffers, wanted in (
            (0, self._found_neurons, self._neuron_buffer, self._wanted.neurons),
            (1, self._found_channels, self._channel_buffer, self._wanted.channels),
        ):
            all_ = self._learns and kind == 0
            if not (wanted.any() or all_):
                continue
            for k in range(machine.threads):
                lane = machine.lanes[k]
                index = buffers[k, : (lane.neurons_used, lane.channels_used)[kind]]
                steps = np.arange(done, done + computed)
                place = np.repeat(steps, self._per_step[kind, k, :computed]) * len(wanted) + index
                found.append(place if wanted.all() else place[wanted[index]])
                if all_:
                    self._all_neurons.append(place)

    def spikes(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Step and number of all neurons' spikes, where a clock asks for them of what learns."""
        return _sorted(self._all_neurons, self._neurons)

    def data(self) -> RunData:
        """Everything that was recorded."""
        return RunData(
            *_sorted(self._found_neurons, self._neurons),
            *_sorted(self._found_channels, self._channels),
            self._states,
            None if self._clock is None else self._clock.result(),
        )


def _sorted(
    found: list[NDArray[np.int64]], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    places = np.concatenate([np.zeros(0, np.int64), *found])
    if (np.diff(places) < 0).any():
        places.sort()
    step, index = np.divmod(places, max(1, size))
    return step, index.astype(np.int32)
