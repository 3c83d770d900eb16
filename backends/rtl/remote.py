"""Devices at the far end of a link: a board, or a simulated one, at a serial port or behind TCP.

The host's side is the ``rtl`` device's own; only where that reaches into a simulated core's
memories by the back door, this one goes by the link.
"""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DeviceError
from ...hdl.core_regions import (
    CORE_REGION,
    PROBE_CORE_REGION,
    PROBE_COUNT_REGION,
    PROBE_REGION,
    REGISTER_REGION,
    column_region,
    core_regions,
)
from ...hdl.geometry import Geometry
from ...hdl.layout import CORE_SHIFT, INDEX_SHIFT
from ...hdl.protocol import START_BAUD
from ...hdl.registers import REGISTER
from ...hdl.streams import (
    INPUT_END,
    INPUT_GRADED,
    INPUT_SPIKE,
    OUTPUT_END,
    OUTPUT_GENERATORS,
    OUTPUT_NEURONS,
    output_layout,
)
from ...runtime.backend import Events
from ...runtime.link.client import Client
from ...runtime.link.inputs import Write, changed_spans
from ...runtime.link.rates import FASTEST
from ...runtime.link.session import Session, Timing
from ...runtime.link.words import pack_words, unpack_words
from .backend import BATCH, MOST_CYCLES, RtlBackend, batches
from .model import Model, StepOutput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...hdl.descriptor import Descriptor
    from ...runtime.backend import Record
    from ...runtime.link.client import Answer, Steps
    from ...runtime.link.transport import Transport
    from .told import Told

_FIELD = {"v": "v", "u0": "u0", "u1": "u1", "threshold": "adapt"}
"""Where a recorded variable is in table `state`."""

