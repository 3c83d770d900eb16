"""Convolutions and pooling as sparse matrices: what a window that slides over an image multiplies.

A layer of shape (channels, height, width) is a vector in C order. One-dimensional convolutions are
images of height 1. Weights are shared by NIR and not by synapses, so a matrix is counted before
it is built: outputs x input channels per group x kernel, less what hangs over the border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ...errors import FileError
from .graph import CONVOLUTIONS, MAX_SIZE, Node

Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How a kernel slides over an image; pairs are (height, width).

    Attributes:
        kernel, stride, dilation: in elements.
        before, after: zeros in front of and behind the image.
        inputs, outputs: channels; None: as many as there are, each by itself (pooling).
        groups: into which the channels are divided, each with kernels of its own.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair
    inputs: int | None
    outputs: int | None
    groups: int

    def places(self, height: int, width: int) -> Pair:
        """Positions that the kernel takes over an image; may be below 1."""
        sides = zip(
            (height, width), self.before, self.after, self.dilation, self.kernel, self.stride,
            strict=True,
        )  # fmt: skip
        down, across = ((n + b + a - d * (k - 1) - 1) // s + 1 for n, b, a, d, k, s in sides)
        return down, across


def rank(node: Node) -> int:
    """Dimensions of what enters the node, channels included."""
    return 2 if node.type == "Conv1d" else 3


def window_of(node: Node) -> Window:
    """Read a convolution's or pooling's parameters.

    Raises:
        FileError: numbers that no window has, or weights of another rank.
    """
    if node.type not in CONVOLUTIONS:
        kernel, padding = _pair(node, "kernel_size", 1), _pair(node, "padding", 0)
        return Window(kernel, _pair(node, "stride", 1), (1, 1), padding, padding, None, None, 1)
    weight = node.fields["weight"]
    groups = _pair(node, "groups", 1)[1]
    if weight.ndim != rank(node) + 1 or 0 in weight.shape or weight.shape[0] % groups:
        raise FileError(
            f"The weights of this {node.type} node have the wrong shape.",
            found=f"{weight.shape} with {groups} group(s)",
            expected="(output channels, input channels per group, "
            + ("kernel)" if rank(node) == 2 else "height, width)")
            + ", the former divisible by the groups",
            where=node.where,
        )
    kernel = (weight.shape[2] if rank(node) == 3 else 1, weight.shape[-1])
    stride, dilation = _pair(node, "stride", 1), _pair(node, "dilation", 1)
    before, after = _padding(node, kernel, stride, dilation)
    inputs = weight.shape[1] * groups
    return Window(kernel, stride, dilation, before, after, inputs, weight.shape[0], groups)


def _padding(node: Node, kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    text = node.texts.get("padding")
    if text is None:
        both = _pair(node, "padding", 0)
        return both, both
    if text == "valid":
        return (0, 0), (0, 0)
    if text != "same" or stride != (1, 1):
        raise FileError(
            "A padding is impossible.",
            found=f"{text[:40]!r} with a stride of {stride}",
            expected="numbers, 'valid', or 'same' with a stride of 1",
            where=node.where,
        )
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    front = (total[0] // 2, total[1] // 2)  # an odd one has its surplus behind, as in PyTorch
    return front, (total[0] - front[0], total[1] - front[1])


def _pair(node: Node, name: str, least: int) -> Pair:
    """A parameter for (height, width); one value is both, or the width of a one-dimensional one."""
    values = node.fields[name].reshape(-1)
    neutral = 0 if name == "padding" else 1
    sizes = (1,) if rank(node) == 2 or name == "groups" else (1, 2)
    whole = values.size in sizes and bool((values == np.floor(values)).all())
    if not whole or (values < least).any() or (values > MAX_SIZE).any():
        raise FileError(
            f"{name} is impossible.",
            found=", ".join(f"{v:g}" for v in values[:4]) + (" …" if values.size > 4 else ""),
            expected=f"{' or '.join(map(str, sizes))} whole number(s) from {least} to {MAX_SIZE}",
            where=node.where,
        )
    if rank(node) == 2 or name == "groups":
        return neutral, int(values[0])
    return int(values[0]), int(values[-1])


def output_shape(node: Node, shape: Shape) -> Shape:
    """Shape of the node's output for an input of ``shape``, which has ``rank(node)`` sides.

    Raises:
        FileError: other channels than the kernel's, or a kernel larger than the padded image.
    """
    window = window_of(node)
    if window.inputs is not None and shape[0] != window.inputs:
        raise FileError(
            "The channels of a convolution do not fit what enters it.",
            found=f"{shape[0]} in a shape of {shape}",
            expected=f"{window.inputs}, as its weights have",
            where=node.where,
        )
    down, across = window.places(*(1, *shape[1:])[-2:])
    if down < 1 or across < 1:
        raise FileError(
            "A window is larger than what it slides over.",
            found=f"kernel {window.kernel}, input {shape}",
            where=node.where,
        )
    channels = shape[0] if window.outputs is None else window.outputs
    if channels * down * across > MAX_SIZE:
        raise FileError(
            "A layer has an impossible size.",
            found=channels * down * across,
            expected=f"1 to {MAX_SIZE}",
            where=node.where,
        )
    return (channels, across) if rank(node) == 2 else (channels, down, across)


def count_entries(node: Node, shape: Shape) -> int:
    """Weights of the node's matrix at most, with those that hang over the border."""
    window = window_of(node)
    channels = 1 if window.inputs is None else window.inputs // window.groups
    return math.prod(output_shape(node, shape)) * channels * math.prod(window.kernel)


