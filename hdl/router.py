"""A router of the mesh: five ports, two flits of room at each, one flit per cycle over each link.

A flit is a spike for one or more cores, told by a mask. It goes along its row first and along
columns then, and forks where its ways part: every fork takes the cores that lie in its direction.

A flit waits in the buffer of the port that it came in by until each of its forks has left; they
leave when they can, independent of each other. Of several flits that want an output in the same
cycle, the one from the port that comes first in ``routing.PRIORITY`` gets it: what is on its way
goes before what turns, and what turns before what begins. So no router remembers anything from step
to step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .routing import PRIORITY, Port, neighbour, region
from .streams import flit_layout

if TYPE_CHECKING:
    from .geometry import Geometry


class FlitBuffer(Component):
    """Two places. ``ready`` comes from a register: no path goes through several routers.

    Attributes:
        input: of flits.
        valid, flit: the oldest one; ``pop`` takes it away.
        empty: there is none.
    """

    def __init__(self, g: Geometry) -> None:
        self._layout = StructLayout(flit_layout(g))
        super().__init__(
            {
                "input": In(stream.Signature(self._layout)),
                "valid": Out(1),
                "flit": Out(self._layout),
                "pop": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """The second place is used while the first one is taken."""
        m = Module()
        spare = Signal(self._layout)
        full = Signal()
        taken = Signal()
        m.d.comb += [self.input.ready.eq(~full), taken.eq(self.input.valid & ~full)]
        with m.If(self.pop | ~self.valid):
            m.d.sync += [
                self.flit.eq(Mux(full, spare.as_value(), self.input.payload.as_value())),
                self.valid.eq(full | taken),
                full.eq(0),
            ]
        with m.Elif(taken):
            m.d.sync += [spare.eq(self.input.payload), full.eq(1)]
        return m


class Router(Component):
    """One of the mesh.

    Args:
        geometry: of the cores, with the sides of the mesh.
        core: its number.

    Attributes:
        ports: those that it has.
        in_local, in_north, …: streams of flits that come in by a port.
        out_local, …: likewise, out.
        empty: no flit is in it.
    """

    def __init__(self, geometry: Geometry, core: int) -> None:
        self.geometry, self.core = geometry, core
        sides = (geometry.mesh_rows, geometry.mesh_columns)
        self.ports = [p for p in Port if p == Port.LOCAL or neighbour(core, p, *sides) is not None]
        self.regions = {p: region(core, p, *sides) for p in self.ports}
        flits = stream.Signature(StructLayout(flit_layout(geometry)))
        super().__init__(
            {
                **{f"in_{p.name.lower()}": In(flits) for p in self.ports},
                **{f"out_{p.name.lower()}": Out(flits) for p in self.ports},
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """A buffer per input, a choice per output, and a note of which forks have left."""
        m = Module()
        buffers = {}
        for port in self.ports:
            m.submodules[f"buffer_{port.name.lower()}"] = buffers[port] = FlitBuffer(self.geometry)
            into = getattr(self, f"in_{port.name.lower()}")
            m.d.comb += [
                buffers[port].input.valid.eq(into.valid),
                buffers[port].input.payload.eq(into.payload),
                into.ready.eq(buffers[port].input.ready),
            ]
        waits: dict[Port, list[Any]] = {port: [] for port in self.ports}  # forks that stay
        gone: dict[Port, list[tuple[Any, Any]]] = {port: [] for port in self.ports}
        for to in self.ports:
            out = getattr(self, f"out_{to.name.lower()}")
            free: Any = 1  # nobody before wants this output
            with_flit: list[tuple[Any, Any]] = []
            for by in PRIORITY[to]:
                if by not in self.ports:
                    continue
                left, wants, leaves = (
                    Signal(name=f"{what}_{by.name.lower()}_{to.name.lower()}")
                    for what in ("left", "wants", "leaves")
                )
                flit = buffers[by].flit
                m.d.comb += [
                    wants.eq(buffers[by].valid & (flit.cores & self.regions[to]).any() & ~left),
                    leaves.eq(wants & free & out.ready),
                ]
                free = free & ~wants
                with_flit.append((wants, flit))
                waits[by].append(wants & ~leaves)
                gone[by].append((left, leaves))
            chosen: Any = with_flit[-1][1].as_value()
            for wants, flit in reversed(with_flit[:-1]):
                chosen = Mux(wants, flit.as_value(), chosen)
            flit = Signal(StructLayout(flit_layout(self.geometry)), name=f"to_{to.name.lower()}")
            m.d.comb += [
                flit.eq(chosen),
                out.valid.eq(~free),
                out.payload.axon.eq(flit.axon),
                out.payload.cores.eq(flit.cores & self.regions[to]),
            ]
        for port in self.ports:
            stays: Any = 0
            for one in waits[port]:
                stays = stays | one
            m.d.comb += buffers[port].pop.eq(buffers[port].valid & ~stays)
            for left, leaves in gone[port]:
                m.d.sync += left.eq((left | leaves) & ~buffers[port].pop)
        present: Any = 0
        for buffer in buffers.values():
            present = present | buffer.valid
        m.d.comb += self.empty.eq(~present)
        return m
