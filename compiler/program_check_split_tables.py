"""What the independent check of ``Program.splits`` looks at: their names, then their synapses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .program import Program, ProjectionSymbol, SplitSymbol

    Integers = NDArray[np.integer[Any]]

_SYNAPSE = np.dtype(
    [
        ("projection", "<i4"),
        ("post", "<i4"),  # index in its population
        ("pre", "<i8"),  # channel c as c, global neuron g as channels + g
        ("delay", "<i4"),  # in steps, the base delay included
        ("value", "<i8"),  # w << e
    ]
)

_KEY_LIMIT = 1 << 62


@dataclass(frozen=True)
class Check:
    """Refuses what is wrong with one split."""

    require: Callable[..., None]
    where: str

    def true(self, condition: bool | np.bool_, problem: str, found: object = None) -> None:
        """For what is no matter of one neuron."""
        self.require(bool(condition), self.where, problem, found)

    def all(self, fine: NDArray[np.bool_], problem: str, neuron: Integers | None = None) -> None:
        """The message names the first neuron for which it is not fine."""
        bad = np.flatnonzero(~fine)[:1]
        found = (bad if neuron is None else neuron[bad]).tolist()
        self.true(not found, problem, f"neuron {found[0]}" if found else None)


def check_names(program: Program, require: Callable[..., None]) -> None:
    """All names exist, and nothing but a split's own projections leads to or from its neurons."""
    populations = {p.name for p in program.populations}
    turn: dict[str, int] = {}
    for number, split in enumerate(program.splits):
        check = Check(require, f"split {split.sums[:50]!r}")
        for name in (split.sums, split.population):
            check.true(name in populations, "no such population", name[:50])
        check.true(split.sums not in turn, "its neurons are those of another split, too")
        turn[split.sums] = number
    known, listed = {p.name: p for p in program.projections}, set[str]()
    for number, split in enumerate(program.splits):
        check = Check(require, f"split {split.sums!r}")
        check.true(split.population not in turn, "it splits inputs of neurons that add up")
        for name, pre, post in _ends(split, known, check):
            check.true(name in known, "no such projection", name[:50])
            check.true(name not in listed, "a projection is listed twice", name)
            listed.add(name)
            fits = (known[name].pre, known[name].post) == (pre, post)
            check.true(fits, "a projection does not connect what it should", name)
            fits = post != split.sums or known[name].receptor == 0
            check.true(fits, "a projection onto its neurons is not for receptor 0", name)
            fits = pre == split.sums or turn.get(pre, -1) < number
            check.true(fits, "it carries synapses of a later split", name)
    for projection in program.projections:
        other = projection.pre not in turn and projection.post not in turn
        require(
            other or projection.name in listed, f"projection {projection.name!r}",
            "it leads to or from neurons that add up, and no split lists it",
        )  # fmt: skip
    for rule in program.rules:
        name = program.projections[rule.projection].name
        require(name not in listed, f"projection {name!r}", "a projection of a split learns")


def _ends(
    split: SplitSymbol, known: dict[str, ProjectionSymbol], check: Check
) -> list[tuple[str, str, str]]:
    """Name of each projection of a split, and what it has to lead from and to."""
    ends = [(name, split.sums, split.sums) for name in split.feedback]
    ends += [(name, split.sums, split.population) for name in split.outputs]
    for name, of in (*split.carriers, *split.copies):
        check.true(of in known, "no such projection", of[:50])
        fits = known[of].post == split.population and known[of].pre != split.sums
        check.true(fits, "it carries synapses of a projection that leads elsewhere", of)
        ends.append((name, known[of].pre, split.sums))
    return ends


