"""One frame after the other: header, payload and CRC, byte by byte to the COBS encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from ..protocol import CRC_BYTES, HEADER, HELLO_PLACE, STATUS, FrameType
from .cobs import FrameByte
from .receiver import HEADER_LAYOUT

STATUS_LAYOUT = data.StructLayout({field.name: 8 * field.size for field in STATUS.fields})
"""From ``protocol.STATUS``."""


class FrameSender(wiring.Component):
    """Sends a frame from ``start`` to ``done``; everything about it stays unchanged in between.

    Attributes:
        header: of the frame; what is constant in it need not be filled in.
        status: of the device, the beginning of every payload that is not DATA.
        offset: of HELLO: where in the description its piece begins.
        payload_at, length: of DATA: where the payload is in the outbox.
        read_at, read_data: the outbox, a cycle later.

    Args:
        rom: the description.
        max_payload: bytes.
        place: bits of an address in the outbox.
    """

    def __init__(self, rom: bytes, max_payload: int, place: int):
        self.rom, self.max_payload = rom, max_payload
        super().__init__(
            {
                "frame": Out(stream.Signature(FrameByte)),
                "start": In(1),
                "done": Out(1),
                "header": In(HEADER_LAYOUT),
                "status": In(STATUS_LAYOUT),
                "offset": In(16),
                "payload_at": In(place),
                "length": In(16),
                "read_at": Out(place),
                "read_data": In(8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Sections of a frame are states; bytes from a memory need a state to fetch them."""
        m = Module()
        m.submodules.rom = rom = memory.Memory(shape=8, depth=len(self.rom), init=self.rom)
        m.submodules.crc = crc = catalog.CRC32_ISO_HDLC(8).create()
        rom_port = rom.read_port()
        kind, index, left = self.header.type, Signal(5), Signal(16)
        at, rom_at = Signal.like(self.read_at), Signal(range(len(self.rom) + 1))
        m.d.comb += [
            self.read_at.eq(at),
            rom_port.addr.eq(rom_at),
            crc.data.eq(self.frame.payload.data),
        ]

        def section(name: str, source: Any, size: int, then: Callable[[], None]) -> None:
            with m.State(name):
                m.d.comb += [self.frame.payload.data.eq(source), self.frame.valid.eq(1)]
                with m.If(self.frame.ready):
                    m.d.comb += crc.valid.eq(1)
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == size - 1):
                        m.d.sync += index.eq(0)
                        then()

        def from_memory(name: str, source: Any, address: Any) -> None:
            with m.State(f"{name} FETCH"):
                m.next = f"{name} BYTE"

            def then() -> None:
                m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
                m.next = f"{name} FETCH"
                with m.If(left == 1):
                    m.next = "CRC"

            section(f"{name} BYTE", source, 1, then)

        def after_header() -> None:
            m.next = "STATUS"
            with m.If(kind == FrameType.DATA):
                m.d.sync += [left.eq(self.length), at.eq(self.payload_at)]
                m.next = "PAYLOAD FETCH"
                with m.If(self.length == 0):
                    m.next = "CRC"

        def after_status() -> None:
            m.next = "CRC"
            with m.If(kind == FrameType.HELLO):
                m.next = "PLACE"

        # The status may change while it is sent.
        held = Signal(STATUS_LAYOUT)
        total = len(self.rom)
        room = self.max_payload - STATUS.size - HELLO_PLACE.size
        rest = Signal(16)
        m.d.comb += rest.eq(Mux(self.offset < total, total - self.offset, 0))

        def after_place() -> None:
            m.d.sync += [rom_at.eq(self.offset), left.eq(Mux(rest < room, rest, room))]
            m.next = "ROM FETCH"
            with m.If(rest == 0):
                m.next = "CRC"

        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.comb += crc.start.eq(1)
                m.d.sync += held.eq(self.status)
                m.next = "HEADER"
            header, status = self.header.as_value(), held.as_value()
            place = Cat(self.offset, Const(total, 16))
            section("HEADER", header.word_select(index, 8), HEADER.size, after_header)
            section("STATUS", status.word_select(index, 8), STATUS.size, after_status)
            section("PLACE", place.word_select(index[:2], 8), HELLO_PLACE.size, after_place)
            from_memory("ROM", rom_port.data, rom_at)
            from_memory("PAYLOAD", self.read_data, at)
            with m.State("CRC"):
                m.d.comb += [
                    self.frame.payload.data.eq(crc.crc.word_select(index[:2], 8)),
                    self.frame.payload.last.eq(index == CRC_BYTES - 1),
                    self.frame.valid.eq(1),
                ]
                with m.If(self.frame.ready):
                    m.d.sync += index.eq(index + 1)
                    with m.If(self.frame.payload.last):
                        m.d.comb += self.done.eq(1)
                        m.d.sync += index.eq(0)
                        m.next = "IDLE"
        return m
