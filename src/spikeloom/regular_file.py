"""Regular files: no pipe can keep a reader waiting, and no reader finds half of what is written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from .errors import FileError


def open_regular(path: Path, what: str = "file") -> BufferedReader:
    """Open a regular file for reading.

    Args:
        path: of the file.
        what: how the error calls it.

    Raises:
        FileError: it is missing, may not be read, or is a folder, a pipe or a device.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise FileError(
            f"the {what} cannot be read",
            found=getattr(error, "strerror", None) or str(error),
            where=path,
            remedy="check the path" if isinstance(error, FileNotFoundError) else None,
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileError("not a regular file", where=path)
    return os.fdopen(descriptor, "rb")


@contextmanager
def replacing(path: Path, what: str = "file") -> Iterator[Path]:
    """Write a file whole or not at all, and leave an old one as it is if that fails.

    Args:
        path: of the file.
        what: how the error calls it.

    Yields:
        The path to write to, beside the file.

    Raises:
        FileError: it cannot be written, or something there is no regular file.
    """
    try:
        if path.exists() and not path.is_file():
            # Replacing it would put a file in the place of a device such as /dev/null.
            raise FileError("only a regular file can be replaced", where=path)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            yield partial
            partial.replace(path)
        finally:
            if partial.exists():
                partial.unlink()
    except OSError as error:
        raise FileError(
            f"the {what} cannot be written", found=error.strerror or str(error), where=path
        ) from None
