"""How the two sides talk: one JSON header and plain arrays per message, over a pipe.

A frame is ``<header bytes: u32> <all bytes that follow the header: u64>``, the header, the arrays
laid end to end. The header's ``arrays`` lists name, type and shape of each. Nothing is ever
unpickled or evaluated, and both lengths are checked before anything is allocated.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

PREFIX = struct.Struct("<IQ")
MAX_HEADER = 1 << 26
MAX_BODY = 1 << 34
TYPES = ("|u1", "<i4", "<i8", "<f8")
"""Types that arrays may have."""


class FrameError(Exception):
    """What came is no frame."""


def pack(header: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> list[bytes]:
    """A frame, in pieces to be written one after the other."""
    listing, parts = [], []
    for name, array in (arrays or {}).items():
        array = np.ascontiguousarray(array)
        if array.dtype.str not in TYPES:
            raise FrameError(f"array {name!r} has the type {array.dtype.str}")
        listing.append([name, array.dtype.str, list(array.shape)])
        parts.append(array.tobytes())
    text = json.dumps({**header, "arrays": listing}).encode()
    return [PREFIX.pack(len(text), sum(map(len, parts))), text, *parts]


def lengths(prefix: bytes) -> tuple[int, int]:
    """Lengths of header and body.

    Raises:
        FrameError: they are larger than any frame is.
    """
    header, body = PREFIX.unpack(prefix)
    if header > MAX_HEADER or body > MAX_BODY:
        raise FrameError(f"a frame of {header} and {body} bytes")
    return header, body


def unpack(text: bytes, body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays; the arrays are copies.

    Raises:
        FrameError: the header is no such header, or the body is not as long as it says.
    """
    try:
        header = json.loads(text)
        listing = header.pop("arrays")
        arrays, at = {}, 0
        for name, kind, shape in listing:
            if kind not in TYPES or any(type(side) is not int or side < 0 for side in shape):
                raise FrameError(f"array {name!r} of type {kind!r} and shape {shape!r}")
            count = int(np.prod(shape, dtype=object)) if shape else 1
            size = count * np.dtype(kind).itemsize
            if at + size > len(body):
                raise FrameError(f"array {name!r} goes beyond the frame")
            arrays[name] = np.frombuffer(body, kind, count, at).reshape(shape).copy()
            at += size
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FrameError(f"the header is malformed: {error}") from None
    if at != len(body):
        raise FrameError("the frame is longer than its arrays")
    return header, arrays
