"""Commands are executed, one byte of them after the other.

``runtime/link/model_executor.py`` says in Python what this does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
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
_KIND = max(message.code for message in COMMANDS).bit_length()
"""Bits of a command's code, of those that there are."""
_ERROR = 1 + REPLY["ERROR"].args.size
_DETAIL = _ERROR - REPLY["ERROR"].args.fields[-1].size
_STEP = C["BITMAP"].args.places["step"].stop
"""What follows a step in the arguments is the number of a channel or neuron, later on."""
_VALUE = 4
"""Bytes of a graded event's value, which follow its number."""
_NUMBER_BITS = 20
"""Of a bitmap's first channel and as many behind it as it may have bits."""

assert REPLY["WORDS"].code == C["READ"].code
assert REPLY["DIGEST"].code == C["DIGEST"].code


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
        abort: end what is done to a memory at its next word: a session ends.
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
                "abort": In(1),
                "running": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Code byte, arguments, checks, then a loop per kind of command.

        Bytes go through registers that shift, so that nobody has to choose among them.
        """
        m = Module()
        self.width = max(region.word_bytes for region in self.regions)
        depth = max(region.depth for region in self.regions)
        item = max(self.width, _VALUE if self.neurons else 1)
        self.code, self.kind = Signal(8, reset_less=True), Signal(_KIND)
        self.args = Signal(8 * _ARGS, reset_less=True)
        self.turn, self.into = Signal(), Signal(8)
        self.word = Signal(8 * item, reset_less=True)
        self.next_byte, self.next_bit = Signal(), Signal()
        self.byte_in, self.bit_in = Signal(8), Signal()
        # Of arguments, a word, its bits, an item or a reply: what is done of it.
        self.index = Signal(max(4, (8 * item - 1).bit_length()), reset_less=True)
        # Words, events or bytes still to come; no region has more words than that.
        self.count = Signal(max(16, depth.bit_length()), reset_less=True)
        self.bit = Signal(3)
        self.error = Signal(ErrorCode, reset_less=True)
        m.d.comb += [
            self.core.stop.eq(self.stop),
            self.kind.eq(self.code),
            self.into.eq(self.args[:8]),
            self.byte_in.eq(self.data.payload),
        ]
        # The number of a channel or neuron is where `first` is in a bitmap; a list's shift in.
        low = self.args[8 * _STEP : 8 * _STEP + 8]
        high = self.args[8 * _STEP + 8 : 8 * _STEP + 16]
        self.name = Signal()
        turned = Cat(self.args[8:], self.into)
        with m.If(self.turn):
            m.d.sync += [
                self.args[: 8 * _STEP].eq(turned[: 8 * _STEP]),
                self.args[8 * _STEP + 8 :].eq(turned[8 * _STEP + 8 :]),
            ]
        with m.If(self.turn | self.name):
            m.d.sync += low.eq(high)
        with m.If(self.name):
            m.d.sync += high.eq(self.data.payload)
        with m.If(self.next_byte):
            m.d.sync += self.word.eq(Cat(self.word, self.byte_in)[8:])
        with m.If(self.next_bit):
            m.d.sync += self.word.eq(Cat(self.word, self.bit_in)[1:])
        self.size = Signal(range(_ARGS + 1))
        m.d.comb += self.size.eq(_ARGS)
        for message in COMMANDS:
            if message.args.size < _ARGS:
                with m.If(self.kind == message.code):
                    m.d.comb += self.size.eq(message.args.size)
        self._regions(m)
        with m.FSM():
            self._fetch(m)
            self._memory(m)
            self._events(m)
            self._run(m)
            self._refuse(m)
        return m

    # Shared pieces

    def arg(self, message: Message, name: str) -> Any:
        """An argument of the command in hand."""
        place = message.args.places[name]
        return self.args[8 * place.start : 8 * place.stop]

    def refuse(self, m: Module, code: ErrorCode, place: int = 0) -> None:
        """Send ERROR, and never do anything again until the next session.

        Args:
            m: in a state.
            code: why.
            place: of the first argument byte that is told.
        """
        m.d.sync += [self.error.eq(code), self.index.eq(-place)]
        m.next = "ERROR"

    def _refuse(self, m: Module) -> None:
        """Before ``index`` is 0, arguments that are not told go round."""
        before = self.index[3]
        narrow = (self.error == ErrorCode.NO_SUCH_REGION) | (self.error == ErrorCode.READ_ONLY)
        told = Signal()
        m.d.comb += told.eq(
            (self.error != ErrorCode.UNKNOWN_COMMAND) & ~(narrow & (self.index != _DETAIL))
        )
        with m.State("ERROR"):
            m.d.comb += [
                self.reply.valid.eq(~before),
                self.reply.payload.eq(self.args[:8] & told.replicate(8)),
            ]
            for place, byte in enumerate((REPLY["ERROR"].code, self.error, self.code)):
                with m.If(self.index[:3] == place):
                    m.d.comb += self.reply.payload.eq(byte)
            with m.If(before | self.reply.ready):
                m.d.comb += self.turn.eq(before | (self.index[:3] >= _DETAIL))
                m.d.sync += self.index.eq(self.index + 1)
                with m.If(~before & (self.index[:3] == _ERROR - 1)):
                    m.next = "FAULT"
        with m.State("FAULT"):
            m.d.comb += [self.data.ready.eq(1), self.fault.eq(1)]

    # Code and arguments

    def _fetch(self, m: Module) -> None:
        more = Signal()
        m.d.comb += more.eq(self.index[:4] < self.size)
        with m.State("CODE"):
            m.d.sync += [self.running.eq(0), self.index.eq(0)]
            m.d.comb += self.data.ready.eq(1)
            with m.If(self.data.valid):
                m.d.sync += self.code.eq(self.data.payload)
                m.next = "ARGUMENTS"
                with m.If(~reduce(or_, (self.data.payload == known.code for known in COMMANDS))):
                    self.refuse(m, ErrorCode.UNKNOWN_COMMAND)
        # Whatever their number, the first one comes to the lowest place.
        with m.State("ARGUMENTS"):
            m.d.comb += [self.data.ready.eq(more), self.into.eq(self.data.payload)]
            with m.If(self.data.valid | ~more):
                m.d.comb += self.turn.eq(1)
                m.d.sync += self.index.eq(self.index + 1)
                with m.If(self.index[:4] == _ARGS - 1):
                    m.d.sync += self.index.eq(0)
                    m.next = "CHECK"
        with m.State("CHECK"), m.Switch(self.kind):
            with m.Case(*(C[name].code for name in ("WRITE", "READ", "DIGEST", "PACKED"))):
                m.next = "CHECK SPAN"
            with m.Case(C["RUN"].code):
                m.d.sync += self.running.eq(1)
                m.next = "BEGIN"
            with m.Default():
                m.next = "CHECK STEP"

    # Memory

    def _regions(self, m: Module) -> None:
        """What the memory map says of the region in the arguments, and where its span ends: in
        registers, since they are compared before they are used."""
        first, count = self.arg(C["READ"], "address"), self.arg(C["READ"], "count")
        bits = len(self.count)
        self.known, self.writable = Signal(), Signal()
        self.word_bytes = Signal(range(self.width + 1), reset_less=True)
        self.depth = Signal.like(self.count)
        self.end, self.far = Signal(bits + 1, reset_less=True), Signal()
        m.d.sync += [
            self.known.eq(0),
            self.end.eq(first[:bits] + count[:bits]),
            self.far.eq(first[bits:].any() | count[bits:].any()),
        ]
        with m.Switch(self.arg(C["READ"], "region")):
            for number, spec in enumerate(self.regions):
                with m.Case(number):
                    m.d.sync += [
                        self.known.eq(1),
                        self.writable.eq(int(spec.writable)),
                        self.word_bytes.eq(spec.word_bytes),
                        self.depth.eq(spec.depth),
                    ]

    def _memory(self, m: Module) -> None:
        m.submodules.crc = crc = BitCrc()
        span, kind, word = C["READ"], self.kind, self.word
        region, first = self.arg(span, "region"), self.arg(span, "address")
        count = self.arg(span, "count")
        packed, digesting = kind == C["PACKED"].code, kind == C["DIGEST"].code
        writing = packed | (kind == C["WRITE"].code)
        bits = len(self.count)
        address = Signal(bits, reset_less=True)
        request, response = self.core.request, self.core.response
        last, more = Signal(), Signal()
        m.d.comb += [
            request.payload.region.eq(region),
            request.payload.address.eq(address),
            request.payload.data.eq(word),
            request.payload.write.eq(writing),
            crc.bit.eq(word[:8].bit_select(self.bit, 1)),
            last.eq(self.index == self.word_bytes - 1),
            more.eq(self.index < self.word_bytes),
        ]
        with m.State("CHECK SPAN"):
            m.d.sync += [address.eq(first), self.count.eq(count)]
            m.d.comb += crc.start.eq(1)
            beyond = self.far | (self.end > self.depth)
            with m.If(~self.known):
                self.refuse(m, ErrorCode.NO_SUCH_REGION)
            with m.Elif(writing & ~self.writable):
                self.refuse(m, ErrorCode.READ_ONLY)
            with m.Elif(beyond):
                self.refuse(m, ErrorCode.OUT_OF_RANGE, span.args.places["address"].start)
            with m.Elif(writing):
                m.next = "WORDS"
                with m.If(packed):
                    m.next = "WORD IN"
            with m.Else():
                m.next = "SPAN"
        # The arguments go round once, and are then as they were.
        with m.State("SPAN"):
            begins = self.index[:4] == 0
            m.d.comb += [
                self.reply.valid.eq(1),
                self.reply.payload.eq(Mux(begins, self.code, self.args[:8])),
            ]
            with m.If(self.reply.ready):
                m.d.comb += self.turn.eq(~begins)
                m.d.sync += self.index.eq(self.index + 1)
                with m.If(self.index[:4] == span.args.size):
                    m.d.sync += self.index.eq(0)
                    m.next = "WORDS"
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
                with m.If(self.index[2]):
                    m.next = "CODE"
        with m.State("WORDS"):
            m.next = "REQUEST"
            with m.If((self.count == 0) | self.abort):
                # What is left of a byte is nothing.
                m.d.sync += self.bit.eq(0)
                m.next = "CODE"
                with m.If(digesting):
                    m.next = "DIGEST"
            with m.Elif(writing):
                m.next = "WORD IN"
                with m.If(packed):
                    m.next = "BITS IN"
        # Whatever their number, a word's first byte comes to the lowest place.
        with m.State("WORD IN"):
            m.d.comb += [
                self.data.ready.eq(more),
                self.byte_in.eq(self.data.payload & more.replicate(8)),
            ]
            with m.If(self.data.valid | ~more):
                m.d.comb += self.next_byte.eq(1)
                m.d.sync += self.index.eq(self.index + 1)
                with m.If(self.index == len(word) // 8 - 1):
                    m.d.sync += self.index.eq(0)
                    m.next = "REQUEST"
                    with m.If(packed):
                        m.next = "MASK"
        self._packed(m)
        with m.State("REQUEST"):
            m.d.comb += request.valid.eq(1)
            with m.If(request.ready):
                m.d.sync += [address.eq(address + 1), self.count.eq(self.count - 1)]
                m.next = "RESPONSE"
                with m.If(writing):
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
                self.reply.payload.eq(word[:8]),
            ]
            with m.If(digesting):
                m.d.sync += self.bit.eq(self.bit + 1)
            with m.If(Mux(digesting, self.bit == 7, self.reply.ready)):
                m.d.comb += self.next_byte.eq(1)
                m.d.sync += self.index.eq(self.index + 1)
                with m.If(last):
                    m.d.sync += self.index.eq(0)
                    m.next = "WORDS"

    def _packed(self, m: Module) -> None:
        """A bit of the word per cycle: of the line where the mask has one, else 0."""
        mask = Signal.like(self.word, name="mask")
        # The rest of the byte from the line; an argument that is not needed any more stood there.
        rest = self.args[-8:]
        given = mask[0]
        with m.State("MASK"):
            m.d.sync += mask.eq(self.word)
            m.next = "WORDS"
        with m.State("BITS IN"):
            begins = given & (self.bit == 0)
            m.d.comb += [
                self.data.ready.eq(begins),
                self.into.eq(self.data.payload),
                self.bit_in.eq(given & Cat(self.data.payload[0], rest[1:]).bit_select(self.bit, 1)),
            ]
            with m.If(self.data.valid | ~begins):
                m.d.comb += self.next_bit.eq(1)
                m.d.sync += [
                    mask.eq(Cat(mask[1:], given)),
                    self.index.eq(self.index + 1),
                    self.bit.eq(self.bit + given),
                ]
                with m.If(begins):
                    m.d.sync += rest.eq(self.into)
                with m.If(self.index == len(self.word) - 1):
                    m.d.sync += self.index.eq(0)
                    m.next = "REQUEST"

    # Events

    def _events(self, m: Module) -> None:
        bitmap = C["BITMAP"]
        is_bitmap, is_graded = self.kind == bitmap.code, self.kind == C["GRADED"].code
        step, event = self.arg(bitmap, "step"), self.core.event
        number = self.args[8 * _STEP : 8 * _STEP + _NUMBER_BITS]
        m.d.comb += [
            event.payload.graded.eq(is_graded if self.neurons else 0),
            event.payload.step.eq(step),
            event.payload.index.eq(number),
            event.payload.value.eq(
                self.word[-8 * _VALUE :] & is_graded.replicate(8 * _VALUE) if self.neurons else 0
            ),
        ]
        with m.State("CHECK STEP"):
            m.d.sync += [
                self.count.eq(self.arg(C["EVENTS"], "count")),
                self.args[8 * (_STEP + 2) : 8 * (_STEP + 4)].eq(0),
            ]
            with m.If(is_bitmap):
                m.d.sync += self.count.eq(self.arg(bitmap, "count"))
            m.next = "EVENT"
            with m.If(step < self.core.step):
                self.refuse(m, ErrorCode.STEP_IS_PAST)
        last = Signal(3)
        m.d.comb += last.eq(Mux(is_bitmap, 0, Mux(is_graded, 1 + _VALUE, 1)))
        with m.State("EVENT"):
            m.d.comb += self.data.ready.eq(self.count != 0)
            with m.If(self.count == 0):
                m.next = "CODE"
            with m.Elif(self.data.valid):
                m.d.comb += self.next_byte.eq(1)
                m.d.sync += self.index.eq(self.index + 1)
                with m.If(~is_bitmap & (self.index[1:3] == 0)):
                    m.d.comb += self.name.eq(1)
                with m.If(self.index[:3] == last):
                    m.d.sync += [self.index.eq(0), self.count.eq(self.count - 1)]
                    m.next = "EVENT OUT"
                    with m.If(is_bitmap):
                        m.next = "BIT"
        with m.State("BIT"):
            m.next = "NEXT BIT"
            with m.If(self.word[-8:].bit_select(self.bit, 1)):
                m.next = "EVENT OUT"
        with m.State("NEXT BIT"):
            m.d.sync += [self.bit.eq(self.bit + 1), number.eq(number + 1)]
            m.next = "BIT"
            with m.If(self.bit == 7):
                m.next = "EVENT"
        with m.State("EVENT OUT"):
            with m.If(is_graded & (number >= self.neurons)):
                self.refuse(m, ErrorCode.NO_SUCH_NEURON, _STEP)
            with m.Elif(~is_graded & (number >= self.channels)):
                self.refuse(m, ErrorCode.NO_SUCH_CHANNEL, _STEP)
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
        request, stopped = self.core.run, Signal()
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
        self._step_reply(m, "BEGIN", (), "RUN START")
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
            m.d.sync += stopped.eq(encoder.stopped)
            with m.If(encoder.done):
                m.next = "DONE"
        reason = Mux(stopped, int(DoneReason.STOPPED), int(DoneReason.COMPLETE))
        self._step_reply(m, "DONE", (reason,), "CODE")

    def _step_reply(self, m: Module, name: str, more: tuple[Any, ...], then: str) -> None:
        """A state that sends a reply: its code, the step, which does not change then, and more."""
        message, step = REPLY[name], self.core.step
        with m.State(name):
            m.d.comb += self.reply.valid.eq(1)
            with m.Switch(self.index[:3]):
                for place, byte in enumerate(
                    (message.code, *(step[8 * i : 8 * i + 8] for i in range(4)), *more)
                ):
                    with m.Case(place):
                        m.d.comb += self.reply.payload.eq(byte)
            with m.If(self.reply.ready):
                m.d.sync += self.index.eq(self.index + 1)
                with m.If(self.index[:3] == message.args.size):
                    m.d.sync += self.index.eq(0)
                    m.next = then
