"""Pass 7: split the neurons into parts that fit a core each.

Cores are filled one after the other in the order of declaration. What a part needs grows with
every neuron, so the largest part that fits is found by bisection. That is one of several
partitions, if others are asked for (``portfolio.py``), or if it does not fit. Where the target
limits what a neuron or a core sends, a partition says how many twins (``twins.py``) each neuron
needs, and the next partition has room for them, until one has room for what it asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FitError
from .connectors import stable_order
from .fans import INPUTS_FIT, check_twins, endless, name_of
from .fit import FitRow, format_fit, remedies
from .mapped import Flat, Partitioned
from .mapping import Mapping
from .portfolio import Found, choose
from .rows import row_groups
from .traffic import Reach
from .twins import Doubled
from .usage import RESOURCES, width

if TYPE_CHECKING:
    from numpy.typing import NDArray


ROUNDS = 24
"""Partitions that are made at most; more than a few are hardly ever needed."""
PATIENCE, SPARE = 3, 12
"""After so many, each core keeps one of so many slots for twins that the next one asks for: where
one core is cut a little later, others are, too, and some neurons reach one more."""
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
        """The neurons in parts, with the twins that they need.

        Raises:
            FitError: with the fit table, when cores run out or a neuron fits no core, or would need
                more twins than there can be.
        """
        rate = self.mapping.rate(ir)
        net = Doubled.single(ir)
        for turn in range(ROUNDS):
            found = self._part(net, rate)
            needed = net.needed(found.part)
            check_twins(needed, found.part)
            usage = found.usage if needed is net else needed.usage(found.part)
            if needed is net or needed.fits(found.part, usage):
                break
            net = net.joined(needed, ir.target.neurons // SPARE if turn >= PATIENCE else 0)
        else:
            raise endless(net)
        copies = needed.copies
        told = {"method": found.method, "traffic": found.traffic}
        return Partitioned(
            **needed.whole.fields(), part=np.repeat(found.part, copies).astype(np.int32),
            usage=usage, rate=np.repeat(rate, copies), mapping=told,
        )  # fmt: skip

    def _part(self, net: Doubled, rate: NDArray[np.float64]) -> Found:
        """One partition that fits, ``part`` (n,) of the neurons without twins."""
        method = self.mapping.method
        found, no_fit = _sequential(net)
        alone = method == "sequential" or (found is not None and method == "auto")
        if not alone and (found is None or len(found.usage) > 1):
            extra = {}
            if method == "mtkahypar":
                from .kahypar import kahypar

                extra["mtkahypar"] = kahypar
            found = choose(net, found, Reach.of(net.flat, rate), extra)
        if found is None:
            assert no_fit is not None
            raise no_fit
        return found


def _sequential(net: Doubled) -> tuple[Found | None, FitError | None]:
    """Core after core; or why that does not fit."""
    whole = net.whole
    counter = _Counter(net)
    limits = {name: getattr(whole.target, name) for name in RESOURCES}
    begin = np.cumsum(net.copies) - net.copies  # of each neuron's copies
    family = np.repeat(np.arange(len(begin)), net.copies)
    part = np.zeros(len(begin), np.int64)
    usage: list[dict[str, int]] = []
    oversized: list[FitRow] = []
    first = 0
    while first < whole.neurons:
        last = _largest(counter, first, whole.neurons, limits | {"neurons": net.room})
        if last < whole.neurons:
            last = int(begin[family[last]])  # twins stay together
        if last == first:  # not even one neuron: note it and go on, to tell everything at once
            last = first + int(net.copies[family[first]])
            if len(oversized) < SHOWN and not counter.fits(first, last, limits):
                oversized += _misfits(net, int(family[first]), counter.usage(first, last), limits)
        part[family[first:last]] = len(usage)
        usage.append(counter.usage(first, last))
        first = last
    if oversized or len(usage) > whole.target.cores:
        return None, _no_fit(net, usage, oversized)
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

    def __init__(self, net: Doubled) -> None:
        self.ir = ir = net.whole
        sent = np.zeros(ir.neurons, np.int64)
        sent[ir.original] = net.messages
        self.messages = np.concatenate([[0], np.cumsum(sent)])
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
        sent, allowed = self.messages[last] - self.messages[first], self.ir.target.axons_out
        if allowed is not None and sent > allowed:
            return False
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


def _misfits(
    net: Doubled, neuron: int, usage: dict[str, int], limits: dict[str, int]
) -> list[FitRow]:
    """Why a neuron of the user's fits no core, with its twins."""
    where = name_of(net.flat, neuron)
    if net.copies[neuron] > 1:
        where += f" and {net.copies[neuron] - 1:,} twins"
    rows = [
        FitRow(resource, where, usage[resource], limits[resource], "core")
        for resource in RESOURCES
        if usage[resource] > limits[resource]
    ]
    most = net.flat.target.axons_out
    if most is not None and net.messages[neuron] > most:
        rows.append(FitRow("axons_out", where, int(net.messages[neuron]), most, "core"))
    return rows


def _no_fit(net: Doubled, usage: list[dict[str, int]], oversized: list[FitRow]) -> FitError:
    """The error with the table: cores, totals by resource, the largest consumers, misfits."""
    ir = net.whole
    target = ir.target
    table = [FitRow("cores", "(all)", len(usage), target.cores, "total")]
    for resource in RESOURCES:
        needed = sum(part[resource] for part in usage)
        available = getattr(target, resource) * target.cores
        table.append(FitRow(resource, "(all)", needed, available, "total"))
        if needed > available and resource in ("neurons", "synapse_bits"):
            table += _by_population(net, resource, available)
    table += oversized
    twins = int((net.copies - 1).sum())
    notes = [finding.message for finding in ir.graph.findings if finding.rule == INPUTS_FIT]
    error = FitError(
        f"network {ir.graph.name!r} does not fit target {target.name!r}\n{format_fit(table)}",
        found=f"{twins:,} of these neurons are twins, since a spike goes to at most "
        f"{target.fan_out:,} core{'s' if target.fan_out != 1 else ''}" if twins else None,
        remedy="; ".join([remedies(table), *notes]),
    )  # fmt: skip
    error.table = tuple(row.to_dict() for row in table)
    return error


def _by_population(net: Doubled, resource: str, available: int) -> list[FitRow]:
    """Each population's own need of a resource that is too small in total."""
    rows = []
    for population in net.whole.graph.populations:
        if resource == "neurons":
            needed = population.size
        else:
            counter = _Counter(net)
            needed = counter.usage(population.first, population.first + population.size)[resource]
        rows.append(FitRow(resource, population.name, needed, available, "total"))
    return rows
