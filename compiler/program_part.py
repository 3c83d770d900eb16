"""Part of a Program: fewer neurons, channels, rows and synapses, and otherwise the same.

A smaller Program that still shows a fault is easier to think about. What is left keeps its
parameters, weights and delays; the numbers of neurons and channels close up, so random numbers of
learning, which go by a neuron's number, may become others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .program import DENSE, SPARSE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .program import CoreImage, PopulationSymbol, Program, SourceSymbol


@dataclass(frozen=True, eq=False)
class Kept:
    """What stays of a Program, as masks over what it holds.

    Attributes:
        neurons: (neurons,) by global number.
        channels: (channels,).
        rows: per core (g,) row groups.
        synapses: per core (ks,) sparse synapses. A dense row loses only the targets that go.
    """

    neurons: NDArray[np.bool_]
    channels: NDArray[np.bool_]
    rows: tuple[NDArray[np.bool_], ...]
    synapses: tuple[NDArray[np.bool_], ...]

    @staticmethod
    def everything(program: Program) -> Kept:
        """All of a Program."""
        return Kept(
            np.ones(program.neurons, np.bool_),
            np.ones(program.channels, np.bool_),
            tuple(np.ones(len(core.rows), np.bool_) for core in program.cores),
            tuple(np.ones(len(core.sparse_target), np.bool_) for core in program.cores),
        )


def part_of(program: Program, kept: Kept) -> Program:
    """The Program of what is kept; populations, sources and cores that are empty go.

    Raises:
        FileError: nothing is left that would be a valid Program.
    """
    kept = replace(kept, neurons=kept.neurons[program.twin_of])
    cores = [_Core(program, kept, number) for number in range(len(program.cores))]
    used = np.array([core.slots.any() for core in cores], np.bool_)
    core_number = np.cumsum(used) - 1
    axon_number = [np.cumsum(core.axons) - 1 for core in cores]

    def destinations(
        start: NDArray[np.int32], table: NDArray[np.void], stay: NDArray[np.bool_]
    ) -> dict[str, Any]:
        """Starts and table of the origins that stay, renumbered."""
        origin = np.repeat(np.arange(len(start) - 1), np.diff(start))
        alive = np.zeros(len(table), np.bool_)
        new = table.copy()
        for number, core in enumerate(cores):
            here = table["core"] == number
            alive[here] = core.axons[table["axon"][here]]
            new["axon"][here] = axon_number[number][table["axon"][here]]
            new["core"][here] = max(int(core_number[number]), 0)
        alive &= stay[origin]
        counts = np.bincount(origin[alive], minlength=len(start) - 1)[stay]
        return {"start": _starts(counts), "to": new[alive]}

    populations = _populations(program, kept, cores, core_number)
    sources = _sources(program, kept)
    names = {symbol.name for symbol in (*populations, *sources)}
    drawn = set().union(*(core.projections() for core in cores))
    projections = [
        number
        for number, p in enumerate(program.projections)
        if number in drawn and p.pre in names and p.post in names
    ]
    rules = [rule for rule in program.rules if rule.projection in projections]
    images = [
        core.image(projections, [rule.projection for rule in rules])
        for core, stays in zip(cores, used, strict=True)
        if stays
    ]
    for image, number in zip(images, np.flatnonzero(used), strict=True):
        old = program.cores[number]
        spikes = destinations(old.spike_start, old.spike_to, cores[number].slots)
        images[int(core_number[number])] = replace(
            image, spike_start=spikes["start"], spike_to=spikes["to"]
        )
    channels = destinations(program.channel_start, program.channel_to, kept.channels)
    generators = program.generators[kept.channels[program.generators["channel"]]].copy()
    generators["channel"] = (np.cumsum(kept.channels) - 1)[generators["channel"]]
    part = replace(
        program,
        cores=tuple(images),
        channel_start=channels["start"],
        channel_to=channels["to"],
        generators=generators,
        sources=tuple(sources),
        populations=tuple(populations),
        projections=tuple(program.projections[n] for n in projections),
        probes=tuple(probe for probe in program.probes if probe.of in names),
        rules=tuple(replace(r, projection=projections.index(r.projection)) for r in rules),
        report={},
        shapes={},  # what is left of a layer has no sides
        splits=(),  # and what is left of those who add up need not do so
    )
    part.verify()
    return part


class _Core:
    """What stays of one core."""

    def __init__(self, program: Program, kept: Kept, number: int) -> None:
        self.program, self.kept = program, kept
        self.old = old = program.cores[number]
        base = int(program.core_base[number])
        self.slots = kept.neurons[base : base + old.neurons]
        self.slot_number = np.cumsum(self.slots) - 1
        count = old.rows["count"].astype(np.int64)
        owner = {}
        alive = {}
        for kind, chosen in ((SPARSE, kept.synapses[number]), (DENSE, None)):
            rows = np.flatnonzero(old.rows["kind"] == kind)
            rows = rows[np.argsort(old.rows["offset"][rows], kind="stable")]
            owner[kind] = np.repeat(rows, count[rows])
            if chosen is not None:
                target = old.sparse_target.astype(np.int64)
            else:
                first = np.cumsum(count[rows]) - count[rows]
                place = np.arange(len(owner[kind])) - np.repeat(first, count[rows])
                target = place + old.rows["base"][owner[kind]]
            alive[kind] = self.slots[target]
            if chosen is not None:
                alive[kind] &= chosen
        stays = kept.rows[number] & self._origins_stay()
        left = np.zeros(len(old.rows), np.int64)
        for kind in (SPARSE, DENSE):
            alive[kind] &= stays[owner[kind]]
            left += np.bincount(owner[kind][alive[kind]], minlength=len(old.rows))
        self.alive, self.left, self.rows = alive, left, left > 0
        axon = np.repeat(np.arange(old.axons), np.diff(old.axon_start))
        self.axons = np.zeros(old.axons, np.bool_)
        self.axons[axon[self.rows]] = True
        self._axon_of = axon

    def _origins_stay(self) -> NDArray[np.bool_]:
        """(g,) whether the neuron or channel stays that a row belongs to."""
        stays = np.zeros(len(self.old.rows), np.bool_)
        for number, projection in enumerate(self.program.projections):
            here = self.old.rows["projection"] == number
            stays[here] = _members(self.program, self.kept, projection.pre)[
                self.old.rows["pre"][here]
            ]
        return stays

    def projections(self) -> set[int]:
        """Numbers of the projections that still have a row."""
        return {int(n) for n in np.unique(self.old.rows["projection"][self.rows])}

    def image(self, projections: list[int], ruled: list[int]) -> CoreImage:
        """The core's memories, but for where its spikes go."""
        old, program = self.old, self.program
        rows = old.rows[self.rows].copy()
        for number in np.unique(rows["projection"]):
            here = rows["projection"] == number
            pre = _members(program, self.kept, program.projections[number].pre)
            rows["pre"][here] = (np.cumsum(pre) - 1)[rows["pre"][here]]
            rows["rule"][here] = ruled.index(number) + 1 if number in ruled else 0
            rows["projection"][here] = projections.index(int(number))
        rows["count"] = self.left[self.rows]
        dense = rows["kind"] == DENSE
        before = np.concatenate([[0], np.cumsum(self.slots)])
        rows["base"][dense] = before[rows["base"][dense]]
        for kind in (SPARSE, DENSE):
            here = np.flatnonzero(rows["kind"] == kind)
            here = here[np.argsort(rows["offset"][here], kind="stable")]
            rows["offset"][here] = np.cumsum(rows["count"][here]) - rows["count"][here]
        profiles, profile = np.unique(old.profile[self.slots], return_inverse=True)
        sparse, dense_alive = self.alive[SPARSE], self.alive[DENSE]
        plastic = bool((rows["rule"] != 0).any())
        none = np.zeros(0, np.uint8)
        per_axon = np.bincount(self._axon_of[self.rows], minlength=old.axons)[self.axons]
        return replace(
            old,
            profile=profile.astype(np.uint16),
            profiles=old.profiles[profiles],
            **{
                name: getattr(old, name)[self.slots]
                for name in ("threshold", "bias", "v_init", "key")
            },
            axon_start=_starts(per_axon),
            rows=rows,
            sparse_target=self.slot_number[old.sparse_target[sparse]].astype(np.uint16),
            sparse_weight=old.sparse_weight[sparse],
            sparse_delay=old.sparse_delay[sparse],
            dense_weight=old.dense_weight[dense_alive],
            sparse_enable=old.sparse_enable[sparse] if plastic else none,
            dense_enable=old.dense_enable[dense_alive] if plastic else none,
        )


