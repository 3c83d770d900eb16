"""What the examples that learn digits have in common: their data, and images as spikes.

scikit-learn's 1,797 images of 8x8 pixels in two fixed splits:

- ``random``: ``train_test_split(test_size=.33, random_state=42)``, 1,203 for training, 594 for the
  test;
- ``ordered``: ``train_test_split(test_size=.5, shuffle=False)``, 898 and 899: the test images were
  written by other people.

A pixel of intensity p (0 .. 16, rescaled where an example says so) becomes p spikes, evenly spread;
images follow each other with a
pause in between, and the device is never reset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from reporting import add_common_arguments, count
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    import spikeloom as sl

PIXELS, CLASSES, PIXEL_MAX = 64, 10, 16
IMAGE_STEPS = 16
SPLITS: dict[str, dict[str, Any]] = {
    "random": {"test_size": 0.33, "random_state": 42},
    "ordered": {"test_size": 0.5, "shuffle": False},
}


@dataclass(frozen=True)
class Data:
    """Images as (n, 64) integers from 0 to 16, labels as (n,) integers."""

    train: NDArray[np.int64]
    train_labels: NDArray[np.int64]
    test: NDArray[np.int64]
    test_labels: NDArray[np.int64]

    @staticmethod
    def load(split: str) -> Data:
        """One of SPLITS."""
        images, labels = load_digits(return_X_y=True)
        parts = train_test_split(images.astype(np.int64), labels, **SPLITS[split])
        train, test, train_labels, test_labels = (np.asarray(part) for part in parts)
        return Data(train, train_labels, test, test_labels)

    def validation(self) -> Data:
        """The last third of the training part takes the place of the test part."""
        cut = len(self.train) * 2 // 3
        train, labels = self.train, self.train_labels
        return Data(train[:cut], labels[:cut], train[cut:], labels[cut:])


def spikes_of(
    images: NDArray[np.int64 | np.float64],
    pause: int,
    steps: int = IMAGE_STEPS,
    phases: bool = False,
) -> NDArray[np.bool_]:
    """(n * (steps + pause), 64): images one after the other, each followed by a pause.

    With ``phases`` each pixel's spikes start at another time, so that they do not come together.
    """
    phase = np.arange(PIXELS) * 0.618034 % 1 if phases else np.zeros(PIXELS)
    ramp = np.floor(np.arange(steps + 1)[None, :, None] * images[:, None, :] / steps + phase)
    raster = np.zeros((len(images), steps + pause, PIXELS), dtype=bool)
    raster[:, :steps] = np.diff(ramp, axis=1) > 0
    return raster.reshape(-1, PIXELS)


def counts_of(result: sl.Result, name: str, images: int) -> NDArray[np.int64]:
    """(images, size) how often each neuron fired for each image."""
    period = result.steps // images
    counts = np.zeros((images, result.sizes[name]), np.int64)
    step, index = result.spikes[name].T
    np.add.at(counts, (step // period, index), 1)
    return counts


def add_arguments(parser: argparse.ArgumentParser, plot: str) -> None:
    """The options that both examples have."""
    add_common_arguments(parser, plot)
    add = parser.add_argument
    add("--split", choices=SPLITS, default="random", help="training and test part")
    add("--epochs", type=count, help="passes over the training part")
    add("--images", type=count, help="use only the first N training images")
    add("--validate", action="store_true", help="test on a third of the training part instead")


def load(args: argparse.Namespace) -> Data:
    """The data that the options ask for."""
    data = Data.load(args.split)
    data = data.validation() if args.validate else data
    return Data(
        data.train[: args.images], data.train_labels[: args.images], data.test, data.test_labels
    )
