"""The numbers of a report that follow from the Program itself, and from a run of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.program_check import synapse_bits
from ..runtime.timing import Timing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program
    from ..runtime.device import Device

RESOURCES = ("neurons", "axons", "rows", "profiles", "synapse_bits")
"""What a core has a number of; the names are the target's."""
_EVERY = 1000


@dataclass(frozen=True, eq=False)
class Activity:
    """What was counted in a run.

    Attributes:
        steps: length of the run.
        device: where it ran.
        spikes: source or population -> (size,) spikes of each neuron.
        cycles: (steps,) clock cycles, or None where they are not known.
        saturations: population -> kind -> neurons with a clipped number.
    """

    steps: int
    device: str
    spikes: dict[str, NDArray[np.int64]]
    cycles: NDArray[np.int64] | None
    saturations: dict[str, dict[str, int]]


def run(device: Device, steps: int, inputs: Any) -> Activity:
    """Run the loaded Program, window by window, and count."""
    program = device.program
    symbols = (*program.sources, *program.populations)
    device.watch({symbol.name: ["spikes"] for symbol in symbols})
    spikes = {symbol.name: np.zeros(symbol.size, np.int64) for symbol in symbols}
    cycles: list[NDArray[np.int64] | None] = []
    for window in device.stream(steps, inputs, every=_EVERY):
        for name, counts in spikes.items():
            counts += window.counts(name)
        cycles.append(window.clock_cycles)
    known = [part for part in cycles if part is not None]
    return Activity(
        steps,
        device.url,
        spikes,
        np.concatenate(known) if known and len(known) == len(cycles) else None,
        device.counters().saturations,
    )


def use_of_cores(program: Program) -> NDArray[np.int64]:
    """(cores, resources) what each core holds, in the order of ``RESOURCES``."""
    return np.array(
        [
            (
                core.neurons,
                core.axons,
                len(core.rows),
                len(core.profiles),
                synapse_bits(core, program),
            )
            for core in program.cores
        ],
        np.int64,
    ).reshape(-1, len(RESOURCES))


def who_is_where(program: Program) -> list[list[tuple[str, int]]]:
    """For each core the populations on it, and how many of their neurons."""
    found: list[list[tuple[str, int]]] = [[] for _ in program.cores]
    for population in program.populations:
        cores, counts = np.unique(population.core, return_counts=True)
        for core, count in zip(cores.tolist(), counts.tolist(), strict=True):
            found[core].append((population.name, count))
    return found


def traffic(program: Program, activity: Activity | None) -> NDArray[np.int64]:
    """(cores + 1, cores) spikes that each core sends to each; the last row is the input's.

    A spike goes to a core once, however many axons it reaches there. Without a run every neuron
    and channel counts as if it had fired once.
    """
    cores = len(program.cores)
    neurons, channels = np.ones(program.neurons, int), np.ones(program.channels, int)
    if activity is not None:
        for population in program.populations:
            neurons[program.global_neurons(population)] = activity.spikes[population.name]
        neurons = neurons[program.twin_of]
        for source in program.sources:
            first = source.first_channel
            channels[first : first + source.size] = activity.spikes[source.name]
    sums = np.zeros((cores + 1, cores), np.int64)
    for number, core in enumerate(program.cores):
        own = neurons[program.core_base[number] : program.core_base[number + 1]]
        sums[number] = _sent(core.spike_start, core.spike_to, own, cores)
    sums[cores] = _sent(program.channel_start, program.channel_to, channels, cores)
    return sums


def _sent(start: Any, to: Any, spikes: NDArray[np.int64], cores: int) -> NDArray[np.int64]:
    sender = np.repeat(np.arange(len(start) - 1), np.diff(start))
    pairs = np.unique(sender * cores + to["core"])
    weight = spikes[pairs // cores].astype(np.float64)
    return np.bincount(pairs % cores, weight, cores).astype(np.int64)


def budget(program: Program) -> tuple[list[tuple[str, int]], str]:
    """Clock cycles of steps in which nobody, all of one source or population, or everybody sends.

    Returns:
        Pairs of what sends and cycles, without what learning takes after the update; and, where
        there are none, why.
    """
    timing = Timing.of(program)
    if not timing.counts:
        return [], timing.why_not
    every = np.arange(program.channels + program.neurons)
    driven = np.isin(every, program.generators["channel"])
    cases: list[tuple[str, NDArray[np.int64]]] = [("nobody", every[:0])]
    for source in program.sources:
        channels = np.arange(source.first_channel, source.first_channel + source.size)
        cases.append((f"all of {source.name}", channels))
    for population in program.populations:
        neurons = np.sort(program.channels + program.global_neurons(population))
        cases.append((f"all of {population.name}", neurons))
    cases.append(("everybody", every))
    told = []
    for name, senders in cases:
        own = senders[senders >= program.channels]
        host = senders[(senders < program.channels) & ~driven[senders]]
        generators = senders[(senders < program.channels) & driven[senders]]
        kinds = tuple(kind.astype(np.int32) for kind in (own, host, generators))
        sent = np.array([[len(kind)] for kind in kinds], np.int64)
        cycles = _cycles(timing, kinds, sent)
        told.append((name, cycles))
    return told, ""


def _cycles(timing: Timing, kinds: Any, sent: NDArray[np.int64]) -> int:
    def walk(earliest: NDArray[np.int64]) -> NDArray[np.int64]:
        return timing.walk(kinds, sent, earliest, True)

    none = np.zeros(1, np.int64)
    return int(timing.around(walk, none)[0])
