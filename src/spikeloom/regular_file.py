"""Opening files from strangers: only regular ones, so that no pipe can keep us waiting."""

from __future__ import annotations

import os
import stat
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
