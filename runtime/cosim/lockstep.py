"""Two or more devices in lockstep: the first difference, by the user's names.

All run the same window and everything they have is compared. Where a window differs, all go back to
its beginning and take it step by step, so that the answer names the first step and, within it,
what comes first in the machine's own order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...stimulus import make_stimulus
from ..backend import SATURATION_KINDS, Record
from ..stream import cut_stimulus, window_lengths
from ..symbols import Symbols
from ..weights import WeightMap
from .divergence import Divergence
from .received import History

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ..backend import CoreWeights, Events, LearningState, RunData, State
    from ..device import Device
    from ..stream import Inputs

WINDOW = 32
"""Steps between two comparisons of everything."""


@dataclass(frozen=True)
class _Found:
    """A difference as devices number things: ``first`` and ``second`` are the two values."""

    step: int
    name: str
    index: int | tuple[int, int] | None
    variable: str
    first: int
    second: int


class Lockstep:
    """Devices that hold the same Program and advance together.

    Args:
        program: that all of them have loaded.
        devices: two or more; the first one is compared with each of the others.
    """

    def __init__(self, program: Program, devices: list[Device]) -> None:
        self.program = program
        self.symbols = symbols = Symbols(program)
        self.devices = devices
        everyone = np.arange(program.neurons, dtype=np.int64)
        self.record = Record(
            np.ones(program.neurons, np.bool_),
            np.ones(program.channels, np.bool_),
            (("u0", everyone), ("u1", everyone), ("v", everyone), ("threshold", everyone)),
        )
        self.maps = [WeightMap(program, symbols, p, whole=False) for p in program.projections]
        self.history = History(program, symbols, self.maps)

    def run(
        self, steps: int, inputs: Inputs | None, progress: Callable[[int], object] | None
    ) -> Divergence | None:
        """The first difference within ``steps`` steps, or None."""
        symbols = self.symbols
        stimulus = make_stimulus(
            inputs, steps, symbols.hosts, symbols.graded, symbols.generators, symbols.learning
        )
        windows = cut_stimulus(stimulus, steps, WINDOW)
        start = 0
        for length, window in zip(window_lengths(steps, WINDOW), windows, strict=True):
            before = self.devices[0].snapshot()
            found = self._step(length, symbols.encode(window), start)
            if found is not None:
                told = self._tell(found, before.weights)
                for device in self.devices:
                    device.restore(before)
                self.history.forget(start)
                singles = cut_stimulus(window, length, 1)
                for step, single in enumerate(singles, start):
                    weights = self.devices[0].backend.read_weights()
                    exact = self._step(1, symbols.encode(single), step)
                    if exact is not None:
                        return self._tell(exact, weights)
                note = f"within steps {start} to {start + length - 1}, not when run step by step"
                return replace(told, note=note)
            start += length
            if progress is not None:
                progress(start)
        return None

    def _tell(self, found: Divergence, weights: tuple[CoreWeights, ...]) -> Divergence:
        """The same difference with what its neuron received, through these weights."""
        name, index = found.name, found.index
        projection = self.program.projection(name)
        if isinstance(index, tuple) and projection is not None:
            name, index = projection.post, index[1]
        if name not in self.symbols.sizes or not isinstance(index, int):
            return found
        received = self.history.received(name, index, found.step, weights)
        return replace(found, received=received)

    def _step(self, steps: int, events: Events, start: int) -> Divergence | None:
        """Run all devices and compare everything."""
        seen = [self._run_one(device, steps, events) for device in self.devices]
        self.history.add(start, steps, events, seen[0][0])
        for device, other in zip(self.devices[1:], seen[1:], strict=True):
            found = self._compare(seen[0], other, start, start + steps - 1)
            if found is not None:
                values = {self.devices[0].url: found.first, device.url: found.second}
                return Divergence(found.step, found.name, found.index, found.variable, values)
        return None

    def _run_one(
        self, device: Device, steps: int, events: Events
    ) -> tuple[RunData, State, tuple[CoreWeights, ...]]:
        data = device.backend.run(steps, events, self.record)
        return data, device.backend.read_state(), device.backend.read_weights()

    def _compare(self, a: Any, b: Any, start: int, last: int) -> _Found | None:
        """The earliest difference; of several in one step, the first in the machine's order."""
        differences = [
            *self._recorded(a[0], b[0], start),
            *self._states(a[1], b[1], last),
            *self._weights(a, b, last),
            *self._learning(a[1].learning, b[1].learning, last),
        ]
        return min(differences, key=lambda found: found.step, default=None)

    def _recorded(self, a: RunData, b: RunData, start: int) -> Iterator[_Found]:
        yield from self._spikes(
            (a.channel_step, a.channel), (b.channel_step, b.channel), "channel", start
        )
        for (variable, _), x, y in zip(self.record.states, a.states, b.states, strict=True):
            place = _first_difference(x, y)
            if place is not None:
                name, index = self.symbols.neuron_name(place[1])
                yield _Found(start + place[0], name, index, variable, int(x[place]), int(y[place]))
        yield from self._spikes(
            (a.neuron_step, a.neuron), (b.neuron_step, b.neuron), "neuron", start
        )
        if a.cycles is not None and b.cycles is not None:
            place = _first_difference(a.cycles, b.cycles)
            if place is not None:
                x, y = int(a.cycles[place]), int(b.cycles[place])
                yield _Found(start + place[0], "device", None, "cycles", x, y)

    def _spikes(self, a: Any, b: Any, kind: str, start: int) -> Iterator[_Found]:
        if np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]):
            return
        first, second = (set(zip(s.tolist(), n.tolist(), strict=True)) for s, n in (a, b))
        if first == second:
            yield _Found(start, "device", None, "order of recorded spikes", 0, 1)
            return
        step, number = min(first ^ second)
        name, index = (
            self.symbols.channel_name(number)
            if kind == "channel"
            else self.symbols.neuron_name(number)
        )
        fired = (step, number) in first
        yield _Found(start + step, name, index, "spikes", int(fired), int(not fired))

    def _states(self, a: State, b: State, last: int) -> Iterator[_Found]:
        """Differences of the state after the last step, in the machine's order."""
        per_neuron = (
            ("u0", a.u[0], b.u[0]),
            ("u1", a.u[1], b.u[1]),
            ("v", a.v, b.v),
            ("fired", a.fired, b.fired),
            ("reset pending", a.reset_pending, b.reset_pending),
            ("refractory counter", a.refractory, b.refractory),
            ("adaptive threshold", a.adapt, b.adapt),
            *(
                (f"input due in {slot + 1} steps, receptor {r}", x[r], y[r])
                for slot, (x, y) in enumerate(zip(a.wheel, b.wheel, strict=True))
                for r in range(2)
            ),
            ("saturation bits", a.saturated, b.saturated),
        )
        for variable, x, y in per_neuron:
            place = _first_difference(x, y)
            if place is not None:
                name, index = self.symbols.neuron_name(place[0])
                yield _Found(last, name, index, variable, int(x[place]), int(y[place]))
        place = _first_difference(a.saturations, b.saturations)
        if place is not None:
            variable = f"saturations of {SATURATION_KINDS[place[1]]}"
            x, y = int(a.saturations[place]), int(b.saturations[place])
            yield _Found(last, f"core {place[0]}", None, variable, x, y)
        for variable in ("step", "spikes", "synaptic_events"):
            x, y = int(getattr(a, variable)), int(getattr(b, variable))
            if x != y:
                yield _Found(last, "device", None, f"count of {variable}", x, y)

    def _weights(self, a: Any, b: Any, last: int) -> Iterator[_Found]:
        """Differences of the synapses: weights, delays and tags."""
        if _same_synapses(a[1], b[1], a[2], b[2]):
            return
        for places in self.maps:
            first, second = places.read(a[2]), places.read(b[2])
            pairs = [("weight", first.raw, second.raw)]
            pairs += [("delay", first.delay_steps, second.delay_steps)]
            if places.rule is not None:
                pairs += [("tag", *(places.tags(one[1].learning) for one in (a, b)))]
            for variable, x, y in pairs:
                at = _first_difference(x, y)
                if at is not None:
                    synapse = (int(first.pre[at]), int(first.post[at]))
                    yield _Found(last, places.name, synapse, variable, int(x[at]), int(y[at]))

    def _learning(
        self, a: LearningState | None, b: LearningState | None, last: int
    ) -> Iterator[_Found]:
        """Differences of what learning keeps of neurons, and of its registers."""
        if a is None or b is None:
            return
        place = _first_difference(a.third_factor, b.third_factor)
        if place is not None:
            name, index = self.symbols.neuron_name(place[0])
            x, y = int(a.third_factor[place]), int(b.third_factor[place])
            yield _Found(last, name, index, "third factor", x, y)
        for variable, x, y in (
            ("modulator", a.modulator, b.modulator),
            ("learning", a.on, b.on),
        ):
            if x != y:
                yield _Found(last, "device", None, variable, int(x), int(y))
        columns = [
            *((0, f"trace x{n + 1}", a.x[:, n], b.x[:, n]) for n in (0, 1)),
            *((1, f"trace y{n + 1}", a.y[:, n], b.y[:, n]) for n in (0, 1)),
            (1, "earlier spikes", a.fired_before, b.fired_before),
        ]
        for side, variable, x, y in columns:
            place = _first_difference(x, y)
            if place is not None:
                ends = self.program.trace_start[:, side]
                number = int(np.searchsorted(ends, place[0], side="right")) - 1
                projection = self.program.projections[self.program.rules[number].projection]
                index = place[0] - int(ends[number])
                values = int(x[place]), int(y[place])
                yield _Found(last, projection.name, index, variable, *values)


def _same_synapses(
    a: State, b: State, first: tuple[CoreWeights, ...], second: tuple[CoreWeights, ...]
) -> bool:
    """Whether weights, delays and tags are equal; quicker than going through the projections."""
    for x, y in zip(first, second, strict=True):
        if not np.array_equal(x.sparse, y.sparse) or not np.array_equal(x.dense, y.dense):
            return False
        if x.delay is not None and y.delay is not None and not np.array_equal(x.delay, y.delay):
            return False
    if a.learning is None or b.learning is None:
        return True
    tags = [(*one.learning.sparse_tag, *one.learning.dense_tag) for one in (a, b) if one.learning]
    return all(map(np.array_equal, *tags))


def _first_difference(a: NDArray[Any], b: NDArray[Any]) -> tuple[int, ...] | None:
    """Place of the first difference of two arrays."""
    if np.array_equal(a, b):
        return None
    return tuple(int(i) for i in np.argwhere(a != b)[0])
