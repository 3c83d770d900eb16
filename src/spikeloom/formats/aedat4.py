"""Events of cameras from AEDAT4 files, decoded by the aedat package in a process of its own.

The package inflates whatever a file says; so it runs where memory is limited, and where its end
is an error message and not ours.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FileError, UnsupportedError
from ..regular_file import open_regular
from .structured_npy import LIMIT, read_structured

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"#!AER-DAT4.0\r\n"
TIMEOUT = 600
"""Seconds that decoding may take."""


def read_aedat4(path: Path) -> NDArray[Any]:
    """All polarity events of the file's only event stream: t (microseconds), x, y, on.

    Raises:
        UnsupportedError: the aedat package is not installed.
        FileError: no AEDAT4 file, damaged, several event streams, or too large.
    """
    with open_regular(path, "event file") as file:
        start = file.read(len(MAGIC))
    if start != MAGIC:
        raise FileError("not an AEDAT4 file", found=start, expected=MAGIC, where=path)
    if importlib.util.find_spec("aedat") is None:
        raise UnsupportedError(
            "AEDAT4 files are read by the aedat package, which is not installed",
            where=path,
            remedy="pip install 'spikeloom[events]'",
        )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "events.npy"
        worker = Path(__file__).with_name("aedat4_worker.py")
        try:
            done = subprocess.run(
                [sys.executable, "-I", worker, path, out, str(LIMIT)],
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
            )
            told = done.stderr.decode("utf8", "replace").strip().splitlines()[-1:]
            failed = done.returncode != 0
        except subprocess.TimeoutExpired:
            failed, told = True, [f"longer than {TIMEOUT} s"]
        if failed or not out.exists():
            raise FileError(
                "the AEDAT4 file cannot be decoded",
                found="".join(told)[:300] or "the decoder ended without a word",
                where=path,
            )
        return read_structured(out).copy()
