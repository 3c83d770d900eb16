"""``spikeloom serve`` as a process of its own."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def served(*arguments: str, ends: int | None = signal.SIGTERM) -> Iterator[dict[str, Any]]:
    """A server; what it says of itself. It must end with 0 when it is told to, or by itself."""
    command = [sys.executable, "-m", "spikeloom", "serve", *arguments, "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            text += line
        yield json.loads(text)
        if ends is not None:
            process.send_signal(ends)
        more, told = process.communicate(timeout=60)
        assert (process.returncode, more) == (0, ""), told
        assert told.startswith("served ")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
