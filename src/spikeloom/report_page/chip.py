"""The section about a chip: latency, energy, congestion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .svg import bars, heat, histogram, number, si
from .table import table, text

if TYPE_CHECKING:
    from ..chip_report import LatencyReport


def chip_section(report: LatencyReport) -> str:
    """What docs/latency.md defines, for this run."""
    facts = report.to_dict()
    parts = [
        f"<p>{report.steps:,} steps on {text(report.title)}, mode {text(report.mode)}, discipline "
        f"{text(report.discipline)}: {report.spikes:,} spikes, {report.messages:,} messages, "
        f"{report.synaptic_events:,} synaptic events.</p>"
    ]
    if report.missing:
        items = "".join(
            f'<li class="warn">{text(what)}: not known; {text(why)}</li>'
            for what, why in report.missing.items()
        )
        parts.append(f"<ul>{items}</ul>")
    rows = _figures(report, facts)
    parts.append(table(["figure", "value"], [[text(name), text(value)] for name, value in rows]))
    parts.append('<div class="pair">')
    if facts["latency"] and len(report.spike_latency):
        counts, edges = np.histogram(report.spike_latency, bins=30)
        power = 1e6 if edges[-1] < 1e-3 else 1e3
        chart = histogram(
            counts,
            float(edges[0]) * power,
            float(edges[-1]) * power,
            "latency of a spike in " + ("µs" if power == 1e6 else "ms"),
            "latencies of the spikes",
            size=(440, 150),
        )
        parts.append(f"<div><h3>Latency</h3>{chart}</div>")
    if report.joules:
        causes = [(cause, value, si(value, "J")) for cause, value in report.joules.items()]
        parts.append(f"<div><h3>Energy by cause</h3>{bars(causes, 'energy by cause')}</div>")
    if report.link_messages.size and report.link_messages.any():
        parts.append(f"<div><h3>Messages that left each tile</h3>{_tiles(report)}</div>")
    parts.append("</div>")
    return "".join(parts)


def _figures(report: LatencyReport, facts: dict) -> list[tuple[str, str]]:
    rows = []
    if facts["seconds"] is not None:
        rows += [
            ("time", si(facts["seconds"], "s")),
            ("longest step", si(facts["longest_step"], "s")),
        ]
    for name, value in (facts["latency"] or {}).items():
        rows.append((f"latency, {name}", si(value, "s")))
    if report.distortion:
        rows.append(("change of intervals, mean", si(report.distortion["mean"], "s")))
        rows.append(("change of intervals, largest", si(report.distortion["max"], "s")))
    if report.disorder is not None:
        rows.append(("disorder", f"{report.disorder:.2%}"))
    if report.late:
        rows.append(("spikes that arrived in a later step", number(report.late)))
    for name, value in (facts["deadline"] or {}).items():
        rows.append((f"deadline, {name}", number(value)))
    if facts["core_utilisation"]:
        rows.append(("cores at work, mean", f"{facts['core_utilisation']['mean']:.1%}"))
        rows.append(("cores at work, largest", f"{facts['core_utilisation']['max']:.1%}"))
    if facts["total_energy"] is not None:
        rows.append(("energy", si(facts["total_energy"], "J")))
    if facts["energy_delay"] is not None:
        rows.append(("energy-delay product", si(facts["energy_delay"], "J·s")))
    return rows


def _tiles(report: LatencyReport) -> str:
    sums = report.link_messages.sum(axis=2)

    def told(row: int, column: int) -> str:
        north, east, south, west = (int(n) for n in report.link_messages[row, column])
        return (
            f"tile {row}, {column}: north {north:,}, east {east:,}, south {south:,}, west {west:,}"
        )

    return heat(sums, "messages that left each tile", told, lambda r, c: f"{int(sums[r, c]):,}")
