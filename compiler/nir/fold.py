"""Chains of linear nodes between neurons, folded into one weight matrix per delay.

What reaches a node is a sum over *origins* (sources and neurons) of ``W z(t − d)``, plus constants
that set in at some step. Each linear node maps such a signal to another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ...errors import FileError, NetworkError, UnsupportedError
from ..checks import show, whole_steps
from ..origin import warn_user
from .flat import Flat
from .graph import CONVOLUTIONS, LINEAR, READOUTS, WINDOWS, Node
from .shapes import Sizes, spread
from .windows import count_entries, window_matrix

if TYPE_CHECKING:
    Matrix = NDArray[np.float64] | sp.csr_array

MAX_ENTRIES = 1 << 25
"""Weights of one folded matrix, and four times as many in all: chains of thin matrices must not
multiply into what nobody could have stored."""

MAX_PRODUCTS = 1 << 37
"""Multiplications of all foldings together: some seconds."""

MAX_DELAY = 4096
"""Steps of one Delay node; the machine's own limit, 64 between two populations, comes later."""


@dataclass
class Signal:
    """What arrives at a node.

    Attributes:
        terms: (origin, delay in steps) → (elements, size of origin) matrix.
        constants: step at which it sets in → (elements,).
    """

    terms: dict[tuple[str, int], Matrix] = field(default_factory=dict)
    constants: dict[int, NDArray[np.float64]] = field(default_factory=dict)


