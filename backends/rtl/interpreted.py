"""A core under Amaranth's own simulator: slow, but it needs nothing beside Amaranth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DeviceError
from ...hdl.layout import CORE_SHIFT
from ...hdl.mesh import Mesh, make_chip
from ...hdl.registers import REGISTER
from ...hdl.streams import OUTPUT_END, chip_input_layout, chip_output_layout
from .model import Model, StepOutput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...hdl.geometry import Geometry

BUS_LIMIT = 1 << 16
"""Cycles after which an unanswered access is an error."""


class InterpretedModel(Model):
    """The core in Python. Calls are jobs for one testbench; between them the clock stands still."""

    simulator = "amaranth"

    def __init__(self, geometry: Geometry) -> None:
        from amaranth.sim import Simulator

        super().__init__(geometry)
        self.core = core = make_chip(geometry)
        self._banks = (
            core.banks()
            if isinstance(core, Mesh)
            else {(0, name): banks for name, banks in core.banks().items()}
        )
        self._job: Callable[[Any], Awaitable[Any]] | None = None
        self._result: Any = None
        self._simulator = Simulator(self.core)
        self._simulator.add_clock(1e-6)
        self._simulator.add_testbench(self._bench)

    async def _bench(self, context: Any) -> None:
        while True:
            if self._job is not None:
                self._result = await self._job(context)
                self._job = None
            await context.tick()

    def _do(self, job: Callable[[Any], Awaitable[Any]]) -> Any:
        self._job = job
        while self._job is not None:
            self._simulator.advance()
        return self._result

    def memory(self, table: str, lane: int, column: int, core: int = 0) -> NDArray[np.uint32]:
        """A copy of the words of one memory."""
        data = self._banks[core, table][lane].memories[column].data

        async def job(context: Any) -> NDArray[np.uint32]:
            return np.array([context.get(data[i]) for i in range(data.depth)], np.uint32)

        return self._do(job)

    def store(
        self, table: str, lane: int, column: int, words: NDArray[np.uint32], core: int = 0
    ) -> None:
        """Replace a memory's first words; the rest becomes zero."""
        data = self._banks[core, table][lane].memories[column].data
        new = np.zeros(data.depth, np.uint32)
        new[: len(words)] = words

        async def job(context: Any) -> None:
            for i, word in enumerate(new.tolist()):
                context.set(data[i], word)

        self._do(job)

    def _asked(self, address: int) -> list[tuple[Any, int]]:
        """What shows an address on the bus."""
        shown = [
            (self.core.bus.valid, 1), (self.core.bus.address, address & ((1 << CORE_SHIFT) - 1)),
        ]  # fmt: skip
        if isinstance(self.core, Mesh):
            shown.append((self.core.select, address >> CORE_SHIFT))
        return shown

    def write(self, address: int, data: int) -> None:
        """One access on the bus."""
        self._bus(1, address, data)

    def read(self, address: int) -> int:
        """One access on the bus."""
        return self._bus(0, address, 0)

    def _bus(self, write: int, address: int, data: int) -> int:
        bus = self.core.bus

        async def job(context: Any) -> int | None:
            for signal, value in (
                *self._asked(address), (bus.write, write), (bus.data, data),
            ):  # fmt: skip
                context.set(signal, value)
            for _ in range(BUS_LIMIT):
                _, _, ready, done, read = await context.tick().sample(bus.ready, bus.done, bus.read)
                if ready:
                    context.set(bus.valid, 0)
                if done:
                    return read
            return None

        found = self._do(job)
        if found is None:
            raise DeviceError(
                "the simulated core does not answer on its bus", where=f"address {address:#x}"
            )
        return found

    def steps(self, steps: int, given: NDArray[np.int64], most_cycles: int) -> StepOutput:
        """Start so many steps and let the clock run until they have ended."""
        source, sink, bus = self.core.input, self.core.output, self.core.bus
        packed = [_pack(item, chip_input_layout(self.geometry)) for item in given.tolist()]
        widths = chip_output_layout(self.geometry)

        async def job(context: Any) -> StepOutput:
            items: list[list[int]] = []
            used = ended = cycles = 0
            for signal, value in (
                (sink.ready, 1), (bus.write, 1), (bus.data, steps),
                *self._asked(REGISTER["RUN"].address + self.everyone),
            ):  # fmt: skip
                context.set(signal, value)
            while ended < steps and cycles < most_cycles:
                context.set(source.valid, used < len(packed))
                if used < len(packed):
                    context.set(source.payload.as_value(), packed[used])
                _, _, started, ready, valid, payload = await context.tick().sample(
                    bus.ready, source.ready, sink.valid, sink.payload.as_value()
                )
                if started:
                    context.set(bus.valid, 0)
                cycles += 1
                used += bool(ready and used < len(packed))
                if valid:
                    items.append(_unpack(payload, widths))
                    ended += items[-1][0] == OUTPUT_END
            context.set(sink.ready, 0)
            context.set(source.valid, 0)
            return StepOutput(np.array(items, np.int64).reshape(-1, 3), ended, used, cycles)

        return self._do(job)

    def close(self) -> None:
        """Nothing is held."""


def _pack(values: list[int], widths: dict[str, int]) -> int:
    word = low = 0
    for value, width in zip(values, widths.values(), strict=True):
        word |= (value & ((1 << width) - 1)) << low
        low += width
    return word


def _unpack(word: int, widths: dict[str, int]) -> list[int]:
    values = []
    for width in widths.values():
        value = word & ((1 << width) - 1)
        values.append(value - (1 << 64) if value >> 63 else value)
        word >>= width
    return values
