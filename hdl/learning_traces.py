"""Traces take up the events of a step; earlier spikes move on.

A trace has two memories: one that rows and columns read, with the values of the step before, and
one in which ``Fade`` lets it decay ahead of time. What an event makes of the latter goes into both.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import memory
from amaranth.lib.wiring import In, Out

from .component import Component, later
from .geometry import Geometry
from .learning_fade import Fade
from .learning_phases import Phases
from .learning_tables import HISTORY, TRACE_BITS, TRACES
from .memory import Bank

AHEAD = 1
"""The column of a trace that decays ahead."""
TAKEN = 3
"""Stage in which a trace has taken up its event."""


class TraceLane(Component):
    """Takes up the events of a step.

    Attributes:
        faded, event: stage 1: the decayed trace, and whether it has an event.
        impulse, replace, top: stage 1: of the trace. taken: stage ``TAKEN``: the new value.
        history, begin, add, worth: of a window: with ``begin`` it takes up the event; each ``add``
            after that is the next age, whose value is ``worth``.
        remembered, summed: its new history, and its value.
    """

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        members: dict[str, Any] = {
            "faded": In(TRACE_BITS), "event": In(1), "impulse": In(TRACE_BITS), "replace": In(1),
            "top": In(TRACE_BITS), "taken": Out(TRACE_BITS),
        }  # fmt: skip
        if g.windows:
            members.update({
                "history": In(HISTORY), "begin": In(1), "add": In(1), "worth": In(TRACE_BITS),
                "remembered": Out(HISTORY), "summed": Out(TRACE_BITS),
            })  # fmt: skip
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Add, limit."""
        m = Module()
        faded, impulse, top = (
            later(m, getattr(self, name), 1, name) for name in ("faded", "impulse", "top")
        )
        event, replace = later(m, self.event, 1, "event"), later(m, self.replace, 1, "replace")
        raised = Signal(TRACE_BITS + 1)
        m.d.comb += raised.eq(Mux(replace, 0, faded) + impulse)
        m.d.sync += self.taken.eq(Mux(event, Mux(raised > top, top, raised), faded))
        if self.geometry.windows:
            self._window(m)
        return m

    def _window(self, m: Module) -> None:
        """The table's values of the set bits, one after the other."""
        rest, over = Signal(HISTORY), Signal()
        total = Signal(TRACE_BITS + 1)
        m.d.comb += total.eq(self.summed + self.worth)
        with m.If(self.begin):
            m.d.sync += [
                self.remembered.eq((self.history << 1) | self.event),
                rest.eq((self.history << 1) | self.event),
                self.summed.eq(0),
                over.eq(0),
            ]
        with m.Elif(self.add):
            m.d.sync += rest.eq(rest >> 1)
            with m.If(rest[0] & ~over):
                m.d.sync += [self.summed.eq(Mux(total > self.top, self.top, total)),
                             over.eq(self.replace)]  # fmt: skip