class Folder:
    """Computes the signal at the input of every neuron and output of a graph.

    Raises:
        FileError: a loop without a neuron, or a product beyond MAX_ENTRIES.
        UnsupportedError: an analog value would have to travel between neurons.
    """

    def __init__(self, flat: Flat, sizes: Sizes, dt: float) -> None:
        self._flat, self._sizes, self._dt = flat, sizes, dt
        self._before = flat.before()
        self._signals: dict[str, Signal] = {}
        self._entries = self._products = 0
        for name in self._order():
            self._signals[name] = self._apply(name, self.into(name))

    def into(self, name: str) -> Signal:
        """Sum of what all predecessors send to a node."""
        total = Signal()
        for before in self._before[name]:
            kind = self._flat.nodes[before].type
            if kind in LINEAR:
                self._add(total, self._signals[before])
                continue
            if kind in READOUTS:
                raise UnsupportedError(
                    "A neuron that does not spike feeds other nodes; only spikes travel.",
                    found=f"{before!r} ({kind}) -> {name!r}",
                    expected=f"{before!r} -> Output",
                    where=self._flat.where,
                    remedy="make it the last layer, or a spiking one",
                )
            eye = sp.csr_array(sp.identity(self._sizes.of(before, "out"), format="csr"))
            self._add(total, Signal({(before, 0): eye}))
        return total

    def origins(self, name: str) -> list[str]:
        """Sources and neurons whose spikes leave a node, changed or not."""
        if self._flat.nodes[name].type not in LINEAR:
            return [name]
        return list(dict.fromkeys(origin for origin, _ in self._signals[name].terms))

    def _order(self) -> list[str]:
        """Linear nodes, each after the linear nodes that feed it."""
        graph = nx.DiGraph()
        linear = [n for n, node in self._flat.nodes.items() if node.type in LINEAR]
        graph.add_nodes_from(linear)
        inside = set(linear)
        graph.add_edges_from((a, b) for a, b in self._flat.edges if a in inside and b in inside)
        try:
            return list(nx.topological_sort(graph))
        except nx.NetworkXUnfeasible:
            loop = [a for a, _ in nx.find_cycle(graph)]
            raise FileError(
                "The graph has a loop without a neuron, which determines no value.",
                found=" -> ".join(map(repr, [*loop[:8], loop[0]])),
                where=self._flat.where,
            ) from None

    def _apply(self, name: str, signal: Signal) -> Signal:
        node = self._flat.nodes[name]
        if node.type in ("Flatten", "Identity"):
            return signal
        if node.type == "Delay":
            return self._delayed(name, node, signal)
        if node.type == "Scale":
            scale = spread(node.fields["scale"], self._sizes.of(name))
            return Signal(
                {key: _scaled(w, scale) for key, w in signal.terms.items()},
                {start: c * scale for start, c in signal.constants.items()},
            )
        if node.type in WINDOWS:
            shape = self._sizes.shapes.before[name]
            self._check_entries(count_entries(node, shape), 0, name, "its input")
            weight: Matrix = window_matrix(node, shape)
        else:
            weight = node.fields["weight"]
        for origin, delay in signal.terms:
            entries, products = _cost(weight, signal.terms[origin, delay])
            self._check_entries(entries, products, name, origin)
        result = Signal(
            {key: _product(weight, w) for key, w in signal.terms.items()},
            {start: weight @ c for start, c in signal.constants.items()},
        )
        if "bias" in node.fields:
            bias = node.fields["bias"].reshape(-1)
            if node.type in CONVOLUTIONS and bias.size > 1:  # one per channel
                bias = np.repeat(bias, _sides(weight)[0] // bias.size)
            known = result.constants.get(0, 0.0)
            result.constants[0] = known + spread(bias, _sides(weight)[0])
        return result

    def _delayed(self, name: str, node: Node, signal: Signal) -> Signal:
        seconds = spread(node.fields["delay"], self._sizes.of(name))
        if (seconds < 0).any():
            raise FileError("A delay is negative.", found=seconds.min(), where=node.where)
        if (seconds / self._dt > MAX_DELAY).any():
            raise NetworkError(
                "A delay is absurdly long.",
                found=f"{show(seconds.max())} s, {show(seconds.max() / self._dt)} steps",
                where=node.where,
                expected=f"≤ {MAX_DELAY} steps",
                remedy="is dt right? NIR's delays are in seconds",
            )
        steps, off = whole_steps(seconds, self._dt)
        if off.any():
            warn_user(
                f"{node.where}: a delay of {show(seconds[off][0])} s is no whole number of steps "
                f"of {show(self._dt)} s; rounded to {show(float(steps[off][0]) * self._dt)} s"
            )
        result = Signal()
        for (origin, delay), w in signal.terms.items():
            for step, part in self._split(w, steps, name, origin):
                self._add(result, Signal({(origin, delay + step): part}))
        for start, c in signal.constants.items():
            for step in np.unique(steps):
                self._add(result, Signal({}, {start + int(step): c * (steps == step)}))
        return result

    def _split(
        self, matrix: Matrix, steps: NDArray[np.int64], name: str, origin: str
    ) -> Iterator[tuple[int, Matrix]]:
        """The rows of each delay as a matrix of their own."""
        kinds = np.unique(steps)
        if len(kinds) == 1:
            yield int(kinds[0]), matrix
            return
        entries = sp.coo_array(matrix)
        target, sender = entries.row, entries.col
        self._check_entries(entries.nnz + len(kinds) * len(steps), 0, name, origin)
        for step in kinds:
            chosen = steps[target] == step
            picked = (entries.data[chosen], (target[chosen], sender[chosen]))
            yield int(step), sp.csr_array(picked, shape=entries.shape)

    def _add(self, total: Signal, other: Signal) -> None:
        for key, matrix in other.terms.items():
            known = total.terms.get(key)
            total.terms[key] = matrix if known is None else _sum(known, matrix)
        for start, c in other.constants.items():
            total.constants[start] = total.constants.get(start, 0.0) + c

    def _check_entries(self, entries: int, products: int, name: str, origin: str) -> None:
        self._entries += entries
        self._products += products
        too_much = self._entries > 4 * MAX_ENTRIES or self._products > MAX_PRODUCTS
        if entries > MAX_ENTRIES or too_much:
            raise FileError(
                "Folding the linear nodes would make a matrix beyond any use.",
                found=f"{entries} weights from {origin!r} to {name!r}, {self._entries} in all "
                f"and {self._products} products",
                expected=f"≤ {MAX_ENTRIES}, {4 * MAX_ENTRIES} in all and {MAX_PRODUCTS} products",
                where=self._flat.where,
                remedy="put a neuron between the matrices, or split the layer",
            )


def _sides(matrix: Any) -> tuple[int, int]:
    return matrix.shape  # SciPy's stubs have it optional


def _cost(a: Matrix, b: Matrix) -> tuple[int, int]:
    """Entries and multiplications of a product, at most; what identities cost is nothing."""
    (rows, inner), columns = _sides(a), _sides(b)[1]
    entries = rows * columns
    if isinstance(b, np.ndarray):
        return entries, (entries * inner if isinstance(a, np.ndarray) else a.nnz * columns)
    if isinstance(a, np.ndarray):
        return entries, rows * b.nnz
    pairs = np.bincount(a.indices, minlength=inner) @ np.diff(b.indptr).astype(np.int64)
    return min(entries, int(pairs)), int(pairs)


def _product(a: Matrix, b: Matrix) -> Matrix:
    product = a @ b
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.asarray(product)
    return sp.csr_array(product)


def _scaled(matrix: Matrix, rows: NDArray[np.float64]) -> Matrix:
    if isinstance(matrix, np.ndarray):
        return matrix * rows[:, None]
    return sp.csr_array(sp.diags(rows) @ matrix)


def _sum(a: Matrix, b: Matrix) -> Matrix:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.asarray(_dense(a) + _dense(b))
    return sp.csr_array(a + b)


def _dense(a: Matrix) -> NDArray[np.float64]:
    return a if isinstance(a, np.ndarray) else a.toarray()
