"""Random valid Programs, random input for them, and exact comparison of what devices make of them.

The Programs are built at machine level, without the compiler: they use every feature of
docs/machine.md in combinations that no compiler would choose, yet each passes ``verify`` and has
a symbol table that is true.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.compiler.program import (
    DENSE,
    DESTINATION,
    GENERATOR,
    PERIODIC,
    POISSON,
    ROW,
    SPARSE,
    CoreImage,
    PopulationSymbol,
    Probe,
    Program,
    ProjectionSymbol,
    SourceSymbol,
)
from spikeloom.compiler.target import Target
from spikeloom.runtime.backend import Backend, Events, Record, RunData
from support.compare import assert_same_run, assert_same_state, assert_same_weights
from support.edges import probability_at_the_edge
from support.plastic import random_learning_events, with_random_rules
from support.random_neurons import random_neurons

__all__ = [
    "assert_same_run",
    "assert_same_state",
    "assert_same_weights",
    "part",
    "random_events",
    "random_plastic_program",
    "random_program",
    "record_everything",
    "run_in_parts",
]


@dataclass
class _Rows:
    """One core's synapse memory while it grows."""

    axons: list[list[tuple[Any, ...]]] = field(default_factory=list)
    sparse: list[tuple[NDArray[np.int64], ...]] = field(default_factory=list)
    dense: list[NDArray[np.int64]] = field(default_factory=list)
    sparse_used: int = 0
    dense_used: int = 0


@dataclass
class _Projection:
    """What all row groups of one projection have in common."""

    symbol: ProjectionSymbol
    post: int
    chance: float
    dense: float
    style: str
    exponent: int
    deepest: int


def random_program(
    seed: int | np.random.Generator,
    *,
    cores: int | None = None,
    neurons: int | None = None,
    delays: int | None = None,
    dense: float = 0.4,
    **widths: int,
) -> Program:
    """A random Program; the same arguments give the same one.

    Args:
        seed: of the generator, or a generator to draw from.
        cores: number of cores; None draws 1 to 9.
        neurons: most neurons per core; None draws, up to 60.
        delays: largest wheel delay, 0 to 63; None draws.
        dense: share of dense row groups.
        widths: fields of the Target to be set instead of drawn, such as ``state_bits``.
    """
    rng = np.random.default_rng(seed)
    cores = int(rng.choice([1, 1, 1, 2, 2, 3, 4, 6, 9])) if cores is None else cores
    largest = int(rng.choice([1, 5, 12, 25, 60])) if neurons is None else neurons
    delays = int(rng.choice([0, 1, 2, 5, 15, 40, 63])) if delays is None else delays
    sizes = rng.integers(0, largest + 1, cores)
    if not sizes.any() and largest:
        sizes[rng.integers(cores)] = largest
    target = _target(rng, sizes, delays).with_(**widths)
    labels, populations = _populations(rng, sizes)
    sources, generators = _sources(rng)
    projections = _projections(rng, target, sources, populations, delays, dense)

    rows = [_Rows() for _ in range(cores)]
    channel_to: list[list[tuple[int, int]]] = []
    for source in sources:
        for index in range(source.size):
            channel_to.append(_send(rng, source.name, index, projections, labels, target, rows))
    neuron_to: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for population in populations:
        for index, place in enumerate(zip(population.core, population.slot, strict=True)):
            neuron_to[int(place[0]), int(place[1])] = _send(
                rng, population.name, index, projections, labels, target, rows
            )

    images = []
    key = rng.permutation(int(sizes.sum())).astype(np.uint32)
    for core, (n, built) in enumerate(zip(sizes, rows, strict=True)):
        spike_start, spike_to = _destinations([neuron_to[core, slot] for slot in range(n)])
        memory = _memory(built, int(n), target)
        images.append(
            CoreImage(
                **random_neurons(rng, int(n), memory.pop("excitation"), target),
                key=key[sizes[:core].sum() : sizes[: core + 1].sum()],
                **memory,
                spike_start=spike_start,
                spike_to=spike_to,
            )
        )
    channel_start, flat_channel_to = _destinations(channel_to)
    return Program(
        target=_fit(target, images),
        dt=float(rng.choice([1e-3, 1e-4, 0.5e-3])),
        seed=int(rng.integers(1 << 32)),
        cores=tuple(images),
        channel_start=channel_start,
        channel_to=flat_channel_to,
        generators=generators,
        sources=sources,
        populations=populations,
        projections=tuple(p.symbol for p in projections),
        probes=tuple(
            Probe(p.name, variable)
            for p in populations
            for variable in ("spikes", "v", "u0", "u1", "threshold")
            if rng.random() < 0.5
        ),
    )


