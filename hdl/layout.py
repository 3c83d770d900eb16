"""Every memory of a core, as data: which fields an entry has and where each bit is.

The hardware builds its memories from these tables, the image packer fills them, and a host reads
and writes them by the address map below. An entry is cut into *columns* of at most 32 bits, so that
one host word is one column of one entry, whatever the widths; the core reads all columns at once.
A field never crosses columns.

A table's kind says where its entries are:

- ``BANKED``: of ``B`` memories, entry ``i`` is in memory ``i mod B`` at address ``i div B``;
- ``COPIED``: every memory has a copy of every entry; a write goes to all of them;
- ``SINGLE``: one memory.

Synapses and accumulators have a memory per lane (``P``), neurons and generators one per neuron that
is updated at a time (``U``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .geometry import MAX_DECAY_BITS, Geometry, count_bits, index_bits
from .learning_tables import learning_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

BANKED, COPIED, SINGLE = "banked", "copied", "single"
COLUMN_BITS = 32
NEW_COLUMN = "new column"
"""Among fields: what follows is read at another time, and so stands in a memory of its own."""

NINTH_BIT_WORDS = 2048
"""Up to so many words, a block RAM has nine bits for every eight. Of more words, a bit beyond a
multiple of eight stands in a memory of its own."""

MOST_SYNAPSES = (1 << 16) - 1
"""Of one row group, however many words there are."""

REGION_SHIFT, INDEX_SHIFT = 27, 3
"""A host address is ``region << 27 | entry << 3 | column``, in words of 32 bits."""
CORE_SHIFT = 32
"""Of a mesh, what stands before that is the core's number; the number of cores means all."""
REGISTERS = 0
"""The region of the control registers; a register's number stands where entries have theirs."""


@dataclass(frozen=True)
class Field:
    """One number in an entry, and its place: column and lowest bit there."""

    name: str
    width: int
    signed: bool
    column: int
    offset: int


@dataclass(frozen=True)
class Table:
    """One memory region.

    Attributes:
        name: how hardware, packer and documentation call it.
        region: its number in host addresses.
        kind: BANKED, COPIED or SINGLE.
        banks: how many memories there are.
        depth: entries per memory.
        fields: in the order of their places.
        meaning: one sentence for the documentation.
    """

    name: str
    region: int
    kind: str
    banks: int
    depth: int
    fields: tuple[Field, ...]
    meaning: str

    @property
    def entries(self) -> int:
        """Entries that differ from each other."""
        return self.depth * (self.banks if self.kind == BANKED else 1)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Width of each column in bits."""
        widths = [0] * (1 + max(field.column for field in self.fields))
        for field in self.fields:
            widths[field.column] = max(widths[field.column], field.offset + field.width)
        return tuple(widths)

    @property
    def bits(self) -> int:
        """Width of an entry in bits."""
        return sum(self.widths)

    def field(self, name: str) -> Field:
        """The field of that name."""
        return next(field for field in self.fields if field.name == name)

    def has(self, name: str) -> bool:
        """Whether this build has that field."""
        return any(field.name == name for field in self.fields)

    def address(self, entry: int, column: int = 0) -> int:
        """Host address of one column of one entry."""
        return self.region << REGION_SHIFT | entry << INDEX_SHIFT | column

    def encode(self, size: int, values: Mapping[str, NDArray]) -> list[NDArray[np.uint32]]:
        """Columns of ``size`` entries whose fields have these values; the others are zero.

        Values outside a field's range are the caller's mistake and raise ValueError.
        """
        columns = [np.zeros(size, np.uint32) for _ in self.widths]
        for name, value in values.items():
            field = self.field(name)
            wide = np.asarray(value, np.int64)
            low = -(1 << field.width - 1) if field.signed else 0
            high = (1 << field.width - field.signed) - 1
            if wide.size and (wide.min() < low or wide.max() > high):
                raise ValueError(f"{self.name}.{name}: {wide.min()} … {wide.max()} do not fit")
            bits = (wide & ((1 << field.width) - 1)) << field.offset
            columns[field.column][:] |= bits.astype(np.uint32)
        return columns

    def decode(self, columns: list[NDArray[np.uint32]]) -> dict[str, NDArray[np.int64]]:
        """The inverse of ``encode``: every field's values."""
        values = {}
        for field in self.fields:
            raw = columns[field.column].astype(np.int64) >> field.offset
            raw &= (1 << field.width) - 1
            sign = 1 << field.width - 1
            values[field.name] = (raw ^ sign) - sign if field.signed else raw
        return values


