"""Chips as data: limits, times and energies, each number with its source and its kind.

A chip is a TOML file (docs/latency.md); the package's own are in ``chips/``. A number that a chip
does not have is absent, and whatever needs it says so; it is never taken to be 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CompileError, UnsupportedError
from .chip_fields import FIELDS, TABLES
from .target import FANS, Target

if TYPE_CHECKING:
    from .program import Program

FOLDER = Path(__file__).parent / "chips"

_LIMITS = (
    *("neurons", "axons", "rows", "lanes", "state_bits", "weight_bits", "accumulator_bits"),
    *("delay_slots", "receptors", "profiles", "synapse_bits", "trace_bits", "products"),
)
"""What a Target needs of a chip's ``core`` section, under the same names."""


@dataclass(frozen=True)
class Number:
    """One number of a chip.

    Attributes:
        value: in the unit of its field.
        kind: where it comes from, of ``chip_fields.KINDS``.
        source: paper, table, file or measurement; for what is chosen, why.
    """

    value: float
    kind: str
    source: str


@dataclass(frozen=True)
class Chip:
    """A chip, or a profile of one.

    Attributes:
        name: how reports call it.
        title: what it is, in one line.
        discipline: what starts a step, of ``chip_fields.DISCIPLINES``.
        model: how a step's work takes time, of ``chip_fields.MODELS``.
        updates: which neurons are updated, of ``chip_fields.UPDATES``.
        routing: how a spike gets to several cores, of ``chip_fields.ROUTING``.
        arbitration: who goes first, of ``chip_fields.ARBITRATION``.
        numbers: by field.
        tables: by field, tiles in use to number; for other counts the next larger one holds.
    """

    name: str
    title: str
    discipline: str
    model: str
    updates: str
    routing: str
    arbitration: str
    numbers: Mapping[str, Number]
    tables: Mapping[str, Mapping[int, Number]]

    def has(self, *names: str) -> bool:
        """Whether it has all these numbers."""
        return not self.missing(names)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Which of these numbers it does not have."""
        return [n for n in names if n not in self.numbers and not self.tables.get(n)]

    def require(self, names: Iterable[str], purpose: str) -> None:
        """Raise unless it has all these numbers.

        Raises:
            UnsupportedError: naming what is missing, and what for.
        """
        absent = self.missing(names)
        if absent:
            described = [f"{n} ({(FIELDS | TABLES)[n].meaning})" for n in absent]
            raise UnsupportedError(
                f"chip {self.name!r} lacks numbers that {purpose} needs",
                found="no " + ", ".join(described),
                remedy="write them, with their sources, into a copy of its file, and name that: "
                "--chip my.toml (docs/latency.md)",
            )

    def get(self, name: str, purpose: str = "this") -> float:
        """A number.

        Raises:
            UnsupportedError: it is not known.
        """
        self.require((name,), purpose)
        return self.numbers[name].value

    def count(self, name: str, purpose: str = "this") -> int:
        """A whole number; raises as ``get``."""
        return int(self.get(name, purpose))

    def table(self, name: str, tiles: int) -> float:
        """A number that depends on the tiles in use.

        Raises:
            UnsupportedError: it is not known for so many tiles.
        """
        known = self.tables.get(name, {})
        enough = [count for count in sorted(known) if count >= tiles]
        if not enough:
            raise UnsupportedError(
                f"chip {self.name!r} has no {name} for so many tiles",
                found=f"{tiles} tiles",
                expected=f"at most {max(known)}" if known else "a table of them",
            )
        return known[enough[0]].value

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Rows and columns of cores in a tile."""
        return self.count("mesh.tile_rows"), self.count("mesh.tile_columns")

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return self.count("mesh.rows"), self.count("mesh.columns")

    @cached_property
    def target(self) -> Target:
        """What the compiler maps networks to: the mesh of cores with the chip's limits.

        Raises:
            UnsupportedError: a limit is not known.
            CompileError: a limit is none that the machine can have.
        """
        names = [f"core.{name}" for name in _LIMITS]
        self.require([*names, "mesh.rows", "mesh.columns"], "mapping a network")
        rows, columns = (a * b for a, b in zip(self.tiles, self.tile_shape, strict=True))
        fans = [name for name in FANS if self.has(f"core.{name}")]
        limits: dict[str, Any] = {name: self.count(f"core.{name}") for name in (*_LIMITS, *fans)}
        return Target(name=self.name, mesh=(rows, columns), **limits)

    def check(self, program: Program) -> None:
        """Whether a Program was compiled for this chip.

        Raises:
            CompileError: it was compiled for another target.
        """
        if program.target != self.target:
            raise CompileError(
                f"the Program was not compiled for chip {self.name!r}",
                found=f"target {program.target.name!r}",
                expected=f"target {self.name!r}, with the limits of the chip's file",
                remedy=f"compile the network for it: sl.compile(net, target={self.name!r}), or "
                f"spikeloom compile net.py --target {self.name}",
            )


def chip_names() -> list[str]:
    """The chips that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_chip(chip: str | Path | Chip) -> Chip:
    """A chip by name, or from a file of its own.

    Args:
        chip: a name of ``chip_names()``, the path of a ``.toml`` file, or a Chip, which is
            handed back.

    Raises:
        CompileError: there is no chip of that name.
        FileError: the file is damaged or hostile, or says what no chip file says.
    """
    from .chip_file import read_chip

    if isinstance(chip, Chip):
        return chip
    if isinstance(chip, str) and chip in chip_names():
        return read_chip(FOLDER / f"{chip}.toml")
    if isinstance(chip, (str, Path)) and str(chip).endswith(".toml"):
        return read_chip(Path(chip))
    raise CompileError(
        "there is no such chip",
        found=repr(chip)[:100],
        expected="one of " + ", ".join(chip_names()) + ", or the path of a .toml file",
    )
