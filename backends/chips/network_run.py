"""Messages through the network, on the compiled kernel where there is one."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ...errors import InputError
from . import native
from .loose import LooselyTimed
from .network import MESSAGE, MeshShape, TickByTick
from .trees import Trees

if TYPE_CHECKING:
    from numpy.typing import NDArray


_Self = TypeVar("_Self", bound="Network")

LARGEST_TABLE = 1 << 28
"""Tiles times cores; the kernel keeps a byte for each."""


def fits_kernel(shape: MeshShape) -> bool:
    """Whether the kernel's words and table of ways have room; the definition takes any mesh."""
    ports = int(shape.port.max(initial=0)) + 1
    return ports <= 59 and shape.rows * shape.columns * len(shape.tile) <= LARGEST_TABLE


class Network:
    """A mesh on which messages travel; a context manager.

    Args:
        shape: of the mesh.
        compiled: whether to use the kernel; None: where there is one.
        shift: loosely timed, in spans of ``2 ** shift`` ticks; None: to the tick.

    Attributes:
        passed, waited: (networks, tiles, 4) messages over each link, and ticks that they waited
            for it in sum, of all calls.
    """

    def __init__(
        self, shape: MeshShape, compiled: bool | None = None, shift: int | None = None
    ) -> None:
        self.shape, self._shift = shape, shift
        library = native.library() if compiled in (None, True) and fits_kernel(shape) else None
        if compiled and library is None:
            raise RuntimeError("the network's kernel is not there; install with a C compiler")
        self._library: Any = library
        size = (shape.networks, shape.rows * shape.columns, 4)
        self.passed, self.waited = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self._net: Any = None
        self._slow: TickByTick | None = None
        if library is not None:
            self._open()

    def _open(self) -> None:
        shape, port = self.shape, self.shape.port
        ports = int(port.max(initial=0)) + 1
        core = np.full((shape.rows * shape.columns, ports), -1, np.int32)
        core[shape.tile, port] = np.arange(len(port))
        self._places = (np.ascontiguousarray(shape.tile, np.int32), port, core)
        self._mesh = native.Mesh(
            shape.rows,
            shape.columns,
            len(port),
            ports,
            shape.networks,
            shape.buffer,
            shape.receive,
            shape.interval,
            shape.inject,
            shape.eject,
            (ctypes.c_int64 * 4)(*shape.hop),
            shape.fixed,
            *(table.ctypes.data for table in self._places),
        )
        self._net = self._library.sl_chips_open(ctypes.byref(self._mesh))
        if not self._net:
            raise MemoryError("the network's buffers")

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._net:
            self._library.sl_chips_close(self._net)
            self._net = None

    def run_steps(
        self,
        messages: NDArray[np.void],
        first: NDArray[np.int64],
        groups: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Run steps, each for itself, and fill in the messages' times.

        Args:
            messages: of ``network.MESSAGE``, by step, then core, in the order of making.
            first: (steps · cores + 1,) where each core's packets of each step start.
            groups: (packets + 1,) where each packet's messages start; None: each has one.

        Returns:
            (steps,) the tick in which the last message of each step is done; 0 without any.
        """
        _check_messages(messages)
        if self._net and groups is not None:
            cores = len(self.shape.tile)
            source = np.repeat(np.arange(len(first) - 1) % cores, np.diff(first)).astype(np.int32)
            place = (self.shape.tile, self.shape.port, self.shape.columns)
            trees = Trees.of(groups, source, messages["target"], *place)
            spikes = _each(messages[groups[:-1]], 0)
            spikes["number"] = 0
            return self._run_trees(trees, messages, spikes, first, groups)[0]
        if self._net:
            tables = {name: np.ascontiguousarray(messages[name]) for name in ("target", "work")}
            traffic = self._traffic(**tables, **_columns(messages), spike=_each(messages, 0))
            return self._steps(traffic, first)[0]
        cores = len(self.shape.tile)
        end = np.zeros((len(first) - 1) // cores, np.int64)
        groups = np.arange(len(messages) + 1) if groups is None else groups
        for step in range(len(end)):
            bounds = first[step * cores : (step + 1) * cores + 1]
            if self._shift is not None:
                slow = LooselyTimed(self.shape, messages, groups, bounds, self._shift)
                slow.run()
            else:
                slow = TickByTick(self.shape, messages, groups)
                for core in range(cores):
                    slow.feed(core, int(bounds[core]), int(bounds[core + 1]))
                slow.advance()
            done = messages["done"][groups[bounds[0]] : groups[bounds[-1]]]
            end[step] = done.max(initial=0)
            self.passed += slow.passed
            self.waited += slow.waited
        return end

    def run_spikes(
        self,
        target: NDArray[np.int32],
        work: NDArray[np.int32],
        spikes: NDArray[np.void],
        first: NDArray[np.int64],
        each: bool = True,
    ) -> SpikeTimes:
        """Run steps, each for itself; what every message is follows from its spike.

        Args:
            target, work: of every message that any sender makes: core, and ticks that it takes.
            spikes: of ``native.SPIKE``, by step, then core, in the order of making; ``number``
                counts messages.
            first: (steps · cores + 1,) where each core's spikes of each step start.
            each: whether to note the times of every message.
        """
        if not self._net:
            return self._slow_spikes(target, work, spikes, first)
        amount = int(spikes["count"].sum()) if each else 0
        results = {name: np.zeros(amount, np.int64) for name in ("made", "done")} if each else {}
        traffic = self._traffic(target=target, work=work, spike=spikes, **results)
        end, sent = self._steps(traffic, first)
        return SpikeTimes(end, sent, results.get("made"), results.get("done"))

    def run_trees(
        self,
        start: NDArray[np.int64],
        trees: Trees,
        target: NDArray[np.int32],
        work: NDArray[np.int32],
        spikes: NDArray[np.void],
        first: NDArray[np.int64],
        each: bool = True,
    ) -> SpikeTimes:
        """As ``run_spikes``, multicast: each spike is one packet; its ``first`` is the sender.

        Args:
            start: (senders + 1,) where the messages of each sender begin.
            trees: of the senders.
            target, work: of every message.
            spikes, first, each: as for ``run_spikes``.
        """
        sender = spikes["first"]
        counts = (start[1:] - start[:-1])[sender]
        groups = np.concatenate([[0], np.cumsum(counts)])
        if not self._net:
            return self._slow_trees(start, target, work, spikes, first, groups)
        mine = spikes.copy()
        mine["number"] = groups[:-1] - start[:-1][sender]
        sizes = {"made": len(spikes), "done": int(groups[-1])} if each else {}
        results = {name: np.zeros(size, np.int64) for name, size in sizes.items()}
        tree = {"target": trees.root, "tree": trees.words}
        traffic = self._traffic(**tree, work=work, spike=mine, **results)
        end, sent = self._steps(traffic, first)
        made = np.repeat(results["made"], counts) if each else None
        return SpikeTimes(end, sent, made, results.get("done"))

    def _slow_trees(
        self,
        start: NDArray[np.int64],
        target: NDArray[np.int32],
        work: NDArray[np.int32],
        spikes: NDArray[np.void],
        first: NDArray[np.int64],
        groups: NDArray[np.int64],
    ) -> SpikeTimes:
        """The same on the definition."""
        counts = np.diff(groups)
        messages = np.zeros(int(groups[-1]), MESSAGE)
        shift = start[:-1][spikes["first"]] - groups[:-1]
        number = np.arange(len(messages)) + np.repeat(shift, counts)
        messages["target"], messages["work"] = target[number], work[number]
        messages["make"] = np.repeat(spikes["lead"], counts)
        end = self.run_steps(messages, first, groups)
        sent = np.zeros(len(first) - 1, np.int64)
        some = first[1:] > first[:-1]
        sent[some] = messages["sent"][groups[first[1:][some] - 1]]
        sent = sent.reshape(len(end), -1)
        return SpikeTimes(end, sent, messages["made"].copy(), messages["done"].copy())

    def _run_trees(
        self,
        trees: Trees,
        messages: NDArray[np.void],
        spikes: NDArray[np.void],
        first: NDArray[np.int64],
        groups: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Multicast on the kernel; fills in the messages' times."""
        tables = {"target": trees.root, "tree": trees.words}
        tables["work"] = np.ascontiguousarray(messages["work"])
        times = {name: np.zeros(len(spikes), np.int64) for name in ("made", "sent")}
        times |= {name: np.zeros(len(messages), np.int64) for name in ("arrived", "done")}
        found = self._steps(self._traffic(**tables, **times, spike=spikes), first)
        for name, values in times.items():
            per_message = np.repeat(values, np.diff(groups)) if name in ("made", "sent") else values
            messages[name] = per_message
        return found

    def _slow_spikes(
        self,
        target: NDArray[np.int32],
        work: NDArray[np.int32],
        spikes: NDArray[np.void],
        first: NDArray[np.int64],
    ) -> SpikeTimes:
        """The same on the definition."""
        spike = np.repeat(np.arange(len(spikes)), spikes["count"])
        rank = np.arange(len(spike)) - spikes["number"][spike]
        messages = np.zeros(len(spike), MESSAGE)
        messages["target"] = target[spikes["first"][spike] + rank]
        messages["work"] = work[spikes["first"][spike] + rank]
        messages["make"] = np.where(rank == 0, spikes["lead"][spike], spikes["rest"][spike])
        bounds = np.append(spikes["number"], len(spike))[first]
        end = self.run_steps(messages, bounds)
        sent = np.zeros(len(first) - 1, np.int64)
        some = bounds[1:] > bounds[:-1]
        sent[some] = messages["sent"][bounds[1:][some] - 1]
        sent = sent.reshape(len(end), -1)
        return SpikeTimes(end, sent, messages["made"].copy(), messages["done"].copy())

    def _steps(
        self, traffic: Any, first: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """On the kernel: when each step's last message is done, and each core's last one sent."""
        cores = len(self.shape.tile)
        first = np.ascontiguousarray(first, np.int64)
        end = np.zeros((len(first) - 1) // cores, np.int64)
        sent = np.zeros((len(end), cores), np.int64)
        where = (len(end), *(array.ctypes.data for array in (first, end, sent)))
        data = ctypes.byref(traffic)
        if self._shift is None:
            self._library.sl_chips_steps(self._net, data, *where)
        else:
            mesh = ctypes.byref(self._mesh)
            found = self._library.sl_chips_loose(mesh, data, self._shift, *where)
            if found == native.TOO_LONG:
                raise InputError(
                    "a step of this chip is too long for mode 'loose'",
                    expected="what is less than 2**29 ticks long",
                    remedy="mode 'queue'",
                )
            if found:
                raise MemoryError("the network's buffers")
        return end, sent

    def _traffic(self, **arrays: NDArray[Any]) -> Any:
        """The kernel's structure of contiguous arrays, or of equally spaced columns."""
        traffic = native.Traffic(stride=1)
        for name, array in {**arrays, "passed": self.passed, "waited": self.waited}.items():
            setattr(traffic, name, array.ctypes.data)
            if name in TIMES:
                traffic.stride = array.strides[0] // 8
        traffic.kept = arrays  # as long as the structure lives, so must what it points to
        return traffic


@dataclass(frozen=True, eq=False)
class SpikeTimes:
    """What became of the spikes of some steps, in ticks from each step's start.

    Attributes:
        end: (steps,) when the last message was done; 0 without any.
        sent: (steps, cores) when each core's last message left it.
        made, done: (messages,) when each was ready, and worked off; None: not noted.
    """

    end: NDArray[np.int64]
    sent: NDArray[np.int64]
    made: NDArray[np.int64] | None
    done: NDArray[np.int64] | None


TIMES = ("made", "sent", "arrived", "done")


def _check_messages(messages: NDArray[np.void]) -> None:
    if messages.dtype != MESSAGE or not messages.flags.c_contiguous:
        raise ValueError("messages must be a plain array of network.MESSAGE")


def _columns(messages: NDArray[np.void]) -> dict[str, NDArray[np.int64]]:
    """Where the kernel writes the times of each message."""
    return {name: messages[name] for name in TIMES}


def _each(messages: NDArray[np.void], first: int) -> NDArray[np.void]:
    """A spike of its own for each message, numbered from ``first`` on."""
    spikes = np.zeros(len(messages), native.SPIKE)
    spikes["begin"], spikes["lead"], spikes["count"] = messages["made"], messages["make"], 1
    spikes["first"] = spikes["number"] = np.arange(first, first + len(messages))
    return spikes


@dataclass(frozen=True, eq=False)
class Multicast:
    """The packets of many senders: each of a sender's spikes is one that takes its tree.

    Attributes:
        start: (senders + 1,) int64, where the messages of each sender begin.
        trees: of the senders.
        work: (messages,) int32, ticks that each takes at its target.
    """

    start: NDArray[np.int64]
    trees: Trees
    work: NDArray[np.int32]


class Journey(Network):
    """A network that is fed while it works: for spikes that answer to spikes.

    Args:
        shape: of the mesh.
        compiled: as for Network.
        multicast: packets with several messages; None: each has one.

    Attributes:
        messages: of MESSAGE; of multicast packets without ``made`` and ``sent``.
    """

    def __init__(
        self,
        shape: MeshShape,
        compiled: bool | None = None,
        multicast: Multicast | None = None,
    ) -> None:
        super().__init__(shape, compiled)
        self._multicast = multicast
        self._finished = np.empty(1024, np.int32)
        self._fed = self._packets = 0
        self.messages = np.zeros(1024, MESSAGE)
        self._groups = np.zeros(1024, np.int64)  # where each packet's messages begin
        if not self._net:
            self._slow = TickByTick(shape, self.messages, self._groups if multicast else None)
        else:
            self._spikes = np.zeros(1024, native.SPIKE)
            # Of packets: their targets and work, or, multicast, when they are made and sent.
            self._tables = {name: np.zeros(1024, np.int32) for name in ("target", "work")}
            self._departures = np.zeros(1024 if multicast else 0, MESSAGE)
            self._point(0)

    def _point(self, finishes: int) -> None:
        """Tell the kernel where everything is."""
        arrays = {**self._tables, **_columns(self.messages)}
        if self._multicast is not None:
            trees = self._multicast.trees
            arrays |= {"target": trees.root, "tree": trees.words, "work": self._multicast.work}
            arrays |= {name: self._departures[name] for name in ("made", "sent")}
        self._data = self._traffic(**arrays, spike=self._spikes, finished=self._finished)
        self._data.finishes = finishes

    def feed(
        self,
        messages: NDArray[np.void],
        core: NDArray[np.int64],
        sender: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Add packets.

        Args:
            messages: of all of them, one packet after the other.
            core: (packets,) that makes each, ascending.
            sender: (packets,) whose trees multicast packets take.

        Returns:
            (packets,) their numbers; of packets with one message these are the message's, too.
        """
        first, last = self._packets, self._packets + len(core)
        if first == last:
            return np.arange(0)
        needed = max(last + 1, self._fed + len(messages))
        if needed > len(self.messages):
            self._grow(needed)
        self.messages[self._fed : self._fed + len(messages)] = messages
        start, counts = np.arange(len(core)), np.ones(len(core), np.int64)
        if self._multicast is not None:
            bounds = self._multicast.start
            start = bounds[sender]
            counts = bounds[np.asarray(sender) + 1] - start
        begins = self._fed + np.cumsum(counts) - counts
        self._groups[first:last] = begins
        self._fed += len(messages)
        self._groups[last] = self._fed
        self._packets = last
        if self._net:
            self._spikes[first:last] = _each(self.messages[begins], first)
            if self._multicast is not None:
                self._spikes["first"][first:last] = sender
                self._spikes["number"][first:last] = begins - start
            else:
                for name, table in self._tables.items():
                    table[first:last] = messages[name]
        bounds = np.flatnonzero(np.diff(core, prepend=-1))
        for low, high in zip(bounds.tolist(), [*bounds[1:].tolist(), len(core)], strict=True):
            if self._slow:
                self._slow.feed(int(core[low]), first + low, first + high)
            else:
                self._library.sl_chips_feed(
                    self._net, ctypes.byref(self._data), int(core[low]), first + low, first + high
                )
        return np.arange(first, last)

    def _grow(self, needed: int) -> None:
        size = max(needed, 2 * len(self.messages))

        def grown(array: NDArray[Any]) -> NDArray[Any]:
            found = np.zeros(size, array.dtype)
            found[: len(array)] = array
            return found

        self.messages, self._finished = grown(self.messages), grown(self._finished)
        self._groups = grown(self._groups)
        if self._slow:
            self._slow.messages = self.messages
            self._slow.groups = self._groups if self._multicast else None
            return
        self._spikes = grown(self._spikes)
        self._tables = {name: grown(table) for name, table in self._tables.items()}
        if self._multicast is not None:
            self._departures = grown(self._departures)
        self._point(self._data.finishes)

    def departures(self, packets: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """When packets were made, and left their cores: 0 where they did not yet."""
        if self._multicast is not None and self._net:
            found = self._departures[packets]
        else:
            found = self.messages[self._groups[packets]]
        return found["made"], found["sent"]

    def advance(self, until: int) -> NDArray[np.int64]:
        """Go on to the tick ``until``; returns the messages that are done since the last call."""
        if self._slow:
            before = len(self._slow.finished)
            self._slow.advance(until)
            self.passed, self.waited = self._slow.passed, self._slow.waited
            return np.array(self._slow.finished[before:], np.int64)
        before = self._data.finishes
        self._library.sl_chips_advance(self._net, ctypes.byref(self._data), until)
        return self._finished[before : self._data.finishes].astype(np.int64)
