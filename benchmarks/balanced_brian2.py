"""The balanced network in Brian2's C++ standalone mode, run by ``balanced.py --brian2``.

Runs in Brian2's own environment; talks JSON lines: one after building, then one for every line
that it reads. Building and compiling are not measured, nor is the program's set-up: the C++
program itself takes its CPU time around the network's run.

The drive is a Bernoulli draw per neuron and step in a ``run_regularly`` operation, the cheapest
way Brian2 has; ``--drive input`` uses a ``PoissonInput`` instead, as most users would.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import brian2 as b2  # pyright: ignore[reportMissingImports] - lives in its own environment
import numpy as np
from balanced_network import (
    DRIVE_PROBABILITY,
    DT,
    KEEP_U,
    KEEP_V,
    REFRACTORY_STEPS,
    THRESHOLD,
    W_DRIVE,
    synapses,
)

CLOCK = "std::clock()"  # CPU time of the process


def build(args: argparse.Namespace, folder: Path) -> tuple[b2.SpikeMonitor, np.ndarray]:
    """Describe, generate and compile; returns the monitor and each neuron's synapses."""
    b2.set_device("cpp_standalone", directory=str(folder), build_on_run=False)
    b2.defaultclock.dt = DT * b2.second
    tau_u, tau_v = DT / (1 - KEEP_U) * b2.second, DT / (1 - KEEP_V) * b2.second
    cells = b2.NeuronGroup(
        args.neurons,
        "dv/dt = -v/tau_v + u/dt : 1 (unless refractory)\ndu/dt = -u/tau_u : 1",
        threshold="v >= THRESHOLD",
        reset="v = 0",
        refractory=REFRACTORY_STEPS * DT * b2.second,
        method="euler",
        namespace={"tau_u": tau_u, "tau_v": tau_v, "THRESHOLD": THRESHOLD},
    )
    objects = [cells]
    if args.drive == "input":
        rate = DRIVE_PROBABILITY / DT * b2.Hz
        objects.append(b2.PoissonInput(cells, "u", 1, rate, weight=W_DRIVE))
    else:
        cells.run_regularly(f"u += {W_DRIVE} * int(rand() < {DRIVE_PROBABILITY})")
    pre, post, weight = synapses(args.neurons)
    # One delay for all is given at once: Brian2 then keeps a single number.
    same = {"delay": DT * b2.second} if args.delays == 1 else {}
    recurrent = b2.Synapses(cells, cells, "w : 1", on_pre="u_post += w", **same)
    recurrent.connect(i=pre, j=post)
    recurrent.w = weight
    if args.delays > 1:
        steps = np.random.default_rng(2).integers(1, args.delays + 1, len(pre))
        recurrent.delay = steps * DT * b2.second
    monitor = b2.SpikeMonitor(cells, record=False)
    network = b2.Network(*objects, recurrent, monitor)

    device = b2.get_device()
    device.insert_code("before_network_run", f"const double spent_before = {CLOCK};")
    device.insert_code(
        "after_network_run",
        'std::ofstream("results/cpu.txt") << '
        f"({CLOCK} - spent_before) / CLOCKS_PER_SEC << std::endl;",
    )
    network.run(args.steps * DT * b2.second)
    device.build(directory=str(folder), compile=True, run=False)
    return monitor, np.bincount(pre, minlength=args.neurons)


def measure(
    folder: Path, monitor: b2.SpikeMonitor, fan_out: np.ndarray, args: argparse.Namespace
) -> dict[str, float]:
    """One run of the compiled program."""
    device = b2.get_device()
    device.run(with_output=False)
    cpu = float((folder / "results" / "cpu.txt").read_text())
    count = np.asarray(monitor.count)
    events = float((count * fan_out).sum())
    drive = DRIVE_PROBABILITY * args.neurons * args.steps
    return {
        "recurrent": cpu / events * 1e9,
        "all": cpu / (events + drive) * 1e9,
        "wall": float(device._last_run_time) / events * 1e9,
        "rate": float(count.sum()) / args.neurons / (args.steps * DT),
    }


def main() -> None:
    """Build, then run once for every line read."""
    parser = argparse.ArgumentParser(description="The balanced network in Brian2.")
    parser.add_argument("--neurons", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--delays", type=int, default=1)
    parser.add_argument("--drive", choices=["rand", "input"], default="rand")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="balanced_brian2_"))
    try:
        before = time.perf_counter()
        monitor, fan_out = build(args, folder)
        print(json.dumps({"build_seconds": time.perf_counter() - before}), flush=True)
        for _ in sys.stdin:
            print(json.dumps(measure(folder, monitor, fan_out, args)), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
