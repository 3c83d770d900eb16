"""How far modes with contention are from each other, and from SANA-FE's cycle mode (Booksim).

    python benchmarks/contention.py
    python benchmarks/contention.py --sanafe .peers/sanafe/bin/python
    python benchmarks/contention.py --sanafe .peers/sanafe/bin/python --seed 7 --seed 8

Networks with 100 random synapses per neuron on 127 cores of Loihi; spikes drawn from the seed. Told
are the time of the whole run, and of the step that is furthest off, against Booksim's, without the
barrier; and how much longer Booksim takes than nobody waiting would. Without SANA-FE mode loose is
compared with mode queue: 4,000 neurons with 60 synapses each, drawn evenly, or a tenth of them onto
40 neurons, or clustered.
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
from scipy.sparse import csr_matrix
from support.sanafe import in_their_order, random_program, write_case

import spikeloom as sl
from spikeloom.backends.chips.routes import Routes
from spikeloom.backends.chips.step_times import Activity, StepTimer

CASES = ((2032, 20, 20), (2032, 80, 12), (10_000, 10, 12), (10_000, 50, 6))
"""Neurons, rate in Hz, steps of 1 ms."""
MODES = ("loose", "queue", "flit")
NEURONS, FAN, HOT = 4000, 60, 40
TRAFFIC = ("random", "hot", "clustered")
LOADS = ((10, 60), (50, 20), (100, 12))
"""Rate in Hz, steps."""


def main() -> None:
    """Print a line per case and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sanafe", metavar="PYTHON", help="an interpreter that has sanafe")
    parser.add_argument("--seed", type=int, action="append", help="several may be given")
    options = parser.parse_args()
    if options.sanafe is None:
        compare_modes()
        return
    print(f"{'seed':>4} {'neurons':>8} {'Hz':>4} {'waits':>6}", *(f"{m:>15}" for m in MODES))
    for seed in options.seed or (1, 2, 3):
        for neurons, rate, steps in CASES:
            print(*row(options.sanafe, neurons, rate, steps, seed), flush=True)


def compare_modes() -> None:
    """Mode loose beside queue, and how much longer queue takes than simple."""
    print("traffic      Hz  waits     run  steps  mean latency  99th percentile  waits at links")
    for kind in TRAFFIC:
        chip = chip_of(NEURONS)
        program = traffic(kind, chip)
        routes = Routes.of(program, chip)
        for rate, steps in LOADS:
            spikes = np.random.default_rng(rate).random((steps, program.neurons)) < rate * 1e-3
            step, neuron = np.nonzero(spikes)
            activity = Activity(steps, step, neuron)
            simple, loose, queue = (
                StepTimer(routes, chip, mode).run(activity) for mode in ("simple", "loose", "queue")
            )
            one, other = (run.done - run.fire[run.plan.spike] for run in (loose, queue))
            shares = (
                loose.duration.sum() / queue.duration.sum(),
                one.mean() / other.mean(),
                np.percentile(one, 99) / np.percentile(other, 99),
            )
            run, mean, high = (f"{100 * (share - 1):+.1f} %" for share in shares)
            worst = f"{100 * np.abs(loose.duration / queue.duration - 1).max():.0f} %"
            waits = queue.duration.sum() / simple.duration.sum()
            links = f"{loose.waited.sum() / queue.waited.sum():.1f} times"
            told = f"{kind:<10} {rate:>4} {waits:>6.2f} {run:>7} {worst:>6}"
            print(told, f"{mean:>13} {high:>16} {links:>15}", flush=True)


def traffic(kind: str, chip: sl.Chip) -> sl.Program:
    """A network with that kind of traffic."""
    rng = np.random.default_rng(3)
    pre = np.repeat(np.arange(NEURONS), FAN)
    post = rng.integers(0, NEURONS, len(pre))
    if kind == "hot":
        post = np.where(rng.random(len(pre)) < 0.1, rng.integers(0, HOT, len(pre)), post)
    elif kind == "clustered":
        post = (pre + np.rint(rng.normal(0, NEURONS / 30, len(pre))).astype(int)) % NEURONS
    pairs = np.unique(pre * NEURONS + post)
    weights = (np.full(len(pairs), 0.25), np.divmod(pairs, NEURONS))
    net = sl.Network(dt=1e-3)
    cells = net.population("cells", NEURONS, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(cells, cells, weights=csr_matrix(weights, (NEURONS, NEURONS)))
    return sl.compile(net, chip.target)


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
