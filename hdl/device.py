"""The generated top level: UART pins, link, adapter, core or mesh of cores."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..errors import UnsupportedError
from .contents import Contents
from .core import Core
from .core_adapter import CoreAdapter
from .core_regions import PROBE_REGION, describe
from .descriptor import Descriptor
from .geometry import Geometry
from .link.link import UartLink
from .link.uart import check_divisor
from .mesh import Mesh, make_chip
from .source_hash import source_hash


class Device(wiring.Component):
    """A core, or a mesh of them, that is talked to at two pins.

    Args:
        geometry: of the core.
        descriptor: what the device tells about itself (``core_regions.describe``).
        contents: of the memories from the beginning, of a core alone.
    """

    def __init__(
        self, geometry: Geometry, descriptor: Descriptor, contents: Contents | None = None
    ):
        self.geometry, self.descriptor, self.contents = geometry, descriptor, contents
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        """Nothing but wires; a break resets all.

        Raises:
            UnsupportedError: contents for a mesh, or for the small core.
        """
        if self.contents is not None and self.geometry.cores > 1:
            raise UnsupportedError(
                "memories of a mesh cannot have contents from the beginning",
                found=f"a mesh of {self.geometry.cores} cores",
                expected="one core",
            )
        if self.contents is not None and self.geometry.micro:
            raise UnsupportedError(
                "memories of the small core cannot have contents from the beginning",
                found="a core whose tables share memories",
                expected="a core with a memory for each table",
            )
        m = Module()
        d = self.descriptor
        build = int(d.build, 16) & 0xFFFFFFFF
        m.submodules.link = link = UartLink(d)
        own = ResetInserter(link.reset_core)
        core = make_chip(self.geometry, build=build)
        if self.contents is not None and isinstance(core, Core):
            self.contents.put_into(core)
        adapter = CoreAdapter(self.geometry, d.event_capacity, d.region(PROBE_REGION)[1].depth)
        m.submodules.core, m.submodules.adapter = own(core), own(adapter)
        wiring.connect(m, link.core, adapter.link)
        wiring.connect(m, adapter.bus, core.bus)
        if isinstance(core, Mesh):
            m.d.comb += core.select.eq(adapter.select)
        wiring.connect(m, adapter.input, core.input)
        wiring.connect(m, core.output, adapter.output)
        m.d.comb += adapter.step.eq(core.step)
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx)]
        return m


def make_device(
    geometry: Geometry,
    divisor: int,
    *,
    fastest: int | None = None,
    clock_hz: int = 0,
    max_payload: int = 1024,
    events: int = 512,
    probes: int = 1024,
) -> Device:
    """A device that describes itself as what it is; arguments as of ``description``."""
    told = description(
        geometry, divisor, fastest=fastest, clock_hz=clock_hz, max_payload=max_payload,
        events=events, probes=probes,
    )  # fmt: skip
    return Device(geometry, told)


def description(
    geometry: Geometry,
    divisor: int,
    *,
    fastest: int | None = None,
    clock_hz: int = 0,
    max_payload: int = 1024,
    events: int = 512,
    probes: int = 1024,
) -> Descriptor:
    """What a device with this core tells of itself.

    Args:
        geometry: of the core.
        divisor: clock cycles per bit at the pins after a reset.
        fastest: the fewest that a host may ask for; None where the rate is fixed.
        clock_hz: the core's clock; 0 in a simulation, which has no baud rate either.
        max_payload: bytes of a frame; eight of them fit into each of the link's buffers.
        events: how many may wait for their step.
        probes: how many words may be probed.
    """
    fastest = divisor if fastest is None else fastest
    check_divisor(fastest)
    sizes = {
        "divisor": divisor, "fastest": fastest, "max_payload": max_payload, "events": events,
        "probes": probes,
    }  # fmt: skip
    build = source_hash({**geometry.to_dict(), **sizes})
    return describe(
        geometry,
        build=build[:16],
        clock_hz=clock_hz,
        baud=round(clock_hz / divisor),
        max_payload=max_payload,
        credit=8 * max_payload,
        event_capacity=events,
        probes=probes,
        divisor=divisor,
        fastest=fastest,
    )
