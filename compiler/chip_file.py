"""Reads chip files; safe for files from strangers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NoReturn

from ..errors import FileError
from ..toml_file import read_toml
from .chip import Chip, Number
from .chip_fields import (
    ARBITRATION,
    DISCIPLINES,
    FIELDS,
    KINDS,
    MODELS,
    ROUTING,
    TABLES,
    UPDATES,
    Field,
)

FORMAT = 1
LARGEST = 1 << 18
"""Bytes of a chip file, at most."""
_LONGEST_NAME, _LONGEST_TEXT, _LONGEST_TABLE = 100, 1000, 1000


def read_chip(path: Path) -> Chip:
    """Read a chip file.

    Raises:
        FileError: it is missing, damaged, too large, of another version, or has a key, a value or
            a kind that no chip file has.
    """
    return _Reader(path).chip(read_toml(path, "chip file", LARGEST))


class _Reader:
    """Checks one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(
        self, problem: str, key: str, found: object = None, expected: object = None
    ) -> NoReturn:
        raise FileError(
            problem,
            found=None if found is None else repr(found)[:100],
            expected=expected,
            where=f"{self.path}: {key[:100]}",
        )

    def chip(self, content: dict[str, Any]) -> Chip:
        """The chip that a file's content describes."""
        if content.get("format") != FORMAT:
            self.fail("the chip file has another version", "format", content.get("format"), FORMAT)
        texts = {
            key: self.text(content.get(key), key, longest)
            for key, longest in (("name", _LONGEST_NAME), ("title", _LONGEST_TEXT))
        }
        known_choices = {
            "discipline": DISCIPLINES, "model": MODELS, "updates": UPDATES, "routing": ROUTING,
            "arbitration": ARBITRATION,
        }  # fmt: skip
        choices = {
            key: self.choice(content.get(key), key, known) for key, known in known_choices.items()
        }
        numbers: dict[str, Number] = {}
        tables: dict[str, dict[int, Number]] = {}
        sections = {name.partition(".")[0] for name in FIELDS}
        for section, values in content.items():
            if section == "format" or section in texts or section in choices:
                continue
            if section not in sections or not isinstance(values, dict):
                known = ", ".join(sorted({*texts, *choices, *sections, "format"}))
                self.fail("no chip file has this", section, expected=f"one of {known}")
            for key, value in values.items():
                name = f"{section}.{key}"
                if name in TABLES:
                    tables[name] = self.table(value, name)
                elif name in FIELDS:
                    numbers[name] = self.number(value, name, FIELDS[name])
                else:
                    self.unknown(name)
        self.geometry(numbers)
        return Chip(**texts, **choices, numbers=numbers, tables=tables)

    def unknown(self, name: str) -> None:
        from difflib import get_close_matches

        close = get_close_matches(name, [*FIELDS, *TABLES], n=1)
        raise FileError(
            "no chip has a number of this name",
            where=f"{self.path}: {name[:100]}",
            remedy=f"did you mean {close[0]!r}?" if close else "docs/latency.md lists them",
        )

    def text(self, value: Any, key: str, longest: int) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
            self.fail(
                "this must be a short text", key, value, f"1 to {longest} printable characters"
            )
        return value

    def choice(self, value: Any, key: str, known: tuple[str, ...]) -> str:
        if not isinstance(value, str) or value not in known:
            self.fail("this is none of the choices", key, value, "one of " + ", ".join(known))
        return value

    def number(self, value: Any, name: str, field: Field) -> Number:
        """A table of value, kind and source."""
        if not isinstance(value, dict) or set(value) != {"value", "kind", "source"}:
            self.fail(
                "a number needs its kind and its source",
                name,
                value,
                '{ value = 1.0, kind = "measured", source = "…" }',
            )
        given = value["value"]
        whole = field.unit == "1"
        wanted = f"{'a whole number' if whole else 'a number'} from {field.low:g} to {field.high:g}"
        if isinstance(given, bool) or not isinstance(given, int if whole else (int, float)):
            self.fail("this is no number of its kind", name, given, wanted)
        if (
            isinstance(given, float) and not math.isfinite(given)
        ) or not field.low <= given <= field.high:
            self.fail("this number is out of range", name, given, f"{wanted} {field.unit}")
        return Number(
            given if whole else float(given),
            self.choice(value["kind"], f"{name}.kind", KINDS),
            self.text(value["source"], f"{name}.source", _LONGEST_TEXT),
        )

    def table(self, value: Any, name: str) -> dict[int, Number]:
        """A list of numbers, each with how many tiles it holds for."""
        if not isinstance(value, list) or not 0 < len(value) <= _LONGEST_TABLE:
            self.fail("this must be a list of numbers with their tiles", name, type(value).__name__)
        found: dict[int, Number] = {}
        for row in value:
            tiles = row.get("tiles") if isinstance(row, dict) else None
            if (
                not isinstance(tiles, int)
                or tiles is True
                or not 0 < tiles < 1 << 16
                or tiles in found
            ):
                self.fail("each number of the list needs its own number of tiles", name, row)
            rest = {key: entry for key, entry in row.items() if key != "tiles"}
            found[tiles] = self.number(rest, name, TABLES[name])
        return found

    def geometry(self, numbers: dict[str, Number]) -> None:
        """The mesh is there, and is not too large."""
        names = ("mesh.rows", "mesh.columns", "mesh.tile_rows", "mesh.tile_columns")
        for name in names:
            if name not in numbers:
                self.fail("a chip needs its mesh", name)
        cores = math.prod(int(numbers[name].value) for name in names)
        if cores > 65535:
            self.fail("a chip has at most 65535 cores", "mesh", cores)
