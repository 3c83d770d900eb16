"""Handwritten digits on the device: a trained classifier, the emulator's answer, the accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..board_fit import target_of
from ..compiler.network import Network
from ..compiler.neurons import LI
from ..compiling import compile
from ..errors import CompileError, DeviceError, UnsupportedError
from ..runtime.open import open as open_device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program
    from ..hdl.geometry import Geometry

DT = 1e-3
STEPS = 16
"""Steps per image: a pixel of intensity p, 0 to 16, spikes p times."""


def digits_check(url: str, geometry: Geometry, images: int) -> tuple[str, dict[str, Any]]:
    """Images of the test set, classified on the device and on the emulator.

    Args:
        url: of the device.
        geometry: of its core.
        images: how many.

    Raises:
        UnsupportedError: scikit-learn is missing, or the core does not hold the classifier.
        DeviceError: the device sees another digit than the emulator.
    """
    data, labels = load()
    from sklearn.linear_model import LogisticRegression

    if geometry.channels < 64 or geometry.neurons < 10 or not geometry.exponential:
        raise UnsupportedError(
            "the core has fewer than 64 channels or 10 neurons, or no exponential leak"
        )
    model = LogisticRegression(C=0.01, fit_intercept=False, max_iter=200)
    model.fit(data[:1200] / 16, labels[:1200])
    net = Network(dt=DT, name="digits")
    pixels = net.source("pixels", 64)
    digits = net.population("digits", 10, LI(tau_mem=1.0))
    net.connect(pixels, digits, weights=model.coef_.T)
    net.probe(digits, "v")
    shown = data[1200:][:images], labels[1200:][:images]
    try:
        program = compile(net, target=target_of(geometry, "selftest"))
        right = _classify(url, program, *shown)
    except CompileError as error:
        raise UnsupportedError(
            f"the core does not hold it: {error.found or error.problem}"
        ) from None
    return (
        f"{right} of {images} images right, every state the emulator's",
        {"images": images, "right": right},
    )


def load() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """scikit-learn's (1797, 64) images of intensities from 0 to 16, and their digits.

    Raises:
        UnsupportedError: it is missing.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UnsupportedError("needs scikit-learn: pip install 'spikeloom[examples]'") from None
    data, labels = load_digits(return_X_y=True)
    return np.asarray(data), np.asarray(labels)


def _classify(
    url: str, program: Program, images: NDArray[np.float64], labels: NDArray[np.int64]
) -> int:
    """How many images are right; the device's states must be the emulator's."""
    right = 0
    with open_device(url) as device, open_device("emulator") as emulator:
        for each in (device, emulator):
            each.load(program)
        for image, label in zip(images, labels, strict=True):
            inputs, seen = {"pixels": spikes_of(image)}, []
            for each in (device, emulator):
                each.reset()
                seen.append(each.run(STEPS + 1, inputs).states["digits"]["v"].raw)
            if not np.array_equal(seen[0], seen[1]):
                raise DeviceError("the device sees another digit than the emulator")
            right += int(seen[0][-1].argmax() == label)
    return right


def spikes_of(image: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(STEPS + 1, 64) raster: p of 16 steps, evenly spread; the last step is empty."""
    step = np.arange(STEPS)[:, None] + 1
    spread = np.floor(step * image / STEPS) > np.floor((step - 1) * image / STEPS)
    return np.concatenate([spread, np.zeros((1, len(image)), bool)])
