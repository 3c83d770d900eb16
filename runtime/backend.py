"""What every kind of device implements: integers in, integers out.

A :class:`Backend` knows Programs, channels and global neuron numbers; names, units and
validation of the user's input are the :class:`~spikeloom.runtime.device.Device`'s, which wraps a
backend and is the same for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..errors import DeviceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program

SATURATION_KINDS = ("u", "v", "threshold")
"""Columns of ``State.saturations``; bit ``1 << k`` of ``State.saturated`` is kind ``k``."""

Variable = Literal["v", "u0", "u1", "threshold"]
"""State that can be recorded; ``threshold`` is θ + θa."""


def _no_steps() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


def _no_numbers() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


@dataclass(frozen=True, eq=False)
class Events:
    """Input of one run; steps count from the run's first step. Checked by the caller.

    Attributes:
        spike_step: (n,) int64, ascending.
        spike_channel: (n,) int32, host channels; at most one event per (step, channel).
        graded_step: (m,) int64, ascending.
        graded_neuron: (m,) int32, global neuron numbers; at most one per (step, neuron).
        graded_value: (m,) int32, within the state's range.
        teacher_step: (k,) int64, ascending.
        teacher_neuron: (k,) int32, global neuron numbers; at most one event per (step, neuron).
        factor_step: (l,) int64, ascending.
        factor_neuron: (l,) int32, global neuron numbers; at most one event per (step, neuron).
        factor_value: (l,) int32, the neuron's third factor from that step on, -128 … 127.
        modulator_step: (h,) int64, strictly ascending.
        modulator_value: (h,) int32, the modulator from that step on, -128 … 127.
    """

    spike_step: NDArray[np.int64]
    spike_channel: NDArray[np.int32]
    graded_step: NDArray[np.int64]
    graded_neuron: NDArray[np.int32]
    graded_value: NDArray[np.int32]
    teacher_step: NDArray[np.int64] = field(default_factory=_no_steps)
    teacher_neuron: NDArray[np.int32] = field(default_factory=_no_numbers)
    factor_step: NDArray[np.int64] = field(default_factory=_no_steps)
    factor_neuron: NDArray[np.int32] = field(default_factory=_no_numbers)
    factor_value: NDArray[np.int32] = field(default_factory=_no_numbers)
    modulator_step: NDArray[np.int64] = field(default_factory=_no_steps)
    modulator_value: NDArray[np.int32] = field(default_factory=_no_numbers)

    @staticmethod
    def none() -> Events:
        """No input at all."""
        i64, i32 = np.zeros(0, np.int64), np.zeros(0, np.int32)
        return Events(i64, i32, i64, i32, i32)


@dataclass(frozen=True, eq=False)
class Record:
    """What a run brings back.

    Attributes:
        neurons: (neurons,) bool, whose spikes.
        channels: (channels,) bool, which sources' spikes.
        states: pairs of variable and (k,) global neuron numbers.
    """

    neurons: NDArray[np.bool_]
    channels: NDArray[np.bool_]
    states: tuple[tuple[Variable, NDArray[np.int64]], ...] = ()


@dataclass(frozen=True, eq=False)
class RunData:
    """What a run brought back; steps count from the run's first step.

    Attributes:
        neuron_step, neuron: (k,) int64 and int32, sorted by step, then neuron.
        channel_step, channel: (k,) int64 and int32, sorted by step, then channel.
        states: for each pair of ``Record.states`` a (steps, k) int32 array, values after the step.
        cycles: (steps,) int64 clock cycles, or None where the device does not count them.
        why_no_cycles: why a device that otherwise counts cycles did not count these.
    """

    neuron_step: NDArray[np.int64]
    neuron: NDArray[np.int32]
    channel_step: NDArray[np.int64]
    channel: NDArray[np.int32]
    states: tuple[NDArray[np.int32], ...]
    cycles: NDArray[np.int64] | None = None
    why_no_cycles: str = ""


@dataclass(frozen=True, eq=False)
class LearningState:
    """What learning carries from step to step, but for weights and delays (docs/machine.md §7).

    Traces of rule ``k`` are in rows ``Program.trace_start[k] … trace_start[k + 1]`` (column 0 for
    x, column 1 for y), in the order of the neurons of its source or population; a window trace's
    number is its history of events.

    Attributes:
        on: whether learning is on.
        x: (nx, 2) uint32, x1 and x2.
        y: (ny, 2) uint32, y1 and y2.
        fired_before: (ny,) uint64, bit ``d - 1`` is set where the neuron fired ``d`` steps before
            the next one to be computed; bits beyond the rule's ``post_delay`` are 0.
        third_factor: (n,) int16, r of each global neuron.
        modulator: m.
        sparse_tag, dense_tag: per core int8 arrays in the layout of its CoreImage; (0,) each where
            no row of the core is plastic.
    """

    on: bool
    x: NDArray[np.uint32]
    y: NDArray[np.uint32]
    fired_before: NDArray[np.uint64]
    third_factor: NDArray[np.int16]
    modulator: int
    sparse_tag: tuple[NDArray[np.int8], ...]
    dense_tag: tuple[NDArray[np.int8], ...]

    @staticmethod
    def initial(program: Program) -> LearningState | None:
        """The state before step 0; None where nothing learns."""
        if not program.rules:
            return None
        nx, ny = (int(count) for count in program.trace_start[-1])
        return LearningState(
            on=True,
            x=np.zeros((nx, 2), np.uint32),
            y=np.zeros((ny, 2), np.uint32),
            fired_before=np.zeros(ny, np.uint64),
            third_factor=np.zeros(program.neurons, np.int16),
            modulator=0,
            sparse_tag=tuple(np.zeros(len(c.sparse_enable), np.int8) for c in program.cores),
            dense_tag=tuple(np.zeros(len(c.dense_enable), np.int8) for c in program.cores),
        )


@dataclass(frozen=True, eq=False)
class State:
    """The whole dynamic state between two steps, but for the weights; ``n`` global neurons.

    Attributes:
        step: how many steps have been computed since the last reset.
        u: (2, n) int32 (row 1 stays zero where no second receptor is used).
        v: (n,) int32.
        adapt: (n,) int32, θa.
        refractory: (n,) int32, steps during which the neuron cannot fire yet.
        reset_pending: (n,) uint8, 1 where a delayed reset is due in the next step.
        fired: (n,) uint8, 1 where the neuron fired in the last step: its spike arrives in the next.
        wheel: (wheel_depth, 2, n) int32; ``wheel[d]`` is what the wheel already holds for the step
            ``d`` steps from now (0: the next step to be computed).
        saturated: (n,) uint8, sticky bits by SATURATION_KINDS.
        saturations: (cores, 3) int64, how often a number was clipped, by SATURATION_KINDS.
        spikes: spikes fired by neurons since the last reset.
        synaptic_events: synapses walked since the last reset.
        learning: None where the Program has no rules.
    """

    step: int
    u: NDArray[np.int32]
    v: NDArray[np.int32]
    adapt: NDArray[np.int32]
    refractory: NDArray[np.int32]
    reset_pending: NDArray[np.uint8]
    fired: NDArray[np.uint8]
    wheel: NDArray[np.int32]
    saturated: NDArray[np.uint8]
    saturations: NDArray[np.int64]
    spikes: int
    synaptic_events: int
    learning: LearningState | None = None

    @staticmethod
    def initial(program: Program) -> State:
        """The state before step 0."""
        n = program.neurons
        return State(
            step=0,
            u=np.zeros((2, n), np.int32),
            v=np.concatenate([np.zeros(0, np.int32), *(c.v_init for c in program.cores)]),
            adapt=np.zeros(n, np.int32),
            refractory=np.zeros(n, np.int32),
            reset_pending=np.zeros(n, np.uint8),
            fired=np.zeros(n, np.uint8),
            wheel=np.zeros((program.wheel_depth, 2, n), np.int32),
            saturated=np.zeros(n, np.uint8),
            saturations=np.zeros((len(program.cores), 3), np.int64),
            spikes=0,
            synaptic_events=0,
            learning=LearningState.initial(program),
        )


@dataclass(frozen=True, eq=False)
class CoreWeights:
    """Weights of one core and delays of its sparse synapses, in the layout of its CoreImage.

    ``delay`` is None where no rule changes delays: they are then the CoreImage's.
    """

    sparse: NDArray[np.int8 | np.int16]
    dense: NDArray[np.int8 | np.int16]
    delay: NDArray[np.uint8] | None = None

    @staticmethod
    def initial(program: Program) -> tuple[CoreWeights, ...]:
        """What a Program starts with, one entry per core; not copies."""
        learned = any(rule.changes_delays for rule in program.rules)
        return tuple(
            CoreWeights(c.sparse_weight, c.dense_weight, c.sparse_delay if learned else None)
            for c in program.cores
        )

    def copy(self) -> CoreWeights:
        """A copy that may be changed."""
        delay = None if self.delay is None else self.delay.copy()
        return CoreWeights(self.sparse.copy(), self.dense.copy(), delay)


class Backend(ABC):
    """One device. Methods are called by one thread at a time, ``load`` before any other."""

    scheme: ClassVar[str]
    """What ``spikeloom.open`` calls it."""
    interruptible: bool = False
    """Whether an exception that ends ``run`` early always leaves the state between two steps."""

    @abstractmethod
    def load(self, program: Program) -> None:
        """Take a verified Program and reset everything to its beginning."""

    @abstractmethod
    def run(self, steps: int, events: Events, record: Record) -> RunData:
        """Compute ``steps`` steps from where the last run ended."""

    @abstractmethod
    def read_state(self) -> State:
        """A copy of the state."""

    @abstractmethod
    def write_state(self, state: State) -> None:
        """Continue from ``state``; its future is exactly the one it would have had."""

    @abstractmethod
    def read_weights(self) -> tuple[CoreWeights, ...]:
        """A copy of the weights, one entry per core."""

    @abstractmethod
    def write_weights(self, weights: tuple[CoreWeights, ...]) -> None:
        """Replace the weights; shapes and widths are those of the Program."""

    def set_learning(self, on: bool) -> None:
        """Let the Program's rules change synapses, or not; traces go on in any case.

        Nothing happens where the Program has no rules. A device whose whole state is slow to
        move overrides it.
        """
        state = self.read_state()
        if state.learning is not None:
            self.write_state(replace(state, learning=replace(state.learning, on=on)))

    def read_saturation(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Copies of ``State.saturations`` and ``State.saturated`` alone.

        Asked for after every run; a device whose whole state is slow to read overrides it.
        """
        state = self.read_state()
        return state.saturations, state.saturated

    def describe(self) -> dict[str, Any]:
        """Facts for ``spikeloom devices`` and ``doctor``: plain JSON data."""
        return {"scheme": self.scheme}

    def close(self) -> None:  # noqa: B027 - most devices hold nothing that needs releasing
        """Release what the device holds; nothing may be called afterwards."""