def _members(program: Program, kept: Kept, name: str) -> NDArray[np.bool_]:
    """(size,) who stays of a source or population."""
    source = program.source(name)
    if source is not None:
        return kept.channels[source.first_channel : source.first_channel + source.size]
    population = program.population(name)
    assert population is not None, name  # a Program's projections connect what it has
    return kept.neurons[program.global_neurons(population)]


def _populations(
    program: Program, kept: Kept, cores: list[_Core], core_number: NDArray[np.int64]
) -> list[PopulationSymbol]:
    parts = []
    for population in program.populations:
        stay = _members(program, kept, population.name)
        if not stay.any():
            continue
        core, slot = population.core[stay], population.slot[stay].copy()
        for number in np.unique(core):
            here = core == number
            slot[here] = cores[number].slot_number[slot[here]]
        parts.append(
            replace(
                population,
                core=core_number[core].astype(np.uint16),
                slot=slot,
                scale=population.scale[stay],
            )
        )
    return parts


def _sources(program: Program, kept: Kept) -> list[SourceSymbol]:
    parts, first = [], 0
    for source in program.sources:
        size = int(np.count_nonzero(_members(program, kept, source.name)))
        if size:
            parts.append(replace(source, size=size, first_channel=first))
            first += size
    return parts


def _starts(counts: NDArray[Any]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
