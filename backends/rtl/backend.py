"""The generated hardware as a device, loaded and read through the back door."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DeviceError, UnsupportedError
from ...hdl.geometry import Geometry
from ...hdl.layout import CORE_SHIFT
from ...hdl.registers import CONTROL_HOST_INPUT, REGISTER
from ...hdl.streams import (
    INPUT_END,
    INPUT_GRADED,
    INPUT_SPIKE,
    OUTPUT_END,
    OUTPUT_GENERATORS,
    OUTPUT_NEURONS,
    input_layout,
    output_layout,
)
from ...runtime.backend import (
    Backend,
    CoreWeights,
    LearningState,
    RunData,
    State,
    check_state,
    check_weights,
    lane_count,
)
from ...runtime.mesh_image import mesh_images, state_of_core
from .fit import geometry_for
from .told import Teller
from .tools import compiler_line, missing_tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events, Record, Variable
    from ...runtime.images import HardwareImage
    from .model import Model, StepOutput
    from .told import Told

SIMULATORS = ("auto", "compiled", "amaranth")
BATCH = 4096
"""Most steps per call of the simulator; bounds the memory for its output."""
CLIPPED = ("CLIPPED_U", "CLIPPED_V", "CLIPPED_THRESHOLD")
"""Counters of clipped values, in the order of ``State.saturations``."""
MOST_CYCLES = 1 << 32
"""A step that takes longer has gone wrong."""


class RtlBackend(Backend):
    """A simulated core, or a mesh of them for Programs of several cores.

    Args:
        lanes: build the cores with so many lanes instead of the target's; changes cycles only.
        simulator: "compiled" (compiled, fast), "amaranth" (slow, needs no compiler), or "auto".
        geometry: build exactly these cores; by default some that fit the Program.
    """

    scheme = "rtl"

    def __init__(
        self,
        lanes: int | str | None = None,
        simulator: str = "auto",
        geometry: Geometry | None = None,
    ) -> None:
        self._lanes = None if lanes is None else lane_count(lanes)
        self._simulator = chosen_simulator(simulator)
        self._geometry = geometry
        self._model: Model | None = None

    # ------------------------------------------------------------------ loading

    def load(self, program: Program) -> None:
        """Take a verified Program and reset everything to its beginning.

        Raises:
            UnsupportedError: it has several cores and rules, or more cores than any mesh.
            FitError: the given geometry does not hold it.
            DeviceError: the core could not be built.
        """
        geometry = self._geometry or geometry_for(program, self._lanes)
        images = mesh_images(program, geometry)
        model = self._model
        if model is None or model.geometry != geometry:
            self.close()
            self._model = model = make_model(self._simulator, geometry)
        self._program, self._images, self._image = program, images, images[0]
        self._teller = None if images[0].learning is None else Teller(images[0])
        for core, image in enumerate(images):
            for name, columns in image.parameters().items():
                model.load_table(name, columns, core)
        for core in range(geometry.cores):
            self._prepare(core)
        self._write("CONTROL", CONTROL_HOST_INPUT)
        self._write("PACE", 0)
        if geometry.rules:
            self._write("RULES_USED", len(program.rules))
        self.write_weights(CoreWeights.initial(program))
        self.write_state(State.initial(program))

    def _prepare(self, core: int) -> None:
        """What a core's tables and registers say that no image does; or that it has no part."""
        model, geometry = self.model, self.model.geometry
        used = core < len(self._images)
        for name in model.tables:
            if name in ("injected", "generated") or not used:
                empty = [np.zeros(0, np.uint32)] * len(model.tables[name].widths)
                model.load_table(name, empty, core)
        neurons = self._images[core].core.neurons if used else 0
        generators = len(self._images[core].driven) if used else 0
        U = geometry.update_lanes
        self._write("GROUPS", max(1, -(-neurons // U)), core)
        self._write("GENERATOR_GROUPS", -(-generators // U), core)
        if not used:
            self._write("FIRED", 0, core)

    @property
    def model(self) -> Model:
        """The simulated core.

        Raises:
            DeviceError: nothing is loaded.
        """
        if self._model is None:
            raise DeviceError("nothing is loaded", where="device 'rtl'")
        return self._model

    @property
    def image(self) -> HardwareImage:
        """Where everything of the loaded Program is, of several cores that of the first one.

        Raises:
            DeviceError: nothing is loaded.
        """
        if self._model is None:
            raise DeviceError("nothing is loaded", where="device 'rtl'")
        return self._image

    def _write(self, register: str, value: int, core: int | None = None) -> None:
        """Write a register of a core, or of all."""
        to = self.model.everyone if core is None else core << CORE_SHIFT
        self.model.write(REGISTER[register].address + to, value)

    def _counter(self, name: str, core: int) -> int:
        low, high = (
            self.model.read(REGISTER[f"{name}_{half}"].address + (core << CORE_SHIFT))
            for half in ("LOW", "HIGH")
        )
        return high << 32 | low

    def _count(self, name: str) -> int:
        """What has been counted since the beginning, in all cores."""
        return sum(
            self._base[core][name] + self._counter(name, core) for core in range(len(self._images))
        )

    # ------------------------------------------------------------------ running

    def run(self, steps: int, events: Events, record: Record) -> RunData:
        """Compute ``steps`` steps from where the last run ended.

        Raises:
            UnsupportedError: graded events for a core built without them.
        """
        if len(events.graded_step) and not self.model.geometry.graded:
            raise UnsupportedError(
                "this core is built without graded events",
                found=f"{len(events.graded_step)} graded events",
                where="device 'rtl'",
                remedy="generate it with graded=True",
            )
        try:
            parts, states = self._compute(steps, self._input(steps, events), record, events)
        except BaseException:
            if self._teller is not None:
                self._teller.forget()
            raise
        items = np.concatenate([np.zeros((0, 3), np.int64), *parts])
        self._step += steps

        ends = items[:, 0] == OUTPUT_END
        step = np.cumsum(ends) - ends
        neuron_step, neuron = self._spikes(items, step, OUTPUT_NEURONS)
        driven_step, generator = self._spikes(items, step, OUTPUT_GENERATORS)
        channel_step = np.concatenate([events.spike_step.astype(np.int64), driven_step])
        driven = self._program.generators["channel"][generator]
        channel = np.concatenate([events.spike_channel, driven.astype(np.int32)])
        order = np.lexsort((channel, channel_step))
        channel_step, channel = channel_step[order], channel[order]
        kept = record.neurons[neuron]
        kept_channels = record.channels[channel]
        return RunData(
            neuron_step[kept],
            neuron[kept].astype(np.int32),
            channel_step[kept_channels],
            channel[kept_channels].astype(np.int32),
            states,
            items[ends, 2],
        )

    def _compute(
        self, steps: int, given: NDArray[np.int64], record: Record, events: Events
    ) -> tuple[list[NDArray[np.int64]], tuple[NDArray[np.int32], ...]]:
        """What came out of the core, and the recorded states."""
        states = tuple(np.zeros((steps, len(which)), np.int32) for _, which in record.states)
        parts = []
        for start, count, piece in self._pieces(given, 1 if record.states else BATCH, events):
            parts.append(self._steps(count, piece))
            for (variable, which), values in zip(record.states, states, strict=True):
                values[start] = self._value(variable)[which]
        return parts, states

    def _pieces(
        self, given: NDArray[np.int64], batch: int, events: Events
    ) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
        """As ``batches``; before each piece the device has what learning is told for it."""
        if self._teller is None:
            yield from batches(given, batch)
            return
        steps = int((given[:, 0] == INPUT_END).sum())
        told = self._teller.run(events, steps)
        following = next(told, None)
        for start, count, piece in batches(given, batch, self._teller.cuts(events, steps)):
            if following is not None and following.step == start:
                self._tell(following)
                following = next(told, None)
            yield start, count, piece

    def _tell(self, told: Told) -> None:
        """Now, before the step that comes next."""
        if len(told.changed):
            self.model.load_table("factor", [told.factor])
        if told.modulator is not None:
            self._write("MODULATOR", told.modulator & 0xFF)

    def _input(self, steps: int, events: Events) -> NDArray[np.int64]:
        """(n, 3): per step the graded events, the spikes, an END."""
        sends = self._image.channel_sends[events.spike_channel]
        spikes = events.spike_channel[sends]
        step = np.concatenate([events.graded_step, events.spike_step[sends], np.arange(steps)])
        sizes = (len(events.graded_step), len(spikes), steps)
        kind = np.repeat([INPUT_GRADED, INPUT_SPIKE, INPUT_END], sizes)
        rank = np.repeat([0, 1, 2], sizes)
        origins = self._image.channel_origin[spikes]
        graded = self._at_core(events.graded_neuron)
        index = np.concatenate([graded, origins, np.zeros(steps)])
        value = np.concatenate([events.graded_value, np.zeros(len(spikes) + steps)])
        order = np.lexsort((rank, step))
        return np.stack([kind, index, value], axis=1).astype(np.int64)[order]

    def _steps(self, steps: int, given: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._items(steps, given, self.model.steps(steps, given, MOST_CYCLES))

    def _items(self, steps: int, given: NDArray[np.int64], out: StepOutput) -> NDArray[np.int64]:
        """The output of so many steps, if that is what it is."""
        if out.ended != steps or out.used != len(given):
            raise DeviceError(
                "the simulated core stopped",
                found=f"{out.ended} of {steps} steps, {out.used} of {len(given)} inputs taken"
                f" in {out.cycles} clock cycles",
                where="device 'rtl'",
            )
        return out.items

    def _spikes(
        self, items: NDArray[np.int64], step: NDArray[np.int64], kind: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Step and number of everything of a kind that fired, sorted; neurons of all cores, and
        generators, as the Program numbers them."""
        geometry = self.model.geometry
        lanes = geometry.update_lanes
        own = items[:, 0] == kind
        masks = items[own, 2].view(np.uint64)
        row, lane = np.nonzero(masks[:, None] >> np.arange(lanes, dtype=np.uint64) & np.uint64(1))
        core, group = np.divmod(items[own, 1][row], 1 << output_layout(geometry)["group"])
        slot = group * lanes + lane
        if kind == OUTPUT_NEURONS:
            number = self._program.core_base[core] + slot
        else:
            firsts = np.append(0, np.cumsum([len(image.driven) for image in self._images]))
            number = np.concatenate([image.driven for image in self._images])[firsts[core] + slot]
        order = np.lexsort((number, step[own][row]))
        return step[own][row][order], number[order]

    def _at_core(self, neurons: NDArray[np.int32]) -> NDArray[np.int64]:
        """Global neurons as the hardware's input names them: the core above its slot."""
        base = self._program.core_base
        core = np.searchsorted(base, neurons, side="right") - 1
        return core << input_layout(self.model.geometry)["index"] | (neurons - base[core])

    def _neuron_state(self) -> dict[str, NDArray[np.int64]]:
        """Table `state` of all cores, neuron by neuron."""
        parts = [
            image.neuron_state(self.model.table("state", core))
            for core, image in enumerate(self._images)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _value(self, variable: Variable) -> NDArray[np.int64]:
        state = self._neuron_state()
        if variable == "threshold":
            return np.concatenate([c.threshold for c in self._program.cores]) + state["adapt"]
        return state[variable]

    # ------------------------------------------------------------------ state

    def read_state(self) -> State:
        """A copy of the state."""
        model = self.model
        fields = self._neuron_state()
        receptors = range(model.geometry.receptors)
        wheels = [
            image.wheel([model.table(f"wheel{r}", core) for r in receptors], self._step)
            for core, image in enumerate(self._images)
        ]
        return State(
            step=self._step,
            u=np.stack([fields["u0"], fields["u1"]]).astype(np.int32),
            v=fields["v"].astype(np.int32),
            adapt=fields["adapt"].astype(np.int32),
            refractory=fields["refractory"].astype(np.int32),
            reset_pending=fields["pending"].astype(np.uint8),
            fired=fields["fired"].astype(np.uint8),
            wheel=np.concatenate(wheels, axis=2),
            saturated=fields["saturated"].astype(np.uint8),
            saturations=self._saturations(),
            spikes=self._count("SPIKES"),
            synaptic_events=self._count("EVENTS"),
            learning=self._learning_state(),
        )

    def _learning_state(self) -> LearningState | None:
        learning = self._image.learning
        if learning is None or self._teller is None:
            return None
        teller = self._teller
        return learning.state(self.model.table, self._on, teller.third, teller.modulator)

    def _saturations(self) -> NDArray[np.int64]:
        return np.array(
            [
                [self._base[core][name] + self._counter(name, core) for name in CLIPPED]
                for core in range(len(self._images))
            ],
            np.int64,
        )

    def read_saturation(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Copies of ``State.saturations`` and ``State.saturated`` alone."""
        return self._saturations(), self._neuron_state()["saturated"].astype(np.uint8)

    def write_state(self, state: State) -> None:
        """Continue from ``state``; its future is exactly the one it would have had.

        Raises:
            DeviceError: an array's shape is not the loaded Program's, or the core has no θa.
        """
        check_state(self._program, state)
        if state.adapt.any() and not self.model.geometry.adaptation:
            raise DeviceError(
                "the state has adapted thresholds, but this core is built without them",
                where="device 'rtl'",
            )
        for core, image in enumerate(self._images):
            tables, fired = image.state_tables(state_of_core(self._program, state, core))
            for name, columns in tables.items():
                self.model.load_table(name, columns, core)
            self._write("FIRED", fired, core)
        if state.learning is not None:
            self._write_learning(state.learning)
        self._write("STEP", state.step & 0xFFFFFFFF)
        self._step = int(state.step)
        # The hardware's counters go on from wherever they are; sums are core 0's.
        self._base = []
        for core in range(len(self._images)):
            base = {
                "SPIKES": int(state.spikes) if core == 0 else 0,
                "EVENTS": int(state.synaptic_events) if core == 0 else 0,
                **dict(zip(CLIPPED, map(int, state.saturations[core]), strict=True)),
            }
            self._base.append({n: value - self._counter(n, core) for n, value in base.items()})

    def _write_learning(self, state: LearningState) -> None:
        """Traces, tags, and what the host sends."""
        learning = self._image.learning
        assert learning is not None
        for name, columns in learning.state_tables(state).items():
            self.model.load_table(name, columns)
        (weights,) = self.read_weights()
        self.model.load_table("plastic", learning.synapses(weights, state))
        assert self._teller is not None
        self._tell(self._teller.set(state.third_factor, int(state.modulator)))
        self.set_learning(state.on)

    def set_learning(self, on: bool) -> None:
        """Let the Program's rules change synapses, or not; traces go on in any case."""
        if self._image.learning is not None:
            self._write("LEARNING", int(on))
            self._on = bool(on)

    # ------------------------------------------------------------------ weights

    def read_weights(self) -> tuple[CoreWeights, ...]:
        """A copy of the weights, and of learned delays."""
        plastic = None if self._image.learning is None else self.model.table("plastic")
        return tuple(
            image.weights(self.model.table("synapse", core), plastic)
            for core, image in enumerate(self._images)
        )

    def write_weights(self, weights: tuple[CoreWeights, ...]) -> None:
        """Replace the weights.

        Raises:
            DeviceError: shapes or widths are not those of the loaded Program.
        """
        check_weights(self._program, weights)
        for core, image in enumerate(self._images):
            self.model.load_table("synapse", image.synapses(weights[core]), core)
        learning = self._image.learning
        if learning is not None:
            tags = learning.tags(self.model.table("plastic"))
            self.model.load_table("plastic", learning.synapses(weights[0], tags))

    def describe(self) -> dict[str, Any]:
        """Facts for ``spikeloom devices`` and ``doctor``."""
        facts: dict[str, Any] = {
            "scheme": self.scheme,
            "simulator": self._simulator,
            "cycles": True,
            "simulators": "compiled if it can be, else amaranth (slower)",
            "compiler": missing_tools() or compiler_line(),
        }
        if self._model is not None:
            facts["geometry"] = self._model.geometry.to_dict()
        return facts

    def close(self) -> None:
        """Free the simulated core."""
        if self._model is not None:
            self._model.close()
            self._model = None


def batches(
    given: NDArray[np.int64], batch: int, cuts: NDArray[np.int64] | None = None
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """First step, number of steps and input of each so many steps, or fewer up to a cut."""
    at = np.append(0, np.flatnonzero(given[:, 0] == INPUT_END) + 1)
    steps = len(at) - 1
    starts = np.arange(0, steps, batch)
    if cuts is not None:
        starts = np.union1d(starts, cuts[cuts < steps])
    for start, stop in pairwise([*starts.tolist(), steps]):
        yield start, stop - start, given[at[start] : at[stop]]


def chosen_simulator(simulator: str) -> str:
    """What "auto" means on this machine.

    Raises:
        DeviceError: there is no such simulator, or its tools are missing.
    """
    if simulator not in SIMULATORS:
        raise DeviceError(
            "no such simulator",
            found=repr(simulator),
            expected="one of " + ", ".join(SIMULATORS),
            where="device 'rtl'",
        )
    problem = missing_tools()
    if simulator == "compiled" and problem:
        raise DeviceError(
            "the core cannot be compiled here",
            found=problem,
            where="device 'rtl'",
            remedy='install it, or open "rtl?simulator=amaranth", which is slower',
        )
    if simulator == "auto":
        simulator = "amaranth" if problem else "compiled"
    return simulator


def make_model(simulator: str, geometry: Geometry) -> Model:
    """A core in one of ``SIMULATORS``.

    Raises:
        DeviceError: it cannot be had.
    """
    if chosen_simulator(simulator) == "compiled":
        from .compiled import CompiledModel

        return CompiledModel(geometry)
    from .interpreted import InterpretedModel

    return InterpretedModel(geometry)
