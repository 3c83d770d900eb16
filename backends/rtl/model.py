"""What a simulated core can be asked, whoever simulates it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...hdl.layout import BANKED, layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...hdl.geometry import Geometry


@dataclass(frozen=True, eq=False)
class StepOutput:
    """What came out of the core.

    Attributes:
        items: (n, 3) int64 kind, group, data (``hdl.streams``).
        ended: steps that came to their end.
        used: items of input that were taken.
        cycles: clock cycles that passed.
    """

    items: NDArray[np.int64]
    ended: int
    used: int
    cycles: int


class Model(ABC):
    """A simulated core."""

    simulator: ClassVar[str]

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.tables = layout(geometry)
        self.output_room = geometry.update_groups + geometry.generator_groups + 1

    @abstractmethod
    def memory(self, table: str, lane: int, column: int) -> NDArray[np.uint32]:
        """The words of one memory."""

    @abstractmethod
    def store(self, table: str, lane: int, column: int, words: NDArray[np.uint32]) -> None:
        """Replace a memory's first words; the rest becomes zero."""

    @abstractmethod
    def write(self, address: int, data: int) -> None:
        """One access on the bus."""

    @abstractmethod
    def read(self, address: int) -> int:
        """One access on the bus."""

    @abstractmethod
    def steps(self, steps: int, given: NDArray[np.int64], most_cycles: int) -> StepOutput:
        """Start so many steps and let the clock run until they have ended.

        Args:
            given: (n, 3) int64 input: kind, index, value (``hdl.streams``).
            most_cycles: give up after so many clock cycles.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what the simulation holds."""

    def lanes(self, table: str) -> int:
        """How many memories hold a table's column."""
        return self.tables[table].banks

    def load_table(self, name: str, columns: list[NDArray[np.uint32]]) -> None:
        """Replace a whole table through the back door; entries that are not given become zero."""
        lanes = self.lanes(name)
        banked = self.tables[name].kind == BANKED
        for column, words in enumerate(columns):
            for lane in range(lanes):
                self.store(name, lane, column, words[lane::lanes] if banked else words)

    def table(self, name: str) -> list[NDArray[np.uint32]]:
        """A copy of a whole table."""
        banked = self.tables[name].kind == BANKED
        columns = []
        for column in range(len(self.tables[name].widths)):
            if not banked:
                columns.append(np.array(self.memory(name, 0, column)))
                continue
            parts = [self.memory(name, lane, column) for lane in range(self.lanes(name))]
            columns.append(np.stack(parts, axis=1).ravel())
        return columns
