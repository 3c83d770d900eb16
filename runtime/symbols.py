"""Between the user's names and units and the device's numbers, by a Program's symbol table."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..compiler.microcode import Condition, Factor
from ..errors import InputError
from ..learning_inputs import LearningInputs
from ..recording import Result, Scaled
from .backend import Events, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from ..compiler.program import PopulationSymbol, Probe, Program
    from ..stimulus import Stimulus
    from .backend import RunData, Variable

_NOTHING = Events.none()


class RoundingWarning(UserWarning):
    """A graded value was too small for the device's numbers and became zero."""


class Symbols:
    """Translates for one Program; made once, when it is loaded.

    Attributes:
        hosts: name -> size of the sources that the host drives.
        generators: names of the sources that drive themselves.
        sizes: name -> size of all populations.
        graded: the same without those that add up inputs of others, and take nobody else's.
        learning: what the rules read of a run's input.
        record: what a run has to bring back; for the Program's probes, until ``plan_recording``
            chooses others.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.hosts = {s.name: s.size for s in program.sources if s.kind == "host"}
        self.generators = frozenset(s.name for s in program.sources if s.kind != "host")
        self.sizes = {p.name: p.size for p in program.populations}
        made = program.generated
        self.graded = {name: size for name, size in self.sizes.items() if name not in made}
        self.learning = _learning_inputs(program)
        self._population = {p.name: p for p in program.populations}
        self._globals = {p.name: program.global_neurons(p) for p in program.populations}
        self._first_channel = {s.name: s.first_channel for s in program.sources}
        # Which population each neuron belongs to (their number: none) and its index there.
        nobody = len(program.populations)
        self.owner = np.full(program.neurons, nobody, np.min_scalar_type(nobody))
        self.index = np.zeros(program.neurons, np.int64)
        for number, population in enumerate(program.populations):
            neurons = self._globals[population.name]
            self.owner[neurons] = number
            self.index[neurons] = np.arange(population.size)
        # A twin goes by the name of the neuron that it is equal to.
        self.owner, self.index = self.owner[program.twin_of], self.index[program.twin_of]
        nobody = len(program.sources)
        self._channel_owner = np.full(program.channels, nobody, np.min_scalar_type(nobody))
        self._channel_index = np.zeros(program.channels, np.int64)
        for number, source in enumerate(program.sources):
            channels = slice(source.first_channel, source.first_channel + source.size)
            self._channel_owner[channels] = number
            self._channel_index[channels] = np.arange(source.size)
        self.plan_recording(program.probes, {})

    def neurons(self, name: str) -> NDArray[np.int64]:
        """(size,) global neuron numbers of a population."""
        return self._globals[name]

    def scale(self, name: str) -> NDArray[np.float64]:
        """(size,) least significant bits per unit of the network."""
        return self._population[name].scale

    def neuron_name(self, neuron: int) -> tuple[str, int]:
        """Population and index of a global neuron number; core and slot where it has no name."""
        owner = int(self.owner[neuron])
        if owner < len(self.program.populations):
            return self.program.populations[owner].name, int(self.index[neuron])
        core = int(np.searchsorted(self.program.core_base, neuron, side="right")) - 1
        return f"core {core}", int(neuron - self.program.core_base[core])

    def channel_name(self, channel: int) -> tuple[str, int]:
        """Source and index of a channel."""
        owner = int(self._channel_owner[channel])
        if owner < len(self.program.sources):
            return self.program.sources[owner].name, int(self._channel_index[channel])
        return "channel", int(channel)

    def plan_recording(
        self, probes: Iterable[Probe], chosen: Mapping[str, NDArray[np.int64]]
    ) -> None:
        """Turn probes into a Record, and remember what belongs to which name.

        Args:
            probes: of what the Program has.
            chosen: population -> indices of the neurons whose states are recorded; others: all.
        """
        program = self.program
        neurons = np.zeros(program.neurons, np.bool_)
        channels = np.zeros(program.channels, np.bool_)
        self._spiking: list[tuple[str, int, bool]] = []
        self._sources: list[tuple[str, int]] = []
        self._states: list[tuple[str, Variable, NDArray[np.int64] | slice]] = []
        numbers = {p.name: i for i, p in enumerate(program.populations)}
        source_numbers = {s.name: i for i, s in enumerate(program.sources)}
        self._recorded_sizes: dict[str, int] = {}
        for of, variable in dict.fromkeys((p.of, p.variable) for p in probes):
            if of in source_numbers:
                source = program.sources[source_numbers[of]]
                channels[source.first_channel : source.first_channel + source.size] = True
                self._sources.append((of, source_numbers[of]))
                self._recorded_sizes[of] = source.size
                continue
            self._recorded_sizes[of] = self.sizes[of]
            if variable == "spikes":
                places = self._globals[of]
                neurons[places] = True
                in_order = bool((places[1:] > places[:-1]).all())
                self._spiking.append((of, numbers[of], in_order))
            else:
                which = chosen.get(of, slice(None))
                self._states.append((of, cast("Variable", variable), which))
        self.record = Record(
            neurons,
            channels,
            tuple((what, self._globals[of][which]) for of, what, which in self._states),
        )
        self._shapes = {n: s for n, s in program.shapes.items() if n in self._recorded_sizes}

    def encode(self, stimulus: Stimulus) -> Events:
        """The device's events of a checked stimulus.

        Raises:
            InputError: a graded value does not fit into the state's range.
        """
        learns = stimulus.teacher or stimulus.third_factor or stimulus.modulator
        if not stimulus.spikes and not stimulus.graded and not learns:
            return _NOTHING
        step, channel = _merge(
            [
                (events[:, 0], (events[:, 1] + self._first_channel[name]).astype(np.int32))
                for name, events in stimulus.spikes.items()
            ]
        )
        learning = self._encode_learning(stimulus) if learns else {}
        if not stimulus.graded:
            return Events(
                step,
                channel,
                _NOTHING.graded_step,
                _NOTHING.graded_neuron,
                _NOTHING.graded_value,
                **learning,
            )
        graded = []
        for name, (events, values) in stimulus.graded.items():
            raw = self._graded_raw(self._population[name], events, values)
            graded.append((events[:, 0], self._globals[name][events[:, 1]], raw))
        graded_step, neuron, value = _merge(graded)
        if len(self.program.twins):
            which, neuron = self.program.with_twins(neuron)
            graded_step, value = graded_step[which], value[which]
        return Events(step, channel, graded_step, neuron.astype(np.int32), value, **learning)

    def _encode_learning(self, stimulus: Stimulus) -> dict[str, NDArray[Any]]:
        """Teacher events, third factors and the modulator, as fields of Events."""
        fields: dict[str, NDArray[Any]] = {}
        if stimulus.teacher:
            step, neuron = _merge(
                [(e[:, 0], self._globals[name][e[:, 1]]) for name, e in stimulus.teacher.items()]
            )
            fields |= {"teacher_step": step, "teacher_neuron": neuron.astype(np.int32)}
        if stimulus.third_factor:
            step, neuron, value = _merge(
                [
                    (e[:, 0], self._globals[name][e[:, 1]], values)
                    for name, (e, values) in stimulus.third_factor.items()
                ]
            )
            fields |= {"factor_step": step, "factor_neuron": neuron.astype(np.int32)}
            fields["factor_value"] = value.astype(np.int32)
        if stimulus.modulator is not None:
            events, values = stimulus.modulator
            fields["modulator_step"] = np.ascontiguousarray(events[:, 0])
            fields["modulator_value"] = values.astype(np.int32)
        return fields

    def _graded_raw(
        self, population: PopulationSymbol, events: NDArray[np.int64], values: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        scale = population.scale[events[:, 1]]
        raw = np.rint(values * scale)
        limit = self.program.target.state_max
        wrong = (raw > limit) | (raw < -limit - 1)
        if wrong.any():
            row = int(np.argmax(wrong))
            step, index = (int(i) for i in events[row])
            low, high = (-limit - 1) / scale[row], limit / scale[row]
            raise InputError(
                f"graded input of population {population.name!r} does not fit into the "
                "device's numbers",
                found=f"{values[row]:g} at step {step}, index {index}",
                expected=f"{low:g} to {high:g}",
                where=f"inputs[{population.name!r}]",
                remedy="compile with a smaller scale: sl.Quantization(scale=…)",
            )
        lost = (raw == 0) & (values != 0)
        if lost.any():
            row = int(np.argmax(lost))
            step, index = (int(i) for i in events[row])
            warnings.warn(
                f"graded input of population {population.name!r}: {np.count_nonzero(lost)} of "
                f"{len(values)} values became zero, the first {values[row]:g} at step {step}, "
                f"index {index}, where the device's least significant bit is {1 / scale[row]:g}",
                RoundingWarning,
                stacklevel=5,
            )
        return raw.astype(np.int32)

    def decode(self, data: RunData, steps: int, start: int, device: str) -> Result:
        """What a run brought back, by name and in the network's units."""
        spikes: dict[str, NDArray[np.int64]] = {}
        if self._spiking:
            parts = _split(data.neuron_step, data.neuron, self.owner, self.index)
            for name, number, in_order in self._spiking:
                events = parts(number)
                if not in_order and len(events) > 1:
                    events = events[np.lexsort((events[:, 1], events[:, 0]))]
                spikes[name] = events
        if self._sources:
            parts = _split(
                data.channel_step, data.channel, self._channel_owner, self._channel_index
            )
            for name, number in self._sources:
                spikes[name] = parts(number)
        states: dict[str, dict[str, Scaled]] = {}
        for (name, variable, which), raw in zip(self._states, data.states, strict=True):
            states.setdefault(name, {})[variable] = Scaled(raw / self.scale(name)[which], raw)
        return Result(
            steps,
            start,
            self.program.dt,
            spikes,
            states,
            dict(self._recorded_sizes),
            device,
            data.cycles,
            data.why_no_cycles,
            shapes=self._shapes,
        )


