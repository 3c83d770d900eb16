"""Random networks, and the independent way back: from a Program to who is connected with whom."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

import spikeloom as sl
from spikeloom.compiler.program import DENSE, Program

SYNAPSE = np.dtype(
    [("pre", "<i8"), ("post", "<i8"), ("delay", "<i8"), ("weight", "<i8"), ("receptor", "<i8")]
)
"""One synapse: indices, delay in steps as the user means it, weight in state LSBs."""


def random_network(seed: int, *, integers: bool = False) -> sl.Network:
    """A network with several sources, populations, and all kinds of projections.

    Args:
        seed: every seed gives another network.
        integers: weights and parameters are integers, exact at scale 1.
    """
    rng = np.random.default_rng(seed)
    net = sl.Network(dt=1e-3, seed=int(rng.integers(1 << 32)), name=f"random {seed}")
    host = net.source("host", int(rng.integers(1, 20)))
    poisson = net.source(
        "poisson", int(rng.integers(1, 12)), sl.Poisson(rng.uniform(50, 400), seed=seed)
    )
    clock = net.source("clock", 2, sl.Periodic(period=[3e-3, 7e-3], phase=[0.0, 2e-3]))
    populations = [
        net.population(f"p{i}", int(rng.integers(1, 40)), _neuron(rng, integers))
        for i in range(int(rng.integers(1, 4)))
    ]
    for _ in range(int(rng.integers(2, 8))):
        pre: Any = [host, poisson, clock, *populations][int(rng.integers(3 + len(populations)))]
        post = populations[int(rng.integers(len(populations)))]
        _connect(net, rng, pre, post, integers)
    for population in populations:
        net.probe(population, "spikes", "v", "u0", "u1", "threshold")
    net.probe(poisson)
    return net


def _neuron(rng: np.random.Generator, integers: bool) -> sl.LIF:
    if integers:
        return sl.LIF(
            None,
            v_threshold=float(rng.integers(20, 200)),
            leak="linear",
            leak_rate=1e3 * float(rng.integers(0, 4)),
            refractory=1e-3 * float(rng.integers(0, 4)),
            refractory_mode=("hold", "mask")[int(rng.integers(2))],
        )
    return sl.LIF(
        tau_mem=rng.uniform(5e-3, 40e-3),
        tau_syn=(rng.uniform(2e-3, 10e-3), None),
        v_threshold=rng.uniform(0.5, 2.0),
        refractory=1e-3 * float(rng.integers(0, 4)),
        bias=rng.uniform(0.0, 0.03),
        reset=("value", "subtract")[int(rng.integers(2))],
        threshold_step=float(rng.choice([0.0, 0.1])),
    )


def _connect(net: sl.Network, rng: np.random.Generator, pre: Any, post: Any, whole: bool) -> None:
    def weights(shape: Any) -> Any:
        values = rng.normal(0.2, 0.3, shape)
        return np.clip(np.rint(values * 100), -128, 127) if whole else values

    least = 0 if pre.name in net.sources else 1
    shape = (pre.size, post.size)
    kind = int(rng.integers(6))
    receptor = int(rng.integers(2))
    delay: Any = 1e-3 * float(rng.integers(least, 6))
    if kind == 0:
        net.connect(pre, post, weights=weights(shape), delay=delay, receptor=receptor)
    elif kind == 1:
        delays = 1e-3 * rng.integers(least, 9, shape)
        net.connect(pre, post, weights=weights(shape), delay=delays, receptor=receptor)
    elif kind == 2:
        matrix = scipy.sparse.random(*shape, density=0.3, random_state=int(rng.integers(1 << 30)))
        matrix = matrix.tocsr()
        matrix.data = weights(matrix.nnz)
        net.connect(pre, post, weights=matrix, delay=delay, receptor=receptor)
    elif kind == 3:
        connector = sl.AllToAll(self_connections=False)
        net.connect(pre, post, weights=float(weights(())), connector=connector, receptor=receptor)
    elif kind == 4:
        connector = sl.FixedProbability(0.4, seed=int(rng.integers(1 << 32)))
        net.connect(pre, post, weights=float(weights(())), connector=connector, receptor=receptor)
    else:
        k = int(rng.integers(0, 60))  # the same pair may come several times
        synapses = sl.Synapses(
            rng.integers(0, pre.size, k),
            rng.integers(0, post.size, k),
            weights(k),
            1e-3 * rng.integers(least, 12, k),
        )
        net.connect(pre, post, weights=synapses, receptor=receptor)


def random_input(net: sl.Network, seed: int, steps: int) -> dict[str, Any]:
    """Spikes for the network's host sources."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.random((steps, source.size)) < 0.2
        for name, source in net.sources.items()
        if source.kind == "host"
    }


