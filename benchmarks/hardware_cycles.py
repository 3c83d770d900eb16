"""Clock cycles per step of the generated hardware, as the emulator counts them.

    python benchmarks/hardware_cycles.py

Dense networks first. Then rows with 10 % random targets among 256 neurons: cycles that a row takes
on average in steps of 10 to 100 spikes, beside the least that so many synapses could take,
``⌈F / P⌉``, and what lanes in lock step would take, each row as long as its fullest lane.
"""

from __future__ import annotations

import numpy as np

import spikeloom as sl
from spikeloom.hdl.cycles import HOST, OVERHEAD
from spikeloom.runtime.timing import Timing, row_entries

DENSE = (
    ("90 neurons, 64 inputs, 20 spikes in", (64, 90), 20, (8,)),
    ("256 neurons, 256 inputs, 26 spikes in", (256, 256), 26, (8, 32)),
    ("784-128-10, 100 spikes in", (784, 128, 10), 100, (8, 32)),
)
STEPS = 200


def dense(sizes: tuple[int, ...], spikes: int, lanes: int) -> int:
    """Cycles of a step of a dense feed-forward network in which nobody fires."""
    net = sl.Network(dt=1e-3)
    before = net.source("in", sizes[0])
    for number, size in enumerate(sizes[1:]):
        after = net.population(f"p{number}", size, sl.IF(v_threshold=1e6))
        net.connect(before, after, weights=np.ones((before.size, size)))
        before = after
    raster = np.zeros((1, sizes[0]), bool)
    raster[0, np.linspace(0, sizes[0] - 1, spikes).astype(int)] = True
    with sl.open("emulator", lanes=lanes) as device:
        device.load(sl.compile(net, quantization=sl.Quantization(scale=1)))
        return int(device.run(1, inputs={"in": raster}).cycles[0])


def sparse(spikes: int, lanes: int) -> tuple[float, float, float]:
    """Cycles per row: of the hardware, the least, and in lock step."""
    size = 256
    net = sl.Network(dt=1e-3)
    source = net.source("in", size)
    cells = net.population("cells", size, sl.IF(v_threshold=1e6))
    net.connect(source, cells, weights=1.0, connector=sl.FixedProbability(0.1, seed=1))
    program = sl.compile(net, quantization=sl.Quantization(scale=1))
    rng = np.random.default_rng(spikes)
    raster = np.zeros((STEPS, size), bool)
    for row in raster:
        row[rng.choice(size, spikes, replace=False)] = True
    with sl.open("emulator", lanes=lanes) as device:
        device.load(program)
        cycles = device.run(STEPS, inputs={"in": raster}).cycles
    fixed = HOST + OVERHEAD + Timing.of(program, lanes).groups
    entries = row_entries(program.cores[0], lanes)
    channel = np.nonzero(raster)[1]  # one row each, in the order of channels
    least, locked = -(-entries.sum(axis=1) // lanes), entries.max(axis=1)
    return (
        float((cycles - fixed).mean()) / spikes,
        float(least[channel].mean()),
        float(locked[channel].mean()),
    )


def main() -> None:
    """Two tables, in Markdown."""
    print("| case | P | cycles per step |\n|---|---|---|")
    for name, sizes, spikes, lanes in DENSE:
        for P in lanes:
            print(f"| {name} | {P} | {dense(sizes, spikes, P)} |")
    print("\n| spikes in a step | P | cycles per row | ⌈F / P⌉ | ratio | in lock step |")
    print("|---|---|---|---|---|---|")
    for P in (4, 8, 16, 32):
        for spikes in (10, 26, 50, 100):
            found, least, locked = sparse(spikes, P)
            print(
                f"| {spikes} | {P} | {found:.2f} | {least:.2f} | {found / least:.2f}"
                f" | {locked:.2f} |"
            )


if __name__ == "__main__":
    main()