def check_state(program: Program, state: State) -> None:
    """Refuse a state of another shape than the Program's.

    Raises:
        DeviceError: an array's shape is wrong.
    """
    found, expected = _arrays(state), _arrays(State.initial(program))
    if found.keys() != expected.keys():
        raise DeviceError(
            "the state does not fit the loaded program",
            found=", ".join(found),
            expected=", ".join(expected),
            remedy="load the program that it was read from",
        )
    for name, like in expected.items():
        _check_shape(f"state {name!r}", found[name], like)


def _arrays(state: State) -> dict[str, Any]:
    """Everything in a state by name, that of learning and of its cores one by one."""
    found = {name: value for name, value in vars(state).items() if name != "learning"}
    for name, value in vars(state.learning).items() if state.learning else ():
        parts = enumerate(value) if isinstance(value, tuple) else ()
        found |= {f"{name} of core {core}": part for core, part in parts} or {name: value}
    return found


def check_weights(program: Program, weights: tuple[CoreWeights, ...]) -> None:
    """Refuse weights and learned delays that are not the Program's.

    Raises:
        DeviceError: the number of cores, a shape or a value's width is wrong.
    """
    expected = CoreWeights.initial(program)
    if len(weights) != len(expected):
        raise DeviceError(
            "weights do not fit the loaded program",
            found=f"weights of {len(weights)} cores",
            expected=f"weights of {len(expected)} cores",
        )
    for number, (given, like) in enumerate(zip(weights, expected, strict=True)):
        _check_values(f"sparse weights of core {number}", given.sparse, like.sparse)
        _check_values(f"dense weights of core {number}", given.dense, like.dense)
        _check_values(f"delays of core {number}", given.delay, like.delay)


