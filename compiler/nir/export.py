"""From a Network to a NIR graph that :func:`from_nir` reads back as the same network."""

from __future__ import annotations

import itertools
import warnings
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SpikeloomError, UnsupportedError
from ..network import Network, Population, Projection
from ..origin import warn_user
from ..program import EXPONENTIAL
from ..sources import Periodic
from .build import Builder, Options
from .conventions import Reset
from .export_neurons import neuron_node
from .flat import flatten
from .fold import MAX_ENTRIES
from .graph import Graph, Node
from .hdf5 import Limits
from .same import first_difference
from .timing import recurrent_arcs

Array = NDArray[np.float64]
_NODES = Limits().nodes


def export(network: Network, reset: Reset, reset_delay: bool) -> Graph:
    """The network as nodes and edges.

    Args:
        network: without learning rules; its spikes come from the host.
        reset, reset_delay: what the reader must be told, because NIR cannot say it.

    Raises:
        UnsupportedError: with everything that NIR cannot express.
    """
    found: list[str] = []
    for levels in _levels(network):
        exporter = _Exporter(network, reset, reset_delay, levels)
        if exporter.problems:
            found = found or exporter.problems
            continue
        difference = _read_back(exporter.graph, network, reset, reset_delay)
        if difference is None:
            _tell(network, exporter.graph)
            return exporter.graph
        found = [*found, difference]
    raise UnsupportedError(
        "NIR cannot express this network\n" + "\n".join(f"  - {p}" for p in dict.fromkeys(found)),
        remedy="docs/nir.md has what it can",
    )


def _levels(network: Network) -> list[dict[str, int]]:
    """By how many steps each population runs behind the graph: as it was imported, or not at all.

    Without such a shift every delay of d steps is a Delay node of d steps.
    """
    zero = dict.fromkeys(network.populations, 0)
    known = {**zero, **{n: k for n, k in network.latency.items() if n in zero}}
    return [known, zero] if known != zero else [zero]


