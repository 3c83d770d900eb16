"""Texts of a stranger's HDF5 file.

Strings of variable length lie in "global heap collections", and a dataset only refers to them. The
HDF5 library believes both: a damaged reference makes it allocate gigabytes, and a damaged heap can
make it loop for ever. So heaps are walked here, by the HDF5 file format specification (III.E,
"Global Heap"), with every length compared with the file first.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from h5py import h5d  # pyright: ignore[reportAttributeAccessIssue]

from ...errors import FileError
from .datasets import check_storage
from .hdf5 import Budget, damaged

HEAP_BYTES = 16 << 20
"""Bytes of heaps that one file's texts may need: a million names."""

_REFERENCE = struct.Struct("<IQI")  # length, address of the collection, index in it
_COLLECTION = struct.Struct("<4sB3xQ")  # signature, version, size
_OBJECT = struct.Struct("<HH4xQ")  # index, reference count, size


def read_text(data: h5py.Dataset, where: str, budget: Budget, rows: int = 1) -> list[str]:
    """Read up to `rows` short strings, in C order.

    Raises:
        FileError: too many or too long, no strings, compressed, outside the file, or not UTF-8.
    """
    with damaged(where):
        plist = check_storage(data, where)
        count = math.prod(data.shape)
        info = h5py.check_string_dtype(data.dtype)
        longest = 4 * budget.limits.name_bytes
        if count == 0:
            return []
        if info is None or count > rows or plist.get_nfilters() or (info.length or 0) > longest:
            raise FileError(
                "A text has the wrong form.",
                found=f"{count} of {data.dtype}",
                expected=f"at most {rows} short strings, not compressed",
                where=where,
            )
        if info.length is not None:
            values = np.asarray(data[()]).reshape(-1).tolist()
        else:
            values = _variable(data, plist, count, longest, where, budget)
        return [_text(item, where, longest) for item in values]


def _variable(
    data: h5py.Dataset, plist: Any, count: int, longest: int, where: str, budget: Budget
) -> list[bytes]:
    """`count` strings of variable length."""
    offset, stored = data.id.get_offset(), data.id.get_storage_size()
    created: Any = data.file.id.get_create_plist()
    plain = plist.get_layout() == h5d.CONTIGUOUS and created.get_sizes() == (8, 8)
    if not plain or offset is None or stored != count * _REFERENCE.size:
        raise FileError(
            "A text has the wrong form.",
            found=f"{count} strings in {stored} bytes, "
            + ("not contiguous" if not plain else f"at {offset}"),
            expected=f"{count * _REFERENCE.size} contiguous bytes of references",
            where=where,
            remedy="h5repack -l CONTI in.nir out.nir",
        )
    with Path(data.file.filename).open("rb") as file:
        references = _read(file, offset, stored, where, budget)
        heaps = _Heaps(file, created.get_userblock(), where, budget)
        values = []
        for length, address, index in _REFERENCE.iter_unpack(references):
            if length > longest:
                raise _too_long(length, where, longest)
            values.append(heaps.find(length, address, index) if length else b"")
    return values


@dataclass
class _Heaps:
    """The heap collections of a file, each walked once.

    Attributes:
        file: the file, open.
        base: position of its address 0.
        where: what is being read.
        budget: holds the collections that were walked.
    """

    file: BinaryIO
    base: int
    where: str
    budget: Budget

    def find(self, length: int, address: int, index: int) -> bytes:
        """The string that a reference points at."""
        known = self.budget.heaps
        if address not in known:
            known[address] = self._walk(address)
        position, size = known[address].get(index, (0, -1))
        if length > size:
            raise self._damaged(f"{length} bytes of object {index}, which has {max(size, 0)}")
        return _read(self.file, position, length, self.where, self.budget).partition(b"\0")[0]

    def _walk(self, address: int) -> dict[int, tuple[int, int]]:
        """Index → position in the file and size of a collection's objects."""
        start = self.base + address
        head = _read(self.file, start, _COLLECTION.size, self.where, self.budget)
        signature, version, size = _COLLECTION.unpack(head)
        left = HEAP_BYTES - self.budget.heap_bytes
        if (signature, version) != (b"GCOL", 1) or not _COLLECTION.size <= size <= left:
            raise self._damaged(f"a collection of {size} bytes at {start}")
        self.budget.heap_bytes += size
        content = _read(self.file, start, size, self.where, self.budget)
        objects: dict[int, tuple[int, int]] = {}
        at = _COLLECTION.size
        while at + _OBJECT.size <= size:
            index, _, length = _OBJECT.unpack_from(content, at)
            if index == 0:  # free space, up to the end
                break
            at += _OBJECT.size
            if length > size - at:
                raise self._damaged(f"an object of {length} bytes, with {size - at} left")
            objects[index] = (start + at, length)
            at += -(-length // 8) * 8
        return objects

    def _damaged(self, found: str) -> FileError:
        return FileError("The file's heap of texts is damaged.", found=found, where=self.where)


def _read(file: BinaryIO, position: int, size: int, where: str, budget: Budget) -> bytes:
    if position + size > budget.file_bytes:
        raise FileError(
            "A text lies outside the file.",
            found=f"{size} bytes at {position}, the file has {budget.file_bytes}",
            where=where,
        )
    file.seek(position)
    return file.read(size)


def _too_long(length: int, where: str, longest: int) -> FileError:
    return FileError(
        "A text is too long.", found=f"{length} bytes", expected=f"≤ {longest}", where=where
    )


def _text(item: bytes, where: str, longest: int) -> str:
    if len(item) > longest:
        raise _too_long(len(item), where, longest)
    try:
        return item.decode("utf8")
    except UnicodeDecodeError as error:
        raise FileError("A text is not UTF-8.", found=repr(item[:40]), where=where) from error
