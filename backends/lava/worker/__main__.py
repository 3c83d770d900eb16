"""The worker: reads requests from standard input, answers on what was standard output."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from peer_worker.serve import Worker

from . import python311


class LavaWorker(Worker):
    """Answers what the device ``lava`` asks."""

    name = "Lava"

    def __init__(self) -> None:
        super().__init__()
        self._simulation: Any = None

    def _stopped(self) -> None:
        super()._stopped()
        self._simulation = None

    # ------------------------------------------------------------------ requests

    def do_hello(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Import Lava, and say which; ``missing`` says why it cannot be imported."""
        import importlib.metadata

        from .memory import use_anonymous_memory

        try:
            use_anonymous_memory()
        except ImportError as error:
            return {"missing": str(error)}, {}
        return {
            "lava": importlib.metadata.version("lava-nc"),
            "python": sys.version.split()[0],
            "numpy": np.__version__,
        }, {}

    def do_build(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Make the processes, and start them."""
        from .simulation import Simulation

        self.do_stop(header, arrays)
        simulation = Simulation(header, arrays)
        simulation.start()
        self._simulation, self._children = simulation, simulation.actors()
        return {"processes": len(self._children), "pids": [a.pid for a in self._children]}, {}

    def do_stop(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """End Lava's processes."""
        simulation = self._simulation
        self._stopped()
        if simulation is not None:
            simulation.stop()
        return {}, {}

    def do_write(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Go on from another state."""
        self._simulation.write(arrays)
        return {}, {}

    def do_learning(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Let rules change weights, or not."""
        self._simulation.on[0] = header["on"]
        return {}, {}

    def do_read(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """The state."""
        return {}, self._simulation.state()

    def do_run(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """One window; ``record`` has the neurons whose u and v are wanted."""
        simulation, steps = self._simulation, header["steps"]
        simulation.run(steps, arrays)
        alarms = [simulation.alarm(group) for group in range(len(simulation.groups))]
        step, neuron = np.nonzero(simulation.spikes[:steps])
        wanted = arrays["record"]
        return {"alarms": [a for a in alarms if a is not None]}, {
            "step": step,
            "neuron": neuron,
            "u": simulation.u_rows[:steps, wanted].astype(np.float64),
            "v": simulation.v_rows[:steps, wanted].astype(np.float64),
        }

    def do_quit(self, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """End, with Lava's processes."""
        return self.do_stop(header, arrays)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Lava's own deprecations are no news to anybody here.
    python311.prepare()
    LavaWorker().serve()
