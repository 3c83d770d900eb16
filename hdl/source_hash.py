"""Names a design: a hash of its sources and parameters."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

TEXTS = ("cycles.py", "mesh_cycles.py", "flits.py", "document.py", "protocol_doc.py")
"""Modules that can change without the circuit's changing."""


def source_hash(parameters: dict[str, Any]) -> str:
    """SHA-256, hexadecimal, over all that a circuit is made from.

    Args:
        parameters: plain JSON data.
    """
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        if path.name not in TEXTS:
            name = path.relative_to(folder).as_posix()
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(f"amaranth {version('amaranth')}".encode())
    digest.update(json.dumps(parameters, sort_keys=True).encode())
    return digest.hexdigest()
