"""Devices at the far end of a link: a board, or a simulated one, at a serial port or behind TCP.

The host's side is the ``rtl`` device's own; only where that reaches into a simulated core's
memories by the back door, this one goes by the link.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DeviceError
from ...hdl.core_regions import PROBE_COUNT_REGION, REGISTER_REGION, column_region
from ...hdl.geometry import Geometry
from ...hdl.layout import INDEX_SHIFT
from ...hdl.registers import REGISTER
from ...hdl.streams import (
    INPUT_END,
    INPUT_GRADED,
    INPUT_SPIKE,
    OUTPUT_END,
    OUTPUT_GENERATORS,
    OUTPUT_NEURONS,
)
from ...runtime.backend import Events
from ...runtime.link.client import Client, pack_words, unpack_words
from ...runtime.link.session import Session, Timing
from .backend import RtlBackend
from .model import Model, StepOutput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...runtime.link.client import Steps
    from ...runtime.link.transport import Transport

_RUN = REGISTER["RUN"].address
_STEP = REGISTER["STEP"].address


class LinkedModel(Model):
    """A core behind a link, as the ``rtl`` device sees cores.

    Args:
        client: of the device.
    """

    simulator = "link"

    def __init__(self, client: Client) -> None:
        self.client = client
        super().__init__(_geometry(client))
        self._step = client.session.poll()["step"]
        client.write(PROBE_COUNT_REGION, 0, bytes(4))

    def memory(self, table: str, lane: int, column: int) -> NDArray[np.uint32]:
        """The words of one memory."""
        whole = self.table(table)[column]
        return whole[lane :: self.lanes(table)] if self._is_spread(table) else whole

    def store(self, table: str, lane: int, column: int, words: NDArray[np.uint32]) -> None:
        """Replace a memory's first words; the rest becomes zero."""
        columns = self.table(table)
        mine = columns[column][lane :: self.lanes(table)]
        if not self._is_spread(table):
            mine = columns[column]
        mine[:] = 0
        mine[: len(words)] = words
        self._load(table, column, columns[column])

    def load_table(self, name: str, columns: list[NDArray[np.uint32]]) -> None:
        """Replace a whole table; entries that are not given become zero."""
        for column, words in enumerate(columns):
            self._load(name, column, words)

    def table(self, name: str) -> list[NDArray[np.uint32]]:
        """A copy of a whole table."""
        regions = [column_region(name, i) for i in range(len(self.tables[name].widths))]
        return [
            unpack_words(self.client.read(r), self.client.descriptor.region(r)[1]).astype(np.uint32)
            for r in regions
        ]

    def _is_spread(self, table: str) -> bool:
        return len(self.table(table)[0]) > self.tables[table].depth

    def _load(self, name: str, column: int, words: NDArray[np.uint32]) -> None:
        """Write a region and check its digest; zeros that are there already are not sent again."""
        region = column_region(name, column)
        spec = self.client.descriptor.region(region)[1]
        whole = np.zeros(spec.depth, np.uint32)
        whole[: len(words)] = words
        image = pack_words(whole, spec)
        self.client.write(region, 0, image[: len(words) * spec.word_bytes])
        if self.client.digest(region) != zlib.crc32(image):
            self.client.load({region: image})

    def write(self, address: int, data: int) -> None:
        """Write a register. RUN is left to the device, which starts runs itself."""
        if address == _RUN:
            return
        if address == _STEP:
            self._step = data
        self.client.write(REGISTER_REGION, address >> INDEX_SHIFT, data.to_bytes(4, "little"))

    def read(self, address: int) -> int:
        """Read a register."""
        return int.from_bytes(
            self.client.read(REGISTER_REGION, address >> INDEX_SHIFT, 1), "little"
        )

    def steps(self, steps: int, given: NDArray[np.int64], most_cycles: int) -> StepOutput:
        """Compute steps; the session watches over their time."""
        done = self.client.run(steps, self._events(given), start=self._step, cycles=True)
        self._step = (self._step + steps) % (1 << 32)
        return StepOutput(self._items(done), done.steps, len(given), int(done.cycles.sum()))

    def _events(self, given: NDArray[np.int64]) -> Events:
        """The input as the client takes it: in steps, channels by their number."""
        kind, index, value = given.T
        step = np.cumsum(kind == INPUT_END) - (kind == INPUT_END)
        spikes, graded = kind == INPUT_SPIKE, kind == INPUT_GRADED
        channel = index[spikes] - self.geometry.first_channel
        return Events(
            step[spikes], channel.astype(np.int32),
            step[graded], index[graded].astype(np.int32), value[graded].astype(np.int32),
        )  # fmt: skip

    def _items(self, done: Steps) -> NDArray[np.int64]:
        """Spikes and cycles as the core's output: masks of groups, and an END per step."""
        lanes, first = self.geometry.update_lanes, self.geometry.first_generator
        step, index = done.spikes.T
        kind = np.where(index < first, OUTPUT_NEURONS, OUTPUT_GENERATORS)
        number = np.where(index < first, index, index - first)
        key = np.stack([step, kind, number // lanes], axis=1)
        groups, which = np.unique(key, axis=0, return_inverse=True)
        masks = np.zeros(len(groups), np.uint64)
        bits = np.uint64(1) << (number % lanes).astype(np.uint64)
        np.bitwise_or.at(masks, which.reshape(-1), bits)
        ends = np.arange(done.steps)
        items = np.concatenate(
            [
                np.stack([groups[:, 1], groups[:, 2], masks.view(np.int64)], axis=1),
                np.stack(
                    [np.full(done.steps, OUTPUT_END), np.zeros_like(ends), done.cycles], axis=1
                ),
            ]
        )
        return items[np.argsort(np.concatenate([groups[:, 0], ends]), kind="stable")]

    def close(self) -> None:
        """Give the line back."""
        self.client.session.transport.close()


def _geometry(client: Client) -> Geometry:
    """The core's geometry as the device describes it."""
    found = client.descriptor.geometry
    try:
        return Geometry(**found)
    except TypeError:
        raise DeviceError(
            "the device describes a core that this version does not know",
            found=", ".join(sorted(found)),
            expected=", ".join(sorted(Geometry.__dataclass_fields__)),
            where=client.session.transport.name,
            remedy="build the device and install the package from the same release",
        ) from None


class RemoteBackend(RtlBackend):
    """A device behind an open line.

    A Program is compared with the device's own description before anything of it is sent.

    Args:
        transport: the line.
        timing: patience.
    """

    scheme = "remote"

    def __init__(self, transport: Transport, timing: Timing | None = None) -> None:
        session = Session(transport, timing=timing)
        try:
            session.open()
            self._linked = LinkedModel(Client(session))
        except BaseException:
            transport.close()
            raise
        super().__init__(simulator="amaranth", geometry=self._linked.geometry)
        self._model = self._linked

    def describe(self) -> dict[str, Any]:
        """Facts for ``spikeloom devices`` and ``doctor``."""
        descriptor = self._linked.client.descriptor
        return {
            "scheme": self.scheme,
            "line": self._linked.client.session.transport.name,
            "cycles": True,
            "build": descriptor.build,
            "clock_hz": descriptor.clock_hz,
            "geometry": descriptor.geometry,
        }


class SerialBackend(RemoteBackend):
    """A board, or a served simulation, at a serial port.

    Args:
        address: the port.
        baud: bits per second.
    """

    scheme = "serial"

    def __init__(self, address: str, baud: int | str = 3_000_000) -> None:
        from ...runtime.link.serial_port import SerialPort

        super().__init__(SerialPort(address, _number("baud", baud)))


class TcpBackend(RemoteBackend):
    """A device behind TCP.

    Args:
        address: ``host:port``.
    """

    scheme = "tcp"

    def __init__(self, address: str) -> None:
        from ...runtime.link.tcp import TcpConnection

        host, _, port = address.rpartition(":")
        super().__init__(TcpConnection(host, _number("port", port)))


def _number(name: str, value: int | str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number <= 0:
        raise DeviceError(f"{name} must be a number", found=repr(value), expected="above 0")
    return number