def window_matrix(node: Node, shape: Shape) -> sp.csr_array:
    """The node as (outputs, inputs) matrix; ``count_entries`` says first how large it may be."""
    window = window_of(node)
    height, width = (1, *shape[1:])[-2:]
    outputs = shape[0] if window.outputs is None else window.outputs
    groups = shape[0] if window.inputs is None else window.groups
    inputs = shape[0] // groups  # per group
    if node.type in CONVOLUTIONS:
        kernels = node.fields["weight"].reshape(outputs, inputs, -1)
    else:
        value = 1.0 / math.prod(window.kernel) if node.type == "AvgPool2d" else 1.0
        kernels = np.full((outputs, 1, math.prod(window.kernel)), value)
    place, valid = _taps(window, height, width)
    # Entries of one output channel, in the order of its rows: position, input channel, tap.
    at = place[:, None, :] + (np.arange(inputs) * height * width)[None, :, None]
    inside = np.broadcast_to(valid[:, None, :], at.shape)
    columns = at[inside].astype(np.int32)
    per_row = valid.sum(axis=1) * inputs
    data = np.empty((outputs, len(columns)))
    for channel in range(outputs):
        data[channel] = np.broadcast_to(kernels[channel], at.shape)[inside]
    group = np.arange(outputs) // (outputs // groups)
    first = (group * inputs * height * width).astype(np.int32)
    matrix = sp.csr_array(
        (
            data.reshape(-1),
            (columns[None, :] + first[:, None]).reshape(-1),
            np.concatenate([[0], np.cumsum(np.tile(per_row, outputs))]),
        ),
        shape=(outputs * len(place), shape[0] * height * width),
    )
    matrix.eliminate_zeros()  # a pruned kernel has no synapses there
    return matrix


def _taps(window: Window, height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(positions, kernel) index into the image of each tap, and whether it lies inside."""
    down, across = window.places(height, width)
    sides = []
    for axis, (count, size) in enumerate(((down, height), (across, width))):
        start = np.arange(count) * window.stride[axis] - window.before[axis]
        index = start[:, None] + np.arange(window.kernel[axis]) * window.dilation[axis]
        sides.append((index, (index >= 0) & (index < size)))
    (y, y_in), (x, x_in) = sides
    place = y[:, None, :, None] * width + x[None, :, None, :]
    valid = y_in[:, None, :, None] & x_in[None, :, None, :]
    return place.reshape(down * across, -1), valid.reshape(down * across, -1)
