"""Messages on a mesh of routers, tick by tick: the readable definition of ``network.c``.

Each tile has one router of each network; a core's messages take the networks in turns. A router's
inputs, from four sides and from its cores, hold a number of messages each, first come, first
served; a message leaves by the column first, then by the row. Per output one input after the other
has its turn, or they have a fixed order. A message takes an output for ``interval`` ticks, and
leaves only when there is room behind it: in the next router's input, or in front of a core. A core
works on one message after the other, and makes its own messages one after the other: the next one
is begun when the one before has found room in the router. Whatever takes time takes at least one
tick.

A packet may bring messages to several cores. It goes as one as long as their ways are the same,
and asks for all outputs that it needs at once; each takes it when it can, and it is gone when all
have.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MESSAGE = np.dtype(
    [
        ("target", "<i4"),  # core
        ("make", "<i4"),  # ticks that making takes, after the message before
        ("work", "<i4"),  # ticks that the target takes
        ("follow", "<i4"),  # for the kernel
        ("made", "<i8"),  # when it is ready; until then the tick before which it is not begun
        ("sent", "<i8"),  # when it left its core
        ("arrived", "<i8"),  # when it was in front of its target
        ("done", "<i8"),  # when the target was through with it
    ]
)
"""One message; ``made`` and what follows it are results."""

NORTH, EAST, SOUTH, WEST = range(4)
SIDES = 4
FIXED = ((SOUTH, WEST, EAST), (WEST,), (NORTH, WEST, EAST), (EAST,), (NORTH, SOUTH, WEST, EAST))
"""By output, the last one for all cores: the inputs in a fixed order, before those from cores. What
goes straight on is before what turns, and that before what begins."""


@dataclass(frozen=True, eq=False)
class MeshShape:
    """A mesh; times in ticks, each at least 1.

    Attributes:
        rows, columns: of tiles.
        tile: (cores,) int32 tile of each core, tiles row by row.
        networks, buffer, receive: parallel networks; messages in a router's input; messages of
            each network in front of a core.
        interval: between two messages over a link.
        inject, eject: from a core into its router, and from the router to a core.
        hop: four times from input to input: north, east, south, west.
        fixed: inputs have a fixed order at each output; otherwise they take turns.
    """

    rows: int
    columns: int
    tile: NDArray[np.int32]
    networks: int
    buffer: int
    receive: int
    interval: int
    inject: int
    eject: int
    hop: tuple[int, int, int, int]
    fixed: bool = False

    @property
    def port(self) -> NDArray[np.int32]:
        """(cores,) which of its tile's cores each is."""
        return ports_of(self.tile)


