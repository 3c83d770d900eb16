"""Edge lists back into a network: the files that ``write_edges`` writes, and others like them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.connectors import Synapses
from ..errors import FileError
from ..regular_file import open_regular
from ..runtime.npz import NpzReader
from .spike_csv import LIMIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.network import Network

COLUMNS: dict[str, str] = {
    "projection": "text",
    "pre": "text",
    "pre_index": "integer",
    "post": "text",
    "post_index": "integer",
    "weight": "number",
    "delay": "number",
    "receptor": "integer",
}
"""Of an edge list, in this order; units as ``write_edges`` has them."""
_KINDS = {"text": "U", "integer": "iu", "number": "f"}
MAX_PROJECTIONS = 100_000


def read_edges(network: Network, path: str | Path) -> list[str]:
    """Connect a network by an edge list, one projection for each name in it.

    Args:
        network: has the sources and populations that the list names.
        path: a ``.csv`` with a header or an ``.npz``, with the columns of ``write_edges``:
            ``projection``, ``pre``, ``pre_index``, ``post``, ``post_index``, ``weight`` (the
            network's units), ``delay`` (seconds), ``receptor``.

    Returns:
        Names of the new projections, in the order of the list.

    Raises:
        FileError: damaged, hostile, or no edge list.
        NetworkError: what it names is not in the network, or does not fit it; projections before
            it are connected by then.
    """
    path = Path(path)
    columns = _from_npz(path) if path.suffix.lower() == ".npz" else _from_csv(path)
    names, first, which = np.unique(columns["projection"], return_index=True, return_inverse=True)
    if len(names) > MAX_PROJECTIONS:
        raise FileError(
            "the list has too many projections",
            found=len(names),
            expected=f"at most {MAX_PROJECTIONS}",
            where=path,
        )
    order = np.argsort(first)
    by_name = np.argsort(which, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(which, minlength=len(names)))])
    made = []
    for number in order.tolist():
        rows = by_name[ends[number] : ends[number + 1]]
        part = {name: values[rows] for name, values in columns.items()}
        name = str(names[number])
        for column in ("pre", "post", "receptor"):
            _same(part[column], column, name, path)
        synapses = Synapses(part["pre_index"], part["post_index"], part["weight"], part["delay"])
        network.connect(
            str(part["pre"][0]),
            str(part["post"][0]),
            weights=synapses,
            receptor=int(part["receptor"][0]),
            name=name,
        )
        made.append(name)
    return made


def _same(values: NDArray[Any], column: str, name: str, path: Path) -> None:
    if (values != values[0]).any():
        raise FileError(
            f"projection {name!r} has several values of {column}",
            found=f"{values[0]!r} and {values[values != values[0]][0]!r}",
            expected="one; other projections have other names",
            where=path,
        )


def _from_npz(path: Path) -> dict[str, NDArray[Any]]:
    with NpzReader(path) as reader:
        if sorted(reader.entries) != sorted(COLUMNS):
            raise _no_list(path, ", ".join(list(reader.entries)[:10]))
        lengths = {entry.shape for entry in reader.entries.values()}
        for name, kind in COLUMNS.items():
            entry = reader.entries[name]
            good = entry.dtype.kind in _KINDS[kind] or not entry.nbytes
            if not good or len(lengths) > 1 or len(entry.shape) != 1:
                raise _no_list(path, f"{name}: {entry.dtype} of shape {entry.shape}")
        return {name: reader.read(name) for name in COLUMNS}


def _from_csv(path: Path) -> dict[str, NDArray[Any]]:
    with open_regular(path, "edge list") as file:
        size = path.stat().st_size
        if size > LIMIT:
            raise FileError(
                "the file is too large", found=f"{size} bytes", expected=f"≤ {LIMIT}", where=path
            )
        rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""), strict=True)
        columns: list[list[Any]] = [[] for _ in COLUMNS]
        read = {"text": str, "integer": int, "number": float}
        kinds = [read[kind] for kind in COLUMNS.values()]
        try:
            header = next(rows, [])
            if header != list(COLUMNS):
                raise _no_list(path, ",".join(header)[:100])
            for row in rows:
                for column, kind, text in zip(columns, kinds, row, strict=True):
                    column.append(kind(text[:200]))
        except (csv.Error, ValueError) as error:
            raise FileError(
                "a line is no synapse", found=str(error)[:200], where=f"{path}:{rows.line_num}"
            ) from None
    types = {"text": np.str_, "integer": np.int64, "number": np.float64}
    try:
        return {
            name: np.array(values, types[kind])
            for (name, kind), values in zip(COLUMNS.items(), columns, strict=True)
        }
    except OverflowError:
        raise FileError("an index is out of every range", where=path) from None


def _no_list(path: Path, found: str) -> FileError:
    return FileError(
        "this is no edge list", found=found or "nothing", expected=", ".join(COLUMNS), where=path
    )
