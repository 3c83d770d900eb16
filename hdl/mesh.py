"""Cores on a mesh, with a router each: they exchange spikes, and begin and end steps together."""

from __future__ import annotations

from operator import and_, or_
from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .bus import Bus
from .component import Component, tree
from .core import Core
from .micro.core import MicroCore
from .router import Router
from .routing import OPPOSITE, neighbour
from .streams import (
    INPUT_END,
    INPUT_GRADED,
    INPUT_SPIKE,
    OUTPUT_END,
    chip_input_layout,
    chip_output_layout,
    input_layout,
    output_layout,
)

if TYPE_CHECKING:
    from .geometry import Geometry
    from .memory import Bank


def connect_routers(m: Module, routers: list[Router]) -> None:
    """Each router of a mesh to its neighbours."""
    for router in routers:
        sides = (router.geometry.mesh_rows, router.geometry.mesh_columns)
        for port in router.ports:
            other = neighbour(router.core, port, *sides)
            if other is not None:
                into = getattr(routers[other], f"in_{OPPOSITE[port].name.lower()}")
                wiring.connect(m, getattr(router, f"out_{port.name.lower()}"), into)


def make_chip(geometry: Geometry, *, build: int = 0) -> Core | Mesh | MicroCore:
    """A core, or a mesh of them."""
    if geometry.micro:
        return MicroCore(geometry, build=build)
    return Mesh(geometry, build=build) if geometry.cores > 1 else Core(geometry, build=build)


class Mesh(Component):
    """All cores of a chip.

    Attributes:
        bus: of the core whose number is ``select``; with the number of cores there, of all of them,
            and core 0 answers.
        input: as a core's, ``chip_input_layout``. Graded events of a step come before its spikes.
        output: as a core's, ``chip_output_layout``; one END for all cores.
    """

    def __init__(self, geometry: Geometry, *, build: int = 0) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "bus": In(Bus()),
                "select": In(range(geometry.cores + 1)),
                "input": In(stream.Signature(StructLayout(chip_input_layout(geometry)))),
                "output": Out(stream.Signature(StructLayout(chip_output_layout(geometry)))),
                "step": Out(32),
            }
        )
        self._cores = [Core(geometry, build=build) for _ in range(geometry.cores)]

    def banks(self) -> dict[tuple[int, str], list[Bank]]:
        """(core, table) -> as ``Core.banks``."""
        return {
            (i, name): banks
            for i, core in enumerate(self._cores)
            for name, banks in core.banks().items()
        }

    def elaborate(self, platform: Any) -> Module:
        """The cores, the network, and what is one for all."""
        m = Module()
        routers = [Router(self.geometry, i) for i in range(self.geometry.cores)]
        for i, (core, router) in enumerate(zip(self._cores, routers, strict=True)):
            m.submodules[f"core{i}"] = core
            m.submodules[f"router{i}"] = router
        self._network(m, routers)
        self._bus(m)
        self._input(m)
        self._output(m)
        m.d.comb += self.step.eq(self._cores[0].step)
        quiet = Signal()
        m.d.sync += quiet.eq(
            tree(and_, [c.sent for c in self._cores] + [router.empty for router in routers])
        )
        go, leave = Signal(), Signal()
        m.d.comb += [
            go.eq(tree(and_, (core.able for core in self._cores))),
            leave.eq(tree(and_, (core.ending for core in self._cores))),
        ]
        for core in self._cores:
            m.d.comb += [core.quiet.eq(quiet), core.go.eq(go), core.leave.eq(leave)]
        return m

    def _network(self, m: Module, routers: list[Router]) -> None:
        """Routers to their neighbours and their cores."""
        connect_routers(m, routers)
        for core, router in zip(self._cores, routers, strict=True):
            wiring.connect(m, core.flit, router.in_local)
            m.d.comb += [
                core.arrival.valid.eq(router.out_local.valid),
                core.arrival.payload.eq(router.out_local.payload.axon),
                router.out_local.ready.eq(core.arrival.ready),
            ]

    def _bus(self, m: Module) -> None:
        """Accesses of several cores at once take as long in each."""
        everyone = Signal()
        m.d.comb += everyone.eq(self.select >= len(self._cores))
        ready, done, read = [], [], []
        for i, core in enumerate(self._cores):
            meant = Signal(name=f"meant{i}")
            m.d.comb += [
                meant.eq((self.select == i) | everyone),
                core.bus.valid.eq(self.bus.valid & meant),
                core.bus.write.eq(self.bus.write),
                core.bus.address.eq(self.bus.address),
                core.bus.data.eq(self.bus.data),
            ]
            ready.append(meant & core.bus.ready)
            done.append(meant & core.bus.done)
            answers = (meant & ~everyone) if i else meant
            read.append(Mux(answers, core.bus.read, 0))
        m.d.comb += [
            self.bus.ready.eq(tree(or_, ready)),
            self.bus.done.eq(tree(or_, done)),
            self.bus.read.eq(tree(or_, read)),
        ]

    def _input(self, m: Module) -> None:
        """Spikes are core 0's; the others have all they get when something else than a graded
        event comes, and then wait no longer."""
        head = self.input.payload
        bits = input_layout(self.geometry)["index"]
        to = head.index[bits:]
        graded = head.kind == INPUT_GRADED
        ready = []
        for i, core in enumerate(self._cores):
            mine = to == i
            kind = head.kind if i == 0 else Mux(head.kind == INPUT_SPIKE, INPUT_END, head.kind)
            m.d.comb += [
                core.input.valid.eq(self.input.valid & (~graded | mine)),
                core.input.payload.kind.eq(kind),
                core.input.payload.index.eq(head.index[:bits]),
                core.input.payload.value.eq(head.value),
            ]
            ready.append(mine & core.input.ready)
        m.d.comb += self.input.ready.eq(Mux(graded, tree(or_, ready), self._cores[0].input.ready))

    def _output(self, m: Module) -> None:
        """The lowest core that has something but an END goes first; an END when all have one."""
        out = self.output
        bits = output_layout(self.geometry)["group"]
        ended = Signal()
        waiting = []
        for i, core in enumerate(self._cores):
            waits = Signal(name=f"waits{i}")
            m.d.comb += waits.eq(core.output.valid & (core.output.payload.kind != OUTPUT_END))
            waiting.append(waits)
        m.d.comb += [
            ended.eq(
                tree(and_, (core.output.valid for core in self._cores)) & ~Cat(*waiting).any()
            ),
            out.valid.eq(ended | Cat(*waiting).any()),
            out.payload.kind.eq(OUTPUT_END),
            out.payload.data.eq(self._cores[0].output.payload.data),
        ]
        for i in reversed(range(len(self._cores))):
            payload = self._cores[i].output.payload
            with m.If(waiting[i]):
                m.d.comb += [
                    out.payload.kind.eq(payload.kind),
                    out.payload.group.eq(
                        Cat(payload.group[:bits], Const(i, self.geometry.core_bits))
                    ),
                    out.payload.data.eq(payload.data),
                ]
        free: Any = 1
        for i, core in enumerate(self._cores):
            m.d.comb += core.output.ready.eq(out.ready & (ended | (waiting[i] & free)))
            free = free & ~waiting[i]
