"""Wall time of a whole ``spikeloom run``: 1,000 neurons, 1,000 steps, a fresh process each.

Usage: ``python benchmarks/startup.py [repetitions]``. Also tells what ``import spikeloom`` costs
and what one ``Device.run`` of one step costs in a process that is already up.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import spikeloom as sl

NEURONS, STEPS, FAN_OUT, RATE = 1000, 1000, 100, 20.0


def build(folder: Path) -> Path:
    """A recurrent network of 1,000 neurons with 100 synapses each, compiled to a file."""
    rng = np.random.default_rng(1)
    net = sl.Network(dt=1e-3)
    noise = net.source("noise", NEURONS, sl.Poisson(rate=RATE, seed=1))
    host = net.source("host", 100)
    exc = net.population("exc", NEURONS, sl.LIF(tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0))
    net.connect(noise, exc, weights=0.8, connector=sl.OneToOne())
    net.connect(host, exc, weights=0.05, connector=sl.FixedProbability(0.1, seed=2))
    pre = np.repeat(np.arange(NEURONS), FAN_OUT)
    post = rng.integers(0, NEURONS, NEURONS * FAN_OUT)
    weight = rng.normal(0.0, 0.01, NEURONS * FAN_OUT)
    net.connect(exc, exc, weights=sl.Synapses(pre, post, weight), delay=2e-3)
    net.probe(exc, "spikes")
    path = folder / "net.loom"
    sl.compile(net, target="emulator").save(path)
    np.savez(folder / "in.npz", host=rng.random((STEPS, 100)) < RATE * 1e-3)
    return path


def wall(command: list[str], repetitions: int) -> list[float]:
    """Sorted wall times of a command in seconds."""
    times = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return sorted(times)


def per_run(path: Path, repetitions: int = 2000) -> float:
    """Seconds per ``Device.run`` of one step."""
    with sl.open("emulator") as device:
        device.load(path)
        inputs = {"host": np.array([[0, 3]])}
        begun = time.perf_counter()
        for _ in range(repetitions):
            device.run(1, inputs)
        return (time.perf_counter() - begun) / repetitions


def main() -> None:
    """Measure and print."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        path = build(Path(name))
        run = [sys.executable, "-m", "spikeloom", "run", str(path), "--inputs", f"{name}/in.npz"]
        for what, command in (
            ("python -c pass", [sys.executable, "-c", "pass"]),
            ("import numpy", [sys.executable, "-c", "import numpy"]),
            ("import spikeloom", [sys.executable, "-c", "import spikeloom"]),
            ("spikeloom run, 1,000 neurons, 1,000 steps", [*run, "-o", f"{name}/out.npz"]),
        ):
            times = wall(command, repetitions)
            print(f"{what}: {times[len(times) // 2]:.3f} s median, {times[0]:.3f} s best")
        print(f"Device.run of one step: {per_run(path) * 1e6:.0f} us")


if __name__ == "__main__":
    main()