class Traces:
    """Builds what ``Phases`` goes through: traces, events, histories.

    Args:
        g: the core.
        m: the module that it becomes a part of.
        phases: says which group is next.
        lanes: memories by table, one per lane.
        arrived: (stage 1) of each lane, whether a spike arrived on its row.
        fired: (stage 1) of each lane, whether its neuron fired.
        window: values by age, if there are windows.

    Attributes:
        clears, cleared: rows of this group forget the step's spikes.
    """

    def __init__(
        self,
        g: Geometry,
        m: Module,
        phases: Phases,
        lanes: dict[str, list[Bank]],
        arrived: list[Any],
        fired: list[Any],
        window: Any,
    ) -> None:
        self._g, self._m, self._phases, self._lanes = g, m, phases, lanes
        self.names = [name for name in TRACES if name in lanes]
        m.submodules.fade = self.fade = Fade(g)
        self._decay()
        y_events, t_events = [], []
        for i in range(g.lanes):
            y0 = self._fired_before(i, fired[i])
            member = lanes["ykey"][i].get("member")
            y_events.append(y0 & member)
            t_events.append(lanes["factor"][i].get("teacher") & member)
            self._take_up(i, arrived[i], y0, window)
        m.d.comb += [phases.y_events.eq(Cat(y_events)), phases.t_events.eq(Cat(t_events))]
        turned = later(m, phases.turn & phases.decay.clear, TAKEN, "turned")
        at_once = phases.store_window & phases.decay.clear
        self.clears = turned | at_once
        self.cleared = Mux(at_once, phases.place, later(m, phases.place, TAKEN, "taken_place"))

    def _decay(self) -> None:
        """``Fade`` reads traces of a group, and writes some lanes' of them."""
        g, m, fade, phases = self._g, self._m, self.fade, self._phases
        trace, part = later(m, fade.read_trace, 1, "faded"), later(m, fade.read_part, 1, "part")
        for k in range(g.faded):
            # A part is lanes that follow each other, as key terms do.
            own = [self._of_trace(i, "ahead", trace) for i in range(k, g.lanes, g.faded)]
            m.d.comb += getattr(fade, f"value{k}").eq(Array(own)[part] if len(own) > 1 else own[0])
        storing = later(m, (phases.decay.kind == 1) & phases.turn, TAKEN, "stores")
        which = later(m, phases.trace, TAKEN, "which")
        place = later(m, phases.place, TAKEN, "place")
        for number, name in enumerate(TRACES):
            stored = storing & (which == number)
            for i, bank in enumerate(self._lanes.get(name, ())):
                fades = fade.write & (fade.write_trace == number)
                if g.lanes > g.faded:
                    fades &= fade.write_part == i // g.faded
                windows: Any = Const(0)
                if g.windows:
                    windows = phases.store_window & (phases.trace == number)
                m.d.comb += [
                    bank.read_enable1.eq(fade.read | phases.turn),
                    bank.read_index1.eq(Mux(fade.busy, fade.read_place, phases.place)),
                    bank.write_enable1.eq(fades | stored),
                    bank.write_index1.eq(Mux(fade.busy, fade.write_place, place)),
                ]
                for column in range(len(bank.table.widths)):
                    if column != AHEAD:
                        m.d.comb += [
                            getattr(bank, f"write_enable{column}").eq(stored | windows),
                            getattr(bank, f"write_index{column}").eq(
                                Mux(windows, phases.place, place)
                            ),
                        ]

    def _of_trace(self, i: int, field: str, trace: Any) -> Any:
        """What a lane has of the trace of that number."""
        width = {"history": HISTORY}.get(field, TRACE_BITS)
        return Array(
            self._lanes[n][i].get(field) if n in self._lanes else Const(0, width) for n in TRACES
        )[trace]

    def _take_up(self, i: int, x0: Any, y0: Any, window: Any) -> None:
        """The traces of a lane."""
        g, m, phases, fade = self._g, self._m, self._phases, self.fade
        decay = phases.decay
        m.submodules[f"trace{i}"] = lane = TraceLane(g)
        trace = later(m, phases.trace, 1, "trace")
        m.d.comb += [
            lane.faded.eq(self._of_trace(i, "ahead", trace)),
            lane.event.eq(Mux(trace[1], y0, x0)),
            lane.impulse.eq(decay.impulse),
            lane.replace.eq(decay.replace),
            lane.top.eq(phases.rule.trace_max),
        ]
        written = {
            "value": lane.taken,
            "ahead": Mux(fade.busy, getattr(fade, f"faded{i % g.faded}"), lane.taken),
        }
        if g.windows:
            m.d.comb += [
                lane.history.eq(self._of_trace(i, "history", trace)),
                lane.begin.eq(phases.begin_window),
                lane.add.eq(phases.add_window),
                lane.worth.eq(window),
            ]
            written["value"] = Mux(phases.store_window, lane.summed, lane.taken)
            written["history"] = lane.remembered
        for name in TRACES:
            if name in self._lanes:
                m.d.comb += self._lanes[name][i].put(**written)

    def _fired_before(self, i: int, fired: Any) -> Any:
        """(stage 1) y0: whether a neuron fired ``post_delay`` steps ago."""
        g, m, phases = self._g, self._m, self._phases
        y0 = Signal(name=f"y0_{i}")
        m.d.comb += y0.eq(fired)
        if not g.post_delays:
            return y0
        bank = self._lanes["before"][i]
        earlier = Cat(bank.get("low"), bank.get("high"))
        delay = phases.rule.post_delay
        with m.If(delay != 0):
            m.d.comb += y0.eq((Cat(Const(0, 1), earlier) >> delay)[0])
        # The history moves on by a step; beyond what its rule asks for, it is 0.
        kept, moved = Signal(63, name=f"kept{i}"), Signal(63, name=f"moved{i}")
        m.d.comb += kept.eq(Cat(delay > age for age in range(63)))
        m.d.sync += moved.eq(Cat(fired, earlier[:62]) & kept)
        m.d.comb += [
            bank.write_enable.eq(later(m, phases.remember, 2, f"remember{i}")),
            bank.write_index.eq(later(m, phases.place, 2, f"remembered{i}")),
            *bank.put(low=moved[:32], high=moved[32:]),
        ]
        return y0


def fired_bits(
    m: Module, g: Geometry, phases: Phases, valid: Any, group: Any, fired: Any
) -> list[Any]:
    """(stage 1) who fired in this step, of the group that is read; one memory per lane."""
    parts = g.lanes // g.update_lanes
    part_bits = (parts - 1).bit_length()
    found = []
    for i in range(g.lanes):
        m.submodules[f"fired{i}"] = bits = memory.Memory(
            shape=1, depth=g.groups, init=[], attrs={"ram_style": "distributed"}
        )
        write, read = bits.write_port(), bits.read_port()
        part = group[:part_bits] == i // g.update_lanes if parts > 1 else 1
        m.d.comb += [
            write.en.eq(valid & part),
            write.addr.eq(group[part_bits:]),
            write.data.eq(fired[i % g.update_lanes]),
            read.en.eq(phases.read_y),
            read.addr.eq(phases.group),
        ]
        found.append(read.data)
    return found
