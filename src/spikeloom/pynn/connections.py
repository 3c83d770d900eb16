"""Single connections, and what PyNN's connectors need to make them with NumPy 2."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from pyNN import common
from pyNN.connectors import MapConnector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .projections import Projection


class Connection(common.Connection):
    """One connection of a projection; its parameters are attributes that may be set.

    Args:
        projection: that it belongs to.
        number: its place there.
    """

    def __init__(self, projection: Projection, number: int) -> None:
        object.__setattr__(self, "_projection", projection)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name: str) -> Any:
        if name == "presynaptic_index":
            return int(self._projection.pre_index[self._number])
        if name == "postsynaptic_index":
            return int(self._projection.post_index[self._number])
        if name not in self._projection.attributes:
            raise AttributeError(f"connections of {self._projection} have no {name!r}")
        return float(self._projection.values(name)[self._number])

    def __setattr__(self, name: str, value: float) -> None:
        values = self._projection.values(name).copy()
        values[self._number] = value
        self._projection.assign(name, values)

    def as_tuple(self, *names: str) -> tuple[Any, ...]:
        """The values of several attributes."""
        return tuple(getattr(self, name) for name in names)


def for_numpy_2(connector: Any) -> Any:
    """The connector, so that it connects single neurons with NumPy 2 as well.

    A column of a 1 x 1 map comes out of PyNN 0.13 as an array without dimensions, whose
    ``nonzero`` NumPy 2.1 took away.
    """
    if not isinstance(connector, MapConnector):
        return connector
    repaired: Any = copy(connector)

    def standard_connect(projection: Any, columns: Any, distance_map: Any = None) -> None:
        def whole(mask: Any = None) -> Iterator[Any]:
            for column in columns() if mask is None else columns(mask):
                yield column if isinstance(column, bool) else np.atleast_1d(column)

        type(connector)._standard_connect(repaired, projection, whole, distance_map)

    repaired._standard_connect = standard_connect
    return repaired
