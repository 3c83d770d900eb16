"""Checking and reading single datasets of a stranger's HDF5 file.

Compressed chunks are inflated here and not by the library, whose filter grows its buffer for as
long as the stream goes on.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5t, h5z  # pyright: ignore[reportAttributeAccessIssue]
from numpy.typing import NDArray

from ...errors import FileError
from .hdf5 import Budget, damaged


def check_storage(data: h5py.Dataset, where: str) -> Any:
    """Refuse data that lies outside the file or is only claimed; returns the property list."""
    plist: Any = data.id.get_create_plist()
    if plist.get_external_count() > 0:
        raise FileError(
            "A dataset keeps its data in another file.",
            found=f"external storage {plist.get_external(0)[0]!r}",
            expected="data in this file",
            where=where,
        )
    if plist.get_layout() == h5d.VIRTUAL:
        raise FileError(
            "A dataset is virtual: its data lies in other files.",
            expected="data in this file",
            where=where,
            remedy="copy the data into the file",
        )
    if data.shape is None:
        raise FileError("A dataset is empty.", where=where)
    return plist


def check_numbers(data: h5py.Dataset, where: str, budget: Budget) -> None:
    """Check everything about a numeric dataset that can be known without reading it."""
    with damaged(where):
        plist = check_storage(data, where)
        dtype = data.dtype
        exact = dtype.kind in "fiub" and h5t.py_create(dtype, logical=True) == data.id.get_type()
        if not exact or dtype.itemsize > 8 or data.ndim > 8:
            raise FileError(
                "A dataset does not hold plain numbers.",
                found=f"{dtype}, rank {data.ndim}",
                expected="integers or floating-point numbers of up to 64 bits",
                where=where,
            )
        logical = math.prod(data.shape) * max(dtype.itemsize, 8)
        _check_size(logical, where, budget)
        stored = data.id.get_storage_size()
        real = math.prod(data.shape) * dtype.itemsize
        if stored > budget.file_bytes or (real and not stored):
            raise FileError(
                "A dataset claims data that the file does not hold.",
                found=f"{real} bytes claimed, {stored} stored, the file has {budget.file_bytes}",
                where=where,
            )
        if real > budget.limits.ratio_free_bytes and real > stored * budget.limits.ratio:
            raise FileError(
                "A dataset is compressed beyond belief.",
                found=f"{real} bytes from {stored}",
                expected=f"a ratio of at most {budget.limits.ratio}",
                where=where,
            )
        if plist.get_layout() == h5d.CHUNKED:
            _check_chunks(data, plist, where, budget)


def _check_size(logical: int, where: str, budget: Budget) -> None:
    limits = budget.limits
    if logical > limits.dataset_bytes:
        raise FileError(
            "A dataset is too large.",
            found=f"{logical} bytes as float64",
            expected=f"≤ {limits.dataset_bytes}",
            where=where,
            remedy="pass limits=Limits(dataset_bytes=…) if this is what you want",
        )
    budget.used_bytes += logical
    if budget.used_bytes > limits.total_bytes:
        raise FileError(
            "The file's datasets are too large together.",
            found=f"more than {budget.used_bytes} bytes as float64",
            expected=f"≤ {limits.total_bytes}",
            where=where,
            remedy="pass limits=Limits(total_bytes=…) if this is what you want",
        )


def _filters(plist: Any) -> list[int]:
    return [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]


def _check_chunks(data: h5py.Dataset, plist: Any, where: str, budget: Budget) -> None:
    limits, shape, chunks = budget.limits, data.shape, plist.get_chunk()
    size = math.prod(chunks) * data.dtype.itemsize
    count = math.prod(-(-s // c) for s, c in zip(shape, chunks, strict=True))
    if size > limits.chunk_bytes or count > limits.chunks:
        raise FileError(
            "A dataset's chunks are too large or too many.",
            found=f"{count} chunks of {size} bytes",
            expected=f"≤ {limits.chunks} of ≤ {limits.chunk_bytes}",
            where=where,
        )
    filters = _filters(plist)
    known = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE)
    if any(code not in known for code in filters) or len(set(filters)) != len(filters):
        raise FileError(
            "A dataset uses a compression that is not read from strangers' files.",
            found=f"HDF5 filters {filters}",
            expected="gzip, with or without shuffle",
            where=where,
            remedy="h5repack -f GZIP=4 in.nir out.nir",
        )
    for offset in _offsets(shape, chunks):
        info = data.id.get_chunk_info_by_coord(offset)
        if info.byte_offset is None:
            raise FileError("A chunk was never written.", found=f"chunk at {offset}", where=where)
        if info.size > size + size // 64 + 1024:  # deflate grows incompressible data by 5 in 16 Ki
            raise FileError(
                "A stored chunk is larger than its data.",
                found=f"{info.size} bytes at {offset}",
                expected=f"about {size} at most",
                where=where,
            )


def _offsets(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*(range(0, s, c) for s, c in zip(shape, chunks, strict=True)))


def read_numbers(data: h5py.Dataset, where: str) -> NDArray[np.float64]:
    """Read a dataset that `check_numbers` has accepted, as float64 of its own shape."""
    with damaged(where):
        plist: Any = data.id.get_create_plist()
        if plist.get_layout() != h5d.CHUNKED or not plist.get_nfilters():
            return np.asarray(data[()], dtype=np.float64)
        chunks, filters = plist.get_chunk(), _filters(plist)
        out = np.empty(data.shape, dtype=np.float64)
        for offset in _offsets(data.shape, chunks):
            mask, raw = data.id.read_direct_chunk(offset)
            values = _decode(bytes(raw), mask, filters, data.dtype, math.prod(chunks), where)
            part = tuple(
                slice(o, min(o + c, s)) for o, c, s in zip(offset, chunks, data.shape, strict=True)
            )
            inside = tuple(slice(0, p.stop - p.start) for p in part)
            out[part] = values.reshape(chunks)[inside]
        return out


def _decode(
    raw: bytes, mask: int, filters: list[int], dtype: np.dtype, count: int, where: str
) -> NDArray[Any]:
    """Undo the filters of one chunk, never producing more bytes than the chunk has."""
    size = count * dtype.itemsize
    for index in reversed(range(len(filters))):
        if mask >> index & 1:
            continue  # the writer left this filter out for this chunk
        if filters[index] == h5z.FILTER_DEFLATE:
            inflater = zlib.decompressobj()
            raw = inflater.decompress(raw, size + 1)
        else:
            bytes_of = np.frombuffer(raw, dtype=np.uint8)
            raw = bytes_of.reshape(dtype.itemsize, -1).T.tobytes()
    if len(raw) != size:
        raise FileError(
            "A compressed chunk does not have the length it claims.",
            found=f"{'more than ' if len(raw) > size else ''}{min(len(raw), size)} bytes",
            expected=f"{size} bytes",
            where=where,
        )
    return np.frombuffer(raw, dtype=dtype)
