"""The network as the engines see it: PyNN's names and units, arrays, whole steps.

A plan is what the front end hands over. It has no PyNN objects and no views or assemblies: those
are resolved into populations and indices here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .simulator import State

SOURCES = frozenset({"SpikeSourceArray", "SpikeSourcePoisson"})
"""Cell types that only emit spikes; the front end decides when, for every device."""


@dataclass(frozen=True, eq=False)
class Cells:
    """A population of neurons.

    Attributes:
        name: unique among populations.
        model: name of the PyNN cell type.
        size: number of neurons.
        parameters: name -> (size,) in PyNN's units.
        initial: state variable -> (size,) in PyNN's units.
        record: the variables to be recorded.
    """

    name: str
    model: str
    size: int
    parameters: dict[str, NDArray[np.float64]]
    initial: dict[str, NDArray[np.float64]]
    record: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Trains:
    """A population that only emits spikes, which the front end decides."""

    name: str
    size: int


@dataclass(frozen=True, eq=False)
class Links:
    """The connections from one population to another that one projection made; ``k`` of them.

    Attributes:
        name: unique among links.
        pre, post: names of the populations.
        receptor: 0 excitatory, 1 inhibitory.
        pre_index, post_index: (k,) int64.
        weight: (k,) in PyNN's units: nA, uS or mV, as the target's model has it.
        delay: (k,) int64 steps, at least 1.
        model: name of the PyNN synapse type.
        dynamics: name -> (k,) parameters of the synapse type but for weight and delay.
        rule: names of the timing and weight dependence, or None for synapses that do not learn.
        version: changes whenever the user sets the weights.
    """

    name: str
    pre: str
    post: str
    receptor: int
    pre_index: NDArray[np.int64]
    post_index: NDArray[np.int64]
    weight: NDArray[np.float64]
    delay: NDArray[np.int64]
    model: str = "StaticSynapse"
    dynamics: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    rule: tuple[str, str] | None = None
    version: int = 0


@dataclass(frozen=True, eq=False)
class Plan:
    """A whole network.

    Attributes:
        dt: length of a step in ms.
        seed: uint32, of random rounding.
        cells, trains, links: in the order in which they were made.
    """

    dt: float
    seed: int
    cells: tuple[Cells, ...]
    trains: tuple[Trains, ...]
    links: tuple[Links, ...]


def make_plan(state: State) -> Plan:
    """The network as it is now."""
    record = {recorder.name: tuple(recorder.variables) for recorder in state.recorders}
    cells = tuple(
        Cells(
            p.name,
            p.model,
            p.size,
            {name: np.asarray(value, np.float64) for name, value in p.parameters.items()},
            {name: value.copy() for name, value in p.initial.items()},
            record.get(p.name, ()),
        )
        for p in state.populations
        if not p.is_source
    )
    trains = tuple(Trains(p.name, p.size) for p in state.populations if p.is_source)
    links = tuple(part for projection in state.projections for part in projection.parts())
    return Plan(state.dt, state.seed, cells, trains, links)


def locate(group: Any) -> tuple[list[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Where the neurons of a Population, PopulationView or Assembly are.

    Returns:
        The populations, and for each neuron the number of its population and its index there.
    """
    members = group.populations if hasattr(group, "populations") else [group]
    roots: list[Any] = []
    owner, index = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for member in members:
        is_view = hasattr(member, "grandparent")
        root = member.grandparent if is_view else member
        if not any(root is known for known in roots):
            roots.append(root)
        number = next(i for i, known in enumerate(roots) if known is root)
        own = np.arange(member.size)
        own = np.asarray(member.index_in_grandparent(own)) if is_view else own
        owner.append(np.full(member.size, number))
        index.append(own.astype(np.int64))
    return roots, np.concatenate(owner), np.concatenate(index)