def _check_values(what: str, found: Any, expected: NDArray[Any] | None) -> None:
    """Shape, and that the values fit; None where the Program has nothing of the kind."""
    _check_shape(what, found, expected)
    if expected is None:
        return
    limits = np.iinfo(expected.dtype)
    if found.dtype.kind not in "iu" or (
        found.size and not limits.min <= found.min() <= found.max() <= limits.max
    ):
        raise DeviceError(
            f"{what} do not fit the loaded program",
            found=f"{found.dtype}",
            expected=f"integers that fit {expected.dtype}",
        )


def _check_shape(what: str, found: Any, expected: Any) -> None:
    if np.shape(found) != np.shape(expected):
        raise DeviceError(
            f"{what} does not fit the loaded program",
            found=f"shape {np.shape(found)}",
            expected=f"shape {np.shape(expected)}",
            remedy="load the program that it was read from",
        )


def lane_count(lanes: int | str) -> int:
    """The option ``lanes`` of devices that know the generated hardware.

    Raises:
        DeviceError: no core has so many.
    """
    try:
        count = int(str(lanes))
    except ValueError:
        count = 0
    if not 1 <= count <= 64 or count & (count - 1):
        raise DeviceError(
            "the generated hardware cannot have that many lanes",
            found=repr(lanes),
            expected="a power of two from 1 to 64",
            where="option lanes",
        )
    return count
