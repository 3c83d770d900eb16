"""The registers behind ``registers.REGISTER``."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from .component import Component
from .counters import Counters
from .geometry import Geometry, count_bits
from .layout import layout
from .memory import choose
from .registers import COUNTERS, IDENT_VALUE, REGISTER, geometry_values


class Control(Component):
    """Registers, counters and the number of steps still wanted.

    Attributes:
        number, access, read: reading a register, as ``counters.Counters`` do it.
        write, data: for one cycle, writing it.
        host_input: steps wait for their input. wanted: another step is to be computed.
        pace, step, groups, generator_groups: registers of that name; ``pace_set`` when written.
        busy, late, refused: for STATUS. working, next_step: from the sequencer.
        spikes, clipped_u, clipped_v, clipped_threshold, events: added to the counters every cycle.
        fired: for FIRED; ``set_fired`` when it is written.
        learning, rules_used, modulator: registers of that name.
    """

    def __init__(self, g: Geometry, build: int) -> None:
        self.geometry = g
        U = g.update_lanes
        self._learning = ("learning", "rules_used", "modulator") if g.rules else ()
        self.most = {
            "SPIKES": U,
            "EVENTS": (1 << layout(g)["row"].field("synapses").width) - 1,
            "CLIPPED_U": g.receptors * U,
            "CLIPPED_V": 2 * U,
            "CLIPPED_THRESHOLD": U,
            "CYCLES": 1,
        }
        constant = {"IDENT": IDENT_VALUE, "BUILD": build, **geometry_values(g)}
        self.counters = Counters(
            self.most, {REGISTER[name].number: value for name, value in constant.items()}
        )
        super().__init__(
            {
                "number": In(8), "access": In(1), "write": In(1), "data": In(32), "read": Out(32),
                "host_input": Out(1), "wanted": Out(1), "pace": Out(32), "pace_set": Out(1),
                "step": Out(32), "groups": Out(count_bits(g.update_groups)),
                "generator_groups": Out(count_bits(g.generator_groups)),
                "busy": In(1), "late": In(1), "refused": In(1),
                "working": In(1), "next_step": In(1),
                **{name.lower(): In(count_bits(self.most[name])) for name in COUNTERS[:-1]},
                "fired": In(count_bits(g.update_groups)), "set_fired": Out(1),
                **({"learning": Out(1), "rules_used": Out(count_bits(g.rules)), "modulator": Out(8)}
                   if g.rules else {}),
            }
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Written registers, then what of reading is not as it was written."""
        m = Module()
        m.submodules.counters = counters = self.counters
        late, refused, free_run = Signal(), Signal(), Signal()
        running, target = Signal(), Signal(32)  # until the step's number is the target's

        # A cycle later, since comparing takes long; the number changes long before a step ends.
        m.d.sync += self.wanted.eq((running & (self.step != target)) | free_run)
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
            m.d.sync += [running.eq(0), free_run.eq(0)]
        with written("RUN"):
            m.d.sync += [running.eq(1), target.eq(self.step + self.data)]
        with written("STEP"):
            m.d.sync += running.eq(0)
        for name, register in (
            ("PACE", self.pace), ("STEP", self.step), ("GROUPS", self.groups),
            ("GENERATOR_GROUPS", self.generator_groups),
            *((name.upper(), getattr(self, name)) for name in self._learning),
        ):  # fmt: skip
            with written(name):
                m.d.sync += register.eq(self.data)
        with written("PACE"):
            m.d.comb += self.pace_set.eq(1)
        with written("FIRED"):
            m.d.comb += self.set_fired.eq(1)

        m.d.comb += [
            counters.number.eq(self.number),
            counters.access.eq(self.access),
            *(getattr(counters, f"add{i}").eq(getattr(self, name.lower()))
              for i, name in enumerate(COUNTERS[:-1])),
            getattr(counters, f"add{len(COUNTERS) - 1}").eq(self.working),
        ]  # fmt: skip
        values: dict[str, Any] = {
            "CONTROL": self.host_input | (free_run << 1),
            "STATUS": self.busy | (late << 1) | (refused << 2),
            "STEP": self.step,
            "GROUPS": self.groups,
            "GENERATOR_GROUPS": self.generator_groups,
            "FIRED": self.fired,
            **{name.upper(): getattr(self, name) for name in self._learning},
        }
        here = Signal()  # the register is one of these
        with m.Switch(self.number):
            with m.Case(*(REGISTER[name].number for name in values)):
                m.d.comb += here.eq(1)
        by_number = {REGISTER[name].number: value for name, value in values.items()}
        # The words of these numbers in the counters' memory are 0.
        own = choose(by_number, self.number)
        m.d.comb += self.read.eq(Mux(here, own, 0) | counters.read)
        return m
