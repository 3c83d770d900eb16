"""Clock cycles of the generated hardware that its compiled simulation computes per CPU second.

    python benchmarks/hardware_simulation.py [--neurons 256] [--lanes 8] [--repeats 5]

A recurrent network with 10 % random targets is driven by a tenth of its inputs in every step. The
core itself runs, without a link; spikes are recorded, so that runs go through many steps in one
call. The first load of a geometry compiles it, which is told apart.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

import spikeloom as sl

STEPS = 2000


def network(size: int) -> sl.Network:
    """As many inputs as neurons; rows of about a tenth of the neurons."""
    net = sl.Network(dt=1e-3)
    source = net.source("in", size)
    cells = net.population("cells", size, sl.LIF(tau_mem=20e-3, v_threshold=20.0))
    net.connect(source, cells, weights=1.0, connector=sl.FixedProbability(0.1, seed=1))
    net.connect(cells, cells, weights=-1.0, connector=sl.FixedProbability(0.1, seed=2))
    net.probe(cells, "spikes")
    return net


def main() -> None:
    """Print seconds of the first load, then millions of cycles per second: median and range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=256)
    parser.add_argument("--lanes", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    program = sl.compile(network(given.neurons))
    raster = np.random.default_rng(1).random((STEPS, given.neurons)) < 0.1
    with sl.open("rtl", simulator="compiled", lanes=given.lanes) as device:
        start = time.perf_counter()
        device.load(program)
        print(f"load {time.perf_counter() - start:.1f} s", flush=True)
        speeds, results = [], []
        for _ in range(given.repeats):
            start = time.process_time()
            result = device.run(STEPS, inputs={"in": raster})
            results.append(result)
            seconds = time.process_time() - start
            speeds.append(float(result.cycles.sum()) / seconds / 1e6)
    result = results[-1]
    spikes = len(result.spikes["cells"])
    print(
        f"{statistics.median(speeds):.2f} million cycles per CPU second"
        f" ({min(speeds):.2f} to {max(speeds):.2f});"
        f" {float(result.cycles.mean()):.0f} cycles and {spikes / STEPS:.1f} spikes per step"
    )


if __name__ == "__main__":
    main()
