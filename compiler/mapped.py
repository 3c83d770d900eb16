"""The mapped IR: the integer graph laid out on a target, one level per step.

``Flat`` numbers neurons network-wide; ``Partitioned`` splits them into parts, one per core;
``Placed`` gives every part a core and every neuron a slot; ``Routed`` holds row groups, axons and
destinations. A *sender* is a channel (its number) or a neuron (``channels`` + its number).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .ir import Graph, PopulationNode, ProjectionEdge, require
from .program import DENSE, PROFILE, ROW, SPARSE
from .target import Target
from .text import array_text, structured_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUP = np.dtype([("core", "<i4"), ("sender", "<i8"), ("row", ROW)])
"""A row group with the core it lies on and the sender whose axon owns it."""


@dataclass(frozen=True, eq=False)
class Flat:
    """All neurons in one numbering.

    Attributes:
        graph: the integer graph.
        target: what it is mapped to.
        profiles: (m,) of PROFILE, distinct, in the order of first use.
        profile: (n,) int32, row of ``profiles``.
        threshold, bias, v_init: (n,) int32.
        key: (n,) int32, the number of each neuron in the user's network: its address in the
            counter hash. Twins (``twins.py``) have that of their original and follow it.
    """

    graph: Graph
    target: Target
    profiles: NDArray[np.void]
    profile: NDArray[np.int32]
    threshold: NDArray[np.int32]
    bias: NDArray[np.int32]
    v_init: NDArray[np.int32]
    key: NDArray[np.int32]

    @property
    def original(self) -> NDArray[np.bool_]:
        """(n,) whether a neuron is one of the user's, and not a twin of the one before it."""
        return np.diff(self.key, prepend=-1) != 0

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.profile)

    def population(self, name: str) -> PopulationNode:
        """A population by name."""
        return self.graph.graph.nodes[name]["node"]

    def first_sender(self, edge: ProjectionEdge) -> int:
        """Sender number of the projection's presynaptic neuron 0."""
        node = self.graph.graph.nodes[edge.pre]["node"]
        return node.first + (self.graph.channels if isinstance(node, PopulationNode) else 0)

    def fields(self) -> dict[str, Any]:
        """All fields, for a level that adds to them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def verify(self) -> None:
        """Check lengths and numbering.

        Raises:
            CompileError: a pass produced an invalid mapping (a bug in the pass).
        """
        n = self.graph.neurons
        for name in ("profile", "threshold", "bias", "v_init", "key"):
            require(getattr(self, name).shape == (n,), "flat", f"shape of {name}")
        require(self.profiles.dtype == PROFILE, "flat", "type of profiles")
        step = np.diff(self.key, prepend=-1)
        require(bool(((step == 0) | (step == 1)).all()), "flat", "order of keys")
        used = np.unique(self.profile)
        require(np.array_equal(used, np.arange(len(self.profiles))), "flat", "profiles in use")

    def dump(self) -> str:
        """Text form."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> list[str]:
        return [
            f"{type(self).__name__.lower()} network {self.graph.name!r} on "
            f"{self.target.name!r}: neurons={self.neurons} profiles={len(self.profiles)}",
            "  " + structured_text(self.profiles),
            f"  profile={array_text(self.profile)} threshold={array_text(self.threshold)} "
            f"bias={array_text(self.bias)} v_init={array_text(self.v_init)}",
        ]


@dataclass(frozen=True, eq=False)
class Partitioned(Flat):
    """Neurons in parts that fit a core each.

    Attributes:
        part: (n,) int32, numbers from 0 without gaps.
        usage: per part, resource to amount.
        rate: (n,) float64, how often each neuron is taken to fire.
        mapping: how the parts were found, for the report.
    """

    part: NDArray[np.int32]
    usage: tuple[dict[str, int], ...]
    rate: NDArray[np.float64]
    mapping: dict[str, Any]

    @property
    def parts(self) -> int:
        """Number of parts."""
        return int(self.part.max(initial=-1)) + 1

    def verify(self) -> None:
        """Also: no part is empty or has more neurons than a core, and there are cores enough."""
        super().verify()
        require(self.part.shape == (self.neurons,), "partition", "shape of part")
        require(int(self.part.min(initial=0)) == 0, "partition", "a part is negative")
        sizes = np.bincount(self.part)
        require(bool((sizes > 0).all()), "partition", "a part is empty")
        require(len(self.usage) == self.parts, "partition", "usage of parts")
        require(sizes.max(initial=0) <= self.target.neurons, "partition", "a part is too large")
        require(self.parts <= self.target.cores, "partition", "more parts than cores")
        apart = (np.diff(self.part) != 0) & ~self.original[1:]
        require(not apart.any(), "partition", "a twin is not where its original is")

    def _lines(self) -> list[str]:
        sizes = np.bincount(self.part)
        return [*super()._lines(), f"  parts={self.parts} sizes={array_text(sizes)}"]


