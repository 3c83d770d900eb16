"""Where the plastic synapses of a Program are, as tables that both kernels use.

Within a rule, *positions* number its postsynaptic neurons in the order of their global numbers: the
targets of a dense row then have consecutive positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...compiler.microcode import Changes, Condition, Factor, When
from ...compiler.program import DENSE, SPARSE
from ...counter_hash import LEARNING, TRACE_DECAY, key_term
from .rows import ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.microcode import Group, LearningRule, Trace
    from ...compiler.program import Program


@dataclass(frozen=True, eq=False)
class Side:
    """The pre- or postsynaptic neurons of a rule; ``n`` of them.

    Attributes:
        neuron: (n,) int64 global numbers, of positions or, before the synapse, in the order of the
            population; (0,) for the channels of a source.
        first_channel: of the source, or -1.
        key: (n,) int64, the neurons' numbers within their population or source.
        traces: x1 and x2, or y1 and y2.
        hash: per trace (n,) uint32, what seed and key contribute to its random numbers.
        rows: where its traces are in ``LearningState``.
    """

    neuron: NDArray[np.int64]
    first_channel: int
    key: NDArray[np.int64]
    traces: tuple[Trace, Trace]
    hash: tuple[NDArray[np.uint32], NDArray[np.uint32]]
    rows: slice

    def index_of(self, neurons: int) -> NDArray[np.int32]:
        """(neurons,) place of each global neuron in these arrays, -1 for all others."""
        index = np.full(neurons, -1, np.int32)
        index[self.neuron] = np.arange(len(self.neuron))
        return index


@dataclass(frozen=True, eq=False)
class PlasticRows:
    """The row groups of all rules, core by core; ``r`` of them.

    Attributes:
        core: (r,) int64.
        row: (r,) int64, index into the core's ``rows``.
        table: (r,) of ROW.
    """

    core: NDArray[np.int64]
    row: NDArray[np.int64]
    table: NDArray[np.void]

    @staticmethod
    def of(program: Program) -> PlasticRows:
        """All rows that name a rule."""
        found = [np.flatnonzero(core.rows["rule"]) for core in program.cores]
        return PlasticRows(
            np.repeat(np.arange(len(found)), [len(rows) for rows in found]),
            np.concatenate(found).astype(np.int64),
            np.concatenate([c.rows[rows] for c, rows in zip(program.cores, found, strict=True)]),
        )

    def of_rule(self, number: int, kind: int | None = None) -> NDArray[np.int64]:
        """Which of them belong to rule ``number``, of one kind or of both."""
        own = self.table["rule"] == number + 1
        return np.flatnonzero(own if kind is None else own & (self.table["kind"] == kind))


@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses one after the other; ``k`` of them.

    Attributes:
        row: (k,) index into PlasticRows.
        place: (k,) index into the core's arrays of the row's kind.
        target: (k,) global neuron.
    """

    row: NDArray[np.int64]
    place: NDArray[np.int64]
    target: NDArray[np.int64]

    @staticmethod
    def of(program: Program, rows: PlasticRows, which: NDArray[np.int64]) -> Synapses:
        """All synapses of some rows, row by row."""
        table = rows.table[which]
        count = table["count"].astype(np.int64)
        row, place = np.repeat(which, count), ranges(table["offset"], count)
        target = program.core_base[rows.core[row]] + ranges(table["base"].astype(np.int64), count)
        for number, core in enumerate(program.cores):
            own = (rows.core[row] == number) & (rows.table["kind"][row] == SPARSE)
            target[own] = program.core_base[number] + core.sparse_target[place[own]]
        return Synapses(row, place, target)

    def enabled(self, program: Program, rows: PlasticRows) -> NDArray[np.bool_]:
        """(k,) which of them may change."""
        on = np.zeros(len(self.row), bool)
        core, dense = rows.core[self.row], rows.table["kind"][self.row] == DENSE
        for number, image in enumerate(program.cores):
            for kind, bits in ((False, image.sparse_enable), (True, image.dense_enable)):
                own = (core == number) & (dense == kind)
                if own.any():
                    on[own] = bits[self.place[own]] != 0
        return on


@dataclass(frozen=True, eq=False)
class RuleTable:
    """One rule with its neurons.

    Attributes:
        rule: the microcode.
        number: its index in ``Program.rules``.
        pre, post: its neurons.
    """

    rule: LearningRule
    number: int
    pre: Side
    post: Side

    @staticmethod
    def of(program: Program, number: int) -> RuleTable:
        """The rule's neurons and traces."""
        rule = program.rules[number]
        symbol = program.projections[rule.projection]
        (x, y), (x_end, y_end) = program.trace_start[number : number + 2].tolist()
        source, pre = program.source(symbol.pre), program.population(symbol.pre)
        post = program.population(symbol.post)
        assert post is not None
        neuron = program.global_neurons(post)
        key = np.argsort(neuron, kind="stable")
        i = np.arange(x_end - x)
        return RuleTable(
            rule,
            number,
            Side(
                np.zeros(0, np.int64) if pre is None else program.global_neurons(pre),
                -1 if source is None else source.first_channel,
                i,
                (rule.x1, rule.x2),
                (
                    key_term(rule.seed, i, TRACE_DECAY),
                    key_term(rule.seed, i, TRACE_DECAY + 1),
                ),
                slice(x, x_end),
            ),
            Side(
                neuron[key],
                -1,
                key,
                (rule.y1, rule.y2),
                (
                    key_term(rule.seed, key, TRACE_DECAY + 2),
                    key_term(rule.seed, key, TRACE_DECAY + 3),
                ),
                slice(y, y_end),
            ),
        )

    def limits(self, changes: Changes) -> tuple[int, int]:
        """Least and largest value of what a group changes."""
        rule = self.rule
        return {
            Changes.WEIGHT: (rule.weight_min, rule.weight_max),
            Changes.TAG: (-128, 127),
            Changes.DELAY: (rule.delay_min, rule.delay_max),
        }[changes]

    def groups(self, when: When) -> tuple[Group, ...]:
        """The groups of one ``when``."""
        return tuple(group for group in self.rule.groups if group.when == when)

    def skips(self) -> bool:
        """Whether post groups add 0 where x1 and x2 are 0 and no spike arrives."""
        x = {Factor.X1, Factor.X2}
        return all(
            product.condition & Condition.X0 or x & {f & ~Factor.SIGN for f in product.factors}
            for group in self.groups(When.POST)
            for product in group.products
        )


def purpose(when: When, changes: Changes) -> int:
    """Purpose of ``a`` in the rounding of a group; ``b`` has the next one."""
    return LEARNING + 6 * changes + 2 * when
