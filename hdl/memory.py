"""Memories: the banks that tables live in, behind one interface whatever they are made of."""

from __future__ import annotations

from operator import or_
from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .component import Component, tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .layout import Field, Table

INDEX_BITS, COLUMN_NUMBER_BITS = 24, 3

BLOCK_BITS = 256
"""From so many bits on, a memory goes into block RAM; below, a few LUTs hold it."""


class HostPort(wiring.Signature):
    """How the host reaches a bank while the core is idle.

    ``access`` gives the address ports of *all* banks to the host, so that one multiplexer serves
    all banks that the core addresses alike; ``asked`` says whether this bank is meant, and one
    cycle later ``write`` writes it, in an access that is ``giving``. All of them stay as they are
    for some cycles (``bus.ACCESS``), so that index and data may pass through the core's own
    registers. ``reads``, which is constant, says whether the host ever reads this bank. ``read``
    follows by a few cycles; during an access it is 0 unless the bank is asked, so that the banks'
    answers can be ORed.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "access": Out(1),
                "asked": Out(1),
                "reads": Out(1),
                "write": Out(1),
                "giving": Out(1),
                "index": Out(INDEX_BITS),
                "column": Out(COLUMN_NUMBER_BITS),
                "data": Out(32),
                "read": In(32),
            }
        )


def choose(values: Mapping[int, Any], number: Value) -> Any:
    """The value whose key is ``number``, as a tree of multiplexers; any of them for other numbers.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("nothing to choose from")
    if len(values) == 1:
        return next(iter(values.values()))
    low = {key >> 1: value for key, value in values.items() if not key & 1}
    high = {key >> 1: value for key, value in values.items() if key & 1}
    if not low or not high:
        return choose(low or high, number[1:])
    return Mux(number[0], choose(high, number[1:]), choose(low, number[1:]))


def _style(bits: int, block_bits: int) -> dict[str, str]:
    """What memories are made of; the smallest ones synthesis may choose for."""
    if bits >= block_bits:
        return {"ram_style": "block"}
    return {"ram_style": "distributed"} if bits >= BLOCK_BITS else {}


class Bank(Component):
    """One memory of a table, a port to read and one to write; a memory per column.

    Reading takes one cycle; ``read0`` … hold their value while ``read_enable`` is low. What is read
    of an entry that is written in the same cycle must not matter. Without ``writes`` only the host
    writes, at the address that is read, so that a memory of one port will do.

    Args:
        table: which.
        writes: the core writes it, too.
        apart: the core reads and writes each column at a time of its own: then there are
            ``read_enable0``, ``read_index0``, … instead of ``read_enable`` and ``read_index``, and
            so for writing.
        through: while the host has access, what is read, and what is written if the core writes,
            is what the core says all the same: without ``writes``, the host's address, too.
        block_bits: from so many bits on it goes into block RAM.

    Attributes:
        read_enable, read_index, read0 …: the core's reading side.
        write_enable, write_index, write0 …: the core's writing side.
        host: the host's port.
        memories: one per column, for simulators that reach in by the back door.
    """

    def __init__(
        self,
        table: Table,
        *,
        writes: bool = False,
        apart: bool = False,
        through: bool = False,
        block_bits: int = BLOCK_BITS,
    ) -> None:
        self.table = table
        self.writes, self.apart, self.through = writes, apart, through
        bits = max(1, (table.depth - 1).bit_length())
        members: dict[str, Any] = {"host": In(HostPort())}
        for suffix in range(len(table.widths)) if apart else ("",):
            members.update({f"read_enable{suffix}": In(1), f"read_index{suffix}": In(bits)})
            if writes:
                members.update({f"write_enable{suffix}": In(1), f"write_index{suffix}": In(bits)})
        for i, width in enumerate(table.widths):
            members[f"read{i}"] = Out(width)
            if writes:
                members[f"write{i}"] = In(width)
        super().__init__(members)
        self.memories = [
            memory.Memory(
                shape=width,
                depth=table.depth,
                init=[],
                attrs={
                    # What is read of an entry that is just being written matters to nobody.
                    "no_rw_check": 1,
                    **_style(width * table.depth, block_bits),
                },
            )
            for width in table.widths
        ]

    def get(self, name: str) -> Value:
        """A field of what was read."""
        field = self.table.field(name)
        value = getattr(self, f"read{field.column}")[field.offset : field.offset + field.width]
        return value.as_signed() if field.signed else value

    def host_value(self, name: str) -> Value:
        """A field of what the host writes into its column."""
        field = self.table.field(name)
        return self.host.data[field.offset : field.offset + field.width]

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
        """One memory per column; the host's access goes before the core's."""
        m = Module()
        host = self.host
        columns = range(len(self.table.widths))
        for i in columns:
            m.submodules[f"column{i}"] = column = self.memories[i]
            write, read = column.write_port(), column.read_port(domain="comb")
            suffix = str(i) if self.apart else ""
            enable = getattr(self, f"read_enable{suffix}")
            index = getattr(self, f"read_index{suffix}")
            # The register is the memory's own; it and its reset cost nothing in block RAM.
            held = Signal(column.data.shape, name=f"held{i}", reset_less=True)
            hidden = Signal(name=f"hidden{i}")
            m.d.sync += hidden.eq(host.access & ~(host.asked & (host.column == i)))
            looks = 0 if self.through else host.access & host.reads
            # One address, so that a memory with a single port will do.
            single = not self.writes and not self.apart
            if single and not self.through:
                looks = host.access
            with m.If(hidden):
                m.d.sync += held.eq(0)
            with m.Elif(enable | looks):
                m.d.sync += held.eq(read.data)
            m.d.comb += [
                read.addr.eq(Mux(looks, host.index, index)),
                getattr(self, f"read{i}").eq(held),
                write.en.eq(host.write & ~hidden),
                write.addr.eq(read.addr if single else host.index),
                write.data.eq(host.data),
            ]
            if self.writes:
                own = getattr(self, f"write{i}")
                place = getattr(self, f"write_index{suffix}")
                m.d.comb += [
                    write.en.eq(getattr(self, f"write_enable{suffix}") | (host.write & ~hidden)),
                    write.addr.eq(place),
                    write.data.eq(own),
                ]
                if not self.through:
                    m.d.comb += [
                        write.addr.eq(Mux(host.access, host.index, place)),
                        write.data.eq(Mux(host.access, host.data, own)),
                    ]
        m.d.comb += host.read.eq(tree(or_, (getattr(self, f"read{i}") for i in columns)))
        return m
