"""CPU time of learning: 784 inputs, all to all onto 400 neurons, nearest-neighbour pair STDP.

    python benchmarks/plastic.py
    python benchmarks/plastic.py --images 100 --runs 7 --devices "C, 1 thread" "C, 2 threads"

100 images of 350 steps of 1 ms, each a few blurred strokes, drawn here; pixels fire with Poisson
statistics at up to 63.75 Hz. The input is made beforehand and sent by the host. The neurons'
adaptive thresholds hold their rates at a few Hz. "learning off" delivers the same input through the
same memory without changing it; "static" is the same network without a rule.

CPU time is that of the whole process (``time.process_time``) during ``run``, the median of several
runs from the same state; drawing, compiling and loading are excluded. Every synapse of a due row or
column counts as one update, whether or not it changes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import spikeloom as sl
from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.runtime.backend import Events, Record

INPUTS, NEURONS, STEPS, DT = 784, 400, 350, 1e-3
TOP_RATE = 63.75
DEVICES: dict[str, dict[str, Any]] = {
    "C, 1 thread": {"kernel": "c", "threads": 1},
    "C, 2 threads": {"kernel": "c", "threads": 2},
    "NumPy": {"kernel": "numpy"},
}
RULES = {
    "nearest": lambda: sl.STDP(w_max=1.0, a_plus=0.02, a_minus=0.012, pairing="nearest"),
    "all": lambda: sl.STDP(w_max=1.0, a_plus=0.02, a_minus=0.012),
    "multiplicative": lambda: sl.STDP(
        w_max=1.0, a_plus=0.04, a_minus=0.012, dependence="multiplicative"
    ),
    "triplet": lambda: sl.TripletSTDP(w_max=1.0, a2_minus=0.007, a3_plus=0.02),
}


def draw(images: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Steps and inputs of all spikes: strokes through four random points, a new one per image."""
    rng = np.random.default_rng(7)
    row, column = np.mgrid[0:28, 0:28]
    steps, inputs = [], []
    for number in range(images):
        image = np.zeros((28, 28))
        corners = rng.uniform(8, 20, (4, 2))
        for start, end in pairwise(corners):
            for part in np.linspace(0, 1, 12):
                y, x = start + (end - start) * part
                blot = np.exp(-((row - y) ** 2 + (column - x) ** 2) / 6)
                image = np.maximum(image, blot)
        fires = rng.random((STEPS, INPUTS)) < image.ravel() * TOP_RATE * DT
        step, pixel = np.nonzero(fires)
        steps.append(step + number * STEPS)
        inputs.append(pixel)
    return np.concatenate(steps), np.concatenate(inputs).astype(np.int32)


def compile_network(rule: str | None, spread: float) -> sl.Program:
    """The network as users write it; weights of every value between 0 and 0.4."""
    net = sl.Network(dt=DT, seed=3, name="plastic")
    pixels = net.source("pixels", INPUTS)
    threshold = 12.0 * np.random.default_rng(4).uniform(1 - spread, 1 + spread, NEURONS)
    cells = net.population(
        "cells",
        NEURONS,
        sl.LIF(
            tau_mem=100e-3,
            v_threshold=threshold,
            refractory=5e-3,
            threshold_step=10.0,
            tau_threshold=2.0,
        ),
    )
    weights = np.random.default_rng(3).uniform(0, 0.4, (INPUTS, NEURONS))
    learning = None if rule is None else RULES[rule]()
    net.connect(pixels, cells, weights=weights, learning=learning)
    return sl.compile(net, target="emulator")


class Runner:
    """One device with one Program; ``measure`` may be called again and again."""

    def __init__(self, program: sl.Program, options: dict[str, Any], on: bool) -> None:
        self._device = EmulatorBackend(**options)
        before = time.perf_counter()
        self._device.load(program)
        self.load_seconds = time.perf_counter() - before
        self._device.set_learning(on)
        self._state, self._weights = self._device.read_state(), self._device.read_weights()
        self._record = Record(np.zeros(program.neurons, bool), np.zeros(program.channels, bool))

    def measure(self, steps: int, events: Events) -> tuple[float, float, float]:
        """CPU seconds of one run, the neurons' rate, and the mean change of a mantissa."""
        self._device.write_weights(self._weights)
        self._device.write_state(self._state)
        before = time.process_time()
        self._device.run(steps, events, self._record)
        seconds = time.process_time() - before
        spikes = self._device.read_state().spikes - self._state.spikes
        changed = [
            np.abs(new.dense.astype(int) - old.dense).sum()
            + np.abs(new.sparse.astype(int) - old.sparse).sum()
            for new, old in zip(self._device.read_weights(), self._weights, strict=True)
        ]
        return seconds, spikes / NEURONS / (steps * DT), sum(changed) / (INPUTS * NEURONS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rules", nargs="+", default=["nearest"], choices=list(RULES))
    parser.add_argument("--devices", nargs="+", default=list(DEVICES)[:2], choices=list(DEVICES))
    args = parser.parse_args()
    step, pixel = draw(args.images)
    none = Events.none()
    events = Events(step, pixel, none.graded_step, none.graded_neuron, none.graded_value)
    steps = args.images * STEPS
    print(f"{steps} steps, {len(step)} input spikes, {len(step) * NEURONS:.3g} synaptic events")
    programs = {rule: compile_network(rule, 0.3) for rule in [*args.rules, None]}
    cases = [(f"{rule}", rule, True) for rule in args.rules]
    cases += [("learning off", args.rules[0], False), ("static", None, False)]
    runners = {
        (name, device): Runner(programs[rule], DEVICES[device], on)
        for name, rule, on in cases
        for device in args.devices
    }
    found: dict[Any, list[tuple[float, float, float]]] = {key: [] for key in runners}
    for _ in range(args.runs):  # taking turns, so that a busy moment meets them all
        for key, runner in runners.items():
            found[key].append(runner.measure(steps, events))
    for (name, device), runs in found.items():
        seconds = statistics.median(run[0] for run in runs)
        _, rate, change = runs[0]
        updates = (len(step) * NEURONS + rate * NEURONS * steps * DT * INPUTS) if change else 0
        per_update = f"{seconds / updates * 1e9:6.3f} ns/update" if updates else ""
        print(
            f"{name:15s} {device:13s} {seconds:7.3f} s CPU (least "
            f"{min(run[0] for run in runs):.3f})  {rate:5.2f} Hz  mean change {change:5.2f}  "
            f"load {runners[name, device].load_seconds:.2f} s  {per_update}"
        )


if __name__ == "__main__":
    main()
