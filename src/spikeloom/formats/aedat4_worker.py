"""Decodes one AEDAT4 file: ``aedat4_worker.py in.aedat4 out.npy limit``; a process of its own."""

from __future__ import annotations

import sys
from typing import Any


def main(path: str, out: str, limit: int) -> None:
    """Write the events of the file's only event stream as an array."""
    try:
        import resource

        # Python, NumPy and the package map about 1 GiB that they do not use.
        most = (2 << 30) + 3 * limit
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (ImportError, ValueError, OSError):
        pass  # not on this platform; the limit below still holds between packets
    import aedat  # pyright: ignore[reportMissingImports]
    import numpy as np

    decoder: Any = aedat.Decoder(path)
    streams = [i for i, s in decoder.id_to_stream().items() if s["type"] == "events"]
    if len(streams) != 1:
        raise SystemExit(f"{len(streams)} event streams; one is expected")
    dtype = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")])
    parts, total = [np.zeros(0, dtype)], 0
    for packet in decoder:
        if packet["stream_id"] != streams[0] or "events" not in packet:
            continue
        total += len(packet["events"]) * dtype.itemsize
        if total > limit:
            raise SystemExit(f"more than {limit} bytes of events")
        part = np.empty(len(packet["events"]), dtype)
        for field in dtype.names or ():
            part[field] = packet["events"][field]
        parts.append(part)
    events = np.concatenate(parts)
    plain = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "|u1")])
    np.save(out, events.astype(plain))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
