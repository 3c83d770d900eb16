"""Which neurons of a core may exchange their slots, and what decides whether they should.

A dense row needs its targets in consecutive slots. So a population with dense rows keeps its
slots, unless these rows reach all of it on this core: then any order of its neurons will do, as
long as they stay among themselves. A population that learns keeps its slots, too: all lanes walk
its rows together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from .rows import row_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .ir import ProjectionEdge
    from .mapped import Placed

SHORT = 20
"""Short dense rows of less than one in so many synapses are chance, and may become sparse."""


@dataclass(frozen=True, eq=False)
class Loads:
    """Synapses in sparse rows of a core, neuron after neuron.

    Attributes:
        senders: how many send to it, numbered from 0 on.
        start: (n + 1,) int64, where the entries of each neuron start.
        sender: (k,) int64, at most once for each neuron.
        count: (k,) int32, synapses from this sender.
    """

    senders: int
    start: NDArray[np.int64]
    sender: NDArray[np.int64]
    count: NDArray[np.int32]

    @staticmethod
    def of(senders: int, neurons: int, sender: NDArray[Any], neuron: NDArray[Any]) -> Loads:
        """The synapses given one by one, in any order; those of the same pair are added."""
        table = scipy.sparse.csr_matrix(
            (np.ones(len(neuron), np.int32), (neuron, sender)), shape=(neurons, senders)
        )
        table.sum_duplicates()
        return Loads(
            senders,
            np.asarray(table.indptr, np.int64),
            np.asarray(table.indices, np.int64),
            np.asarray(table.data, np.int32),
        )

    def every(self, step: int) -> Loads:
        """Only those from every ``step``-th sender."""
        stay = self.sender % step == 0
        kept = np.append(0, np.cumsum(stay))
        return Loads(
            -(-self.senders // step),
            kept[self.start],
            self.sender[stay] // step,
            self.count[stay],
        )

    def by_lane(self, lane: NDArray[np.int64], lanes: int) -> NDArray[np.int32]:
        """(senders, lanes) synapses from each sender in each lane; ``lane`` is each neuron's."""
        place = self.sender * lanes + np.repeat(lane, np.diff(self.start))
        found = np.bincount(place, self.count, self.senders * lanes)
        return found.astype(np.int32).reshape(self.senders, lanes)


@dataclass(frozen=True, eq=False)
class Core:
    """A core before its neurons are dealt.

    Attributes:
        part: its number among the parts.
        members: (n,) int64, the neuron in each slot.
        blocks: slots whose neurons may be exchanged, ascending.
        loads: synapses in sparse rows of senders that have several.
        more_bits: what synapse memory grows at most if short dense rows become sparse.
    """

    part: int
    members: NDArray[np.int64]
    blocks: tuple[NDArray[np.int64], ...]
    loads: Loads
    more_bits: int

    @property
    def neurons(self) -> int:
        """How many."""
        return len(self.members)


@dataclass
class _Onto:
    """What a population on one core gets.

    Attributes:
        sender, slot: of each synapse in a sparse row, or a dense one that may become sparse.
        synapses: in rows of either kind that do not reach all of it.
        short: of these in dense rows.
        more_bits: what these rows take more if they are sparse.
        whole: dense rows reach all of it.
        fixed: it learns.
    """

    sender: list[NDArray[np.int64]]
    slot: list[NDArray[np.int64]]
    synapses: int = 0
    short: int = 0
    more_bits: int = 0
    whole: bool = False
    fixed: bool = False


def cores_of(ir: Placed) -> Iterator[Core]:
    """The cores on which dealing may change anything, core after core."""
    found: dict[tuple[int, str], _Onto] = {}
    for edge in ir.graph.projections:
        if len(edge.synapses):
            _add(ir, edge, found)
    order = np.lexsort((ir.slot, ir.core))
    sizes = np.bincount(ir.core, minlength=ir.parts)
    ends = np.cumsum(sizes)
    for core in range(ir.parts):
        members = order[ends[core] - sizes[core] : ends[core]]
        onto = {name: one for (where, name), one in found.items() if where == core}
        loads = _loads(ir, onto, len(members))
        if loads is None:
            continue
        blocks = _blocks(ir, core, onto)
        if blocks:
            more = sum(one.more_bits for one in onto.values())
            yield Core(int(ir.part[members[0]]), members, blocks, loads, more)


