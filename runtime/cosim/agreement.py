"""Whether two runs agree by statistics, where their spikes cannot be the same.

What may differ follows from the quantisation report and from the number of spikes: docs/cli.md has
each tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.program import Program
from ...errors import InputError
from ...stimulus import check_steps
from ..open import open as open_device
from .trains import Trains, correlation, distance, interval_difference, lag

if TYPE_CHECKING:
    from ...compiler.program import PopulationSymbol
    from ...recording import Result
    from ..device import Device
    from ..stream import Inputs

KINDS = ("rate", "rates", "intervals", "distance", "correlation", "lag")
"""What is measured."""
GAIN = 4.0
"""By how much a relative error of the potential is taken to grow on its way into a rate."""
SIGMAS = 3.5
"""Of counts as a Poisson process has them: one in 2,000 is further off."""
TAU = 10
"""Steps: time constant of the distance, and bins of the correlation."""
FEW = 20
"""Spikes of a population, of which fewer are no matter for intervals and distances."""
SLACK = 0.1
"""Share of spikes that may have no partner, whatever the errors."""
WORST = 0.9
"""Of a distance: unrelated trains come to more."""


@dataclass(frozen=True)
class Measure:
    """One comparison of a population.

    Attributes:
        population: its name.
        kind: one of ``KINDS``.
        first, second: what it is in either run, where it is something of one run (Hz).
        difference: what is compared with the tolerance; None where too few spikes say anything.
        tolerance: largest difference that is agreement.
        agrees: whether it is within.
    """

    population: str
    kind: str
    first: float | None
    second: float | None
    difference: float | None
    tolerance: float
    agrees: bool


@dataclass(frozen=True)
class Agreement:
    """What came of comparing two runs.

    Attributes:
        devices: what computed them.
        steps: of both.
        errors: population -> relative error of its potential at the threshold that the
            quantisation report and truncation account for.
        measures: by population, in the order of ``KINDS``.
    """

    devices: tuple[str, str]
    steps: int
    errors: dict[str, float]
    measures: tuple[Measure, ...]

    @property
    def agree(self) -> bool:
        """Whether every measure is within its tolerance."""
        return all(measure.agrees for measure in self.measures)

    def as_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "agree": self.agree, "text": str(self)}

    def __str__(self) -> str:
        width = max([len("population"), *(len(m.population) for m in self.measures)])
        lines = [
            f"{self.devices[0]} and {self.devices[1]}, {self.steps} steps: "
            + ("agree" if self.agree else "do NOT agree"),
            f"{'population':{width}}  {'measure':11}  {'first':>9}  {'second':>9}  "
            f"{'difference':>10}  {'tolerance':>9}",
        ]
        for m in self.measures:
            first, second = (_number(value) for value in (m.first, m.second))
            lines.append(
                f"{m.population:{width}}  {m.kind:11}  {first:>9}  {second:>9}  "
                f"{_number(m.difference):>10}  {m.tolerance:>9.3g}"
                + ("" if m.agrees else "  <-- beyond")
            )
        return "\n".join(lines)


def cosim_statistics(
    program: Program | str | Path,
    devices: Sequence[str] = ("reference", "brian2"),
    steps: int = 1000,
    inputs: Inputs | None = None,
    without: Sequence[str] = (),
    progress: Callable[[int], object] | None = None,
) -> tuple[Agreement, ...]:
    """Run a Program on several devices and compare statistics of the spikes.

    Args:
        program: a Program, or the path of a ``.loom`` file.
        devices: two or more addresses for :func:`spikeloom.open`; the first one is compared with
            each of the others.
        steps: how many steps.
        inputs: as for :meth:`Device.run`.
        without: measures to leave out, of rate, rates, intervals, distance, correlation and lag.
        progress: called with the number of steps that have been compared.

    Returns:
        One agreement for each device but the first.

    Raises:
        InputError: fewer than two devices, no such measure, or the input is malformed.
        DeviceError, UnsupportedError: a device cannot be opened, or elephant is not installed.
        FileError: the Program is not valid.
    """
    if len(devices) < 2 or len(set(devices)) != len(devices):
        raise InputError(
            "co-simulation needs two or more different devices", found=", ".join(devices)
        )
    _check_kinds(without)
    steps = check_steps(steps)
    if not isinstance(program, Program):
        program = Program.load(program)
    results = []
    with ExitStack() as stack:
        for url in devices:
            device = stack.enter_context(open_device(url))
            device.load(program)
            results.append(_run(program, device, steps, inputs))
    if progress is not None:
        progress(steps)
    return tuple(compare_spikes(program, results[0], r, without=without) for r in results[1:])


def compare_spikes(
    program: Program,
    first: Result,
    second: Result,
    *,
    real: bool = False,
    without: Sequence[str] = (),
) -> Agreement:
    """Compare the spikes of the populations that both runs have.

    Args:
        program: whose quantisation report says what may differ.
        first, second: runs of equal length.
        real: whether one of them is of the network before it was quantised (``sl.simulate``), so
            that errors of weights, thresholds and decays count, too.
        without: measures to leave out.

    Raises:
        InputError: the runs are of different lengths, or there is no such measure.
        DeviceError: elephant is not installed.
    """
    _check_kinds(without)
    if first.steps != second.steps:
        raise InputError(
            "runs of different lengths cannot be compared",
            found=f"{first.steps} and {second.steps} steps",
        )
    measures: list[Measure] = []
    errors: dict[str, float] = {}
    for population in program.populations:
        name = population.name
        if name not in first.spikes or name not in second.spikes:
            continue
        a, b = (Trains(r.spikes[name], population.size, r.steps) for r in (first, second))
        count = (len(a.events) + len(b.events)) / 2
        interval = population.size * first.steps / count if count else math.inf
        errors[name] = relative_error(program, population, interval, real)
        pair = _Pair(name, a, b, first.dt, errors[name])
        measures += [m for kind in KINDS if kind not in without for m in pair.measure(kind)]
    devices = (first.device, second.device)
    return Agreement(devices, first.steps, errors, tuple(measures))


def relative_error(
    program: Program, population: PopulationSymbol, interval: float, real: bool
) -> float:
    """What of v at the threshold truncation, and quantisation where ``real``, may have changed.

    A decay truncates half a step on average. What u has lost so, v loses in every step until it
    has decayed or the neuron fires, after ``interval`` steps.
    """
    neurons = program.global_neurons(population)
    profile = np.concatenate([c.profiles[c.profile] for c in program.cores])[neurons]
    threshold = np.concatenate([c.threshold for c in program.cores])[neurons].astype(float)
    ku = profile["decay_u"].max(axis=1) / 4096
    kv = np.maximum(profile["decay_v"] / 4096, 1 / min(interval, 1 << 20))
    u = np.where((ku > 0) & (ku < 1), 0.5 / np.maximum(ku, 1e-9), 0.0)
    own = np.where((profile["decay_v"] > 0) & (profile["decay_v"] < 4096), 0.5, 0.0)
    found = float(np.max((u + own) / kv / np.maximum(np.abs(threshold), 1), initial=0.0))
    if real:
        report = program.report.get("populations", {}).get(population.name, {})
        decays = [entry.get("relative_error", 0.0) for entry in report.get("decay", {}).values()]
        weights = [
            entry["rms_error"] / entry["largest_weight"]
            for name, entry in program.report.get("projections", {}).items()
            if entry["largest_weight"] and _leads_to(program, name, population.name)
        ]
        found += max(decays, default=0.0) + max(weights, default=0.0)
        found += float(report.get("error", {}).get("threshold", 0.0))
    return found


@dataclass(frozen=True, eq=False)
class _Pair:
    """A population in both runs, and the error that is accounted for."""

    name: str
    a: Trains
    b: Trains
    dt: float
    error: float

    def measure(self, kind: str) -> list[Measure]:
        """None of intervals and distances where a population hardly fires in both."""
        n, m = len(self.a.events), len(self.b.events)
        few = min(n, m) < FEW
        if kind == "rate":
            seconds = self.a.size * self.a.steps * self.dt
            mean = (n + m) / 2
            tolerance = GAIN * self.error + (SIGMAS * math.sqrt(2 / mean) if mean else 0.0)
            off = abs(n - m) / mean if mean else 0.0
            return [self._told(kind, off, tolerance, n / seconds, m / seconds)]
        if few:
            return []
        return [getattr(self, f"_{kind}")()]

    def _told(
        self,
        kind: str,
        difference: float | None,
        tolerance: float,
        first: float | None = None,
        second: float | None = None,
    ) -> Measure:
        agrees = difference is None or difference <= tolerance
        return Measure(self.name, kind, first, second, difference, tolerance, agrees)

    def _rates(self) -> Measure:
        """Of the neurons one by one: the root mean square of differences, each over what Poisson
        counts of its size differ by."""
        a, b = self.a.counts.astype(float), self.b.counts.astype(float)
        fires = a + b > 0
        off = (a - b)[fires] / np.sqrt((a + b)[fires])
        expected = GAIN * self.error * math.sqrt((a + b)[fires].mean() / 2)
        tolerance = math.hypot(1 + SIGMAS / math.sqrt(2 * fires.sum()), expected)
        return self._told("rates", float(np.sqrt((off**2).mean())), tolerance)

    def _intervals(self) -> Measure:
        x, y = self.a.intervals, self.b.intervals
        few = min(len(x), len(y))
        if few < FEW:
            return self._told("intervals", None, 0.0)
        mean = (x.mean() + y.mean()) / 2
        spread = max(x.std(), y.std()) / mean * math.sqrt(2 / few)
        tolerance = GAIN * self.error + SIGMAS * spread + 1 / mean
        return self._told("intervals", interval_difference(self.a, self.b), float(tolerance))

    def _lost(self) -> float:
        """Share of spikes that may have no partner, when the errors shift them."""
        spikes = (len(self.a.events) + len(self.b.events)) / 2
        shift = 0.5 + GAIN * self.error * self.a.size * self.a.steps / spikes
        return min(SLACK + 1 - math.exp(-shift / TAU), WORST)

    def _distance(self) -> Measure:
        return self._told("distance", distance(self.a, self.b, TAU), self._lost())

    def _correlation(self) -> Measure:
        found = correlation(self.a, self.b, TAU)
        # Spikes without a partner are noise in both: of the variance that counts have by chance.
        variance = min(_variance(trains) for trains in (self.a, self.b))
        chance = (len(self.a.events) + len(self.b.events)) / 2 / self.a.steps * TAU
        noise = 2 * self._lost() * chance / variance if variance else 0.0
        return self._told("correlation", None if found is None else 1 - found, min(noise, WORST))

    def _lag(self) -> Measure:
        found = lag(self.a, self.b)
        return self._told("lag", None if found is None else abs(found), 1.0)


def _variance(trains: Trains) -> float:
    whole = trains.steps // TAU * TAU
    return float(trains.activity[:whole].reshape(-1, TAU).sum(1).var()) if whole else 0.0


def _run(program: Program, device: Device, steps: int, inputs: Inputs | None) -> Result:
    """A run in which the spikes of every population are recorded."""
    device.watch({population.name: ["spikes"] for population in program.populations})
    return device.run(steps, inputs)


def _leads_to(program: Program, name: str, population: str) -> bool:
    projection = program.projection(name)
    return projection is not None and projection.post == population


def _check_kinds(without: Sequence[str]) -> None:
    wrong = [kind for kind in without if kind not in KINDS]
    if wrong:
        raise InputError(
            "there is no such measure", found=", ".join(wrong), expected="of " + ", ".join(KINDS)
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
