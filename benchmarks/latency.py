"""Steps per CPU-second of the latency models, beside SANA-FE's, for the same chip and spikes.

    python benchmarks/latency.py
    python benchmarks/latency.py --sanafe .peers/sanafe/bin/python
    python benchmarks/latency.py --routing multicast

10,000 neurons on 127 cores of Loihi with 100 random synapses each, at 10 and 50 Hz in steps of
1 ms. Both get the spikes; what is measured is the timing of every step and the energy by cause, as
``sl.latency`` works them out, in a process of its own, without compiling and loading. SANA-FE's
modes: simple, detailed, cycle; it knows no multicast, which is the same chip with packets that
fork.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from peak_memory import peak_bytes
from support.sanafe import calibrated, random_program, with_numbers, write_case

import spikeloom as sl
from spikeloom.backends.chips.energy import CAUSES, count, joules
from spikeloom.backends.chips.metrics import Collector
from spikeloom.backends.chips.routes import Routes
from spikeloom.backends.chips.step_times import Activity, StepTimer
from spikeloom.chip_latency import NEURON_STEPS_AT_A_TIME, STEPS_AT_A_TIME

RATES = (10, 50)
PEER = Path(__file__).parent.parent / "tests" / "peers" / "sanafe_run.py"


def chip_of(neurons: int, routing: str = "unicast") -> sl.Chip:
    """Loihi with room for as many senders as random targets have."""
    room = {"core_axons": 1 << 16, "core_axons_out": 1 << 16}
    return replace(with_numbers(calibrated(-(-neurons // 127)), **room), routing=routing)


def spikes_of(neurons: int, rate: float, steps: int) -> np.ndarray:
    """(steps, neurons) booleans."""
    return np.random.default_rng(int(rate)).random((steps, neurons)) < rate * 1e-3


def measure(
    program: sl.Program, mode: str, each: bool, rate: float, routing: str, repeats: int
) -> dict:
    """Median steps per CPU-second, and the largest memory of the process."""
    chip = chip_of(program.neurons, routing)
    routes = Routes.of(program, chip)
    program_neurons = program.neurons
    del program
    steps = {10: 400, 50: 60}[int(rate)]
    step, neuron = np.nonzero(spikes_of(program_neurons, rate, steps))
    everything = Activity(steps, step, neuron)
    timer = StepTimer(routes, chip, mode)  # type: ignore[arg-type]
    look = each or not timer.can_skip_messages
    window = min(STEPS_AT_A_TIME, NEURON_STEPS_AT_A_TIME // program_neurons)
    found, seconds = [], 0.0
    for _ in range(repeats):
        began, seconds = time.process_time(), 0.0
        collector, counts = Collector(routes, each), np.zeros(len(CAUSES), np.int64)
        for start in range(0, steps, window):
            activity = everything.part(start, min(start + window, steps))
            counts += count(routes, activity).sum(axis=0)
            for low, high in timer.parts(activity, look):
                part = activity.part(low, high)
                if not look:
                    busy = timer.busy(part)
                    collector.add_busy(busy)
                    seconds += float(busy.duration.sum())
                    continue
                times = timer.run(part)
                collector.add(times, start + low, np.zeros(part.steps))
                seconds += float(times.duration.sum())
        joules(chip, counts)
        collector.receive(timer.work)
        found.append(steps / (time.process_time() - began))
    peak = peak_bytes()
    return {"speed": statistics.median(found), "bytes": peak, "seconds": seconds / steps}


def child(path: str, *what: str) -> dict:
    """As ``measure``, in a process of its own."""
    command = [sys.executable, __file__, "--child", path, *what]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=10_000)
    parser.add_argument("--sanafe", metavar="PYTHON", help="an interpreter that has sanafe")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--routing", choices=("unicast", "multicast"), default="unicast")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        path, mode, each, rate, routing = options.child
        program = sl.load(path)
        told = measure(program, mode, each == "each", float(rate), routing, options.repeats)
        print(json.dumps(told))
        return
    print(f"{'rate':>5}  {'model':<28}{'steps / CPU-s':>14}{'MB':>8}{'mean step':>12}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.loom")
        chip = chip_of(options.neurons)
        program = random_program(chip, options.neurons, 100, 1)
        program.save(path)
        for rate in RATES:
            for mode in ("simple", "loose", "queue", "flit"):
                for each in ("steps", "each"):
                    found = child(str(path), mode, each, str(rate), options.routing)
                    label = f"spikeloom {mode}, {'every spike' if each == 'each' else 'steps'}"
                    _print(rate, label, found)
            if options.sanafe:
                spikes = spikes_of(options.neurons, rate, {10: 10, 50: 3}[rate])
                arch, case = write_case(Path(folder), chip, program, spikes)
                out = Path(folder, "out.npz")
                for mode in ("simple", "detailed", "cycle"):
                    subprocess.run([options.sanafe, PEER, arch, case, out, mode], check=True)
                    with np.load(out) as theirs:
                        found = {
                            "speed": len(spikes) / float(theirs[f"{mode}.seconds"]),
                            "bytes": int(theirs["bytes"]),
                            "seconds": float(theirs[f"{mode}.sim_time"].mean())
                            - chip.table("time.barrier", 32),
                        }
                    _print(rate, f"SANA-FE {mode}", found)


def _print(rate: float, label: str, found: dict) -> None:
    print(
        f"{rate:>3} Hz  {label:<28}{found['speed']:>14,.1f}{found['bytes'] / 1e6:>8.0f}"
        f"{found['seconds'] * 1e6:>9.2f} µs",
        flush=True,
    )


if __name__ == "__main__":
    main()