_COUNTERS = sorted(
    r.address >> INDEX_SHIFT for n, r in REGISTER.items() if n.endswith(("_LOW", "_HIGH"))
)
"""Registers that only a run changes, which are read all at once."""

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
        self._probes = b""
        self._core = -1
        # By core and region: what is to be there, what is to be sent, and what is known of the
        # device: digests, and whole contents.
        self._digests: dict[tuple[int, str], int] = {}
        self._queued: dict[tuple[int, str], bytes] = {}
        self._there: dict[tuple[int, str], Answer[int]] = {}
        self._held: dict[tuple[int, str], bytes] = {}
        self._counted: dict[int, Answer[bytes]] = {}  # by core, after so many runs
        self._counted_at = 0
        self.sent = 0
        """Bytes of memories that have been sent to the device."""
        self._ask()
        self._select(0)
        client.write(PROBE_COUNT_REGION, 0, bytes(4))
        self.probed = np.zeros((0, 0), np.int32)
        self._step = client.session.poll()["step"]

    def _ask(self) -> None:
        """What the device holds, from power-on or from an earlier host, and has counted: it
        answers while the host is busy with other things."""
        names = [
            entry.region.name for entry in core_regions(self.geometry) if entry.table is not None
        ]
        for core in range(self.geometry.cores):
            self._select(core)
            self._there |= {(core, name): self.client.ask_digest(name) for name in names}
            self._ask_counters(core)

    def _ask_counters(self, core: int) -> None:
        first, count = _COUNTERS[0], _COUNTERS[-1] - _COUNTERS[0] + 1
        self._counted[core] = self.client.ask_words(REGISTER_REGION, first, count)

    def _forget(self) -> None:
        """What was written, or ran, since is not known any more."""
        for known in (self._there, self._held):
            for core, region in [*known]:
                if region in self.client.changed:
                    del known[core, region]
        self.client.changed.clear()

    def _select(self, core: int) -> None:
        """From now on regions are those of this core; a core alone needs no word about it."""
        if self.geometry.cores > 1 and core != self._core:
            self.client.write(CORE_REGION, 0, bytes([core]))
            self._core = core

    def memory(self, table: str, lane: int, column: int, core: int = 0) -> NDArray[np.uint32]:
        """The words of one memory."""
        whole = self.table(table, core)[column]
        return whole[lane :: self.lanes(table)] if self._is_spread(table) else whole

    def store(
        self, table: str, lane: int, column: int, words: NDArray[np.uint32], core: int = 0
    ) -> None:
        """Replace a memory's first words; the rest becomes zero."""
        columns = self.table(table, core)
        mine = columns[column][lane :: self.lanes(table)]
        if not self._is_spread(table):
            mine = columns[column]
        mine[:] = 0
        mine[: len(words)] = words
        self._load(table, column, columns[column], core)

    def load_table(self, name: str, columns: list[NDArray[np.uint32]], core: int = 0) -> None:
        """Replace a whole table; entries that are not given become zero."""
        for column, words in enumerate(columns):
            self._load(name, column, words, core)

    def table(self, name: str, core: int = 0) -> list[NDArray[np.uint32]]:
        """A copy of a whole table."""
        return [self.column(name, i, core) for i in range(len(self.tables[name].widths))]

    def _is_spread(self, table: str) -> bool:
        return len(self.table(table)[0]) > self.tables[table].depth

    def _load(self, name: str, column: int, words: NDArray[np.uint32], core: int) -> None:
        """Fill a region, together with others, before anything else is done."""
        region = column_region(name, column)
        spec = self.client.descriptor.region(region)[1]
        whole = np.zeros(spec.depth, np.uint32)
        whole[: len(words)] = words
        image = pack_words(whole, spec)
        if not spec.volatile:
            self._digests[core, region] = zlib.crc32(image)
        self._queued[core, region] = image

    def settle(self) -> None:
        """Send what is to be loaded; digests say that it is there, all asked for at once.

        What is there already is not sent again: that of which the device's digest says so, words
        of known contents that stay, else zeros at the end.

        Raises:
            DeviceError: a region does not hold what was loaded.
        """
        self._forget()
        queued = dict(sorted(self._queued.items(), key=lambda item: item[0][0]))
        self._queued = {}
        right = {key: zlib.crc32(image) for key, image in queued.items()}
        for core, region in [key for key in queued if key not in self._there]:
            self._select(core)
            self._there[core, region] = self.client.ask_digest(region)
        sent = [key for key in queued if self._there[key].get() != right[key]]
        for core, region in sent:
            self._select(core)
            self._send(core, region, queued[core, region])
        for core, region in sent:
            self._select(core)
            self._there[core, region] = self.client.ask_digest(region)
        for core, region in sent:
            if self._there[core, region].get() != right[core, region]:
                self._select(core)
                self.client.load({region: queued[core, region]})
                self._there[core, region] = self.client.ask_digest(region)
        self._held |= queued
        self.client.changed.clear()

    def _send(self, core: int, region: str, image: bytes) -> None:
        """Send what differs, as far as it is known what is there."""
        size = self.client.descriptor.region(region)[1].word_bytes
        zeros, there = bytes(len(image)), self._there[core, region].get()
        held = zeros if there == zlib.crc32(zeros) else self._held.get((core, region))
        if held is None:
            spans = [(0, -(-len(image.rstrip(b"\0")) // size))]
        else:
            old, new = (np.frombuffer(data, np.uint8).reshape(-1, size) for data in (held, image))
            spans = changed_spans(np.flatnonzero((old != new).any(axis=1)), size)
        for first, end in spans:
            self.sent += (end - first) * size
            self.client.write(region, first, image[first * size : end * size])

    def verify(self) -> None:
        """Have the device compute the digest of everything that it does not change by itself.

        Raises:
            DeviceError: a region does not hold what was loaded.
        """
        self.settle()
        for core in sorted({core for core, _ in self._digests}):
            self._select(core)
            self._compare({r: digest for (c, r), digest in self._digests.items() if c == core})

    def _compare(self, digests: dict[str, int]) -> None:
        """Regions of the selected core."""
        told = zip(digests.items(), self.client.digests(digests), strict=True)
        for (region, expected), found in told:
            if found != expected:
                raise DeviceError(
                    "a region does not hold what was loaded any more",
                    found=f"digest {found:08x}",
                    expected=f"{expected:08x}",
                    where=f"region {region!r} of the device at "
                    f"{self.client.session.transport.name}",
                    remedy="load the program again; if it happens again the memory is faulty",
                )

    def write(self, address: int, data: int) -> None:
        """Write a register. RUN is left to the device, which starts runs itself."""
        core, address = divmod(address, 1 << CORE_SHIFT)
        if address == _RUN:
            return
        if address == _STEP:
            self._step = data
        self._select(core)
        self.client.write(REGISTER_REGION, address >> INDEX_SHIFT, data.to_bytes(4, "little"))

    def read(self, address: int) -> int:
        """Read a register."""
        core, address = divmod(address, 1 << CORE_SHIFT)
        number = address >> INDEX_SHIFT
        self._select(core)
        if number in _COUNTERS:
            if self._counted_at != self.client.runs:
                self._counted, self._counted_at = {}, self.client.runs
            if core not in self._counted:
                self._ask_counters(core)
            at = 4 * (number - _COUNTERS[0])
            return int.from_bytes(self._counted[core].get()[at : at + 4], "little")
        self.settle()
        return int.from_bytes(self.client.read(REGISTER_REGION, number, 1), "little")

    def column(self, name: str, column: int, core: int = 0) -> NDArray[np.uint32]:
        """A copy of one column of a table."""
        self.settle()
        self._select(core)
        region = column_region(name, column)
        spec = self.client.descriptor.region(region)[1]
        return unpack_words(self.client.read(region), spec).astype(np.uint32)

    def probe(self, addresses: NDArray[np.int64]) -> None:
        """From now on ``probed`` has the words at these host addresses after each step of a run;
        a core's number stands above ``CORE_SHIFT``."""
        self.settle()
        words = addresses.tobytes()
        if words != self._probes:
            self.client.write(PROBE_REGION, 0, addresses.astype("<u4").tobytes())
            if self.geometry.cores > 1:
                cores = (addresses >> CORE_SHIFT).astype("<u1").tobytes()
                self.client.write(PROBE_CORE_REGION, 0, cores)
            self.client.write(PROBE_COUNT_REGION, 0, len(addresses).to_bytes(4, "little"))
            self._probes = words

    @property
    def most_probes(self) -> int:
        """How many words can be probed."""
        return self.client.descriptor.region(PROBE_REGION)[1].depth

    def steps(
        self,
        steps: int,
        given: NDArray[np.int64],
        most_cycles: int,
        told: Sequence[Told] = (),
    ) -> StepOutput:
        """Compute steps; the session watches over their time.

        Args:
            told: what learning is told before which of the steps, in the same exchange.
        """
        self.settle()
        done = self.client.run(
            steps,
            self._events(given),
            start=self._step,
            writes=[write for each in told for write in self._writes(each)],
            cycles=True,
            probes=bool(self._probes),
        )
        self.probed = done.probes
        self._step = (self._step + steps) % (1 << 32)
        return StepOutput(self._items(done), done.steps, len(given), int(done.cycles.sum()))

    def _writes(self, told: Told) -> Iterator[Write]:
        """Only the words that change, where they lie apart; the modulator's register."""
        region = column_region("factor", 0)
        spec = self.client.descriptor.region(region)[1]
        for first, end in changed_spans(told.changed, spec.word_bytes):
            words = pack_words(told.factor[first:end], spec)
            yield Write(told.step, region, first, words)
        if told.modulator is not None:
            number = REGISTER["MODULATOR"].address >> INDEX_SHIFT
            value = (told.modulator & 0xFF).to_bytes(4, "little")
            yield Write(told.step, REGISTER_REGION, number, value)

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
        core, index = np.divmod(index, self.geometry.first_channel)
        kind = np.where(index < first, OUTPUT_NEURONS, OUTPUT_GENERATORS)
        number = np.where(index < first, index, index - first)
        group = core << output_layout(self.geometry)["group"] | number // lanes
        key = np.stack([step, kind, group], axis=1)
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
    with contextlib.suppress(TypeError):
        geometry = Geometry(**found)
        # What a device does not say is not known: no default stands for it.
        if found.keys() >= geometry.told().keys():
            return geometry
    raise DeviceError(
        "the device describes a core that this version does not know",
        found=", ".join(sorted(found)),
        expected=", ".join(sorted(Geometry.__dataclass_fields__)),
        where=client.session.transport.name,
        remedy="build the device and install the package from the same release",
    )


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

    def load(self, program: Program) -> None:
        """As every device; when it returns, digests have told that all is there."""
        super().load(program)
        self._linked.settle()

    def _compute(
        self, steps: int, given: NDArray[np.int64], record: Record, events: Events
    ) -> tuple[list[NDArray[np.int64]], tuple[NDArray[np.int32], ...]]:
        """As the simulated core, but the device itself looks at the recorded states in each step.

        Only where they are more words than it can probe, whole tables are read after each step.
        """
        fields = [(_FIELD[variable], which) for variable, which in record.states]
        table = self._linked.tables["state"]
        # Which columns of which neurons; a threshold that does not adapt is known without asking.
        wanted = [
            np.array([self._address(int(i), table.field(name).column) for i in which], np.int64)
            for name, which in fields
            if table.has(name)
        ]
        addresses, place = np.unique(
            np.concatenate([np.zeros(0, np.int64), *wanted]), return_inverse=True
        )
        if len(addresses) > self._linked.most_probes:
            self._linked.probe(addresses[:0])
            return super()._compute(steps, given, record, events)
        self._linked.probe(addresses)
        parts, probed = [], [np.zeros((0, len(addresses)), np.int32)]
        told = iter(()) if self._teller is None else self._teller.run(events, steps)
        following = next(told, None)
        for start, count, piece in batches(given, BATCH):
            now = []
            while following is not None and following.step < start + count:
                now.append(replace(following, step=following.step - start))
                following = next(told, None)
            out = self._linked.steps(count, piece, MOST_CYCLES, now)
            parts.append(self._items(count, piece, out))
            if len(addresses):
                probed.append(self._linked.probed)
        words = np.concatenate(probed).view(np.uint32)
        states, at = [], 0
        for variable, which in record.states:
            name = _FIELD[variable]
            values = np.zeros((steps, len(which)), np.int64)
            if table.has(name):
                column = words[:, place[at : at + len(which)]]
                values = table.decode([column] * len(table.widths))[name]
                at += len(which)
            if variable == "threshold":
                values = values + np.concatenate([c.threshold for c in self._program.cores])[which]
            states.append(values.astype(np.int32))
        return parts, tuple(states)

    def _address(self, neuron: int, column: int) -> int:
        """Host address of a column of a global neuron's state."""
        base = self._program.core_base
        core = int(np.searchsorted(base, neuron, side="right")) - 1
        slot = neuron - int(base[core])
        return core << CORE_SHIFT | self._linked.tables["state"].address(slot, column)

    @property
    def client(self) -> Client:
        """Commands to the device itself, for who tests it."""
        return self._linked.client

    @property
    def descriptor(self) -> Descriptor:
        """What the device said that it is."""
        return self._linked.client.descriptor

    def verify(self) -> None:
        """Compare the program in the device with the one that was loaded, by digests.

        Raises:
            DeviceError: it is another one; names the region.
        """
        self._linked.verify()

    def read_saturation(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Copies of ``State.saturations`` and ``State.saturated`` alone: one column is read."""
        table = self._linked.tables["state"]
        column = table.field("saturated").column
        word = np.concatenate(
            [
                self._linked.column("state", column, core)[: image.core.neurons]
                for core, image in enumerate(self._images)
            ]
        )
        bits = table.decode([word] * len(table.widths))["saturated"]
        return self._saturations(), bits.astype(np.uint8)

    @property
    def sent(self) -> int:
        """Bytes of memories that loading has sent: 0 if the device held the network already."""
        return self._linked.sent

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
        baud: bits per second at which the device begins.
        fastest: bits per second up to which the line is tried, if the device has several rates.
        record: a file for all that goes over the line.
    """

    scheme = "serial"

    def __init__(
        self,
        address: str,
        baud: int | str = START_BAUD,
        fastest: int | str = FASTEST,
        record: str | None = None,
    ) -> None:
        from ...runtime.link.serial_port import SerialPort

        port = SerialPort(address, _number("baud", baud), _number("fastest", fastest))
        super().__init__(_recorded(port, record))


class TcpBackend(RemoteBackend):
    """A device behind TCP.

    Args:
        address: ``host:port``.
        record: a file for all that goes over the line.
    """

    scheme = "tcp"

    def __init__(self, address: str, record: str | None = None) -> None:
        from ...runtime.link.tcp import TcpConnection

        host, _, port = address.rpartition(":")
        super().__init__(_recorded(TcpConnection(host, _number("port", port)), record))


class ReplayBackend(RemoteBackend):
    """A recorded session in place of a device.

    Args:
        address: the file.
    """

    scheme = "replay"

    def __init__(self, address: str) -> None:
        from ...runtime.link.record import Replay

        super().__init__(Replay(address))


def _recorded(line: Transport, path: str | None) -> Transport:
    if path is None:
        return line
    from ...runtime.link.record import Recorder

    return Recorder(line, path)


def _number(name: str, value: int | str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number <= 0:
        raise DeviceError(f"{name} must be a number", found=repr(value), expected="above 0")
    return number
