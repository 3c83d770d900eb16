"""Synapses as the compiled kernel walks them: one stream of 32-bit words per thread."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import DENSE, ROW
from ...errors import DeviceError
from . import native

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import CoreWeights
    from .wiring import Wiring


_ONE, _PLASTIC = 2, 7
"""K_ONE and K_PLASTIC of kernel.h: such a source has nothing in the stream."""
_WORDS_IN_CACHE = 1 << 17
_MOST_LINES = 8


@dataclass(frozen=True, eq=False)
class Streams:
    """All rows of a Program for one set of weights.

    Attributes:
        row: per thread (sources, 2) uint32, a source's synapses as a block or a list of blocks;
            ``kernel.h`` says what a block is.
        stream: per thread uint32 words, what the blocks consist of.
        events: (sources,) int64, synapses of each source.
        single: (sources, 3) int32: target, value and ``2 · delay + receptor`` of the synapse of
            those sources that have exactly one; otherwise without meaning.
    """

    row: list[NDArray[np.uint32]]
    stream: list[NDArray[np.uint32]]
    events: NDArray[np.int64]
    single: NDArray[np.int32]

    @property
    def bytes(self) -> int:
        """Memory that the streams take, the rows' blocks and event counts included."""
        return sum(a.nbytes for a in (*self.row, *self.stream)) + self.events.nbytes

    def usual_lines(self, thread: int) -> int:
        """Cache lines of a typical row: so many are worth asking for before the row's turn.

        None where the whole stream fits the cache nearest to memory that a core has for itself.
        """
        words = len(self.stream[thread])
        if words < _WORDS_IN_CACHE:
            return 0
        head = self.row[thread][:, 1]
        rows = np.count_nonzero((head >> 29 != _ONE) & (head >> 29 != _PLASTIC) & (head != 0))
        return min(_MOST_LINES, words // max(1, rows) // 16 + 1)


def thread_ranges(program: Program, threads: int) -> NDArray[np.int64]:
    """(t + 1,) first target of each of at most ``threads`` threads; shares of about equal work.

    A thread without at least a cache line's worth of neurons would only slow the others down.
    """
    n = program.neurons
    threads = max(1, min(threads, n // 64))
    if threads == 1:
        return np.array([0, n], np.int64)
    synapses = np.zeros(n + 1, np.int64)
    for core, base in zip(program.cores, program.core_base[:-1].tolist(), strict=True):
        synapses[base : base + core.neurons] += np.bincount(
            core.sparse_target, minlength=core.neurons
        )
        dense = core.rows[core.rows["kind"] == DENSE]
        change = np.zeros(core.neurons + 1, np.int64)
        np.add.at(change, dense["base"].astype(np.int64), 1)
        np.add.at(change, dense["base"].astype(np.int64) + dense["count"], -1)
        synapses[base : base + core.neurons] += np.cumsum(change)[:-1] // 8
    # A neuron's update costs about as much as fifty synapses at the usual few spikes per hundred
    # steps.
    work = np.cumsum(synapses[:-1] + 50)
    cuts = np.searchsorted(work, work[-1] * np.arange(1, threads) / threads)
    return np.unique(np.concatenate([[0], (cuts + 8) // 16 * 16, [n]])).astype(np.int64)


def build_streams(
    library: native.Library,
    program: Program,
    wiring: Wiring,
    weights: tuple[CoreWeights, ...],
    ranges: NDArray[np.int64],
    plastic: list[NDArray[np.int32]] | None = None,
) -> Streams:
    """Lay out all rows.

    Args:
        library: the kernel's.
        program: whose rows they are.
        wiring: of the Program.
        weights: mantissas per core.
        ranges: (threads + 1,) first target of each thread.
        plastic: per core (rows,) numbers of plastic row groups, -1 for others: those stay where
            they are.

    Raises:
        DeviceError: there is not enough memory.
    """
    threads, sources = len(ranges) - 1, wiring.sources
    if ROW.itemsize != 28:
        raise AssertionError("kernel.h and program.py disagree about ROW")
    thread_of = np.repeat(np.arange(threads, dtype=np.uint8), np.diff(ranges))
    rows = [np.zeros((sources, 2), np.uint32) for _ in range(threads)]
    words = np.zeros(threads, np.int64)
    events = np.zeros(sources, np.int64)
    single = np.zeros((sources, 3), np.int32)
    keep: list[NDArray] = []
    layout = native.Layout(
        sources=sources,
        threads=threads,
        range=ranges.ctypes.data,
        thread_of=thread_of.ctypes.data,
        cores=_core_memories(program, weights, plastic, keep),
        destination_start=wiring.start.ctypes.data,
        destination_core=wiring.core.ctypes.data,
        destination_axon=wiring.axon.ctypes.data,
        row=pointers(rows),
        stream=None,
        words=words.ctypes.data,
        events=events.ctypes.data,
        single=single.ctypes.data,
    )
    try:
        if library.layout(ctypes.byref(layout)):
            raise MemoryError
        streams = [_room(count) for count in words.tolist()]
        layout.stream = pointers(streams)
        if library.layout(ctypes.byref(layout)):
            raise MemoryError
    except MemoryError:
        raise DeviceError(
            "the emulator ran out of memory while it laid out the synapses",
            found=f"{int(words.sum()) * 4 / 1e6:.0f} MB for the streams",
            where=f"{sources} sources, {int(events.sum())} synapses",
            remedy="close other programs, or use a machine with more memory",
        ) from None
    return Streams(rows, streams, events, single)


def _room(words: int) -> NDArray[np.uint32]:
    """Uninitialised words whose first one begins a cache line, as chunks want it."""
    space = np.empty(words + 16, np.uint32)
    skip = -space.ctypes.data % 64 // 4
    return space[skip : skip + words]


def pointers(arrays: list[NDArray]) -> ctypes.Array[ctypes.c_void_p]:
    """A C array of pointers to the arrays' contents; the arrays must outlive it."""
    return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))


def _core_memories(
    program: Program,
    weights: tuple[CoreWeights, ...],
    plastic: list[NDArray[np.int32]] | None,
    keep: list[NDArray],
) -> ctypes.Array[native.CoreMemory]:
    """The cores' tables as C sees them; arrays that had to be copied are put into ``keep``."""

    def address(array: NDArray) -> int:
        keep.append(np.ascontiguousarray(array))
        return keep[-1].ctypes.data

    memories = (native.CoreMemory * max(1, len(program.cores)))()
    for memory, core, weight, base in zip(
        memories, program.cores, weights, program.core_base.tolist(), strict=False
    ):
        memory.axon_start, memory.rows = address(core.axon_start), address(core.rows)
        memory.sparse_target = address(core.sparse_target)
        memory.sparse_delay = address(core.sparse_delay)
        memory.sparse_weight, memory.dense_weight = address(weight.sparse), address(weight.dense)
        memory.sparse_bytes = weight.sparse.dtype.itemsize
        memory.dense_bytes = weight.dense.dtype.itemsize
        memory.first_neuron = base
    for memory, numbers in zip(memories, plastic or (), strict=False):
        memory.plastic = address(numbers)
    return memories
