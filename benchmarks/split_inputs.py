"""What it costs when other neurons add up inputs, by chip, layer and delay; and that it is exact.

    python benchmarks/split_inputs.py

Layers are all to all with normal weights (mean 0.02, deviation 0.1, seed 0). Each is run for 120
steps, a tenth of the inputs firing in each, on the emulator as compiled for the chip and for a
target without its limits; spikes and v must be equal to the bit. Times are of the process.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import spikeloom as sl

LAYERS = ((100, 10), (784, 10), (784, 128), (3000, 20))
DELAYS = {"truenorth": (6, 8, 10, 15), "dynapse": (15, 30, 60)}
STEPS = 120


def layer(inputs: int, neurons: int, delay: int) -> sl.Network:
    """One layer; ``delay`` in steps."""
    net = sl.Network(dt=1e-3)
    source = net.source("source", inputs)
    cells = net.population("cells", neurons, sl.LIF(tau_mem=20e-3))
    weights = np.random.default_rng(0).normal(0.02, 0.1, (inputs, neurons))
    net.connect(source, cells, weights=weights, delay=delay * net.dt)
    net.probe(cells, "spikes", "v")
    return net


def measure(chip: str, inputs: int, neurons: int, delay: int) -> str:
    """One line of the table."""
    target = sl.load_chip(chip).target.with_(mesh=(64, 64))
    net = layer(inputs, neurons, delay)
    before = time.process_time()
    try:
        program = sl.compile(net, target)
    except sl.FitError as error:
        seconds = time.process_time() - before
        least = str(error).partition("delays of at least ")[2].partition(" steps")[0]
        return f"delays too short: {least or 'more than the chip has'}  ({seconds:.1f} s)"
    seconds = time.process_time() - before
    stimulus = {"source": np.random.default_rng(1).random((STEPS, inputs)) < 0.1}
    results = []
    for one in (sl.compile(net, target.with_(axons=1 << 24, fan_in=None, fan_out=None)), program):
        with sl.open("emulator") as device:
            device.load(one)
            results.append(device.run(STEPS, stimulus))
    plain, split = results
    same = np.array_equal(plain.spikes["cells"], split.spikes["cells"]) and np.array_equal(
        plain.states["cells"]["v"].raw, split.states["cells"]["v"].raw
    )
    sums = program.report.get("sums", {}).get("cells", dict.fromkeys(("levels", "neurons"), 0))
    more = int(program.synapses.sum()) - inputs * neurons
    return (
        f"{sums['levels']:>6}  {sums['neurons']:>7,}  {more:>10,}  {len(program.twins):>6,}  "
        f"{len(program.cores):>5}  {seconds:>7.1f}  {len(plain.spikes['cells']):>6,}  "
        f"{'equal' if same else 'DIFFERENT'}"
    )


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    print(f"{'chip':<10} {'layer':>10} {'delay':>5}  {'levels':>6}  {'neurons':>7}  ", end="")
    print(f"{'synapses':>10}  {'twins':>6}  {'cores':>5}  {'seconds':>7}  {'spikes':>6}  result")
    for chip, delays in DELAYS.items():
        for inputs, neurons in LAYERS:
            for delay in delays:
                print(f"{chip:<10} {f'{inputs}x{neurons}':>10} {delay:>5}  ", end="")
                print(measure(chip, inputs, neurons, delay), flush=True)


if __name__ == "__main__":
    main()
