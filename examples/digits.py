"""Handwritten digits, described once, compiled to one artifact, run bit for bit alike everywhere.

scikit-learn's 1,797 images of 8x8 pixels, split by ``train_test_split(test_size=.33,
random_state=42)``: 1,203 for training, 594 for the test. A 64-96-10 network of rectified units is
trained off-chip (on the training images alone), turned into integrate-and-fire neurons with reset
by subtraction (Rueckauer et al. 2017, doi:10.3389/fnins.2017.00682), and compiled to 8-bit weights.
A pixel of intensity p (0 .. 16) becomes p spikes, evenly spread over 32 steps.

    python examples/digits.py                           on the emulator, all test images
    python examples/digits.py --device reference --images 50
    python examples/digits.py --json

Where the device counts the clock cycles of the generated hardware (the emulator does), they are
told, too, and beside them what NeuroCoreX takes for as many steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import spikeloom as sl

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DT = 1e-3
INPUT_STEPS = 32
HIDDEN = 96
STEPS = INPUT_STEPS + 8  # the last spikes need time to pass both layers
PIXEL_MAX = 16
CLOCK = 50e6  # Hz
NEUROCOREX_CYCLES = 96_000  # per step of its 90 neurons, whatever happens: measured


@dataclass(frozen=True)
class Data:
    """Images as (n, 64) intensities from 0 to 1, labels as (n,) integers."""

    train: NDArray[np.float64]
    train_labels: NDArray[np.int64]
    test: NDArray[np.float64]
    test_labels: NDArray[np.int64]


def load_data() -> Data:
    """The split that every figure of this example refers to."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / PIXEL_MAX, labels, test_size=0.33, random_state=42)
    train, test, train_labels, test_labels = (np.asarray(part) for part in parts)
    return Data(train, train_labels, test, test_labels)


def train_network(data: Data) -> sl.Network:
    """Train rectified units and describe them as integrate-and-fire neurons.

    Each layer's weights are scaled so that its 99.9th percentile of activity on the training
    images is one spike per step (data-based normalisation, Rueckauer et al. 2017, section 2.2.2).
    """
    model = MLPClassifier(
        (HIDDEN,), alpha=1e-3, learning_rate_init=3e-3, max_iter=400, random_state=0, tol=1e-3
    )
    model.fit(data.train, data.train_labels)
    (w_hidden, w_digits), (b_hidden, b_digits) = model.coefs_, model.intercepts_
    hidden_rate = np.maximum(data.train @ w_hidden + b_hidden, 0)
    digits_rate = np.maximum(hidden_rate @ w_digits + b_digits, 0)
    hidden_top, digits_top = np.percentile(hidden_rate, 99.9), np.percentile(digits_rate, 99.9)
    # A pixel of full intensity fires in every second step.
    pixel_top = INPUT_STEPS / PIXEL_MAX

    net = sl.Network(dt=DT, name="digits")
    pixels = net.source("pixels", data.train.shape[1])
    neuron = {"reset": "subtract", "v_threshold": 1.0}
    hidden = net.population(
        "hidden", HIDDEN, sl.IF(bias=b_hidden / hidden_top, v_init=0.5, **neuron)
    )
    digits = net.population("digits", 10, sl.IF(bias=b_digits / digits_top, v_init=0.5, **neuron))
    net.connect(pixels, hidden, weights=w_hidden * pixel_top / hidden_top, delay=0.0)
    net.connect(hidden, digits, weights=w_digits * hidden_top / digits_top)
    net.probe(pixels, "spikes")
    net.probe(hidden, "spikes")
    net.probe(digits, "spikes", "v")
    return net


