"""Pictures of a latency report: histogram, links, and rasters of software and hardware."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import DeviceError
from .regular_file import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .chip_report import LatencyReport

_MOST_SPIKES = 200_000
"""Dots of a raster, at most; beyond, every n-th is drawn, and the title says so."""
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def write_plot(path: str | Path, report: LatencyReport) -> None:
    """Write one picture with all that the report holds; PNG, PDF or SVG by its name.

    Raises:
        DeviceError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise DeviceError("plots need matplotlib", remedy="pip install 'spikeloom[plot]'") from None
    figure = Figure(figsize=(11, 8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{report.title}: {report.steps} steps, mode {report.mode}")
    axes = figure.subplots(2, 2)
    _histogram(axes[0, 0], report)
    _links(figure, axes[0, 1], report)
    _raster(axes[1, 0], report, "software", "as the Program means it")
    _raster(axes[1, 1], report, "hardware", "as it happened on the chip")
    target = Path(path)
    with replacing(target) as partial:
        figure.savefig(partial, format=target.suffix[1:] or "png", dpi=120)


def _unit(largest: float) -> tuple[float, str]:
    return next(((size, name) for size, name in _UNITS if largest >= size), _UNITS[-1])


def _nothing(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, wrap=True)
    axes.set_xticks([])
    axes.set_yticks([])


def _histogram(axes: Any, report: LatencyReport) -> None:
    axes.set_title("latency of spikes")
    values = report.spike_latency
    if not len(values):
        _nothing(axes, report.missing.get("latency", "no spike reached anybody"))
        return
    size, name = _unit(float(values.max()))
    axes.hist(values / size, bins=60, color="tab:blue")
    for share, style in ((50, "-"), (99, "--")):
        at = float(np.percentile(values, share)) / size
        axes.axvline(at, color="tab:orange", linestyle=style, label=f"{share} %: {at:.3g} {name}")
    axes.set_xlabel(f"from firing to the last target ({name})")
    axes.set_ylabel("spikes")
    axes.legend()


def _links(figure: Any, axes: Any, report: LatencyReport) -> None:
    """Tiles as squares, links between them as coloured bars, one per direction."""
    axes.set_title("messages over links")
    messages = report.link_messages
    if not messages.any():
        _nothing(axes, "no message crossed a link" if report.mode != "simple" else
                 "mode 'simple' does not count links")  # fmt: skip
        return
    from matplotlib.collections import LineCollection

    rows, columns = messages.shape[:2]
    lines, values, idle = [], [], []
    shift = 0.12  # the two directions of a pair side by side
    for row in range(rows):
        for column in range(columns):
            for side, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
                if not (0 <= row + down < rows and 0 <= column + right < columns):
                    continue
                beside = (shift * (side - 1), 0) if right == 0 else (0, shift * (side - 2))
                x, y = column + beside[0], row + beside[1]
                line = [(x, y), (x + right, y + down)]
                if not messages[row, column, side]:
                    idle.append(line)
                    continue
                lines.append(line)
                values.append(messages[row, column, side])
    axes.add_collection(LineCollection(idle, colors="0.9", linewidths=4))
    found = LineCollection(lines, cmap="viridis", linewidths=4)
    found.set_array(np.array(values))
    axes.add_collection(found)
    places = np.argwhere(np.ones((rows, columns)))
    axes.plot(places[:, 1], places[:, 0], "s", color="0.25", markersize=7)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.set_xlabel("column of tiles")
    axes.set_ylabel("row of tiles")
    figure.colorbar(found, ax=axes, label="messages")


def _raster(axes: Any, report: LatencyReport, kind: str, told: str) -> None:
    rasters: dict[str, NDArray[np.int64]] = getattr(report, kind)
    total = sum(len(events) for events in rasters.values())
    every = max(1, -(-total // _MOST_SPIKES))
    axes.set_title(f"{total} spikes, {told}" + (f" (1 of {every} drawn)" if every > 1 else ""))
    base, middles = 0, []
    for number, (name, events) in enumerate(rasters.items()):
        size = len(report.senders[name])
        some = events[::every]
        axes.plot(some[:, 0], some[:, 1] + base, "|", markersize=3, color=f"C{number % 10}")
        middles.append((base + size / 2, name))
        base += size
    axes.set_yticks([at for at, _ in middles], [name for _, name in middles])
    axes.set_xlim(-0.5, max(report.steps, 1) - 0.5)
    axes.set_ylim(-0.5, max(base, 1) - 0.5)
    axes.set_xlabel("step")
