"""Clothes: a readout learned on the chip over fixed random neurons.

70,000 images of 28x28 pixels in ten classes (Fashion-MNIST, Xiao, Rasul and Vollgraf 2017), from
the Debian package ``dataset-fashion-mnist``: the usual 60,000 for training, 10,000 for the test.

A pixel of full brightness fires in every step of the 12 that an image lasts, darker ones less
often. Each of 2,000 hidden neurons sees a patch of 7x7 pixels through random weights, which stay
as they are; its weights are scaled so that two in five training images reach its threshold. Ten
neurons read out all hidden ones and learn by the delta rule with spikes: a teacher's spike adds a
share of the presynaptic trace, the neuron's own takes as much away. The modulator is the learning
rate, which the host lowers as it goes. 8-bit weights, stochastic rounding.

    sudo apt-get install dataset-fashion-mnist
    python examples/fashion_mnist.py                   five seeds, a minute each
    python examples/fashion_mnist.py --seeds 1 --hidden 1000 --epochs 1

The constants below were chosen with ``--validate``, which tests on the last 10,000 of the training
images and learns from the others.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from reporting import add_common_arguments, count, over_seeds, report

import spikeloom as sl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FOLDER = Path("/usr/share/datasets/fashion-mnist")
NAMES = [
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
]
SIDE, CLASSES, PATCH = 28, len(NAMES), 7
DT = 1e-3
STEPS, PAUSE = 12, 8
PERIOD = STEPS + PAUSE
TAU_HIDDEN, TAU_OUT, TAU_TRACE = 5e-3, 7e-3, 6e-3
ACTIVE = 0.4  # share of the images that reach a hidden neuron's threshold
W_MAX, ETA, FALL, EPOCHS = 0.25, 1.5e-3, 0.03, 2
FULL = 127  # modulator
CHUNK = 500  # images in one run


@dataclass(frozen=True)
class Data:
    """Images as (n, 784) bytes, labels as (n,) integers."""

    train: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]

    @staticmethod
    def load(folder: Path) -> Data:
        """The four files of the data set; OSError where one is missing, ValueError where wrong."""
        parts = []
        for part, n in (("train", 60_000), ("t10k", 10_000)):
            images = _read(folder / f"{part}-images-idx3-ubyte.gz", 16, n * SIDE * SIDE)
            labels = _read(folder / f"{part}-labels-idx1-ubyte.gz", 8, n)
            if labels.max() >= CLASSES:
                raise ValueError(f"{folder}: a label is {labels.max()}, expected 0 to 9")
            parts += [images.reshape(n, -1), labels.astype(np.int64)]
        return Data(*parts)

    def validation(self) -> Data:
        """The last 10,000 training images take the place of the test images."""
        train, labels = self.train, self.train_labels
        return Data(train[:-10_000], labels[:-10_000], train[-10_000:], labels[-10_000:])


def _read(path: Path, header: int, size: int) -> NDArray[np.uint8]:
    with gzip.open(path) as file:
        content = file.read(header + size + 1)
    if len(content) != header + size:
        raise ValueError(f"{path}: {len(content)} bytes or more, expected {header + size}")
    return np.frombuffer(content, np.uint8, offset=header)


def patches(images: NDArray[np.uint8], hidden: int, seed: int) -> sl.Synapses:
    """Random weights of the hidden neurons, in units of their threshold."""
    random = np.random.default_rng(seed)
    row, column = random.integers(0, SIDE - PATCH + 1, (2, hidden))
    y, x = np.divmod(np.arange(PATCH * PATCH), PATCH)
    pre = (row[:, None] + y) * SIDE + column[:, None] + x
    weight = random.normal(size=pre.shape)
    seen = images[:2000] / 255
    drive = np.stack([seen[:, p] @ w for p, w in zip(pre, weight, strict=True)])
    top = np.quantile(drive, 1 - ACTIVE, axis=1)
    top = np.maximum(top, 0.1 * np.abs(drive).max(axis=1))  # dark patches stay quiet
    # A constant drive takes the membrane to drive / (1 - decay) in the end.
    weight *= (1 - np.exp(-DT / TAU_HIDDEN)) / top[:, None]
    return sl.Synapses(pre.ravel(), np.repeat(np.arange(hidden), PATCH**2), weight.ravel())


def network(images: NDArray[np.uint8], hidden: int, seed: int) -> sl.Network:
    """784 pixels onto fixed random neurons onto 10 that learn."""
    net = sl.Network(dt=DT, name="Fashion-MNIST", seed=seed)
    pixels = net.source("pixels", SIDE * SIDE)
    middle = net.population(
        "hidden", hidden, sl.LIF(tau_mem=TAU_HIDDEN, v_threshold=1.0, reset="subtract")
    )
    clothes = net.population(
        "clothes", CLASSES, sl.LIF(tau_mem=TAU_OUT, v_threshold=1.0, reset="subtract")
    )
    net.connect(pixels, middle, weights=patches(images, hidden, seed), delay=0.0)
    rule = sl.Rule(
        dw=f"{ETA / FULL}*m*x1*t0 - {ETA / FULL}*m*x1*y0",
        traces={"x1": sl.Trace(TAU_TRACE)},
        w_min=-W_MAX,
        w_max=W_MAX,
        seed=seed,
    )
    net.connect(middle, clothes, weights=np.zeros((hidden, CLASSES)), learning=rule)
    net.probe(clothes, "spikes", "v")
    return net


def raster(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n * PERIOD, 784): brightness p of 255 fires p / 255 of an image's steps, evenly spread."""
    phase = np.arange(SIDE * SIDE) * 0.618034 % 1
    spikes = np.zeros((len(images), PERIOD, SIDE * SIDE), bool)
    rate = images / np.float32(255)
    before = np.broadcast_to(np.floor(phase).astype(np.float32), rate.shape)
    for step in range(STEPS):
        after = np.floor((step + 1) * rate + phase)
        spikes[:, step] = after > before
        before = after
    return spikes.reshape(-1, SIDE * SIDE)


