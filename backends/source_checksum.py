"""A checksum of the kernel's C sources; it is compiled in, so that a stale library is recognised.

``setup.py`` runs this file by path: it must not import anything of the package.
"""

from __future__ import annotations

import zlib
from pathlib import Path


def source_checksum(folder: str | Path) -> int | None:
    """CRC-32 over the C files in ``folder``, or None where there are none (installed wheels)."""
    files = sorted(p for p in Path(folder).iterdir() if p.suffix in (".c", ".h"))
    if not files:
        return None
    value = 0
    for file in files:
        value = zlib.crc32(file.read_bytes(), zlib.crc32(file.name.encode(), value))
    return value
