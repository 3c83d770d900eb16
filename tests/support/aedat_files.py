"""AEDAT4 files, made byte by byte: the format's header and uncompressed packets of events."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

EVENT = np.dtype(
    [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("on", "?"), ("_", "V3")],
)
DESCRIPTION = '<dv version="2.0"><node name="outInfo" path="/main/outInfo/">{}</node></dv>'
STREAM = (
    '<node name="{}" path="/main/outInfo/{}/"><attr key="typeIdentifier" type="string">EVTS</attr>'
    '<node name="info" path="/i/"><attr key="sizeX" type="int">{}</attr>'
    '<attr key="sizeY" type="int">{}</attr></node></node>'
)


def write_aedat4(
    path: Path, t: list[int], x: list[int], y: list[int], on: list[int], streams: int = 1
) -> Path:
    """A recording of a 16 x 8 camera, in packets of three events."""
    nodes = "".join(STREAM.format(i, i, 16, 8) for i in range(streams))
    text = DESCRIPTION.format(nodes).encode()
    table = struct.pack("<4H3H", 0, 0, 10, 20, 4, 8, 16)[4:] + bytes(6)
    header = struct.pack("<I4s", 24, b"IOHE") + table
    header += struct.pack("<iiqI", 24 - 8, 0, -1, 4) + struct.pack("<I", len(text)) + text + b"\0"
    data = b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header
    events = np.zeros(len(t), EVENT)
    for field, values in (("t", t), ("x", x), ("y", y), ("on", on)):
        events[field] = values
    for start in range(0, len(events), 3):
        part = events[start : start + 3]
        body = struct.pack("<I4s3H2x", 16, b"EVTS", 6, 8, 4)
        body += struct.pack("<iI", 8, 4) + struct.pack("<I", len(part)) + part.tobytes()
        packet = struct.pack("<I", len(body)) + body
        data += struct.pack("<II", 0, len(packet)) + packet
    path.write_bytes(data)
    return path
