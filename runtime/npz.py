"""Reading and writing ``.npz`` files, safe for files from strangers.

An ``.npz`` is a zip of ``.npy`` arrays. NumPy's own reader allocates what a header claims; here
every claim is checked against the file, and against a limit, before anything is allocated, and
nothing is ever unpickled.
"""

from __future__ import annotations

import ast
import io
import math
import os
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FileError
from ..regular_file import open_regular, replacing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

DEFAULT_LIMIT = 1 << 30
"""Bytes that all arrays of one file may take together, unless the caller says otherwise."""
MAX_DIRECTORY = 1 << 20
"""Bytes of a zip's central directory: thousands of arrays, read in well under a second."""
MAX_HEADER = 4096
"""Bytes of one array's header."""

_CHUNK = 1 << 20
_END = struct.Struct("<4s4H2LH")
_SIMPLE_DTYPE = re.compile(r"[<>|=]?[biufSU][0-9]{1,9}\Z")


@dataclass(frozen=True)
class Entry:
    """What a file says of one array, before it is read."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    header_bytes: int
    stored_bytes: int

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


class NpzReader:
    """An open ``.npz`` file; a context manager.

    Args:
        path: a regular file.
        limit: bytes that all arrays may take together.

    Raises:
        FileError: the file is missing, damaged, hostile or claims more than ``limit``.
    """

    def __init__(self, path: str | Path, limit: int = DEFAULT_LIMIT) -> None:
        self.path = Path(path)
        self._file = open_regular(self.path)
        try:
            self._zip = self._open_zip()
            self.entries = self._read_entries(limit)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> NpzReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()

    def read(self, name: str) -> NDArray[Any]:
        """The array of that name.

        Raises:
            FileError: there is none, or its data are damaged.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise FileError(
                f"array {name!r} is missing",
                found=", ".join(map(repr, list(self.entries)[:10])) or "no arrays",
                where=self.path,
            )
        try:
            with self._zip.open(name + ".npy") as stream:
                stream.read(entry.header_bytes)
                data = np.empty(entry.nbytes, np.uint8)
                filled = 0
                while filled < len(data) and (chunk := stream.read(_CHUNK)):
                    chunk = chunk[: len(data) - filled]
                    data[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
                    filled += len(chunk)
                # Reading past the end is what makes zipfile compare the checksum.
                surplus = stream.read(1)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
            raise self._damaged(name, str(error)) from None
        if filled != entry.nbytes or surplus:
            raise self._damaged(name, f"{filled} bytes of data, {entry.nbytes} claimed")
        array = data.view(entry.dtype) if entry.nbytes else np.zeros(entry.shape, entry.dtype)
        array = array.reshape(entry.shape, order="F" if entry.fortran_order else "C")
        return np.asarray(array, entry.dtype.newbyteorder("="), order="C")

    def _open_zip(self) -> zipfile.ZipFile:
        file = self._file
        size = file.seek(0, os.SEEK_END)
        tail_start = max(0, size - _END.size - 0xFFFF)
        file.seek(tail_start)
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < _END.size:
            raise FileError(
                "not an .npz file",
                found=f"{size} bytes without a zip directory",
                where=self.path,
                remedy="write it with numpy.savez",
            )
        directory = _END.unpack_from(tail, at)[5]
        if directory > MAX_DIRECTORY:
            raise FileError(
                "the file's table of contents is too long",
                found=f"{directory} bytes",
                expected=f"at most {MAX_DIRECTORY}",
                where=self.path,
            )
        file.seek(0)
        try:
            return zipfile.ZipFile(file)
        except (
            zipfile.BadZipFile,
            ValueError,
            OSError,
            NotImplementedError,
            struct.error,
        ) as error:
            raise FileError("not a readable .npz file", found=str(error), where=self.path) from None

    def _read_entries(self, limit: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        total = 0
        for info in self._zip.infolist():
            name = info.filename.removesuffix(".npy")
            if name == info.filename or name in entries:
                what = "an array twice" if name in entries else "a member that is no .npy array"
                raise FileError(f"the file has {what}", found=repr(info.filename), where=self.path)
            stored = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            if not stored or info.flag_bits & 1:
                raise FileError(
                    f"array {name!r} is stored in a way that is not accepted",
                    found="encryption" if stored else f"compression method {info.compress_type}",
                    expected="numpy.savez or numpy.savez_compressed",
                    where=self.path,
                )
            total += info.file_size
            if total > limit:
                raise FileError(
                    "the arrays are larger than the limit",
                    found=f"at least {total} bytes claimed",
                    expected=f"at most {limit}",
                    where=self.path,
                )
            entries[name] = entry = self._read_header(name, info)
            if entry.nbytes + entry.header_bytes != info.file_size:
                raise self._damaged(
                    name,
                    f"shape {entry.shape} of {entry.dtype} in {info.file_size} bytes",
                )
        return entries

    def _read_header(self, name: str, info: zipfile.ZipInfo) -> Entry:
        try:
            with self._zip.open(info) as stream:
                start = stream.read(12)
                version = start[6:8]
                if start[:6] != b"\x93NUMPY" or version not in (b"\1\0", b"\2\0"):
                    raise self._damaged(name, "no array header")
                lead = 10 if version == b"\1\0" else 12
                length = int.from_bytes(start[8:lead], "little")
                if length > MAX_HEADER:
                    raise self._damaged(name, f"a header of {length} bytes")
                header = (start[lead:] + stream.read(length - len(start[lead:])))[:length]
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
            raise self._damaged(name, str(error)) from None
        try:
            descr, order, shape = header_fields(header)
        except ValueError:
            raise self._damaged(name, "an unreadable array header") from None
        if type(descr) is not str or not _SIMPLE_DTYPE.match(descr):
            raise FileError(
                f"array {name!r} has a type that is not accepted",
                found=repr(descr)[:80],
                expected="booleans, integers, floating-point numbers or text; never objects",
                where=self.path,
            )
        if (
            type(order) is not bool
            or type(shape) is not tuple
            or len(shape) > 8
            or not all(type(n) is int and n >= 0 for n in shape)
        ):
            raise self._damaged(name, "an impossible shape")
        try:
            dtype = np.dtype(descr)
        except (TypeError, ValueError):
            raise self._damaged(name, f"dtype {descr!r}") from None
        return Entry(name, shape, dtype, order, lead + length, info.compress_size)

    def _damaged(self, name: str, found: str) -> FileError:
        return FileError(f"array {name!r} is damaged", found=found, where=self.path)


def header_fields(header: bytes) -> tuple[Any, Any, Any]:
    """Type, order and shape as the text of an ``.npy`` header has them; nothing is checked.

    Raises:
        ValueError: it is no header.
    """
    try:
        fields = ast.literal_eval(header.decode("latin1").strip())
        return fields["descr"], fields["fortran_order"], fields["shape"]
    except (ValueError, SyntaxError, RecursionError, MemoryError, KeyError, TypeError) as error:
        raise ValueError(f"unreadable: {error}") from None


def read_npz(path: str | Path, limit: int = DEFAULT_LIMIT) -> dict[str, NDArray[Any]]:
    """All arrays of an ``.npz`` file.

    Raises:
        FileError: see :class:`NpzReader`.
    """
    with NpzReader(path, limit) as reader:
        return {name: reader.read(name) for name in reader.entries}


def write_npz(
    path: str | Path, arrays: Mapping[str, NDArray[Any]], *, compress: bool = False
) -> None:
    """Write arrays; the same arrays always give the same bytes, and an old file survives a crash.

    Raises:
        FileError: the file cannot be written.
    """
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with replacing(Path(path)) as partial, zipfile.ZipFile(partial, "w", method) as archive:
        for name, array in arrays.items():
            # A fixed date: the time of day must not change the bytes.
            info = zipfile.ZipInfo(name + ".npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            info.external_attr = 0o644 << 16
            info.create_system = 3
            buffer = io.BytesIO()
            np.lib.format.write_array(
                buffer, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False
            )
            archive.writestr(info, buffer.getbuffer())
