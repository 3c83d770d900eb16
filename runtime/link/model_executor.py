"""What the device model does with the command stream: one generator, one byte at a time.

It waits (yields False) where the hardware would: for command bytes, and for room to reply.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from ...hdl import protocol
from ...hdl.protocol import DoneReason, ErrorCode, RunFlag, reply

if TYPE_CHECKING:
    from .model import DeviceModel

_QUIET_MAX = (1 << 16) - 1


class _RefusedError(Exception):
    def __init__(self, code: ErrorCode, detail: int):
        self.code, self.detail = code, detail


class Executor:
    """Interprets commands for a :class:`DeviceModel`."""

    def __init__(self, device: DeviceModel):
        self._device = device
        self._core = device.core
        self._regions = device.descriptor.regions
        self._frame: bytes | None = None
        self._at = 0

    def work(self) -> Iterator[bool]:
        """Run for ever; each ``next`` does a little and tells whether it could."""
        actions = {
            "WRITE": self._write,
            "READ": self._read,
            "DIGEST": self._digest,
            "RUN": self._run,
            "EVENTS": self._events,
            "BITMAP": self._bitmap,
            "GRADED": self._graded,
            "PACKED": self._packed,
        }
        while not self._device.fault:
            code = (yield from self._bytes(1))[0]
            try:
                message = protocol.COMMAND_OF_CODE.get(code)
                if message is None:
                    raise _RefusedError(ErrorCode.UNKNOWN_COMMAND, 0)
                args = message.args.unpack((yield from self._bytes(message.args.size)))
                yield from actions[message.name](args)
            except _RefusedError as refused:
                yield from self._emit(
                    reply("ERROR", code=refused.code, command=code, detail=refused.detail)
                )
                self._device.fault = True
        while True:
            yield from self._bytes(1)

    # Command bytes in, reply bytes out

    def _bytes(self, count: int) -> Generator[bool, None, bytes]:
        """The next ``count`` bytes of the command stream."""
        out = bytearray()
        while len(out) < count:
            if self._frame is not None and self._at < len(self._frame):
                piece = self._frame[self._at : self._at + count - len(out)]
                out += piece
                self._at += len(piece)
                continue
            if self._frame is not None:
                yield from self._finish_frame()
            while not self._device.inbox:
                yield False
            # The frame stays in the inbox, and counts against the credit, until it is done.
            self._frame, self._at = self._device.inbox[0], 0
        return bytes(out)

    def _finish_frame(self) -> Iterator[bool]:
        """All bytes of a frame are used, and what they asked for is done: acknowledge it."""
        device = self._device
        while device.room() < 0:
            yield False
        device.executed = (device.executed + 1) % protocol.SEQUENCES
        if device.executed == device.stop_before:
            device.stop_before = None
        device.inbox.popleft()
        self._frame = None
        device.commit()
        yield True

    def _emit(self, data: bytes) -> Iterator[bool]:
        at = 0
        while at < len(data):
            count = self._device.put(data[at:])
            at += count
            if not count:
                yield False
        yield True

    # Memory

    def _span(self, args: dict[str, int], writing: bool) -> int:
        """Check region, address and count; the bytes of a word."""
        if args["region"] >= len(self._regions):
            raise _RefusedError(ErrorCode.NO_SUCH_REGION, args["region"])
        region = self._regions[args["region"]]
        if writing and not region.writable:
            raise _RefusedError(ErrorCode.READ_ONLY, args["region"])
        if args["address"] + args["count"] > region.depth:
            raise _RefusedError(ErrorCode.OUT_OF_RANGE, args["address"])
        return region.word_bytes

    def _write(self, args: dict[str, int]) -> Iterator[bool]:
        size = self._span(args, writing=True)
        for address in range(args["address"], args["address"] + args["count"]):
            word = yield from self._bytes(size)
            self._core.write(args["region"], address, word)

    def _packed(self, args: dict[str, int]) -> Iterator[bool]:
        size = self._span(args, writing=True)
        mask = int.from_bytes((yield from self._bytes(size)), "little")
        places = [place for place in range(8 * size) if mask >> place & 1]
        byte = left = 0
        for address in range(args["address"], args["address"] + args["count"]):
            word = 0
            for place in places:
                if not left:
                    byte, left = (yield from self._bytes(1))[0], 8
                word |= (byte & 1) << place
                byte, left = byte >> 1, left - 1
            self._core.write(args["region"], address, word.to_bytes(size, "little"))

    def _read(self, args: dict[str, int]) -> Iterator[bool]:
        self._span(args, writing=False)
        yield from self._emit(reply("WORDS", b"", **args))
        for address in range(args["address"], args["address"] + args["count"]):
            yield from self._emit(self._core.read(args["region"], address))

    def _digest(self, args: dict[str, int]) -> Iterator[bool]:
        self._span(args, writing=False)
        crc = 0
        for address in range(args["address"], args["address"] + args["count"]):
            crc = zlib.crc32(self._core.read(args["region"], address), crc)
        yield from self._emit(reply("DIGEST", b"", **args, crc=crc))

    # Events

    def _event(self, graded: bool, step: int, index: int, value: int) -> None:
        bound = self._device.descriptor.neurons if graded else self._device.descriptor.channels
        if index >= bound:
            code = ErrorCode.NO_SUCH_NEURON if graded else ErrorCode.NO_SUCH_CHANNEL
            raise _RefusedError(code, index)
        self._core.event(graded, step, index, value)

    def _check_step(self, step: int) -> None:
        if step < self._core.step:
            raise _RefusedError(ErrorCode.STEP_IS_PAST, step)

    def _events(self, args: dict[str, int]) -> Iterator[bool]:
        self._check_step(args["step"])
        for _ in range(args["count"]):
            index = int.from_bytes((yield from self._bytes(2)), "little")
            self._event(False, args["step"], index, 0)

    def _bitmap(self, args: dict[str, int]) -> Iterator[bool]:
        self._check_step(args["step"])
        for i in range(args["count"]):
            bits = (yield from self._bytes(1))[0]
            for bit in range(8):
                if bits >> bit & 1:
                    self._event(False, args["step"], args["first"] + 8 * i + bit, 0)

    def _graded(self, args: dict[str, int]) -> Iterator[bool]:
        self._check_step(args["step"])
        for _ in range(args["count"]):
            index = int.from_bytes((yield from self._bytes(2)), "little")
            value = int.from_bytes((yield from self._bytes(4)), "little", signed=True)
            self._event(True, args["step"], index, value)

    # Running

    def _run(self, args: dict[str, int]) -> Iterator[bool]:
        device, core = self._device, self._core
        flags = {flag: bool(args["flags"] >> flag & 1) for flag in RunFlag}
        counting = flags[RunFlag.COUNTS]
        device.running = True
        yield from self._emit(reply("BEGIN", step=core.step))
        quiet, since, value = 0, 0, 0
        spikes: list[int] = []
        results = core.run(
            args["steps"],
            spikes=flags[RunFlag.SPIKES] or counting,
            cycles=flags[RunFlag.CYCLES],
            probes=flags[RunFlag.PROBES],
        )
        for kind, value in results:
            if kind == "SPIKE":
                spikes.append(value)
                continue
            if kind == "STEP" and not spikes:
                quiet += 1
            if quiet and (kind != "STEP" or spikes or quiet == _QUIET_MAX):
                yield from self._emit(reply("QUIET", steps=quiet))
                quiet = 0
            if kind == "STEP":
                if spikes:
                    yield from self._emit(self._spikes(spikes, counting))
                    spikes = []
                since += 1
                if since == args["flush"]:
                    if quiet:
                        yield from self._emit(reply("QUIET", steps=quiet))
                        quiet = 0
                    if device.part:
                        device.commit()
                    since = 0
            elif kind == "DONE":
                break
            else:
                field = "value" if kind == "PROBE" else "count"
                yield from self._emit(reply(kind, b"", **{field: value & 0xFFFFFFFF}))
            yield True  # so that what is complete is sent, and a STOP is noticed
        reason = DoneReason.STOPPED if value else DoneReason.COMPLETE
        yield from self._emit(reply("DONE", step=core.step, reason=reason))
        device.running = False

    def _spikes(self, spikes: list[int], counting: bool) -> bytes:
        """The record that ends a step with spikes."""
        if counting:
            return reply("COUNT", count=len(spikes))
        size = self._device.descriptor.map_bytes
        if protocol.map_is_shorter(len(spikes), size):
            bits = sum(1 << index for index in set(spikes))
            return reply("MAP", tail=bits.to_bytes(size, "little"))
        tail = b"".join(index.to_bytes(2, "little") for index in spikes)
        return reply("LIST", tail=tail, count=len(spikes))
