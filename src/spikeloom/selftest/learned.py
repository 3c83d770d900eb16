"""Handwritten digits that the device itself learns, with a teacher, and the emulator beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..board_fit import target_of
from ..compiler.learning import Rule
from ..compiler.learning_traces import Trace
from ..compiler.network import Network
from ..compiler.neurons import LIF
from ..compiling import compile
from ..errors import CompileError, DeviceError, UnsupportedError
from ..runtime.open import open as open_device
from .digits import DT, STEPS, load, spikes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program
    from ..hdl.geometry import Geometry
    from ..runtime.device import Device

PAUSE = 8
PERIOD = STEPS + PAUSE
PER_IMAGE = 10
"""Images that are learned for each that is shown afterwards."""

_FULL = 127
_ETA = 4e-3 / _FULL
_W_MAX = 0.4


def learned_check(url: str, geometry: Geometry, images: int) -> tuple[str, dict[str, Any]]:
    """Images learned by the device's own rule, then others, classified with what it has learned.

    Args:
        url: of the device.
        geometry: of its core.
        images: how many are shown; ten times as many, of others, are learned.

    Raises:
        UnsupportedError: the core has no rules, or not the parts of this one; scikit-learn is
            missing.
        DeviceError: the device learns something else than the emulator.
    """
    if not geometry.rules:
        raise UnsupportedError("the core is built without learning")
    data, labels = load()
    try:
        program = compile(network(geometry), target=target_of(geometry, "selftest"))
    except CompileError as error:
        raise _lacks(error) from None
    count = min(1200, PER_IMAGE * images)
    with open_device(url) as device, open_device("emulator") as emulator:
        found, right = (
            learn(each, program, geometry, (data[:count], labels[:count]), data[1200:][:images])
            for each in (device, emulator)
        )
    for what, mine, other in zip(("spikes", "weights", "answers"), found, right, strict=True):
        if not np.array_equal(mine, other):
            raise DeviceError(f"the device learns otherwise than the emulator: other {what}")
    hits = int((found[2] == labels[1200:][:images]).sum())
    changed = int((found[1] != 0).sum())
    return (
        f"{count} images learned, {changed} weights changed; {hits} of {images} others right; "
        "spikes and weights are the emulator's",
        {"learned": count, "changed": changed, "images": images, "right": hits},
    )


def network(geometry: Geometry) -> Network:
    """The delta rule with spikes: a teacher's spike adds a share of the trace, an own one takes.

    How much is the modulator's to say, where the core has it, and neurons are reset by subtraction
    if it can do that.
    """
    net = Network(dt=DT, name="digits, learned", seed=0)
    pixels = net.source("pixels", 64)
    cells = LIF(tau_mem=7e-3, v_threshold=1.0, reset="subtract" if geometry.subtract else "value")
    digits = net.population("digits", 10, cells)
    share = f"{_ETA}*m" if _modulated(geometry) else f"{_ETA * _FULL}"
    rule = Rule(
        dw=f"{share}*x1*t0 - {share}*x1*y0",
        traces={"x1": Trace(6e-3)},
        w_min=-_W_MAX,
        w_max=_W_MAX,
        rounding="stochastic",
        seed=0,
    )
    net.connect(pixels, digits, weights=np.zeros((64, 10)), delay=0.0, learning=rule)
    net.probe(digits, "spikes")
    return net


def _modulated(geometry: Geometry) -> bool:
    """Whether the core's rules may multiply a trace by the modulator."""
    return geometry.shared and geometry.factors > 1


def _lacks(error: CompileError) -> UnsupportedError:
    return UnsupportedError(f"the core does not hold it: {error.found or error.problem}")


def learn(
    device: Device,
    program: Program,
    geometry: Geometry,
    learned: tuple[NDArray[np.float64], NDArray[np.int64]],
    shown: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Spikes while it learned, weights afterwards, and what it takes the others for."""
    try:
        device.load(program)
    except CompileError as error:
        raise _lacks(error) from None
    images, labels = learned
    steps = np.arange(len(labels))[:, None] * PERIOD + np.arange(STEPS)
    teacher = np.stack([steps.ravel(), np.repeat(labels, STEPS)], axis=1)
    inputs: dict[str, Any] = {"pixels": _raster(images), "digits.teacher": teacher}
    if _modulated(geometry):
        inputs["modulator"] = ([0], [_FULL])
    spikes = device.run(len(images) * PERIOD, inputs).spikes["digits"]
    weights = device.read_weights("pixels->digits").raw
    device.learning = False
    told = device.run(len(shown) * PERIOD, {"pixels": _raster(shown)}).spikes["digits"]
    counts = np.zeros((len(shown), 10), np.int64)
    np.add.at(counts, (told[:, 0] // PERIOD, told[:, 1]), 1)
    return spikes, weights, counts.argmax(axis=1)


def _raster(images: NDArray[np.float64]) -> NDArray[np.bool_]:
    """One image after the other, with a pause behind each."""
    pause = np.zeros((PAUSE, 64), bool)
    return np.concatenate([part for image in images for part in (spikes_of(image)[:-1], pause)])
