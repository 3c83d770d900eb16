"""Handwritten digits, learned on the chip with a teacher: 64 pixels, 10 neurons, one rule.

The rule is the delta rule with spikes: a teacher's spike adds a share of the presynaptic trace to
the weights of the neuron that it is for, the neuron's own spike takes as much away. So each neuron
learns to fire as often as its teacher does: in every step of an image of its digit, else never.
The modulator is the learning rate, which the host lowers from epoch to epoch. Weights start at 0
and are rounded stochastically: most changes are smaller than the step of a weight.

    python examples/digits_supervised.py                  five seeds on the emulator
    python examples/digits_supervised.py --split ordered --weight-bits 6
    python examples/digits_supervised.py --rounding nearest --json

The hyper-parameters below were chosen with ``--validate``, which looks at the training part only.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from digits_learning import (
    CLASSES,
    IMAGE_STEPS,
    PIXELS,
    Data,
    add_arguments,
    counts_of,
    load,
    spikes_of,
)
from reporting import over_seeds, report

import spikeloom as sl

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DT = 1e-3
PAUSE = 8
PERIOD = IMAGE_STEPS + PAUSE
TAU_MEMBRANE, TAU_TRACE = 7e-3, 6e-3
W_MAX = 0.4  # of a threshold of 1
ETA = 1.4e-3
FALL = 0.02  # of the learning rate over all epochs
EPOCHS = 12
FULL = 127  # modulator


def network(eta: float, rounding: Any, seed: int) -> sl.Network:
    """64 pixels onto 10 neurons, all plastic."""
    net = sl.Network(dt=DT, name="digits, supervised", seed=seed)
    pixels = net.source("pixels", PIXELS)
    digits = net.population(
        "digits", CLASSES, sl.LIF(tau_mem=TAU_MEMBRANE, v_threshold=1.0, reset="subtract")
    )
    rule = sl.Rule(
        dw=f"{eta / FULL}*m*x1*t0 - {eta / FULL}*m*x1*y0",
        traces={"x1": sl.Trace(TAU_TRACE)},
        w_min=-W_MAX,
        w_max=W_MAX,
        rounding=rounding,
        seed=seed,
    )
    net.connect(pixels, digits, weights=np.zeros((PIXELS, CLASSES)), delay=0.0, learning=rule)
    net.probe(digits, "spikes", "v")
    return net


def teacher_of(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, 2) teacher events: in every step of an image its digit's neuron should fire."""
    steps = np.arange(len(labels))[:, None] * PERIOD + np.arange(IMAGE_STEPS)
    return np.stack([steps.ravel(), np.repeat(labels, IMAGE_STEPS)], axis=1)


def accuracy(device: sl.Device, images: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Share of images whose digit's neuron fires most, or is closest to firing among equals."""
    device.learning = False
    result = device.run(len(images) * PERIOD, {"pixels": spikes_of(images, PAUSE)})
    device.learning = True
    v = result.states["digits"]["v"][IMAGE_STEPS - 1 :: PERIOD]
    score = counts_of(result, "digits", len(images)) + 1e-3 * np.tanh(v)
    return float((np.argmax(score, axis=1) == labels).mean())


def learn(
    device: sl.Device, data: Data, epochs: int, seed: int, history: bool
) -> tuple[list[float], list[float]]:
    """Accuracy on the test part after each epoch, or after the last one; seconds per epoch."""
    order = np.random.default_rng(seed)
    found, seconds = [], []
    for epoch in range(epochs):
        shuffled = order.permutation(len(data.train))
        inputs = {
            "pixels": spikes_of(data.train[shuffled], PAUSE),
            "digits.teacher": teacher_of(data.train_labels[shuffled]),
            "modulator": ([0], [round(FULL * FALL ** (epoch / epochs))]),
        }
        start = time.process_time()
        device.run(len(shuffled) * PERIOD, inputs)
        seconds.append(time.process_time() - start)
        if history or epoch == epochs - 1:
            found.append(accuracy(device, data.test, data.test_labels))
    return found, seconds


def plot(weights: NDArray[np.float64], history: list[float], path: Path) -> None:
    """What each neuron has learned to look for, and how the accuracy grew."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(9, 3.5), layout="constrained")
    grid = figure.add_gridspec(2, 8)
    for digit in range(CLASSES):
        axis = figure.add_subplot(grid[digit // 5, digit % 5])
        axis.imshow(weights[:, digit].reshape(8, 8), cmap="RdBu_r", vmin=-W_MAX, vmax=W_MAX)
        axis.set(title=str(digit), xticks=[], yticks=[])
    axis = figure.add_subplot(grid[:, 5:])
    axis.plot(np.arange(1, len(history) + 1), np.array(history) * 100, "o-", color="black")
    axis.set(xlabel="epoch", ylabel="accuracy on the test part (%)")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Learn with every seed, and say how well."""
    parser = argparse.ArgumentParser(
        description="Learn handwritten digits on the chip, with a teacher.",
        epilog="example: python examples/digits_supervised.py --weight-bits 4 --seeds 3",
    )
    add_arguments(parser, "digits_supervised.png")
    parser.add_argument("--weight-bits", type=int, default=8, help="width of a weight (default: 8)")
    parser.add_argument(
        "--rounding", choices=["stochastic", "nearest", "floor"], default="stochastic"
    )
    parser.add_argument(
        "--eta", type=float, default=ETA, help="learning rate (default: %(default)s)"
    )
    args = parser.parse_args()
    data, epochs = load(args), args.epochs or EPOCHS
    target = sl.TARGETS["core"].with_(weight_bits=args.weight_bits)

    def once(seed: int) -> dict[str, Any]:
        program = sl.compile(network(args.eta, args.rounding, seed), target=target)
        with sl.open(args.device) as device:
            device.load(program)
            drawn = seed == 0 and not args.json
            history, seconds = learn(device, data, epochs, seed, history=drawn)
            if drawn:
                plot(device.read_weights("pixels->digits").toarray(), history, args.plot)
        return {"seed": seed, "accuracy": history[-1], "cpu_seconds_per_epoch": np.mean(seconds)}

    summary = {
        "device": args.device,
        "split": args.split,
        "validated": args.validate,
        "images": [len(data.train), len(data.test)],
        "epochs": epochs,
        "weight_bits": args.weight_bits,
        "rounding": args.rounding,
        **over_seeds(args.seeds, once),
    }
    report(summary, args.json)
    if not args.json:
        print(f"\nweights and accuracy of seed 0: {args.plot}")


if __name__ == "__main__":
    main()
