"""Messages through the network, on the compiled kernel where there is one."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import native
from .network import MESSAGE, MeshShape, TickByTick

if TYPE_CHECKING:
    from numpy.typing import NDArray


_Self = TypeVar("_Self", bound="Network")


class Network:
    """A mesh on which messages travel; a context manager.

    Args:
        shape: of the mesh.
        compiled: whether to use the kernel; None: where there is one.

    Attributes:
        passed, waited: (networks, tiles, 4) messages over each link, and ticks that they waited
            for it in sum, of all calls.
    """

    def __init__(self, shape: MeshShape, compiled: bool | None = None) -> None:
        self.shape = shape
        library = native.library() if compiled in (None, True) else None
        if compiled and library is None:
            raise RuntimeError("the network's kernel is not there; install with a C compiler")
        self._library: Any = library
        size = (shape.networks, shape.rows * shape.columns, 4)
        self.passed, self.waited = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self._net: Any = None
        self._slow: TickByTick | None = None
        if library is not None:
            self._open()

    def _open(self) -> None:
        shape, port = self.shape, self.shape.port
        ports = int(port.max(initial=0)) + 1
        core = np.full((shape.rows * shape.columns, ports), -1, np.int32)
        core[shape.tile, port] = np.arange(len(port))
        self._tables = (np.ascontiguousarray(shape.tile, np.int32), port, core)
        mesh = native.Mesh(
            shape.rows,
            shape.columns,
            len(port),
            ports,
            shape.networks,
            shape.buffer,
            shape.receive,
            shape.interval,
            shape.inject,
            shape.eject,
            (ctypes.c_int64 * 4)(*shape.hop),
            *(table.ctypes.data for table in self._tables),
        )
        self._net = self._library.sl_chips_open(ctypes.byref(mesh))
        if not self._net:
            raise MemoryError("the network's buffers")

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._net:
            self._library.sl_chips_close(self._net)
            self._net = None

    def run_steps(self, messages: NDArray[np.void], first: NDArray[np.int64]) -> NDArray[np.int64]:
        """Run steps, each for itself, and fill in the messages' times.

        Args:
            messages: of ``network.MESSAGE``, by step, then core, in the order of making.
            first: (steps · cores + 1,) where each core's messages of each step start.

        Returns:
            (steps,) the tick in which the last message of each step is done; 0 without any.
        """
        cores = len(self.shape.tile)
        steps = (len(first) - 1) // cores
        end = np.zeros(steps, np.int64)
        if self._net:
            finished = np.empty(len(messages), np.int32)
            traffic = self._traffic(messages, finished)
            first = np.ascontiguousarray(first, np.int64)
            self._library.sl_chips_steps(
                self._net, ctypes.byref(traffic), steps, first.ctypes.data, end.ctypes.data
            )
            return end
        for step in range(steps):
            slow = TickByTick(self.shape, messages)
            bounds = first[step * cores : (step + 1) * cores + 1]
            for core in range(cores):
                slow.feed(core, int(bounds[core]), int(bounds[core + 1]))
            slow.advance()
            end[step] = messages["done"][bounds[0] : bounds[-1]].max(initial=0)
            self.passed += slow.passed
            self.waited += slow.waited
        return end

    def _traffic(self, messages: NDArray[np.void], finished: NDArray[np.int32]) -> Any:
        if messages.dtype != MESSAGE or not messages.flags.c_contiguous:
            raise ValueError("messages must be a plain array of network.MESSAGE")
        arrays = (messages, self.passed, self.waited, finished)
        return native.Traffic(*(array.ctypes.data for array in arrays), 0)


class Journey(Network):
    """A network that is fed while it works: for spikes that answer to spikes.

    Args:
        shape: of the mesh.
        compiled: as for Network.
    """

    def __init__(self, shape: MeshShape, compiled: bool | None = None) -> None:
        super().__init__(shape, compiled)
        self._finished = np.empty(1024, np.int32)
        self._fed = 0
        self.messages = np.zeros(1024, MESSAGE)
        if not self._net:
            self._slow = TickByTick(shape, self.messages)
        else:
            self._data = self._traffic(self.messages, self._finished)

    def feed(self, messages: NDArray[np.void], core: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add messages, sorted by the core that makes them; returns their numbers."""
        first, last = self._fed, self._fed + len(messages)
        if first == last:
            return np.arange(0)
        if last > len(self.messages):
            self._grow(last)
        self.messages[first:last] = messages
        self._fed = last
        bounds = np.flatnonzero(np.diff(core, prepend=-1))
        for low, high in zip(bounds.tolist(), [*bounds[1:].tolist(), len(core)], strict=True):
            if self._slow:
                self._slow.feed(int(core[low]), first + low, first + high)
            else:
                self._library.sl_chips_feed(
                    self._net, ctypes.byref(self._data), int(core[low]), first + low, first + high
                )
        return np.arange(first, last)

    def _grow(self, needed: int) -> None:
        size = max(needed, 2 * len(self.messages))
        grown, finished = np.zeros(size, MESSAGE), np.empty(size, np.int32)
        grown[: self._fed], finished[: self._fed] = (
            self.messages[: self._fed],
            self._finished[: self._fed],
        )
        self.messages, self._finished = grown, finished
        if self._slow:
            self._slow.messages = grown
        else:
            count = self._data.finishes
            self._data = self._traffic(grown, finished)
            self._data.finishes = count

    def advance(self, until: int) -> NDArray[np.int64]:
        """Go on to the tick ``until``; returns the messages that are done since the last call."""
        if self._slow:
            before = len(self._slow.finished)
            self._slow.advance(until)
            self.passed, self.waited = self._slow.passed, self._slow.waited
            return np.array(self._slow.finished[before:], np.int64)
        before = self._data.finishes
        self._library.sl_chips_advance(self._net, ctypes.byref(self._data), until)
        return self._finished[before : self._data.finishes].astype(np.int64)
