"""The largest memory of a process alone."""

from __future__ import annotations

from pathlib import Path


def peak_bytes() -> int:
    """The largest memory of this process; getrusage also counts its parent's, before it began."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told["VmHWM"].split()[0]) * 1024
