"""Reading one array of address events from a ``.npy`` file, without pickle, sizes checked first."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FileError
from ..regular_file import open_regular
from ..runtime.npz import header_fields

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT = 1 << 30
"""Bytes of events that are read."""
_HEADER = 4096
_FIELDS = 16


def read_structured(path: Path) -> NDArray[Any]:
    """The structured array in a file.

    Raises:
        FileError: not such a file, damaged, or larger than :data:`LIMIT`.
    """
    with open_regular(path, "event file") as file:
        start = file.read(12)
        lead = {b"\1\0": 10, b"\2\0": 12, b"\3\0": 12}.get(start[6:8], 0)
        length = int.from_bytes(start[8:lead], "little")
        if start[:6] != b"\x93NUMPY" or not lead or length > _HEADER:
            raise FileError(
                "not an .npy file", found=start[:8], expected="numpy.save(path, events)", where=path
            )
        file.seek(lead)
        dtype, shape, fortran = _header(file.read(length), path)
        claimed = math.prod(shape) * dtype.itemsize
        size = path.stat().st_size - lead - length
        if claimed != size or claimed > LIMIT or fortran:
            raise FileError(
                "the array is not as large as it claims, or too large",
                found=f"shape {shape} of {dtype.itemsize} bytes each, in {size} bytes",
                expected=f"at most {LIMIT} bytes",
                where=path,
            )
        data = np.frombuffer(file.read(claimed), dtype)
        return data.reshape(shape)


def _header(text: bytes, path: Path) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Data type, shape and order; the type may only be of plain numbers with names."""
    try:
        descr, order, sides = header_fields(text)
        shape = tuple(sides)
        if not all(type(side) is int and 0 <= side < 1 << 40 for side in shape) or len(shape) > 4:
            raise ValueError(f"shape {shape}")
        plain = descr if isinstance(descr, list) else [("", descr)]
        if len(plain) > _FIELDS or any(len(f) != 2 or not _is_plain(f[1]) for f in plain):
            raise ValueError(f"type {str(descr)[:100]}")
        return np.dtype(descr), shape, bool(order)
    except (ValueError, TypeError) as error:
        raise FileError(
            "the array's header is not one of plain numbers",
            found=str(error)[:200],
            expected="fields of integers and floating-point numbers; no objects",
            where=path,
            remedy="numpy.save(path, events) of tonic's structured events",
        ) from None


def _is_plain(code: Any) -> bool:
    return isinstance(code, str) and re.fullmatch(r"[<>|=][biuf][1248]", code) is not None