def chunks(n: int) -> Iterator[slice]:
    """Parts of at most CHUNK images."""
    return (slice(i, min(i + CHUNK, n)) for i in range(0, n, CHUNK))


def teach(device: sl.Device, data: Data, epochs: int, seed: int, progress: bool) -> None:
    """Show all training images, with the teacher's spikes in every step of each."""
    random = np.random.default_rng(seed)
    n = len(data.train)
    for epoch in range(epochs):
        order = random.permutation(n)
        for part in chunks(n):
            chosen = order[part]
            steps = np.arange(len(chosen))[:, None] * PERIOD + 1 + np.arange(STEPS)
            labels = np.repeat(data.train_labels[chosen], STEPS)
            rate = round(FULL * FALL ** ((epoch + part.start / n) / epochs))
            inputs = {
                "pixels": raster(data.train[chosen]),
                "clothes.teacher": np.stack([steps.ravel(), labels], axis=1),
                "modulator": ([0], [rate]),
            }
            device.run(len(chosen) * PERIOD, inputs)
            if progress:
                shown = f"epoch {epoch + 1} of {epochs}: {part.stop:6} images"
                print(f"\r{shown}", end="", file=sys.stderr)
    if progress:
        print("\r\033[K", end="", file=sys.stderr)


def classify(device: sl.Device, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Whose neuron fires most for each image, or is closest to firing among equals."""
    device.learning = False
    answers = []
    for part in chunks(len(images)):
        n = len(images[part])
        result = device.run(n * PERIOD, {"pixels": raster(images[part])})
        counts = result.raster("clothes").reshape(n, PERIOD, CLASSES).sum(axis=1)
        v = result.states["clothes"]["v"][STEPS::PERIOD]
        answers.append(np.argmax(counts + 0.1 * np.tanh(v), axis=1))
    device.learning = True
    return np.concatenate(answers)


def plot(answers: NDArray[np.int64], data: Data, path: Path) -> None:
    """What was taken for what, and images that were taken for something else."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    confusion = np.zeros((CLASSES, CLASSES))
    np.add.at(confusion, (data.test_labels, answers), 1)
    confusion /= np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure = plt.figure(figsize=(9.5, 4.5), layout="constrained")
    grid = figure.add_gridspec(3, 7)
    axis = figure.add_subplot(grid[:, :4])
    axis.imshow(confusion, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(confusion):
        if share >= 0.005:
            color = "white" if share > 0.5 else "black"
            axis.text(
                column, row, f"{share:.0%}", ha="center", va="center", fontsize=6, color=color
            )
    axis.set_xticks(range(CLASSES), NAMES, rotation=90)
    axis.set_yticks(range(CLASSES), NAMES)
    axis.set(xlabel="taken for", ylabel="is")
    for place, image in enumerate(np.flatnonzero(answers != data.test_labels)[:9]):
        axis = figure.add_subplot(grid[place // 3, 4 + place % 3])
        axis.imshow(data.test[image].reshape(SIDE, SIDE), cmap="gray_r")
        is_, taken = NAMES[data.test_labels[image]], NAMES[answers[image]]
        axis.set_title(f"{is_}, not {taken}", fontsize=7)
        axis.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Learn with every seed, and say how well."""
    parser = argparse.ArgumentParser(
        description="Classify clothes with a readout learned on the chip.",
        epilog="example: python examples/fashion_mnist.py --seeds 1 --images 10000 --hidden 1000",
    )
    add_common_arguments(parser, "fashion_mnist.png")
    add = parser.add_argument
    add("--folder", type=Path, default=FOLDER, help="where the data is (default: %(default)s)")
    add("--hidden", type=count, default=2000, help="random neurons (default: %(default)s)")
    add("--epochs", type=count, default=EPOCHS, help="passes (default: %(default)s)")
    add("--images", type=count, help="use only the first N training images")
    add("--validate", action="store_true", help="test on the last 10,000 training images instead")
    args = parser.parse_args()
    try:
        data = Data.load(args.folder)
    except (OSError, ValueError) as error:
        parser.exit(
            1, f"Fashion-MNIST is not there: {error}\n"
            "  remedy: apt-get install dataset-fashion-mnist (Debian, Ubuntu), or --folder with "
            "its four .gz files\n",
        )  # fmt: skip
    data = data.validation() if args.validate else data
    data = Data(
        data.train[: args.images], data.train_labels[: args.images], data.test, data.test_labels
    )

    def once(seed: int) -> dict[str, Any]:
        program = sl.compile(network(data.train, args.hidden, seed), sl.TARGETS["emulator"])
        with sl.open(args.device) as device:
            device.load(program)
            teach(device, data, args.epochs, seed, sys.stderr.isatty())
            answers = classify(device, data.test)
        if seed == 0 and not args.json:
            plot(answers, data, args.plot)
        return {"seed": seed, "accuracy": float((answers == data.test_labels).mean())}

    summary = {
        "device": args.device,
        "validated": args.validate,
        "images": [len(data.train), len(data.test)],
        "hidden": args.hidden,
        "epochs": args.epochs,
        **over_seeds(args.seeds, once),
    }
    report(summary, args.json)
    if not args.json:
        print(f"\nwhat was taken for what (seed 0): {args.plot}")


if __name__ == "__main__":
    main()
