"""A difference between devices, made small: the fewest neurons, synapses and inputs that show it.

Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE
TSE 28, 2002, algorithm ddmin): parts are left out, ever smaller ones, for as long as the devices
still differ in the same variable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.program_part import Kept, part_of
from ...errors import FileError, SpikeloomError
from ...stimulus import Stimulus
from ..npz import write_npz

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from .divergence import Divergence


@dataclass(frozen=True, eq=False)
class Reproducer:
    """A small case that shows a difference.

    Attributes:
        program: part of the Program that was run.
        inputs: for :meth:`Device.run`.
        steps: how many steps the difference takes.
        divergence: the difference, by the small Program's own numbers.
    """

    program: Program
    inputs: dict[str, Any]
    steps: int
    divergence: Divergence

    def save(self, stem: str | Path) -> tuple[Path, Path]:
        """Write ``STEM.loom`` and ``STEM.npz``; what ``spikeloom cosim`` takes.

        Returns:
            The two paths.

        Raises:
            FileError: they cannot be written.
        """
        program, inputs = Path(f"{stem}.loom"), Path(f"{stem}.npz")
        self.program.save(program)
        arrays: dict[str, NDArray[Any]] = {}
        for name, given in self.inputs.items():
            if isinstance(given, tuple):
                arrays |= {f"{name}.events": given[0], f"{name}.values": given[1]}
            else:
                arrays[name] = given
        write_npz(inputs, arrays)
        return program, inputs

    def __str__(self) -> str:
        synapses = sum(
            len(core.sparse_weight) + len(core.dense_weight) for core in self.program.cores
        )
        events = sum(len(g[0] if isinstance(g, tuple) else g) for g in self.inputs.values())
        return (
            f"{self.steps} steps, {self.program.neurons} neurons, {self.program.channels} "
            f"channels, {synapses} synapses, {events} input events"
        )


@dataclass(frozen=True)
class _Event:
    """One input event: a field of Stimulus, a name, its step, its index and its value."""

    kind: str
    name: str
    step: int
    index: int
    value: float = 0.0


class _OutOfTimeError(Exception):
    pass


class Shrinker:
    """Searches for a small case of a difference.

    Args:
        program: that shows it.
        stimulus: its input.
        divergence: what is to stay: the same variable differs.
        differs: runs a case and gives its first difference.
        seconds: when the search ends at the latest, with what it has by then.
    """

    def __init__(
        self,
        program: Program,
        stimulus: Stimulus,
        divergence: Divergence,
        differs: Callable[[Program, int, dict[str, Any]], Divergence | None],
        seconds: float,
    ) -> None:
        self._program, self._differs = program, differs
        self._variable = divergence.variable
        self._steps = divergence.step + 1
        self._events = [e for e in _listed(stimulus) if e.step < self._steps]
        self._kept = Kept.everything(program)
        self._end = time.monotonic() + seconds
        self.best: Reproducer | None = None

    def search(self) -> Reproducer | None:
        """The smallest case found; None where not even the whole case shows the difference."""
        try:
            if not self._try(self._kept, self._events):
                return None
            size = None
            while size != self._size():
                size = self._size()
                self._smaller_masks()
                self._smaller_input()
        except _OutOfTimeError:
            pass
        return self.best

    def _size(self) -> tuple[int, int, int]:
        kept = [self._kept.neurons, self._kept.channels, *self._kept.rows, *self._kept.synapses]
        return sum(int(mask.sum()) for mask in kept), len(self._events), self._steps

    def _smaller_input(self) -> None:
        _smallest(self._events, lambda events: self._try(self._kept, events))

    def _smaller_masks(self) -> None:
        """First neurons and channels, which take the most along; then rows; then synapses."""
        for group in ("units", "rows", "synapses"):
            masks = self._masks(self._kept, group)
            places = [
                (number, int(at))
                for number, mask in enumerate(masks)
                for at in np.flatnonzero(mask)
            ]
            _smallest(places, lambda some, group=group: self._try_masks(group, some))

    @staticmethod
    def _masks(kept: Kept, group: str) -> list[NDArray[np.bool_]]:
        if group == "units":
            return [kept.neurons, kept.channels]
        return list(kept.rows if group == "rows" else kept.synapses)

    def _try_masks(self, group: str, places: Sequence[tuple[int, int]]) -> bool:
        masks = [np.zeros_like(mask) for mask in self._masks(self._kept, group)]
        for number, at in places:
            masks[number][at] = True
        if group == "units":
            kept = replace(self._kept, neurons=masks[0], channels=masks[1])
        else:
            kept = replace(self._kept, **{group: tuple(masks)})
        return self._try(kept, self._events)

    def _try(self, kept: Kept, events: list[_Event]) -> bool:
        """Whether the case still differs; if so it is the best one so far."""
        if time.monotonic() > self._end:
            raise _OutOfTimeError
        try:
            program = part_of(self._program, kept)
        except FileError:
            return False  # nothing that would be a Program
        inputs = self._inputs(kept, events)
        try:
            found = self._differs(program, self._steps, inputs)
        except SpikeloomError:
            return False  # a device does not take it
        if found is None or found.variable != self._variable:
            return False
        self._kept = kept
        self._steps = min(self._steps, found.step + 1)
        self._events = [e for e in events if e.step < self._steps]
        inputs = self._inputs(kept, self._events)
        self.best = Reproducer(program, inputs, self._steps, found)
        return True

    def _inputs(self, kept: Kept, events: list[_Event]) -> dict[str, Any]:
        """The events by the small Program's numbers, as ``Device.run`` takes them."""
        lists: dict[tuple[str, str], list[_Event]] = {}
        for event in events:
            index = self._index(kept, event)
            if index is not None:
                lists.setdefault((event.kind, event.name), []).append(replace(event, index=index))
        inputs: dict[str, Any] = {}
        for (kind, name), own in lists.items():
            places = np.array([(e.step, e.index) for e in own], np.int64)
            values = np.array([e.value for e in own])
            if kind in ("spikes", "teacher"):
                inputs[name if kind == "spikes" else f"{name}.teacher"] = places
            elif kind == "graded":
                inputs[name] = (places, values)
            elif kind == "third_factor":
                inputs[f"{name}.third_factor"] = (places, values.astype(np.int64))
            else:
                inputs["modulator"] = (places[:, 0], values.astype(np.int64))
        return inputs

    def _index(self, kept: Kept, event: _Event) -> int | None:
        """An event's index in the small Program; None where its target is gone."""
        if event.kind == "modulator":
            return 0
        source = self._program.source(event.name)
        if source is not None:
            stay = kept.channels[source.first_channel : source.first_channel + source.size]
        else:
            population = self._program.population(event.name)
            assert population is not None, event.name  # the stimulus was checked
            stay = kept.neurons[self._program.global_neurons(population)]
        return int(np.cumsum(stay)[event.index]) - 1 if stay[event.index] else None


