"""Shapes of the layers, (channels, height, width), as far as a graph says or implies them."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from ...errors import FileError
from .flat import Flat
from .graph import WINDOWS, Node, shape_size
from .windows import Shape, output_shape, rank, window_of


class Shapes:
    """Shapes of the input and output of each node, followed along the edges from the inputs.

    Only windows need them: everything else knows its number of elements. A node's own parameters
    come first, then what its predecessors send.

    Attributes:
        before, after: node → shape, where it is known.

    Raises:
        FileError: impossible shapes, or a window whose own shape is not that of what enters it.
    """

    def __init__(self, flat: Flat) -> None:
        self.before: dict[str, Shape] = {}
        self.after: dict[str, Shape] = {}
        following = flat.after()
        given: dict[str, Shape] = {}
        for flat_ones in (False, True):  # a row of neurons waits for a shape from before it
            pending = deque(flat.nodes)
            while pending:
                name = pending.popleft()
                if name in self.after:
                    continue
                self._through(name, flat.nodes[name], given.get(name), flat_ones)
                for target in following[name] if name in self.after else ():
                    if target not in given:
                        given[target] = self.after[name]
                        pending.append(target)
        for target, shape in given.items():
            self._compare(flat.nodes[target], shape, self.before.get(target))

    def _through(self, name: str, node: Node, given: Shape | None, flat_ones: bool) -> None:
        """What enters and leaves a node, if that can be said yet."""
        own = _own(node)
        if node.type in WINDOWS:
            entering = own or _of_rank(given, rank(node))
            if entering is not None:
                self.before[name] = entering
                self.after[name] = output_shape(node, entering)
            return
        if node.type in ("Affine", "Linear"):
            self.after[name] = (node.fields["weight"].shape[0],)
            return
        said = node.type == "Input" or (own is not None and len(own) > 1)
        entering = own if said else given or (own if flat_ones else None)
        if entering is not None:
            self.before[name] = entering
            self.after[name] = _flattened(node, entering) if node.type == "Flatten" else entering

    def _compare(self, node: Node, given: Shape, own: Shape | None) -> None:
        if node.type not in WINDOWS or own is None:
            return
        arriving = _of_rank(given, rank(node))
        if arriving is not None and arriving != own and math.prod(arriving) == math.prod(own):
            raise FileError(
                "What enters this node has another shape than it says.",
                found=f"{arriving}",
                expected=f"{own}",
                where=node.where,
            )


def _own(node: Node) -> Shape | None:
    """The shape of a node's input by its own parameters."""
    if node.type in WINDOWS:
        if "input_shape" not in node.fields or not node.fields["input_shape"].size:
            return None
        sides = _sides(node, "input_shape")
        if len(sides) != rank(node) - 1:
            raise FileError(
                "input_shape has the wrong number of sides.",
                found=f"{sides}",
                expected=f"{rank(node) - 1}",
                where=node.where,
            )
        return (window_of(node).inputs or 1, *sides)
    for field in ("shape", "input_type"):
        if field in node.fields:
            values = node.fields[field]
            said = values.size and (field == "shape" or values.all())  # Sinabs writes zeros
            return _sides(node, field) if said and node.type != "Output" else None
    arrays = [v.shape for k, v in node.fields.items() if v.size > 1 and not k.endswith("_dim")]
    return max(arrays, key=len) if arrays else None


def _sides(node: Node, field: str) -> Shape:
    shape_size(node.fields[field], node.where)
    return tuple(int(v) for v in node.fields[field].reshape(-1))


def _of_rank(shape: Shape | None, sides: int) -> Shape | None:
    """A shape without the batch of one that some exporters leave in front."""
    if shape is None or len(shape) < sides or math.prod(shape[: len(shape) - sides]) != 1:
        return None
    return shape[len(shape) - sides :]


def _flattened(node: Node, shape: Shape) -> Shape:
    """Sides start_dim to end_dim become one; the elements keep their order."""

    def side(name: str, default: int) -> int:
        value = float(np.ravel(node.fields[name])[0]) if name in node.fields else default
        if value != int(value) or not -8 <= value <= 8:
            raise FileError(f"{name} is impossible.", found=f"{value:g}", where=node.where)
        return int(value) + (len(shape) if value < 0 else 0)

    first, last = side("start_dim", 1), side("end_dim", -1)
    if not 0 <= first <= last < len(shape):
        return (math.prod(shape),)
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
