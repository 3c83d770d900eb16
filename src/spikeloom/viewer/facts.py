"""What the page knows of a Program before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..compiler.program import PopulationSymbol, Program, SourceSymbol

MOST_SHOWN = 200
"""Sources and populations that a page shows; it says how many others there are."""
MOST_EDGES = 1000
"""Projections that a page shows, likewise."""


@dataclass(frozen=True)
class Shown:
    """The sources and populations that a page shows, and where they are in its raster.

    Attributes:
        names: of sources, then of populations, in the order of declaration.
        first_row: row of the raster at which each of them starts; then the number of rows.
    """

    names: tuple[str, ...]
    first_row: tuple[int, ...]

    @staticmethod
    def of(program: Program) -> Shown:
        """The first ``MOST_SHOWN`` of a Program."""
        shown = _shown(program)
        rows = np.cumsum([0, *(symbol.size for symbol in shown)], dtype=np.int64)
        return Shown(tuple(symbol.name for symbol in shown), tuple(rows.tolist()))


def _shown(program: Program) -> Sequence[SourceSymbol | PopulationSymbol]:
    return (*program.sources, *program.populations)[:MOST_SHOWN]


def describe(program: Program, title: str, device: str) -> dict[str, Any]:
    """The network as a graph, as plain JSON data.

    Args:
        program: that runs.
        title: what the page calls it.
        device: the address of what it runs on.
    """
    shown = _shown(program)
    number = {symbol.name: i for i, symbol in enumerate(shown)}
    sources = {s.name: s.kind for s in program.sources}
    layer = _layers(program)
    plastic = {rule.projection for rule in program.rules}
    edges = [
        {
            "name": p.name,
            "pre": number[p.pre],
            "post": number[p.post],
            "synapses": int(count),
            "learns": i in plastic,
        }
        for i, (p, count) in enumerate(zip(program.projections, program.synapses, strict=True))
        if p.pre in number and p.post in number
    ]
    return {
        "title": title,
        "device": device,
        "dt": program.dt,
        "learns": bool(program.rules),
        "nodes": [
            {
                "name": symbol.name,
                "size": symbol.size,
                "kind": sources.get(symbol.name, "population"),
                "layer": layer[symbol.name],
                "sides": list(program.shapes.get(symbol.name, ())),
            }
            for symbol in shown
        ],
        "edges": edges[:MOST_EDGES],
        "all_nodes": len(program.sources) + len(program.populations),
        "all_edges": len(program.projections),
    }


def _layers(program: Program) -> dict[str, int]:
    """Name -> fewest projections on the way from a source; 0 where there is no way."""
    onto: dict[str, list[str]] = {}
    for projection in program.projections:
        onto.setdefault(projection.pre, []).append(projection.post)
    layer = {source.name: 0 for source in program.sources}
    front = list(layer)
    while front:
        following = []
        for name in front:
            for post in onto.get(name, ()):
                if post not in layer:
                    layer[post] = layer[name] + 1
                    following.append(post)
        front = following
    return {p.name: 0 for p in program.populations} | layer
