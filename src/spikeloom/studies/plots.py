"""A picture of a study: its points, and the front among them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DeviceError, InputError
from ..regular_file import replacing
from .study import OBJECTIVES

if TYPE_CHECKING:
    from .exploration import Exploration


def write_front(path: str | Path, exploration: Exploration) -> None:
    """Write a picture, one field for each pair of objectives; PNG, PDF or SVG by its name.

    Raises:
        DeviceError: matplotlib is not installed.
        InputError: no point is done.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise DeviceError("plots need matplotlib", remedy="pip install 'spikeloom[plot]'") from None
    if not exploration.done:
        raise InputError("there is nothing to draw", found="no point is done")
    objectives = exploration.study.objectives
    pairs = list(combinations(objectives, 2)) or [(objectives[0], objectives[0])]
    figure = Figure(figsize=(5 * min(len(pairs), 3), 4.5 * -(-len(pairs) // 3)),
                    layout="constrained")  # fmt: skip
    FigureCanvasAgg(figure)
    figure.suptitle(f"{exploration.study.name}: {len(exploration.done)} points")
    columns = min(len(pairs), 3)
    for place, (x, y) in enumerate(pairs, 1):
        axes = figure.add_subplot(-(-len(pairs) // columns), columns, place)
        for rows, style in ((exploration.done, {"color": "0.7", "s": 12, "label": "points"}),
                            (exploration.front, {"color": "tab:red", "s": 24,
                                                 "label": "front"})):  # fmt: skip
            axes.scatter([r.result[x] for r in rows], [r.result[y] for r in rows], **style)
        axes.set_xlabel(_label(x))
        axes.set_ylabel(_label(y))
        axes.legend()
    target = Path(path)
    with replacing(target) as partial:
        figure.savefig(partial, format=target.suffix[1:] or "png", dpi=120)


def _label(objective: str) -> str:
    unit = OBJECTIVES[objective][1]
    return f"{objective} ({unit})" if unit else objective