class _Exporter:
    """Builds the graph for given levels; `problems` say why it cannot be."""

    def __init__(
        self, network: Network, reset: Reset, reset_delay: bool, levels: dict[str, int]
    ) -> None:
        self.network, self.levels = network, levels
        self.problems: list[str] = []
        self.nodes: dict[str, Node] = {}
        self.edges: list[tuple[str, str]] = []
        self.bias: dict[str, Array] = {}
        self.entries = 0
        self._ends(reset, reset_delay)
        for projection in self._projections():
            self._synapses(projection)
        for name in self.bias:
            if self.bias[name].any() and name in self.nodes:
                self.problems.append(f"population {name!r}: a bias, but no synapses to bring it")
        for probe in network.probes:
            if _expressible(network, probe.of, probe.variable):
                shape = np.array([float(network.populations[probe.of].size)])
                self._chain([probe.of, self._add(f"{probe.of}.output", "Output", shape=shape)])
        if len(self.nodes) > _NODES:
            self.problems.append(f"{len(self.nodes)} nodes, at most {_NODES} are read again")
        metadata: dict[str, Any] = {**network.metadata.get("", {}), "dt": network.dt}
        if reset != "zero" or reset_delay:
            metadata |= {"reset": reset, "reset_delay": float(reset_delay)}
        self.graph = Graph(self.nodes, self.edges, f"network {network.name!r}", metadata)

    def _ends(self, reset: Reset, reset_delay: bool) -> None:
        """Inputs and neurons, and what their biases are."""
        net = self.network
        for source in net.sources.values():
            if source.kind == "host":
                self._add(source.name, "Input", shape=np.array([float(source.size)]))
            elif not self._constant(source.name):
                self.problems.append(f"source {source.name!r}: NIR has no sources of its own")
        if not self.nodes:
            self.problems.append("no source that the host drives; NIR's graphs have an Input")
        for population in net.populations.values():
            node, bias, problems = neuron_node(population, net.dt, reset, reset_delay)
            if self.levels[population.name]:
                node, bias, problems = self._later(population, reset, reset_delay)
            self.bias[population.name] = bias + self.bias.get(population.name, 0.0)
            self.problems += [f"population {population.name!r}: {p}" for p in problems]
            if node is not None:
                self._add(population.name, node.type, **node.fields)
        for name in (*net.sources, *net.populations):
            if "/" in name or name == "." or len(name.encode()) > 150:
                self.problems.append(f"{name!r}: a name that HDF5 or this importer does not take")

    def _later(
        self, population: Population, reset: Reset, reset_delay: bool
    ) -> tuple[Node | None, Array, list[str]]:
        """A layer that starts later: v_leak is where v is by then, from nothing but the bias."""
        params = population.params.copy()
        factor = np.where(params["leak"] == EXPONENTIAL, params["factor_v"], 1.0)
        v = params["v_init"]
        for _ in range(self.levels[population.name]):
            v = factor * v + params["bias"]
        noise = 1e-12 * (np.abs(params["bias"]) + np.abs(params["v_init"]))
        for start in (np.zeros_like(v), params["v_reset"]):  # where it can be but for rounding
            v = np.where(np.abs(v - start) <= noise, start, v)
        params["v_init"] = v
        rest = replace(population, params=params)
        return neuron_node(rest, self.network.dt, reset, reset_delay)

    def _constant(self, name: str) -> bool:
        """Take over a source that fires in every step from the layer's first one: a bias."""
        net = self.network
        source, into = (
            net.sources[name],
            [p for p in net.projections.values() if p.pre.name == name],
        )
        if not isinstance(source.generator, Periodic) or source.size != 1 or len(into) != 1:
            return False
        post, s = into[0].post, into[0].synapses
        starts = int(source.phase[0]) == self.levels[post.name]
        if int(source.value[0]) != 1 or not starts or s.delay.any() or into[0].receptor:
            return False
        self.bias[post.name] = np.bincount(s.post, s.weight, post.size).astype(np.float64)
        return True

    def _projections(self) -> list[Projection]:
        """Those that have synapses and do not stand for a bias; finds what is recurrent."""
        found = []
        for p in self.network.projections.values():
            where, factors = f"projection {p.name!r}", p.post.params["factor_u"]
            if p.learning is not None:
                self.problems.append(f"{where}: a learning rule")
            if p.receptor and (factors[:, 0] != factors[:, 1]).any():
                self.problems.append(f"{where}: a second receptor; NIR's neurons have one")
            host = p.pre.name in self.network.populations or p.pre.name in self.nodes
            if host and p.synapses.weight.any():
                found.append(p)
        arcs = {(p.pre.name, p.post.name) for p in found}
        hosts = [n for n, s in self.network.sources.items() if s.kind == "host"]
        populations = list(self.network.populations)
        try:
            where = f"network {self.network.name!r}"
            self.back = recurrent_arcs(arcs, hosts, populations, where)
        except SpikeloomError as error:
            self.back = set()
            self.problems.append(f"{error.problem} ({error.found})")
        return found

    def _synapses(self, p: Projection) -> None:
        """Delay and Linear nodes of a projection; the first to a population brings its bias."""
        name = p.post.name
        for delay, matrix in self._matrices(p).items():
            start, diagonal = self._delayed(p.pre.name, delay), _diagonal(matrix)
            if self.bias[name].any():
                node = self._add(p.name, "Affine", weight=matrix, bias=self.bias[name])
                self.bias[name] = np.zeros(p.post.size)
            elif diagonal is not None:
                node = self._add(p.name, "Scale", scale=diagonal)
            else:
                node = self._add(p.name, "Linear", weight=matrix)
            self._chain([start, node, name])

    def _matrices(self, p: Projection) -> dict[int, Array]:
        """NIR delay in steps → (n_post, n_pre) weights."""
        s, shape = p.synapses, (p.post.size, p.pre.size)
        arc = (p.pre.name, p.post.name)
        shift = self.levels[arc[1]] - self.levels.get(arc[0], 0) + (arc in self.back)
        matrices: dict[int, Array] = {}
        for steps in np.unique(s.delay[s.weight != 0]).tolist():
            if steps < shift:
                self.problems.append(
                    f"projection {p.name!r}: a delay of {steps} steps, less than the {shift} of "
                    "its layers"
                )
                continue
            self.entries += shape[0] * shape[1]
            if self.entries > MAX_ENTRIES:
                self.problems.append(
                    f"projection {p.name!r}: NIR has no sparse weights, and dense ones would be "
                    f"{self.entries} numbers in all, more than {MAX_ENTRIES}"
                )
                break
            chosen = s.delay == steps
            place = s.post[chosen].astype(np.int64) * shape[1] + s.pre[chosen]
            sums = np.bincount(place, s.weight[chosen], shape[0] * shape[1])
            matrices[steps - shift] = sums.astype(np.float64, copy=False).reshape(shape)
        return matrices

    def _delayed(self, origin: str, steps: int) -> str:
        """The node that has an origin's spikes some steps later."""
        if not steps:
            return origin
        name = f"{origin}.delay{steps}"
        if name not in self.nodes:
            nodes = {**self.network.sources, **self.network.populations}
            delay = np.full(nodes[origin].size, steps * self.network.dt)
            self._chain([origin, self._add(name, "Delay", delay=delay)])
        return name

    def _add(self, name: str, kind: str, **fields: Array) -> str:
        while name in self.nodes:
            name += "'"
        metadata = dict(self.network.metadata.get(name, {}))
        if kind not in ("Delay", "Output") and name in self.network.shapes:
            metadata["shape"] = np.array(self.network.shapes[name], dtype=np.float64)
        self.nodes[name] = Node(kind, fields, name, metadata=metadata)
        return name

    def _chain(self, names: list[str]) -> None:
        self.edges += itertools.pairwise(names)


def _diagonal(matrix: Array) -> Array | None:
    """The diagonal of a matrix that is nothing else, and has no zero in it."""
    diagonal = np.diagonal(matrix)
    square = matrix.shape[0] == matrix.shape[1] > 1
    return (
        diagonal.copy()
        if square and diagonal.all() and np.count_nonzero(matrix) == len(matrix)
        else None
    )


def _expressible(network: Network, of: str, variable: str) -> bool:
    """Whether an Output shows it: spikes, or v of what does not spike."""
    if of not in network.populations:
        return False
    return variable == ("spikes" if network.populations[of].neuron.spiking else "v")


def _read_back(graph: Graph, network: Network, reset: Reset, reset_delay: bool) -> str | None:
    """What is different when the graph is read again; None if nothing is."""
    options = Options(network.dt, "spec", reset, reset_delay, 1.0, ())
    again = Network(dt=network.dt, seed=network.seed, name=network.name)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            Builder(flatten(graph, Limits()), again, options).build()
    except SpikeloomError as error:
        return f"{error.problem} ({error.found})"
    return first_difference(network, again)


def _tell(network: Network, graph: Graph) -> None:
    """Say what a reader of the graph will not know."""
    lost = [
        f"{p.variable} of {p.of!r}"
        for p in network.probes
        if not _expressible(network, p.of, p.variable)
    ]
    if lost:
        warn_user(f"NIR's Outputs cannot show {', '.join(lost)}; these probes are left out")
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for p in network.projections.values():
        pairs[p.pre.name, p.post.name].append(p.name)
    merged = [names for names in pairs.values() if len(names) > 1]
    if merged:
        warn_user(f"projections between the same two become one when read again: {merged[0]}")
