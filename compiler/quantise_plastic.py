"""Plastic projections while a population is quantised: their limits, and their rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CompileError, FitError
from .fit import FitRow
from .ir import Finding, Plastic, ProjectionEdge
from .program_needs import rule_needs
from .quantise_rule import quantise_rule
from .scale import Exponents
from .target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .microcode import LearningRule

PARTS = {
    "epochs": "changes at the ends of epochs",
    "tags": "tags",
    "delays": "delays of single synapses",
    "windows": "traces by age (sl.Window)",
    "post_delays": "post_delay",
    "seconds": "the traces x2 and y2",
    "thirds": "the third factor r",
    "by_weight": "the weight as a factor",
    "shared": "factors that all synapses of a spike share: m, the trace of the neuron that fires, "
    "or fewer factors than other products",
    "signs": "sgn(…)",
    "sums": "several products of one event",
}
"""Part of the learning engine -> what of a rule needs it."""


def in_network_units(
    edge: ProjectionEdge, scale: NDArray[np.float64] | None, multiple_of: int = 1
) -> ProjectionEdge:
    """The edge with the limits of a raw rule as weights; others as they are.

    Args:
        edge: of the real graph.
        scale: (size,) that the user gave for the target population, or None.
        multiple_of: what one mantissa moves u by, in state LSBs.

    Raises:
        CompileError: the rule speaks mantissas, but no scale says what they are.
    """
    plastic = edge.plastic
    if plastic is None or plastic.rule.units == "network" or plastic.rule.w_max is None:
        return edge
    if scale is None:
        raise CompileError(
            f"projection {edge.name!r}: a rule in raw units needs a given scale, which says what "
            f"the integers of its weights are",
            found=f"an automatic scale for population {edge.post!r}",
            where=plastic.rule.origin,
            remedy=f"sl.Quantization(scale={{{edge.post!r}: …}}), or units='network'",
        )
    low, high = (limit * multiple_of / scale[0] for limit in plastic.limits)
    return replace(edge, plastic=replace(plastic, limits=(low, high)))


def check_scale(edges: Sequence[ProjectionEdge], scale: NDArray[np.float64]) -> None:
    """A rule's integers are the same for all neurons, so their scale has to be.

    Raises:
        CompileError: a plastic projection goes to neurons of different scales.
    """
    for edge in edges:
        if edge.plastic is not None and (scale != scale[0]).any():
            raise CompileError(
                f"projection {edge.name!r} learns, so all neurons of population {edge.post!r} "
                f"need the same scale",
                found=f"{scale.min():g} … {scale.max():g}",
                where=edge.origin,
                remedy="a scale per population: per_neuron=False, or one number as its scale",
            )


def quantise_rules(
    edges: Sequence[ProjectionEdge],
    scale: NDArray[np.float64],
    chosen: Exponents,
    dt: float,
    target: Target,
) -> tuple[dict[str, Any], dict[str, Plastic], list[Finding]]:
    """Microcode of a population's plastic projections.

    Args:
        edges: its incoming projections, with mantissas as weights.
        scale: (size,), the same for all where a projection learns.
        chosen: shift, exponents and limits.
        dt: seconds per step.
        target: widths.

    Returns:
        Report, how they learn, by projection; and findings.

    Raises:
        CompileError: naming everything about a rule that cannot be.
    """
    report: dict[str, Any] = {}
    learned: dict[str, Plastic] = {}
    findings: list[Finding] = []
    for edge in edges:
        plastic = edge.plastic
        if plastic is None:
            continue
        limits = chosen.limits[edge.name]
        total = chosen.shift + edge.exponent
        made = quantise_rule(edge, limits, math.ldexp(1.0, total) / float(scale[0]), dt, target)
        refused = list(made.refused)
        if plastic.rule.units == "raw" and plastic.rule.w_max is not None:
            given = (plastic.rule.w_min, plastic.rule.w_max)
            if limits != given:
                refused.append(
                    f"in raw units w_min and w_max are mantissas; {given[0]:g} … {given[1]:g} "
                    f"become {limits[0]} … {limits[1]} at this scale"
                )
        _check_parts(edge, made.rule, target)
        if refused:
            raise _refused(edge, refused)
        learned[edge.name] = replace(plastic, limits=limits, microcode=made.rule)
        report[edge.name] = made.report
        findings += made.findings
    return report, learned, findings


def _check_parts(edge: ProjectionEdge, rule: LearningRule, target: Target) -> None:
    """Refuse a rule that the target's learning engine is not built for.

    Raises:
        FitError: naming every part that is missing.
    """
    needs = rule_needs((rule,), target, target.factors, target.fraction)
    needs["delays"] = int(rule.needs_delays)
    rows = [
        (FitRow(part, edge.name, 1, 0, "rule"), what)
        for part, what in PARTS.items()
        if needs[part] and part in target.lacks
    ]
    factors = FitRow("factors", edge.name, needs["factors"], target.factors, "rule")
    if not factors.fits:
        rows.append(
            (factors, f"{factors.needed} factors in a product, where it has {target.factors}")
        )
    if not rows:
        return
    assert edge.plastic is not None
    error = FitError(
        f"projection {edge.name!r}: target {target.name!r} is built without what its rule needs",
        found="; ".join(what for _, what in rows),
        where=edge.plastic.rule.origin,
        remedy="a rule without it, or a core that is made for this one: compile for another "
        "target, then `spikeloom build --for net.loom`",
    )
    error.table = tuple(row.to_dict() for row, _ in rows)
    raise error


def _refused(edge: ProjectionEdge, refused: list[str]) -> CompileError:
    assert edge.plastic is not None
    subject = f"projection {edge.name!r}: its rule does not fit the machine's integers"
    return CompileError(
        "\n".join([subject, *(f"  - {reason}" for reason in refused)]),
        where=edge.plastic.rule.origin,
        remedy="other coefficients, impulses or limits; rounding='stochastic' keeps changes "
        "that are smaller than a step",
    )
