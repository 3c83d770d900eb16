"""What a simulated core can be asked, whoever simulates it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...hdl.layout import BANKED, CORE_SHIFT, layout

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
    """A simulated core, or a mesh of them.

    Args:
        geometry: of each core.
    """

    simulator: ClassVar[str]

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.tables = layout(geometry)
        of_core = geometry.update_groups + geometry.generator_groups
        self.output_room = geometry.cores * of_core + 1

    @property
    def everyone(self) -> int:
        """To be added to an address: what is written goes to all cores, and core 0 answers."""
        return self.geometry.cores << CORE_SHIFT if self.geometry.cores > 1 else 0

    @abstractmethod
    def memory(self, table: str, lane: int, column: int, core: int = 0) -> NDArray[np.uint32]:
        """The words of one memory."""

    @abstractmethod
    def store(
        self, table: str, lane: int, column: int, words: NDArray[np.uint32], core: int = 0
    ) -> None:
        """Replace a memory's first words; the rest becomes zero."""

    @abstractmethod
    def write(self, address: int, data: int) -> None:
        """One access on the bus; of a mesh, the core's number stands above ``CORE_SHIFT``."""

    @abstractmethod
    def read(self, address: int) -> int:
        """One access on the bus, likewise."""

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

    def load_table(self, name: str, columns: list[NDArray[np.uint32]], core: int = 0) -> None:
        """Replace a whole table through the back door; entries that are not given become zero."""
        if self.geometry.micro:
            self._store_by_bus(name, columns)
            return
        lanes = self.lanes(name)
        banked = self.tables[name].kind == BANKED
        for column, words in enumerate(columns):
            for lane in range(lanes):
                self.store(name, lane, column, words[lane::lanes] if banked else words, core)

    def table(self, name: str, core: int = 0) -> list[NDArray[np.uint32]]:
        """A copy of a whole table."""
        if self.geometry.micro:
            return self._read_by_bus(name)
        banked = self.tables[name].kind == BANKED
        columns = []
        for column in range(len(self.tables[name].widths)):
            if not banked:
                columns.append(np.array(self.memory(name, 0, column, core)))
                continue
            parts = [self.memory(name, lane, column, core) for lane in range(self.lanes(name))]
            columns.append(np.stack(parts, axis=1).ravel())
        return columns

    def _store_by_bus(self, name: str, columns: list[NDArray[np.uint32]]) -> None:
        """Of a core whose tables share memories."""
        table = self.tables[name]
        for column, words in enumerate(columns):
            for entry in range(table.entries):
                word = int(words[entry]) if entry < len(words) else 0
                self.write(table.address(entry, column), word)

    def _read_by_bus(self, name: str) -> list[NDArray[np.uint32]]:
        table = self.tables[name]
        return [
            np.array(
                [self.read(table.address(entry, column)) for entry in range(table.entries)],
                np.uint32,
            )
            for column in range(len(table.widths))
        ]
