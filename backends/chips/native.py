"""The compiled kernel of the network: where it is, whether it fits this package, its structures."""

from __future__ import annotations

import ctypes
import functools
import sys
from ctypes import POINTER, c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

from ..source_checksum import source_checksum

FOLDER = Path(__file__).parent
LIBRARY_NAME = "_network.dll" if sys.platform == "win32" else "_network.so"

TOO_LONG = -2
"""What mode ``loose`` returns where a step has no room in its ticks."""

SPIKE = np.dtype(
    [
        ("begin", "<i8"),  # the tick before which its first packet is not begun
        *((name, "<i4") for name in ("first", "count")),  # its packets in the tables
        *((name, "<i4") for name in ("lead", "rest")),  # ticks that making takes: first, others
        ("number", "<i4"),  # of its first packet in the results
        ("follow", "<i4"),  # for the kernel
    ]
)
"""One spike, as network.h has it."""


class Mesh(ctypes.Structure):
    """A mesh of routers, as network.h has it."""

    _fields_ = [
        *((name, c_int64) for name in ("rows", "columns", "cores", "ports", "networks", "buffer")),
        *((name, c_int64) for name in ("receive", "interval", "inject", "eject")),
        ("hop", c_int64 * 4),
        ("fixed", c_int64),
        *((name, c_void_p) for name in ("tile", "port", "core")),
    ]


class Traffic(ctypes.Structure):
    """Packets and what became of them, as network.h has them."""

    _fields_ = [
        *((name, c_void_p) for name in ("target", "work", "tree", "spike")),
        *((name, c_void_p) for name in ("made", "sent", "arrived", "done")),
        ("stride", c_int64),
        *((name, c_void_p) for name in ("passed", "waited", "finished")),
        ("finishes", c_int64),
    ]


@functools.cache
def library() -> Any | None:
    """The kernel's entry points; None where it was not compiled, or from other sources."""
    path = FOLDER / LIBRARY_NAME
    if not path.is_file():
        return None
    try:
        found = ctypes.CDLL(str(path))
        net, traffic = c_void_p, POINTER(Traffic)
        for name, result, arguments in (
            ("open", net, (POINTER(Mesh),)),
            ("close", None, (net,)),
            ("feed", None, (net, traffic, c_int64, c_int64, c_int64)),
            ("advance", c_int64, (net, traffic, c_int64)),
            ("steps", None, (net, traffic, c_int64, *(c_void_p,) * 3)),
            ("loose", c_int64, (POINTER(Mesh), traffic, c_int64, c_int64, *(c_void_p,) * 3)),
            ("size", c_int64, (ctypes.c_int32,)),
            ("source", c_int64, ()),
        ):
            entry = getattr(found, f"sl_chips_{name}")
            entry.restype, entry.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    sizes = [found.sl_chips_size(number) for number in range(3)]
    if sizes != [ctypes.sizeof(Mesh), ctypes.sizeof(Traffic), SPIKE.itemsize]:
        return None
    expected = source_checksum(FOLDER)
    return found if expected is None or found.sl_chips_source() == expected else None
