"""The same network in other places: every neuron on a random core and slot, every row sparse."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np

from spikeloom.compiler.program import (
    DENSE,
    DESTINATION,
    ROW,
    SPARSE,
    CoreImage,
    Program,
)
from spikeloom.runtime.backend import Events, State


def placed_anew(
    program: Program, rng: np.random.Generator, cores: int
) -> tuple[Program, list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """The Program on ``cores`` cores.

    Returns:
        it, and where each synapse was and is: (core, SPARSE or DENSE, place in its memory).
    """
    core_of = rng.integers(0, cores, program.neurons)
    members = [rng.permutation(np.flatnonzero(core_of == core)) for core in range(cores)]
    slot_of = np.zeros(program.neurons, np.int64)
    for own in members:
        slot_of[own] = np.arange(len(own))
    origin = _origins(program)

    before: list[tuple[int, int, int]] = []
    after: list[tuple[int, int, int]] = []
    rows: dict[tuple[int, Any], dict[Any, list[tuple[int, ...]]]] = defaultdict(dict)
    for core, image in enumerate(program.cores):
        axon = np.repeat(np.arange(image.axons), np.diff(image.axon_start))
        for sender, row in zip(axon.tolist(), image.rows, strict=True):
            key = tuple(row[["receptor", "exponent", "projection", "pre", "rule"]].item())
            for k in range(int(row["count"])):
                place, dense = int(row["offset"]) + k, row["kind"] == DENSE
                slot = int(row["base"]) + k if dense else int(image.sparse_target[place])
                neuron = int(program.core_base[core]) + slot
                memory = image.dense_weight if dense else image.sparse_weight
                delay = row["delay"] if dense else image.sparse_delay[place]
                enable = image.dense_enable if dense else image.sparse_enable
                on = int(enable[place]) if len(enable) else 0
                group = rows[int(core_of[neuron]), origin[core, sender]].setdefault(key, [])
                group.append(
                    (int(slot_of[neuron]), int(memory[place]), int(delay), on, len(before))
                )
                before.append((core, DENSE if dense else SPARSE, place))
                after.append((0, 0, 0))

    images = []
    to = defaultdict(list)
    for core, own in enumerate(members):
        synapses: list[tuple[int, ...]] = []
        groups, axons = [], [0]
        for (where, sender), keyed in rows.items():
            if where != core:
                continue
            to[sender].append((core, len(axons) - 1))
            for (receptor, exponent, projection, pre, rule), group in keyed.items():
                offset = len(synapses)
                groups.append(
                    (SPARSE, receptor, exponent, 0, 0, len(group), offset, projection, pre, rule)
                )
                for *_, number in group:
                    after[number] = (core, SPARSE, len(synapses))
                    synapses.append(group[len(synapses) - offset])
            axons.append(len(groups))
        images.append(_image(program, own, groups, axons, synapses))
    return _joined(program, images, members, core_of, slot_of, to), before, after


def _origins(program: Program) -> dict[tuple[int, int], Any]:
    """(core, axon) -> who sends to it: ("channel", c) or ("neuron", global number)."""
    found = {}
    for channel in range(program.channels):
        for to in program.channel_to[slice(*program.channel_start[channel : channel + 2])]:
            found[int(to["core"]), int(to["axon"])] = ("channel", channel)
    for core, image in enumerate(program.cores):
        for slot in range(image.neurons):
            for to in image.spike_to[slice(*image.spike_start[slot : slot + 2])]:
                neuron = int(program.core_base[core]) + slot
                found[int(to["core"]), int(to["axon"])] = ("neuron", neuron)
    return found


def _image(program: Program, own: Any, groups: Any, axons: Any, synapses: Any) -> CoreImage:
    """A core of these neurons; ``spike_to`` is filled in later."""
    fields = {
        name: np.concatenate([getattr(c, name) for c in program.cores])[own]
        for name in ("threshold", "bias", "v_init", "key")
    }
    profiles = np.concatenate([c.profiles[c.profile] for c in program.cores])[own]
    slot, weight, delay, on, _ = np.array(synapses, np.int64).reshape(-1, 5).T
    table = np.array(groups, ROW)
    return CoreImage(
        profile=np.arange(len(own), dtype=np.uint16),
        **fields,
        profiles=profiles,
        axon_start=np.array(axons, np.int32),
        rows=table,
        sparse_target=slot.astype(np.uint16),
        sparse_weight=weight.astype(program.cores[0].sparse_weight.dtype),
        sparse_delay=delay.astype(np.uint8),
        dense_weight=np.zeros(0, program.cores[0].sparse_weight.dtype),
        spike_start=np.zeros(len(own) + 1, np.int32),
        spike_to=np.zeros(0, DESTINATION),
        **({"sparse_enable": on.astype(np.uint8)} if table["rule"].any() else {}),
    )


def _joined(
    program: Program, images: Any, members: Any, core_of: Any, slot_of: Any, to: Any
) -> Program:
    for core, own in enumerate(members):
        start, flat = _lists([to["neuron", int(neuron)] for neuron in own])
        images[core] = replace(images[core], spike_start=start, spike_to=flat)
    start, flat = _lists([to["channel", channel] for channel in range(program.channels)])
    populations = []
    for population in program.populations:
        neurons = program.global_neurons(population)
        core, slot = core_of[neurons].astype(np.uint16), slot_of[neurons].astype(np.uint16)
        populations.append(replace(population, core=core, slot=slot))
    target = program.target.with_(
        mesh=(1, len(images)),
        neurons=max(1, *(len(own) for own in members)),
        axons=max(1, *(image.axons for image in images)),
        rows=max(1, *(len(image.rows) for image in images)),
        profiles=max(1, *(len(own) for own in members)),
        synapse_bits=1 << 40,
    )
    return replace(
        program,
        target=target,
        cores=tuple(images),
        channel_start=start,
        channel_to=flat,
        populations=tuple(populations),
    )


def moved_events(events: Events, old: Program, new: Program) -> Events:
    """Input of ``old`` for ``new``: the same neurons by name."""
    number = new_numbers(old, new)
    moved = {
        name: number[getattr(events, name)].astype(np.int32)
        for name in ("graded_neuron", "teacher_neuron", "factor_neuron")
    }
    return replace(events, **moved)


def new_numbers(old: Program, new: Program) -> Any:
    """(n,) the global number in ``new`` of each neuron of ``old``."""
    number = np.zeros(old.neurons, np.int64)
    for a, b in zip(old.populations, new.populations, strict=True):
        number[old.global_neurons(a)] = new.global_neurons(b)
    return number


def moved_state(state: State, number: Any) -> dict[str, Any]:
    """Fields of a state of the new Program that do not depend on places, in the old's order."""
    per_neuron = ("u", "v", "adapt", "refractory", "reset_pending", "fired", "wheel", "saturated")
    found = {name: getattr(state, name)[..., number] for name in per_neuron}
    found |= {name: getattr(state, name) for name in ("step", "spikes", "synaptic_events")}
    found["saturations"] = state.saturations.sum(axis=0)
    if state.learning is not None:
        found["third_factor"] = state.learning.third_factor[number]
        for name in ("on", "x", "y", "fired_before", "modulator"):
            found[name] = getattr(state.learning, name)
    return found


def _lists(lists: Any) -> tuple[Any, Any]:
    start = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    return start, np.array([to for one in lists for to in one], DESTINATION)
