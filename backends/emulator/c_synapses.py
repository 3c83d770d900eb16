"""Plastic synapses as ``learn.c`` sees them: by presynaptic neuron and by position."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.program import DENSE, SPARSE
from . import native
from .plastic import PlasticRows, RuleTable, Synapses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import CoreWeights

_SHAPE = ("base", "count")


class CSynapses:
    """The plastic synapses of one Program; everything that C sees of them is kept alive here.

    Args:
        program: a verified Program with rules.
        weights: mantissas and delays per core, in which learning writes.
        targets: (threads + 1,) first target of each thread.
        tables: its rules.

    Attributes:
        rows: the row groups of all rules.
        tags: per core of sparse and of dense synapses.
        memories: the memories of all cores.
    """

    def __init__(
        self,
        program: Program,
        weights: tuple[CoreWeights, ...],
        targets: NDArray[np.int64],
        tables: list[RuleTable],
    ) -> None:
        self._program, self._targets = program, targets
        self._keep: list[Any] = [weights]
        self.rows = PlasticRows.of(program)
        self._position_of = [t.post.index_of(program.neurons) for t in tables]
        self.tags = [
            (np.zeros(len(c.sparse_enable), np.int8), np.zeros(len(c.dense_enable), np.int8))
            for c in program.cores
        ]
        self._all_enabled = self._fully_enabled()
        self.memories = self._fill_memories(weights)

    @property
    def bytes(self) -> int:
        """Memory of everything that is kept here, the weights themselves included."""
        return sum(array.nbytes for array in self._keep if isinstance(array, np.ndarray))

    def address(self, array: NDArray[Any]) -> int:
        """Where an array is, which is kept from now on."""
        assert array.flags.c_contiguous
        self._keep.append(array)
        return array.ctypes.data

    def addresses(self, arrays: Iterable[NDArray[Any]]) -> ctypes.Array[ctypes.c_void_p]:
        """Where two arrays are."""
        return (ctypes.c_void_p * 2)(*map(self.address, arrays))

    def numbers(self) -> list[NDArray[np.int32]]:
        """Per core (rows,) numbers of plastic row groups, -1 for static ones."""
        numbers = [np.full(len(c.rows), -1, np.int32) for c in self._program.cores]
        for number, (core, row) in enumerate(zip(self.rows.core, self.rows.row, strict=True)):
            numbers[core][row] = number
        return numbers

    def by_pre(self, table: RuleTable) -> dict[str, Any]:
        """A rule's row groups sorted by presynaptic neuron."""
        parts, pre = self.rows.of_rule(table.number), self.rows.table["pre"]
        parts = parts[np.argsort(pre[parts], kind="stable")]
        first = np.searchsorted(pre[parts], np.arange(len(table.pre.key) + 1))
        return {
            "first_part": self.address(first.astype(np.int64)),
            "parts": self.address(parts.astype(np.int32)),
        }

    def _fully_enabled(self) -> NDArray[np.bool_]:
        """(r,) rows of which every synapse may change."""
        table, full = self.rows.table, np.zeros(len(self.rows.table), bool)
        for number, core in enumerate(self._program.cores):
            for kind, bits in ((SPARSE, core.sparse_enable), (DENSE, core.dense_enable)):
                own = np.flatnonzero((self.rows.core == number) & (table["kind"] == kind))
                total = np.concatenate([[0], np.cumsum(bits, dtype=np.int64)])
                low, count = table["offset"][own], table["count"][own]
                full[own] = total[low + count] - total[low] == count
        return full

    def _fill_memories(self, weights: tuple[CoreWeights, ...]) -> ctypes.Array[native.Memory]:
        memories = (native.Memory * (2 * len(weights)))()
        for number, (core, weight) in enumerate(zip(self._program.cores, weights, strict=True)):
            delay = core.sparse_delay if weight.delay is None else weight.delay
            for kind, values, bits in (
                (SPARSE, weight.sparse, core.sparse_enable),
                (DENSE, weight.dense, core.dense_enable),
            ):
                memory = memories[2 * number + kind]
                memory.weight, memory.bytes = self.address(values), values.dtype.itemsize
                memory.tag = self.address(self.tags[number][kind])
                memory.enable = self.address(np.ascontiguousarray(bits))
                if kind == SPARSE:
                    memory.delay = self.address(np.ascontiguousarray(delay))
        return memories

    def parts_of(self, thread: int) -> NDArray[np.void]:
        """Every plastic row's synapses onto the targets of one thread."""
        program, rows, table = self._program, self.rows, self.rows.table
        low, high = self._targets[thread : thread + 2].tolist()
        parts = _table(native.Part, len(table))
        for name in ("pre", "receptor", "exponent", "delay"):
            parts[name] = table[name]
        parts["memory"] = 2 * rows.core + table["kind"]
        parts["all_enabled"] = self._all_enabled
        for number, position_of in enumerate(self._position_of):
            dense = rows.of_rule(number, DENSE)
            first = program.core_base[rows.core[dense]] + table["base"][dense].astype(np.int64)
            begin = np.clip(first, low, high)
            parts["offset"][dense] = table["offset"][dense] + begin - first
            parts["count"][dense] = np.clip(first + table["count"][dense], low, high) - begin
            parts["first_target"][dense] = begin
            position = np.append(position_of, 0)[begin]
            parts["first_position"][dense] = position

            sparse = rows.of_rule(number, SPARSE)
            synapses = Synapses.of(program, rows, sparse)
            own = (synapses.target >= low) & (synapses.target < high)
            counts = np.bincount(synapses.row[own], minlength=len(table))[sparse]
            start = np.cumsum(counts) - counts
            parts["count"][sparse], parts["offset"][sparse] = counts, table["offset"][sparse]
            target = synapses.target[own]
            for name, values, size in (
                ("target", target.astype(np.int32), 4),
                ("position", position_of[target], 4),
                ("place", synapses.place[own], 8),
            ):
                if name != "place" or len(self._targets) > 2:
                    parts[name][sparse] = self.address(values) + size * start
        return parts

    def rectangles(self, table: RuleTable) -> dict[str, Any]:
        """Dense rows sorted by what they reach, and who is reached by which."""
        rows, positions = self.rows, len(table.post.key)
        dense = rows.of_rule(table.number, DENSE)
        shape = np.stack(
            [rows.core[dense], *(rows.table[name][dense].astype(np.int64) for name in _SHAPE)]
        )
        kinds, kind = np.unique(shape, axis=1, return_inverse=True)
        kind = kind.reshape(-1)
        order = dense[np.argsort(kind, kind="stable")]
        count = np.bincount(kind, minlength=kinds.shape[1])
        start = np.cumsum(count) - count
        rectangles = _table(native.Rectangle, len(count))
        offset = rows.table["offset"][order].astype(np.int64)
        pre = rows.table["pre"][order].astype(np.int32)
        rectangles["offset"] = self.address(offset) + 8 * start
        rectangles["pre"] = self.address(pre) + 4 * start
        rectangles["rows"], rectangles["memory"] = count, 2 * kinds[0] + DENSE
        first = self._position_of[table.number][self._program.core_base[kinds[0]] + kinds[1]]
        rectangles["first_position"] = first
        part = np.bincount(kind, self._all_enabled[dense], minlength=len(count))
        rectangles["all_enabled"] = part == count
        size = len(table.pre.key)
        for number, begin in enumerate(start.tolist()):
            rectangles["complete"][number] = count[number] == size and np.array_equal(
                pre[begin : begin + size], np.arange(size)
            )
        width = kinds[2]
        member = np.repeat(np.arange(len(count)), width)
        position = np.repeat(first - (np.cumsum(width) - width), width) + np.arange(len(member))
        order = np.argsort(position, kind="stable")
        first_of = np.searchsorted(position[order], np.arange(positions + 1))
        return {
            "rectangle": self.address(rectangles),
            "rectangles": self.address(member[order].astype(np.int32)),
            "first_rectangle": self.address(first_of.astype(np.int64)),
        }

    def columns(self, table: RuleTable) -> dict[str, Any]:
        """Enabled sparse synapses sorted by whom they reach."""
        rows, positions = self.rows, len(table.post.key)
        synapses = Synapses.of(self._program, rows, rows.of_rule(table.number, SPARSE))
        on = synapses.enabled(self._program, rows)
        position = self._position_of[table.number][synapses.target[on]]
        order = np.argsort(position, kind="stable")
        first = np.searchsorted(position[order], np.arange(positions + 1))
        pre = rows.table["pre"][synapses.row[on][order]]
        neurons = table.post.neuron
        core = np.searchsorted(self._program.core_base, neurons, side="right") - 1
        return {
            "first_place": self.address(first.astype(np.int64)),
            "place": self.address(synapses.place[on][order]),
            "pre": self.address(pre.astype(np.int32)),
            "sparse_memory": self.address((2 * core + SPARSE).astype(np.int32)),
        }


def _table(structure: Any, size: int) -> NDArray[np.void]:
    """An array of C structures, to be filled in column by column."""
    return np.zeros(size, structure)
