"""Handwritten digits without a teacher: 80 neurons that compete, and labels only at the end.

At each of its spikes a neuron moves its weights towards the presynaptic traces,
``dw = eta*m*(x1 - w)*y0``, inhibits all others one step later and raises its own threshold, so that
every neuron wins now and then (after Diehl and Cook 2015, doi:10.3389/fncom.2015.00099). The host
lowers the modulator m, the learning rate, from epoch to epoch. Afterwards nothing learns any more,
and thresholds stay: each is in proportion to the length of its neuron's weights, so that nobody
wins only for having learned bright images. The training part is shown once more: how often each
neuron fires for each digit is its vote.

    python examples/digits_unsupervised.py                five seeds on the emulator
    python examples/digits_unsupervised.py --split ordered --json

Hyper-parameters were chosen on thirds of the ordered split's training part, one block of images
after the other, each of which was left out once.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
from digits_learning import (
    CLASSES,
    PIXEL_MAX,
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
STEPS, PAUSE = 256, 64  # so slow that two neurons rarely cross the threshold in one step
DRIVE = 300  # spikes of all pixels for one image; fewer where thin lines would need brighter pixels
CONTRAST = 1.25  # exponent of intensities
FEATURES = 80
TAU_MEMBRANE, TAU_TRACE, TAU_THRESHOLD = 57e-3, 18e-3, 3.9
THRESHOLD, THRESHOLD_STEP, INHIBITION = 28.0, 0.84, 68.5  # where the largest weight is 1
READING, LONGER = 0.97, 2  # of THRESHOLD, and times STEPS, while nothing learns
ETA, FALL, EPOCHS = 0.18, 0.1, 25
FIRST = (0.21, 0.7)  # weights, as bright as the brightest pixel's mean trace
FULL = 127  # modulator


def network(seed: int) -> sl.Network:
    """64 pixels onto 80 neurons that inhibit each other."""
    net = sl.Network(dt=DT, name="digits, unsupervised", seed=seed)
    pixels = net.source("pixels", PIXELS)
    features = net.population(
        "features",
        FEATURES,
        sl.LIF(
            tau_mem=TAU_MEMBRANE,
            v_threshold=THRESHOLD,
            threshold_step=THRESHOLD_STEP,
            tau_threshold=TAU_THRESHOLD,
        ),
    )
    # A pixel of full intensity, every 16th step, has a trace of at most 1 one step later.
    late = float(np.exp(DT / TAU_TRACE))
    spikes_apart = float(np.exp(-STEPS / PIXEL_MAX * DT / TAU_TRACE))
    rule = sl.Rule(
        dw=f"{ETA / FULL}*m*x1*y0 - {ETA / FULL}*m*w*y0",
        traces={"x1": sl.Trace(TAU_TRACE, impulse=(1 - spikes_apart) * late, limit=late)},
        w_max=1.0,
        seed=seed,
    )
    first = np.random.default_rng(seed).uniform(*FIRST, (PIXELS, FEATURES))
    net.connect(pixels, features, weights=first, delay=0.0, learning=rule)
    net.connect(features, features, weights=-INHIBITION * (1 - np.eye(FEATURES)))
    net.probe(features, "spikes")
    return net


def reader(weights: NDArray[np.float64]) -> sl.Network:
    """The same with (64, 80) weights and thresholds that stay."""
    net = sl.Network(dt=DT, name="digits, unsupervised, learned")
    length = np.linalg.norm(weights, axis=0)
    threshold = READING * THRESHOLD * length / length.mean()
    pixels = net.source("pixels", PIXELS)
    cells = sl.LIF(tau_mem=TAU_MEMBRANE, v_threshold=threshold)
    features = net.population("features", FEATURES, cells)
    net.connect(pixels, features, weights=weights, delay=0.0)
    net.connect(features, features, weights=-INHIBITION * (1 - np.eye(FEATURES)))
    net.probe(features, "spikes")
    return net


def raster_of(images: NDArray[np.int64], times: int = 1) -> NDArray[np.bool_]:
    """Spikes of images of (n, 64) pixels, each as many as the others, for so many times STEPS."""
    bright = (images / PIXEL_MAX) ** CONTRAST
    even = np.minimum(bright * (DRIVE / bright.sum(axis=1, keepdims=True)), PIXEL_MAX)
    return spikes_of(times * even, PAUSE, times * STEPS, phases=True)


def learned(device: sl.Device, images: NDArray[np.int64], epochs: int, seed: int) -> NDArray:
    """(64, 80) weights after all epochs; the device has ``network(seed)``."""
    order = np.random.default_rng(seed)
    for epoch in range(epochs):
        raster = raster_of(images[order.permutation(len(images))])
        modulator = round(FULL * FALL ** (epoch / epochs))
        device.run(len(raster), {"pixels": raster, "modulator": ([0], [modulator])})
    return device.read_weights("pixels->features").toarray()


def responses(device: sl.Device, images: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, 80) spikes of each neuron for each image; the device has a ``reader``."""
    raster = raster_of(images, LONGER)
    return counts_of(device.run(len(raster), {"pixels": raster}), "features", len(images))


def accuracy(device: sl.Device, data: Data) -> float:
    """On the test part, with the votes that the training part gives the neurons."""
    counts = responses(device, data.train)
    rates = np.array([counts[data.train_labels == c].mean(axis=0) for c in range(CLASSES)])
    votes = rates / np.maximum(rates.sum(axis=0), 1e-9)
    chosen = np.argmax(responses(device, data.test) @ votes.T, axis=1)
    return float((chosen == data.test_labels).mean())


def plot(weights: NDArray[np.float64], path: Path) -> None:
    """The receptive fields of all neurons."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(8, 10, figsize=(7, 6), layout="constrained")
    for neuron, axis in enumerate(np.ravel(axes)):
        axis.imshow(weights[:, neuron].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Learn with every seed, and say how well."""
    parser = argparse.ArgumentParser(
        description="Learn handwritten digits on the chip, without a teacher.",
        epilog="example: python examples/digits_unsupervised.py --seeds 2 --epochs 5",
    )
    add_arguments(parser, "digits_unsupervised.png")
    args = parser.parse_args()
    data, epochs = load(args), args.epochs or EPOCHS

    def once(seed: int) -> dict[str, Any]:
        with sl.open(args.device) as device:
            device.load(sl.compile(network(seed)))
            weights = learned(device, data.train, epochs, seed)
            if seed == 0 and not args.json:
                plot(weights, args.plot)
            device.load(sl.compile(reader(weights)))
            return {"seed": seed, "accuracy": accuracy(device, data)}

    summary = {
        "device": args.device,
        "split": args.split,
        "validated": args.validate,
        "images": [len(data.train), len(data.test)],
        "epochs": epochs,
        "neurons": FEATURES,
        **over_seeds(args.seeds, once),
    }
    report(summary, args.json)
    if not args.json:
        print(f"\nreceptive fields of seed 0: {args.plot}")


if __name__ == "__main__":
    main()
