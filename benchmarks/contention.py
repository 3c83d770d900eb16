"""How far each mode with contention is from Booksim, as SANA-FE's cycle mode runs it.

    python benchmarks/contention.py --sanafe .peers/sanafe/bin/python
    python benchmarks/contention.py --sanafe .peers/sanafe/bin/python --seed 7 --seed 8

Networks with 100 random synapses per neuron on 127 cores of Loihi; spikes drawn from the seed. Told
are the time of the whole run, and of the step that is furthest off, against Booksim's, without the
barrier; and how much longer Booksim takes than nobody waiting would.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from latency import PEER, chip_of
from support.sanafe import in_their_order, random_program, write_case

from spikeloom.backends.chips.routes import Routes
from spikeloom.backends.chips.step_times import Activity, StepTimer

CASES = ((2032, 20, 20), (2032, 80, 12), (10_000, 10, 12), (10_000, 50, 6))
"""Neurons, rate in Hz, steps of 1 ms."""
MODES = ("loose", "queue", "flit")


def main() -> None:
    """Print a line per case and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sanafe", metavar="PYTHON", required=True)
    parser.add_argument("--seed", type=int, action="append", help="several may be given")
    options = parser.parse_args()
    print(f"{'seed':>4} {'neurons':>8} {'Hz':>4} {'waits':>6}", *(f"{m:>15}" for m in MODES))
    for seed in options.seed or (1, 2, 3):
        for neurons, rate, steps in CASES:
            print(*row(options.sanafe, neurons, rate, steps, seed), flush=True)


def row(python: str, neurons: int, rate: int, steps: int, seed: int) -> list[str]:
    """One case."""
    chip = chip_of(neurons)
    program = random_program(chip, neurons, 100, seed)
    spikes = np.random.default_rng(seed).random((steps, program.neurons)) < rate * 1e-3
    with tempfile.TemporaryDirectory() as folder:
        arch, case = write_case(Path(folder), chip, program, spikes)
        out = Path(folder, "out.npz")
        command = [python, PEER, arch, case, out, "simple,cycle"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with np.load(out) as found:
            free, theirs = (found[f"{mode}.sim_time"] for mode in ("simple", "cycle"))
    routes = in_their_order(Routes.of(program, chip))
    barrier = chip.table("time.barrier", routes.tiles_in_use)
    free, theirs = free - barrier, theirs - barrier
    step, neuron = np.nonzero(spikes)
    activity = Activity(steps, step, neuron, spikes)
    told = [f"{seed:>4}", f"{neurons:>8}", f"{rate:>4}", f"{theirs.sum() / free.sum():>6.2f}"]
    for mode in MODES:
        ours = StepTimer(routes, chip, mode).run(activity).duration
        whole, worst = ours.sum() / theirs.sum() - 1, np.abs(ours / theirs - 1).max()
        told.append(f"{100 * whole:+6.1f} {100 * worst:4.0f} %".rjust(15))
    return told


if __name__ == "__main__":
    main()
