"""What a neuron received in the last steps: spikes of the past, through the weights of now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .divergence import Arrival

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ..backend import CoreWeights, Events, RunData
    from ..symbols import Symbols
    from ..weights import WeightMap

STEPS = 8
"""How many steps back are told of."""


class History:
    """Spikes and graded events of the last steps, as one device recorded them.

    Args:
        program: that runs.
        symbols: of the Program.
        maps: of all its projections.
    """

    def __init__(self, program: Program, symbols: Symbols, maps: Sequence[WeightMap]) -> None:
        self._program, self._symbols, self._maps = program, symbols, maps
        self._span = STEPS + program.wheel_depth + 1
        none = np.zeros((0, 2), np.int64)
        self._channels, self._neurons = none, none
        self._graded = np.zeros((0, 3), np.int64)

    def add(self, start: int, steps: int, events: Events, data: RunData) -> None:
        """Take up a run of ``steps`` steps that began at ``start``; what is too old goes."""
        since = start + steps - self._span

        def joined(old: NDArray[np.int64], step: NDArray[np.int64], *others: NDArray) -> NDArray:
            new = np.column_stack([step + start, *others]).astype(np.int64)
            both = np.concatenate([old, new])
            return both[both[:, 0] >= since]

        self._channels = joined(self._channels, data.channel_step, data.channel)
        self._neurons = joined(self._neurons, data.neuron_step, data.neuron)
        self._graded = joined(
            self._graded, events.graded_step, events.graded_neuron, events.graded_value
        )

    def forget(self, start: int) -> None:
        """Forget what happened from ``start`` on: it will be run again."""
        self._channels = self._channels[self._channels[:, 0] < start]
        self._neurons = self._neurons[self._neurons[:, 0] < start]
        self._graded = self._graded[self._graded[:, 0] < start]

    def received(
        self, population: str, index: int, step: int, weights: tuple[CoreWeights, ...]
    ) -> tuple[Arrival, ...]:
        """What arrived at a neuron in the ``STEPS`` steps up to ``step``, and what will."""
        found = []
        number = int(self._symbols.neurons(population)[index])
        for at, neuron, value in self._graded.tolist():
            if neuron == number and at > step - STEPS:
                found.append(Arrival(at, value))
        for symbol, places in zip(self._program.projections, self._maps, strict=True):
            here = np.flatnonzero(places.post == index)
            if symbol.post != population or not len(here):
                continue
            synapses = places.read(weights)
            fired = self._fired(symbol.pre)
            for k in here.tolist():
                pre = int(synapses.pre[k])
                amount = int(synapses.raw[k]) << int(synapses.exponent[k])
                if not amount:
                    continue  # adds nothing
                for origin in fired.get(pre, ()):
                    arrives = origin + int(synapses.delay_steps[k])
                    if arrives > step - STEPS:
                        found.append(
                            Arrival(
                                arrives, amount, symbol.receptor, origin, (symbol.pre, pre),
                                symbol.name,
                            )
                        )  # fmt: skip
        return tuple(sorted(found, key=lambda one: one.step))

    def _fired(self, name: str) -> dict[int, list[int]]:
        """Index in a source or population -> the steps in which it fired."""
        source = self._program.source(name)
        steps: dict[int, list[int]] = {}
        if source is not None:
            for step, channel in self._channels.tolist():
                index = channel - source.first_channel
                if 0 <= index < source.size:
                    steps.setdefault(index, []).append(step)
            return steps
        of = {int(n): i for i, n in enumerate(self._symbols.neurons(name))}
        for step, neuron in self._neurons.tolist():
            if neuron in of:
                steps.setdefault(of[neuron], []).append(step)
        return steps
