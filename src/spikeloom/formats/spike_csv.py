"""Spikes as CSV: a line ``name,step,index`` for each; for spreadsheets and other programs."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FileError
from ..regular_file import open_regular, replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..recording import Result

HEADER = ["name", "step", "index"]
LIMIT = 256 << 20
"""Bytes of a file that is read."""
_DIGITS = 10


def read_csv(path: Path) -> dict[str, NDArray[np.int64]]:
    """Name → (n, 2) steps and indices.

    Raises:
        FileError: another header, a line that is no spike, or a file that is too large.
    """
    with open_regular(path, "spike file") as file:
        size = path.stat().st_size
        if size > LIMIT:
            raise FileError(
                "the file is too large", found=f"{size} bytes", expected=f"≤ {LIMIT}", where=path
            )
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        spikes: dict[str, list[tuple[int, int]]] = {}
        try:
            rows = csv.reader(text, strict=True)
            found = next(rows, [])
            if found != HEADER:
                raise FileError(
                    "this is no list of spikes",
                    found=",".join(found)[:100],
                    expected=",".join(HEADER),
                    where=f"{path}:1",
                )
            for row in rows:
                good = len(row) == 3 and all(f.isdecimal() and len(f) <= _DIGITS for f in row[1:])
                if not good:
                    raise FileError(
                        "a line is no spike",
                        found=",".join(row)[:100],
                        expected="a name, a step and an index",
                        where=f"{path}:{rows.line_num}",
                    )
                spikes.setdefault(row[0], []).append((int(row[1]), int(row[2])))
        except (csv.Error, UnicodeDecodeError) as error:
            raise FileError("this is no CSV file", found=str(error), where=path) from None
    return {name: np.array(rows, np.int64).reshape(-1, 2) for name, rows in spikes.items()}


def write_csv(path: Path, result: Result) -> None:
    """Write the spikes of a result; its states do not fit into such a file."""
    if result.states:
        warnings.warn(
            f"{path}: a CSV file has the spikes; the states of "
            f"{', '.join(map(repr, result.states))} are left out",
            stacklevel=3,
        )
    with (
        replacing(path, "spike file") as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for name, events in result.spikes.items():
            writer.writerows((name, step, index) for step, index in events.tolist())
