"""Where the small core's tables lie in its memory of words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..geometry import Geometry
from ..layout import Table, layout

COLUMN_WORDS = 2
"""A column of a table takes 32 bits, whatever its width: the host sees it so."""
VARIABLES = 256
"""Of the sequencer, of 32 bits each, in a memory of their own."""
BYTES = "plastic"
"""The table that has a memory of its own."""


@dataclass(frozen=True)
class Places:
    """Tables one behind the other.

    Attributes:
        geometry: of the core.
    """

    geometry: Geometry

    @cached_property
    def tables(self) -> dict[str, Table]:
        """All that lie in the memory of words."""
        return {n: t for n, t in layout(self.geometry).items() if n != BYTES}

    @cached_property
    def _starts(self) -> dict[str, int]:
        found, at = {}, 0
        for name, table in self.tables.items():
            found[name] = at
            at += table.entries * self.stride(name)
        found[""] = at
        return found

    def start(self, table: str) -> int:
        """Address of its first entry."""
        return self._starts[table]

    def stride(self, table: str) -> int:
        """Words of an entry."""
        return COLUMN_WORDS * len(self.tables[table].widths)

    def offset(self, table: str, field: str) -> int:
        """Words from the beginning of an entry to a field's column."""
        return COLUMN_WORDS * self.tables[table].field(field).column

    @property
    def words(self) -> int:
        """In all."""
        return self._starts[""]