class Tables:
    """All synapses of the projections that splits list, those onto twins left out.

    Attributes:
        populations: by name.
        number: of each projection by its name.
        receptor: (projections,) of each.
        carriers_of: projection → the splits that carry synapses of it, and with which carrier.
    """

    def __init__(self, program: Program, owner: list[NDArray[np.int64]]) -> None:
        self.program = program
        self.populations = {p.name: p for p in program.populations}
        self.number = {p.name: i for i, p in enumerate(program.projections)}
        self.receptor = np.array([p.receptor for p in program.projections], np.int64)
        self.carriers_of: dict[str, list[tuple[SplitSymbol, str]]] = {}
        self._index = np.zeros(program.neurons, np.int64)
        for population in program.populations:
            self._index[program.global_neurons(population)] = np.arange(population.size)
        wanted = np.zeros(len(program.projections), np.bool_)
        for split in program.splits:
            for name, of in split.carriers:
                self.carriers_of.setdefault(of, []).append((split, name))
            pairs = [name for name, _ in (*split.carriers, *split.copies)]
            for name in (*pairs, *split.feedback, *split.outputs):
                wanted[self.number[name]] = True
        table = np.concatenate([self._of_core(i, own, wanted) for i, own in enumerate(owner)])
        self._table = table[np.argsort(table["projection"], kind="stable")]
        every = np.arange(len(wanted) + 1)
        self._start = np.searchsorted(self._table["projection"], every)

    def _of_core(
        self, number: int, own: NDArray[np.int64], wanted: NDArray[np.bool_]
    ) -> NDArray[np.void]:
        program, core = self.program, self.program.cores[number]
        if not wanted[core.rows["projection"]].any():
            return np.zeros(0, _SYNAPSE)
        named = np.ones(core.neurons, np.bool_)
        named[program.twins_on(number)] = False
        synapses = core.synapses_onto(named)
        synapses = synapses[wanted[synapses["projection"]]]
        base = np.array([p.base_delay for p in program.projections], np.int64)
        found = np.zeros(len(synapses), _SYNAPSE)
        found["projection"] = synapses["projection"]
        found["post"] = self._index[program.core_base[number] + synapses["slot"]]
        found["pre"] = own[synapses["axon"]]
        found["delay"] = synapses["delay"] + base[synapses["projection"]]
        found["value"] = synapses["weight"].astype(np.int64) << synapses["exponent"]
        return found

    def of(self, *names: str) -> NDArray[np.void]:
        """Synapses of some projections."""
        numbers = [self.number[name] for name in names]
        parts = [self._table[self._start[i] : self._start[i + 1]] for i in numbers]
        return np.concatenate([np.zeros(0, _SYNAPSE), *parts])

    def carried(self, pairs: tuple[tuple[str, str], ...]) -> tuple[NDArray[np.void], Integers]:
        """Synapses of carriers or copies, and the number of the projection each was taken from."""
        numbers = np.array([self.number[name] for name, _ in pairs], np.int64)
        of = np.array([self.number[of] for _, of in pairs], np.int64)
        count = self._start[numbers + 1] - self._start[numbers]
        return self.of(*(name for name, _ in pairs)), np.repeat(of, count)

    def sender(self, table: NDArray[np.void]) -> NDArray[np.int64]:
        """Presynaptic neurons, none of them a channel, as indices in their populations."""
        return self._index[table["pre"] - self.program.channels]


def added_up(values: Integers, *columns: Integers) -> tuple[NDArray[np.int64], ...]:
    """What the values of equal columns add up to, where that is not 0, sorted by the columns.

    A spike brings all synapses of its sender and delay at once: only their sum matters.
    """
    if not len(values):
        return tuple(np.zeros(0, np.int64) for _ in (*columns, values))
    key, span = np.zeros(len(values), np.int64), 1
    for column in columns:
        low = int(column.min())
        width = int(column.max()) - low + 1
        if span * width >= _KEY_LIMIT:
            key = np.unique(key, return_inverse=True)[1].reshape(-1)
            span = len(key)
        key, span = key * width + (column - low), span * width
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    total = np.add.reduceat(values[order], first, dtype=np.int64)
    at = order[first[total != 0]]
    return (*(column[at].astype(np.int64) for column in columns), total[total != 0])
