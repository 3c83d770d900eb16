"""Weights as an image: the whole matrix, or the field that each neuron sees.

What is larger than an image may be is averaged over blocks, and what is left out is said in words.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..runtime.weights import Weights

MOST_SIDE = 400
"""Pixels of an image's side."""
NO_SYNAPSE = 255
"""Code of a pixel without a synapse; the others are 0 … 254 for -top … top, 127 for 0."""
_MIDDLE = 127
_FIELD_SIDE = 100


@dataclass(frozen=True)
class Layout:
    """Which pixel each synapse belongs to.

    Attributes:
        kind: "matrix" or "fields".
        width, height: of the image.
        pixel: (k,) of each synapse; -1: not shown.
        text: what is shown, in words.
    """

    kind: str
    width: int
    height: int
    pixel: NDArray[np.int64]
    text: str


def lay_out(weights: Weights, kind: str, sides: tuple[int, ...]) -> Layout:
    """Lay the synapses of a projection out.

    Args:
        weights: of the projection.
        kind: "matrix": neurons before from left to right, those after from top to bottom;
            "fields": an image for each neuron after, with the neurons before at their places.
        sides: of the layer before; () where it has none.
    """
    if kind == "fields":
        return _fields(weights, sides)
    pre, post = weights.shape
    across, down = -(-pre // MOST_SIDE), -(-post // MOST_SIDE)
    width, height = -(-pre // across), -(-post // down)
    pixel = weights.post // down * width + weights.pre // across
    text = f"{pre:,} × {post:,} neurons, {len(weights):,} synapses"
    if max(across, down) > 1:
        text += f"; a pixel is the mean over {across} × {down} neurons"
    return Layout("matrix", width, height, pixel, text)


def _fields(weights: Weights, sides: tuple[int, ...]) -> Layout:
    """Tiles with a pixel between them."""
    pre, post = weights.shape
    across = sides[-1]
    down = pre // across
    block = -(-max(across, down) // _FIELD_SIDE)
    w, h = -(-across // block), -(-down // block)
    columns = int(np.clip(round((post * (h + 1) / (w + 1) * 2) ** 0.5), 1, MOST_SIDE // (w + 1)))
    rows = min(-(-post // columns), max(1, MOST_SIDE // (h + 1)))
    shown = min(post, rows * columns)
    columns = min(columns, shown)
    width, height = columns * (w + 1) - 1, rows * (h + 1) - 1
    y, x = weights.pre // across // block, weights.pre % across // block
    y += weights.post // columns * (h + 1)
    x += weights.post % columns * (w + 1)
    pixel = np.where(weights.post < shown, y * width + x, -1)
    text = f"what each of {post:,} neurons sees: {across} × {down}"
    if shown < post:
        text += f"; the first {shown:,} of them"
    if block > 1:
        text += f"; a pixel is the mean over {block} × {block} neurons"
    return Layout("fields", width, height, pixel, text)


def paint(layout: Layout, values: NDArray[np.float64], top: float) -> dict[str, Any]:
    """The image as plain JSON data.

    Args:
        layout: of the projection.
        values: (k,) weights in the network's units.
        top: the magnitude that has the strongest colour; larger ones raise it.

    Returns:
        ``width``, ``height``, ``kind``, ``text``; ``top``; ``low`` and ``high`` of all weights;
        ``pixels``, one byte each in rows from the top, base64.
    """
    seen = layout.pixel >= 0
    pixel, shown = layout.pixel[seen], values[seen]
    size = layout.width * layout.height
    count = np.bincount(pixel, minlength=size)
    mean = np.bincount(pixel, shown, minlength=size) / np.maximum(count, 1)
    top = max(top, float(np.abs(mean).max(initial=0.0)))
    code = np.rint(mean / (top or 1.0) * _MIDDLE) + _MIDDLE
    code = np.where(count > 0, code, NO_SYNAPSE).astype(np.uint8)
    return {
        "kind": layout.kind,
        "width": layout.width,
        "height": layout.height,
        "text": layout.text,
        "top": top,
        "low": float(values.min()) if len(values) else 0.0,
        "high": float(values.max()) if len(values) else 0.0,
        "pixels": base64.b64encode(code.tobytes()).decode("ascii"),
    }