def decode(program: Program) -> dict[str, np.ndarray]:
    """Every projection's synapses, found as spikes find them: sender, destination, axon, row.

    What a neuron's twins send counts as what it sends; what they get must be what it gets.

    Returns:
        Projection name to an array of SYNAPSE, sorted.
    """
    return _decoded(program, 0)


def twins_of(program: Program) -> dict[tuple[int, int], tuple[int, int]]:
    """Core and slot of each neuron without a name to those of the named one of its key there."""
    named: dict[tuple[int, int], int] = {}
    for population in program.populations:
        for core, slot in zip(population.core.tolist(), population.slot.tolist(), strict=True):
            key = core, int(program.cores[core].key[slot])
            assert key not in named, f"two neurons of one key: {key}"
            named[key] = slot
    return {
        (core, slot): (core, named[core, int(image.key[slot])])
        for core, image in enumerate(program.cores)
        for slot in range(image.neurons)
        if named.get((core, int(image.key[slot]))) != slot
    }


def received_by_twins(program: Program) -> list[dict[str, np.ndarray]]:
    """As ``decode``, but for synapses onto a neuron's first twin, its second one, and so on.

    Synapses onto neurons without so many twins count as they are.
    """
    copies: dict[tuple[int, int], int] = {}
    for of in twins_of(program).values():
        copies[of] = copies.get(of, 0) + 1
    return [_decoded(program, turn) for turn in range(1, max(copies.values(), default=0) + 1)]


def _decoded(program: Program, turn: int) -> dict[str, np.ndarray]:
    owner: dict[tuple[int, int], tuple[str, int]] = {}  # core, slot -> population, index
    for population in program.populations:
        for index in range(population.size):
            place = int(population.core[index]), int(population.slot[index])
            assert place not in owner, f"two neurons at {place}"
            owner[place] = population.name, index
    sender = dict(owner)
    turns: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for place, of in twins_of(program).items():
        sender[place] = owner[of]
        turns.setdefault(of, []).append(place)
    chosen = {places[turn - 1]: of for of, places in turns.items() if 0 < turn <= len(places)}
    for place, of in chosen.items():
        owner[place] = owner.pop(of)
    found: dict[str, list[tuple[int, ...]]] = {p.name: [] for p in program.projections}
    for source in program.sources:
        for index in range(source.size):
            channel = source.first_channel + index
            first, last = program.channel_start[channel : channel + 2]
            _walk(program, owner, (source.name, index), program.channel_to[first:last], found)
    for (core, slot), name in sender.items():
        image = program.cores[core]
        first, last = image.spike_start[slot : slot + 2]
        _walk(program, owner, name, image.spike_to[first:last], found)
    return {name: np.sort(np.array(rows, SYNAPSE)) for name, rows in found.items()}


def _walk(
    program: Program,
    owner: dict[tuple[int, int], tuple[str, int]],
    sender: tuple[str, int],
    destinations: np.ndarray,
    found: dict[str, list[tuple[int, ...]]],
) -> None:
    for core, axon in destinations.tolist():
        image = program.cores[core]
        for row in image.rows[image.axon_start[axon] : image.axon_start[axon + 1]]:
            symbol = program.projections[int(row["projection"])]
            assert symbol.pre == sender[0]
            assert row["pre"] == sender[1]
            for i in range(int(row["count"])):
                at = int(row["offset"]) + i
                if row["kind"] == DENSE:
                    slot, delay = int(row["base"]) + i, int(row["delay"])
                    mantissa = int(image.dense_weight[at])
                else:
                    slot, delay = int(image.sparse_target[at]), int(image.sparse_delay[at])
                    mantissa = int(image.sparse_weight[at])
                if (core, slot) not in owner:
                    continue  # another twin's
                population, post = owner[core, slot]
                assert population == symbol.post
                shift = int(image.profiles[image.profile[slot]]["shift"])
                weight = mantissa << int(row["exponent"]) << shift
                found[symbol.name].append(
                    (sender[1], post, delay + symbol.base_delay, weight, int(row["receptor"]))
                )


def described(net: sl.Network, name: str, scale: Any) -> np.ndarray:
    """What the network says a projection is, as SYNAPSE, with weights times ``scale``."""
    projection = net.projections[name]
    s = projection.synapses
    out = np.zeros(len(s), SYNAPSE)
    out["pre"], out["post"], out["delay"] = s.pre, s.post, s.delay
    out["weight"] = np.rint(s.weight * scale)
    out["receptor"] = projection.receptor
    return np.sort(out)
