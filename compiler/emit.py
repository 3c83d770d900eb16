"""Pass 12: from the routed network to the Program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .mapped import Routed
from .mapping_report import mapping_report
from .program import (
    DENSE,
    DESTINATION,
    GENERATOR,
    SPARSE,
    CoreImage,
    PopulationSymbol,
    Program,
    ProjectionSymbol,
    SourceSymbol,
)
from .program_file import weight_dtype
from .usage import RESOURCES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ir import Graph, PopulationNode


@dataclass(frozen=True)
class Emit:
    """Cut the memories by core, number destinations, write the symbol table."""

    def apply(self, ir: Routed) -> Program:
        """The Program; the same input gives the same bytes."""
        graph = ir.graph
        sparse, dense = _bounds(ir, SPARSE), _bounds(ir, DENSE)
        groups = np.concatenate([[0], np.cumsum(np.bincount(ir.groups["core"], None, ir.parts))])
        start, to = _destinations(ir)
        channels = graph.channels
        cores = tuple(
            _image(ir, core, slice(*groups[core : core + 2]), slice(*sparse[core : core + 2]),
                   slice(*dense[core : core + 2]), start, to)
            for core in range(ir.parts)
        )  # fmt: skip
        return Program(
            target=ir.target,
            dt=float(graph.dt),
            seed=graph.seed,
            cores=cores,
            channel_start=start[: channels + 1].astype(np.int32),
            channel_to=to[: start[channels]].copy(),
            generators=_generators(graph),
            sources=tuple(SourceSymbol(s.name, s.size, s.kind, s.first) for s in graph.sources),
            populations=tuple(_symbol(ir, p) for p in graph.populations),
            projections=tuple(
                ProjectionSymbol(e.name, e.pre, e.post, e.receptor, e.base_delay)
                for e in graph.projections
            ),
            probes=graph.probes,
            rules=tuple(
                edge.plastic.microcode
                for edge in graph.plastic
                if edge.plastic is not None and edge.plastic.microcode is not None
            ),
            report=_report(ir),
            shapes=dict(graph.shapes),
            splits=graph.splits,
        )


def _symbol(ir: Routed, node: PopulationNode) -> PopulationSymbol:
    """Where a population's neurons are; twins have no name."""
    own = node.first + np.flatnonzero(ir.original[node.first : node.first + node.size])
    return PopulationSymbol(node.name, ir.core[own], ir.slot[own], node.scale[own - node.first])


def _image(
    ir: Routed,
    core: int,
    here: slice,
    sparse: slice,
    dense: slice,
    start: NDArray[np.int64],
    to: NDArray[np.void],
) -> CoreImage:
    mine = np.flatnonzero(ir.core == core)
    mine = mine[np.argsort(ir.slot[mine], kind="stable")]
    used, profile = np.unique(ir.profile[mine], return_inverse=True)
    axon = ir.axon[here]
    axons = int(axon[-1]) + 1 if len(axon) else 0
    senders = ir.graph.channels + mine
    fan_out = start[senders + 1] - start[senders]
    index = np.repeat(start[senders] - (np.cumsum(fan_out) - fan_out), fan_out)
    weight: Any = weight_dtype(ir.target)
    rows = ir.groups["row"][here].copy()
    plastic = bool(rows["rule"].any())
    return CoreImage(
        profile=profile.reshape(-1).astype(np.uint16),
        threshold=ir.threshold[mine],
        bias=ir.bias[mine],
        v_init=ir.v_init[mine],
        key=ir.key[mine].astype(np.uint32),
        profiles=ir.profiles[used],
        axon_start=np.searchsorted(axon, np.arange(axons + 1)).astype(np.int32),
        rows=rows,
        sparse_target=ir.sparse_target[sparse].copy(),
        sparse_weight=ir.sparse_weight[sparse].astype(weight),
        sparse_delay=ir.sparse_delay[sparse].copy(),
        dense_weight=ir.dense_weight[dense].astype(weight),
        sparse_enable=_enable(ir.sparse_enable, sparse, plastic),
        dense_enable=_enable(ir.dense_enable, dense, plastic),
        spike_start=np.concatenate([[0], np.cumsum(fan_out)]).astype(np.int32),
        spike_to=to[index + np.arange(len(index))],
    )


def _enable(enable: NDArray[np.uint8] | None, here: slice, plastic: bool) -> NDArray[np.uint8]:
    """One core's enable bits; none where no row of the core learns."""
    if enable is None or not plastic:
        return np.zeros(0, np.uint8)
    return enable[here].copy()


def _bounds(ir: Routed, kind: int) -> NDArray[np.int64]:
    """(cores + 1,) where each core's synapses of a kind start in the memories laid end to end."""
    row = ir.groups["row"]
    own = row["kind"] == kind
    count = np.bincount(ir.groups["core"][own], row["count"][own], ir.parts)
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)


def _destinations(ir: Routed) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """Where each sender's spikes go: (senders + 1,) starts and the table, cores ascending."""
    first = np.ones(len(ir.groups), bool)
    first[1:] = (np.diff(ir.axon) != 0) | (np.diff(ir.groups["core"]) != 0)
    own = np.flatnonzero(first)
    sender = ir.groups["sender"][own]
    own = own[np.argsort(sender, kind="stable")]
    senders = ir.graph.channels + ir.neurons
    start = np.zeros(senders + 1, np.int64)
    np.cumsum(np.bincount(sender, minlength=senders), out=start[1:])
    to = np.zeros(len(own), DESTINATION)
    to["core"] = ir.groups["core"][own]
    to["axon"] = ir.axon[own]
    return start, to


def _generators(graph: Graph) -> NDArray[np.void]:
    parts = [np.zeros(0, GENERATOR)]
    for source in graph.sources:
        if source.kind == "host":
            continue
        part = np.zeros(source.size, GENERATOR)
        part["channel"] = source.first + np.arange(source.size)
        part["kind"] = source.generator
        # What a kind does not use stays zero, so that equal behaviour is equal bytes.
        poisson = source.phase * 0 + (source.generator == 1)
        part["seed"] = source.seed * poisson
        part["key"] = part["channel"] * poisson
        part["value"] = source.value
        part["phase"] = source.phase
        parts.append(part)
    return np.concatenate(parts)


def _report(ir: Routed) -> dict[str, Any]:
    """Plain JSON: what the compiler found worth telling; nothing that changes from run to run."""
    findings = ir.graph.findings
    totals = {}
    for name in RESOURCES:
        used = [part[name] for part in ir.usage]
        totals[name] = {
            "total": sum(used),
            "largest_core": max(used, default=0),
            "per_core": getattr(ir.target, name),
        }
    return {
        "network": ir.graph.name,
        "target": ir.target.name,
        "cores": {"used": ir.parts, "available": ir.target.cores},
        "resources": totals,
        "synapses": {
            "sparse": len(ir.sparse_weight),
            "dense": len(ir.dense_weight),
        },
        **({"mapping": mapping_report(ir)} if ir.parts > 1 else {}),
        **ir.graph.report,
        "warnings": [str(f) for f in findings if f.severity == "warning"],
        "notes": [str(f) for f in findings if f.severity == "note"],
    }
