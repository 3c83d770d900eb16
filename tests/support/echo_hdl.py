"""The toy core of ``support.echo`` in Amaranth, and a device made of it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.hdl.descriptor import Descriptor
from spikeloom.hdl.link.executor import word_bits
from spikeloom.hdl.link.link import Link, UartLink
from spikeloom.hdl.link.ports import CorePort, Event, ResultKind

from .echo import CAPACITY, FIXED, PROBES, REGIONS


class EchoCore(wiring.Component):
    """See ``support.echo.EchoCore``."""

    def __init__(self) -> None:
        super().__init__({"core": In(CorePort(word_bits(REGIONS)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core = self.core
        memories = []
        for region in REGIONS:
            init = FIXED if region.name == "fixed" else []
            part = memory.Memory(shape=region.width, depth=region.depth, init=init)
            m.submodules[region.name] = part
            memories.append((part.write_port(), part.read_port()))
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(
            width=len(Signal(Event).as_value()), depth=CAPACITY
        )
        m.d.comb += [
            queue.w_data.eq(core.event.payload),
            queue.w_en.eq(core.event.valid),
            core.event.ready.eq(queue.w_rdy),
        ]
        event = Signal(Event)
        m.d.comb += event.eq(queue.r_data)
        self._bus(m, memories)
        self._steps(m, memories, queue, event)
        return m

    def _bus(self, m: Module, memories: list) -> None:
        request, response = self.core.request, self.core.response
        p = request.payload
        fetched = Signal()
        with m.If(response.valid & response.ready):
            m.d.sync += fetched.eq(0)
        m.d.comb += [response.valid.eq(fetched), request.ready.eq(~fetched)]
        with m.If(request.valid & request.ready & ~p.write):
            m.d.sync += fetched.eq(1)
        for number, (write, read) in enumerate(memories):
            m.d.comb += [read.addr.eq(p.address), write.addr.eq(p.address), write.data.eq(p.data)]
            with m.If(p.region == number):
                m.d.comb += response.payload.eq(read.data)
                with m.If(request.valid & request.ready & p.write):
                    m.d.comb += write.en.eq(1)

    def _steps(self, m: Module, memories: list, queue: Any, event: Any) -> None:
        core = self.core
        write, read = memories[0]
        asked, todo = Signal.like(core.run.payload), Signal(32)
        fired, probe = Signal(16), Signal(range(PROBES + 1))
        result = core.result
        due = queue.r_rdy & (event.step == core.step)
        with m.FSM() as fsm:
            m.d.comb += core.running.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += core.run.ready.eq(1)
                with m.If(core.run.valid):
                    m.d.sync += [asked.eq(core.run.payload), todo.eq(core.run.payload.steps)]
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += [fired.eq(0), probe.eq(0)]
                m.next = "EVENTS"
                with m.If(core.stop | ((asked.steps != 0) & (todo == 0))):
                    m.next = "DONE"
            with m.State("EVENTS"):
                with m.If(~due):
                    m.next = "PROBES"
                with m.Elif(event.graded):
                    m.d.comb += [
                        write.addr.eq(event.index),
                        write.data.eq(event.value),
                        write.en.eq(1),
                        queue.r_en.eq(1),
                    ]
                with m.Else():
                    m.d.comb += [
                        result.valid.eq(asked.spikes),
                        result.payload.kind.eq(ResultKind.SPIKE),
                        result.payload.value.eq(event.index),
                        queue.r_en.eq(result.ready | ~asked.spikes),
                    ]
                    m.d.sync += fired.eq(fired + queue.r_en)
            with m.State("PROBES"):
                m.d.comb += read.addr.eq(probe)
                m.next = "PROBE"
                with m.If((probe == PROBES) | ~asked.probes):
                    m.next = "CYCLES"
            with m.State("PROBE"):
                m.d.comb += [
                    read.addr.eq(probe),
                    result.valid.eq(1),
                    result.payload.kind.eq(ResultKind.PROBE),
                    result.payload.value.eq(read.data),
                ]
                with m.If(result.ready):
                    m.d.sync += probe.eq(probe + 1)
                    m.next = "PROBES"
            with m.State("CYCLES"):
                m.d.comb += [
                    result.valid.eq(asked.cycles),
                    result.payload.kind.eq(ResultKind.CYCLES),
                    result.payload.value.eq(fired + 7),
                ]
                with m.If(result.ready | ~asked.cycles):
                    m.d.sync += [core.step.eq(core.step + 1), todo.eq(todo - 1)]
                    m.next = "STEP"
            with m.State("STEP"):
                m.d.comb += [result.valid.eq(1), result.payload.kind.eq(ResultKind.STEP)]
                with m.If(result.ready):
                    m.next = "BEGIN"
            with m.State("DONE"):
                m.d.comb += [
                    result.valid.eq(1),
                    result.payload.kind.eq(ResultKind.DONE),
                    result.payload.value.eq((asked.steps == 0) | (todo != 0)),
                ]
                with m.If(result.ready):
                    m.next = "IDLE"


class EchoDevice(wiring.Component):
    """A link with an echo core behind it, bytes in and bytes out."""

    def __init__(self, descriptor: Descriptor):
        self.descriptor = descriptor
        byte = stream.Signature(8)
        super().__init__({"line_in": In(byte), "line_out": Out(byte)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.link = link = Link(self.descriptor)
        m.submodules.core = core = EchoCore()
        wiring.connect(m, wiring.flipped(self.line_in), link.line_in)
        wiring.connect(m, link.line_out, wiring.flipped(self.line_out))
        wiring.connect(m, link.core, core.core)
        return m


class EchoBoard(wiring.Component):
    """The same at UART pins."""

    def __init__(self, descriptor: Descriptor):
        self.descriptor = descriptor
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.link = link = UartLink(self.descriptor)
        m.submodules.core = core = ResetInserter(link.reset_core)(EchoCore())
        wiring.connect(m, link.core, core.core)
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx)]
        return m
