"""The devices that the runtime's tests go through, and a broken one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.runtime import open as opening
from spikeloom.runtime.backend import Events, Record, RunData

DEVICES = ("reference", "emulator?kernel=numpy", "emulator")


def install_broken(
    monkeypatch: pytest.MonkeyPatch, name: str, fault: Callable[[Any], None]
) -> None:
    """Make ``name`` a device that is the reference, but for ``fault(backend)`` after each run.

    ``backend.data`` is what the run will bring back; the fault may replace it.
    """

    class Broken(ReferenceBackend):
        scheme = name

        def run(self, steps: int, events: Events, record: Record) -> RunData:
            self.data = super().run(steps, events, record)
            fault(self)
            return self.data

    load = opening.load_backend

    def load_broken(scheme: str, url: str):
        return Broken if scheme == name else load(scheme, url)

    monkeypatch.setattr(opening, "load_backend", load_broken)
