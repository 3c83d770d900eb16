"""Words of a memory region: integers, bytes, and what of them goes over the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...hdl.descriptor import Region


def shortest(data: bytes, word_bytes: int) -> tuple[str, bytes]:
    """The command that writes words in the fewest bytes, WRITE or PACKED, and its data.

    Args:
        data: whole words.
        word_bytes: bytes of a word.
    """
    words = np.frombuffer(data, np.uint8).reshape(-1, word_bytes)
    bits = np.unpackbits(words, axis=1, bitorder="little")
    used = bits.any(axis=0)
    if word_bytes + (len(words) * int(used.sum()) + 7) // 8 >= len(data):
        return "WRITE", data
    packed = np.packbits(bits[:, used].ravel(), bitorder="little")
    return "PACKED", np.packbits(used, bitorder="little").tobytes() + packed.tobytes()


def pack_words(values: NDArray, spec: Region) -> bytes:
    """Integers (n,) as words of a region; negative ones as two's complement.

    Raises:
        ValueError: a value does not fit.
    """
    if spec.width > 64:
        raise ValueError("words beyond 64 bits are bytes from the start")
    wide = np.asarray(values)
    low, high = -(1 << (spec.width - 1)), (1 << spec.width) - 1
    if wide.size and (int(wide.min()) < low or int(wide.max()) > high):
        raise ValueError(f"a value does not fit {spec.width} bits: {wide.min()} … {wide.max()}")
    bits = wide.astype(np.int64).view(np.uint64) if wide.dtype != np.uint64 else wide
    bits = bits & np.uint64(high)
    return bits.astype("<u8").view(np.uint8).reshape(-1, 8)[:, : spec.word_bytes].tobytes()


def unpack_words(data: bytes, spec: Region) -> NDArray[np.uint64]:
    """The inverse, without sign."""
    if spec.width > 64:
        raise ValueError("words beyond 64 bits stay bytes")
    raw = np.frombuffer(data, np.uint8).reshape(-1, spec.word_bytes)
    wide = np.zeros((len(raw), 8), np.uint8)
    wide[:, : spec.word_bytes] = raw
    return wide.view("<u8").reshape(-1).astype(np.uint64)