@dataclass(frozen=True, eq=False)
class Placed(Partitioned):
    """Every neuron has a core and a slot.

    Attributes:
        core: (n,) uint16.
        slot: (n,) uint16.
    """

    core: NDArray[np.uint16]
    slot: NDArray[np.uint16]

    def verify(self) -> None:
        """Also: the slots of each core are 0, 1, 2 … without gaps."""
        super().verify()
        sizes = np.bincount(self.core, minlength=self.parts)
        require(len(sizes) == self.parts, "place", "cores have gaps")
        base = np.cumsum(sizes) - sizes
        numbers = np.sort(base[self.core] + self.slot)
        require(np.array_equal(numbers, np.arange(self.neurons)), "place", "slots have gaps")

    def _lines(self) -> list[str]:
        return [
            *super()._lines(),
            f"  core={array_text(self.core)} slot={array_text(self.slot)}",
        ]


@dataclass(frozen=True, eq=False)
class Routed(Placed):
    """Row groups, axons and synapse data of all cores, core after core.

    Attributes:
        groups: (g,) of GROUP, sorted by core, sender, projection; offsets count within the core.
        axon: (g,) int64, axon of each group on its core.
        sparse_target, sparse_weight, sparse_delay: all cores' sparse synapses laid end to end.
        dense_weight: all cores' dense weights laid end to end.
        sparse_enable, dense_enable: uint8, 1 for each synapse that learns; None where nothing does.
    """

    groups: NDArray[np.void]
    axon: NDArray[np.int64]
    sparse_target: NDArray[np.uint16]
    sparse_weight: NDArray[np.int16]
    sparse_delay: NDArray[np.uint8]
    dense_weight: NDArray[np.int16]
    sparse_enable: NDArray[np.uint8] | None
    dense_enable: NDArray[np.uint8] | None

    def verify(self) -> None:
        """Also: every synapse of the graph lies in exactly one row group."""
        super().verify()
        total = sum(len(edge.synapses) for edge in self.graph.projections)
        rows = self.groups["row"]
        for kind, data in ((SPARSE, self.sparse_weight), (DENSE, self.dense_weight)):
            counted = int(rows["count"][rows["kind"] == kind].sum())
            require(counted == len(data), "route", "row groups do not cover the synapses")
        require(len(self.sparse_weight) + len(self.dense_weight) == total, "route", "synapses lost")
        learning = sum(
            int(edge.plastic.enable.sum()) for edge in self.graph.projections if edge.plastic
        )
        routed = sum(int(e.sum()) for e in (self.sparse_enable, self.dense_enable) if e is not None)
        require(learning == routed, "route", "enabled synapses lost")
        per_projection = np.bincount(rows["projection"], rows["count"], len(self.graph.projections))
        for edge in self.graph.projections:
            found = int(per_projection[edge.index])
            require(found == len(edge.synapses), f"projection {edge.name!r}", "synapses lost")

    def _lines(self) -> list[str]:
        lines = super()._lines()
        rows = self.groups["row"]
        for i in range(min(len(self.groups), 64)):
            row, group = rows[i], self.groups[i]
            kind = "dense" if row["kind"] == DENSE else "sparse"
            lines.append(
                f"  core {group['core']} axon {self.axon[i]} sender {group['sender']}: {kind} "
                f"projection={row['projection']} count={row['count']} receptor={row['receptor']} "
                f"exponent={row['exponent']} base={row['base']} delay={row['delay']}"
            )
        if len(self.groups) > 64:
            lines.append(f"  … {len(self.groups) - 64} more row groups")
        return lines
