"""Nanoseconds per delivered synaptic event of the emulator, alone or beside Brian2.

    python benchmarks/balanced.py                                  # 1,000, 10,000, 100,000 neurons
    python benchmarks/balanced.py --neurons 10000 --delays 16      # delays of 1 to 16 steps
    python benchmarks/balanced.py --brian2 /path/to/brian2/python  # side by side, interleaved

CPU time is that of the whole process (``time.process_time``: all threads, user and system) during
``run``. "ns/recurrent" divides it by the events of recurrent synapses alone, so the neurons'
update and the random drive are part of their price; "ns/event" divides it by all synaptic
events, those of the drive's one synapse per neuron included. "wall" is ns of wall clock per
recurrent event. Loading and compiling are excluded and given on their own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

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
from peak_memory import peak_bytes

import spikeloom as sl
from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.runtime.backend import Events, Record

DEVICES: dict[str, dict[str, Any]] = {
    "C, 1 thread": {"kernel": "c", "threads": 1, "cycles": "off"},
    "C, 2 threads": {"kernel": "c", "threads": 2, "cycles": "off"},
    "C, counting": {"kernel": "c", "threads": 1},
    "NumPy": {"kernel": "numpy", "cycles": "off"},
}
WARM_UP = 200
"""Steps before measuring: the rates have settled by then."""


def compile_network(neurons: int, delays: int) -> sl.Program:
    """The network as users write it, with delays of 1 … ``delays`` steps."""
    net = sl.Network(dt=DT, seed=3, name="balanced")
    noise = net.source("noise", neurons, sl.Poisson(rate=DRIVE_PROBABILITY / DT, seed=7))
    cells = net.population(
        "cells",
        neurons,
        sl.LIF(
            tau_mem=-DT / np.log(KEEP_V),
            tau_syn=-DT / np.log(KEEP_U),
            v_threshold=THRESHOLD - 1,  # the machine fires above the threshold
            refractory=REFRACTORY_STEPS * DT,
        ),
    )
    pre, post, weight = synapses(neurons)
    steps = np.random.default_rng(2).integers(1, delays + 1, len(pre))
    net.connect(noise, cells, weights=W_DRIVE, delay=0.0, connector=sl.OneToOne())
    net.connect(cells, cells, weights=sl.Synapses(pre, post, weight, steps * DT))
    return sl.compile(net, target="emulator", quantization=sl.Quantization(scale=1.0))


class Runner:
    """One device with the network loaded; ``measure`` may be called again and again."""

    def __init__(self, program: sl.Program, steps: int, options: dict[str, Any]) -> None:
        self._device = EmulatorBackend(**options)
        before = time.perf_counter()
        self._device.load(program)
        self.load_seconds = time.perf_counter() - before
        self._neurons, self._steps = program.neurons, steps
        self._record = Record(np.zeros(program.neurons, bool), np.zeros(program.channels, bool))
        self._device.run(WARM_UP, Events.none(), self._record)
        # Each channel has one synapse, so recording the channels counts the drive's events.
        self._drive = Record(np.zeros(program.neurons, bool), np.ones(program.channels, bool))

    @property
    def bytes_per_synapse(self) -> float:
        """Memory for synapses and their index, the drive's own included."""
        facts = self._device.describe()
        return facts["synapse_bytes"] / facts["synapses"]

    def measure(self) -> dict[str, float]:
        """One run."""
        first = self._device.read_state()
        cpu, wall = time.process_time(), time.perf_counter()
        self._device.run(self._steps, Events.none(), self._record)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        last = self._device.read_state()
        self._device.write_state(first)  # the same steps once more, now counting the drive
        drive = len(self._device.run(self._steps, Events.none(), self._drive).channel)
        events = last.synaptic_events - first.synaptic_events
        return {
            "recurrent": cpu / (events - drive) * 1e9,
            "all": cpu / events * 1e9,
            "wall": wall / (events - drive) * 1e9,
            "rate": (last.spikes - first.spikes) / self._neurons / (self._steps * DT),
        }


class Brian2:
    """Brian2 in its own process, built once; same interface."""

    def __init__(self, args: argparse.Namespace, neurons: int, steps: int) -> None:
        script = Path(__file__).with_name("balanced_brian2.py")
        self._process = subprocess.Popen(
            [
                args.brian2,
                str(script),
                f"--neurons={neurons}",
                f"--steps={steps}",
                f"--delays={args.delays}",
                f"--drive={args.brian2_drive}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.load_seconds = float(self._answer()["build_seconds"])

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("balanced_brian2.py ended early; its message is above")
        return json.loads(line)

    def measure(self) -> dict[str, float]:
        """One run of the compiled model."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return self._answer()


def compare(neurons: int, args: argparse.Namespace) -> None:
    """Measure all devices on one size, in turn, and print medians."""
    steps = args.steps or max(200, 10_000_000 // neurons)
    before = time.perf_counter()
    program = compile_network(neurons, args.delays)
    print(
        f"\n{neurons:,} neurons, {100 * neurons:,} recurrent synapses, delays 1 to {args.delays},"
        f" {steps} steps, median of {args.runs};"
        f" described and compiled in {time.perf_counter() - before:.1f} s"
    )
    runners: dict[str, Runner | Brian2] = {}
    for name in args.devices:
        length = max(100, steps // 10) if name == "NumPy" else steps
        runners[name] = Runner(program, length, DEVICES[name])
    if args.brian2:
        runners["Brian2"] = Brian2(args, neurons, steps)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runners}
    for _ in range(args.runs):
        for name, runner in runners.items():
            found[name].append(runner.measure())
    print(" " * 16 + "ns/recurrent  ns/event    wall     Hz  B/synapse  load s")
    medians = {}
    for name, runner in runners.items():
        m = {key: statistics.median(one[key] for one in found[name]) for key in found[name][0]}
        medians[name] = m["recurrent"]
        size = "" if isinstance(runner, Brian2) else f"{runner.bytes_per_synapse:.2f}"
        print(
            f"{name:14}{m['recurrent']:14.2f}{m['all']:10.2f}{m['wall']:8.2f}{m['rate']:7.1f}"
            f"{size:>11}{runner.load_seconds:8.2f}"
        )
    if args.brian2 and "C, 1 thread" in medians:
        ratio = medians["Brian2"] / medians["C, 1 thread"]
        print(f"Brian2 needs {ratio:.1f} times the CPU time of the emulator's one thread")


def main() -> None:
    """Print one table per size."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--neurons", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument(
        "--steps", type=int, help="default: ten million neuron updates, at least 200"
    )
    parser.add_argument("--delays", type=int, default=1, help="largest delay in steps (default 1)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--devices", nargs="*", choices=list(DEVICES), default=list(DEVICES))
    parser.add_argument("--brian2", metavar="PYTHON", help="a Python that can import brian2")
    parser.add_argument("--brian2-drive", choices=["rand", "input"], default="rand")
    args = parser.parse_args()
    for neurons in args.neurons:
        compare(neurons, args)
    print(f"\npeak memory of this process {peak_bytes() / (1 << 20):.0f} MB")


if __name__ == "__main__":
    main()
