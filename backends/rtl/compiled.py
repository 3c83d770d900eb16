"""A compiled core, through ctypes."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int64, c_uint32, c_void_p
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DeviceError
from ...hdl.layout import layout
from ...hdl.registers import REGISTER
from .build import library, memory_names
from .model import Model, StepOutput

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ...hdl.geometry import Geometry

BUS_LIMIT = 1 << 16
"""Cycles after which an unanswered access is an error."""


class CompiledModel(Model):
    """The core as a shared library; its memories are NumPy arrays over the library's own.

    Args:
        path: of the library, if it is another one than ``library`` makes.
    """

    simulator = "compiled"

    def __init__(self, geometry: Geometry, path: Path | None = None) -> None:
        super().__init__(geometry)
        self.path = path or library(geometry)
        code = ctypes.CDLL(str(self.path))
        int64s = np.ctypeslib.ndpointer(np.int64, flags="C")
        for name, result, arguments in (
            ("sl_create", c_void_p, []),
            ("sl_destroy", None, [c_void_p]),
            ("sl_memory", POINTER(c_uint32), [c_void_p, c_int64, POINTER(c_int64)]),
            ("sl_bus", c_int64, [c_void_p, c_int64, c_int64, c_int64, c_int64]),
            (
                "sl_run",
                c_int64,
                [c_void_p, int64s, c_int64, int64s, *[c_int64] * 4, int64s],
            ),
        ):
            function = getattr(code, name)
            function.restype, function.argtypes = result, arguments
        self._code = code
        self._device = code.sl_create()
        tables = layout(geometry)
        self._memories = {
            (core, table, lane, column): self._memory(number, tables[table].depth)
            for number, (core, table, lane, column, _) in enumerate(memory_names(geometry))
        }

    def _memory(self, number: int, depth: int) -> NDArray[np.uint32]:
        """A memory's words, which are those of equal memories in turn."""
        stride = c_int64()
        first = self._code.sl_memory(self._device, number, byref(stride))
        words = np.ctypeslib.as_array(first, ((depth - 1) * stride.value + 1,))
        return words[:: stride.value]

    def memory(self, table: str, lane: int, column: int, core: int = 0) -> NDArray[np.uint32]:
        """The memory itself: what is written into the array is in the core."""
        return self._memories[core, table, lane, column]

    def store(
        self, table: str, lane: int, column: int, words: NDArray[np.uint32], core: int = 0
    ) -> None:
        """Replace a memory's first words; the rest becomes zero."""
        memory = self._memories[core, table, lane, column]
        memory[: len(words)] = words
        memory[len(words) :] = 0

    def write(self, address: int, data: int) -> None:
        """One access on the bus."""
        self._bus(1, address, data)

    def read(self, address: int) -> int:
        """One access on the bus."""
        return self._bus(0, address, 0)

    def _bus(self, write: int, address: int, data: int) -> int:
        found = self._code.sl_bus(self._device, write, address, data, BUS_LIMIT)
        if found < 0:
            raise DeviceError(
                "the simulated core does not answer on its bus", where=f"address {address:#x}"
            )
        return found

    def steps(self, steps: int, given: NDArray[np.int64], most_cycles: int) -> StepOutput:
        """Start so many steps and let the clock run until they have ended."""
        output = np.empty((steps * self.output_room, 3), np.int64)
        counts = np.zeros(3, np.int64)
        given = np.ascontiguousarray(given)
        ended = self._code.sl_run(
            self._device,
            given,
            len(given),
            output,
            len(output),
            REGISTER["RUN"].address + self.everyone,
            steps,
            most_cycles,
            counts,
        )
        return StepOutput(output[: counts[1]].copy(), ended, int(counts[0]), int(counts[2]))

    def close(self) -> None:
        """Free the core; its arrays must not be used any more."""
        if self._device is not None:
            self._memories.clear()
            self._code.sl_destroy(self._device)
            self._device = None
