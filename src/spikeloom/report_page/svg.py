"""Charts as SVG text; every text that goes into them is escaped here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LABELLED = 16
"""Sides of a heat map up to which its cells show their numbers."""


def number(value: Any) -> str:
    """A number as people read it."""
    if value is None:
        return "unbounded"
    if isinstance(value, (int, np.integer)):
        return f"{int(value):,}"
    value = float(value)
    if 1e4 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"


def si(value: float, unit: str) -> str:
    """With the prefix that leaves one to three digits before the point."""
    if not value or not math.isfinite(value):
        return f"{value:g} {unit}"
    power = min(4, max(-5, math.floor(math.log10(abs(value)) / 3)))
    prefix = {-5: "f", -4: "p", -3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T"}
    return f"{value / 10.0 ** (3 * power):.4g} {prefix[power]}{unit}"


def share(value: float) -> str:
    """A bar for use in a table: its width is a part of the cell's; more than all is marked."""
    width = 100 * min(max(value, 0.0), 1.0)
    kind = "over" if value > 1 else "most" if value > 0.9 else "bar"
    return (
        '<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" height="10"/>'
        f'<rect class="{kind}" width="{width:.2f}" height="10"/></svg>'
    )


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """Horizontal bars.

    Args:
        rows: names, lengths, and what is written behind them.
        label: what the chart shows, for those who do not see it.
    """
    most = max((value for _, value, _ in rows), default=0.0) or 1.0
    high, left, wide = 24, 190, 330
    parts = []
    for i, (name, value, told) in enumerate(rows):
        y = i * high
        length = value / most * wide
        parts.append(
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{_short(name, 26)}'
            f"<title>{escape(name)}</title></text>"
            f'<rect class="bar" x="{left}" y="{y + 4}" width="{length:.2f}" height="14"/>'
            f'<text class="soft" x="{left + length + 6:.2f}" y="{y + 15}">{escape(told)}</text>'
        )
    return _svg(left + wide + 130, len(rows) * high + 4, label, parts)


def histogram(
    counts: Sequence[int] | NDArray[Any],
    low: float,
    high: float,
    axis: str,
    label: str,
    *,
    size: tuple[int, int] = (300, 130),
) -> str:
    """Counts in equal parts of an interval; the axis' name comes with its unit."""
    width, height = size
    left, bottom = 10, 34
    most = max([*counts, 1])
    each = (width - 2 * left) / max(len(counts), 1)
    parts = []
    for i, count in enumerate(counts):
        tall = int(count) / most * (height - bottom - 14)
        step = (high - low) / len(counts)
        told = f"{number(int(count))} from {low + i * step:.4g} to {low + (i + 1) * step:.4g}"
        parts.append(
            f'<rect class="bar" x="{left + i * each + 0.5:.2f}" '
            f'y="{height - bottom - tall:.2f}" width="{max(each - 1, 0.5):.2f}" '
            f'height="{tall:.2f}"><title>{told}</title></rect>'
        )
    base = height - bottom
    parts.append(f'<line class="axis" x1="{left}" x2="{width - left}" y1="{base}" y2="{base}"/>')
    for at, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = left + at * (width - 2 * left)
        value = f"{low + at * (high - low):.4g}"
        parts.append(
            f'<text class="soft" x="{x}" y="{base + 13}" text-anchor="{anchor}">{value}</text>'
        )
    parts.append(
        f'<text class="soft" x="{width / 2}" y="{base + 28}" text-anchor="middle">'
        f"{escape(axis)}</text>"
        f'<text class="soft" x="{left}" y="10">at most {number(int(most))}</text>'
    )
    return _svg(width, height, label, parts)


def heat(values: NDArray[Any], label: str, told: Any, shown: Any) -> str:
    """Cells in rows and columns, the darker the larger.

    Args:
        values: (rows, columns); not a number: nothing is there.
        label: what the map shows.
        told: ``(row, column)`` to the text that a cell shows when it is pointed at.
        shown: ``(row, column)`` to the text in the cell, where there is room.
    """
    rows, columns = values.shape
    side = max(8.0, min(54.0, 560.0 / max(rows, columns)))
    real = np.nan_to_num(np.asarray(values, float), nan=0.0)
    most = real.max(initial=0.0) or 1.0
    parts = []
    for row, column in np.ndindex(rows, columns):
        x, y = column * side, row * side
        nothing = bool(np.isnan(float(values[row, column])))
        strength = 0.0 if nothing else 0.08 + 0.84 * real[row, column] / most
        kind = "absent" if nothing else "cell"
        parts.append(
            f'<rect class="{kind}" x="{x + 1:.1f}" y="{y + 1:.1f}" width="{side - 2:.1f}" '
            f'height="{side - 2:.1f}" fill-opacity="{1 if nothing else strength:.3f}">'
            f"<title>{escape(told(row, column))}</title></rect>"
        )
        if max(rows, columns) <= _LABELLED and not nothing:
            kind = "on" if strength > 0.55 else "off"
            parts.append(
                f'<text class="{kind}" x="{x + side / 2:.1f}" y="{y + side / 2 + 4:.1f}" '
                f'text-anchor="middle">{escape(shown(row, column))}</text>'
            )
    return _svg(columns * side, rows * side, label, parts)


def _short(text: str, most: int) -> str:
    return escape(text if len(text) <= most else text[: most - 1] + "…")


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
        + "".join(parts)
        + "</svg>"
    )
