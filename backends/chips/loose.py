"""Messages on a mesh of routers, loosely timed: the readable definition of ``loose_flow.c``.

Routers, links and cores are those of ``network.py``. Time goes by in spans of some ticks: within a
span inputs are visited in rounds, and with a visit the first packet of an input leaves. Where it
comes to, and the input that it leaves, are visited in the next round if their first packets are due
within the span. When a packet leaves is one computation: the first tick in which it is there, the
one before it is gone, and the output and a place behind that are free. So two packets that are less
than a span apart may take a link in the wrong order, and a packet that is to leave later than the
span has its output already: ``network.py`` without the wheel of events. A core works on packets in
the order in which they were sent to it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .network import FIXED, SIDES, MeshShape

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Key = tuple[int, int, int]


@dataclass
class _Input:
    """An input of a router, and the link that leads to it.

    ``packets`` have the tick from which on they are there, and their messages; ``gone`` is when
    each of those that left was; ``asks`` what the first one has to bring, by side; ``woken`` that
    it is visited in the next round because there is a place for it.
    """

    packets: deque[tuple[int, tuple[int, ...]]] = field(default_factory=deque)
    came: int = 0
    gone: list[int] = field(default_factory=list)
    link_free: int = 0
    asks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    left: int = 0
    wanted: set[int] = field(default_factory=set)
    turn: int = 0
    woken: bool = False


@dataclass
class _Core:
    """What a core makes, and when it began with the packets that came, by network."""

    to_make: deque[int]
    begins: list[list[int]]
    link_free: list[int]
    ready: int = 0
    sent: int = 0
    network: int = 0
    free: int = 0


class LooselyTimed:
    """A mesh at work, for one step; slow.

    Args:
        shape: of the mesh.
        messages: of ``network.MESSAGE``; filled in.
        groups: (packets + 1,) where each packet's messages begin; None: each has one.
        first: (cores + 1,) where each core's packets begin.
        shift: a span is ``2 ** shift`` ticks.

    Attributes:
        passed, waited: (networks, tiles, 4) messages over each link, and ticks that they waited.
    """

    def __init__(
        self,
        shape: MeshShape,
        messages: NDArray[np.void],
        groups: NDArray[np.int64] | None,
        first: NDArray[np.int64],
        shift: int,
    ) -> None:
        self.shape, self.messages, self.groups, self.shift = shape, messages, groups, shift
        self.port, self.tile = shape.port, shape.tile
        self.ports = int(self.port.max(initial=0)) + 1
        self.tiles = shape.rows * shape.columns
        self.inputs = {
            (network, tile, side): _Input()
            for network in range(shape.networks)
            for tile in range(self.tiles)
            for side in range(SIDES + self.ports)
        }
        networks = shape.networks
        self.cores = [
            _Core(
                deque(range(int(first[core]), int(first[core + 1]))),
                [[] for _ in range(networks)],
                [0] * networks,
            )
            for core in range(len(self.tile))
        ]
        self.core_at = {
            (int(t), int(p)): core
            for core, (t, p) in enumerate(zip(self.tile, self.port, strict=True))
        }
        self.passed = np.zeros((networks, self.tiles, SIDES), np.int64)
        self.waited = np.zeros_like(self.passed)
        # To be visited in the next round, and after this span: behind links, and behind cores.
        self.soon: tuple[list[_Key], list[_Key]] = ([], [])
        self.parked: tuple[list[_Key], list[_Key]] = ([], [])
        self.horizon = 1 << shift

    def run(self) -> None:
        """To the end."""
        for core in range(len(self.cores)):
            self._make(core)
            self._fill(core)
        self._rounds()
        while any(self.parked):
            least = min(self._ready(key) for keys in self.parked for key in keys)
            self.horizon = ((least >> self.shift) + 1) << self.shift
            for keys in self.parked:
                waiting, keys[:] = list(keys), []
                for key in waiting:
                    self._list(key)
            self._rounds()

    def _rounds(self) -> None:
        while any(self.soon):
            now = [key for keys in self.soon for key in keys]
            for keys in self.soon:
                keys.clear()
            for key in now:
                self._visit(key)

    # ------------------------------------------------------------------ cores

    def _of(self, packet: int) -> tuple[int, ...]:
        """The messages of a packet."""
        if self.groups is None:
            return (packet,)
        return tuple(range(int(self.groups[packet]), int(self.groups[packet + 1])))

    def _make(self, number: int) -> None:
        """A core's next packet will be ready."""
        core = self.cores[number]
        if core.to_make:
            packet = list(self._of(core.to_make[0]))
            message = self.messages[packet[0]]
            core.ready = max(int(message["made"]), core.sent) + int(message["make"])
            self.messages["made"][packet] = core.ready

    def _fill(self, number: int) -> None:
        """A core's packets enter its router, ahead of their time, as long as there are places."""
        core, buffer = self.cores[number], self.shape.buffer
        while core.to_make:
            key = core.network, int(self.tile[number]), SIDES + int(self.port[number])
            entry = self.inputs[key]
            if len(entry.packets) == buffer:
                return
            place = entry.gone[entry.came - buffer] if entry.came >= buffer else 0
            core.sent = max(core.ready, place)
            packet = self._of(core.to_make.popleft())
            self.messages["sent"][list(packet)] = core.sent
            core.network = (core.network + 1) % self.shape.networks
            self._enter(key, core.sent + self.shape.inject, packet)
            self._make(number)

    def _deliver(self, message: int, network: int, ready: int) -> int:
        """A message goes to its core; returns when it leaves the router."""
        core = self.cores[int(self.messages["target"][message])]
        begins, receive = core.begins[network], self.shape.receive
        room = begins[-receive] if len(begins) >= receive else 0
        at = max(ready, core.link_free[network], room)
        core.link_free[network] = at + self.shape.interval
        begin = max(at + self.shape.eject, core.free)
        begins.append(begin)
        core.free = begin + int(self.messages["work"][message])
        self.messages["arrived"][message] = at + self.shape.eject
        self.messages["done"][message] = core.free
        return at

    # ------------------------------------------------------------------ routers

    def _enter(self, key: _Key, when: int, packet: tuple[int, ...]) -> None:
        held = self.inputs[key]
        held.packets.append((when, packet))
        held.came += 1
        if len(held.packets) == 1:
            self._list(key)

    def _ready(self, key: _Key) -> int:
        """From when on an input's first packet may leave."""
        held = self.inputs[key]
        return max(held.packets[0][0], held.gone[-1] if held.gone else 0)

    def _list(self, key: _Key) -> None:
        """An input is visited in the next round, or later than in this span."""
        lists = self.soon if self._ready(key) < self.horizon else self.parked
        lists[key[2] >= SIDES].append(key)

    def _visit(self, key: _Key) -> None:
        """The first packet of an input leaves, if it can."""
        held = self.inputs[key]
        held.woken = False
        if not self._leave(key, held.packets[0][1], self._ready(key)):
            return
        held.packets.popleft()
        held.gone.append(held.left + self.shape.interval)
        held.left = 0
        if held.packets:
            self._list(key)
        self._freed(key)

    def _leave(self, key: _Key, packet: tuple[int, ...], ready: int) -> bool:
        """The forks of a packet leave; whether all could."""
        network, tile, _ = key
        held = self.inputs[key]
        if not held.asks:
            for message in packet:
                side = self._side(tile, int(self.messages["target"][message]))
                held.asks[side] = (*held.asks.get(side, ()), message)
        for side in sorted(held.asks):
            if side >= SIDES:
                at = self._deliver(held.asks[side][0], network, ready)
            else:
                there = network, self._beside(tile, side), side ^ 2
                behind = self.inputs[there]
                if len(behind.packets) == self.shape.buffer:
                    behind.wanted.add(key[2])
                    continue
                buffer = self.shape.buffer
                place = behind.gone[behind.came - buffer] if behind.came >= buffer else 0
                at = max(ready, behind.link_free, place)
                behind.wanted.discard(key[2])
                behind.link_free = at + self.shape.interval
                self.passed[network, tile, side] += 1
                self.waited[network, tile, side] += at - ready
                self._enter(there, at + self.shape.hop[side], held.asks[side])
            held.left = max(held.left, at)
            del held.asks[side]
        return not held.asks

    def _freed(self, key: _Key) -> None:
        """There is a place more in an input."""
        network, tile, side = key
        held = self.inputs[key]
        if side >= SIDES:
            self._fill(self.core_at[tile, side - SIDES])
        elif held.wanted:
            ports = SIDES + self.ports
            order = [(held.turn + k) % ports for k in range(ports)]
            if self.shape.fixed:
                order = [*FIXED[side ^ 2], *range(SIDES, ports)]
            number = next(k for k in order if k in held.wanted)
            held.wanted.remove(number)
            held.turn = (number + 1) % ports
            there = network, self._beside(tile, side), number
            if not self.inputs[there].woken:
                self.inputs[there].woken = True
                self.soon[number >= SIDES].append(there)

    def _side(self, tile: int, target: int) -> int:
        """The output of a tile by which a message to a core leaves."""
        row, column = divmod(tile, self.shape.columns)
        to_row, to_column = divmod(int(self.tile[target]), self.shape.columns)
        if to_column != column:
            return 1 if to_column > column else 3
        if to_row != row:
            return 0 if to_row < row else 2
        return SIDES + int(self.port[target])

    def _beside(self, tile: int, side: int) -> int:
        return tile + (-self.shape.columns, 1, self.shape.columns, -1)[side]
