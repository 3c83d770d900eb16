"""Random convolutions and pooling, and what SciPy makes of them."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import scipy.signal

KINDS = ("Conv1d", "Conv2d", "SumPool2d", "AvgPool2d")


def random_window(kind: str, seed: int) -> tuple[Any, tuple[int, ...]]:
    """A random node of that kind and the shape of its input."""
    rng = np.random.default_rng(seed)

    def pair(low: int, high: int) -> tuple[int, int]:
        return int(rng.integers(low, high)), int(rng.integers(low, high))

    groups, sides = int(rng.integers(1, 4)), 1 if kind == "Conv1d" else 2
    image = (int(rng.integers(7, 12)), int(rng.integers(7, 12)))[:sides]
    if "Pool" in kind:
        kernel = pair(1, 4)
        padding = (int(rng.integers(0, kernel[0] // 2 + 1)), int(rng.integers(kernel[1] // 2 + 1)))
        arrays = (np.array(given) for given in (kernel, pair(1, 4), padding))
        return getattr(nir, kind)(*arrays), (int(rng.integers(1, 4)), *image)
    inputs, outputs = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
    weight = rng.normal(0, 1, (outputs, inputs // groups, *pair(1, 4)[:sides]))
    bias = rng.normal(0, 1, outputs)
    dilation, stride = pair(1, 3), pair(1, 3)
    padding: Any = [pair(0, 3), "valid", "same"][seed % 3]
    stride = (1, 1) if padding == "same" else stride
    if sides == 1:
        padding = padding if isinstance(padding, str) else padding[0]
        return (
            nir.Conv1d(image[0], weight, stride[0], padding, dilation[0], groups, bias),
            (inputs, *image),
        )
    return nir.Conv2d(image, weight, stride, padding, dilation, groups, bias), (inputs, *image)


def by_scipy(node: Any, x: np.ndarray) -> np.ndarray:
    """What the node makes of one input, channel by channel."""
    kind = type(node).__name__
    if kind == "Conv1d":
        flat = nir.Conv2d(
            (1, x.shape[1]),
            node.weight[:, :, None],
            (1, node.stride),
            node.padding if isinstance(node.padding, str) else (0, node.padding),
            (1, node.dilation),
            node.groups,
            node.bias,
        )
        return by_scipy(flat, x[:, None])[:, 0]
    if "Pool" in kind:
        kernel = np.ones(node.kernel_size)
        kernel /= kernel.size if kind == "AvgPool2d" else 1
        p, s = node.padding, node.stride
        padded = np.pad(x, ((0, 0), (p[0], p[0]), (p[1], p[1])))
        return np.array(
            [scipy.signal.correlate2d(c, kernel, "valid")[:: s[0], :: s[1]] for c in padded]
        )
    outputs, inputs, *_ = node.weight.shape
    d = node.dilation
    kernels = np.zeros((outputs, inputs, *((np.array(node.weight.shape[2:]) - 1) * d + 1)))
    kernels[:, :, :: d[0], :: d[1]] = node.weight
    pads: Any = ((node.padding[0],) * 2, (node.padding[1],) * 2)
    if isinstance(node.padding, str):
        over = [k - 1 if node.padding == "same" else 0 for k in kernels.shape[2:]]
        pads = tuple((n // 2, n - n // 2) for n in over)
    padded = np.pad(x, ((0, 0), *pads))
    s = node.stride
    result = []
    for o in range(outputs):
        group = o // (outputs // node.groups)
        given = padded[group * inputs : (group + 1) * inputs]
        pairs = zip(given, kernels[o], strict=True)
        parts = [scipy.signal.correlate2d(c, k, "valid") for c, k in pairs]
        result.append(np.sum(parts, axis=0)[:: s[0], :: s[1]] + node.bias[o])
    return np.array(result)
