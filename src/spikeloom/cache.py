"""Where what takes long to make is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """``$SPIKELOOM_CACHE``, else the system's usual place."""
    given = os.environ.get("SPIKELOOM_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"), "spikeloom")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "spikeloom"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "spikeloom")
