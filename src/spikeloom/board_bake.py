"""A network in a bitstream: what the memories of a core would hold if it had been loaded.

Joins the boards and the device that loads Programs, which do not know of each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from .backends.rtl.backend import RtlBackend
from .backends.rtl.model import Model
from .errors import UnsupportedError
from .hdl.contents import Contents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .compiler.program import Program
    from .hdl.geometry import Geometry


class _Sheet(Model):
    """A core of which there are only the memories, on paper."""

    simulator = "none"

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(geometry)
        self.words = {
            (name, lane, column): np.zeros(table.depth, np.uint32)
            for name, table in self.tables.items()
            for lane in range(table.banks)
            for column in range(len(table.widths))
        }

    def memory(self, table: str, lane: int, column: int, core: int = 0) -> NDArray[np.uint32]:
        return self.words[table, lane, column]

    def store(
        self, table: str, lane: int, column: int, words: NDArray[np.uint32], core: int = 0
    ) -> None:
        mine = self.words[table, lane, column]
        mine[:] = 0
        mine[: len(words)] = words

    def write(self, address: int, data: int) -> None:
        """Registers are the host's to write, whatever the memories hold."""

    def read(self, address: int) -> int:
        return 0

    def steps(self, steps: int, given: NDArray[np.int64], most_cycles: int) -> NoReturn:
        raise AssertionError("nothing runs here")

    def close(self) -> None:
        pass


class _Writer(RtlBackend):
    """The device that writes on paper."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(simulator="amaranth", geometry=geometry)
        self.sheet = _Sheet(geometry)
        self._model = self.sheet


def contents_of(program: Program, geometry: Geometry) -> Contents:
    """The memories of a core right after this Program has been loaded.

    Raises:
        UnsupportedError: of several cores, or of the small one.
        FitError: the core does not hold it.
    """
    if geometry.cores > 1:
        raise UnsupportedError(
            "a network cannot be in the bitstream of several cores in this version",
            found=f"a mesh of {geometry.cores} cores",
            expected="one core",
        )
    if geometry.micro:
        raise UnsupportedError(
            "a network cannot be in the bitstream of the small core",
            found="a core whose tables share memories that begin empty",
            expected="a core with a memory for each table",
            remedy="load the network with `spikeloom deploy`",
        )
    writer = _Writer(geometry)
    writer.load(program)
    return Contents({place: np.trim_zeros(w, "b") for place, w in writer.sheet.words.items()})
