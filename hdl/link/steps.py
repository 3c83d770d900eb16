"""A run's results become records of the reply stream: list, bitmap or count per step."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..protocol import REPLY, list_limit
from .ports import Result, ResultKind

_QUIET_MAX = (1 << 16) - 1
_WIDEST = 5
"""Code byte and the longest arguments of a step's record."""


class Record(enum.Enum, shape=3):
    """What is being sent; after LAST_QUIET the step ends, after QUIET its result is looked at."""

    QUIET = 0
    LAST_QUIET = 1
    PROBE = 2
    CYCLES = 3
    COUNT = 4
    LIST = 5
    MAP = 6


_MESSAGES = {which: which.name.removeprefix("LAST_") for which in Record}
_AFTER = {
    Record.QUIET: "TAKE", Record.LAST_QUIET: "STEP END", Record.PROBE: "TAKE",
    Record.CYCLES: "TAKE", Record.COUNT: "STEP END", Record.LIST: "LIST", Record.MAP: "MAP CLEAR",
}  # fmt: skip


class StepEncoder(wiring.Component):
    """Encodes results from one DONE to the next.

    Attributes:
        results: from the core.
        data: record bytes.
        counting: tell how many spikes a step has, not which.
        flush_every: steps after which ``flush`` is due; 0: never.
        flush: a strobe to the outbox, while ``flush_ready``.
        done: DONE has come (a strobe); ``stopped`` is its value.

    Args:
        outputs: spike indexes are below.
    """

    def __init__(self, outputs: int):
        self.outputs = outputs
        super().__init__(
            {
                "results": In(stream.Signature(Result)),
                "data": Out(stream.Signature(8)),
                "counting": In(1),
                "flush_every": In(16),
                "flush": Out(1),
                "flush_ready": In(1),
                "done": Out(1),
                "stopped": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Spikes are collected, everything else is encoded as it comes."""
        m = Module()
        map_bytes = (self.outputs + 7) // 8
        limit = list_limit(map_bytes)
        m.submodules.spikes = spikes = memory.Memory(shape=16, depth=self.outputs, init=[])
        m.submodules.bits = bits = memory.Memory(shape=8, depth=map_bytes, init=[])
        put, get = spikes.write_port(), spikes.read_port()
        set_bits, get_bits = bits.write_port(), bits.read_port()

        result = self.results.payload
        count = Signal(range(self.outputs + 1))
        quiet, since = Signal(16), Signal(16)
        index = Signal(range(max(self.outputs, map_bytes) + 1))
        high = Signal()
        sending, place = Signal(Record), Signal(range(_WIDEST))
        m.d.comb += [
            put.addr.eq(count),
            put.data.eq(result.value),
            get.addr.eq(index),
            get_bits.addr.eq(index),
        ]

        def record(which: Record) -> None:
            """Send a record's code and argument, then go on where ``_send`` says."""
            m.d.sync += sending.eq(which)
            m.next = "SEND"

        kind = result.kind
        ends_quietly = (kind == ResultKind.STEP) & (count == 0)
        with m.FSM():
            with m.State("TAKE"), m.If(self.results.valid):
                with m.If(kind == ResultKind.SPIKE):
                    m.d.comb += [self.results.ready.eq(1), put.en.eq(1)]
                    m.d.sync += count.eq(count + 1)
                # Quiet steps are told before anything else is.
                with m.Elif((quiet != 0) & ~ends_quietly):
                    record(Record.QUIET)
                with m.Elif(kind == ResultKind.PROBE):
                    record(Record.PROBE)
                with m.Elif(kind == ResultKind.CYCLES):
                    record(Record.CYCLES)
                with m.Elif(kind == ResultKind.DONE):
                    m.d.comb += [
                        self.results.ready.eq(1),
                        self.done.eq(1),
                        self.stopped.eq(result.value[0]),
                    ]
                    m.d.sync += since.eq(0)
                with m.Else():
                    m.d.sync += [since.eq(since + 1), index.eq(0), high.eq(0)]
                    with m.If(count == 0):
                        m.d.sync += quiet.eq(quiet + 1)
                        m.next = "STEP END"
                        with m.If(quiet == _QUIET_MAX - 1):
                            record(Record.LAST_QUIET)
                    with m.Elif(self.counting):
                        record(Record.COUNT)
                    with m.Elif(count <= limit):
                        record(Record.LIST)
                    with m.Else():
                        record(Record.MAP)
            with m.State("SEND"):
                self._send(m, sending, place, quiet, count)
            self._list(m, get, index, high, count)
            self._map(m, get, set_bits, get_bits, index, count, map_bytes)
            with m.State("STEP END"):
                m.d.sync += count.eq(0)
                m.next = "STEP DONE"
                with m.If((since == self.flush_every) & (self.flush_every != 0)):
                    m.d.sync += since.eq(0)
                    m.next = "FLUSH"
                    with m.If(quiet != 0):
                        m.next = "FLUSH QUIET"
            with m.State("FLUSH QUIET"):
                m.d.sync += since.eq(self.flush_every)
                record(Record.LAST_QUIET)
            with m.State("FLUSH"), m.If(self.flush_ready):
                m.d.comb += self.flush.eq(1)
                m.next = "STEP DONE"
            # Only now the core may go on: what `step` and the records say stays together.
            with m.State("STEP DONE"):
                m.d.comb += self.results.ready.eq(1)
                m.next = "TAKE"
        return m

    def _send(self, m: Module, sending: Any, place: Any, quiet: Any, count: Any) -> None:
        """A record's bytes, one by one, each from a register; nothing of what it tells changes
        meanwhile."""
        value = self.results.payload.value
        told = [value[8 * i : 8 * i + 8] for i in range(_WIDEST - 1)]
        size, code = Signal(range(_WIDEST)), Signal(8)
        taken, chosen, byte = Signal(), Signal(), Signal(8, reset_less=True)
        leaves = chosen & self.data.ready
        m.d.comb += [
            self.data.valid.eq(chosen),
            self.data.payload.eq(byte),
            taken.eq(leaves & (place == size)),
        ]
        m.d.sync += chosen.eq(~leaves)
        with m.If(place == 0):
            m.d.sync += byte.eq(code)
        with m.Else():
            # Shorter numbers than results only reach the lower places.
            is_quiet = (sending == Record.QUIET) | (sending == Record.LAST_QUIET)
            is_result = (sending == Record.PROBE) | (sending == Record.CYCLES)
            low = Mux(is_result, value[:16], Mux(is_quiet, quiet, count))
            told[:2] = low[:8], low[8:16]
            m.d.sync += byte.eq(Cat(told[-1], *told[:-1]).word_select(place[:2], 8))
        with m.If(leaves):
            m.d.sync += place.eq(Mux(taken, 0, place + 1))
        with m.Switch(sending):
            for which in Record:
                message = REPLY[_MESSAGES[which]]
                with m.Case(which):
                    m.d.comb += [size.eq(message.args.size), code.eq(message.code)]
                    with m.If(taken):
                        m.next = _AFTER[which]
                        if which in (Record.QUIET, Record.LAST_QUIET):
                            m.d.sync += quiet.eq(0)
                        if which in (Record.PROBE, Record.CYCLES):
                            m.d.comb += self.results.ready.eq(1)

    def _list(self, m: Module, get: Any, index: Any, high: Any, count: Any) -> None:
        """The collected indexes, two bytes each; a cycle to fetch each byte."""
        with m.State("LIST"):
            m.next = "LIST BYTE"
        with m.State("LIST BYTE"):
            m.d.comb += [
                self.data.valid.eq(1),
                self.data.payload.eq(get.data.word_select(high, 8)),
            ]
            with m.If(self.data.ready):
                m.d.sync += high.eq(~high)
                with m.If(high):
                    m.d.sync += index.eq(index + 1)
                    m.next = "LIST"
                    with m.If(index == count - 1):
                        m.next = "STEP END"

    def _map(
        self, m: Module, get: Any, set_bits: Any, get_bits: Any, index: Any, count: Any, size: int
    ) -> None:
        """Clear the bitmap, set a bit per collected index, send it."""
        spike = get.data
        where = Signal(16)
        with m.State("MAP CLEAR"):
            m.d.comb += [set_bits.en.eq(1), set_bits.addr.eq(index)]
            m.d.sync += index.eq(index + 1)
            with m.If(index == size - 1):
                m.d.sync += index.eq(0)
                m.next = "MAP SPIKE"
        with m.State("MAP SPIKE"):
            m.next = "MAP LOOK"
        with m.State("MAP LOOK"):
            m.d.sync += where.eq(spike)
            m.d.comb += get_bits.addr.eq(spike[3:])
            m.next = "MAP SET"
        with m.State("MAP SET"):
            m.d.comb += [
                set_bits.en.eq(1),
                set_bits.addr.eq(where[3:]),
                set_bits.data.eq(get_bits.data | (1 << where[:3])),
            ]
            m.d.sync += index.eq(index + 1)
            m.next = "MAP SPIKE"
            with m.If(index == count - 1):
                m.d.sync += index.eq(0)
                m.next = "MAP FETCH"
        with m.State("MAP FETCH"):
            m.next = "MAP BYTE"
        with m.State("MAP BYTE"):
            m.d.comb += [self.data.valid.eq(1), self.data.payload.eq(get_bits.data)]
            with m.If(self.data.ready):
                m.d.sync += index.eq(index + 1)
                m.next = "MAP FETCH"
                with m.If(index == size - 1):
                    m.next = "STEP END"
