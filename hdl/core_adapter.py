"""Between link and core: addresses, events in their steps, masks as indexes.

Everything of a step that the host sends lies in the queue before the step begins, and goes into
the core without a pause: so no step takes longer because of the link.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import enum, fifo, memory, stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .bus import Bus
from .core_regions import core_regions
from .geometry import Geometry
from .layout import INDEX_SHIFT, REGION_SHIFT
from .link.ports import CorePort, Event, ResultKind
from .memory import choose
from .registers import CONTROL_FREE_RUN, CONTROL_HOST_INPUT, REGISTER, STATUS_BUSY
from .streams import (
    INPUT_END,
    INPUT_GRADED,
    INPUT_SPIKE,
    OUTPUT_END,
    OUTPUT_GENERATORS,
    chip_input_layout,
    chip_output_layout,
    output_layout,
)


class _Shown(enum.Enum, shape=3):
    """What the host reads: what is on the bus, or of the adapter itself."""

    BUS = 0
    COUNT = 1
    PROBE = 2
    CORE = 3
    PROBE_CORE = 4


class CoreAdapter(wiring.Component):
    """Makes a ``core.Core``, or a ``mesh.Mesh``, look like ``CorePort`` says.

    Attributes:
        link: the link's side.
        bus, input, output, step: the core's. select: the mesh'.

    Args:
        geometry: of the core.
        event_capacity: events that can be queued.
        probes: words that can be probed.
    """

    def __init__(self, geometry: Geometry, event_capacity: int, probes: int):
        self.geometry = geometry
        self.event_capacity, self.probes = event_capacity, probes
        super().__init__(
            {
                "link": In(CorePort(32)),
                "bus": Out(Bus()),
                "input": Out(stream.Signature(StructLayout(chip_input_layout(geometry)))),
                "output": In(stream.Signature(StructLayout(chip_output_layout(geometry)))),
                "step": In(32),
                **({"select": Out(range(geometry.cores + 1))} if geometry.cores > 1 else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """One machine for the bus, one for a run; events flow by themselves."""
        m = Module()
        self._count = Signal(range(self.probes + 1))  # probed words
        self._at = Signal(range(self.probes + 1))  # the one in hand
        m.submodules.probes = probes = memory.Memory(shape=32, depth=self.probes, init=[])
        self._probe_write, self._probe_read = probes.write_port(), probes.read_port()
        self._looks, self._looked = Signal(), Signal()  # a probe is read: for the host, for a run
        self._host = Signal()  # the host uses the bus, or what it has read stays there
        self._own = Signal()  # the adapter itself uses the bus
        self._own_write = Signal()
        self._own_address, self._own_data = Signal(32), Signal(32)
        self._own_done = Signal()
        self._core_probe_read: Any = None
        if self.geometry.cores > 1:
            self._mesh(m)
        set_step = self._bus(m)
        self._feed(m, set_step)
        self._run(m)
        return m

    # The cores of a mesh

    def _mesh(self, m: Module) -> None:
        """Which core is meant: by the host as it says, by the adapter all or that of a probe."""
        everyone = self.geometry.cores
        self._core = Signal(range(everyone + 1))
        self._own_core, self._asked_core = Signal.like(self._core), Signal.like(self._core)
        m.submodules.probe_cores = cores = memory.Memory(
            shape=len(self._core), depth=self.probes, init=[]
        )
        self._core_probe_write, self._core_probe_read = cores.write_port(), cores.read_port()
        asked = self.link.request.payload
        m.d.comb += [
            self._own_core.eq(everyone),
            self.select.eq(Mux(self._host, self._core, self._own_core)),
            self._core_probe_write.addr.eq(asked.address),
            self._asked_core.eq(Mux(asked.data[:8] > everyone, everyone, asked.data)),
            self._core_probe_write.data.eq(self._asked_core),
            self._core_probe_read.addr.eq(Mux(self._looked, self._at, asked.address)),
            self._core_probe_read.en.eq(self._looks | self._looked),
        ]

    # The bus

    def _bus(self, m: Module) -> Any:
        """Requests of the link and of the adapter, one at a time.

        What was read last stays on the bus, while the core that was read is selected; likewise on
        the output of the probes' memory.

        Returns:
            1 in the cycle in which the host writes the core's step number.
        """
        entries = core_regions(self.geometry)
        request, response, bus = self.link.request, self.link.response, self.bus
        asked = request.payload
        # Found in a cycle of their own, since a core decides by them whether it may begin a step.
        table = Signal(32 - REGION_SHIFT, reset_less=True)
        column = Signal(INDEX_SHIFT, reset_less=True)
        with m.Switch(asked.region):
            for number, entry in enumerate(entries):
                with m.Case(number):
                    m.d.sync += [table.eq(entry.base >> REGION_SHIFT), column.eq(entry.column)]
        probe, count, core, probe_core = (asked.region == len(entries) + i for i in range(4))
        ours = probe | count
        if self.geometry.cores > 1:
            ours = probe | count | core | probe_core
        address = Signal(32)
        m.d.comb += [
            # The link refuses words beyond a region's end: nothing is carried into the table.
            address.eq(Cat(column, asked.address[: REGION_SHIFT - INDEX_SHIFT], table)),
            self._probe_write.addr.eq(asked.address),
            self._probe_write.data.eq(asked.data),
            self._probe_read.addr.eq(Mux(self._looked, self._at, asked.address)),
            self._probe_read.en.eq(self._looks | self._looked),
            bus.write.eq(Mux(self._host, asked.write, self._own_write)),
            bus.address.eq(Mux(self._host, address, self._own_address)),
            bus.data.eq(Mux(self._host, asked.data, self._own_data)),
        ]
        set_step = Signal()
        shown = Signal(_Shown)
        m.d.comb += response.payload.eq(bus.read)
        with m.If(shown == _Shown.COUNT):
            m.d.comb += response.payload.eq(self._count)
        with m.If(shown == _Shown.PROBE):
            m.d.comb += response.payload.eq(self._probe_read.data)
        if self.geometry.cores > 1:
            with m.If(shown == _Shown.CORE):
                m.d.comb += response.payload.eq(self._core)
            with m.If(shown == _Shown.PROBE_CORE):
                m.d.comb += response.payload.eq(self._core_probe_read.data)
        with m.FSM(name="access"):
            with m.State("IDLE"):
                with m.If(self._own):
                    m.d.comb += bus.valid.eq(1)
                    with m.If(bus.ready):
                        m.next = "OWN"
                with m.Elif(request.valid & ours):
                    m.d.comb += request.ready.eq(1)
                    with m.If(asked.write):
                        m.d.comb += self._probe_write.en.eq(probe)
                        with m.If(count):
                            m.d.sync += self._count.eq(asked.data)
                        if self.geometry.cores > 1:
                            m.d.comb += self._core_probe_write.en.eq(probe_core)
                            with m.If(core):
                                m.d.sync += self._core.eq(self._asked_core)
                    with m.Else():
                        m.d.comb += self._looks.eq(1)
                        m.d.sync += shown.eq(Mux(probe, _Shown.PROBE, _Shown.COUNT))
                        m.next = "ANSWER"
                        if self.geometry.cores > 1:
                            with m.If(core):
                                m.d.sync += shown.eq(_Shown.CORE)
                            with m.If(probe_core):
                                m.d.sync += shown.eq(_Shown.PROBE_CORE)
                with m.Elif(request.valid):
                    m.next = "ACCESS"
            with m.State("ACCESS"):
                m.d.comb += [self._host.eq(1), bus.valid.eq(1)]
                with m.If(bus.ready):
                    m.d.comb += [
                        request.ready.eq(1),
                        set_step.eq(asked.write & (address == REGISTER["STEP"].address)),
                    ]
                    m.next = "READ"
                    with m.If(asked.write):
                        m.next = "WRITTEN"
            with m.State("OWN"), m.If(bus.done):
                m.next = "OWN DONE"
            with m.State("OWN DONE"):
                m.d.comb += self._own_done.eq(1)
                m.next = "IDLE"
            with m.State("WRITTEN"):
                m.d.comb += self._host.eq(1)
                with m.If(bus.done):
                    m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += self._host.eq(1)
                m.d.sync += shown.eq(_Shown.BUS)
                with m.If(bus.done):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += [self._host.eq(1), response.valid.eq(1)]
                with m.If(response.ready):
                    m.next = "IDLE"
        return set_step

    # Events

    def _feed(self, m: Module, set_step: Any) -> None:
        """Events of the step being delivered, then an END, without a pause.

        Setting the step number empties the queue: what waits there belongs to another time.
        """
        queue = fifo.SyncFIFOBuffered(width=Event.size, depth=self.event_capacity)
        m.submodules.queue = ResetInserter(set_step)(queue)
        # The event whose turn it is, and whether that is in this step: found a cycle before, since
        # a memory answers late. The step's number changes long before the next step begins.
        event, following = Signal(Event, reset_less=True), Signal(Event)
        there, due, taken, fetch = Signal(), Signal(), Signal(), Signal()
        out = self.input.payload
        first = self.geometry.first_channel
        m.d.comb += [
            queue.w_data.eq(self.link.event.payload),
            queue.w_en.eq(self.link.event.valid),
            self.link.event.ready.eq(queue.w_rdy),
            following.eq(queue.r_data),
            fetch.eq(queue.r_rdy & (taken | ~there)),
            queue.r_en.eq(fetch),
            taken.eq(due & self.input.ready),
            self.input.valid.eq(1),
            out.kind.eq(Mux(due, Mux(event.graded, INPUT_GRADED, INPUT_SPIKE), INPUT_END)),
            out.index.eq(Mux(event.graded, event.index, event.index + first)),
            out.value.eq(event.value),
        ]
        with m.If(fetch):
            m.d.sync += [event.eq(following), there.eq(1), due.eq(following.step == self.step)]
        with m.Else():
            m.d.sync += [
                there.eq(there & ~taken),
                due.eq(there & ~taken & (event.step == self.step)),
            ]
        with m.If(set_step):
            m.d.sync += [there.eq(0), due.eq(0)]

    # Runs

    def _access(self, m: Module, name: str, value: Any, then: str) -> None:
        """Write a register, then go on."""
        m.d.comb += [
            self._own.eq(~self._own_done),
            self._own_write.eq(1),
            self._own_address.eq(REGISTER[name].address),
            self._own_data.eq(value),
        ]
        with m.If(self._own_done):
            m.next = then

    def _run(self, m: Module) -> None:
        """Start the core, turn its output into results, end.

        With probes the core is given one step at a time, so that it rests while they are read.
        """
        link, output = self.link, self.output
        want = link.run.payload
        spikes, lengths, probes, endless = Signal(), Signal(), Signal(), Signal()
        left = Signal(32)
        ending = Signal()
        single = probes & (self._count != 0)
        free = endless & ~single
        result = link.result.payload
        mask = Signal(self.geometry.update_lanes)
        group = Signal.like(output.payload.group)
        is_generator = Signal()
        m.d.comb += link.step.eq(self.step)
        with m.FSM(name="run") as machine:
            m.d.comb += link.running.eq(~machine.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += link.run.ready.eq(1)
                with m.If(link.run.valid):
                    m.d.sync += [
                        spikes.eq(want.spikes), lengths.eq(want.cycles), probes.eq(want.probes),
                        endless.eq(want.steps == 0), left.eq(want.steps), ending.eq(0),
                    ]  # fmt: skip
                    m.next = "CONTROL"
            with m.State("CONTROL"):
                mode = CONTROL_HOST_INPUT | Mux(free, CONTROL_FREE_RUN, 0)
                self._access(m, "CONTROL", mode, "START")
            with m.State("START"):
                steps = Mux(single, Const(1, 32), left)
                self._access(m, "RUN", steps, "OUTPUT")
            with m.State("OUTPUT"):
                m.d.comb += output.ready.eq(1)
                # First of all: a core that is faster than the line always has output waiting.
                with m.If(link.stop & ~ending):
                    m.d.comb += output.ready.eq(0)
                    m.next = "STOP"
                with m.Elif(output.valid & (output.payload.kind == OUTPUT_END)):
                    # It stays until its cycles have been told.
                    m.d.comb += output.ready.eq(0)
                    m.d.sync += self._at.eq(0)
                    m.next = "PROBE"
                with m.Elif(output.valid):
                    m.d.sync += [
                        mask.eq(output.payload.data),
                        group.eq(output.payload.group),
                        is_generator.eq(output.payload.kind == OUTPUT_GENERATORS),
                    ]
                    m.next = "SPIKES"
                    with m.If(~spikes):
                        m.next = "OUTPUT"
                with m.Elif(ending):
                    m.d.comb += output.ready.eq(0)
                    m.next = "STATUS"
            self._spikes(m, mask, group, is_generator)
            self._probe(m, single)
            with m.State("CYCLES"):
                m.d.comb += [
                    link.result.valid.eq(lengths),
                    result.kind.eq(ResultKind.CYCLES),
                    result.value.eq(output.payload.data),
                ]
                with m.If(link.result.ready | ~lengths):
                    m.d.comb += output.ready.eq(1)
                    m.d.sync += left.eq(left - 1)
                    m.next = "STEP"
            with m.State("STEP"):
                m.d.comb += [link.result.valid.eq(1), result.kind.eq(ResultKind.STEP)]
                with m.If(link.result.ready):
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.next = "OUTPUT"
                with m.If((left == 0) & ~endless):
                    m.next = "DONE"
                with m.Elif(single & link.stop):
                    m.next = "DONE"
                with m.Elif(single):
                    m.next = "START"
            # A step may be under way; it is waited for, and told.
            with m.State("STOP"):
                m.d.sync += ending.eq(1)
                self._access(m, "STOP", Const(0, 32), "STATUS")
            with m.State("STATUS"):
                m.d.comb += [
                    self._own.eq(~self._own_done),
                    self._own_address.eq(REGISTER["STATUS"].address),
                ]
                with m.If(self._own_done):
                    m.next = "OUTPUT"
                    with m.If(~self.bus.read[STATUS_BUSY.bit_length() - 1]):
                        m.next = "DRAIN"
            with m.State("DRAIN"):
                m.next = "DONE"
                with m.If(output.valid):
                    m.next = "OUTPUT"
            with m.State("DONE"):
                m.d.comb += [
                    link.result.valid.eq(1),
                    result.kind.eq(ResultKind.DONE),
                    result.value.eq(endless | (left != 0)),
                ]
                with m.If(link.result.ready):
                    m.next = "IDLE"

    def _spikes(self, m: Module, mask: Any, group: Any, is_generator: Any) -> None:
        """One result per bit of a mask; a cycle for each lane."""
        g, result = self.geometry, self.link.result
        lane = Signal(range(max(2, g.update_lanes)))
        number = Signal(range(g.cores * g.first_channel + g.update_lanes))
        first: Any = 0
        of_core = len(group)
        if g.cores > 1:
            of_core = output_layout(g)["group"]
            firsts = {core: Const(core * g.first_channel) for core in range(g.cores)}
            first = choose(firsts, group[of_core:])
        m.d.comb += number.eq(
            first + group[:of_core] * g.update_lanes + lane
            + Mux(is_generator, g.first_generator, 0)
        )  # fmt: skip
        with m.State("SPIKES"):
            m.d.comb += [
                result.valid.eq(mask[0]),
                result.payload.kind.eq(ResultKind.SPIKE),
                result.payload.value.eq(number),
            ]
            with m.If(result.ready | ~mask[0]):
                m.d.sync += [mask.eq(mask[1:]), lane.eq(lane + 1)]
                with m.If(mask[1:] == 0):
                    m.d.sync += lane.eq(0)
                    m.next = "OUTPUT"

    def _probe(self, m: Module, single: Any) -> None:
        """Read the probed words, one after the other."""
        result = self.link.result
        with m.State("PROBE"):
            m.next = "CYCLES"
            with m.If(single & (self._at != self._count)):
                m.next = "PROBE ADDRESS"
        with m.State("PROBE ADDRESS"):
            m.d.comb += self._looked.eq(1)
            m.next = "PROBE READ"
        with m.State("PROBE READ"):
            m.d.comb += [
                self._own.eq(~self._own_done),
                self._own_address.eq(self._probe_read.data),
            ]
            if self.geometry.cores > 1:
                m.d.comb += self._own_core.eq(self._core_probe_read.data)
            with m.If(self._own_done):
                m.next = "PROBE TOLD"
        with m.State("PROBE TOLD"):
            if self.geometry.cores > 1:
                m.d.comb += self._own_core.eq(self._core_probe_read.data)
            m.d.comb += [
                result.valid.eq(1),
                result.payload.kind.eq(ResultKind.PROBE),
                result.payload.value.eq(self.bus.read),
            ]
            with m.If(result.ready):
                m.d.sync += self._at.eq(self._at + 1)
                m.next = "PROBE"
