"""Text form of the graph IR, for dumps and for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ir import Graph, PopulationNode, ProjectionEdge, SourceNode

FULL = 16
"""Arrays of at most this many elements are written in full."""


def dump_graph(graph: Graph) -> str:
    """One line per object, then its parameters or synapses, then findings."""
    lines = [f"{graph.level} graph {graph.name!r} dt={graph.dt!r} seed={graph.seed}"]
    for source in graph.sources:
        lines.append(_source(source))
    for population in graph.populations:
        lines += _population(population)
    for edge in graph.projections:
        lines += _projection(edge)
    for probe in graph.probes:
        lines.append(f"probe {probe.of!r} {probe.variable}")
    for finding in graph.findings:
        lines.append(f"{finding.severity} {finding}")
    return "\n".join(lines) + "\n"


def array_text(array: NDArray[Any]) -> str:
    """One number if all are equal; all of them if few; else their range."""
    if array.size == 0:
        return "[]"
    if (array == array.flat[0]).all():
        return _number(array.flat[0])
    if array.ndim == 1 and array.size <= FULL:
        return "[" + " ".join(_number(x) for x in array) + "]"
    return f"{_number(array.min())}..{_number(array.max())} ({array.size} values)"


def structured_text(array: NDArray[np.void]) -> str:
    """``field=values`` of a structured array; nested fields and columns are joined by a dot."""
    parts = []
    for name in array.dtype.names or ():
        column = array[name]
        if column.dtype.names:
            parts.append(structured_text(column))
        elif column.ndim == 2:
            parts += [f"{name}.{i}={array_text(column[:, i])}" for i in range(column.shape[1])]
        else:
            parts.append(f"{name}={array_text(column)}")
    return " ".join(parts)


def _source(source: SourceNode) -> str:
    text = f"source {source.name!r} size={source.size} first={source.first} {source.kind}"
    if source.kind == "host":
        return text
    text += f" generator={array_text(source.generator)} value={array_text(source.value)}"
    return text + f" phase={array_text(source.phase)} seed={source.seed}"


def _population(population: PopulationNode) -> list[str]:
    return [
        f"population {population.name!r} size={population.size} first={population.first} "
        f"scale={array_text(population.scale)}",
        "  " + structured_text(population.params),
    ]


def _projection(edge: ProjectionEdge) -> list[str]:
    s = edge.synapses
    lines = [
        f"projection {edge.name!r} receptor={edge.receptor} base_delay={edge.base_delay} "
        f"exponent={edge.exponent} synapses={len(s)}"
    ]
    if edge.plastic is not None:
        p = edge.plastic
        lines.append(
            f"  learns enable={array_text(p.enable)} limits={_number(p.limits[0])}.."
            f"{_number(p.limits[1])} seed={p.seed}"
        )
        lines += [f"    {line}" for line in p.rule.canonical().splitlines()]
        if p.microcode is not None:
            lines += [
                f"    {g.when.name} {g.changes.name} shift={g.shift} "
                + " ".join(
                    f"{q.coefficient}*{int(q.condition)}*{[int(f) for f in q.factors]}"
                    for q in g.products
                )
                for g in p.microcode.groups
            ]
    if len(s) <= FULL:
        rows = zip(s.pre, s.post, s.weight, s.delay, strict=True)
        lines += [f"  {i} -> {j} weight={_number(w)} delay={d}" for i, j, w, d in rows]
    else:
        lines.append(f"  weight={array_text(s.weight)} delay={array_text(s.delay)}")
    return lines


def _number(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, (float, np.floating)) else str(int(value))
