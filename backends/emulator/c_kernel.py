"""The compiled kernel as a device: its arrays, its state, and the loop around its calls."""

from __future__ import annotations

import ctypes
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...counter_hash import THRESHOLD_DECAY, key_term
from ...errors import DeviceError
from ...runtime.backend import RunData, State
from . import native
from .c_learning import CLearning
from .clock import Clock, MicroClock
from .drives import Drives
from .mesh_clock import MeshClock
from .neurons import Neurons
from .recorder import Recorder
from .streams import build_streams, thread_ranges
from .wiring import Wiring, receptors_in_use

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import CoreWeights, Events, Record
    from ...runtime.timing import Timing

_SECONDS_PER_CALL = 0.1
"""How long a call may take, about: in between, Python sees to Ctrl-C."""
_LONGEST_CALL = 1 << 16


class CKernel:
    """One Program on the compiled kernel.

    Args:
        library: the kernel's library.
        program: a verified Program.
        weights: mantissas per core.
        timing: what its clock cycles follow from.
        threads: how many threads to use at most.
        instructions: index into INSTRUCTION_SETS of the best set to use.
    """

    def __init__(
        self,
        library: native.Library,
        program: Program,
        weights: tuple[CoreWeights, ...],
        timing: Timing,
        threads: int,
        instructions: int = native.BEST,
    ) -> None:
        self._library, self._program, self._timing = library, program, timing
        self._neurons = Neurons.of(program)
        self._wiring = Wiring.of(program)
        self._ranges = thread_ranges(program, min(threads, library.max_threads))
        self._receptors = receptors_in_use(program)
        self._instructions = min(instructions, library.instructions)
        self._slots = 1 << (program.wheel_depth - 1).bit_length()
        self._clock: Clock | MeshClock | MicroClock | None = None
        if timing.micro is not None:
            self._clock = MicroClock()
        elif timing.counts:
            clock = Clock if timing.mesh is None else MeshClock
            self._clock = clock(library, program, timing)
        self._arrays: dict[str, NDArray] = {}
        self.set_weights(weights)
        self.write_state(State.initial(program))

    def describe(self) -> dict[str, Any]:
        """Facts about this kernel as it is loaded."""
        synapses = int(self._streams.events.sum())
        return {
            "instruction_set": native.INSTRUCTION_SETS[self._instructions],
            "threads_in_use": len(self._ranges) - 1,
            "synapses": synapses,
            "synapse_bytes": self._streams.bytes + (self._learning.bytes if self._learning else 0),
        }

    def set_weights(self, weights: tuple[CoreWeights, ...]) -> None:
        """Lay out the synapses anew; learning changes ``weights`` in place from now on."""
        before = self.read_state() if self._arrays else None
        learning = CLearning(self._program, weights, self._ranges) if self._program.rules else None
        self._streams = build_streams(
            self._library,
            self._program,
            self._wiring,
            weights,
            self._ranges,
            learning and learning.numbers(),
        )
        self._learning, self.weights = learning, weights
        self._drives = Drives.of(self._program, self._streams)
        if before is not None:
            self._assemble(before)

    # -- state ------------------------------------------------------------------------------------

    def write_state(self, state: State) -> None:
        """Continue from ``state``, whose shapes and ranges have been checked."""
        if state.u[1].any() or state.wheel[:, 1].any():
            self._receptors = 2
        self._assemble(state)

    def read_state(self) -> State:
        """The state in its canonical form."""
        a, n, machine = self._arrays, self._program.neurons, self._machine
        fired = np.zeros(n, np.uint8)
        fired[self._fired()] = 1
        depth = self._program.wheel_depth
        wheel = np.zeros((depth, 2, n), np.int32)
        slots = (machine.step + np.arange(depth)) & (self._slots - 1)
        wheel[:, : self._receptors] = a["wheel"][slots, :, :n].view(np.int32)
        saturations, saturated = self.read_saturation()
        return State(
            step=machine.step,
            u=np.stack([a["u0"], a["u1"]]),
            v=a["v"].copy(),
            adapt=a["adapt"].copy(),
            refractory=a["refractory"].copy(),
            reset_pending=a["pending"].astype(np.uint8),
            fired=fired,
            wheel=wheel,
            saturated=saturated,
            saturations=saturations,
            spikes=self._spikes + sum(lane.spikes for lane in self._lanes()),
            synaptic_events=self._events + sum(lane.events for lane in self._lanes()),
            learning=self._learning and self._learning.read(machine),
        )

    def set_learning(self, on: bool) -> None:
        """Let rules change synapses, or not."""
        self._machine.learning = on

    def read_saturation(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Counters per core and sticky bits per neuron."""
        total = self._saturations + self._arrays["saturations"].sum(axis=0)
        return total, self._arrays["saturated"].copy()

    def _fired(self) -> NDArray[np.int32]:
        """Neurons that fired in the last step, ascending."""
        lists = self._arrays["fired"][self._machine.parity]
        parts = [
            lists[x.first : x.first + x.fired_count[self._machine.parity]] for x in self._lanes()
        ]
        return np.concatenate(parts)

    def _lanes(self) -> list[native.Lane]:
        return [self._machine.lanes[k] for k in range(len(self._ranges) - 1)]

    # -- the machine's structures -----------------------------------------------------------------

    def _assemble(self, state: State) -> None:
        """Fill all structures; everything that C sees hangs on ``self._arrays``."""
        program, neurons, n = self._program, self._neurons, self._program.neurons
        threads, cores = len(self._ranges) - 1, len(program.cores)
        stride = max(16, -(-n // 16) * 16)
        wheel = np.zeros((self._slots, self._receptors, stride), np.uint32)
        slots = (state.step + np.arange(program.wheel_depth)) & (self._slots - 1)
        wheel[slots, :, :n] = state.wheel[:, : self._receptors].view(np.uint32)
        a = self._arrays = {
            **{name: np.array(state.u[k], np.int32) for k, name in enumerate(("u0", "u1"))},
            "v": np.array(state.v, np.int32),
            "adapt": np.array(state.adapt, np.int32),
            "refractory": np.array(state.refractory, np.int32),
            "pending": (state.reset_pending != 0).astype(np.int32),
            "saturated": np.array(state.saturated, np.uint8),
            "theta": neurons.theta,
            "bias": neurons.bias.copy(),
            "adapt_key": key_term(program.seed, neurons.key, THRESHOLD_DECAY),
            "wheel": wheel,
            "events": self._streams.events,
            "fired": np.zeros((2, max(1, n)), np.int32)[:, :n].copy(),
            "saturations": np.zeros((threads, cores, 3), np.int64),
            "drive_key": self._drives.key,
            "drive_probability": self._drives.probability,
            "drive_value": self._drives.value,
            "poisson_key": self._drives.key[self._drives.poisson],
            "poisson_probability": self._drives.probability[self._drives.poisson],
            "poisson_channel": self._drives.poisson,
            "periodic_channel": self._drives.periodic,
            "periodic_phase": self._drives.phase,
            "periodic_period": self._drives.period,
            "periodic_next": np.zeros(len(self._drives.period), np.uint64),
        }
        self._spikes, self._events = state.spikes, state.synaptic_events
        self._saturations = np.array(state.saturations, np.int64)
        lanes = (native.Lane * threads)()
        machine = self._machine = native.Machine(
            neurons=n,
            stride=stride,
            channels=program.channels,
            cores=cores,
            step=state.step,
            threads=threads,
            receptors=self._receptors,
            slots=self._slots,
            instructions=self._instructions,
            state_low=-program.target.state_max - 1,
            state_high=program.target.state_max,
            lanes=lanes,
            **{name: array.ctypes.data for name, array in a.items() if name != "saturations"},
        )
        segments = self._fill_segments(state, lanes)
        drives = self._fill_drives(lanes)
        machine.segments, machine.drives = ctypes.addressof(segments), ctypes.addressof(drives)
        self._structures = (lanes, segments, drives)
        fired = np.flatnonzero(state.fired)
        for k, lane in enumerate(lanes):
            lane.first, lane.last = self._ranges[k : k + 2].tolist()
            lane.stream = self._streams.stream[k].ctypes.data
            lane.row = self._streams.row[k].ctypes.data
            lane.lines = self._streams.usual_lines(k)
            lane.saturations = a["saturations"][k].ctypes.data if cores else None
            mine = fired[(fired >= lane.first) & (fired < lane.last)]
            a["fired"][0, lane.first : lane.first + len(mine)] = mine
            lane.fired_count[0] = len(mine)
        self._share_generators(lanes)
        if self._learning is not None and state.learning is not None:
            self._learning.attach(machine)
            self._learning.write(state.learning, machine)

    def _fill_segments(
        self, state: State, lanes: ctypes.Array[native.Lane]
    ) -> ctypes.Array[native.Segment]:
        """Runs of neurons, each with the features that its parameters and state ask for."""
        neurons = self._neurons
        found = neurons.segments(self._ranges)
        table = neurons.table
        full = (
            (table[native.P_LEAK_STEP] != 0)
            | (table[native.P_SUBTRACT] != 0)
            | (table[native.P_DELAYED] != 0)
            | (table[native.P_HOLD] == 0)
        )[neurons.row] | (state.reset_pending != 0)
        adapts = (table[native.P_ADAPT_STEP] != 0)[neurons.row] | (state.adapt != 0)
        segments = (native.Segment * max(1, len(found)))()
        for segment, (first, end, core, shared) in zip(segments, found, strict=False):
            segment.first, segment.count, segment.core = first, end - first, core
            segment.features = (
                (native.F_TWO if self._receptors == 2 else 0)
                | (native.F_ADAPT if adapts[first:end].any() else 0)
                | (native.F_FULL if not shared or full[first:end].any() else 0)
                | (0 if shared else native.F_MIXED)
            )
            segment.parameters[:] = table[:, neurons.row[first]].tolist()
        if any(not shared for *_, shared in found):
            self._arrays["mixed"] = np.ascontiguousarray(table[:, neurons.row])
            self._machine.mixed = self._arrays["mixed"].ctypes.data
        firsts = np.array([first for first, *_ in found], np.int64)
        for lane, low, high in zip(lanes, self._ranges[:-1], self._ranges[1:], strict=True):
            lane.segment, lane.segment_end = np.searchsorted(firsts, [low, high]).tolist()
        return segments

    def _fill_drives(self, lanes: ctypes.Array[native.Lane]) -> ctypes.Array[native.Drive]:
        parts: list[native.Drive] = []
        for lane, low, high in zip(lanes, self._ranges[:-1], self._ranges[1:], strict=True):
            lane.drive = len(parts)
            parts += self._drives.for_lane(int(low), int(high))
            lane.drive_end = len(parts)
        return (native.Drive * max(1, len(parts)))(*parts)

    def _share_generators(self, lanes: ctypes.Array[native.Lane]) -> None:
        """Divide the channels that need a list among the threads."""
        poisson, periodic = len(self._drives.poisson), len(self._drives.periodic)
        threads = len(lanes)
        for k, lane in enumerate(lanes):
            lane.poisson, lane.poisson_end = poisson * k // threads, poisson * (k + 1) // threads
            lane.periodic = periodic * k // threads
            lane.periodic_end = periodic * (k + 1) // threads
            room = lane.poisson_end - lane.poisson + lane.periodic_end - lane.periodic
            lists = self._arrays[f"generated{k}"] = np.zeros((2, max(1, room)), np.int32)
            lane.generated, lane.generated_room = lists.ctypes.data, lists.shape[1]

    # -- running ----------------------------------------------------------------------------------

    def run(self, steps: int, events: Events, record: Record) -> RunData:
        """Compute ``steps`` steps; the events have been checked."""
        machine = self._machine
        inputs = {
            "host_step": (events.spike_step + machine.step).astype(np.uint64),
            "host_channel": np.ascontiguousarray(events.spike_channel, np.int32),
            "graded_step": (events.graded_step + machine.step).astype(np.uint64),
            "graded_neuron": np.ascontiguousarray(events.graded_neuron, np.int32),
            "graded_value": np.ascontiguousarray(events.graded_value, np.int32),
        }
        for name, array in inputs.items():
            setattr(machine, name, array.ctypes.data)
        machine.hosts, machine.gradeds = len(events.spike_step), len(events.graded_step)
        keep = self._learning and self._learning.take_input(machine, events)
        fired = np.zeros(0, np.int32)
        if self._clock is not None:
            fired = self._fired()
            self._clock.begin(steps, events, fired, bool(machine.learning))
        recorder = Recorder(self._program, self._clock, self._ranges, steps, events, record)
        recorder.attach(machine, self._structures[2])
        first = machine.step
        work = self._timing.learning
        before, on = self._learning and work and self._learning.fired_before(), machine.learning
        try:
            self._compute(steps, recorder)
        finally:
            if self._learning is not None:
                self._learning.finish(events, machine.step - first)
        del keep, inputs  # which the machine has read until now
        data = replace(recorder.data(), why_no_cycles=self._timing.why_not)
        if self._timing.micro is not None:
            cycles = self._timing.micro.cycles(steps, recorder.spikes(), events, fired, bool(on))
            return replace(data, cycles=cycles)
        if work is None or before is None or data.cycles is None:
            return data
        learned = work.cycles(first, steps, recorder.spikes(), events, before, bool(on))
        return replace(data, cycles=np.maximum(data.cycles, work.fading) + learned)

    def _compute(self, steps: int, recorder: Recorder) -> None:
        """Compute ``steps`` steps in calls of a bounded time."""
        machine, done, call = self._machine, 0, min(32, _LONGEST_CALL)
        while done < steps:
            recorder.prepare(machine, done, min(call, steps - done))
            began = time.perf_counter()
            computed = self._library.run(ctypes.byref(machine), min(call, steps - done))
            if computed < 0:
                raise DeviceError(
                    "the emulator could not start its threads",
                    found=f"{machine.threads} threads wanted",
                    remedy="open the device with fewer threads, for example emulator?threads=1",
                )
            recorder.drain(machine, done, computed)
            done += computed
            if time.perf_counter() - began < _SECONDS_PER_CALL / 2:
                call = min(2 * call, _LONGEST_CALL)
            elif call > 1 and time.perf_counter() - began > 2 * _SECONDS_PER_CALL:
                call //= 2
