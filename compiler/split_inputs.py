"""Pass 5: other neurons add up a part of the inputs of those that have too many.

A neuron's synapses are added up once in a step, before anything is rounded or forgotten. So some of
them can be added up elsewhere, if the sum arrives whole and in time: by *groups* of neurons that
forget everything in each step and send the sum in digits (``digits.py``). That takes a step for
each stage of digits, which must be part of the synapses' delays; then nothing about the neuron
changes, and no number or rounding is new. docs/compiler.md ("Sums") tells users.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .connectors import Table
from .fans import INPUTS_FIT, fan_in_error
from .fit import together
from .input_groups import plan_groups
from .inputs import Inputs
from .ir import Finding, build
from .split_network import with_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ir import Graph, ProjectionEdge
    from .target import Target

LEVELS = 3
"""Sums of sums of sums are the most that is tried."""
DELAYS = (63, 56, 48, 40, 35, 30, 27, 24, 22, 20, *range(18, 0, -1))
"""Steps that sums may take; the same ones are tried whatever the delays, so that a longer delay
of all synapses is never worse than a shorter one."""
STEPS = 4
"""The next level may wait for all stages of a level but the first, or for so many-ths of them."""
KEYS = ("levels", "neurons", "moved", "synapses")
"""What the report tells of a population whose inputs others add up."""


@dataclass(frozen=True)
class SplitInputs:
    """Have inputs added up by other neurons where a target's neurons or cores take fewer.

    Attributes:
        target: whose limits are kept.
    """

    target: Target

    def apply(self, ir: Graph) -> Graph:
        """The network with neurons that add up; what others compute stays what it was.

        Raises:
            FitError: a neuron has more synapses than the target can, and they cannot be split.
        """
        before, errors = ir, []
        for population in before.populations:
            inputs = Inputs.of(ir, population, self.target)
            if inputs is None:
                continue
            split = split_population(ir, population.name, inputs, self.target)
            if split is not None:
                ir = split
                continue
            delays = _way_out(ir, population.name, inputs, self.target)
            if self.target.fan_in is not None and inputs.count.max() > self.target.fan_in:
                errors.append(fan_in_error(inputs, population.name, ir, self.target, delays))
            elif delays is not None:  # what cores take is counted later
                note = Finding(INPUTS_FIT, "note", population.name, delays)
                ir = replace(ir, findings=(*ir.findings, note))
        if errors:
            raise together(errors, "populations have too many inputs")
        return replace(ir, report=_report(before, ir)) if ir.splits else ir


def split_population(ir: Graph, name: str, inputs: Inputs, target: Target) -> Graph | None:
    """The network in which no neuron of a population has too many inputs; None if none is found."""
    longest = int(inputs.delay[inputs.fixed].max(initial=0))
    alone = _alone(ir, name, inputs)
    for levels in range(1, LEVELS + 1):
        for delay in DELAYS:
            if levels <= delay <= longest:
                found = _tried(ir, alone, name, target, delay, levels)
                if found is not None:
                    return found
    return None


def _tried(
    ir: Graph, alone: Graph, name: str, target: Target, delay: int, levels: int
) -> Graph | None:
    """As ``_with_levels``; what does not even do for a single neuron is soon found out."""
    if _with_levels(alone, name, target, delay, levels) is None:
        return None
    return _with_levels(ir, name, target, delay, levels)


def _with_levels(ir: Graph, name: str, target: Target, delay: int, levels: int) -> Graph | None:
    """The same with at most so many sums on top of each other, which take so many steps in all.

    Only synapses that take as long move.
    """
    inputs = Inputs.of(ir, ir.graph.nodes[name]["node"], target)
    if inputs is None:
        return ir
    if not levels or delay < levels:
        return None
    plan = plan_groups(inputs, target, delay, delay // levels, enough=levels == 1)
    if plan is None:
        return None
    # Early stages leave the next level more of the delay, late ones less.
    ir, stages = with_groups(ir, name, target, plan), plan.digits.stages
    for left in sorted({delay - 1 - (stages - 1) * i // STEPS for i in range(STEPS + 1)})[::-1]:
        found = _with_levels(ir, name, target, left, levels - 1)
        if found is not None:
            return found
    return None


def _way_out(ir: Graph, name: str, inputs: Inputs, target: Target) -> str | None:
    """The shortest delays with which the inputs of a population could be split, if any would do."""
    alone = _alone(ir, name, inputs)
    for steps in (d for d in DELAYS[::-1] if d < target.delay_slots):
        slow, one = _delayed(ir, name, steps), _delayed(alone, name, steps)
        levels = range(1, LEVELS + 1)
        if any(_tried(slow, one, name, target, steps, n) is not None for n in levels):
            break
    else:
        return None
    return (
        f"delays of at least {steps:,} steps from sources and {steps + 1:,} from populations "
        f"(delay={steps * ir.dt:g} and {(steps + 1) * ir.dt:g}) for the synapses onto {name!r} "
        "that do not learn: then other neurons add up a part of them"
    )


def _delayed(ir: Graph, name: str, least: int) -> Graph:
    """The network whose synapses onto a population have at least some wheel delay."""

    def slower(edge: ProjectionEdge) -> ProjectionEdge:
        if edge.plastic is not None:
            return edge
        s = edge.synapses
        return replace(edge, synapses=replace(s, delay=np.maximum(s.delay, np.uint8(least))))

    return _changed(ir, name, slower)


def _alone(ir: Graph, name: str, inputs: Inputs) -> Graph:
    """The network with no synapses onto a population but those of its neuron with the most."""
    neuron = int(inputs.count.argmax())

    def own(edge: ProjectionEdge) -> ProjectionEdge:
        s, plastic = edge.synapses, edge.plastic
        here = s.post == neuron
        start = np.concatenate([[0], np.cumsum(here)])[s.start]
        if plastic is not None:
            plastic = replace(plastic, enable=plastic.enable[here])
        synapses = Table(start, s.post[here], s.weight[here], s.delay[here])
        return replace(edge, synapses=synapses, plastic=plastic)

    return _changed(ir, name, own)


def _changed(ir: Graph, name: str, change: Callable[[ProjectionEdge], ProjectionEdge]) -> Graph:
    """The network with other projections onto a population."""
    edges = (change(e) if e.post == name else e for e in ir.projections)
    return build(ir, [*ir.sources, *ir.populations], edges)


def _report(before: Graph, after: Graph) -> dict[str, Any]:
    """The report with what was split: by population its sums, their neurons and synapses."""
    count = {edge.name: len(edge.synapses) for edge in after.projections}
    sums: dict[str, Any] = {}
    for split in after.splits:
        entry = sums.setdefault(split.population, dict.fromkeys(KEYS, 0))
        moved = sum(count[name] for name, _ in split.carriers)
        more = (*(name for name, _ in split.copies), *split.feedback, *split.outputs)
        entry["levels"] += 1
        entry["neurons"] += after.graph.nodes[split.sums]["node"].size
        entry["moved"] += moved
        entry["synapses"] += moved + sum(count[name] for name in more)
    return {**before.report, "sums": sums}
