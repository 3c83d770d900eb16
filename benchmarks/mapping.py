"""Messages between cores, hops and CPU time of mappings, beside other partitioners.

    python benchmarks/mapping.py
    python benchmarks/mapping.py --neurons 100000 --peer .peers/mapping/bin/python

Networks of 100 synapses per neuron: a sheet with local connections and groups of 125 neurons, both
in mixed order, and dense layers. Cores have room for 1.024 times their share. ``--peer`` names a
Python with pymetis and mtkahypar, which get the same neurons, connections and number of cores;
their messages are counted here. Hops are links of message trees; *random* is the same partition
with its cores in a random order.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

import spikeloom as sl
from spikeloom.compiler.mapping import Mapping
from spikeloom.compiler.mapping_report import mapping_report
from spikeloom.compiler.pipeline import passes
from spikeloom.compiler.place import Place
from spikeloom.compiler.quantise import Quantization
from spikeloom.compiler.traffic import Reach

PEER = """
import sys, time, json
import numpy as np
data = np.load(sys.argv[1]); parts = int(data["parts"]); n = len(data["start"]) - 1
which = sys.argv[2]; begun = time.process_time()
if which == "metis":
    import pymetis
    graph = pymetis.CSRAdjacency(data["graph_start"], data["graph"])
    part = pymetis.part_graph(parts, graph, eweights=data["wires"])[1]
else:
    import mtkahypar
    library = mtkahypar.initialize(1)
    context = library.context_from_preset(mtkahypar.PresetType.DEFAULT)
    context.set_partitioning_parameters(parts, float(data["slack"]), mtkahypar.Objective.KM1)
    context.logging = False
    start, pins = data["start"].tolist(), data["pins"].tolist()
    nets = [pins[start[i]:start[i + 1]] for i in range(n)]
    graph = library.create_hypergraph(context, n, n, nets, [1] * n, [1] * n)
    found = graph.partition(context)
    part = [found.block_id(v) for v in range(n)]
np.savez(sys.argv[1] + ".out.npz", part=np.array(part), seconds=time.process_time() - begun)
"""


def sheet(n: int, rng: np.random.Generator) -> sl.Network:
    """Neurons on a square, connected to Gaussian neighbours, numbered at random."""
    side = int(np.sqrt(n))
    pre = np.repeat(np.arange(side * side), 100)
    row, column = (x + np.rint(rng.normal(0, 5, len(pre))) for x in np.divmod(pre, side))
    inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
    post = (row * side + column)[inside].astype(int)
    number = rng.permutation(side * side)
    return _network(side * side, number[pre[inside]], number[post])


def groups(n: int, rng: np.random.Generator) -> sl.Network:
    """Groups of 125; nine of ten synapses stay within; numbered at random."""
    pre = np.repeat(np.arange(n), 100)
    post = pre // 125 * 125 + rng.integers(0, 125, len(pre))
    stray = rng.random(len(pre)) < 0.1
    post[stray] = rng.integers(0, n, int(stray.sum()))
    number = rng.permutation(n)
    return _network(n, number[pre], number[post])


def layers(n: int, rng: np.random.Generator) -> sl.Network:
    """Dense layers of 100 neurons, one after the other."""
    count = n // 100
    pre = np.repeat(np.arange(100 * (count - 1)), 100)
    post = (pre // 100 + 1) * 100 + np.tile(np.arange(100), len(pre) // 100)
    return _network(100 * count, pre, post)


def _network(n: int, pre: np.ndarray, post: np.ndarray) -> sl.Network:
    net = sl.Network(dt=1e-3)
    cells = net.population("cells", n, sl.LIF(tau_mem=20e-3))
    net.connect(cells, cells, weights=sl.Synapses(pre, post, 0.25))
    return net


def measure(name: str, net: sl.Network, peer: str | None) -> None:
    """One line per method."""
    n = net.populations["cells"].size
    room = 256 if n < 50_000 else 1024
    parts = -(-n // int(room / 1.024))
    rows = max(r for r in range(1, int(np.sqrt(parts)) + 1) if parts % r == 0)
    target = sl.Target(
        mesh=(rows, parts // rows), neurons=room, axons=1 << 20, rows=1 << 22,
        synapse_bits=1 << 31, lanes=1,
    )  # fmt: skip
    ran: dict[str, tuple[float, Any]] = {}
    for method in ("sequential", "best"):
        state: Any = net
        parted: Any = None
        seconds = 0.0
        for step, one in passes(target, Quantization(), Mapping(method)):
            begun = time.process_time()
            state = one.apply(state)
            if step in ("partition", "place"):
                seconds += time.process_time() - begun
            if step == "partition":
                parted = state
            if step == "route":
                break
        told = mapping_report(state)
        hops = f"{told['hops']:,.0f}"
        if method == "best":
            tried = ", ".join(f"{k} {v:,.0f}" for k, v in told["traffic"].items())
            hops += f" (random {_random_hops(parted, target):,.0f}; tried: {tried})"
        sizes = np.bincount(state.part)
        print(
            f"{name} {n:,} | {method} | {told['messages']:,.0f} | {len(sizes)} | {sizes.max()} | "
            f"{seconds:.1f} s | {hops}",
            flush=True,
        )
        ran[method] = seconds, state
    if peer:
        _peers(name, n, ran["best"][1], parts, room, peer)


def _random_hops(parted, target) -> float:
    """Mean of five random orders of the cores."""
    from spikeloom.compiler.route import Route
    from spikeloom.compiler.usage import ranks

    placed, found = Place().apply(parted), []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(placed.parts)
        fields = {**placed.fields(), "core": order[placed.part].astype(np.uint16),
                  "slot": ranks(placed.part.astype(np.int64)).astype(np.uint16)}  # fmt: skip
        found.append(mapping_report(Route().apply(type(placed)(**fields)))["hops"])
    return float(np.mean(found))


def _peers(name: str, n: int, state, parts: int, room: int, python: str) -> None:
    reach = Reach.of(state, np.ones(n))
    wires = scipy.sparse.csr_matrix(reach.wires)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "network.npz"))
        np.savez(path, start=reach.pins.indptr, pins=reach.pins.indices, parts=parts,
                 graph_start=wires.indptr, graph=wires.indices, wires=wires.data.astype(np.int32),
                 slack=room / -(-n // parts) - 1)  # fmt: skip
        for which in ("metis", "mtkahypar"):
            subprocess.run([python, "-c", PEER, path, which], check=True)
            out = np.load(path + ".out.npz")
            sizes = np.bincount(out["part"])
            print(
                f"{name} {n:,} | {which} | {reach.traffic(out['part']):,.0f} | {len(sizes)} | "
                f"{sizes.max()} | {float(out['seconds']):.1f} s |",
                flush=True,
            )


def main() -> None:
    """A table in Markdown."""
    parser = argparse.ArgumentParser(description="Mappings compared.")
    parser.add_argument("--neurons", type=int, nargs="*", default=[10_000])
    parser.add_argument("--networks", nargs="*", default=["sheet", "groups", "layers"])
    parser.add_argument("--peer", help="a Python that has pymetis and mtkahypar")
    args = parser.parse_args()
    print(
        "network | mapping | messages | cores | fullest | CPU | hops\n---|---|---|---|---|---|---"
    )
    for n in args.neurons:
        for name in args.networks:
            make = {"sheet": sheet, "groups": groups, "layers": layers}[name]
            measure(name, make(n, np.random.default_rng(0)), args.peer)


if __name__ == "__main__":
    main()
