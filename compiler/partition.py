"""Pass 6: split the neurons into parts that fit a core each.

Cores are filled one after the other in the order of declaration. What a part needs grows with
every neuron, so the largest part that fits is found by bisection. That is one of several
partitions, if others are asked for (``portfolio.py``), or if it does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FitError
from .connectors import stable_order
from .fit import FitRow, format_fit, remedies
from .mapped import Flat, Partitioned
from .mapping import Mapping
from .portfolio import Found, choose
from .rows import row_groups
from .traffic import Reach
from .usage import RESOURCES, width

if TYPE_CHECKING:
    from numpy.typing import NDArray


SHOWN = 8
"""Neurons that fit no core are listed up to this many."""


@dataclass(frozen=True)
class Partition:
    """Fill core after core, or take the partition with the least traffic.

    Attributes:
        mapping: which partitions are tried, and how often neurons fire.
    """

    mapping: Mapping = field(default_factory=Mapping)

    def apply(self, ir: Flat) -> Partitioned:
        """The neurons in parts.

        Raises:
            FitError: with the fit table, when cores run out or a neuron fits no core.
        """
        method, rate = self.mapping.method, self.mapping.rate(ir)
        found, no_fit = _sequential(ir)
        alone = method == "sequential" or (found is not None and method == "auto")
        if not alone and (found is None or len(found.usage) > 1):
            extra = {}
            if method == "mtkahypar":
                from .kahypar import kahypar

                extra["mtkahypar"] = kahypar
            found = choose(ir, found, Reach.of(ir, rate), extra)
        if found is None:
            assert no_fit is not None
            raise no_fit
        told = {"method": found.method, "traffic": found.traffic}
        return Partitioned(
            **ir.fields(), part=found.part.astype(np.int32), usage=found.usage, rate=rate,
            mapping=told,
        )  # fmt: skip


def _sequential(ir: Flat) -> tuple[Found | None, FitError | None]:
    """Core after core; or why that does not fit."""
    counter = _Counter(ir)
    limits = {name: getattr(ir.target, name) for name in RESOURCES}
    part = np.zeros(ir.neurons, np.int64)
    usage: list[dict[str, int]] = []
    oversized: list[FitRow] = []
    first = 0
    while first < ir.neurons:
        last = _largest(counter, first, ir.neurons, limits)
        if last == first:  # not even one neuron: note it and go on, to tell everything at once
            last = first + 1
            if len(oversized) < SHOWN:
                oversized += _misfits(ir, first, counter.usage(first, last), limits)
        part[first:last] = len(usage)
        usage.append(counter.usage(first, last))
        first = last
    if oversized or len(usage) > ir.target.cores:
        return None, _no_fit(ir, usage, oversized)
    return Found(part, tuple(usage), "sequential"), None


def _largest(counter: _Counter, first: int, end: int, limits: dict[str, int]) -> int:
    """The largest ``last`` such that neurons ``first:last`` fit a core; ``first`` if none does."""
    high = min(end, first + limits["neurons"])
    if counter.fits(first, high, limits):
        return high
    low = first
    while high - low > 1:
        middle = (low + high) // 2
        if counter.fits(first, middle, limits):
            low = middle
        else:
            high = middle
    return low


class _Counter:
    """Counts what a range of neurons needs of a core."""

    def __init__(self, ir: Flat) -> None:
        self.ir = ir
        fan_in = np.zeros(ir.neurons, np.int64)
        for edge in ir.graph.projections:
            node = ir.population(edge.post)
            fan_in[node.first : node.first + node.size] += np.bincount(
                edge.synapses.post, minlength=node.size
            )
        self.synapses = np.concatenate([[0], np.cumsum(fan_in)])
        self.widest = max(
            (width(ir, edge, dense=False) for edge in ir.graph.projections), default=0
        )
        self.by_post: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def fits(self, first: int, last: int, limits: dict[str, int]) -> bool:
        """Whether neurons ``first:last`` fit; exact only where the quick bound does not decide."""
        most = int(self.synapses[last] - self.synapses[first])
        if (
            last - first <= min(limits["neurons"], limits["profiles"])
            and most <= min(limits["axons"], limits["rows"])
            and most * self.widest <= limits["synapse_bits"]
        ):
            return True
        usage = self.usage(first, last)
        return all(usage[name] <= limits[name] for name in RESOURCES)

    def usage(self, first: int, last: int) -> dict[str, int]:
        """Resource to amount for neurons ``first:last`` on one core."""
        ir = self.ir
        senders = np.zeros(ir.graph.channels + ir.neurons, bool)
        rows = bits = 0
        for edge in ir.graph.projections:
            node = ir.population(edge.post)
            low, high = max(first - node.first, 0), min(last - node.first, node.size)
            if low >= high or not len(edge.synapses):
                continue
            s = edge.synapses
            if low == 0 and high == node.size:
                pre, post, delay = s.pre, s.post, s.delay
            else:
                chosen = self._between(edge.name, low, high)
                pre = np.searchsorted(s.start, chosen, side="right") - 1
                post, delay = s.post[chosen], s.delay[chosen]
            groups = row_groups(pre, post, delay, sparse=edge.own_delays)
            rows += len(groups.start)
            wide = np.where(groups.dense, width(ir, edge, dense=True), width(ir, edge, dense=False))
            bits += int((groups.count * wide).sum())
            senders[self.ir.first_sender(edge) + pre[groups.start]] = True
        return {
            "neurons": last - first,
            "axons": int(senders.sum()),
            "rows": rows,
            "profiles": len(np.unique(ir.profile[first:last])),
            "synapse_bits": bits,
        }

    def _between(self, name: str, low: int, high: int) -> NDArray[np.int64]:
        """Synapses of a projection whose targets are ``low … high - 1``, in table order."""
        if name not in self.by_post:
            edge = next(e for e in self.ir.graph.projections if e.name == name)
            size = self.ir.population(edge.post).size
            counts = np.bincount(edge.synapses.post, minlength=size)
            start = np.concatenate([[0], np.cumsum(counts)])
            self.by_post[name] = start, stable_order(edge.synapses.post, size)
        start, order = self.by_post[name]
        return np.sort(order[start[low] : start[high]])


def _owner(ir: Flat, neuron: int) -> tuple[str, int]:
    """Population and index of a neuron."""
    for population in ir.graph.populations:
        if neuron < population.first + population.size:
            return population.name, neuron - population.first
    raise IndexError(neuron)


def _misfits(ir: Flat, neuron: int, usage: dict[str, int], limits: dict[str, int]) -> list[FitRow]:
    name, index = _owner(ir, neuron)
    return [
        FitRow(resource, f"{name}[{index}]", usage[resource], limits[resource], "core")
        for resource in RESOURCES
        if usage[resource] > limits[resource]
    ]


def _no_fit(ir: Flat, usage: list[dict[str, int]], oversized: list[FitRow]) -> FitError:
    """The error with the table: cores, totals by resource, the largest consumers, misfits."""
    target = ir.target
    table = [FitRow("cores", "(all)", len(usage), target.cores, "total")]
    for resource in RESOURCES:
        needed = sum(part[resource] for part in usage)
        available = getattr(target, resource) * target.cores
        table.append(FitRow(resource, "(all)", needed, available, "total"))
        if needed > available and resource in ("neurons", "synapse_bits"):
            table += _by_population(ir, resource, available)
    table += oversized
    error = FitError(
        f"network {ir.graph.name!r} does not fit target {target.name!r}\n{format_fit(table)}",
        remedy=remedies(table),
    )
    error.table = tuple(row.to_dict() for row in table)
    return error


def _by_population(ir: Flat, resource: str, available: int) -> list[FitRow]:
    """Each population's own need of a resource that is too small in total."""
    rows = []
    for population in ir.graph.populations:
        if resource == "neurons":
            needed = population.size
        else:
            counter = _Counter(ir)
            needed = counter.usage(population.first, population.first + population.size)[resource]
        rows.append(FitRow(resource, population.name, needed, available, "total"))
    return rows