def random_plastic_program(
    seed: int | np.random.Generator,
    *,
    cores: int | None = None,
    neurons: int | None = None,
    delays: int | None = None,
    **widths: int,
) -> Program:
    """As ``random_program``, with random rules for some of its projections."""
    rng = np.random.default_rng(seed)
    dense = float(rng.choice([0.0, 0.3, 1.0]))
    trace_bits = {"trace_bits": int(rng.integers(2, 9))}
    program = random_program(
        rng, cores=cores, neurons=neurons, delays=delays, dense=dense, **(trace_bits | widths)
    )
    return with_random_rules(program, rng)


def random_events(program: Program, steps: int, rng: np.random.Generator) -> Events:
    """Input of all kinds for a run of ``steps`` steps, busy in some places only.

    Teacher events, third factors and the modulator only where the Program learns.
    """
    host = np.concatenate(
        [
            np.zeros(0, np.int64),
            *(
                np.arange(s.first_channel, s.first_channel + s.size)
                for s in program.sources
                if s.kind == "host"
            ),
        ]
    )
    rate = rng.choice([0.0, 0.05, 0.2, 0.6, 1.0], size=len(host), p=[0.05, 0.3, 0.4, 0.2, 0.05])
    step, which = np.nonzero(rng.random((steps, len(host))) < rate)
    graded_rate = rng.choice([0.0, 0.01, 0.2]) * (rng.random(program.neurons) < 0.3)
    graded_step, neuron = np.nonzero(rng.random((steps, program.neurons)) < graded_rate)
    bits = rng.integers(1, program.target.state_bits, len(neuron))
    value = rng.integers(-(1 << bits), 1 << bits) if len(neuron) else np.zeros(0)
    return Events(
        spike_step=step.astype(np.int64),
        spike_channel=host[which].astype(np.int32),
        graded_step=graded_step.astype(np.int64),
        graded_neuron=neuron.astype(np.int32),
        graded_value=value.astype(np.int32),
        **(random_learning_events(program, steps, rng) if program.rules else {}),
    )


def part(events: Events, start: int, stop: int) -> Events:
    """The events of steps ``start … stop − 1``, counted from ``start``."""
    cut = {}
    for kind, names in (
        ("spike", ("channel",)),
        ("graded", ("neuron", "value")),
        ("teacher", ("neuron",)),
        ("factor", ("neuron", "value")),
        ("modulator", ("value",)),
    ):
        step = getattr(events, f"{kind}_step")
        span = slice(*np.searchsorted(step, [start, stop]))
        cut[f"{kind}_step"] = step[span] - start
        cut |= {f"{kind}_{name}": getattr(events, f"{kind}_{name}")[span] for name in names}
    return Events(**cut)


def run_in_parts(device: Backend, program: Program, events: Events, bounds: list[int]) -> RunData:
    """Runs from bound to bound, put together again as if they had been one."""
    record = record_everything(program)
    runs = [
        device.run(stop - start, part(events, start, stop), record)
        for start, stop in pairwise(bounds)
    ]
    offsets = np.array(bounds[:-1], np.int64) - bounds[0]
    return RunData(
        np.concatenate([r.neuron_step + o for r, o in zip(runs, offsets, strict=True)]),
        np.concatenate([r.neuron for r in runs]),
        np.concatenate([r.channel_step + o for r, o in zip(runs, offsets, strict=True)]),
        np.concatenate([r.channel for r in runs]),
        tuple(np.concatenate([r.states[i] for r in runs]) for i in range(len(record.states))),
    )


