"""How many elements every node has. NIR leaves much of it open: scalars, missing shapes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...errors import FileError
from ..origin import warn_user
from .flat import Flat
from .geometry import Shapes
from .graph import MAX_SIZE, WINDOWS, Node, shape_size

Port = tuple[str, str]


class Sizes:
    """Sizes of the input and output of each node, by unification along the edges.

    Elementwise nodes have one size, matrices two; an edge joins an output and an input of equal
    size. A parameter with a single value fits any size (snnTorch and Norse write scalars).

    Attributes:
        shapes: of the layers, as far as they are known.

    Raises:
        FileError: two sizes meet that differ, or nothing determines a size or a window's shape.
    """

    def __init__(self, flat: Flat) -> None:
        self.shapes = Shapes(flat)
        self._parent: dict[Port, Port] = {}
        self._known: dict[Port, tuple[int, str]] = {}
        self._where = flat.where
        for name, node in flat.nodes.items():
            self._declare(name, node)
        for a, b in flat.edges:
            if flat.nodes[b].type != "Output":
                self._join((a, "out"), (b, "in"))
        for name, node in flat.nodes.items():
            if node.type not in {"Affine", "Linear", "Output"} | WINDOWS:
                self._known.setdefault(self._root((name, "in")), (1, name))
        self._check_outputs(flat)

    def of(self, name: str, side: str = "in") -> int:
        """Elements of a node's input (or output)."""
        return self._known[self._root((name, side))][0]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a node's output, without a batch of one; (elements,) where it is not known."""
        size, shape = self.of(name, "out"), self.shapes.after.get(name, ())
        if math.prod(shape) != size:
            return (size,)
        while len(shape) > 3 and shape[0] == 1:
            shape = shape[1:]
        return shape or (size,)

    def _declare(self, name: str, node: Node) -> None:
        if node.type in ("Affine", "Linear"):
            rows, columns = node.fields["weight"].shape
            self._set((name, "in"), columns, name)
            self._set((name, "out"), rows, name)
            return
        if node.type in WINDOWS:
            if name not in self.shapes.after:
                raise FileError(
                    f"The shape of what enters this {node.type} node is not known.",
                    expected="an Input with a shape of (channels, height, width)",
                    where=node.where,
                    remedy="write it into the file: input_shape of convolutions, shape of Inputs",
                )
            self._set((name, "in"), math.prod(self.shapes.before[name]), name)
            self._set((name, "out"), math.prod(self.shapes.after[name]), name)
            return
        self._join((name, "in"), (name, "out"))
        for field, values in node.fields.items():
            if field in ("shape", "input_type"):
                known = node.type != "Output" and (values.all() or field == "shape")
                size = shape_size(values, node.where) if known else None  # Sinabs: zeros in Flatten
                if size is not None:
                    self._set((name, "in"), size, name)
            elif field not in ("start_dim", "end_dim") and values.size != 1:
                self._set((name, "in"), values.size, name)

    def _root(self, port: Port) -> Port:
        self._parent.setdefault(port, port)
        while self._parent[port] != port:
            self._parent[port] = self._parent[self._parent[port]]
            port = self._parent[port]
        return port

    def _set(self, port: Port, size: int, name: str) -> None:
        if size < 1 or size > MAX_SIZE:
            raise FileError(
                "A layer has an impossible size.",
                found=size,
                expected=f"1 to {MAX_SIZE}",
                where=f"{self._where}: node {name!r}",
            )
        root = self._root(port)
        known = self._known.setdefault(root, (size, name))
        if known[0] != size:
            self._clash(known, (size, name))

    def _join(self, a: Port, b: Port) -> None:
        first, second = self._root(a), self._root(b)
        if first == second:
            return
        known, other = self._known.get(first), self._known.pop(second, None)
        self._parent[second] = first
        if other is not None:
            if known is not None and known[0] != other[0]:
                self._clash(known, other)
            self._known[first] = other

    def _clash(self, a: tuple[int, str], b: tuple[int, str]) -> None:
        raise FileError(
            "The shapes of the graph do not fit together.",
            found=f"{a[1]!r} has {a[0]} elements, {b[1]!r} has {b[0]}",
            expected="equal sizes along every edge",
            where=self._where,
        )

    def _check_outputs(self, flat: Flat) -> None:
        """An Output's shape is only a remark (exporters put batches into it): warn, go on."""
        for a, b in flat.edges:
            node = flat.nodes[b]
            if node.type == "Output" and "shape" in node.fields:
                claimed = shape_size(node.fields["shape"], node.where)
                if claimed is not None and claimed != self.of(a, "out"):
                    warn_user(
                        f"{node.where}: the output claims {claimed} elements, {a!r} has "
                        f"{self.of(a, 'out')}; the claim is ignored"
                    )


def spread(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """A parameter as one value per neuron, in C order."""
    return np.broadcast_to(values.reshape(-1), (size,)).astype(np.float64)
