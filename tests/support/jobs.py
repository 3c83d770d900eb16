"""What workers of the tests do."""

from __future__ import annotations

import os
import signal
import time
from typing import Any


def prepare(context: Any) -> Any:
    return context


def double(context: Any, payload: int) -> int:
    """Twice the payload; 13 is unlucky."""
    if payload == 13:
        raise ValueError("13 is unlucky")
    return 2 * payload


def deadly(context: Any, payload: int) -> int:
    """7 kills its worker each time, 3 the first time (``context`` is a folder)."""
    # A mark for each: 7 may well come first where a worker has to wait for its processor.
    mark = os.path.join(context, f"killed by {payload}")
    if payload == 7 or (payload == 3 and not os.path.exists(mark)):
        with open(mark, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    return payload


def suicide(context: Any, payload: int) -> int:
    os._exit(5)


def slow(context: Any, payload: int) -> int:
    time.sleep(context)
    return payload
