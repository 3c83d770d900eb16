"""The graph IR: populations and sources are nodes, projections are edges, bulk data is NumPy.

Two levels share this shape. The *real* graph speaks steps and reals; ``quantise`` turns it into
the *integer* graph, which speaks the machine's integers. Everything is frozen: a pass makes a new
graph and leaves the old one alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import networkx as nx
import numpy as np

from ..errors import CompileError
from .connectors import Table
from .neurons import NEURON
from .program import PROFILE, Probe, SplitSymbol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .learning import Rule
    from .microcode import LearningRule

INTEGER_NEURON = np.dtype(
    [
        ("profile", PROFILE),
        ("threshold", "<i4"),
        ("bias", "<i4"),
        ("v_init", "<i4"),
    ]
)
"""One neuron after quantisation."""

Level = Literal["real", "integer"]


@dataclass(frozen=True, eq=False)
class SourceNode:
    """A source.

    Attributes:
        name: the user's name.
        size: number of source neurons.
        kind: who drives it: host, poisson or periodic.
        generator: (size,) uint8, 0, POISSON or PERIODIC for each neuron.
        value: (size,) int64, limit of the hash, or period in steps.
        phase: (size,) int64, steps.
        seed: uint32, of the counter hash.
        first: channel of its neuron 0; channels are also the keys of the counter hash.
        origin: line of the user's file.
    """

    name: str
    size: int
    kind: Literal["host", "poisson", "periodic"]
    generator: NDArray[np.uint8]
    value: NDArray[np.int64]
    phase: NDArray[np.int64]
    seed: int
    first: int
    origin: str


@dataclass(frozen=True, eq=False)
class PopulationNode:
    """A population.

    Attributes:
        name: the user's name.
        size: number of neurons.
        params: (size,) of NEURON (real) or INTEGER_NEURON (integer).
        first: network-wide number of its neuron 0, which is its key in the counter hash.
        origin: line of the user's file.
        scale: (size,) float64, state LSBs per network unit (integer graph; ones before).
    """

    name: str
    size: int
    params: NDArray[np.void]
    first: int
    origin: str
    scale: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plastic:
    """How a projection learns.

    Attributes:
        rule: as the user wrote it.
        enable: (k,) uint8, 1 for each synapse that learns.
        limits: smallest and largest weight of those: in the network's units, or mantissas in
            the integer graph. In raw units the rule's integers until quantisation.
        seed: uint32 of its random numbers.
        microcode: what the machine runs (integer graph).
    """

    rule: Rule
    enable: NDArray[np.uint8]
    limits: tuple[float, float]
    seed: int
    microcode: LearningRule | None = None


@dataclass(frozen=True, eq=False)
class ProjectionEdge:
    """A projection.

    Attributes:
        name: the user's name.
        pre, post: names of the nodes.
        receptor: 0 or 1.
        base_delay: what wheel delays miss of the delay: 0 from a source, 1 from a population.
        synapses: weights real or mantissas; delays are steps as the user means them up to
            ``canonicalise``, wheel delays afterwards.
        index: position in the order of declaration.
        origin: line of the user's file.
        exponent: mantissas contribute ``w << exponent`` (integer graph; 0 before).
        plastic: how it learns, or None.
    """

    name: str
    pre: str
    post: str
    receptor: int
    base_delay: int
    synapses: Table
    index: int
    origin: str
    exponent: int = 0
    plastic: Plastic | None = None

    @property
    def lowest(self) -> NDArray[Any]:
        """(k,) the smallest weight that each synapse can ever have."""
        w, p = self.synapses.weight, self.plastic
        return w if p is None else np.where(p.enable == 1, np.asarray(p.limits[0], w.dtype), w)

    @property
    def highest(self) -> NDArray[Any]:
        """(k,) the largest weight that each synapse can ever have."""
        w, p = self.synapses.weight, self.plastic
        return w if p is None else np.where(p.enable == 1, np.asarray(p.limits[1], w.dtype), w)

    @property
    def fixed(self) -> NDArray[Any]:
        """Weights that never change."""
        w, p = self.synapses.weight, self.plastic
        return w if p is None else w[p.enable == 0]

    @property
    def tagged(self) -> bool:
        """Whether its synapses have tags."""
        return self.plastic is not None and self.plastic.rule.needs_tags

    @property
    def own_delays(self) -> bool:
        """Whether every synapse keeps a delay of its own, which rows must be sparse for."""
        return self.plastic is not None and self.plastic.rule.needs_delays


@dataclass(frozen=True)
class Finding:
    """Something the compiler noticed that does not stop it.

    Attributes:
        rule: name of the rule.
        severity: ``warning`` is also issued as a Python warning, ``note`` is only reported.
        subject: name of the object.
        message: one sentence.
    """

    rule: str
    severity: Literal["warning", "note"]
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message} [{self.rule}]"


@dataclass(frozen=True, eq=False)
class Graph:
    """A network at the real or the integer level.

    Attributes:
        level: which of the two.
        name: the network's name.
        dt: seconds per step.
        seed: uint32.
        graph: MultiDiGraph; nodes carry ``node=``, edges ``edge=`` and the name as key.
        canonical: delays are wheel delays and parameters in normal form.
        probes: what a run records.
        findings: warnings and notes so far.
        report: what quantisation found (integer graph).
        shapes: sides of the layers that have several.
        splits: neurons that add up inputs of others.
    """

    level: Level
    name: str
    dt: float
    seed: int
    graph: nx.MultiDiGraph
    canonical: bool = False
    probes: tuple[Probe, ...] = ()
    findings: tuple[Finding, ...] = ()
    report: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    splits: tuple[SplitSymbol, ...] = ()

    @property
    def sources(self) -> tuple[SourceNode, ...]:
        """In the order of declaration."""
        return tuple(n for n in self._nodes() if isinstance(n, SourceNode))

    @property
    def populations(self) -> tuple[PopulationNode, ...]:
        """In the order of declaration."""
        return tuple(n for n in self._nodes() if isinstance(n, PopulationNode))

    @property
    def projections(self) -> tuple[ProjectionEdge, ...]:
        """In the order of declaration."""
        edges = (data["edge"] for _, _, data in self.graph.edges(data=True))
        return tuple(sorted(edges, key=lambda edge: edge.index))

    @property
    def plastic(self) -> tuple[ProjectionEdge, ...]:
        """Projections that learn, in the order of declaration; their rules are numbered so."""
        return tuple(edge for edge in self.projections if edge.plastic is not None)

    def incoming(self, name: str) -> tuple[ProjectionEdge, ...]:
        """Projections to a population, in the order of declaration."""
        edges = (data["edge"] for _, _, data in self.graph.in_edges(name, data=True))
        return tuple(sorted(edges, key=lambda edge: edge.index))

    @property
    def channels(self) -> int:
        """Source neurons."""
        return sum(s.size for s in self.sources)

    @property
    def neurons(self) -> int:
        """Neurons of all populations."""
        return sum(p.size for p in self.populations)

    def _nodes(self) -> Iterable[SourceNode | PopulationNode]:
        return (data["node"] for _, data in self.graph.nodes(data=True))

    def verify(self) -> None:
        """Check shapes, types, numbering and ranges.

        Raises:
            CompileError: a pass produced an invalid graph (a bug in the pass).
        """
        channel = neuron = 0
        for source in self.sources:
            where = f"source {source.name!r}"
            require(source.first == channel, where, "channels are not consecutive")
            for name in ("generator", "value", "phase"):
                require(getattr(source, name).shape == (source.size,), where, f"shape of {name}")
            channel += source.size
        for population in self.populations:
            where = f"population {population.name!r}"
            require(population.first == neuron, where, "neuron numbers are not consecutive")
            dtype = NEURON if self.level == "real" else INTEGER_NEURON
            require(population.params.dtype == dtype, where, "type of params")
            require(population.params.shape == (population.size,), where, "shape of params")
            require(population.scale.shape == (population.size,), where, "shape of scale")
            neuron += population.size
        for index, edge in enumerate(self.projections):
            self._verify_edge(index, edge)

    def _verify_edge(self, index: int, edge: ProjectionEdge) -> None:
        where = f"projection {edge.name!r}"
        pre, post = (self.graph.nodes[n]["node"] for n in (edge.pre, edge.post))
        s, k = edge.synapses, len(edge.synapses)
        require(edge.index == index, where, "index is not its position")
        require(isinstance(post, PopulationNode), where, "the target is no population")
        require(edge.base_delay == isinstance(pre, PopulationNode), where, "base delay")
        require(s.start.shape == (pre.size + 1,), where, "shape of start")
        require(bool(s.start[0] == 0 and s.start[-1] == k), where, "start does not cover")
        require(bool((np.diff(s.start) >= 0).all()), where, "start is not ascending")
        kind = "f" if self.level == "real" else "i"
        require(s.weight.dtype.kind == kind, where, "type of weight")
        for name in ("weight", "delay"):
            require(getattr(s, name).shape == (k,), where, f"shape of {name}")
        if edge.plastic is not None:
            require(edge.plastic.enable.shape == (k,), where, "shape of enable")
            coded = edge.plastic.microcode is not None
            require(coded == (self.level == "integer"), where, "microcode at the wrong level")
        if k:
            require(s.post.min() >= 0 and s.post.max() < post.size, where, "post is out of range")
            low = 0 if self.canonical or not edge.base_delay else 1
            require(s.delay.min() >= low, where, "delay is out of range")

    def dump(self) -> str:
        """The graph as text: small arrays in full, large ones as their range."""
        from .text import dump_graph

        return dump_graph(self)


def build(
    template: Graph,
    nodes: Iterable[SourceNode | PopulationNode],
    edges: Iterable[ProjectionEdge],
    **changes: Any,
) -> Graph:
    """A new graph like ``template`` with other nodes, edges and fields."""
    graph = nx.MultiDiGraph()
    for node in nodes:
        graph.add_node(node.name, node=node)
    for edge in edges:
        graph.add_edge(edge.pre, edge.post, key=edge.name, edge=edge)
    fields = {name: getattr(template, name) for name in template.__dataclass_fields__}
    return Graph(**{**fields, "graph": nx.freeze(graph), **changes})


def require(condition: Any, where: str, problem: str) -> None:
    """What ``verify`` methods are made of.

    Raises:
        CompileError: the condition does not hold.
    """
    if not condition:
        raise CompileError(
            f"a compiler pass produced an invalid result: {problem}",
            where=where,
            remedy="this is a bug in Spikeloom; please report it with the network",
        )
