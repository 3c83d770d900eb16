"""What a run brings back, by name and in the network's units.

Devices and the floating-point simulation return the same :class:`Result`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError, UnsupportedError
from .event_arrays import events_to_raster

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNKNOWN = object()


class Scaled(np.ndarray):
    """Float64 values in the network's units, with the device's integers beside them.

    ``scaled.raw`` has the same shape; it is None where there are no integers (floating-point
    simulation). Indexing and copying keep the pair together; arithmetic gives plain arrays.

    Raises:
        AttributeError: ``raw`` of an array that was derived in another way (``reshape`` …).
    """

    _raw: Any

    def __new__(cls, values: Any, raw: NDArray[Any] | None = None) -> Scaled:
        """Put ``values`` and ``raw`` of the same shape together; ``values`` is not copied."""
        array = np.asarray(values, dtype=np.float64).view(cls)
        if raw is not None and raw.shape != array.shape:
            raise ValueError(f"raw has shape {raw.shape}, the values {array.shape}")
        array._raw = raw
        return array

    def __array_finalize__(self, obj: Any) -> None:
        self._raw = _UNKNOWN

    @property
    def raw(self) -> NDArray[np.integer[Any]] | None:
        """The device's integers, or None from the floating-point simulation."""
        if self._raw is _UNKNOWN:
            raise AttributeError(
                "raw is known for results, their slices and copies; index result.raw yourself "
                "for other transformations"
            )
        return self._raw

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        if isinstance(part, Scaled):
            part._raw = self._raw[key] if isinstance(self._raw, np.ndarray) else self._raw
        return part

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        def plain(value: Any) -> Any:
            return value.view(np.ndarray) if isinstance(value, Scaled) else value

        if kwargs.get("out") is not None:
            kwargs["out"] = tuple(plain(out) for out in kwargs["out"])
        return getattr(ufunc, method)(*(plain(value) for value in inputs), **kwargs)

    def copy(self, order: Any = "C") -> Scaled:
        """A copy of the values and of the integers."""
        raw = self._raw.copy(order) if isinstance(self._raw, np.ndarray) else self._raw
        copied = super().copy(order).view(Scaled)
        copied._raw = raw
        return copied

    def __deepcopy__(self, memo: Any) -> Scaled:
        return self.copy()

    def __reduce__(self) -> Any:
        raw = None if self._raw is _UNKNOWN else self._raw
        return Scaled, (np.array(self), raw)


