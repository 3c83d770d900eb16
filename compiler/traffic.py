"""Who sends spikes to whom, and what a partition makes of it: messages between cores.

A neuron's spike is one message to every other core on which it has a target, however many targets
it has there. So the traffic of a partition is the sum over all neurons of their rates times the
cores that they reach besides their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .mapped import Flat

_TABLE = 1 << 24
"""Entries of a table of senders and parts that is made at a time."""
Sparse = Any
"""A scipy.sparse.csr_matrix; SciPy has no types for what its operators return."""


@dataclass(frozen=True, eq=False)
class Reach:
    """The neurons that each neuron's spikes reach.

    Attributes:
        pins: (n, n) float32, 1 where a neuron (row) sends to one (column), and on the diagonal.
        wires: (n, n) float32, synapses between two neurons in either direction times their rates.
        rate: (n,) float64, spikes of each neuron, in any unit.
    """

    pins: Sparse
    wires: Sparse
    rate: NDArray[np.float64]

    @staticmethod
    def of(ir: Flat, rate: NDArray[np.float64]) -> Reach:
        """Of a network, where each neuron fires as often as ``rate`` says."""
        n = ir.neurons
        wires: Sparse = scipy.sparse.csr_matrix((n, n), dtype=np.float32)
        for edge in ir.graph.projections:
            if not edge.base_delay or not len(edge.synapses):
                continue  # sources are fed from outside
            pre, post = ir.population(edge.pre), ir.population(edge.post)
            start = np.zeros(n + 1, np.int64)
            start[pre.first + 1 : pre.first + pre.size + 1] = np.diff(edge.synapses.start)
            target = post.first + edge.synapses.post
            ones = np.ones(len(target), np.float32)
            wires = wires + scipy.sparse.csr_matrix((ones, target, np.cumsum(start)), shape=(n, n))
        wires.sum_duplicates()
        pins = (wires + scipy.sparse.identity(n, dtype="float32", format="csr")).tocsr()
        pins.data[:] = 1
        wires.data *= np.repeat(rate, np.diff(wires.indptr)).astype(np.float32)
        wires = (wires + wires.T).tocsr()
        wires.setdiag(0)
        wires.eliminate_zeros()
        return Reach(pins, wires, rate)

    def reached(self, part: NDArray[Any], parts: int) -> Sparse:
        """(n, parts) how many neurons of each part a spike reaches, its own among them."""
        return (self.pins @ membership(part, parts)).tocsr()

    def traffic(self, part: NDArray[Any]) -> float:
        """Messages between parts."""
        reached = self.reached(part, int(part.max(initial=0)) + 1)
        return float(self.rate @ (np.diff(reached.indptr) - 1.0))


def flow_between(
    ir: Flat, part: NDArray[Any], parts: int, rate: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(parts, parts) messages from part to part."""
    flow = np.zeros((parts, parts))
    for own, reached in reached_in_parts(ir, part, parts):
        messages = reached * rate[own, None]
        flow += np.asarray(membership(part[own], parts).T @ messages)
    np.fill_diagonal(flow, 0.0)
    return flow


def reached_in_parts(
    ir: Flat, part: NDArray[Any], parts: int
) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Neurons that send anything, some at a time, and (neurons, parts) whether each reaches it."""
    step = max(1, _TABLE // max(1, parts))
    for population in ir.graph.populations:
        edges = [
            edge
            for edge in ir.graph.projections
            if edge.pre == population.name and edge.base_delay and len(edge.synapses)
        ]
        for low in range(0, population.size if edges else 0, step):
            high = min(low + step, population.size)
            reached = np.zeros((high - low, parts), bool)
            for edge in edges:
                start = edge.synapses.start[low : high + 1]
                sender = np.repeat(np.arange(high - low), np.diff(start))
                target = edge.synapses.post[start[0] : start[-1]]
                reached[sender, part[ir.population(edge.post).first + target]] = True
            yield slice(population.first + low, population.first + high), reached


def membership(label: NDArray[Any], labels: int) -> Sparse:
    """(n, labels) float32, 1 where an entry has the label."""
    n = len(label)
    return scipy.sparse.csr_matrix(
        (np.ones(n, np.float32), np.asarray(label, np.int32), np.arange(n + 1)), shape=(n, labels)
    )


def best_column(
    table: Sparse, own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Of each row the largest entry outside its own column.

    Returns:
        its column, or -1 where there is none; its value, or 0; and the value in the own column.
    """
    n = table.shape[0]
    row = np.repeat(np.arange(n), np.diff(table.indptr))
    column, data = table.indices, table.data
    mine = column == own[row]
    stays = np.zeros(n, np.float32)
    stays[row[mine]] = data[mine]
    others = np.where(mine, np.float32(-1), data)
    most = np.full(n, -1, np.float32)
    some = np.diff(table.indptr) > 0
    if some.any():
        most[some] = np.maximum.reduceat(others, table.indptr[:-1][some])
    hit = (others == most[row]) & (others >= 0)
    best = np.full(n, -1, np.int64)
    best[row[hit][::-1]] = column[hit][::-1]  # of equal ones the first
    return best, np.maximum(most, 0), stays
