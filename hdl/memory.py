"""Memories: the banks that tables live in, behind one interface whatever they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .component import Component

if TYPE_CHECKING:
    from amaranth.hdl import Value

    from .layout import Field, Table

INDEX_BITS, COLUMN_NUMBER_BITS = 24, 3


class HostPort(wiring.Signature):
    """How the host reaches a bank while the core is idle.

    ``select`` and the rest are valid in the same cycle; ``read`` is there one cycle later, and
    zero unless the bank was selected, so that the banks' outputs can be ORed together.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "select": Out(1),
                "write": Out(1),
                "index": Out(INDEX_BITS),
                "column": Out(COLUMN_NUMBER_BITS),
                "data": Out(32),
                "read": In(32),
            }
        )


class Bank(Component):
    """One memory of a table: block RAM, one port to read and one to write.

    Reading takes one cycle; ``read_columns`` hold their value while ``read_enable`` is low. With
    ``forward``, a read of the entry that is written in the same cycle gives the new value,
    otherwise the old one. The host's port takes precedence; without ``writes`` only it writes.

    Attributes:
        read_enable, read_index, read_columns: the core's reading side.
        write_enable, write_index, write_columns: the core's writing side.
        host: the host's port.
        memories: one per column, for simulators that reach in by the back door.
    """

    def __init__(self, table: Table, *, forward: bool = False, writes: bool = False) -> None:
        self.table = table
        self.forward = forward
        self.writes = writes
        bits = max(1, (table.depth - 1).bit_length())
        members: dict[str, Any] = {
            "read_enable": In(1),
            "read_index": In(bits),
            "host": In(HostPort()),
        }
        if writes:
            members.update({"write_enable": In(1), "write_index": In(bits)})
        for i, width in enumerate(table.widths):
            members[f"read{i}"] = Out(width)
            if writes:
                members[f"write{i}"] = In(width)
        super().__init__(members)
        self.memories = [
            memory.Memory(shape=width, depth=table.depth, init=[]) for width in table.widths
        ]

    def get(self, name: str) -> Value:
        """A field of what was read."""
        field = self.table.field(name)
        value = getattr(self, f"read{field.column}")[field.offset : field.offset + field.width]
        return value.as_signed() if field.signed else value

    def put(self, **values: Any) -> list[Any]:
        """Statements that write these fields' values; the other fields are written as zero."""
        columns: list[list[Field]] = [[] for _ in self.table.widths]
        for field in self.table.fields:
            columns[field.column].append(field)
        unknown = set(values) - {field.name for field in self.table.fields}
        if unknown:
            raise KeyError(f"table {self.table.name!r} has no field {sorted(unknown)[0]!r}")
        statements = []
        for i, fields in enumerate(columns):
            parts = []
            for field in fields:
                part = Signal(field.width, name=f"put_{field.name}")
                statements.append(part.eq(values.get(field.name, 0)))
                parts.append(part)
            statements.append(getattr(self, f"write{i}").eq(Cat(*parts)))
        return statements

    def elaborate(self, platform: Any) -> Module:
        """One memory per column."""
        m = Module()
        host = self.host
        out = 0
        for i in range(len(self.table.widths)):
            m.submodules[f"column{i}"] = column = self.memories[i]
            write = column.write_port()
            read = column.read_port(transparent_for=[write] if self.forward else [])
            mine = Signal(name=f"mine{i}")
            m.d.comb += [
                mine.eq(host.select & (host.column == i)),
                read.en.eq(self.read_enable | mine),
                read.addr.eq(Mux(host.select, host.index, self.read_index)),
                write.en.eq(mine & host.write),
                write.addr.eq(host.index),
                write.data.eq(host.data),
                getattr(self, f"read{i}").eq(read.data),
            ]
            if self.writes:
                with m.If(~host.select):
                    m.d.comb += [
                        write.en.eq(self.write_enable),
                        write.addr.eq(self.write_index),
                        write.data.eq(getattr(self, f"write{i}")),
                    ]
            shown = Signal(name=f"shown{i}")
            m.d.sync += shown.eq(mine & ~host.write)
            out = out | Mux(shown, read.data, 0)
        m.d.comb += host.read.eq(out)
        return m