def _table(
    name: str,
    region: int,
    kind: str,
    banks: int,
    depth: int,
    fields: Iterable[tuple[str, int] | tuple[str, int, bool] | None],
    meaning: str,
) -> Table:
    """Give each field its place: the next bits of the column, or a new one if they do not fit."""
    placed: list[Field] = []
    column = offset = 0
    for entry in fields:
        if entry is None:
            continue
        field, width, signed = (*entry, False)[:3]
        if offset + width > COLUMN_BITS or field == NEW_COLUMN:
            column, offset = column + 1, 0
        if field != NEW_COLUMN:
            placed.append(Field(field, width, signed, column, offset))
            offset += width
    return Table(name, region, kind, banks, depth, tuple(placed), meaning)


def dense_part_bits(g: Geometry) -> int:
    """Bits of a dense weight's place in its entry: 2 to that power share one entry of a lane.

    They are those of the weight's group, lowest bits first; a row has no more than there are.
    """
    table = _synapse(g)
    last = table.field("last")
    free = table.widths[0] if last.column else last.offset
    return min((free // g.weight_bits).bit_length() - 1, index_bits(g.groups))


def _synapse(g: Geometry) -> Table:
    group, delay = index_bits(g.groups), index_bits(g.delay_slots)
    apart = g.words > NINTH_BIT_WORDS and (g.weight_bits + group + delay) % 8 == 0
    return _table(
        "synapse", 4, BANKED, g.lanes, g.words,
        [("weight", g.weight_bits, True), ("group", group), ("delay", delay),
         (NEW_COLUMN, 0) if apart else None, ("last", 1)],
        "A sparse synapse: mantissa, group of its target, wheel delay; or several dense mantissas,"
        " that of group `j` at place `j` mod their number, the lowest bits first; the `last` entry"
        " of a row in its lane",
    )  # fmt: skip


def _bits(name: str, bits: int) -> list[tuple[str, int]]:
    """Fields of so many bits, 32 in each."""
    return [(f"{name}{i}", min(32, bits - i)) for i in range(0, bits, 32)]


def _masks(bits: int) -> list[tuple[str, int]]:
    return _bits("mask", bits)


def _apart(g: Geometry) -> tuple[str, int] | None:
    """The small core has what it reads at once in a column of its own."""
    return (NEW_COLUMN, 0) if g.micro else None


def _profile(g: Geometry) -> Table:
    """What is needed first stands first; the last column is read when a neuron has fired."""
    flag = [
        (name, 1)
        for name, built in (
            ("spiking", True),
            ("linear", g.linear and g.exponential),
            ("subtract", g.subtract),
            ("late", g.late),
            ("hold", g.hold and g.mask and g.refractory_bits > 0),
        )
        if built
    ]
    second, adapt = g.receptors == 2, g.adaptation
    return _table(
        "profile", 6, COPIED, g.update_lanes, g.profiles,
        [*flag, ("shift", count_bits(g.shifts)) if g.shifts else None,
         _apart(g), ("keep_u0", MAX_DECAY_BITS), ("keep_u1", MAX_DECAY_BITS) if second else None,
         # What an exponential leak keeps and what a linear one takes never meet.
         _apart(g), ("leak", max(MAX_DECAY_BITS, g.state_bits - 1) if g.linear else MAX_DECAY_BITS),
         ("keep_adapt", MAX_DECAY_BITS) if adapt else None,
         (NEW_COLUMN, 0),
         ("v_reset", g.state_bits, True), _apart(g),
         ("refractory", g.refractory_bits) if g.refractory_bits else None,
         ("adapt_step", g.state_bits - 1) if adapt else None],
        "A parameter set; `keep_u0` is 4096 − ku, `leak` is 4096 − kv or L, `late` the delayed"
        " reset",
    )  # fmt: skip


def _state(g: Geometry) -> Table:
    state = g.state_bits
    return _table(
        "state", 9, BANKED, g.update_lanes, g.update_groups,
        [("u0", state, True), ("pending", 1) if g.late else None, ("fired", 1), ("saturated", 3),
         (NEW_COLUMN, 0),
         ("v", state, True), ("refractory", g.refractory_bits) if g.refractory_bits else None,
         ("u1", state, True) if g.receptors == 2 else None,
         ("adapt", state - 1) if g.adaptation else None],
        "A neuron's state; `pending` is a delayed reset, `saturated` the sticky bits",
    )  # fmt: skip


def layout(g: Geometry) -> dict[str, Table]:
    """All tables of a core, by name; those of features that are not built are missing."""
    state, P, U = g.state_bits, g.lanes, g.update_lanes
    part = dense_part_bits(g)
    taking = _masks(P)
    mask = _masks(U)
    # A plastic row has a synapse for each neuron, if need be, in a memory of its own.
    most = min(max((g.words << part) * P, g.groups * P if g.rules else 0), MOST_SYNAPSES)
    tables = [
        _table("origin", 1, SINGLE, 1, g.origins,
               [("start", index_bits(g.destinations)), _apart(g),
                ("count", count_bits(g.destinations))],
               "Where a sender's destination list is: neurons first, then generators, then host"
               " channels"),
        _table("destination", 2, SINGLE, 1, g.destinations,
               [("axon", index_bits(g.axons)), *(_bits("cores", g.cores) if g.cores > 1 else ())],
               "One destination of a spike: an axon of this core; on a mesh, of all these `cores`"),
        _table("axon", 3, SINGLE, 1, g.axons,
               [("start", index_bits(g.rows)), _apart(g), ("count", count_bits(g.rows))],
               "Where an axon's row groups are"),
        _synapse(g),
        _table("row", 5, SINGLE, 1, g.rows,
               [("address", index_bits(g.words)), ("dense", 1), ("receptor", 1),
                ("exponent", 4) if g.exponents else None,
                ("group", index_bits(g.groups)), ("delay", index_bits(g.delay_slots)),
                ("end", part) if part else None, *taking,
                _apart(g), ("synapses", count_bits(most)),
                *([("plastic", 1), ("changes", 2), _apart(g),
                   ("walk", index_bits(g.plastic_rows))] if g.rules else [])],
               "A row group: its first entry, the same in all lanes that take part (`mask`);"
               " first group and delay of a dense row and the place of its last weight in an"
               " entry; number of synapses"),
        _profile(g),
        _table("select", 7, BANKED, U, g.update_groups,
               [("profile", index_bits(g.profiles)), _apart(g), ("sends", 1)],
               "A neuron's profile, and whether it has destinations"),
        _table("neuron", 8, BANKED, U, g.update_groups,
               [("threshold", state, True), (NEW_COLUMN, 0),
                *([("bias", state, True), (NEW_COLUMN, 0)] if g.bias else []),
                ("key", 32) if g.adaptation else None],
               "What a neuron has of its own; `key` is the key term of its random numbers"),
        _state(g),
        _table("fired", 10, SINGLE, 1, g.update_groups,
               [("group", index_bits(g.update_groups)), *mask],
               "Neurons that fired in the last step and have destinations: their groups of U and"
               " who in them"),
        *(_table(f"wheel{r}", 11 + r, BANKED, P, g.groups * g.delay_slots,
                 [("sum", g.accumulator_bits, True)],
                 f"Accumulators of receptor {r}: group · delay_slots + step mod delay_slots")
          for r in range(g.receptors)),
        _table("injected", 13, BANKED, U, g.update_groups, [("value", state, True)],
               "Graded events of the next step") if g.graded else None,
        *((_table("generator", 14, BANKED, U, g.generator_groups,
                  [("state", 32), ("value", 32), ("periodic", 1), ("sends", 1)],
                  "A generator: key term and probability, or steps to its next spike and period"),
           _table("generated", 15, SINGLE, 1, g.generator_groups,
                  [("group", index_bits(g.generator_groups)), *mask],
                  "Generators that fire in this step and have destinations"))
          if g.generators else ()),
        *(_table(*table) for table in learning_tables(g)),
    ]  # fmt: skip
    return {table.name: table for table in tables if table is not None}


_PATHS = {
    **{name: f"fetch.{name}.bank" for name in ("origin", "destination", "axon", "row")},
    **{name: f"array.unit#.bank_{name}" for name in
       ("profile", "select", "neuron", "state", "injected")},
    **{name: f"synapses#.accumulators.{name}" for name in ("wheel0", "wheel1")},
    "synapse": "synapses#.synapses",
    "fired": "spike_queue.lookup.bank",
    "generated": "generators.queue.lookup.bank",
    "generator": "generators.bank#",
    **{name: f"engine.bank_{name}#" for name in
       ("plastic", "xtrace1", "xtrace2", "ytrace1", "ytrace2", "term", "xkey", "ykey",
        "before", "factor")},
    **{name: f"engine.bank_{name}" for name in
       ("walk", "rule", "code", "salt", "decay", "window")},
}  # fmt: skip


def path(table: str, lane: int, column: int, core: int | None = None) -> str:
    """Where a memory is in the hierarchy, for simulators that reach in by the back door.

    Args:
        core: of a mesh.
    """
    place = _PATHS[table].replace("#", str(lane)) + f".column{column}"
    return place if core is None else f"core{core}.{place}"