def record_everything(program: Program) -> Record:
    """All spikes of neurons and channels, all variables of all neurons."""
    everyone = np.arange(program.neurons, dtype=np.int64)
    return Record(
        neurons=np.ones(program.neurons, bool),
        channels=np.ones(program.channels, bool),
        states=(("v", everyone), ("u0", everyone), ("u1", everyone), ("threshold", everyone)),
    )


def _target(rng: np.random.Generator, sizes: NDArray[np.int64], delays: int) -> Target:
    """A target of random widths; its capacities are set when the contents are known."""
    cores = len(sizes)
    across = int(rng.integers(1, cores + 1))
    return Target(
        name="random",
        mesh=(-(-cores // across), across),
        neurons=max(1, int(sizes.max())),
        lanes=1 << int(rng.integers(0, 7)),
        state_bits=int(rng.choice([12, 13, 16, 18, 20, 24, 24])),
        weight_bits=int(rng.choice([2, 3, 4, 6, 8, 8, 9, 12, 16])),
        accumulator_bits=int(rng.choice([16, 20, 24, 24, 31])),
        delay_slots=1 << delays.bit_length(),
        receptors=int(rng.integers(1, 3)),
    )


def _fit(target: Target, images: list[CoreImage]) -> Target:
    """The target with capacities that the contents just need or more."""
    return target.with_(
        axons=max(1, *(i.axons for i in images)),
        rows=max(1, *(len(i.rows) for i in images)),
        profiles=max(1, *(len(i.profiles) for i in images)),
        synapse_bits=max(
            len(i.dense_weight) * target.weight_bits
            + len(i.sparse_weight) * target.sparse_synapse_bits
            for i in images
        ),
    )


def _populations(
    rng: np.random.Generator, sizes: NDArray[np.int64]
) -> tuple[list[NDArray[np.int64]], tuple[PopulationSymbol, ...]]:
    """Blocks of slots, now and then shuffled, shared out among a few populations.

    Returns:
        the population of each slot, per core; and the symbols.
    """
    number = int(rng.integers(1, 5))
    labels = []
    for n in sizes:
        cuts = np.sort(rng.integers(0, n + 1, int(rng.integers(0, 4))))
        label = np.repeat(rng.integers(0, number, len(cuts) + 1), np.diff([0, *cuts, n]))
        labels.append(rng.permutation(label) if rng.random() < 0.2 else label)
    used = np.unique(np.concatenate(labels))
    labels = [np.searchsorted(used, label) for label in labels]
    symbols = []
    for number in range(len(used)):
        places = [(c, s) for c, label in enumerate(labels) for s in np.nonzero(label == number)[0]]
        order = rng.permutation(len(places)) if rng.random() < 0.3 else range(len(places))
        core, slot = np.array([places[i] for i in order], np.uint16).T
        scale = np.full(len(core), 2.0 ** int(rng.integers(0, 12)))
        symbols.append(PopulationSymbol(f"pop{number}", core.copy(), slot.copy(), scale))
    return labels, tuple(symbols)


def _sources(rng: np.random.Generator) -> tuple[tuple[SourceSymbol, ...], NDArray[np.void]]:
    """One host source and up to four more of any kind, with their generators."""
    symbols: list[SourceSymbol] = []
    generators = []
    first = 0
    rare = rng.spawn(1)[0]
    for number in range(int(rng.integers(1, 6))):
        kind = str(rng.choice(["host", "poisson", "periodic"])) if number else "host"
        size = int(rng.integers(1, 13))
        symbols.append(SourceSymbol(f"src{number}", size, kind, first))
        seed, base_key = int(rng.integers(1 << 32)), int(rng.choice([0, 1000, (1 << 32) - 100]))
        for channel in range(first, first + size):
            if kind == "poisson":
                p = int(rng.choice([0, 1 << 27, 1 << 30, 3 << 30, (1 << 32) - 1]))
                if rare.random() < 0.5:
                    key = (base_key + channel - first) % (1 << 32)
                    p = probability_at_the_edge(rare, seed, key)
                generators.append((channel, POISSON, seed, base_key + channel - first, p, 0))
            elif kind == "periodic":
                period = int(rng.choice([1, 2, 3, 5, 7, 30]))
                phase = int(rng.choice([0, 0, 1, 2, 9, 100]))
                if rare.random() < 0.3:
                    period = int(rare.integers(1 << int(rare.integers(1, 32)))) + 1
                generators.append((channel, PERIODIC, 0, 0, period, phase))
        first += size
    return tuple(symbols), np.array(generators, GENERATOR)


def _projections(
    rng: np.random.Generator,
    target: Target,
    sources: tuple[SourceSymbol, ...],
    populations: tuple[PopulationSymbol, ...],
    delays: int,
    dense: float,
) -> list[_Projection]:
    projections = []
    number = int(rng.integers(1, 8))
    top = max(0, min(15, target.accumulator_bits - target.weight_bits - 3))
    for _ in range(number if populations else 0):
        from_source = not projections or rng.random() < 0.4
        pre = (sources if from_source else populations)[
            int(rng.integers(len(sources if from_source else populations)))
        ]
        post = int(rng.integers(len(populations)))
        symbol = ProjectionSymbol(
            name=f"proj{len(projections)}",
            pre=pre.name,
            post=populations[post].name,
            receptor=int(rng.integers(target.receptors)),
            base_delay=0 if from_source else 1,
        )
        projections.append(
            _Projection(
                symbol=symbol,
                post=post,
                chance=float(rng.choice([0.1, 0.3, 0.6, 1.0])),
                dense=dense,
                style=str(rng.choice(["even", "positive", "small", "extreme"])),
                exponent=int(rng.integers(0, top + 1)),
                deepest=int(rng.integers(0, delays + 1)) if rng.random() < 0.7 else delays,
            )
        )
    return projections


def _send(
    rng: np.random.Generator,
    name: str,
    index: int,
    projections: list[_Projection],
    labels: list[NDArray[np.int64]],
    target: Target,
    rows: list[_Rows],
) -> list[tuple[int, int]]:
    """Give one sender its axons and row groups; the destinations of its spikes."""
    to = []
    mine = [(number, p) for number, p in enumerate(projections) if p.symbol.pre == name]
    for core, label in enumerate(labels):
        groups: list[tuple[Any, ...]] = []
        for number, projection in mine:
            slots = np.nonzero(label == projection.post)[0]
            for _ in range(1 + (rng.random() < 0.15) if len(slots) else 0):
                if rng.random() < 0.8:
                    groups.append(_group(rng, number, projection, index, slots, target, rows[core]))
        if not groups and rng.random() > 0.03:
            continue
        cut = int(rng.integers(len(groups) + 1)) if rng.random() < 0.1 else len(groups)
        for part in [groups] if cut == len(groups) else [groups[:cut], groups[cut:]]:
            to.append((core, len(rows[core].axons)))
            rows[core].axons.append(part)
    return [to[i] for i in rng.permutation(len(to))]


def _group(
    rng: np.random.Generator,
    number: int,
    projection: _Projection,
    pre: int,
    slots: NDArray[np.int64],
    target: Target,
    rows: _Rows,
) -> tuple[Any, ...]:
    """One row group onto some of the post population's slots of a core, as a ROW tuple."""
    exponent = min(15, projection.exponent + int(rng.integers(0, 3)))
    receptor = projection.symbol.receptor
    if rng.random() < projection.dense:
        runs = np.split(slots, np.nonzero(np.diff(slots) > 1)[0] + 1)
        run = runs[int(rng.integers(len(runs)))]
        low = int(rng.integers(len(run)))
        high = int(rng.integers(low, len(run))) + 1
        delay = int(rng.integers(projection.deepest + 1))
        weight = _weights(rng, projection.style, high - low, target)
        rows.dense.append(weight)
        offset, rows.dense_used = rows.dense_used, rows.dense_used + len(weight)
        return (DENSE, receptor, exponent, delay, run[low], len(weight), offset, number, pre, 0)
    chosen = slots[rng.random(len(slots)) < projection.chance]
    if not len(chosen):
        chosen = slots[:1]
    if rng.random() < 0.2:  # several synapses of one pair, in no order
        chosen = rng.choice(chosen, len(chosen) + 1)
    weight = _weights(rng, projection.style, len(chosen), target)
    rows.sparse.append((chosen, weight, rng.integers(0, projection.deepest + 1, len(chosen))))
    offset, rows.sparse_used = rows.sparse_used, rows.sparse_used + len(chosen)
    return (SPARSE, receptor, exponent, 0, 0, len(chosen), offset, number, pre, 0)


def _weights(rng: np.random.Generator, style: str, size: int, target: Target) -> NDArray[np.int64]:
    top = target.weight_max
    if style == "extreme":
        return rng.choice([-top - 1, top, top], size).astype(np.int64)
    if style == "positive":
        return rng.integers(0, top + 1, size)
    if style == "small":
        return rng.integers(-1, min(top, 3) + 1, size)
    return rng.integers(-top - 1, top + 1, size) | rng.integers(0, 2, size)


def _memory(built: _Rows, n: int, target: Target) -> dict[str, Any]:
    """The synapse memory's arrays, with weights cut down to what the accumulators can hold.

    Also ``excitation``, (2, n): the sum of all positive contributions, from which lively
    thresholds are made.
    """
    sparse = np.concatenate([np.zeros((3, 0), np.int64), *map(np.array, built.sparse)], axis=1)
    dense = np.concatenate([np.zeros(0, np.int64), *built.dense])
    rows = np.array([group for axon in built.axons for group in axon], ROW)
    is_sparse = rows["kind"] == SPARSE
    load = np.zeros((2, n), np.int64)
    excitation = np.zeros((2, n), np.int64)
    parts = []
    for chosen, weight, into in (
        (rows[is_sparse], sparse[1], sparse[0]),
        (rows[~is_sparse], dense, None),
    ):
        exponent = np.repeat(chosen["exponent"].astype(np.int64), chosen["count"])
        receptor = np.repeat(chosen["receptor"].astype(np.int64), chosen["count"])
        if into is None:
            first = np.repeat(chosen["base"].astype(np.int64) - chosen["offset"], chosen["count"])
            into = np.arange(len(weight)) + first
        parts.append((weight, receptor, into, exponent))
        np.add.at(load, (receptor, into), np.abs(weight) << exponent)
    for weight, receptor, into, exponent in parts:
        factor = np.minimum(1.0, target.accumulator_max / np.maximum(load[receptor, into], 1))
        weight[:] = np.trunc(weight * factor)
        np.add.at(excitation, (receptor, into), np.maximum(weight, 0) << exponent)
    kind = np.int8 if target.weight_bits <= 8 else np.int16
    return {
        "axon_start": np.cumsum([0, *map(len, built.axons)]).astype(np.int32),
        "rows": rows,
        "sparse_target": sparse[0].astype(np.uint16),
        "sparse_weight": sparse[1].astype(kind),
        "sparse_delay": sparse[2].astype(np.uint8),
        "dense_weight": dense.astype(kind),
        "excitation": excitation,
    }


def _destinations(
    lists: list[list[tuple[int, int]]],
) -> tuple[NDArray[np.int32], NDArray[np.void]]:
    start = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    return start, np.array([to for one in lists for to in one], DESTINATION)
