"""TOML files, read so that no file of a stranger takes more memory than it may."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .errors import FileError
from .regular_file import open_regular

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]


def read_toml(path: Path, what: str, most: int) -> dict[str, Any]:
    """What is in a TOML file.

    Args:
        path: of the file.
        what: how errors call it.
        most: bytes that it may have.

    Raises:
        FileError: it is missing, too large, or no TOML.
    """
    with open_regular(path, what) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise FileError(f"the {what} is too large", expected=f"{most} bytes", where=path)
    try:
        content = tomllib.loads(data.decode("utf-8"))
        _check(content)
    except (RecursionError, ValueError) as error:  # TOML's and Unicode's errors are among these
        raise FileError(f"the {what} is no TOML", found=str(error)[:200], where=path) from None
    return content


def _check(value: Any) -> None:
    """TOML's whole numbers have 64 bits; longer ones, and deep nests, break whoever shows them."""
    if isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            _check(one)
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise ValueError("a whole number of more than 64 bits")
