"""Memory that the worker shares with Lava's processes, without a name anywhere.

Lava's processes are forked from the worker, so anonymous mappings made before are shared with
them. They vanish with the last process that has them, however it ends: nothing stays in /dev/shm.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np


def shared(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros that forked processes share."""
    count = int(np.prod(shape, dtype=np.int64))
    size = max(count * np.dtype(dtype).itemsize, 1)
    return np.frombuffer(mmap.mmap(-1, size), dtype, count).reshape(shape)


class Block:
    """What a channel of Lava's needs of ``multiprocessing.shared_memory.SharedMemory``."""

    def __init__(self, size: int) -> None:
        self.map = mmap.mmap(-1, max(size, 1))
        self.buf = memoryview(self.map)
        self.size = size


class AnonymousMemory:
    """In place of Lava's SharedMemoryManager, whose named segments survive a killed process."""

    def start(self) -> None:
        """There is no server to be started."""

    def shutdown(self) -> None:
        """There is nothing to be unlinked."""

    def create_shared_memory(self, size: int) -> Block:
        """A block that forked processes share."""
        return Block(size)


def use_anonymous_memory() -> None:
    """Let Lava's channels use it."""
    from lava.magma.runtime.message_infrastructure import multiprocessing

    multiprocessing.SharedMemoryManager = AnonymousMemory
