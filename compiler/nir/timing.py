"""From the frameworks' steps, in which all layers run, to the machine's, one hop at a time.

A framework computes layer after layer within one step, and a recurrent connection carries the
spikes of the step before. On the machine a spike takes at least one step to the next population. So
every population gets a *level*, the number of steps by which it runs behind the framework, and

    delay of an arc = level of its end − level of its start + NIR Delay + (1 if recurrent)

which must be at least 1 from a population and at least 0 from a source (whose level is 0).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np

from ...errors import FileError, NetworkError, UnsupportedError

_ROOT = ("root", 0)  # no name is a tuple


@dataclass(frozen=True)
class Timing:
    """Levels of the populations, and which arcs are recurrent."""

    level: dict[str, int]
    recurrent: set[tuple[str, str]]

    def delay(self, pre: str, post: str, extra: int) -> int:
        """Steps from `pre` to `post`, with `extra` of NIR's Delay nodes."""
        back = (pre, post) in self.recurrent
        return self.level[post] - self.level.get(pre, 0) + extra + back


def schedule(
    arcs: Mapping[tuple[str, str], int],
    sources: Collection[str],
    populations: Collection[str],
    back_edges: Collection[tuple[str, str]],
    where: str,
) -> Timing:
    """Find recurrent arcs and the smallest levels.

    Args:
        arcs: (origin, target) → smallest NIR delay between them in steps.
        sources: origins without a level.
        populations: everything that needs one.
        back_edges: arcs that the user declares recurrent.
        where: for messages.

    Raises:
        NetworkError: `back_edges` names an arc that does not exist.
        FileError: what is recurrent in a loop cannot be decided.
        UnsupportedError: a loop is faster than its number of hops.
    """
    for arc in back_edges:
        if tuple(arc) not in arcs:
            raise NetworkError(
                "back_edges names a connection that does not exist.",
                found=arc,
                expected=", ".join(f"({a!r}, {b!r})" for a, b in list(arcs)[:12]),
                where=where,
            )
    recurrent = {(str(a), str(b)) for a, b in back_edges}
    rest = set(arcs) - recurrent
    recurrent |= recurrent_arcs(rest, sources, populations, where)
    try:
        return Timing(_levels(arcs, sources, populations, recurrent, where), recurrent)
    except UnsupportedError:
        _refuse_ambiguity(rest - recurrent, where)
        raise


def recurrent_arcs(
    arcs: set[tuple[str, str]],
    sources: Collection[str],
    populations: Collection[str],
    where: str,
) -> set[tuple[str, str]]:
    """Arcs u → v where every way from the inputs to u passes v.

    Raises:
        FileError: a loop that no input reaches.

    Executors start at the inputs and go forward; when they reach u, v has run in this step in
    whatever order they took the rest, so only the value of the step before can go into v.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from([*sources, *populations])
    graph.add_edges_from(arcs)
    alone = [n for n in populations if not any(a != n for a in graph.predecessors(n))]
    graph.add_edges_from((_ROOT, n) for n in [*sources, *alone])
    reached = set(graph) if _ROOT not in graph else nx.descendants(graph, _ROOT) | {_ROOT}
    lost = [n for n in populations if n not in reached]
    if lost:
        raise FileError(
            "No input reaches these nodes, so it is undecided where their loop starts.",
            found=", ".join(map(repr, lost[:8])),
            where=where,
            remedy="say which connections carry the step before: back_edges=[(from, to), …]",
        )
    return {(a, b) for a, b in arcs if a == b} | _dominated(graph, arcs)


def _refuse_ambiguity(arcs: Collection[tuple[str, str]], where: str) -> None:
    """Of loops that have several entries only those are determined that have delays enough."""
    graph = nx.DiGraph(arcs)
    if nx.is_directed_acyclic_graph(graph):
        return
    loop = [a for a, _ in nx.find_cycle(graph)]
    raise FileError(
        "A loop has several entries, so it is undecided which of its connections carries the "
        "step before.",
        found=" -> ".join(map(repr, [*loop[:8], loop[0]])),
        where=where,
        remedy="say which one it is: back_edges=[(from, to)]",
    )


def _dominated(graph: nx.DiGraph, arcs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Arcs whose end dominates their start, seen from the root."""
    if _ROOT not in graph:
        return set()
    tree = nx.DiGraph()
    tree.add_node(_ROOT)
    for node, parent in nx.immediate_dominators(graph, _ROOT).items():
        if parent is not None and parent != node:
            tree.add_edge(parent, node)
    enter: dict[object, int] = {}
    leave: dict[object, int] = {}
    for clock, (_, node, kind) in enumerate(nx.dfs_labeled_edges(tree, _ROOT)):
        if kind == "forward":
            enter[node] = clock
        elif kind == "reverse":
            leave[node] = clock
    return {(a, b) for a, b in arcs if enter[b] <= enter[a] and leave[a] <= leave[b]}


def _levels(
    arcs: Mapping[tuple[str, str], int],
    sources: Collection[str],
    populations: Collection[str],
    recurrent: set[tuple[str, str]],
    where: str,
) -> dict[str, int]:
    """Smallest levels ≥ 0 with delay ≥ 1 between populations: longest paths, by relaxation."""
    number = {name: i for i, name in enumerate(populations)}
    inner = [(a, b) for a, b in arcs if a not in sources]
    start = np.array([number[a] for a, _ in inner], dtype=np.int64)
    end = np.array([number[b] for _, b in inner], dtype=np.int64)
    gain = np.array([1 - arcs[arc] - (arc in recurrent) for arc in inner], dtype=np.int64)
    level = np.zeros(len(number), dtype=np.int64)
    cause = np.zeros(len(number), dtype=np.int64)  # the arc that raised each level last
    by = np.zeros(0, dtype=np.int64)
    for _ in range(len(number) + 1):
        wanted = level[start] + gain
        raised = level.copy()
        np.maximum.at(raised, end, wanted)
        if np.array_equal(raised, level):
            return {name: int(level[i]) for name, i in number.items()}
        by = np.flatnonzero((wanted > level[end]) & (wanted == raised[end]))
        cause[end[by]] = by
        level = raised
    at = int(end[by[0]])  # raised once too often, so its causes lead back into a loop
    for _ in number:
        at = int(start[cause[at]])
    loop = [int(cause[at])]
    while start[loop[-1]] != at:
        loop.append(int(cause[start[loop[-1]]]))
    loop.reverse()
    raise _too_fast([inner[arc] for arc in loop], int(len(loop) - gain[loop].sum()), where)


def _too_fast(loop: list[tuple[str, str]], steps: int, where: str) -> UnsupportedError:
    first = min(range(len(loop)), key=lambda i: loop[i][0])
    names = [a for a, _ in loop[first:] + loop[:first]][:8]
    return UnsupportedError(
        "A loop of several populations is faster than the machine, where every hop takes a step.",
        found=f"{' -> '.join(map(repr, [*names, names[0]]))} in {steps} step(s)",
        expected=f"at least {len(loop)} steps",
        where=where,
        remedy=f"put a Delay of {len(loop) - steps} step(s) into the loop and train with it",
    )
