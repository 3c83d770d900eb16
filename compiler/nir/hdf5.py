"""Reading HDF5 files from strangers: every claim is checked before a byte of data is read.

HDF5 can point at other files, hold loops, claim terabytes that were never stored and inflate a
kilobyte into gigabytes. This module opens only what lies in the file itself, bounds what each
dataset may cost before it is read (datasets.py).
"""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]

from ...errors import FileError, SpikeloomError


@dataclass(frozen=True)
class Limits:
    """What a file may ask for. All sizes in bytes.

    Args:
        dataset_bytes: one dataset, as float64.
        total_bytes: all datasets together, as float64.
        chunk_bytes: one chunk of a chunked dataset.
        chunks: chunks of one dataset.
        ratio: compression ratio of datasets larger than ``ratio_free_bytes``.
        ratio_free_bytes: below this, the ratio does not matter.
        nodes: nodes of the graph with all its sub-graphs.
        edges: edges of the graph with all its sub-graphs.
        depth: sub-graphs within sub-graphs.
        name_bytes: length of a node's name.
    """

    dataset_bytes: int = 256 << 20
    total_bytes: int = 512 << 20
    chunk_bytes: int = 64 << 20
    chunks: int = 65_536
    ratio: int = 400
    ratio_free_bytes: int = 16 << 20
    nodes: int = 2048
    edges: int = 16_384
    depth: int = 16
    name_bytes: int = 200


@dataclass
class Budget:
    """What is left of the limits while one file is checked, and the heaps of texts it has shown."""

    limits: Limits
    file_bytes: int
    used_bytes: int = 0
    seen: set[tuple[int, int]] = field(default_factory=set)
    heaps: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)
    heap_bytes: int = 0


# What h5py raises on damaged files; MemoryError when a damaged length field is believed.
_LIBRARY_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    SystemError,
    MemoryError,
    OverflowError,
    NotImplementedError,
    zlib.error,
)


@contextmanager
def damaged(where: str) -> Iterator[None]:
    """Turn whatever the HDF5 library raises inside into a FileError that names `where`."""
    try:
        yield
    except SpikeloomError:
        raise
    except _LIBRARY_ERRORS as error:
        raise FileError(
            "The file is damaged or not a valid HDF5 file.",
            found=f"{type(error).__name__}: {_first_line(error)}",
            where=where,
            remedy="export the network again, or copy the file again",
        ) from error


def _first_line(error: BaseException) -> str:
    text = str(error).splitlines()
    return text[0][:200] if text else "no details"


@contextmanager
def open_file(path: Path, limits: Limits) -> Iterator[tuple[h5py.File, Budget]]:
    """Open a regular HDF5 file for reading.

    Raises:
        FileError: not there, not a regular file, not HDF5, or truncated.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise FileError("The file cannot be read.", found=str(error), where=str(path)) from error
    if not stat.S_ISREG(status.st_mode):
        raise FileError("This is not a regular file.", expected="a .nir file", where=str(path))
    with damaged(str(path)):
        if not h5py.is_hdf5(path):
            raise FileError(
                "This is not an HDF5 file.",
                expected="a .nir file as nir.write makes it",
                where=str(path),
            )
        with h5py.File(path, "r") as file:
            yield file, Budget(limits, status.st_size)


def members(group: h5py.Group, where: str, budget: Budget, limit: int) -> list[str]:
    """Names in a group, after checking that all of them are plain links to objects in this file."""
    with damaged(where):
        count = len(group)
        if count > limit:
            raise FileError("Too many members.", found=count, expected=f"≤ {limit}", where=where)
        names = []
        for name in group:
            check_name(str(name), where, budget.limits)
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise FileError(
                    "Links are not followed.",
                    found=f"{type(group.get(name, getlink=True)).__name__} {name!r}",
                    expected="an object in this file",
                    where=where,
                    remedy="copy what the link points at into the file (h5repack)",
                )
            names.append(str(name))
    return names


def check_name(name: str, where: str, limits: Limits) -> None:
    """Names must be short and printable: they end up in messages, tables and file names."""
    plain = name.isprintable() and name == name.strip()
    if not name or not plain or len(name.encode("utf8", "replace")) > limits.name_bytes:
        raise FileError(
            "A name is unusable.",
            found=f"{name[:40]!r} ({len(name)} characters)",
            expected=f"1 to {limits.name_bytes} bytes, printable",
            where=where,
        )


def child(group: h5py.Group, name: str, where: str, budget: Budget) -> h5py.Group | h5py.Dataset:
    """Open a member; each object may be reached only once, so loops and shared parts end here."""
    with damaged(f"{where}/{name}"):
        item: Any = group[name]
        if not isinstance(item, (h5py.Group, h5py.Dataset)):
            raise FileError(
                "Neither a group nor a dataset.",
                found=type(item).__name__,
                where=f"{where}/{name}",
            )
        info = h5o.get_info(item.id)
        identity = (info.fileno, info.addr)
        if identity in budget.seen:
            raise FileError(
                "An object is linked twice; the file may contain a loop.",
                expected="a tree",
                where=f"{where}/{name}",
            )
        budget.seen.add(identity)
    return item
