"""Convolutions and pooling as PyTorch computes them: torch_windows.py cases.json out.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional


def answer(case: dict[str, Any]) -> Any:
    x = torch.tensor(case["x"], dtype=torch.float64)[None]
    kind, more = case["kind"], case["more"]
    more = {k: tuple(v) if isinstance(v, list) else v for k, v in more.items()}
    if kind == "SumPool2d":
        kernel = more["kernel_size"]
        return functional.avg_pool2d(x, **more)[0] * (kernel[0] * kernel[1])
    if kind == "AvgPool2d":
        return functional.avg_pool2d(x, **more)[0]
    weight, bias = (torch.tensor(case[k], dtype=torch.float64) for k in ("weight", "bias"))
    convolve = functional.conv1d if kind == "Conv1d" else functional.conv2d
    return convolve(x, weight, bias, **more)[0]


cases = json.loads(Path(sys.argv[1]).read_text())
Path(sys.argv[2]).write_text(json.dumps([answer(case).tolist() for case in cases]))
