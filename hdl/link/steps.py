"""A run's results become records of the reply stream: list, bitmap or count per step."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..protocol import REPLY, list_limit
from .ports import Result, ResultKind

_QUIET_MAX = (1 << 16) - 1
_WIDEST = 5
"""Code byte and the longest arguments of a step's record."""


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
        shift, left = Signal(8 * _WIDEST), Signal(range(_WIDEST + 1))
        m.d.comb += [
            put.addr.eq(count),
            put.data.eq(result.value),
            get.addr.eq(index),
            get_bits.addr.eq(index),
        ]

        def record(name: str, argument: Any, then: str) -> None:
            """Send a record's code and argument, then go on in another state."""
            message = REPLY[name]
            m.d.sync += [
                shift.eq(Cat(Const(message.code, 8), argument)),
                left.eq(1 + message.args.size),
                after.eq(states.index(then)),
            ]
            m.next = "SEND"

        states = ("TAKE", "STEP END", "LIST", "MAP CLEAR")
        after = Signal(range(len(states)))
        kind = result.kind
        ends_quietly = (kind == ResultKind.STEP) & (count == 0)
        with m.FSM():
            with m.State("TAKE"), m.If(self.results.valid):
                with m.If(kind == ResultKind.SPIKE):
                    m.d.comb += [self.results.ready.eq(1), put.en.eq(1)]
                    m.d.sync += count.eq(count + 1)
                # Quiet steps are told before anything else is.
                with m.Elif((quiet != 0) & ~ends_quietly):
                    record("QUIET", quiet, "TAKE")
                    m.d.sync += quiet.eq(0)
                with m.Elif(kind == ResultKind.PROBE):
                    m.d.comb += self.results.ready.eq(1)
                    record("PROBE", result.value, "TAKE")
                with m.Elif(kind == ResultKind.CYCLES):
                    m.d.comb += self.results.ready.eq(1)
                    record("CYCLES", result.value, "TAKE")
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
                            record("QUIET", quiet + 1, "STEP END")
                            m.d.sync += quiet.eq(0)
                    with m.Elif(self.counting):
                        record("COUNT", count, "STEP END")
                    with m.Elif(count <= limit):
                        record("LIST", count, "LIST")
                    with m.Else():
                        record("MAP", Const(0, 1), "MAP CLEAR")
            with m.State("SEND"):
                m.d.comb += [self.data.valid.eq(1), self.data.payload.eq(shift[:8])]
                with m.If(self.data.ready):
                    m.d.sync += [shift.eq(shift[8:]), left.eq(left - 1)]
                    with m.If(left == 1), m.Switch(after):
                        for number, state in enumerate(states):
                            with m.Case(number):
                                m.next = state
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
                record("QUIET", quiet, "STEP END")
                m.d.sync += quiet.eq(0)
            with m.State("FLUSH"), m.If(self.flush_ready):
                m.d.comb += self.flush.eq(1)
                m.next = "STEP DONE"
            # Only now the core may go on: what `step` and the records say stays together.
            with m.State("STEP DONE"):
                m.d.comb += self.results.ready.eq(1)
                m.next = "TAKE"
        return m

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
