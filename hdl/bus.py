"""The host's way into a core: one bus for registers and memories."""

from __future__ import annotations

from operator import or_
from typing import TYPE_CHECKING, Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .component import Component, tree
from .layout import BANKED, INDEX_SHIFT, REGION_SHIFT, REGISTERS, Table
from .memory import COLUMN_NUMBER_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .memory import HostPort

ACCESS = 12
"""Cycles of an access to a memory: what the host writes, and much of what it reads, passes through
the neurons' registers."""
REGISTER_ACCESS = 32
"""Cycles of an access to a register: long enough for all counters to be brought up to date."""


class Bus(wiring.Signature):
    """One access at a time.

    The host holds ``valid`` with ``address``, ``write`` and ``data`` until ``ready``, which comes
    in the access' last cycle; ``done`` follows in the next one, for a read with ``read`` beside it.
    Registers answer always, memories between two steps.
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
        access: the host has the memories; ``address``: where, from a register.
        register_number, register_write, data: the register that is meant; written when it says so.
        register_access: an access to a register is about to end.
        register_read: the register's value.
    """

    def __init__(self, tables: dict[str, Table]) -> None:
        self.tables = tables
        self._ports: list[tuple[Table, Sequence[HostPort], Sequence[Any] | None]] = []
        super().__init__(
            {
                "bus": In(Bus()),
                "idle": In(1),
                "wait": Out(1),
                "access": Out(1),
                "address": Out(32),
                "register_number": Out(8),
                "register_write": Out(1),
                "register_access": Out(1),
                "data": Out(32),
                "register_read": In(32),
            }
        )

    def attach(self, table: str, ports: Sequence[Any], shown: Sequence[Any] | None = None) -> None:
        """Serve these banks, all of a table; before elaboration.

        Args:
            table: its name.
            ports: of the banks.
            shown: where what is read can be seen, if not at the ports; 0 where nothing is asked.
                Several tables may be seen at the same places: once is enough.
        """
        self._ports.append((self.tables[table], ports, shown))

    def elaborate(self, platform: Any) -> Module:
        """A counter of the access' cycles; writing and reading happen in the last one."""
        m = Module()
        bus = self.bus
        # The host holds it, and an access begins a cycle later: so memories, all over the chip, are
        # addressed by a register.
        address = Signal.like(bus.address, reset_less=True)
        m.d.sync += address.eq(bus.address)
        m.d.comb += self.address.eq(address)
        region = address[REGION_SHIFT:]
        index = address[INDEX_SHIFT:REGION_SHIFT]
        column = address[:COLUMN_NUMBER_BITS]
        to_memory = Signal()
        at = Signal(range(REGISTER_ACCESS))  # all ones in the last cycle
        open_ = Signal()  # an access is under way; to a memory, then the core stays idle
        write = Signal()
        m.d.comb += [
            to_memory.eq(bus.address[REGION_SHIFT:] != REGISTERS),
            bus.ready.eq(open_ & at.all()),
            write.eq(bus.ready & bus.write),
            self.register_number.eq(index),
            self.register_write.eq(write & ~to_memory),
            self.register_access.eq(open_ & ~to_memory & at[2:].all()),
            self.data.eq(bus.data),
        ]
        begins = Signal()
        m.d.comb += begins.eq(bus.valid & ~bus.done & (~to_memory | (self.wait & self.idle)))
        # A register, too: all that the core may begin depends on it.
        m.d.sync += self.wait.eq(bus.valid & to_memory & ~bus.ready)
        m.d.sync += [bus.done.eq(bus.ready), at.eq(at + 1)]
        with m.If(~open_):
            m.d.sync += [
                open_.eq(begins),
                self.access.eq(begins & to_memory),
                at.eq(Mux(to_memory, REGISTER_ACCESS - ACCESS, 0)),
            ]
        with m.Elif(bus.ready):
            m.d.sync += [open_.eq(0), self.access.eq(0)]

        of_register = Signal()
        m.d.sync += of_register.eq(~to_memory)
        answers: list[Any] = []
        for table, ports, shown in self._ports:
            bits = (table.banks - 1).bit_length() if table.kind == BANKED else 0
            here = Signal(name=f"at_{table.name}")
            m.d.comb += here.eq(region == table.region)
            for number, port in enumerate(ports):
                first = bool(bits) or number == 0  # of copies, one is enough to read
                m.d.comb += [
                    port.asked.eq(here & (index[:bits] == number) if bits else here),
                    port.access.eq(self.access),
                    port.reads.eq(first),
                    port.write.eq(write & to_memory),
                    port.giving.eq(bus.write),
                    port.index.eq(index[bits:]),
                    port.column.eq(column),
                    port.data.eq(bus.data),
                ]
                if shown is None and first:
                    answers.append(port.read)
            answers += shown or ()
        # Memories are all over the chip: a register on the way.
        near = []
        for i in range(0, len(answers), 6):
            near.append(Signal(32, name=f"answer{i // 6}", reset_less=True))
            m.d.sync += near[-1].eq(tree(or_, answers[i : i + 6]))
        with m.If(bus.ready):
            m.d.sync += bus.read.eq(Mux(of_register, self.register_read, tree(or_, near)))
        return m
