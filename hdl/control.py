"""The registers behind ``registers.REGISTER``."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from .component import Component
from .geometry import Geometry, count_bits
from .layout import layout
from .registers import COUNTER_BITS, COUNTERS, IDENT_VALUE, REGISTER, geometry_values


class Control(Component):
    """Registers, counters and the number of steps still wanted.

    Attributes:
        number, write, data, read: one register access, answered in the same cycle.
        host_input: steps wait for their input. wanted: another step is to be computed.
        pace, step, groups, generator_groups: registers of that name.
        busy, late, refused: for STATUS. started, end, cycles, next_step: from the sequencer.
        spikes, clipped_u, clipped_v, clipped_threshold, events: added to the counters every cycle.
        fired: for FIRED; ``set_fired`` when it is written.
    """

    def __init__(self, g: Geometry, build: int) -> None:
        self.geometry = g
        self.build = build
        added = count_bits(2 * g.lanes)
        super().__init__(
            {
                "number": In(8), "write": In(1), "data": In(32), "read": Out(32),
                "host_input": Out(1), "wanted": Out(1), "pace": Out(32), "step": Out(32),
                "groups": Out(count_bits(g.groups)),
                "generator_groups": Out(count_bits(g.generator_groups)),
                "busy": In(1), "late": In(1), "refused": In(1),
                "started": In(1), "end": In(1), "cycles": In(32), "next_step": In(1),
                "spikes": In(added), "clipped_u": In(added), "clipped_v": In(added),
                "clipped_threshold": In(added),
                "events": In(layout(g)["row"].field("synapses").width),
                "fired": In(count_bits(g.groups)), "set_fired": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Written registers, then counters, then what reading gives."""
        m = Module()
        late, refused, free_run, run = Signal(), Signal(), Signal(), Signal(32)
        counters = self._counters(m)

        with m.If(self.started & ~free_run):
            m.d.sync += run.eq(run - 1)
        m.d.comb += self.wanted.eq((run != 0) | free_run)
        with m.If(self.next_step):
            m.d.sync += self.step.eq(self.step + 1)
        with m.If(self.late):
            m.d.sync += late.eq(1)
        with m.If(self.refused):
            m.d.sync += refused.eq(1)

        def written(name: str) -> Any:
            return m.If(self.write & (self.number == REGISTER[name].number))

        with written("CONTROL"):
            m.d.sync += [self.host_input.eq(self.data[0]), free_run.eq(self.data[1])]
        with written("STATUS"):
            m.d.sync += [late.eq(self.data[1]), refused.eq(self.data[2])]
        with written("STOP"):
            m.d.sync += [run.eq(0), free_run.eq(0)]
        with written("CLEAR"):
            m.d.sync += [counter.eq(0) for counter in counters.values()]
        for name, register in (
            ("RUN", run), ("PACE", self.pace), ("STEP", self.step), ("GROUPS", self.groups),
            ("GENERATOR_GROUPS", self.generator_groups),
        ):  # fmt: skip
            with written(name):
                m.d.sync += register.eq(self.data)
        with written("FIRED"):
            m.d.comb += self.set_fired.eq(1)

        values: dict[str, Any] = {
            "IDENT": IDENT_VALUE,
            "BUILD": self.build,
            "CONTROL": self.host_input | (free_run << 1),
            "STATUS": self.busy | (late << 1) | (refused << 2),
            "RUN": run,
            "PACE": self.pace,
            "STEP": self.step,
            "GROUPS": self.groups,
            "GENERATOR_GROUPS": self.generator_groups,
            "FIRED": self.fired,
            **geometry_values(self.geometry),
        }
        for name, counter in counters.items():
            values[f"{name}_LOW"], values[f"{name}_HIGH"] = counter[:32], counter[32:]
        with m.Switch(self.number):
            for name, value in values.items():
                with m.Case(REGISTER[name].number):
                    m.d.comb += self.read.eq(value)
        return m

    def _counters(self, m: Module) -> dict[str, Signal]:
        counters = {name: Signal(COUNTER_BITS, name=name.lower()) for name in COUNTERS}
        for name, counter in counters.items():
            if name == "CYCLES":
                added: Any = Mux(self.end, self.cycles, 0)
            else:
                added = getattr(self, name.lower())
            m.d.sync += counter.eq(counter + added)
        return counters
