"""Damaged frames, one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator

from spikeloom.hdl.protocol import FrameType
from spikeloom.runtime.link.codec import Frame


def corpus() -> list[Frame]:
    """Frames whose damaged forms are tried one by one."""
    draw = random.Random(5)
    payloads = [b"", b"\0", bytes(40), draw.randbytes(40), b"\xff" * 260]
    return [
        Frame(FrameType.DATA, draw.getrandbits(32) | 1, i, i + 1, 4096, payload)
        for i, payload in enumerate(payloads)
    ]


def damaged(whole: bytes) -> Iterator[bytes]:
    """Every bit flipped, every byte lost or doubled, every truncation."""
    for at, byte in enumerate(whole):
        for bit in range(8):
            yield whole[:at] + bytes((byte ^ 1 << bit,)) + whole[at + 1 :]
        yield whole[:at]
        yield whole[:at] + whole[at + 1 :]
        yield whole[:at] + bytes((byte, byte)) + whole[at + 1 :]