def _add(ir: Placed, edge: ProjectionEdge, found: dict[tuple[int, str], _Onto]) -> None:
    """Sort the rows of a projection by core and kind."""
    s, post = edge.synapses, ir.population(edge.post)
    own = slice(post.first, post.first + post.size)
    cores, slots = ir.core[own].astype(np.int64), ir.slot[own].astype(np.int64)
    many = bool((cores != cores[0]).any())
    order = np.argsort(cores[s.post], kind="stable") if many else slice(None)
    pre, slot, delay = s.pre[order], slots[s.post][order], s.delay[order]
    core = cores[s.post][order] if many else None
    groups = row_groups(pre, slot, delay, core, sparse=edge.own_delays)
    at = np.full(len(groups.start), cores[0]) if core is None else core[groups.start]
    sizes = np.bincount(cores)
    whole = groups.dense & (groups.count == sizes[at])
    short = groups.dense & ~whole & (groups.count > 1)
    tagged, plastic = edge.tagged, edge.plastic is not None
    more = ir.target.synapse_width(dense=False, plastic=plastic, tagged=tagged)
    more -= ir.target.synapse_width(dense=True, plastic=plastic, tagged=tagged)
    walked = np.repeat(~whole & (groups.count > 1), groups.count)
    for number in np.unique(at).tolist():
        one = found.setdefault((number, edge.post), _Onto([], []))
        here = at == number
        one.fixed |= plastic
        one.whole |= bool(whole[here & (groups.count > 1)].any())
        one.short += int(groups.count[here & short].sum())
        one.synapses += int(groups.count[here & ~whole].sum())
        one.more_bits += max(0, more) * int(groups.count[here & short].sum())
        low, high = groups.start[here][0], (groups.start + groups.count)[here][-1]
        mine = low + np.flatnonzero(walked[low:high])
        if not plastic:  # the lanes walk plastic rows together
            one.sender.append(ir.first_sender(edge) + pre[mine].astype(np.int64))
            one.slot.append(slot[mine])


def _loads(ir: Placed, onto: dict[str, _Onto], neurons: int) -> Loads | None:
    """Synapses by sender and slot; None where no sender has two."""
    none = [np.zeros(0, np.int64)]
    sender = np.concatenate(none + [part for one in onto.values() for part in one.sender])
    slot = np.concatenate(none + [part for one in onto.values() for part in one.slot])
    counts = np.bincount(sender, minlength=ir.graph.channels + ir.neurons)
    several = counts > 1
    if not several.any():
        return None
    number = np.cumsum(several) - 1
    stay = several[sender]
    return Loads.of(int(number[-1]) + 1, neurons, number[sender[stay]], slot[stay])


def _blocks(ir: Placed, core: int, onto: dict[str, _Onto]) -> tuple[NDArray[np.int64], ...]:
    """Slots that may be exchanged: those of populations of one profile are one block."""
    blocks: dict[tuple[str, int], list[NDArray[np.int64]]] = {}
    for population in ir.graph.populations:
        own = slice(population.first, population.first + population.size)
        here = np.flatnonzero(ir.core[own] == core)
        one = onto.get(population.name)
        if one is None or not len(here) or one.fixed or one.short * SHORT > one.synapses:
            continue
        profile = ir.profile[own][here]
        # The emulator is fast where neurons of one profile lie together, and they stay together.
        alone = one.whole or bool((profile != profile[0]).any())
        key = (population.name if alone else "", int(profile[0]))
        blocks.setdefault(key, []).append(ir.slot[own][here].astype(np.int64))
    found = (np.sort(np.concatenate(parts)) for parts in blocks.values())
    return tuple(block for block in found if len(block) > 1)
