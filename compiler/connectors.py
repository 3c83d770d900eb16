"""Who is connected with whom: connectors, synapse lists, and the table they all become."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from ..counter_hash import random
from .checks import Reasons, numbers
from .sources import check_seed

if TYPE_CHECKING:
    import networkx as nx
    from numpy.typing import ArrayLike, NDArray

CONNECTIVITY = 3
"""Purpose of the counter hash for random connectivity; 1 and 2 are the machine's."""


Pairs = tuple["NDArray[np.int32]", "NDArray[np.int32]"]
"""Presynaptic and postsynaptic index of each synapse, sorted by pre, then post."""


@dataclass(frozen=True)
class AllToAll:
    """Every neuron of pre to every neuron of post.

    Args:
        self_connections: False leaves out ``i -> i`` where pre and post are the same population.
    """

    self_connections: bool = True

    def pairs(self, n_pre: int, n_post: int, same: bool) -> Pairs:
        """The connected pairs, sorted by pre, then post."""
        pre = np.repeat(np.arange(n_pre, dtype=np.int32), n_post)
        post = np.tile(np.arange(n_post, dtype=np.int32), n_pre)
        return _without_self(pre, post, same and not self.self_connections)


@dataclass(frozen=True)
class OneToOne:
    """Neuron ``i`` of pre to neuron ``i`` of post; both have the same size."""

    def pairs(self, n_pre: int, n_post: int, same: bool) -> Pairs:
        """The connected pairs, sorted by pre, then post."""
        index = np.arange(n_pre, dtype=np.int32)
        return index, index.copy()


@dataclass(frozen=True)
class FixedProbability:
    """Each pair is connected with probability ``p``, independently.

    The draw is a function of ``seed`` alone (not of NumPy's version or of other projections).

    Args:
        p: probability, 0 to 1.
        seed: uint32.
        self_connections: False leaves out ``i -> i`` where pre and post are the same population.

    Raises:
        NetworkError: ``p`` is no probability or ``seed`` no uint32.
    """

    p: float
    seed: int = 0
    self_connections: bool = True

    def __post_init__(self) -> None:
        reasons = Reasons("FixedProbability")
        p = numbers(reasons, "p", self.p, ndim=(0,), low=0.0)
        if p > 1:
            reasons.add(f"p is above 1: {float(p):g}")
        check_seed(reasons, self.seed)
        reasons.done()

    def pairs(self, n_pre: int, n_post: int, same: bool) -> Pairs:
        """The connected pairs, sorted by pre, then post."""
        chosen = _bernoulli(float(self.p), n_pre * n_post, self.seed)
        pre, post = np.divmod(chosen, n_post)
        return _without_self(
            pre.astype(np.int32), post.astype(np.int32), same and not self.self_connections
        )


Connector = AllToAll | OneToOne | FixedProbability


class Synapses:
    """A list of synapses; the same pair may occur more than once.

    Args:
        pre: (k,) indices into the presynaptic source or population.
        post: (k,) indices into the postsynaptic population.
        weight: scalar or (k,), network units.
        delay: None, scalar or (k,), seconds; then ``connect`` must not be given a delay too.

    Raises:
        NetworkError: arrays of different lengths, indices that are no integers, NaN.
    """

    def __init__(
        self, pre: ArrayLike, post: ArrayLike, weight: ArrayLike, delay: ArrayLike | None = None
    ) -> None:
        reasons = Reasons("Synapses")
        self.pre = _indices(reasons, "pre", pre)
        self.post = _indices(reasons, "post", post)
        self.weight = numbers(reasons, "weight", weight)
        self.delay = None if delay is None else numbers(reasons, "delay", delay, low=0.0)
        k = len(self.pre)
        for name in ("post", "weight", "delay"):
            value = getattr(self, name)
            if value is not None and value.ndim == 1 and len(value) != k:
                reasons.add(f"{name} has {len(value)} values for {k} synapses (the length of pre)")
        reasons.done()
        self.weight = np.broadcast_to(self.weight, (k,))

    def __len__(self) -> int:
        return len(self.pre)

    @staticmethod
    def from_graph(
        graph: nx.Graph,
        weight: str = "weight",
        delay: str | None = "delay",
        *,
        pre: Sequence[Hashable] | None = None,
        post: Sequence[Hashable] | None = None,
    ) -> Synapses:
        """The edges of a networkx graph.

        Args:
            graph: an undirected edge makes a synapse in each direction.
            weight: edge attribute with the weight.
            delay: edge attribute with the delay in seconds; where no edge has it, or None,
                ``connect`` decides.
            pre: nodes in the order of the presynaptic neurons; None: nodes are 0 … n-1.
            post: nodes in the order of the postsynaptic neurons; None: as ``pre``.

        Raises:
            NetworkError: an edge without weight, with a delay where others have none, or at a
                node that is in no list.
        """
        reasons = Reasons("Synapses.from_graph")
        directed = graph if graph.is_directed() else graph.to_directed()
        order_pre = {node: i for i, node in enumerate(pre)} if pre is not None else None
        order_post = {node: i for i, node in enumerate(post)} if post is not None else order_pre
        edges = list(directed.edges(data=True))

        def column(name: str) -> list[Any]:
            missing = [(a, b) for a, b, data in edges if name not in data]
            if missing:
                a, b = missing[0]
                reasons.add(
                    f"edge {a!r} -> {b!r} has no {name!r} (and {len(missing) - 1} more)"
                    if len(missing) > 1
                    else f"edge {a!r} -> {b!r} has no {name!r}"
                )
            return [data.get(name, 0.0) for _, _, data in edges]

        def place(order: dict[Hashable, int] | None, node: Any) -> int:
            if order is None and isinstance(node, (int, np.integer)) and node >= 0:
                return int(node)
            if order is not None and node in order:
                return order[node]
            reasons.add(
                f"node {node!r} is no number from 0 up; give the order of the nodes as pre="
                if order is None
                else f"node {node!r} is in no list of nodes"
            )
            return 0

        with_delay = delay is not None and any(delay in data for _, _, data in edges)
        result = (
            [place(order_pre, a) for a, _, _ in edges],
            [place(order_post, b) for _, b, _ in edges],
            column(weight),
            column(delay) if with_delay and delay is not None else None,
        )
        reasons.done()
        return Synapses(
            np.array(result[0], np.int64), np.array(result[1], np.int64), result[2], result[3]
        )


