"""A content-addressable memory out of spikes: learn, recall from any fragment, forget.

After the models of the hippocampus' region CA3 on SpiNNaker (Casanueva-Morato et al. 2024,
doi:10.1016/j.neunet.2024.106474), written for PyNN with ``IF_curr_exp``, ``SpikePairRule`` and
``AdditiveWeightDependence``; wiring and timing are this example's own. A memory is a set of content
cells under the address of one cell. Two projections learn, one for each way of recalling:

    address ─(static)─▶ cue ═(plastic, 1 ms)═▶ content           by address
    fragment ═(plastic, 3 ms)═▶ address                           by content

Synapses of address and fragment cells are as strong as what each fragment cell takes from all
addresses, so that an address fires if all cells of a fragment belong to it: ``match - size + 1.5``
cells' worth is above the threshold only then. If several memories contain a fragment, all answer.

- **learn**: address, fragment and content are made to fire so that each plastic synapse sees the
  presynaptic spike 1 ms before the postsynaptic one has come up the dendrite (that takes the whole
  delay), which is potentiation to the full. What a recall makes fire comes 2 ms later: too late.
- **recall**: an address, or a fragment, fires once.
- **forget**: the address recalls its content; the cue fires again when those spikes arrive up the
  dendrite (Δt = 0: depression), and a gate lets content fire its fragment cells, whose synapses
  the address' earlier spike depresses. Learning at a used address begins with forgetting.

A random sequence of these operations is compared with what a dictionary would have answered.

    python examples/ca3_memory.py                     5 seeds, orthogonal and overlapping patterns
    python examples/ca3_memory.py --operations 500 --json
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from reporting import add_common_arguments, count, over_seeds, report

import spikeloom.pynn as sim

if TYPE_CHECKING:
    from pathlib import Path


ADDRESSES, CELLS, SIZE = 8, 40, 5  # memories, content cells, cells of a pattern
PERIOD = 40  # ms from one operation to the next
STRONG, WEIGHT, HALF, VETO = 6.0, 4.0, 2.3, 30.0  # nA
CELL = {"v_rest": -60.0, "v_reset": -60.0, "v_thresh": -57.0, "cm": 0.27, "tau_m": 3.0,
        "tau_syn_E": 0.3, "tau_syn_I": 0.3}  # fmt: skip


@dataclass
class Script:
    """Operations one after the other, as spike times of each cell of each source.

    ``operations`` has what is expected of each: (kind, given, addresses, content cells).
    """

    times: dict[str, dict[int, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    operations: list[tuple[str, Any, set[int], set[int]]] = field(default_factory=list)
    memories: dict[int, set[int]] = field(default_factory=dict)

    def _spike(self, source: str, after: float, *cells: int) -> None:
        for cell in cells:
            self.times[source][cell].append(1.0 + PERIOD * len(self.operations) + after)

    def forget(self, address: int) -> None:
        """Wipe what is at an address, if anything is."""
        self._spike("address in", 0, address)
        self._spike("cue in", 5, address)
        self._spike("gate", 6, 0)
        self._spike("veto", 10, 0)
        self.operations.append(("forget", address, {address}, self.memories.pop(address, set())))

    def learn(self, address: int, content: set[int]) -> None:
        """Store content under an address; what was there is forgotten."""
        if address in self.memories:
            self.forget(address)
        self._spike("address in", 0, address)
        self._spike("fragment in", 2, *content)
        self._spike("content in", 2, *content)
        self._spike("veto", 6, 0)
        self.memories[address] = content
        self.operations.append(("learn", (address, content), {address}, content))

    def recall(self, address: int) -> None:
        """Ask for the content of an address."""
        self._spike("address in", 0, address)
        content = self.memories.get(address, set())
        self.operations.append(("by address", address, {address}, content))

    def recall_from(self, fragment: set[int]) -> None:
        """Ask for all memories that contain these cells."""
        self._spike("fragment in", 0, *fragment)
        found = {a for a, content in self.memories.items() if fragment <= content}
        content = set[int]().union(*(self.memories[a] for a in found))
        self.operations.append(("by fragment", fragment, found, content))


def build(script: Script) -> tuple[sim.Population, sim.Population, sim.Projection]:
    """The memory and the sources that drive it; address and content cells, one plastic part."""
    sizes = {"address": ADDRESSES, "cue": ADDRESSES, "content": CELLS, "fragment": CELLS, "any": 1}
    refractory = {"address": 5.0, "cue": 1.0, "content": 5.0, "fragment": 5.0, "any": 5.0}
    cells = {
        name: sim.Population(n, sim.IF_curr_exp(tau_refrac=refractory[name], **CELL), label=name)
        for name, n in sizes.items()
    }
    for population in cells.values():
        population.initialize(v=CELL["v_rest"])

    def source(name: str, size: int) -> sim.Population:
        times = [script.times[name][cell] for cell in range(size)]
        return sim.Population(size, sim.SpikeSourceArray(spike_times=times), label=name)

    def static(pre: Any, post: str, weight: float, delay: float, connector: Any) -> None:
        sim.Projection(
            pre,
            cells[post],
            connector,
            sim.StaticSynapse(weight=weight, delay=delay),
            receptor_type="excitatory" if weight > 0 else "inhibitory",
        )

    rule = sim.SpikePairRule(tau_plus=0.5, tau_minus=3.0, A_plus=10.0, A_minus=6.0, A_zero=-6.0)

    def plastic(pre: str, post: str, weight: float, delay: float) -> sim.Projection:
        synapse = sim.STDPMechanism(
            rule, sim.AdditiveWeightDependence(w_min=0.0, w_max=weight), weight=0.0, delay=delay
        )
        return sim.Projection(cells[pre], cells[post], every, synapse)

    one, every = sim.OneToOneConnector(), sim.AllToAllConnector()
    for name in ("address", "cue", "content", "fragment"):
        static(source(f"{name} in", sizes[name]), name, STRONG, 1.0, one)
    gate, veto = source("gate", 1), source("veto", 1)
    static(gate, "fragment", HALF, 1.0, every)
    static(veto, "address", -VETO, 1.0, every)
    static(cells["address"], "cue", STRONG, 1.0, one)
    static(cells["content"], "fragment", HALF, 1.0, one)
    static(cells["fragment"], "any", STRONG, 1.0, every)
    static(cells["any"], "address", 1.5 * WEIGHT, 1.0, every)
    static(cells["fragment"], "address", -WEIGHT, 3.0, every)
    plastic("fragment", "address", WEIGHT, 3.0)
    return cells["address"], cells["content"], plastic("cue", "content", STRONG, 1.0)


def fired(population: sim.Population, operations: int) -> list[set[int]]:
    """Which cells fired in each operation."""
    found: list[set[int]] = [set() for _ in range(operations)]
    trains = population.get_data("spikes").segments[0].spiketrains
    for cell, train in enumerate(trains):
        for operation in ((np.asarray(train.magnitude) - 1.0) // PERIOD).astype(int):
            found[operation].add(cell)
    return found


def random_script(overlap: bool, operations: int, random: np.random.Generator) -> Script:
    """Operations at random: one third learn or forget, two thirds recall."""
    script = Script()

    def cells(pool: Any, n: int) -> set[int]:
        return set(random.choice(list(pool), n, replace=False).tolist())

    patterns = random.permutation(CELLS).reshape(ADDRESSES, SIZE)
    while len(script.operations) < operations:
        kind, address = random.random(), int(random.integers(ADDRESSES))
        if kind < 0.3 or not script.memories:
            # Orthogonal: no two memories share a cell, at any time.
            pool = range(CELLS) if overlap else patterns[address]
            script.learn(
                address, cells(pool, SIZE if overlap else int(random.integers(2, SIZE + 1)))
            )
        elif kind < 0.4:
            script.forget(address)
        elif kind < 0.55:
            script.recall(address)
        else:
            content = script.memories[random.choice(list(script.memories))]
            pool = content if kind < 0.95 else range(CELLS)  # or a fragment of nothing
            script.recall_from(cells(pool, int(random.integers(1, len(content) + 1))))
    return script


def plot(
    script: Script, answers: list[tuple[set[int], set[int]]], weights: Any, path: Path
) -> None:
    """The first operations with their answers, and one plastic projection at the end."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = script.operations[:40]
    figure, axes = plt.subplots(2, 1, figsize=(9, 6.5), height_ratios=[3, 1], layout="constrained")
    for x, ((kind, given, *_), (addresses, content)) in enumerate(
        zip(shown, answers, strict=False)
    ):
        asked = given if kind == "by fragment" else given[1] if kind == "learn" else set()
        axes[0].plot([x] * len(content), sorted(content), "s", color="black", markersize=5)
        axes[0].plot([x] * len(asked), sorted(asked), ".", color="tab:red", markersize=5)
        rows = [CELLS + 1 + a for a in sorted(addresses)]
        axes[0].plot([x] * len(rows), rows, "s", color="tab:blue", markersize=5)
    axes[0].axhline(CELLS, color="grey", linewidth=0.8)
    axes[0].set(ylabel="content cells, and addresses above")
    axes[0].set_xticks(range(len(shown)), [kind for kind, *_ in shown], rotation=90, fontsize=7)
    axes[0].set_title("black, blue: fired. red: what was given", fontsize=9)
    axes[1].imshow(weights, cmap="gray_r", aspect="auto", vmin=0, vmax=STRONG)
    axes[1].set(xlabel="content cell", ylabel="cue", title="weights at the end")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Run random operations with every seed, and say how many recalls were exactly right."""
    parser = argparse.ArgumentParser(
        description="A content-addressable memory of spiking cells, described in PyNN's terms.",
        epilog="example: python examples/ca3_memory.py --operations 60",
    )
    add_common_arguments(parser, "ca3_memory.png")
    add = parser.add_argument
    add("--operations", type=count, default=300, help="how many (default: %(default)s)")
    args = parser.parse_args()

    def once(seed: int) -> dict[str, Any]:
        random = np.random.default_rng(seed)
        right: dict[str, list[bool]] = {}
        for kind in ("orthogonal", "overlapping"):
            script = random_script(kind == "overlapping", args.operations, random)
            sim.setup(timestep=1.0, device=args.device, seed=seed)
            addresses, content, projection = build(script)
            addresses.record("spikes")
            content.record("spikes")
            n = len(script.operations)
            with warnings.catch_warnings():  # one event is to learn, and one to forget
                warnings.filterwarnings("ignore", ".* from one limit to the other in one event")
                sim.run(1.0 + n * PERIOD)
            answers = list(zip(fired(addresses, n), fired(content, n), strict=True))
            right[kind] = [
                answer == tuple(wanted)
                for (name, _, *wanted), answer in zip(script.operations, answers, strict=True)
                if name.startswith("by")
            ]
            if seed == 0 and kind == "overlapping" and not args.json:
                plot(script, answers, projection.get("weight", "array"), args.plot)
            sim.end()
        shares = {kind: float(np.mean(found)) for kind, found in right.items()}
        both = right["orthogonal"] + right["overlapping"]
        return {"seed": seed, "recalls": len(both), "accuracy": float(np.mean(both)), **shares}

    figures = ("accuracy", "orthogonal", "overlapping")
    summary = {
        "device": args.device,
        "operations": args.operations,
        "cells": f"{ADDRESSES} addresses, {CELLS} content cells",
        **over_seeds(args.seeds, once, figures),
    }
    report(summary, args.json, (*figures, "recalls"))
    if not args.json:
        print(f"\noperations of seed 0, overlapping patterns: {args.plot}")


if __name__ == "__main__":
    main()