def ports_of(tile: NDArray[np.int32]) -> NDArray[np.int32]:
    """(cores,) which of its tile's cores each is, from the tile of each core."""
    order = np.argsort(tile, kind="stable")
    ranks = np.empty(len(order), np.int32)
    ordered = tile[order]
    ranks[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return ranks


@dataclass
class _Input:
    """``messages`` of each packet, and of the first one those by the side that they still need."""

    packets: deque[tuple[int, ...]] = field(default_factory=deque)
    free: bool = True
    asks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    since: int = 0


class TickByTick:
    """A mesh at work; slow.

    Args:
        shape: of the mesh.
        messages: of MESSAGE; filled in.
        groups: (packets + 1,) where each packet's messages begin; None: each has one.

    Attributes:
        now: the tick.
        passed, waited: (networks, tiles, 4) messages over each link, and ticks that they waited.
        finished: messages that are done, in that order.
    """

    def __init__(
        self,
        shape: MeshShape,
        messages: NDArray[np.void],
        groups: NDArray[np.int64] | None = None,
    ) -> None:
        self.shape, self.messages, self.groups = shape, messages, groups
        self.port = shape.port
        self.ports = int(self.port.max(initial=0)) + 1
        tiles, cores = shape.rows * shape.columns, len(shape.tile)
        self.inputs = {
            (network, tile, side): _Input()
            for network in range(shape.networks)
            for tile in range(tiles)
            for side in range(SIDES + self.ports)
        }
        self.room = {key: shape.buffer if key[2] < SIDES else shape.receive for key in self.inputs}
        self.entry = {key: shape.buffer for key in self.inputs if key[2] >= SIDES}
        self.turn = dict.fromkeys(self.inputs, 0)
        self.taken_until = dict.fromkeys(self.inputs, 0)
        self.at_core = [[deque[int]() for _ in range(shape.networks)] for _ in range(cores)]
        self.core_turn, self.next_network = [0] * cores, [0] * cores
        self.working: list[int | None] = [None] * cores
        self.to_make = [deque[int]() for _ in range(cores)]
        self.waiting = [False] * cores
        self.due: dict[int, list[tuple]] = {}
        self.passed = np.zeros((shape.networks, tiles, SIDES), np.int64)
        self.waited = np.zeros_like(self.passed)
        self.finished: list[int] = []
        self.now = 0

    def feed(self, core: int, first: int, last: int) -> None:
        """A core gets packets to make, after those that it has."""
        idle = not self.to_make[core]
        self.to_make[core].extend(range(first, last))
        if idle:
            self._make(core)

    def advance(self, until: int | None = None) -> int:
        """Go on to the tick ``until``, or to the end; returns the last tick of any event."""
        while self.due and (until is None or min(self.due) <= until):
            self.now = min(self.due)
            for kind, *what in self.due.pop(self.now):
                getattr(self, f"_{kind}")(*what)
            for core in range(len(self.working)):
                self._begin_work(core)
            for key in self.inputs:
                self._grant(key)
        return self.now

    def _later(self, ticks: int, *event: object) -> None:
        self.due.setdefault(self.now + ticks, []).append(event)

    def _of(self, packet: int) -> tuple[int, ...]:
        """The messages of a packet."""
        if self.groups is None:
            return (packet,)
        return tuple(range(int(self.groups[packet]), int(self.groups[packet + 1])))

    def _make(self, core: int) -> None:
        if self.to_make[core]:
            message = self.messages[self._of(self.to_make[core][0])[0]]
            wait = max(int(message["made"]) - self.now, 0)
            self._later(wait + int(message["make"]), "made", core)

    def _made(self, core: int) -> None:
        self.messages["made"][list(self._of(self.to_make[core][0]))] = self.now
        self.waiting[core] = True
        self._inject(core)

    def _inject(self, core: int) -> None:
        network = self.next_network[core]
        key = network, int(self.shape.tile[core]), SIDES + int(self.port[core])
        if not self.waiting[core] or not self.entry[key]:
            return
        self.entry[key] -= 1
        self.waiting[core] = False
        packet = self._of(self.to_make[core].popleft())
        self.messages["sent"][list(packet)] = self.now
        self.next_network[core] = (network + 1) % self.shape.networks
        self._later(self.shape.inject, "arrive", key, packet)
        self._make(core)

    def _arrive(self, key: tuple[int, int, int], packet: tuple[int, ...]) -> None:
        self.inputs[key].packets.append(packet)
        self._ask(key)

    def _ask(self, key: tuple[int, int, int]) -> None:
        """The first packet of an input asks for its outputs."""
        held = self.inputs[key]
        if held.asks or not held.free or not held.packets:
            return
        for message in held.packets[0]:
            side = self._side(key[1], int(self.messages["target"][message]))
            held.asks[side] = (*held.asks.get(side, ()), message)
        held.since = self.now

    def _side(self, tile: int, target: int) -> int:
        """The output of a tile by which a message to a core leaves."""
        row, column = divmod(tile, self.shape.columns)
        to_row, to_column = divmod(int(self.shape.tile[target]), self.shape.columns)
        if to_column != column:
            return EAST if to_column > column else WEST
        if to_row != row:
            return NORTH if to_row < row else SOUTH
        return SIDES + int(self.port[target])

    def _freed(self, key: tuple[int, int, int]) -> None:
        """The last packet of an input is gone."""
        self.inputs[key].free = True
        self._ask(key)
        network, tile, side = key
        if side < SIDES:
            self.room[network, self._beside(tile, side), side ^ 2] += 1
            return
        self.entry[key] += 1
        for core in np.flatnonzero((self.shape.tile == tile) & (self.port == side - SIDES)):
            if self.next_network[core] == network:
                self._inject(int(core))

    def _open(self) -> None:
        """An output is free again, and is looked at with all others."""

    def _beside(self, tile: int, side: int) -> int:
        return tile + (-self.shape.columns, 1, self.shape.columns, -1)[side]

    def _got(self, core: int, network: int, message: int) -> None:
        self.messages["arrived"][message] = self.now
        self.at_core[core][network].append(message)

    def _begin_work(self, core: int) -> None:
        if self.working[core] is not None:
            return
        networks = self.shape.networks
        for network in [(self.core_turn[core] + k) % networks for k in range(networks)]:
            if not self.at_core[core][network]:
                continue
            message = self.at_core[core][network].popleft()
            self.working[core], self.core_turn[core] = message, (network + 1) % networks
            self.room[network, int(self.shape.tile[core]), SIDES + int(self.port[core])] += 1
            self._later(int(self.messages["work"][message]), "worked", core)
            return

    def _worked(self, core: int) -> None:
        message = self.working[core]
        assert message is not None
        self.messages["done"][message] = self.now
        self.finished.append(message)
        self.working[core] = None

    def _grant(self, output: tuple[int, int, int]) -> None:
        """One packet takes an output, if there is one, and room for it."""
        network, tile, side = output
        if self.taken_until[output] > self.now or not self.room[output]:
            return
        ports = SIDES + self.ports
        order = [(self.turn[output] + k) % ports for k in range(ports)]
        if self.shape.fixed:
            order = [*FIXED[min(side, SIDES)], *range(SIDES, ports)]
        for number in order:
            held = self.inputs[network, tile, number]
            if side not in held.asks:
                continue
            packet = held.asks.pop(side)
            if held.asks:
                self._later(self.shape.interval, "open")
            else:
                held.packets.popleft()
                held.free = False
                self._later(self.shape.interval, "freed", (network, tile, number))
            self.turn[output] = (number + 1) % ports
            self.room[output] -= 1
            self.taken_until[output] = self.now + self.shape.interval
            if side >= SIDES:
                target = int(self.messages["target"][packet[0]])
                self._later(self.shape.eject, "got", target, network, packet[0])
                return
            self.passed[network, tile, side] += 1
            self.waited[network, tile, side] += self.now - held.since
            there = network, self._beside(tile, side), side ^ 2
            self._later(self.shape.hop[side], "arrive", there, packet)
            return