def _learning_inputs(program: Program) -> LearningInputs:
    """What the rules read, by the names of the populations that they teach."""
    post = [program.projections[rule.projection].post for rule in program.rules]
    products = [[p for g in rule.groups for p in g.products] for rule in program.rules]
    read = [{f & ~Factor.SIGN for p in own for f in p.factors} for own in products]
    taught = [any(p.condition & Condition.T0 for p in own) for own in products]
    return LearningInputs(
        plastic=set(post),
        teacher={name for name, own in zip(post, taught, strict=True) if own},
        third_factor={name for name, own in zip(post, read, strict=True) if Factor.R in own},
        modulator=any(Factor.M in own for own in read),
    )


def _merge(parts: list[tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """Columns of several sorted event lists as one, ascending in the first column, step."""
    if not parts:
        return _NOTHING.spike_step, _NOTHING.spike_channel
    if len(parts) == 1:
        return tuple(np.ascontiguousarray(column) for column in parts[0])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return tuple(column[order] for column in columns)


def _split(
    step: NDArray[np.int64], unit: NDArray[np.int32], owner: NDArray[Any], index: NDArray[np.int64]
) -> Any:
    """A function from an owner's number to its (n, 2) events, in the order they came."""
    if not len(step):
        return lambda number: np.zeros((0, 2), np.int64)
    owners = owner[unit]
    events = np.empty((len(step), 2), np.int64)
    events[:, 0] = step
    events[:, 1] = index[unit]
    if (owners == owners[0]).all():
        only = int(owners[0])
        return lambda number: events if number == only else np.zeros((0, 2), np.int64)
    # A stable sort of 16-bit numbers is a radix sort: linear, whatever the number of owners.
    order = np.argsort(owners, kind="stable")
    events, owners = events[order], owners[order]

    def part(number: int) -> NDArray[np.int64]:
        low, high = np.searchsorted(owners, [number, number + 1])
        return events[low:high]

    return part
