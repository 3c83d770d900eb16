"""The host's way into a core: one bus for registers and memories."""

from __future__ import annotations

from operator import or_
from typing import TYPE_CHECKING, Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .component import Component, tree
from .layout import BANKED, COPIED, INDEX_SHIFT, REGION_SHIFT, REGISTERS, Table
from .memory import COLUMN_NUMBER_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence


class Bus(wiring.Signature):
    """One access at a time.

    The host holds ``valid`` with ``address``, ``write`` and ``data`` until ``ready``; ``done``
    follows two cycles later, for a read with ``read`` beside it. Registers answer always, memories
    between two steps.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "ready": In(1),
                "write": Out(1),
                "address": Out(32),
                "data": Out(32),
                "done": In(1),
                "read": In(32),
            }
        )


class BusDecoder(Component):
    """Splits the address, waits for the core to be between steps, collects what was read.

    Attributes:
        bus: from the host.
        idle: the core is between steps; ``wait`` keeps it there while an access needs it.
        register_number, register_write, data: an access to a register, for one cycle.
        register_read: the register's value in that cycle.
    """

    def __init__(self, tables: dict[str, Table], lanes: int) -> None:
        self.tables = tables
        self.lanes = lanes
        self._ports: list[tuple[Table, int, Any]] = []
        super().__init__(
            {
                "bus": In(Bus()),
                "idle": In(1),
                "wait": Out(1),
                "register_number": Out(8),
                "register_write": Out(1),
                "data": Out(32),
                "register_read": In(32),
            }
        )

    def attach(self, table: str, ports: Sequence[Any]) -> None:
        """Serve these banks, one for each lane (or a single one); before elaboration."""
        self._ports += [(self.tables[table], lane, port) for lane, port in enumerate(ports)]

    def elaborate(self, platform: Any) -> Module:
        """Cycle 0 the access, cycle 1 the memory's answer, cycle 2 done."""
        m = Module()
        bus = self.bus
        region = bus.address[REGION_SHIFT:]
        index = bus.address[INDEX_SHIFT:REGION_SHIFT]
        to_memory = region != REGISTERS
        first, second = Signal(), Signal()
        access = Signal()
        m.d.comb += [
            self.wait.eq((bus.valid & to_memory) | first),
            access.eq(bus.valid & ~first & ~second & (~to_memory | self.idle)),
            bus.ready.eq(access),
            self.register_number.eq(index),
            self.register_write.eq(access & ~to_memory & bus.write),
            self.data.eq(bus.data),
            bus.done.eq(second),
        ]
        held = Signal(32)
        m.d.sync += [
            first.eq(access),
            second.eq(first),
            held.eq(self.register_read & (~to_memory).replicate(32)),
        ]
        lane_bits = (self.lanes - 1).bit_length()
        for table, lane, port in self._ports:
            mine = region == table.region
            own_index = index
            if table.kind == BANKED:
                mine = mine & (index[:lane_bits] == lane)
                own_index = index[lane_bits:]
            elif table.kind == COPIED and lane:
                mine = mine & bus.write
            m.d.comb += [
                port.select.eq(access & mine),
                port.write.eq(bus.write),
                port.index.eq(own_index),
                port.column.eq(bus.address[:COLUMN_NUMBER_BITS]),
                port.data.eq(bus.data),
            ]
        answers = [held, *(port.read for _, _, port in self._ports)]
        m.d.sync += bus.read.eq(tree(or_, answers))
        return m
