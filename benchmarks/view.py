"""What a live view costs: steps per second, with and without a page that asks for news.

Usage: ``python benchmarks/view.py [seconds]``. A source of 1,000 neurons at 10 Hz, so 10,000 spikes
per second of the network. The page is a process of its own that asks as a browser does, one
question after the other; nothing draws, so that the figures are those of the view.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time

import numpy as np

import spikeloom as sl

PAGE = """
import json, sys, time
from urllib.request import urlopen
epoch = after = -1
while True:
    with urlopen(f"{sys.argv[1]}news?page=bench&epoch={epoch}&after={after}") as answer:
        news = json.load(answer)
    epoch, after = news["epoch"], news["number"]
    if news["state"] == "ended":
        break
    time.sleep(1 / 60)
"""


def program() -> sl.Program:
    """A busy source and a few cells."""
    net = sl.Network(dt=1e-3, seed=1)
    busy = net.source("busy", 1000, sl.Poisson(10.0, seed=1))
    cells = net.population("cells", 10, sl.LIF(tau_mem=20e-3))
    net.connect(busy, cells, weights=np.full((1000, 10), 0.001))
    net.probe(busy)
    net.probe(cells)
    return sl.compile(net)


def alone(net: sl.Program, seconds: float) -> float:
    """Steps per CPU second of a stream that nobody looks at."""
    with sl.open("emulator") as device:
        device.load(net)
        steps, begun = 0, time.process_time()
        while time.process_time() - begun < seconds:
            for window in device.stream(4096, every=2048):
                steps += window.steps
        return steps / (time.process_time() - begun)


def viewed(net: sl.Program, speed: float, pages: int, seconds: float) -> dict[str, float]:
    """Steps per second, per CPU second, and the share of a CPU that the view takes."""
    with sl.view(net, speed=speed, start=True) as live:
        command = [sys.executable, "-c", PAGE, live.url]
        readers = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(pages)]
        time.sleep(1.0)
        first = live._runner._device.step
        wall, cpu = time.perf_counter(), time.process_time()
        time.sleep(seconds)
        steps = live._runner._device.step - first
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for reader in readers:
        reader.wait(20)
    return {"steps per s": steps / wall, "steps per CPU s": steps / cpu, "CPU": cpu / wall}


def main() -> None:
    """Print one JSON object per case."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    net = program()
    print(json.dumps({"stream alone, steps per CPU s": round(alone(net, seconds))}))
    for speed in (1000.0, math.inf):
        for pages in (0, 1):
            told = viewed(net, speed, pages, seconds)
            rounded = {name: float(f"{value:.3g}") for name, value in told.items()}
            print(json.dumps({"speed": str(speed), "pages": pages, **rounded}))


if __name__ == "__main__":
    main()
