"""Commands to a device and what it answers, over an open session.

Words of a region are bytes here, least significant first (``words``).
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from ...errors import DeviceError
from ...hdl import protocol
from ...hdl.protocol import ERROR_DOCS, DoneReason, ErrorCode, RunFlag, command
from .inputs import Write, run_commands
from .words import shortest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...hdl.descriptor import Descriptor, Region
    from ..backend import Events
    from .session import Session


_T = TypeVar("_T")


class Answer(Generic[_T]):
    """What was asked and need not have been answered yet: a device answers in order.

    Args:
        client: that asked.
        take: reads the answer from the reply stream.
    """

    def __init__(self, client: Client, take: Callable[[], _T]):
        self._client, self._take = client, take
        self._found: list[_T] = []

    def get(self) -> _T:
        """The answer; waits for it, and for all that was asked before."""
        while not self._found:
            self._client.collect(1)
        return self._found[0]

    def take(self) -> None:
        """Read it: it is the next one in the stream."""
        self._found.append(self._take())


@dataclass
class Steps:
    """What a run brought back; steps count from its first.

    Attributes:
        start: absolute number of the first step.
        steps: how many were computed.
        stopped: whether STOP ended it.
        spikes: (n, 2) int64, step and output index, sorted.
        counts: (steps,) int64 spikes per step, where the run was asked for counts.
        probes: (steps, k) int32 probed words.
        cycles: (steps,) int64 clock cycles; empty if not asked for.
    """

    start: int
    steps: int
    stopped: bool
    spikes: NDArray[np.int64]
    counts: NDArray[np.int64]
    probes: NDArray[np.int32]
    cycles: NDArray[np.int64]


@dataclass
class _Gathering:
    """The records of one run, as they come."""

    start: int = 0
    step: int = 0
    spikes: list[NDArray[np.int64]] = field(default_factory=list)
    counts: list[tuple[int, int]] = field(default_factory=list)
    probes: list[int] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)

    def result(self, stopped: bool) -> Steps:
        counts = np.zeros(self.step, np.int64)
        for step, count in self.counts:
            counts[step] = count
        words = np.array(self.probes, np.uint32).astype(np.int32)
        width = len(words) // self.step if self.step else 0
        empty = np.zeros((0, 2), np.int64)
        return Steps(
            start=self.start,
            steps=self.step,
            stopped=stopped,
            spikes=np.concatenate([empty, *self.spikes]),
            counts=counts,
            probes=words.reshape(self.step, width),
            cycles=np.array(self.cycles, np.int64),
        )


class Client:
    """Commands to a device.

    Args:
        session: an open session; the client is its only user.
    """

    def __init__(self, session: Session):
        if session.descriptor is None:
            raise ValueError("the session is not open")
        self.session = session
        self.descriptor: Descriptor = session.descriptor
        self._asked: deque[Answer] = deque()
        self.changed: set[str] = set()
        """Regions that were written, or that a run may have changed; who keeps account of what the
        device holds takes them out."""
        self.runs = 0
        """Runs that were begun."""

    def _ask(self, question: bytes, take: Callable[[], _T]) -> Answer[_T]:
        """Send it with whatever is sent next."""
        self.session.write(question)
        answer = Answer(self, take)
        self._asked.append(answer)
        return answer

    def collect(self, most: int | None = None) -> None:
        """Wait for the answers to what was asked, or to so many of these questions."""
        for _ in range(len(self._asked) if most is None else most):
            self._asked[0].take()
            self._asked.popleft()

    # Memory

    def write(self, region: str, address: int, data: bytes) -> None:
        """Write whole words from ``address`` on; returns before the device has done it."""
        if data:
            self.changed.add(region)
            self.session.write(self._write(region, address, data))

    def _write(self, region: str, address: int, data: bytes) -> bytes:
        """The command."""
        number, spec = self._region(region)
        count, rest = divmod(len(data), spec.word_bytes)
        if rest:
            raise self._misuse(region, f"{len(data)} bytes are no whole words", spec)
        if address < 0 or address + count > spec.depth or not spec.writable:
            raise self._misuse(region, f"a write of {count} words at {address}", spec)
        name, data = shortest(data, spec.word_bytes)
        return command(name, region=number, address=address, count=count, tail=data)

    def read(self, region: str, address: int = 0, count: int | None = None) -> bytes:
        """``count`` words from ``address`` on; all to the region's end if not given."""
        return self.ask_words(region, address, count).get()

    def ask_words(self, region: str, address: int = 0, count: int | None = None) -> Answer[bytes]:
        """The same, without waiting for it."""
        number, spec, count = self._span(region, address, count)
        span = {"region": number, "address": address, "count": count}
        size = count * spec.word_bytes

        def take() -> bytes:
            self._expect("WORDS", **span)
            return self.session.read(size)

        return self._ask(command("READ", b"", **span), take)

    def digest(self, region: str, address: int = 0, count: int | None = None) -> int:
        """CRC-32 of what ``read`` would bring, computed by the device."""
        return self.ask_digest(region, address, count).get()

    def ask_digest(self, region: str, address: int = 0, count: int | None = None) -> Answer[int]:
        """The same, without waiting for it."""
        number, _, count = self._span(region, address, count)
        span = {"region": number, "address": address, "count": count}
        return self._ask(
            command("DIGEST", b"", **span), lambda: self._expect("DIGEST", **span)["crc"]
        )

    def digests(self, regions: Iterable[str]) -> list[int]:
        """The digests of several whole regions, asked for all at once."""
        asked = [self.ask_digest(region) for region in regions]
        return [answer.get() for answer in asked]

    def load(self, images: dict[str, bytes]) -> None:
        """Write whole images from word 0 on, and check each by its digest.

        Raises:
            DeviceError: a region holds something else afterwards, or the line failed.
        """
        for region, data in images.items():
            self.write(region, 0, data)
        for region, data in images.items():
            count = len(data) // self._region(region)[1].word_bytes
            found, expected = self.digest(region, 0, count), zlib.crc32(data)
            if found != expected:
                raise DeviceError(
                    "a region does not hold what was loaded",
                    found=f"digest {found:08x}",
                    expected=f"{expected:08x} over {count} words",
                    where=f"region {region!r} of the device at {self.session.transport.name}",
                    remedy="load again; if it happens again the device's memory is faulty",
                )

    # Running

    def run(
        self,
        steps: int,
        events: Events | None = None,
        *,
        start: int = 0,
        writes: Sequence[Write] = (),
        spikes: bool = True,
        counts: bool = False,
        cycles: bool = False,
        probes: bool = False,
    ) -> Steps:
        """Compute ``steps`` steps; ``start`` is the absolute number of the first one.

        All commands are queued at once, so that the line is never idle between steps. ``events``
        name channels and neuron slots as the device numbers them; ``writes``, in ascending steps,
        are done between steps.
        """
        flags = (
            spikes << RunFlag.SPIKES
            | counts << RunFlag.COUNTS
            | cycles << RunFlag.CYCLES
            | probes << RunFlag.PROBES
        )
        between = [(w.step, self._write(w.region, w.address, w.data)) for w in writes]
        data, pieces = run_commands(self.descriptor, start, steps, events, flags, between)
        self._runs()
        self.changed.update(write.region for write in writes)
        self.session.write(data)
        self.collect()
        gathering = _Gathering(start=start)
        stopped = False
        for length in pieces:
            before = gathering.step
            stopped = self._gather(gathering)
            if not stopped and gathering.step - before != length:
                raise self._broken(f"{gathering.step - before} steps", f"{length} steps")
        return gathering.result(stopped)

    def free_run(self, flush: int, *, cycles: bool = False) -> Iterator[tuple[int, NDArray]]:
        """Run without end, yielding ``(steps so far, new spikes)`` about every ``flush`` steps.

        Ends after ``self.session.stop()``, or when the generator is closed, which stops it too.
        """
        flags = 1 << RunFlag.SPIKES | cycles << RunFlag.CYCLES
        self._runs()
        self.session.write(command("RUN", steps=0, flags=flags, flush=flush))
        self.collect()
        gathering, told, ended = _Gathering(), 0, False
        start = self._expect("BEGIN")["step"]
        try:
            while not ended:
                while not ended and gathering.step - told < flush:
                    ended = self._record(gathering, start) is not None
                told = gathering.step
                yield told, np.concatenate([np.zeros((0, 2), np.int64), *gathering.spikes])
                gathering.spikes.clear()
        finally:
            if not ended:
                self.session.stop()
                while self._record(gathering, start) is None:
                    pass

    def _runs(self) -> None:
        self.runs += 1
        self.changed.update(region.name for region in self.descriptor.regions if region.volatile)

    # Replies

    def _gather(self, into: _Gathering) -> bool:
        """The records of one RUN; whether it was stopped."""
        begin = self._expect("BEGIN")["step"]
        if begin != (into.start + into.step) % (1 << 32):
            raise self._broken(f"step {begin}", f"step {into.start + into.step}")
        first = into.start
        while True:
            reason = self._record(into, first)
            if reason is not None:
                return reason == DoneReason.STOPPED

    def _record(self, into: _Gathering, first: int) -> int | None:
        """One record; the reason if it is DONE."""
        name, args = self._reply()
        if name == "DONE":
            if args["step"] != (first + into.step) % (1 << 32):
                raise self._broken(f"the end of step {args['step']}", f"{first + into.step}")
            return args["reason"]
        if name == "QUIET":
            into.step += args["steps"]
        elif name in ("LIST", "MAP"):
            index = self._indexes(name, args)
            into.spikes.append(np.stack([np.full_like(index, into.step), np.sort(index)], axis=1))
            into.counts.append((into.step, len(index)))
            into.step += 1
        elif name == "COUNT":
            into.counts.append((into.step, args["count"]))
            into.step += 1
        elif name == "PROBE":
            into.probes.append(args["value"])
        elif name == "CYCLES":
            into.cycles.append(args["count"])
        else:
            raise self._broken(name, "a record of a run")
        return None

    def _indexes(self, name: str, args: dict[str, int]) -> NDArray[np.int64]:
        if name == "LIST":
            return np.frombuffer(self.session.read(2 * args["count"]), "<u2").astype(np.int64)
        bits = np.frombuffer(self.session.read(self.descriptor.map_bytes), np.uint8)
        return np.flatnonzero(np.unpackbits(bits, bitorder="little"))

    def _reply(self) -> tuple[str, dict[str, int]]:
        """The next reply's name and arguments; an ERROR is raised."""
        code = self.session.read(1)[0]
        message = protocol.REPLY_OF_CODE.get(code)
        if message is None:
            raise self._broken(f"a reply with code 0x{code:02x}", "one of docs/link.md")
        args = message.args.unpack(self.session.read(message.args.size))
        if message.name == "ERROR":
            raise self._refused(args)
        return message.name, args

    def _expect(self, expected: str, **echo: int) -> dict[str, int]:
        """The next reply, which must be this one and repeat these arguments."""
        name, args = self._reply()
        if name != expected or any(args[key] != value for key, value in echo.items()):
            raise self._broken(f"{name} {args}", f"{expected} {echo or ''}")
        return args

    # Regions and errors

    def _region(self, name: str) -> tuple[int, Region]:
        try:
            return self.descriptor.region(name)
        except KeyError as error:
            raise DeviceError(
                f"the device has no memory region {name!r}",
                expected="one of " + ", ".join(r.name for r in self.descriptor.regions),
                where=self.session.transport.name,
            ) from error

    def _span(self, region: str, address: int, count: int | None) -> tuple[int, Region, int]:
        number, spec = self._region(region)
        count = spec.depth - address if count is None else count
        if address < 0 or count < 0 or address + count > spec.depth:
            raise self._misuse(region, f"{count} words at {address}", spec)
        return number, spec, count

    def _misuse(self, region: str, found: str, spec: Region) -> DeviceError:
        access = "writable" if spec.writable else "read-only"
        return DeviceError(
            f"region {region!r} of the device cannot be accessed like this",
            found=found,
            expected=f"at most {spec.depth} words of {spec.word_bytes} bytes, {access}",
            where=self.session.transport.name,
        )

    def _refused(self, args: dict[str, int]) -> DeviceError:
        known = args["code"] in ErrorCode.__members__.values()
        error = ErrorCode(args["code"]) if known else None
        sent = protocol.COMMAND_OF_CODE.get(args["command"])
        name = error.name.lower().replace("_", " ") if error else f"code {args['code']}"
        return DeviceError(
            f"the device refused a command: {name}",
            found=f"{sent.name if sent else hex(args['command'])}, detail {args['detail']}",
            expected=ERROR_DOCS[error] if error else "an error code of docs/link.md",
            where=self.session.transport.name,
            remedy="open the device again; nothing after this command was done",
        )

    def _broken(self, found: object, expected: object) -> DeviceError:
        return DeviceError(
            "the device's answer is not what was asked for",
            found=found,
            expected=expected,
            where=self.session.transport.name,
            remedy="host and device disagree about the protocol; rebuild the device",
        )
