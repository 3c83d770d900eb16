"""Sections that follow from the Program and its run: fit, placement, traffic, cycles."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .facts import RESOURCES, budget, traffic, use_of_cores, who_is_where
from .svg import bars, heat, histogram, number, share
from .table import table, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program
    from .facts import Activity

MOST_CORES = 64
MOST_BARS = 40
FOLDED_FROM = 20
_TOLD = {"synapse_bits": "synapse memory (bits)"}


def fit(program: Program) -> str:
    """What each core has of everything, and how much of it is used."""
    used, target = use_of_cores(program), program.target
    limits = np.array([getattr(target, name) for name in RESOURCES], np.int64)
    shares = used / np.maximum(limits, 1)
    rows = []
    for i, name in enumerate(RESOURCES):
        fullest = int(used[:, i].max(initial=0))
        of = float(shares[:, i].max(initial=0.0))
        rows.append(
            [
                text(_TOLD.get(name, name)),
                number(int(used[:, i].sum())),
                number(fullest),
                number(int(limits[i])),
                share(of),
                f"{of:.1%}",
            ]
        )
    header = ["resource", "in all", "fullest core", "a core has", "", "used there"]
    parts = [table(header, rows)]
    if len(program.cores) > 1:
        parts.append(f"<h3>Each of {len(program.cores):,} cores</h3>")
        order = np.argsort(-shares.max(axis=1), kind="stable")[:MOST_CORES]
        if len(order) < len(program.cores):
            parts.append(f'<p class="soft">The {MOST_CORES} fullest of them.</p>')
        each = [
            [number(int(core)), *(share(float(value)) for value in shares[core])]
            for core in sorted(order.tolist())
        ]
        header = ["core", *(_TOLD.get(name, name) for name in RESOURCES)]
        parts.append(_folded(table(header, each), len(each)))
    return "".join(parts)


def placement(program: Program) -> str:
    """Which core of the mesh holds what."""
    mesh = program.target.mesh
    places = who_is_where(program)
    share_of = np.full(mesh, np.nan)
    for number_, core in enumerate(program.cores):
        share_of[divmod(number_, mesh[1])] = core.neurons / program.target.neurons

    def told(row: int, column: int) -> str:
        core = row * mesh[1] + column
        if core >= len(program.cores):
            return f"core {core}: not used"
        held = ", ".join(f"{name} ({count:,})" for name, count in places[core][:12])
        more = f" and {len(places[core]) - 12} others" if len(places[core]) > 12 else ""
        return f"core {core}: {program.cores[core].neurons:,} neurons: {held}{more}"

    map_ = heat(
        share_of,
        "share of each core's neurons that is used",
        told,
        lambda row, column: f"{program.cores[row * mesh[1] + column].neurons:,}",
    )
    rows = [
        [number(core), number(program.cores[core].neurons), _held(held)]
        for core, held in enumerate(places[:MOST_CORES])
    ]
    listed = table(["core", "neurons", "populations"], rows, left=(2,))
    left = len(places) - len(rows)
    more = f'<p class="soft">{left:,} other cores: point at them in the map.</p>' if left else ""
    return (
        f"<p>Mesh of {mesh[0]} × {mesh[1]} cores, {len(program.cores):,} of them used. The darker "
        "a core, the more of its neurons are used; the number is how many.</p>"
        f'<div class="pair"><div>{map_}</div><div>{_folded(listed, len(rows))}{more}</div></div>'
    )


def _folded(content: str, rows: int) -> str:
    """Long tables are opened by who wants to see them."""
    if rows <= FOLDED_FROM:
        return content
    return f"<details><summary>{rows} rows</summary>{content}</details>"


def _held(held: list[tuple[str, int]]) -> str:
    told = [f"{escape(name)} ({count:,})" for name, count in held[:12]]
    return ", ".join(told) + (f" and {len(held) - 12} others" if len(held) > 12 else "")


def traffic_section(program: Program, activity: Activity | None) -> str:
    """What travels between the cores."""
    sums, mesh = traffic(program, activity), program.target.mesh
    cores = len(program.cores)
    per = "if every neuron and input fired once"
    if activity is not None:
        per = f"in {activity.steps:,} steps on {activity.device}"
    between = int(sums[:cores].sum() - np.trace(sums[:cores]))
    lines = [
        f"<p>Spikes that travel to a core, {escape(per)}; a spike goes to a core once, however "
        "many axons it reaches there.</p>",
        table(
            ["from", "spikes"],
            [
                ["inputs to cores", number(int(sums[cores].sum()))],
                ["cores to themselves", number(int(np.trace(sums[:cores])))],
                ["cores to other cores", number(between)],
            ],
        ),
    ]
    if cores > 1:
        lines.append('<div class="pair">')
        received, sent = sums.sum(axis=0), sums[:cores].sum(axis=1)
        for name, values in (("received by", received), ("sent by", sent)):
            lines.append(f"<div><h3>{name.capitalize()} each core</h3>")
            lines.append(_mesh_map(values, mesh, name))
            lines.append("</div>")
        lines.append("</div>")
        if cores <= MOST_CORES:
            lines.append("<h3>From core (row) to core (column)</h3>")
            lines.append(
                heat(
                    sums[:cores],
                    "spikes from core to core",
                    lambda a, b: f"core {a} to core {b}: {int(sums[a, b]):,}",
                    lambda a, b: _brief(int(sums[a, b])),
                )
            )
    return "".join(lines)


def _mesh_map(values: NDArray[np.int64], mesh: tuple[int, int], name: str) -> str:
    grid = np.full(mesh, np.nan)
    for core, value in enumerate(values.tolist()):
        grid[divmod(core, mesh[1])] = value

    def told(row: int, column: int) -> str:
        core = row * mesh[1] + column
        return f"core {core}: " + (f"{values[core]:,} spikes" if core < len(values) else "not used")

    return heat(grid, f"spikes {name} each core", told, lambda r, c: _brief(int(grid[r, c])))


def _brief(value: int) -> str:
    for power, unit in ((9, "G"), (6, "M"), (3, "k")):
        if value >= 10**power:
            return f"{value / 10**power:.3g}{unit}"
    return str(value)


def cycles(program: Program, activity: Activity | None) -> str:
    """Clock cycles of a step: what it takes at least, what each population adds."""
    cases, why_not = budget(program)
    parts = []
    if why_not:
        parts.append(f"<p>Not known: {escape(why_not)}.</p>")
    else:
        told = cases if len(cases) <= MOST_BARS else [cases[0], *cases[1:MOST_BARS], cases[-1]]
        learns = ", without what learning takes after the update" if program.rules else ""
        parts.append(
            f"<p>Clock cycles of one step of the generated hardware with {program.target.lanes} "
            f"lanes, by who sends in it{learns}.</p>"
        )
        parts.append(
            bars([(name, value, f"{value:,} cycles") for name, value in told], "cycles of a step")
        )
        if len(told) < len(cases):
            parts.append(f'<p class="soft">{len(cases) - len(told):,} others are not shown.</p>')
    if activity is not None and activity.cycles is not None and len(activity.cycles):
        found = activity.cycles
        low, high = int(found.min()), int(found.max())
        counts, _ = np.histogram(found, bins=min(30, high - low + 1), range=(low, high + 1))
        parts.append(
            f"<h3>In a run of {activity.steps:,} steps</h3><p>{number(float(found.mean()))} cycles "
            f"per step, from {low:,} to {high:,}; {int(found.sum()):,} in all.</p>"
        )
        parts.append(
            histogram(counts, low, high + 1, "cycles of a step", "cycles per step", size=(560, 150))
        )
    return "".join(parts)


def activity_section(program: Program, activity: Activity) -> str:
    """Spikes of the run, and what was clipped in it."""
    seconds = activity.steps * program.dt
    rows: list[list[Any]] = []
    for name, counts in list(activity.spikes.items())[:MOST_BARS]:
        rate = counts / seconds if seconds else np.zeros(len(counts))
        silent = int((counts == 0).sum())
        clipped = activity.saturations.get(name, {})
        told = ", ".join(f"{kind} of {n:,} neurons" for kind, n in clipped.items())
        rows.append(
            [
                text(name),
                number(len(counts)),
                number(int(counts.sum())),
                number(float(rate.mean())),
                number(float(rate.max(initial=0.0))),
                number(silent),
                text(told or "nothing"),
            ]
        )
    header = ["name", "neurons", "spikes", "mean Hz", "largest Hz", "silent", "clipped"]
    left = len(activity.spikes) - len(rows)
    more = f'<p class="soft">{left:,} others are not shown.</p>' if left else ""
    return f"{table(header, rows)}{more}"