@dataclass(frozen=True, eq=False)
class Table:
    """The synapses of a projection, sorted by pre, then post; rows as in a CSR matrix.

    Attributes:
        start: (n_pre + 1,) int64, synapses of neuron ``i`` are ``start[i]:start[i+1]``.
        post: (k,) int32.
        weight: (k,) float64 in the network's units, or integer mantissas after quantisation.
        delay: (k,) uint8, delay in steps.
    """

    start: NDArray[np.int64]
    post: NDArray[np.int32]
    weight: NDArray[Any]
    delay: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.post)

    @property
    def pre(self) -> NDArray[np.int32]:
        """(k,) presynaptic index of each synapse."""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int32), np.diff(self.start))


def stable_order(key: NDArray[Any], size: int) -> NDArray[np.int64]:
    """(k,) permutation that sorts ``key`` (integers below ``size``), equal keys in given order.

    SciPy's conversion from rows to columns is a counting sort in C: several times faster than
    ``argsort`` for millions of synapses.
    """
    k = len(key)
    rows = scipy.sparse.csr_matrix(
        (np.arange(k, dtype=np.int64), np.asarray(key, np.int32), np.arange(k + 1)),
        shape=(k, size),
    )
    return np.asarray(rows.tocsc().data, np.int64)


def table(
    n_pre: int, n_post: int, pre: NDArray[Any], post: NDArray[Any], *columns: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int32], tuple[NDArray[Any], ...]]:
    """Sort synapses by pre, then post; equal pairs keep their order.

    Returns:
        ``Table.start``, ``Table.post``, and the sorted columns.
    """
    start = np.zeros(n_pre + 1, np.int64)
    np.cumsum(np.bincount(pre, minlength=n_pre), out=start[1:])
    key = np.asarray(pre, np.int64) * n_post + post
    if len(key) and not (key[1:] >= key[:-1]).all():
        del key
        order = stable_order(post, n_post)
        order = order[stable_order(np.asarray(pre)[order], n_pre)]
        post, columns = post[order], tuple(column[order] for column in columns)
    return start, np.asarray(post, np.int32), columns


def _without_self(
    pre: NDArray[np.int32], post: NDArray[np.int32], drop: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    if not drop:
        return pre, post
    keep = pre != post
    return pre[keep], post[keep]


def _bernoulli(p: float, n: int, seed: int) -> NDArray[np.int64]:
    """Ascending indices below ``n``, each chosen with probability ``p``.

    The gaps between chosen indices are geometric: as many random numbers as synapses, not as pairs.
    """
    if p >= 1.0:
        return np.arange(n, dtype=np.int64)
    if p <= 0.0:
        return np.zeros(0, np.int64)
    parts, last, block = [], -1, 0
    while last < n:
        count = int(p * (n - last) + 6 * np.sqrt(p * (n - last)) + 16)
        number = np.arange(count, dtype=np.uint32)
        high = random(seed, block, number, CONNECTIVITY).astype(np.float64)
        low = random(seed, block + 1, number, CONNECTIVITY).astype(np.float64)
        uniform = (high + (low + 0.5) / 2**32) / 2**32  # inside (0, 1)
        gaps = np.floor(np.log(uniform) / np.log1p(-p)).astype(np.int64) + 1
        part = last + np.cumsum(np.minimum(gaps, n + 1))
        parts.append(part)
        last, block = int(part[-1]), block + 2
    chosen = np.concatenate(parts)
    return chosen[chosen < n]


def _indices(reasons: Reasons, name: str, value: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(value)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        reasons.add(f"{name} must be a 1-D array of integers, got {array.dtype} {array.shape}")
        return np.zeros(0, np.int64)
    return np.array(array, dtype=np.int64)
