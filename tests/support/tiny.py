"""Programs written out by hand: a few neurons, a few synapses, every number given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from spikeloom.compiler.program import (
    DESTINATION,
    GENERATOR,
    PROFILE,
    ROW,
    SPARSE,
    CoreImage,
    PopulationSymbol,
    Program,
    ProjectionSymbol,
    SourceSymbol,
)
from spikeloom.compiler.target import Target
from spikeloom.runtime.backend import Events

PER_NEURON = {"threshold": 0, "bias": 0, "v_init": 0, "key": None, "core": 0}
"""What a neuron has of its own (key: its number); everything else is its profile."""


class Synapse(NamedTuple):
    """One synapse; ``pre`` is a channel ("c3") or a neuron ("n0"), ``delay`` the wheel's."""

    pre: str
    post: int
    weight: int
    delay: int = 0
    receptor: int = 0
    exponent: int = 0


def tiny_program(
    neurons: Sequence[Mapping[str, Any]],
    synapses: Sequence[Synapse] = (),
    *,
    channels: int = 0,
    generators: Sequence[tuple[int, int, int, int, int, int]] = (),
    seed: int = 0,
    **target: Any,
) -> Program:
    """A Program of exactly these neurons and synapses, in sparse rows.

    Args:
        neurons: fields of PROFILE and of PER_NEURON that are not their default: 0, except
            that neurons spike and synapses are delta synapses (``decay_u`` 4096).
        synapses: in any order; pre and post may be on different cores.
        channels: number of source neurons.
        generators: GENERATOR tuples, sorted by channel.
        seed: of the machine's hash.
        target: fields of the Target that are not the default's.
    """
    filled = [PER_NEURON | dict(one) for one in neurons]
    core_of = [one["core"] for one in filled]
    cores = max(core_of) + 1
    sizes = [0] * cores
    slot_of = []
    for core in core_of:
        slot_of.append(sizes[core])
        sizes[core] += 1
    target = {"mesh": (1, cores), "neurons": max(sizes), "weight_bits": 16} | target
    symbols: list[ProjectionSymbol] = []
    names: dict[tuple[str, int], int] = {}
    rows: list[list[tuple[int, ...]]] = [[] for _ in range(cores)]
    axons: list[list[int]] = [[0] for _ in range(cores)]
    memory: list[list[Synapse]] = [[] for _ in range(cores)]
    to: dict[str, list[tuple[int, int]]] = {}

    def place(synapse: Synapse) -> tuple[str, int, int, int]:
        return synapse.pre, core_of[synapse.post], synapse.receptor, synapse.exponent

    in_order = sorted(synapses, key=place)
    for (pre, core), row in groupby(in_order, key=lambda s: place(s)[:2]):
        for (receptor, exponent), group in groupby(row, key=lambda s: place(s)[2:]):
            members = list(group)
            projection = names.setdefault((pre[0], receptor), len(names))
            if projection == len(symbols):
                kind = "channels" if pre[0] == "c" else "neurons"
                base_delay = int(pre[0] == "n")
                symbols.append(
                    ProjectionSymbol(f"p{projection}", kind, "neurons", receptor, base_delay)
                )
            start = len(memory[core])
            rows[core].append(
                (SPARSE, receptor, exponent, 0, 0, len(members), start, projection, int(pre[1:]))
            )
            memory[core] += members
        to.setdefault(pre, []).append((core, len(axons[core]) - 1))
        axons[core].append(len(rows[core]))

    images = []
    for core in range(cores):
        here = [number for number, where in enumerate(core_of) if where == core]
        start, destinations = _lists([to.get(f"n{number}", []) for number in here])
        images.append(
            CoreImage(
                profile=np.arange(len(here), dtype=np.uint16),
                threshold=np.array([filled[i]["threshold"] for i in here], np.int32),
                bias=np.array([filled[i]["bias"] for i in here], np.int32),
                v_init=np.array([filled[i]["v_init"] for i in here], np.int32),
                key=np.array(
                    [i if filled[i]["key"] is None else filled[i]["key"] for i in here], np.uint32
                ),
                profiles=np.array([_profile(neurons[i]) for i in here], PROFILE),
                axon_start=np.array(axons[core], np.int32),
                rows=np.array([(*row, 0) for row in rows[core]], ROW),
                sparse_target=np.array([slot_of[s.post] for s in memory[core]], np.uint16),
                sparse_weight=np.array([s.weight for s in memory[core]], np.int16),
                sparse_delay=np.array([s.delay for s in memory[core]], np.uint8),
                dense_weight=np.zeros(0, np.int16),
                spike_start=start,
                spike_to=destinations,
            )
        )
    channel_start, channel_to = _lists([to.get(f"c{number}", []) for number in range(channels)])
    return Program(
        target=Target(name="tiny", **target),
        dt=1e-3,
        seed=seed,
        cores=tuple(images),
        channel_start=channel_start,
        channel_to=channel_to,
        generators=np.array(list(generators), GENERATOR),
        sources=(SourceSymbol("channels", channels, "host", 0),) if channels else (),
        populations=(
            PopulationSymbol(
                "neurons",
                np.array(core_of, np.uint16),
                np.array(slot_of, np.uint16),
                np.ones(len(neurons)),
            ),
        ),
        projections=tuple(symbols),
    )


def events(
    spikes: Sequence[tuple[int, int]] = (), graded: Sequence[tuple[int, int, int]] = ()
) -> Events:
    """Input from (step, channel) and (step, neuron, value) tuples."""
    step, channel = np.array(sorted(spikes), np.int64).reshape(-1, 2).T
    at, neuron, value = np.array(sorted(graded), np.int64).reshape(-1, 3).T
    return Events(
        step, channel.astype(np.int32), at, neuron.astype(np.int32), value.astype(np.int32)
    )


def _profile(neuron: Mapping[str, Any]) -> tuple[Any, ...]:
    given = {"spiking": 1, "decay_u": (4096, 4096)} | {
        name: value for name, value in neuron.items() if name not in PER_NEURON
    }
    unknown = set(given) - set(PROFILE.names or ())
    assert not unknown, f"no such neuron parameters: {unknown}"
    return tuple(given.get(name, 0) for name in PROFILE.names or ())


def _lists(lists: Sequence[list[tuple[int, int]]]) -> tuple[Any, Any]:
    start = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    return start, np.array([to for one in lists for to in one], DESTINATION)
