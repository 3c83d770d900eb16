"""The core: one bus, one stream of input, one stream of output, and everything between."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from ..counter_hash import STEP_OFFSET
from .accumulators import SynapseLane
from .bus import Bus, BusDecoder
from .component import Component
from .control import Control
from .fetch import TABLES, Fetch
from .generators import Generators
from .geometry import Geometry, index_bits
from .hash_unit import Mix
from .layout import INDEX_SHIFT, layout
from .learning import Learning
from .memory import Bank
from .neuron_array import NeuronArray
from .output_queue import OutputQueue
from .sequencer import Sequencer
from .spike_queue import SpikeQueue
from .streams import (
    INPUT_END,
    INPUT_GRADED,
    INPUT_SPIKE,
    OUTPUT_END,
    OUTPUT_GENERATORS,
    OUTPUT_NEURONS,
    flit_layout,
    input_layout,
    output_layout,
)


class Core(Component):
    """A whole core.

    Attributes:
        bus: registers and memories (``registers.REGISTER``, ``layout.layout``).
        input: spikes and graded events of the next step, ended by an END; only if CONTROL says so.
        output: per step the generators and neurons that fired, group by group, then an END.
        step: number of the step that is being computed; from its update on, of the next one.

    Of a core of a mesh also what ``mesh.Mesh`` connects:
        flit: spikes for the cores of the mesh, itself among them. arrival: axons that spikes have
            reached, with room for those of a whole step.
        sent, quiet: it sends no more in this step; nor does any other, and nothing is on its way.
        able, go, ending, leave: steps begin and end together (``sequencer.Sequencer``).
    """

    def __init__(self, geometry: Geometry, *, build: int = 0) -> None:
        self.geometry = geometry
        self.build = build
        super().__init__(
            {
                "bus": In(Bus()),
                "input": In(stream.Signature(StructLayout(input_layout(geometry)))),
                "output": Out(stream.Signature(StructLayout(output_layout(geometry)))),
                "step": Out(32),
                **(_mesh_ports(geometry) if geometry.cores > 1 else {}),
            }
        )
        self._fetch = Fetch(geometry)
        self._array = NeuronArray(geometry)
        self._fired = SpikeQueue(layout(geometry)["fired"], geometry.update_lanes)
        self._synapses = [SynapseLane(geometry) for _ in range(geometry.lanes)]
        self._generators = Generators(geometry) if geometry.generators else None
        self._learning = Learning(geometry) if geometry.rules else None

    def banks(self) -> dict[str, list[Bank]]:
        """Table -> the bank of each lane (or the only one); ``layout.path`` has their names."""
        found = {name: [lookup.bank] for name, lookup in self._fetch.lookups.items()}
        found["fired"] = [self._fired.lookup.bank]
        found["synapse"] = [lane.synapses for lane in self._synapses]
        for r in range(self.geometry.receptors):
            found[f"wheel{r}"] = [lane.accumulators.banks[r] for lane in self._synapses]
        for name in self._array.units[0].banks:
            found[name] = [unit.banks[name] for unit in self._array.units]
        if self._generators is not None:
            found["generated"] = [self._generators.queue.lookup.bank]
            found["generator"] = self._generators.banks
        if self._learning is not None:
            found.update(self._learning.banks())
        return found

    def elaborate(self, platform: Any) -> Module:
        """The parts and what connects them."""
        m = Module()
        g = self.geometry
        tables = layout(g)
        m.submodules.decoder = decoder = BusDecoder(tables)
        m.submodules.control = control = Control(g, self.build)
        m.submodules.sequencer = sequencer = Sequencer(learning=g.rules > 0, mesh=g.cores > 1)
        m.submodules.fetch = fetch = self._fetch
        m.submodules.array = array = self._array
        m.submodules.spike_queue = fired = self._fired
        synapses, generators = self._synapses, self._generators
        for i, lane in enumerate(synapses):
            m.submodules[f"synapses{i}"] = lane
        if generators is not None:
            m.submodules.generators = generators

        wiring.connect(m, wiring.flipped(self.bus), decoder.bus)
        for name in TABLES:
            decoder.attach(name, [getattr(fetch, f"host_{name}")])
        decoder.attach("fired", [fired.host])
        decoder.attach("synapse", [lane.host_synapse for lane in synapses])
        units = range(g.update_lanes)
        for r in range(g.receptors):
            decoder.attach(f"wheel{r}", [getattr(lane, f"host{r}") for lane in synapses], ())
        # Of state, neuron and wheels the array shows what is asked.
        shown = {"host_state": [getattr(array, f"shown{i}") for i in units], "host_neuron": ()}
        for port in array.ports:
            ports = [getattr(array, f"{port}_{i}") for i in units]
            decoder.attach(port.removeprefix("host_"), ports, shown.get(port))
        if generators is not None:
            decoder.attach("generator", [getattr(generators, f"host{i}") for i in units])
            decoder.attach("generated", [generators.host_queue])

        self._control(m, control, decoder, sequencer, array, fetch, fired)
        self._random(m, control, array, generators)
        ready = self._senders(m, control, sequencer, fired, fetch, array, generators)
        self._lanes(m, control, decoder, synapses, fetch, array)
        delivered = ready & ~fetch.busy & ~Cat(s.busy for s in synapses).any()
        if g.cores > 1:
            delivered &= self._mesh(m, sequencer, fetch, ready)
        if self._learning is not None:
            m.submodules.engine = self._learning
            delivered &= ~self._learning.busy
            self._learn(m, self._learning, control, decoder, sequencer, array, fetch)
        m.d.comb += [
            sequencer.delivered.eq(delivered),
            sequencer.updated.eq(~array.busy),
            array.start.eq(sequencer.update),
            array.groups.eq(control.groups),
            fired.start.eq(sequencer.start),
            fired.clear.eq(sequencer.update),
            fired.push.eq(array.valid & array.sending.any()),
            fired.group.eq(array.group),
            fired.mask.eq(array.sending),
        ]
        if generators is not None:
            m.d.comb += [
                generators.start.eq(sequencer.start),
                generators.groups.eq(control.generator_groups),
            ]
        self._output(m, control, sequencer, decoder, array, generators)
        return m

    def _control(
        self,
        m: Module,
        control: Control,
        decoder: BusDecoder,
        sequencer: Sequencer,
        array: NeuronArray,
        fetch: Fetch,
        fired: SpikeQueue,
    ) -> None:
        """Registers to and from everywhere."""
        storing = 0 if self._learning is None else self._learning.storing
        m.d.comb += [
            self.step.eq(control.step),
            control.number.eq(decoder.register_number),
            control.access.eq(decoder.register_access),
            control.write.eq(decoder.register_write),
            control.data.eq(decoder.data),
            decoder.register_read.eq(control.read),
            decoder.idle.eq(sequencer.idle & ~storing),
            sequencer.wanted.eq(control.wanted),
            sequencer.pace.eq(control.pace),
            sequencer.pace_set.eq(control.pace_set),
            control.busy.eq(~sequencer.idle | control.wanted),
            control.late.eq(sequencer.late),
            control.next_step.eq(array.taken),
            control.spikes.eq(array.spikes),
            control.clipped_u.eq(array.clipped_u),
            control.clipped_v.eq(array.clipped_v),
            control.clipped_threshold.eq(array.clipped_threshold),
            control.fired.eq(fired.count),
            fired.set_count.eq(control.set_fired),
            fired.new_count.eq(decoder.data),
        ]
        m.d.sync += [
            control.events.eq(Mux(fetch.counted, fetch.synapses, 0)),
            control.working.eq(~sequencer.idle | sequencer.start),
        ]

    def _random(
        self, m: Module, control: Control, array: NeuronArray, generators: Generators | None
    ) -> None:
        """One hash per unit, for the generators while they scan and for the neurons after."""
        m.submodules.step_hash = step_hash = Mix(adders=True)
        m.d.comb += step_hash.value.eq(control.step + STEP_OFFSET)
        if generators is None and not self.geometry.adaptation:
            return
        for i in range(self.geometry.update_lanes):
            m.submodules[f"hash{i}"] = lane = Mix()
            key: Any = getattr(array, f"key{i}")
            if generators is not None:
                key = Mux(generators.scanning, getattr(generators, f"key{i}"), key)
                m.d.comb += getattr(generators, f"random{i}").eq(lane.hashed)
            m.d.comb += [
                lane.value.eq(key + step_hash.hashed),
                getattr(array, f"random{i}").eq(lane.hashed),
            ]

    def _senders(
        self,
        m: Module,
        control: Control,
        sequencer: Sequencer,
        fired: SpikeQueue,
        fetch: Fetch,
        array: NeuronArray,
        generators: Generators | None,
    ) -> Any:
        """Who sends in this step: first neurons, then the host, then generators.

        Returns:
            whether all have been handed on.
        """
        g = self.geometry
        head, unit_bits = self.input.p, (g.update_lanes - 1).bit_length()
        closed, waiting = Signal(), Signal()
        host_done, spike = Signal(), Signal()
        delivering = Signal()
        m.d.comb += [
            delivering.eq(~sequencer.idle & ~closed),
            waiting.eq(delivering & self.input.valid),
            spike.eq(waiting & (head.kind == INPUT_SPIKE)),
            host_done.eq(closed | (waiting & (head.kind == INPUT_END))),
            self.input.ready.eq(delivering & Mux(spike, fetch.input.ready & fired.done, 1)),
        ]  # fmt: skip
        with m.If(sequencer.start):
            m.d.sync += closed.eq(~control.host_input)
        with m.Elif(waiting & (head.kind == INPUT_END)):
            m.d.sync += closed.eq(1)
        graded = waiting & (head.kind == INPUT_GRADED)
        m.d.comb += control.refused.eq(
            waiting & ~spike & (head.kind != INPUT_END) & ~(graded if g.graded else 0)
        )
        if g.graded:
            m.d.comb += [
                array.inject.eq(Mux(graded, 1 << head.index[:unit_bits], 0)),
                array.inject_group.eq(head.index[unit_bits:]),
                array.inject_value.eq(head.value),
            ]

        with m.If(~fired.done):
            m.d.comb += [
                fetch.input.valid.eq(fired.output.valid),
                fetch.input.payload.eq(fired.output.payload),
                fired.output.ready.eq(fetch.input.ready),
            ]
        with m.Elif(spike):
            m.d.comb += [fetch.input.valid.eq(1), fetch.input.payload.eq(head.index)]
        if generators is None:
            return fired.done & host_done
        with m.Elif(host_done):
            m.d.comb += [
                fetch.input.valid.eq(generators.output.valid),
                fetch.input.payload.eq(generators.output.payload + g.first_generator),
                generators.output.ready.eq(fetch.input.ready),
            ]
        return fired.done & host_done & generators.done

    def _lanes(
        self,
        m: Module,
        control: Control,
        decoder: BusDecoder,
        synapses: list[SynapseLane],
        fetch: Fetch,
        array: NeuronArray,
    ) -> None:
        """Rows to the lanes that have a part in them; each lane's sums to its neurons."""
        slot_bits = (self.geometry.delay_slots - 1).bit_length()
        lane_bits = (self.geometry.lanes - 1).bit_length()
        unit_bits = (self.geometry.update_lanes - 1).bit_length()
        slot, taken = Signal(slot_bits), Signal.like(array.take_group)
        index = decoder.address[INDEX_SHIFT:]
        m.d.comb += [
            slot.eq(Mux(decoder.access, index[lane_bits:], control.step)),
            taken.eq(
                Mux(decoder.access, index[lane_bits + slot_bits :], 0)
                | Mux(array.take, array.take_group, 0)
            ),
            array.look.eq(decoder.access),
            fetch.look.eq(decoder.access),
            fetch.look_address.eq(index[lane_bits:]),
            array.look_part.eq(index[unit_bits:lane_bits]),
        ]
        for i, lane in enumerate(synapses):
            m.d.comb += [
                lane.push.eq(fetch.push[i]),
                lane.row.eq(fetch.next_row),
                lane.offered.eq(fetch.offered),
                fetch.full[i].eq(lane.full),
                lane.slot.eq(slot),
                lane.take.eq(array.take | decoder.access),
                lane.take_group.eq(taken),
                lane.look.eq(decoder.access),
                *(getattr(array, f"sum{r}_{i}").eq(getattr(lane, f"sum{r}"))
                  for r in range(self.geometry.receptors)),
            ]  # fmt: skip

    def _learn(
        self,
        m: Module,
        learning: Learning,
        control: Control,
        decoder: BusDecoder,
        sequencer: Sequencer,
        array: NeuronArray,
        fetch: Fetch,
    ) -> None:
        """Plastic rows go to the engine instead of the lanes; it comes again after the update."""
        for name, banks in learning.banks().items():
            names = [name] if name in learning.single else [f"{name}{i}" for i in range(len(banks))]
            decoder.attach(name, [getattr(learning, f"host_{n}") for n in names])
        m.d.comb += [
            learning.row_valid.eq(fetch.plastic),
            fetch.plastic_ready.eq(learning.row_ready),
            fetch.learning.eq(learning.busy),
            learning.entry.eq(fetch.entry),
            learning.changes.eq(fetch.changes),
            learning.lanes_busy.eq(Cat(lane.busy for lane in self._synapses).any()),
            learning.step.eq(control.step),
            learning.step_hash.eq(m.submodules.step_hash.hashed),
            learning.on.eq(control.learning),
            learning.rules.eq(control.rules_used),
            learning.modulator.eq(control.modulator),
            learning.fired_valid.eq(array.valid),
            learning.fired_group.eq(array.group),
            learning.fired.eq(array.fired),
            learning.begin.eq(sequencer.start),
            learning.learn.eq(sequencer.learn),
            sequencer.learned.eq(learning.learned),
        ]
        for i, lane in enumerate(self._synapses):
            m.d.comb += [
                lane.plastic.eq(learning.add),
                lane.plastic_group.eq(learning.group),
                lane.plastic_exponent.eq(learning.exponent),
                lane.plastic_receptor.eq(learning.receptor),
                lane.plastic_weight.eq(getattr(learning, f"weight{i}")),
                lane.plastic_delay.eq(getattr(learning, f"delay{i}")),
            ]

    def _mesh(self, m: Module, sequencer: Sequencer, fetch: Fetch, ready: Any) -> Any:
        """The ways to the router and back, and what cores wait for.

        Returns:
            whether all spikes of the mesh have come, and those for this core are under way to
            its rows.
        """
        g = self.geometry
        m.submodules.arrivals = queue = SyncFIFOBuffered(
            width=len(self.arrival.payload), depth=max(2, g.axons)
        )
        wiring.connect(m, fetch.flit, wiring.flipped(self.flit))
        m.d.comb += [
            queue.w_data.eq(self.arrival.payload),
            queue.w_en.eq(self.arrival.valid),
            self.arrival.ready.eq(queue.w_rdy),
            fetch.arrival.payload.eq(queue.r_data),
            fetch.arrival.valid.eq(queue.r_rdy),
            queue.r_en.eq(fetch.arrival.ready),
            self.sent.eq(ready & ~fetch.sending),
            self.able.eq(sequencer.able),
            sequencer.go.eq(self.go),
            self.ending.eq(sequencer.ending),
            sequencer.leave.eq(self.leave),
        ]
        return self.quiet & (queue.level == 0)

    def _output(
        self,
        m: Module,
        control: Control,
        sequencer: Sequencer,
        decoder: BusDecoder,
        array: NeuronArray,
        generators: Generators | None,
    ) -> None:
        """A queue with room for a whole step before it begins: no step ever waits for the host."""
        m.submodules.queue = queue = OutputQueue(self.geometry)
        wiring.connect(m, queue.output, wiring.flipped(self.output))
        made = queue.item
        m.d.comb += sequencer.wait.eq(decoder.wait | ~queue.room)
        # What a kind has no use for is as of another one, so that nothing has to choose.
        m.d.comb += [made.group.eq(array.group), made.data.eq(sequencer.cycles)]
        bits = made.data[: self.geometry.update_lanes]
        with m.If(sequencer.end):
            m.d.comb += [made.kind.eq(OUTPUT_END), queue.valid.eq(1)]
        with m.Elif(array.valid & array.fired.any()):
            m.d.comb += [
                made.kind.eq(OUTPUT_NEURONS),
                bits.eq(array.fired),
                queue.valid.eq(1),
            ]
        if generators is not None:
            with m.Elif(generators.spikes_valid):
                m.d.comb += [
                    made.kind.eq(OUTPUT_GENERATORS),
                    made.group.eq(generators.spikes_group),
                    bits.eq(generators.spikes),
                    queue.valid.eq(1),
                ]


def _mesh_ports(g: Geometry) -> dict[str, Any]:
    return {
        "flit": Out(stream.Signature(StructLayout(flit_layout(g)))),
        "arrival": In(stream.Signature(index_bits(g.axons))),
        "sent": Out(1), "quiet": In(1),
        "able": Out(1), "go": In(1), "ending": Out(1), "leave": In(1),
    }  # fmt: skip
