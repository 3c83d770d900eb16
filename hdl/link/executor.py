"""Commands are executed, one byte of them after the other.

``runtime/link/model_executor.py`` says in Python what this does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..descriptor import Region
from ..protocol import COMMAND as C
from ..protocol import (
    COMMANDS,
    REPLY,
    DoneReason,
    ErrorCode,
    Message,
    RunFlag,
)
from .crc import BitCrc
from .ports import CorePort
from .steps import StepEncoder

_ARGS = max(message.args.size for message in COMMANDS)
_SPANS = ("WORDS", "DIGEST")
"""Replies that begin with their command's arguments."""
_OUT = 1 + max(message.args.size for name, message in REPLY.items() if name not in _SPANS)


def word_bits(regions: Sequence[Region]) -> int:
    """Width of the core port's data: the widest word."""
    return max(region.width for region in regions)


class Executor(wiring.Component):
    """Interprets the command stream.

    Attributes:
        data: command bytes.
        reply: reply bytes.
        core: the core.
        flush, flush_ready: to the outbox.
        stop: end the run that is under way at its next step boundary.
        running, fault: for the status.

    Args:
        regions: the memory map.
        channels, neurons: bounds of event indexes.
        outputs: bound of spike indexes.
    """

    def __init__(self, regions: Sequence[Region], channels: int, neurons: int, outputs: int):
        self.regions = tuple(regions)
        self.channels, self.neurons, self.outputs = channels, neurons, outputs
        super().__init__(
            {
                "data": In(stream.Signature(8)),
                "reply": Out(stream.Signature(8)),
                "core": Out(CorePort(word_bits(regions))),
                "flush": Out(1),
                "flush_ready": In(1),
                "stop": In(1),
                "running": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Code byte, arguments, checks, then a loop per kind of command."""
        m = Module()
        self.args = Signal(8 * _ARGS)
        self.code = Signal(8)
        self.index = Signal(8)  # byte of arguments, word or event
        self.count = Signal(32)  # words, events or bytes still to come
        self.bit = Signal(3)
        self.shift, self.left = Signal(8 * _OUT), Signal(range(_OUT + 1))
        self.after = Signal(4)
        self.states: list[str] = []
        m.d.comb += self.core.stop.eq(self.stop)
        self._regions(m)
        with m.FSM():
            self._fetch(m)
            self._memory(m)
            self._events(m)
            self._run(m)
            self._send(m)
        return m

    # Shared pieces

    def arg(self, message: Message, name: str) -> Any:
        """An argument of the command in hand."""
        place = message.args.places[name]
        return self.args[8 * place.start : 8 * place.stop]

    def send(self, m: Module, name: str, arguments: Any, then: str) -> None:
        """Send a reply's code and arguments, then go on in another state.

        Of those in ``_SPANS`` only the code.
        """
        if then not in self.states:
            self.states.append(then)
        message = REPLY[name]
        m.d.sync += [
            self.shift.eq(Cat(Const(message.code, 8), arguments)),
            self.left.eq(1 if name in _SPANS else 1 + message.args.size),
            self.after.eq(self.states.index(then)),
        ]
        m.next = "SEND"

    def refuse(self, m: Module, code: ErrorCode, detail: Any) -> None:
        """Send ERROR, and never do anything again until the next session."""
        self.send(m, "ERROR", Cat(Const(int(code), 8), self.code, detail), "FAULT")

    def _send(self, m: Module) -> None:
        with m.State("SEND"):
            m.d.comb += [self.reply.valid.eq(1), self.reply.payload.eq(self.shift[:8])]
            with m.If(self.reply.ready):
                m.d.sync += [self.shift.eq(self.shift[8:]), self.left.eq(self.left - 1)]
                with m.If(self.left == 1), m.Switch(self.after):
                    for number, state in enumerate(self.states):
                        with m.Case(number):
                            m.next = state
        with m.State("FAULT"):
            m.d.comb += [self.data.ready.eq(1), self.fault.eq(1)]

    # Code and arguments

    def _fetch(self, m: Module) -> None:
        sizes = {message.code: message.args.size for message in COMMANDS}
        size = Signal(8)
        with m.State("CODE"):
            m.d.sync += [self.running.eq(0), self.index.eq(0)]
            m.d.comb += self.data.ready.eq(1)
            with m.If(self.data.valid):
                m.d.sync += self.code.eq(self.data.payload)
                m.next = "UNKNOWN"
                with m.Switch(self.data.payload):
                    for code, length in sizes.items():
                        with m.Case(code):
                            m.d.sync += size.eq(length)
                            m.next = "ARGUMENTS"
        with m.State("UNKNOWN"):
            self.refuse(m, ErrorCode.UNKNOWN_COMMAND, Const(0, 32))
        with m.State("ARGUMENTS"):
            m.d.comb += self.data.ready.eq(1)
            with m.If(self.data.valid):
                m.d.sync += [
                    self.args.word_select(self.index[:4], 8).eq(self.data.payload),
                    self.index.eq(self.index + 1),
                ]
                with m.If(self.index == size - 1):
                    m.d.sync += self.index.eq(0)
                    m.next = "CHECK"
        with m.State("CHECK"), m.Switch(self.code):
            with m.Case(C["WRITE"].code, C["READ"].code, C["DIGEST"].code):
                m.next = "CHECK SPAN"
            with m.Case(C["RUN"].code):
                m.d.sync += self.running.eq(1)
                self.send(m, "BEGIN", self.core.step, "RUN START")
            with m.Default():
                m.next = "CHECK STEP"

    # Memory

    def _regions(self, m: Module) -> None:
        """What the memory map says of the region in the arguments."""
        self.known, self.writable = Signal(), Signal()
        self.word_bytes, self.depth = Signal(8), Signal(33)
        with m.Switch(self.arg(C["READ"], "region")):
            for number, spec in enumerate(self.regions):
                with m.Case(number):
                    m.d.comb += [
                        self.known.eq(1),
                        self.writable.eq(int(spec.writable)),
                        self.word_bytes.eq(spec.word_bytes),
                        self.depth.eq(spec.depth),
                    ]

    def _memory(self, m: Module) -> None:
        m.submodules.crc = crc = BitCrc()
        span = C["READ"]
        region, first = self.arg(span, "region"), self.arg(span, "address")
        writing, digesting = self.code == C["WRITE"].code, self.code == C["DIGEST"].code
        address = Signal(32)
        width = max(r.word_bytes for r in self.regions)
        word = Signal(8 * width)
        known, writable, word_bytes, depth = (
            self.known,
            self.writable,
            self.word_bytes,
            self.depth,
        )
        request, response = self.core.request, self.core.response
        m.d.comb += [
            request.payload.region.eq(region),
            request.payload.address.eq(address),
            request.payload.data.eq(word),
            request.payload.write.eq(writing),
        ]
        byte = Signal(8)
        m.d.comb += [
            byte.eq(word.word_select(self.index, 8)),
            crc.bit.eq(byte.bit_select(self.bit, 1)),
        ]
        with m.State("CHECK SPAN"):
            m.d.sync += [address.eq(first), self.count.eq(self.arg(span, "count"))]
            with m.If(~known):
                self.refuse(m, ErrorCode.NO_SUCH_REGION, region)
            with m.Elif(writing & ~writable):
                self.refuse(m, ErrorCode.READ_ONLY, region)
            with m.Elif(first + self.arg(span, "count") > depth):
                self.refuse(m, ErrorCode.OUT_OF_RANGE, first)
            with m.Elif(writing):
                m.next = "WORDS"
            with m.Elif(digesting):
                m.d.comb += crc.start.eq(1)
                m.next = "WORDS"
            with m.Else():
                self.send(m, "WORDS", Const(0, 0), "SPAN")
        # The arguments go round once, and are then as they were.
        with m.State("SPAN"):
            bits = 8 * span.args.size
            m.d.comb += [self.reply.valid.eq(1), self.reply.payload.eq(self.args[:8])]
            with m.If(self.reply.ready):
                m.d.sync += [
                    self.args[:bits].eq(self.args[:bits].rotate_right(8)),
                    self.index.eq(self.index + 1),
                ]
                with m.If(self.index == span.args.size - 1):
                    m.d.sync += self.index.eq(0)
                    m.next = "WORDS"
                    with m.If(digesting):
                        m.next = "DIGEST"
        with m.State("DIGEST"):
            m.d.comb += [self.reply.valid.eq(1), self.reply.payload.eq(crc.low)]
            with m.If(self.reply.ready):
                m.d.sync += self.index.eq(self.index + 1)
                m.next = "DIGEST ON"
        with m.State("DIGEST ON"):
            m.d.comb += [crc.enable.eq(1), crc.shift.eq(1)]
            m.d.sync += self.bit.eq(self.bit + 1)
            with m.If(self.bit == 7):
                m.next = "DIGEST"
                with m.If(self.index == 4):
                    m.next = "CODE"
        with m.State("WORDS"):
            m.next = "REQUEST"
            with m.If(self.count == 0):
                m.next = "CODE"
                with m.If(digesting):
                    self.send(m, "DIGEST", Const(0, 0), "SPAN")
            with m.Elif(writing):
                m.next = "WORD IN"
        with m.State("WORD IN"):
            m.d.comb += self.data.ready.eq(1)
            with m.If(self.data.valid):
                m.d.sync += [
                    word.word_select(self.index, 8).eq(self.data.payload),
                    self.index.eq(self.index + 1),
                ]
                with m.If(self.index == word_bytes - 1):
                    m.d.sync += self.index.eq(0)
                    m.next = "REQUEST"
        with m.State("REQUEST"):
            m.d.comb += request.valid.eq(1)
            with m.If(request.ready):
                m.next = "RESPONSE"
                with m.If(writing):
                    m.d.sync += [address.eq(address + 1), self.count.eq(self.count - 1)]
                    m.next = "WORDS"
        with m.State("RESPONSE"):
            m.d.comb += response.ready.eq(1)
            with m.If(response.valid):
                m.d.sync += word.eq(response.payload)
                m.next = "WORD OUT"
        with m.State("WORD OUT"):
            m.d.comb += [
                crc.enable.eq(digesting),
                self.reply.valid.eq(~digesting),
                self.reply.payload.eq(byte),
            ]
            with m.If(digesting):
                m.d.sync += self.bit.eq(self.bit + 1)
            with m.If(Mux(digesting, self.bit == 7, self.reply.ready)):
                m.d.sync += self.index.eq(self.index + 1)
                with m.If(self.index == word_bytes - 1):
                    m.d.sync += [
                        self.index.eq(0),
                        address.eq(address + 1),
                        self.count.eq(self.count - 1),
                    ]
                    m.next = "WORDS"

    # Events

    def _events(self, m: Module) -> None:
        bitmap, graded = C["BITMAP"], C["GRADED"]
        is_bitmap, is_graded = self.code == bitmap.code, self.code == graded.code
        step = self.arg(bitmap, "step")
        item, number, bit = Signal(48), Signal(20), self.bit
        event = self.core.event
        m.d.comb += [
            event.payload.graded.eq(is_graded),
            event.payload.step.eq(step),
            event.payload.index.eq(number),
            event.payload.value.eq(Mux(is_graded, item[16:], 0)),
        ]
        with m.State("CHECK STEP"):
            m.d.sync += [
                self.count.eq(self.arg(C["EVENTS"], "count")),
                number.eq(self.arg(bitmap, "first")),
            ]
            with m.If(is_bitmap):
                m.d.sync += self.count.eq(self.arg(bitmap, "count"))
            m.next = "EVENT"
            with m.If(step < self.core.step):
                self.refuse(m, ErrorCode.STEP_IS_PAST, step)
        size = Signal(8)
        m.d.comb += size.eq(Mux(is_bitmap, 1, Mux(is_graded, 6, 2)))
        with m.State("EVENT"):
            m.d.comb += self.data.ready.eq(self.count != 0)
            with m.If(self.count == 0):
                m.next = "CODE"
            with m.Elif(self.data.valid):
                m.d.sync += [
                    item.word_select(self.index[:3], 8).eq(self.data.payload),
                    self.index.eq(self.index + 1),
                ]
                with m.If(self.index == size - 1):
                    m.d.sync += [self.index.eq(0), self.count.eq(self.count - 1), bit.eq(0)]
                    m.next = "BIT"
                    with m.If(~is_bitmap):
                        m.next = "INDEX"
        with m.State("INDEX"):
            m.d.sync += number.eq(item[:16])
            m.next = "EVENT OUT"
        with m.State("BIT"):
            m.next = "NEXT BIT"
            with m.If(item[0]):
                m.next = "EVENT OUT"
        with m.State("NEXT BIT"):
            m.d.sync += [item[:8].eq(item[1:8]), bit.eq(bit + 1), number.eq(number + 1)]
            m.next = "BIT"
            with m.If(bit == 7):
                m.next = "EVENT"
        with m.State("EVENT OUT"):
            with m.If(is_graded & (number >= self.neurons)):
                self.refuse(m, ErrorCode.NO_SUCH_NEURON, number)
            with m.Elif(~is_graded & (number >= self.channels)):
                self.refuse(m, ErrorCode.NO_SUCH_CHANNEL, number)
            with m.Else():
                m.d.comb += event.valid.eq(1)
                with m.If(event.ready):
                    m.next = "EVENT"
                    with m.If(is_bitmap):
                        m.next = "NEXT BIT"

    # Running

    def _run(self, m: Module) -> None:
        m.submodules.encoder = encoder = StepEncoder(self.outputs)
        run, flags = C["RUN"], self.arg(C["RUN"], "flags")
        request = self.core.run
        m.d.comb += [
            request.payload.steps.eq(self.arg(run, "steps")),
            request.payload.spikes.eq(flags[RunFlag.SPIKES] | flags[RunFlag.COUNTS]),
            request.payload.cycles.eq(flags[RunFlag.CYCLES]),
            request.payload.probes.eq(flags[RunFlag.PROBES]),
            encoder.results.payload.eq(self.core.result.payload),
            encoder.counting.eq(flags[RunFlag.COUNTS]),
            encoder.flush_every.eq(self.arg(run, "flush")),
            encoder.flush_ready.eq(self.flush_ready),
            self.flush.eq(encoder.flush),
        ]
        with m.State("RUN START"):
            m.d.comb += request.valid.eq(1)
            with m.If(request.ready):
                m.next = "RUN"
        with m.State("RUN"):
            m.d.comb += [
                encoder.results.valid.eq(self.core.result.valid),
                self.core.result.ready.eq(encoder.results.ready),
                self.reply.valid.eq(encoder.data.valid),
                self.reply.payload.eq(encoder.data.payload),
                encoder.data.ready.eq(self.reply.ready),
            ]
            with m.If(encoder.done):
                reason = Mux(encoder.stopped, int(DoneReason.STOPPED), int(DoneReason.COMPLETE))
                self.send(m, "DONE", Cat(self.core.step, reason), "CODE")
