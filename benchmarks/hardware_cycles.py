"""Clock cycles per step of the generated hardware, as the emulator counts them.

    python benchmarks/hardware_cycles.py

Dense networks first. Then rows with 10 % random targets among 256 neurons: cycles that a row takes
on average in steps of 10 to 100 spikes, beside ``⌈F / P⌉``, what so many synapses take that are
dealt evenly to the lanes, and what lanes in lock step would take, each row as long as its fullest
lane; and all of it also with the neurons in the order of their numbers instead of the one that the
compiler finds (``compiler/slots.py``). At last dense networks with pair STDP, in a step in which as
many neurons fire as inputs do, beside the same network without learning.
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
LEARNING = (
    ("256 inputs, 256 neurons, 26 spikes in, 26 out", 256, 26, (8, 32)),
    ("1,024 inputs, 1,024 neurons, 20 spikes in, 20 out", 1024, 20, (16,)),
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


def sparse(spikes: int, lanes: int, *, dealt: bool = True) -> tuple[float, float, float]:
    """Cycles per row: of the hardware, the least, and in lock step."""
    size = 256
    net = sl.Network(dt=1e-3)
    source = net.source("in", size)
    cells = net.population("cells", size, sl.IF(v_threshold=1e6))
    net.connect(source, cells, weights=1.0, connector=sl.FixedProbability(0.1, seed=1))
    target = sl.Target(lanes=lanes if dealt else 1)  # for one lane nothing is dealt
    program = sl.compile(net, target, sl.Quantization(scale=1))
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


def learning(size: int, spikes: int, lanes: int) -> tuple[int, int]:
    """Cycles of a step with so many spikes in and out: with pair STDP, and without."""
    found = []
    for rule in (sl.STDP(w_max=1.0), None):
        net = sl.Network(dt=1e-3)
        source = net.source("in", size)
        drive = net.source("drive", size)
        cells = net.population("cells", size, sl.IF(v_threshold=1e3))
        net.connect(source, cells, weights=np.full((size, size), 0.5), learning=rule)
        net.connect(drive, cells, weights=2e3, connector=sl.OneToOne())
        program = sl.compile(net, "emulator", quantization=sl.Quantization(scale=64))
        rasters = {name: np.zeros((2, size), bool) for name in ("in", "drive")}
        some = np.linspace(0, size - 1, spikes).astype(int)
        rasters["in"][1, some] = True
        with sl.open("emulator", lanes=lanes) as device:
            device.load(program)
            quiet = int(device.run(2, inputs=rasters).cycles[1])
            device.reset()
            rasters["drive"][0, some] = True  # which arrives in the next step
            both = device.run(2, inputs=rasters)
            assert device.backend.read_state().spikes == spikes
        # The drive's own synapses are not what is compared.
        found.append(int(both.cycles[1]) if rule else quiet)
    return found[0], found[1]


def main() -> None:
    """Three tables, in Markdown."""
    print("| case | P | cycles per step |\n|---|---|---|")
    for name, sizes, spikes, lanes in DENSE:
        for P in lanes:
            print(f"| {name} | {P} | {dense(sizes, spikes, P)} |")
    print("\n| spikes in a step | P | cycles per row | ⌈F / P⌉ | ratio | in lock step |", end="")
    print(" not dealt: cycles | ratio | in lock step |\n|---|---|---|---|---|---|---|---|---|")
    for P in (4, 8, 16, 32):
        for spikes in (10, 26, 50, 100):
            found, least, locked = sparse(spikes, P)
            plain, _, plain_locked = sparse(spikes, P, dealt=False)
            print(
                f"| {spikes} | {P} | {found:.2f} | {least:.2f} | {found / least:.2f}"
                f" | {locked:.2f} | {plain:.2f} | {plain / least:.2f} | {plain_locked:.2f} |"
            )
    print("\n| case | P | cycles with pair STDP | without | ratio |\n|---|---|---|---|---|")
    for name, size, spikes, lanes in LEARNING:
        for P in lanes:
            learns, static = learning(size, spikes, P)
            print(f"| {name} | {P} | {learns} | {static} | {learns / static:.2f} |")


if __name__ == "__main__":
    main()
