"""What the examples that learn have in common: their options, seeds, and the report."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def count(text: str) -> int:
    """A number of seeds or epochs: 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 on")
    return int(text)


def add_common_arguments(parser: argparse.ArgumentParser, plot: str, seeds: int = 5) -> None:
    """The options that every one of them has."""
    add = parser.add_argument
    add("--device", default="emulator", help="where to learn (default: %(default)s)")
    add("--seeds", type=count, default=seeds, help="use seeds 0 … N-1 (default: %(default)s)")
    add("--json", action="store_true", help="print one JSON object, draw nothing")
    add("--plot", type=Path, default=Path(plot), help="where to draw (default: %(default)s)")


def over_seeds(
    seeds: int, learn: Callable[[int], dict[str, Any]], figures: Sequence[str] = ("accuracy",)
) -> dict[str, Any]:
    """Learn once per seed; mean and standard deviation of some of the figures that come back."""
    runs = [learn(seed) for seed in range(seeds)]
    summary: dict[str, Any] = {}
    for figure in figures:
        values = np.array([run[figure] for run in runs], float)
        summary[figure] = float(values.mean())
        summary[f"{figure}_std"] = float(values.std(ddof=1)) if seeds > 1 else 0.0
    return {**summary, "runs": runs}


def report(summary: dict[str, Any], as_json: bool, figures: Sequence[str] = ("accuracy",)) -> None:
    """Print the summary, as one JSON object or to be read, with these figures of each seed."""
    if as_json:
        print(json.dumps(summary))
        return
    for key, value in summary.items():
        if key == "runs":
            for figure in figures:
                each = [round(float(run[figure]), 4) for run in value]
                print(f"{f'{figure} of each seed':32} {each}")
        else:
            print(f"{key:32} {value:.4f}" if isinstance(value, float) else f"{key:32} {value}")
