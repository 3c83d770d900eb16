"""What a mapping comes to, counted on the finished tables and not by those who made it.

Where a neuron's spikes go is read from the routed network's axons: one message to every core that
has an axon for it. A message tree runs along the row of the sender's core first and then along
columns; each link carries a message once, however many cores lie behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .mapped import Flat, Routed

SHOWN = 5
"""Busiest cores and links that are named."""


def mapping_report(ir: Routed) -> dict[str, Any]:
    """Plain data: how the parts were found, messages, hops, and where most of them are."""
    sender, core = messages(ir)
    rate = ir.rate[sender]
    origin = ir.core[sender].astype(np.int64)
    cores = ir.parts
    away = core != origin
    out = np.bincount(origin[away], rate[away], cores)
    into = np.bincount(core[away], rate[away], cores)
    links, load = link_loads(sender[away], core[away], origin, away, rate, ir.target.mesh)
    total = float(rate[away].sum())
    return {
        **ir.mapping,
        "messages": total,
        "hops": float(load.sum()),
        "busiest_cores": [
            {"core": c, "messages_in": float(into[c]), "messages_out": float(out[c])}
            for c in np.argsort(-(into + out), kind="stable")[:SHOWN].tolist()
        ],
        "busiest_links": [
            {"from": list(links[i][0]), "to": list(links[i][1]), "messages": float(load[i])}
            for i in np.argsort(-load, kind="stable")[:SHOWN].tolist()
            if load[i] > 0
        ],
        **({} if ir.original.all() else {"twins": twins(ir)}),
    }


def twins(ir: Flat) -> dict[str, Any]:
    """Plain data: how many twins, of how many neurons, by population, and synapses onto them."""
    copies = np.bincount(ir.key)[ir.key]
    twin = ~ir.original
    by_population = {}
    for node in ir.graph.populations:
        own = slice(node.first, node.first + node.size)
        if twin[own].any():
            split = int((ir.original[own] & (copies[own] > 1)).sum())
            by_population[node.name] = {"neurons": split, "twins": int(twin[own].sum())}
    synapses = sum(
        int(twin[ir.population(edge.post).first + edge.synapses.post].sum())
        for edge in ir.graph.projections
    )
    return {
        "neurons": sum(entry["neurons"] for entry in by_population.values()),
        "twins": int(twin.sum()),
        "synapses": synapses,
        "fan_out": ir.target.fan_out,
        "populations": by_population,
    }


def messages(ir: Routed) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Neuron and core of each message that a spike of the neuron becomes, its own core included."""
    groups = ir.groups
    neuron = groups["sender"] - ir.graph.channels
    own = neuron >= 0
    pairs = np.unique(neuron[own].astype(np.int64) * ir.parts + groups["core"][own])
    return np.divmod(pairs, ir.parts)  # type: ignore[return-value]


def link_loads(
    sender: NDArray[np.int64],
    core: NDArray[np.int64],
    origin: NDArray[np.int64],
    away: NDArray[np.bool_],
    rate: NDArray[np.float64],
    mesh: tuple[int, int],
) -> tuple[list[tuple[tuple[int, int], tuple[int, int]]], NDArray[np.float64]]:
    """Directed links of the mesh and the messages that cross each.

    Args:
        sender, core: of each message to another core, sorted by sender.
        origin, rate: core and rate of the sender of every message, that stay or not.
        away: which of those leave their core.
        mesh: rows and columns.
    """
    rows, columns = mesh
    origin, rate = origin[away], rate[away]
    row, column = np.divmod(core, columns)
    at_row, at_column = np.divmod(origin, columns)
    load = {name: np.zeros((rows, columns)) for name in ("east", "west", "south", "north")}
    tree, first = np.unique(sender, return_index=True)
    if len(tree):
        for name, reach, sign in (
            ("east", np.maximum.reduceat(column, first), 1),
            ("west", np.minimum.reduceat(column, first), -1),
        ):
            _add(load[name], at_row[first], at_column[first], reach, rate[first], sign, axis=1)
        order = np.lexsort((row, column, sender))
        branch = sender[order] * columns + column[order]
        first = np.unique(branch, return_index=True)[1]
        one = order[first]
        for name, reach, sign in (
            ("south", np.maximum.reduceat(row[order], first), 1),
            ("north", np.minimum.reduceat(row[order], first), -1),
        ):
            _add(load[name], at_row[one], column[one], reach, rate[one], sign, axis=0)
    step = {"east": (0, 1), "west": (0, -1), "south": (1, 0), "north": (-1, 0)}
    links = [
        ((r, c), (r + step[name][0], c + step[name][1]))
        for name in load
        for r in range(rows)
        for c in range(columns)
    ]
    return links, np.concatenate([values.ravel() for values in load.values()])


def _add(
    load: NDArray[np.float64],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    reach: NDArray[np.int64],
    rate: NDArray[np.float64],
    sign: int,
    axis: int,
) -> None:
    """Add to the links that leave cores in one direction, from a core up to ``reach``."""
    at = column if axis else row
    going = (reach - at) * sign > 0
    row, column, at, reach = (x[going] for x in (row, column, at, reach))
    rate = rate[going]
    # Links leave cores at … reach - 1 eastwards, and reach + 1 … at westwards.
    low, high = (at, reach) if sign > 0 else (reach + 1, at + 1)
    size = load.shape[axis] + 1
    change = np.zeros((load.shape[1 - axis], size))
    fixed = row if axis else column
    np.add.at(change, (fixed, low), rate)
    np.add.at(change, (fixed, high), -rate)
    along = np.cumsum(change, axis=1)[:, :-1]
    load += along if axis else along.T
