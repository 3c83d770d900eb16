"""A simulated core behind the link's model in Python: the same bytes, without pins and UART.

The link is ``runtime/link/model.py``, the readable definition of the protocol; the core is the
circuit that ``rtl`` runs, reached over its own bus and streams. Between them is what
``hdl/core_adapter.py`` is in hardware.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from ...hdl.core_regions import core_regions, describe
from ...hdl.layout import CORE_SHIFT, INDEX_SHIFT
from ...hdl.registers import CONTROL_HOST_INPUT, REGISTER
from ...hdl.source_hash import source_hash
from ...hdl.streams import (
    INPUT_END,
    INPUT_GRADED,
    INPUT_SPIKE,
    OUTPUT_END,
    OUTPUT_GENERATORS,
    output_layout,
)
from ...runtime.link.model import DeviceModel, ModelCore
from .backend import MOST_CYCLES, make_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...hdl.geometry import Geometry
    from .model import Model

_STEP = REGISTER["STEP"].address


class ModelledCore(ModelCore):
    """The core, as the model of the link asks for it.

    Args:
        model: the simulated core.
        probes: words that can be probed.
    """

    def __init__(self, model: Model, probes: int):
        self._model = model
        self._regions = core_regions(model.geometry)
        self._queue: deque[tuple[int, int, int, int]] = deque()
        self._probes = [0] * probes
        # What the adapter holds itself, region by region behind the core's own.
        self._probe_cores = [0] * probes
        self._count, self._core = [0], [0]
        self._own = (self._probes, self._count, self._core, self._probe_cores)

    def reset(self) -> None:
        """The step number, and what waits for a step."""
        self.step = 0
        self.stop = False
        self._queue.clear()
        self._count[0] = self._core[0] = 0
        self._model.write(_STEP + self._model.everyone, 0)

    def read(self, region: int, address: int) -> bytes:
        """One word."""
        own = region - len(self._regions)
        if own >= 0:
            return self._own[own][address].to_bytes(4 if own < 2 else 1, "little")
        entry = self._regions[region]
        word = self._model.read(self._at(entry.base + (address << INDEX_SHIFT), self._core[0]))
        return word.to_bytes(entry.region.word_bytes, "little")

    def write(self, region: int, address: int, word: bytes) -> None:
        """Replace one word; a new step number empties the queue of events."""
        value = int.from_bytes(word, "little")
        own = region - len(self._regions)
        if own >= 0:
            # Numbers beyond the cores mean all of them, as the adapter has it.
            most = value if own < 2 else self._model.geometry.cores
            self._own[own][address] = min(value, most)
            return
        at = self._regions[region].base + (address << INDEX_SHIFT)
        self._model.write(self._at(at, self._core[0]), value)
        if at == _STEP:
            self.step = value
            self._queue.clear()

    def _at(self, address: int, core: int) -> int:
        return address + (core << CORE_SHIFT if self._model.geometry.cores > 1 else 0)

    def event(self, graded: bool, step: int, index: int, value: int) -> None:
        """Input for a later step."""
        first = 0 if graded else self._model.geometry.first_channel
        self._queue.append((step, INPUT_GRADED if graded else INPUT_SPIKE, index + first, value))

    def run(
        self, steps: int, *, spikes: bool, cycles: bool, probes: bool
    ) -> Iterator[tuple[str, int]]:
        """Compute steps, one at a time."""
        control = REGISTER["CONTROL"].address + self._model.everyone
        self._model.write(control, CONTROL_HOST_INPUT)
        done = 0
        while not self.stop and (steps == 0 or done < steps):
            items = self._model.steps(1, self._input(), MOST_CYCLES).items
            self.step = (self.step + 1) % (1 << 32)
            done += 1
            if spikes:
                for kind, group, mask in items[items[:, 0] != OUTPUT_END].tolist():
                    yield from (("SPIKE", i) for i in self._indexes(kind, group, mask))
            if probes:
                for i in range(self._count[0]):
                    at = self._at(self._probes[i], self._probe_cores[i])
                    yield "PROBE", self._model.read(at)
            if cycles:
                yield "CYCLES", int(items[-1, 2])
            yield "STEP", 0
        yield "DONE", int(steps == 0 or done < steps)

    def _input(self) -> np.ndarray:
        """(n, 3) int64: what is due in this step, then an END."""
        due = []
        while self._queue and self._queue[0][0] == self.step:
            due.append(self._queue.popleft()[1:])
        return np.array([*due, (INPUT_END, 0, 0)], np.int64)

    def _indexes(self, kind: int, group: int, mask: int) -> Iterator[int]:
        """Numbers of those whose bit is set."""
        g = self._model.geometry
        core, group = divmod(group, 1 << output_layout(g)["group"])
        first = core * g.first_channel + (g.first_generator if kind == OUTPUT_GENERATORS else 0)
        for lane in range(g.update_lanes):
            if mask >> lane & 1:
                yield first + group * g.update_lanes + lane


class ModelledDevice:
    """A device whose link is the model in Python.

    Args:
        geometry: of the core.
        simulator: of the core, as for the ``rtl`` device.
        sizes: of the link, see ``describe``.

    Attributes:
        descriptor: what it tells of itself.
    """

    linger = 0.0
    """All is done when ``exchange`` returns."""

    def __init__(self, geometry: Geometry, simulator: str = "auto", **sizes: int):
        build = source_hash({**geometry.to_dict(), "link": "model", **sizes})
        self.descriptor = describe(geometry, build=build[:16], **sizes)
        self._core = make_model(simulator, geometry)
        probes = self.descriptor.region("probes")[1].depth
        self._device = DeviceModel(self.descriptor, ModelledCore(self._core, probes))

    def exchange(self, data: bytes) -> bytes:
        """What the device answers to these bytes."""
        return self._device.exchange(data)

    def waiting(self) -> int:
        """Nothing waits."""
        return 0

    def restart(self) -> None:
        """What a reset of the device does: the session is gone; memories stay."""
        self._device.reset()

    def close(self) -> None:
        """Free the simulation."""
        self._core.close()
