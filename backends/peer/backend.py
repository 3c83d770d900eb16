"""What devices that are other simulators have in common."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import DeviceError
from ...runtime.backend import Backend, State
from .remote import Peer, Remote, seconds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 1024
"""Most steps that a simulator runs between two answers."""
WINDOW_NUMBERS = 1 << 22
"""Most numbers per step, times steps, of a window."""


class PeerBackend(Backend):
    """A simulator in a process of its own.

    Args:
        python: interpreter that has it; by default the environment's, or the running one.
        timeout: seconds that it may take for a start or a window of a run.

    Raises:
        DeviceError: it is not there, or the options are wrong.
    """

    peer: ClassVar[Peer]
    _host_state: State

    def __init__(self, python: str | None, timeout: str | float) -> None:
        if sys.platform == "win32":
            raise DeviceError(
                f"{self.peer.name} runs behind pipes and sessions that Windows does not have",
                remedy="run it in the Windows Subsystem for Linux",
            )
        self._timeout = seconds(timeout)
        self._python = self.peer.find_python(python)
        self._remote: Remote | None = None

    @property
    def _gone(self) -> bool:
        """Whether there is no process: it has not been started, or has ended."""
        return self._remote is None or not self._remote.alive

    def _start(self) -> None:
        """Start the process if there is none."""
        if self._gone:
            self._remote = Remote(self.peer, self._python, self._timeout)

    def _ask(self, what: str, header: Any = None, arrays: Any = None) -> Any:
        if self._remote is None:
            raise DeviceError("nothing is loaded", remedy="load a Program first")
        return self._remote.ask(what, header, arrays)

    def read_saturation(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """What came with a restored state: nothing saturates here."""
        return self._host_state.saturations.copy(), self._host_state.saturated.copy()

    def describe(self) -> dict[str, Any]:
        """Facts for ``spikeloom devices``: plain JSON data; the versions once it has run."""
        facts = {} if self._remote is None else self._remote.facts
        versions = {k: facts[k] for k in (self.peer.key, "numpy") if k in facts}
        return {"scheme": self.scheme, "interpreter": self._python, **versions, "cycles": False}

    def close(self) -> None:
        """End the simulator, with all of its processes."""
        if self._remote is not None:
            self._remote.close()