def _listed(stimulus: Stimulus) -> list[_Event]:
    """Every single event of a stimulus."""
    found = []
    for kind, lists in (("spikes", stimulus.spikes), ("teacher", stimulus.teacher)):
        for name, places in lists.items():
            found += [_Event(kind, name, step, index) for step, index in places.tolist()]
    for kind, lists in (("graded", stimulus.graded), ("third_factor", stimulus.third_factor)):
        for name, (places, values) in lists.items():
            pairs = zip(places.tolist(), values.tolist(), strict=True)
            found += [_Event(kind, name, step, index, value) for (step, index), value in pairs]
    if stimulus.modulator is not None:
        pairs = zip(stimulus.modulator[0].tolist(), stimulus.modulator[1].tolist(), strict=True)
        found += [_Event("modulator", "", step, 0, value) for (step, _), value in pairs]
    return found


def _smallest(items: list[Any], holds: Callable[[list[Any]], bool]) -> None:
    """ddmin: leave out ever smaller parts; ``holds`` keeps what it answers True for."""
    parts = 1
    while items:
        size = -(-len(items) // parts)
        start = 0
        while start < len(items):
            rest = items[:start] + items[start + size :]
            if holds(rest):
                items = rest
            else:
                start += size
        if size == 1:
            return
        parts = min(max(parts * 2, 2), max(len(items), 1))