@dataclass(frozen=True, eq=False)
class Learned:
    """What a plastic projection has learned in a floating-point simulation; ``k`` synapses.

    Attributes:
        weights: (k,) in the network's units, in the order of ``Projection.synapses``.
        delays: (k,) seconds.
        tags: (k,) in the rule's units.
    """

    weights: NDArray[np.float64]
    delays: NDArray[np.float64]
    tags: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Result:
    """Everything that was probed in one run; steps count from the run's first step.

    Attributes:
        steps: length of the run.
        start: absolute number of its first step, counted since the last reset.
        dt: length of a step in seconds.
        spikes: name -> (n, 2) int64 of step and index, sorted by step, then index; one entry per
            probed source or population, also where nothing fired.
        states: population -> variable -> (steps, size), values after the step, in the network's
            units; ``.raw`` has the integers.
        sizes: name -> number of neurons, of everything in ``spikes`` and ``states``.
        device: what computed it.
        clock_cycles: (steps,) int64, or None where the device does not count clock cycles; use
            ``cycles``.
        why_no_cycles: why a device that otherwise counts cycles did not count these.
        learned: plastic projection -> what it had learned by the end, from the floating-point
            simulation; a device is asked by ``read_weights``.
        shapes: name -> sides of the layer, of those in ``sizes`` that have several;
            ``result.raster(name).reshape(-1, *result.shapes[name])`` are images.
    """

    steps: int
    start: int
    dt: float
    spikes: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    states: dict[str, dict[str, Scaled]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    device: str = "simulation"
    clock_cycles: NDArray[np.int64] | None = None
    why_no_cycles: str = ""
    learned: dict[str, Learned] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def cycles(self) -> NDArray[np.int64]:
        """(steps,) clock cycles that each step took.

        Raises:
            UnsupportedError: the device does not count them, or not those of this Program.
        """
        if self.clock_cycles is None and self.why_no_cycles:
            raise UnsupportedError(
                "the clock cycles of this run are not known",
                found=self.why_no_cycles,
                where=f"device {self.device!r}",
                remedy='open "emulator?cycles=on"; or compile for a target with larger cores',
            )
        if self.clock_cycles is None:
            raise UnsupportedError(
                "this device does not count clock cycles",
                found=self.device,
                remedy='run the Program on "emulator", or on "rtl", the generated hardware',
            )
        return self.clock_cycles

    def counts(self, name: str) -> NDArray[np.int64]:
        """(size,) spikes of each neuron during the run.

        Raises:
            InputError: the spikes of ``name`` were not probed.
        """
        events = self._events(name)
        return np.bincount(events[:, 1], minlength=self.sizes[name]).astype(np.int64)

    def rates(self, name: str) -> NDArray[np.float64]:
        """(size,) mean firing rates in Hz; not a number for a run of no steps.

        Raises:
            InputError: the spikes of ``name`` were not probed.
        """
        counts = self.counts(name)
        duration = self.steps * self.dt
        return counts / duration if duration else np.full(len(counts), np.nan)

    def raster(self, name: str) -> NDArray[np.bool_]:
        """(steps, size) boolean raster of the spikes.

        Raises:
            InputError: the spikes of ``name`` were not probed.
        """
        return events_to_raster(self._events(name), self.steps, self.sizes[name])

    def _events(self, name: str) -> NDArray[np.int64]:
        if name not in self.spikes:
            raise InputError(
                "the spikes of this name were not recorded",
                found=repr(name),
                expected="one of " + ", ".join(map(repr, self.spikes)) if self.spikes else None,
                remedy='ask for them before compiling: net.probe(population, "spikes")',
            )
        return self.spikes[name]

    @staticmethod
    def join(results: Iterable[Result]) -> Result:
        """One Result of consecutive ones, as if it had been a single run.

        Raises:
            InputError: there are none, they are not consecutive, or they recorded other things.
        """
        parts = list(results)
        if not parts:
            raise InputError("no results to join")
        first = parts[0]
        offsets, steps = [], 0
        for part in parts:
            if part.start != first.start + steps or part.dt != first.dt:
                raise InputError(
                    "results are not consecutive",
                    found=f"a result that starts at step {part.start}",
                    expected=f"step {first.start + steps}",
                )
            if part.sizes != first.sizes or _recorded(part) != _recorded(first):
                raise InputError("results recorded different things and cannot be joined")
            offsets.append(steps)
            steps += part.steps
        shifts = [np.array([offset, 0]) for offset in offsets]
        spikes = {
            name: np.concatenate(
                [part.spikes[name] + shift for part, shift in zip(parts, shifts, strict=True)]
            )
            for name in first.spikes
        }
        states = {
            name: {variable: _stack([p.states[name][variable] for p in parts]) for variable in of}
            for name, of in first.states.items()
        }
        counted = [part.clock_cycles for part in parts if part.clock_cycles is not None]
        cycles = np.concatenate(counted) if len(counted) == len(parts) else None
        return Result(
            steps,
            first.start,
            first.dt,
            spikes,
            states,
            dict(first.sizes),
            first.device,
            cycles,
            next((part.why_no_cycles for part in parts if part.why_no_cycles), ""),
            shapes=first.shapes,
        )


def _recorded(result: Result) -> tuple[Any, ...]:
    return list(result.spikes), {name: list(of) for name, of in result.states.items()}


def _stack(parts: list[Scaled]) -> Scaled:
    raws = [part.raw for part in parts]
    known = [raw for raw in raws if raw is not None]
    raw = np.concatenate(known) if len(known) == len(parts) else None
    return Scaled(np.concatenate([part.view(np.ndarray) for part in parts]), raw)
