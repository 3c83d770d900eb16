"""What is recorded, kept in the host's memory and handed out as Neo objects by PyNN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyNN import recording

from ..compiler.checks import STEP_TOLERANCE, show
from ..errors import InputError
from . import simulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class Recorder(recording.Recorder):
    """Records one population.

    Samples have the times 0, interval, 2 · interval …: the first one is the initial value (or,
    after the data were cleared, the value at that time). What is asked for later than that is
    not-a-number up to then.
    """

    _simulator = simulator

    def __init__(self, population: Any, file: Any = None) -> None:
        super().__init__(population, file)
        self.begin()
        self._begin = simulator.state.step  # of a population that is made between runs

    # ------------------------------------------------------------------ what PyNN calls

    def get(self, variables: Any, *args: Any, **kwargs: Any) -> Any:
        """Recorded data as a Neo Block, with these variables of every segment.

        PyNN 0.13 loses the signals of earlier segments when variables are named.
        """
        block = super().get("all", *args, **kwargs)
        if variables == "all":
            return block
        names = [variables] if isinstance(variables, str) else list(variables)
        for segment in block.segments:
            if "spikes" not in names:
                segment.spiketrains = []
            segment.analogsignals = [s for s in segment.analogsignals if s.name in names]
        return block

    def _record(self, variable: Any, new_ids: Any, sampling_interval: float | None = None) -> None:
        state = simulator.state
        if sampling_interval is not None:
            steps = sampling_interval / state.dt
            if steps < 1 - STEP_TOLERANCE or abs(steps - round(steps)) > STEP_TOLERANCE * steps:
                raise InputError(
                    f"sampling interval of {self.population.label!r}",
                    found=f"{show(sampling_interval)} ms",
                    expected=f"a multiple of the timestep, {show(state.dt)} ms",
                )
            self.sampling_interval = sampling_interval
        state.touch()

    def _reset(self) -> None:
        self.sampling_interval = simulator.state.dt
        simulator.state.touch()

    def _clear_simulator(self) -> None:
        self._keep_last()

    def _get_spiketimes(self, id: Any, clear: bool = False) -> tuple[Any, Any]:
        events = self._events()
        first = int(self.population.first_id)
        wanted = np.zeros(self.population.size, bool)
        wanted[np.fromiter(map(int, id), np.int64) - first] = True
        events = events[wanted[events[:, 1]]]
        return events[:, 1] + first, simulator.state.milliseconds(events[:, 0])

    def _get_all_signals(self, variable: Any, ids: Any, clear: bool = False) -> tuple[Any, None]:
        index = np.fromiter(map(int, ids), np.int64) - int(self.population.first_id)
        parts = self._signals.get(variable.name, [])
        if not parts and self._samples == 1:
            parts = [self._first_sample(variable.name, self._chosen(variable.name))]
        missing = self._samples - sum(len(part) for part in parts)
        empty = np.full((missing, self.population.size), np.nan)
        return np.concatenate([empty, *parts])[:, index], None

    def _local_count(self, variable: Any, filter_ids: Any = None) -> dict[int, int]:
        first = int(self.population.first_id)
        counts = np.bincount(self._events()[:, 1], minlength=self.population.size)
        ids = sorted(int(i) for i in self.filter_recorded(variable, filter_ids))
        return {i: int(counts[i - first]) for i in ids}

    # ------------------------------------------------------------------ what the simulation calls

    @property
    def name(self) -> str:
        """Of the population."""
        return self.population.name

    @property
    def variables(self) -> tuple[str, ...]:
        """What is recorded of any neuron."""
        return tuple(sorted(v.name for v, ids in self.recorded.items() if ids))

    @property
    def width(self) -> int:
        """Recorded numbers per step."""
        return sum(v != "spikes" for v in self.variables) * self.population.size

    def begin(self) -> None:
        """Forget the data: time starts at 0."""
        self._spikes: list[NDArray[np.int64]] = []
        self._signals: dict[str, list[NDArray[np.float64]]] = {}
        self._last: dict[str, NDArray[np.float64]] = {}
        self._samples = 1  # the one at the beginning
        self._begin, self._cleared = 0, False

    def note(
        self,
        first: int,
        steps: int,
        spikes: NDArray[np.int64] | None,
        signals: Mapping[str, NDArray[np.float64]],
    ) -> None:
        """Keep what a piece of a run brought back.

        Args:
            first: absolute number of its first step.
            steps: its length.
            spikes: (n, 2) step (from ``first``) and index, or None. A source's spike has the time
                of its step, a neuron's that of the step's end.
            signals: variable -> (steps, size), values at the ends of the steps.
        """
        population = self.population
        if spikes is not None and "spikes" in self.variables:
            late = 0 if population.is_source else 1
            chosen = self._chosen("spikes")
            kept = spikes[chosen[spikes[:, 1]]]
            self._spikes.append(kept + np.array([first + late, 0]))
        every = max(1, round(self.sampling_interval / simulator.state.dt))
        ends = np.arange(first + 1, first + steps + 1) - self._begin
        taken = np.flatnonzero(ends % every == 0)
        for name, values in signals.items():
            chosen = self._chosen(name)
            parts = self._signals.setdefault(name, [])
            if not parts and first == self._begin:
                parts.append(self._first_sample(name, chosen))
            parts.append(np.where(chosen, values[taken], np.nan))
            self._last[name] = values[-1]
        for name in self._signals.keys() - signals.keys():  # no longer recorded
            self._signals[name].append(np.full((len(taken), population.size), np.nan))
        self._samples += len(taken)

    def _first_sample(self, name: str, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        unknown = np.full(self.population.size, np.nan)
        known: Mapping[str, NDArray[np.float64]] = (
            self._last if self._cleared else self.population.initial
        )
        return np.where(chosen, known.get(name, unknown), np.nan)[None, :]

    def _keep_last(self) -> None:
        last = self._last
        self.begin()
        self._begin, self._cleared, self._last = simulator.state.step, True, last

    def _chosen(self, name: str) -> NDArray[np.bool_]:
        """(size,) whose variable ``name`` is recorded."""
        chosen = np.zeros(self.population.size, bool)
        for variable, ids in self.recorded.items():
            if variable.name == name:
                chosen[np.fromiter(map(int, ids), np.int64) - int(self.population.first_id)] = True
        return chosen

    def _events(self) -> NDArray[np.int64]:
        return np.concatenate([np.zeros((0, 2), np.int64), *self._spikes])
