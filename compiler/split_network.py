"""The network in which groups of neurons add up inputs of others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .connectors import Table, table
from .digits import mantissas
from .ir import INTEGER_NEURON, PopulationNode, ProjectionEdge, build
from .program import EXPONENTIAL, LINEAR, SplitSymbol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .input_groups import Plan
    from .ir import Graph
    from .target import Target


def with_groups(ir: Graph, name: str, target: Target, plan: Plan) -> Graph:
    """The network in which the groups of a plan add up for neurons of a population."""
    node: PopulationNode = ir.graph.nodes[name]["node"]
    taken = {n.name for n in (*ir.sources, *ir.populations)}
    sums = _sums(_unique(f"{name}/sums", taken), node, ir.neurons, plan, target)
    writer = _Writer(plan, sums, target)
    kept: list[ProjectionEdge] = []
    carriers: list[tuple[ProjectionEdge, str]] = []
    copies: list[tuple[ProjectionEdge, str]] = []
    for edge in ir.projections:
        here = plan.moved_of(edge)
        if not len(here):
            kept.append(edge)
            continue
        kept.append(_without(edge, plan.inputs.synapse[plan.moved[here]], node.size))
        carriers.append((writer.carrier(edge, here), edge.name))
        copies.append((writer.copies(edge, here), edge.name))
    copies = [(edge, of) for edge, of in copies if len(edge.synapses)]
    feedback, outputs = writer.feedback(), writer.outputs(node)
    made = [*(edge for edge, _ in carriers), *(edge for edge, _ in copies), *feedback, *outputs]
    names = {edge.name for edge in kept}
    named = {id(edge): _unique(edge.name, names) for edge in made}
    split = SplitSymbol(
        name,
        sums.name,
        tuple((named[id(edge)], of) for edge, of in carriers),
        tuple((named[id(edge)], of) for edge, of in copies),
        tuple(named[id(edge)] for edge in feedback),
        tuple(named[id(edge)] for edge in outputs),
    )
    edges = [replace(e, name=named[id(e)], index=i) for i, e in enumerate(made, len(kept))]
    return build(
        ir, [*ir.sources, *ir.populations, sums], [*kept, *edges], splits=(*ir.splits, split)
    )


def _unique(name: str, taken: set[str]) -> str:
    """A name that nothing else has; it is taken then."""
    number, found = 2, name
    while found in taken:
        number, found = number + 1, f"{name}#{number}"
    taken.add(found)
    return found


def _sums(
    name: str, node: PopulationNode, first: int, plan: Plan, target: Target
) -> PopulationNode:
    """The neurons that add up: without memory, each with its threshold."""
    group, member = np.nonzero(plan.keep)
    params = np.zeros(len(group), INTEGER_NEURON)
    profile = params["profile"]
    profile["spiking"] = 1
    profile["decay_u"] = 4096
    linear = "exponential" in target.lacks
    profile["leak"] = LINEAR if linear else EXPONENTIAL
    profile["decay_v"] = 0 if linear else 4096
    profile["leak_step"] = target.state_max if linear else 0
    params["threshold"] = plan.digits.threshold[member]
    post = plan.post[group]
    shift = node.params["profile"]["shift"][post].astype(np.int64)
    return PopulationNode(
        name, len(group), params, first, node.origin,
        np.ldexp(node.scale[post], -plan.shift - shift),
    )  # fmt: skip


def _without(edge: ProjectionEdge, moved: NDArray[np.int64], size: int) -> ProjectionEdge:
    """A projection without some of its synapses."""
    s = edge.synapses
    stays = np.ones(len(s), np.bool_)
    stays[moved] = False
    columns = (s.pre, s.post, s.weight, s.delay)
    rest = _table(len(s.start) - 1, size, *(column[stays] for column in columns))
    return replace(edge, synapses=rest)


def _table(n_pre: int, n_post: int, pre: Any, post: Any, weight: Any, delay: Any) -> Table:
    start, post, (weight, delay) = table(n_pre, n_post, pre, post, weight, delay)
    return Table(start, post, np.asarray(weight, np.int16), np.asarray(delay, np.uint8))


class _Writer:
    """Projections to, among and from the neurons that add up.

    Args:
        plan: what they add up.
        sums: the neurons, group after group.
        target: whose mantissas they have.
    """

    def __init__(self, plan: Plan, sums: PopulationNode, target: Target) -> None:
        self.plan, self.sums, self.target = plan, sums, target
        self.number = np.cumsum(plan.keep).reshape(plan.keep.shape) - 1  # of each neuron

    def carrier(self, edge: ProjectionEdge, here: NDArray[np.int64]) -> ProjectionEdge:
        """All moved synapses of a projection, to the last neurons of their groups."""
        last = self.plan.digits.stages - 1
        post = self.number[self.plan.group[here], -1]
        own = self._columns(edge, here)
        return self._edge(edge, f"{edge.name}/sums", own[0], post, own[1], own[2] + last)

    def copies(self, edge: ProjectionEdge, here: NDArray[np.int64]) -> ProjectionEdge:
        """Those whose weight is not 0, to all other neurons, with the signs of these."""
        plan, digits = self.plan, self.plan.digits
        here = here[plan.inputs.value[plan.moved[here]] != 0]
        synapse, member = np.nonzero(plan.keep[plan.group[here], :-1])
        pre, weight, delay = (column[synapse] for column in self._columns(edge, here))
        post = self.number[plan.group[here][synapse], member]
        weight, delay = weight * digits.sign[member], delay + digits.stage[member]
        # The opposite of the smallest mantissa is no mantissa: it takes two synapses.
        beyond = np.flatnonzero(weight > self.target.weight_max)
        weight[beyond] -= 1
        pre, post, delay = (np.append(x, x[beyond]) for x in (pre, post, delay))
        weight = np.append(weight, np.ones(len(beyond), np.int64))
        return self._edge(edge, f"{edge.name}/sums copies", pre, post, weight, delay)

    def feedback(self) -> list[ProjectionEdge]:
        """What earlier stages have told is taken off what later ones get."""
        digits = self.plan.digits
        before, after = np.nonzero(digits.stage[:, None] < digits.stage)
        group, pair = np.nonzero(self.plan.keep[:, before] & self.plan.keep[:, after])
        before, after = before[pair], after[pair]
        delay = digits.stage[after] - digits.stage[before] - 1
        return self._by_exponent(
            self.sums, self.number[group, before], self.number[group, after],
            -digits.value[before], delay, 0,
        )  # fmt: skip

    def outputs(self, node: PopulationNode) -> list[ProjectionEdge]:
        """The digits, to the neurons for which they were added up, all in one step."""
        plan, made = self.plan, []
        group, member = np.nonzero(plan.keep)
        value = plan.digits.value[member] << plan.shift
        delay = plan.delay - plan.digits.stage[member] - 1
        pre = self.number[group, member]
        for receptor in np.unique(plan.receptor).tolist():
            own = plan.receptor[group] == receptor
            post = plan.post[group]
            made += self._by_exponent(node, pre[own], post[own], value[own], delay[own], receptor)
        return made

    def _columns(
        self, edge: ProjectionEdge, here: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], ...]:
        """Sender, mantissa and wheel delay to the first stage, of moved synapses."""
        plan, s = self.plan, edge.synapses
        synapse = plan.inputs.synapse[plan.moved[here]]
        columns = (s.pre[synapse], s.weight[synapse], s.delay[synapse])
        pre, weight, delay = (column.astype(np.int64) for column in columns)
        return pre, weight, delay - plan.delay

    def _edge(
        self, edge: ProjectionEdge, name: str, pre: Any, post: Any, weight: Any, delay: Any
    ) -> ProjectionEdge:
        """A projection of moved synapses."""
        synapses = _table(len(edge.synapses.start) - 1, self.sums.size, pre, post, weight, delay)
        return replace(
            edge, name=name, post=self.sums.name, receptor=0, synapses=synapses,
            exponent=edge.exponent - self.plan.shift,
        )  # fmt: skip

    def _by_exponent(
        self, node: PopulationNode, pre: Any, post: Any, value: Any, delay: Any, receptor: int
    ) -> list[ProjectionEdge]:
        """Projections from the neurons that add up, one for each exponent that is needed."""
        coded = mantissas(np.abs(value).tolist(), self.target)
        known, which = np.unique(np.abs(value), return_inverse=True)
        codes = np.array([coded[v] for v in known.tolist()], np.int64).reshape(-1, 2)
        mantissa, exponent = codes[which.reshape(-1)].T
        made = []
        for e in np.unique(exponent).tolist():
            own = exponent == e
            weight = mantissa[own] * np.sign(value[own])
            synapses = _table(self.sums.size, node.size, pre[own], post[own], weight, delay[own])
            made.append(
                ProjectionEdge(
                    f"{self.sums.name}->{node.name}", self.sums.name, node.name, receptor, 1,
                    synapses, 0, self.sums.origin, e,
                )
            )  # fmt: skip
        return made