def encode(image: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Spikes of one image, (INPUT_STEPS, 64): intensity p of 16 fires p times, evenly spread."""
    counts = np.rint(image * PIXEL_MAX).astype(int)
    ramp = np.arange(INPUT_STEPS + 1)[:, None] * counts // INPUT_STEPS
    return np.diff(ramp, axis=0) > 0


def classify(result: sl.Result) -> int:
    """The digit that fired most; among equals the one that is closest to firing again."""
    counts = np.bincount(result.spikes["digits"][:, 1], minlength=10)
    return int(np.argmax(counts + 1e-3 * np.tanh(result.states["digits"]["v"][-1])))


def evaluate(
    images: NDArray[np.float64],
    labels: NDArray[np.int64],
    run: Callable[[dict[str, NDArray[np.bool_]]], sl.Result],
) -> tuple[float, float, float | None]:
    """Accuracy, spikes of all layers per image, and clock cycles per image where they are known."""
    hits = spikes = cycles = 0
    counted = True
    progress = sys.stderr.isatty()
    start = time.monotonic()
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        raster = np.zeros((STEPS, image.size), dtype=bool)
        raster[:INPUT_STEPS] = encode(image)
        result = run({"pixels": raster})
        hits += classify(result) == label
        spikes += sum(len(events) for events in result.spikes.values())
        if result.clock_cycles is None:
            counted = False
        else:
            cycles += int(result.cycles.sum())
        if progress and time.monotonic() - start > 2:
            print(f"\r{number + 1} of {len(images)} images", end="", file=sys.stderr)
    if progress:
        print("\r\033[K", end="", file=sys.stderr)
    n = len(images)
    return hits / n, spikes / n, cycles / n if counted else None


def timing(cycles: float | None) -> dict[str, float]:
    """Clock cycles and time per image, beside NeuroCoreX's; nothing where they are not known."""
    if cycles is None:
        return {}
    neurocorex = STEPS * NEUROCOREX_CYCLES
    return {
        "cycles_per_image": cycles,
        "ms_per_image_at_50MHz": cycles / CLOCK * 1e3,
        "neurocorex_cycles_per_image": neurocorex,
        "neurocorex_ms_per_image_at_50MHz": neurocorex / CLOCK * 1e3,
    }


def plot(result: sl.Result, label: int, path: Path) -> None:
    """Raster of one image through all layers."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = {"pixels": 64, "hidden": HIDDEN, "digits": 10}
    figure, axes = plt.subplots(
        3, 1, sharex=True, figsize=(7, 6), height_ratios=[2, 3, 1], layout="constrained"
    )
    for axis, (name, size) in zip(axes, sizes.items(), strict=True):
        steps, index = result.spikes[name].T
        axis.scatter(steps, index, s=9, marker="|", color="black", linewidths=1)
        axis.set(ylabel=name, ylim=(-1, size), xlim=(-0.5, STEPS - 0.5))
    axes[2].set_yticks(range(10))
    axes[2].tick_params(axis="y", labelsize=7)
    axes[2].set_xlabel(f"step ({DT * 1e3:g} ms each)")
    figure.suptitle(f"An image of a {label}, classified as {classify(result)}")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Train, compile, run, and say how well it went."""
    parser = argparse.ArgumentParser(
        description="Classify handwritten digits on any device.",
        epilog="example: python examples/digits.py --device 'emulator?threads=2' --images 100",
    )
    parser.add_argument("--device", default="emulator", help="where to run (default: emulator)")
    parser.add_argument("--images", type=int, help="use only the first N test images")
    parser.add_argument("--weight-bits", type=int, default=8, help="width of a weight (default: 8)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, draw nothing")
    parser.add_argument("--plot", type=Path, default=Path("digits.png"), help="raster plot (PNG)")
    parser.add_argument("--save", type=Path, help="keep the compiled Program (.loom)")
    args = parser.parse_args()
    data = load_data()
    if args.images is not None and not 1 <= args.images <= len(data.test):
        parser.error(f"--images: found {args.images}, expected 1 to {len(data.test)}")
    images, labels = data.test[: args.images], data.test_labels[: args.images]

    net = train_network(data)
    target = sl.TARGETS["core"].with_(weight_bits=args.weight_bits)
    program = sl.compile(net, target=target)
    if args.save:
        program.save(args.save)
    accuracy_float, *_ = evaluate(images, labels, lambda i: sl.simulate(net, STEPS, i))
    with sl.open(args.device) as device:
        device.load(program)

        def run(inputs: dict[str, NDArray[np.bool_]]) -> sl.Result:
            device.reset()
            return device.run(STEPS, inputs)

        start = time.process_time()
        accuracy, spikes, cycles = evaluate(images, labels, run)
        seconds = time.process_time() - start
        if not args.json:
            raster = np.zeros((STEPS, 64), dtype=bool)
            raster[:INPUT_STEPS] = encode(images[0])
            plot(run({"pixels": raster}), int(labels[0]), args.plot)

    summary = {
        "device": args.device,
        "images": len(images),
        "accuracy": accuracy,
        "accuracy_float": accuracy_float,
        "spikes_per_image": spikes,
        "steps_per_image": STEPS,
        "weight_bits": args.weight_bits,
        "cpu_seconds_per_image": seconds / len(images),
        **timing(cycles),
        "program": program.content_hash,
    }
    if args.json:
        print(json.dumps(summary))
        return
    for key, value in summary.items():
        print(f"{key:32} {value:.4f}" if isinstance(value, float) else f"{key:32} {value}")
    print()
    from spikeloom.compiler.report import format_report

    print(format_report(program.report))
    print(f"\nraster plot of the first image: {args.plot}")


if __name__ == "__main__":
    main()
