"""The worker: a network of Brian2's, asked from outside."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from peer_worker.serve import Worker


class Brian2Worker(Worker):
    """Answers what the device ``brian2`` asks."""

    name = "Brian2"

    def __init__(self) -> None:
        super().__init__()
        self._simulation: Any = None

    def do_hello(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Import Brian2, and say which; ``missing`` says why it cannot be imported."""
        try:
            import brian2
        except ImportError as error:
            return {"missing": str(error)}, {}
        brian2.prefs.codegen.target = "numpy"
        return {
            "brian2": brian2.__version__,
            "python": sys.version.split()[0],
            "numpy": np.__version__,
        }, {}

    def do_build(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Make the network in a given state."""
        from .simulation import Simulation

        self._simulation = Simulation(header, arrays)
        return {}, {}

    def do_read(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """The state and the weights."""
        return {}, self._simulation.state()

    def do_run(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """One window."""
        return {}, self._simulation.run(header["steps"], arrays)

    def do_quit(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Nothing has to be ended."""
        return {}, {}


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Brian2's own deprecations are no news to anybody here.
    Brian2Worker().serve()
