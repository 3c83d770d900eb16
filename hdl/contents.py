"""What a core's memories hold from the beginning: a network that is in the bitstream itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .core import Core


@dataclass(frozen=True, eq=False)
class Contents:
    """Initial contents of a core's memories.

    Attributes:
        words: table, lane, column -> the memory's first words; the others are zero.
    """

    words: Mapping[tuple[str, int, int], NDArray]

    @property
    def digest(self) -> str:
        """Of all that is not zero, hexadecimal."""
        found = hashlib.sha256()
        for place in sorted(self.words):
            found.update(f"{place} {self.words[place].tolist()}".encode())
        return found.hexdigest()

    @property
    def tables(self) -> set[str]:
        """Tables of which anything is not zero."""
        return {name for (name, _, _), words in self.words.items() if words.any()}

    def put_into(self, core: Core) -> None:
        """Before the core is elaborated.

        Raises:
            ValueError: more words than a memory has.
        """
        banks = core.banks()
        for (name, lane, column), words in self.words.items():
            init = banks[name][lane].memories[column].init
            if len(words) > len(init):
                raise ValueError(f"{len(words)} words for {len(init)} of table {name!r}")
            init[: len(words)] = [int(word) for word in words]
