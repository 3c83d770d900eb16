"""Pass 3: what no network should do, as small named rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import CompileError, FitError
from .fit import FitRow
from .ir import Finding, Graph
from .learning_limits import delay_limits
from .microcode import MAX_FACTORS, Changes
from .program import LINEAR, MASK, RESET_SUBTRACT
from .target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOSTLY_ZERO = 0.9
"""A dense matrix with more zeros than this share is cheaper as a sparse one, at any width."""
MANY = 1000
"""Below this many synapses waste does not matter."""


@dataclass(frozen=True)
class Violation:
    """A rule that is broken; compilation stops after all rules have been checked.

    Attributes:
        rule: name of the rule.
        origin: line of the user's file that made the object.
        message: one sentence.
        remedy: a way out.
        lacks: what the target has too little of, if that is the reason.
    """

    rule: str
    origin: str
    message: str
    remedy: str
    lacks: FitRow | None = None


Outcome = Violation | Finding
Rule = Callable[[Graph, Target], Iterator[Outcome]]


@dataclass(frozen=True)
class DesignRules:
    """Check every rule; note findings, raise all violations together.

    Attributes:
        target: what the network is to run on.
    """

    target: Target

    def apply(self, ir: Graph) -> Graph:
        """The same graph, with findings.

        Raises:
            CompileError: naming every broken rule; a FitError where a larger target would do.
        """
        outcomes = [outcome for rule in RULES for outcome in rule(ir, self.target)]
        broken = [o for o in outcomes if isinstance(o, Violation)]
        if broken:
            raise _error(ir, broken)
        findings = tuple(o for o in outcomes if isinstance(o, Finding))
        return replace(ir, findings=ir.findings + findings)


def _error(ir: Graph, broken: list[Violation]) -> CompileError:
    """All broken rules in one error."""
    listing = "\n".join(f"  - [{v.rule}] {v.message} ({v.origin})" for v in broken)
    problem = (
        f"network {ir.name!r} breaks {len(broken)} design rule{'s' if len(broken) > 1 else ''}\n"
        f"{listing}"
    )
    remedy = "; ".join(dict.fromkeys(v.remedy for v in broken))
    table = tuple(v.lacks.to_dict() for v in broken if v.lacks is not None)
    if len(table) < len(broken):
        return CompileError(problem, remedy=remedy)
    error = FitError(problem, remedy=remedy)
    error.table = table
    return error


def has_a_population(ir: Graph, target: Target) -> Iterator[Outcome]:
    """A network needs at least one population."""
    if not ir.populations:
        yield Violation(
            "has_a_population",
            ir.name,
            "the network has no population",
            "add one with net.population",
        )


def delay_fits_the_wheel(ir: Graph, target: Target) -> Iterator[Outcome]:
    """Wheel delays lie within the target's delay slots."""
    most = target.delay_slots - 1
    for edge in ir.projections:
        deepest = int(edge.synapses.delay.max(initial=0))
        if deepest > most:
            yield Violation(
                "delay_fits_the_wheel",
                edge.origin,
                f"projection {edge.name!r} has a delay of {deepest + edge.base_delay} steps; "
                f"the {target.delay_slots} delay slots of target {target.name!r} hold at most "
                f"{most + edge.base_delay}",
                "use shorter delays, a larger dt, or a target with more delay slots",
                FitRow("delay_slots", edge.post, deepest + 1, target.delay_slots, "core"),
            )


def receptor_exists(ir: Graph, target: Target) -> Iterator[Outcome]:
    """Projections drive receptors that the target has."""
    for edge in ir.projections:
        if edge.receptor >= target.receptors:
            yield Violation(
                "receptor_exists",
                edge.origin,
                f"projection {edge.name!r} drives receptor {edge.receptor}; target "
                f"{target.name!r} has {target.receptors}",
                "use receptor 0, or a target with two receptors",
                FitRow("receptors", edge.post, edge.receptor + 1, target.receptors, "neuron"),
            )


_PARTS: dict[str, tuple[Callable[[Any], NDArray[np.bool_]], str]] = {
    "exponential": (lambda p: p["leak"] != LINEAR, "leaks exponentially"),
    "linear": (lambda p: p["leak"] == LINEAR, "leaks linearly"),
    "subtract": (lambda p: p["reset"] == RESET_SUBTRACT, "is reset by subtraction"),
    "late": (lambda p: p["reset_delay"] != 0, "is reset a step late"),
    "hold": (
        lambda p: (p["refractory"] > 0) & (p["refractory_mode"] != MASK),
        "holds its voltage while it is refractory",
    ),
    "mask": (
        lambda p: (p["refractory"] > 0) & (p["refractory_mode"] == MASK),
        "masks its spikes while it is refractory",
    ),
    "bias": (lambda p: p["bias"] != 0, "has a bias"),
    "adaptation": (lambda p: p["adapt_step"] != 0, "adapts its threshold"),
}
"""Part of the neuron -> which neurons need it, and what such a one does."""


def neuron_parts_are_there(ir: Graph, target: Target) -> Iterator[Outcome]:
    """Neurons need no part that the target's cores are built without."""
    for population in ir.populations:
        for part, (needs, does) in _PARTS.items():
            if part not in target.lacks or not needs(population.params).any():
                continue
            i = int(np.argmax(needs(population.params)))
            yield Violation(
                "neuron_parts_are_there",
                population.origin,
                f"population {population.name!r}: neuron {i} {does}; target {target.name!r} is "
                f"built without ({part})",
                f"neurons that need no {part}, or a core that is made for these: compile for "
                f"another target, then `spikeloom build --for net.loom`",
                FitRow(part, population.name, 1, 0, "core"),
            )


def refractory_period_fits(ir: Graph, target: Target) -> Iterator[Outcome]:
    """Refractory periods fit the target's counter."""
    most = (1 << target.refractory_bits) - 1
    for population in ir.populations:
        longest = int(population.params["refractory"].max(initial=0))
        if longest > most:
            yield Violation(
                "refractory_period_fits",
                population.origin,
                f"population {population.name!r} has a refractory period of {longest} steps; "
                f"target {target.name!r} counts up to {most}",
                "a shorter period, a larger dt, or a target with a wider counter",
                FitRow(
                    "refractory_bits", population.name, longest.bit_length(),
                    target.refractory_bits, "core",
                ),
            )  # fmt: skip


def every_population_gets_input(ir: Graph, target: Target) -> Iterator[Outcome]:
    """A neuron without synapses and bias moves only by graded input."""
    for population in ir.populations:
        reached = population.params["bias"] != 0
        reached = reached | (population.params["v_init"] > population.params["threshold"])
        for edge in ir.incoming(population.name):
            reached[edge.synapses.post] = True
        missing = np.flatnonzero(~reached)
        if len(missing):
            who = "no neuron" if len(missing) == population.size else f"neuron {missing[0]}"
            count = (
                "" if len(missing) in (1, population.size) else f" (and {len(missing) - 1} more)"
            )
            verb = "has" if len(missing) == population.size else "has no"
            noun = "a synapse or a bias" if verb == "has" else "synapse and no bias"
            yield _note(
                "every_population_gets_input",
                population.name,
                f"{who}{count} {verb} {noun}: only graded input can move it",
            )


def every_source_is_used(ir: Graph, target: Target) -> Iterator[Outcome]:
    """A source that reaches nobody is probably a mistake."""
    for source in ir.sources:
        edges = [data["edge"] for _, _, data in ir.graph.out_edges(source.name, data=True)]
        if not any(len(edge.synapses) for edge in edges):
            yield _note("every_source_is_used", source.name, "the source reaches no neuron")


def projection_has_synapses(ir: Graph, target: Target) -> Iterator[Outcome]:
    """An empty projection does nothing."""
    for edge in ir.projections:
        if not len(edge.synapses):
            yield _note("projection_has_synapses", edge.name, "the projection has no synapse")


def dense_is_not_mostly_zero(ir: Graph, target: Target) -> Iterator[Outcome]:
    """A dense array of zeros takes the memory of a full one."""
    for edge in ir.projections:
        zeros, k = int((edge.synapses.weight == 0).sum()), len(edge.synapses)
        if k >= MANY and zeros > MOSTLY_ZERO * k:
            yield _note(
                "dense_is_not_mostly_zero",
                edge.name,
                f"{zeros} of {k} weights are zero and take memory and cycles; pass a SciPy "
                f"sparse matrix to leave them out",
            )


def reset_is_below_threshold(ir: Graph, target: Target) -> Iterator[Outcome]:
    """A neuron that is reset above its threshold fires for ever."""
    for population in ir.populations:
        p = population.params
        above = (p["spiking"] == 1) & (p["reset"] == 0) & (p["v_reset"] > p["threshold"])
        if above.any():
            i = int(np.flatnonzero(above)[0])
            yield _note(
                "reset_is_below_threshold",
                population.name,
                f"neuron {i} is reset to {p['v_reset'][i]:g}, above its threshold "
                f"{p['threshold'][i]:g}",
            )


def target_can_learn(ir: Graph, target: Target) -> Iterator[Outcome]:
    """Learning rules have no more products than the target, nor products more factors."""
    for edge in ir.plastic:
        assert edge.plastic is not None
        rule = edge.plastic.rule
        count = len(rule.terms)
        if count > target.products:
            listed = ", ".join(str(term) for term in rule.terms[:12])
            what = (
                f"{count} products ({listed}); target {target.name!r} has {target.products}"
                if target.products
                else f"a rule; target {target.name!r} cannot learn"
            )
            yield Violation(
                "target_can_learn",
                rule.origin,
                f"projection {edge.name!r} has {what}",
                "use fewer products, or a target with more of them",
                FitRow("products", edge.name, count, target.products, "rule"),
            )
        for term in rule.terms:
            if len(term.factors) > MAX_FACTORS:
                yield Violation(
                    "target_can_learn",
                    rule.origin,
                    f"projection {edge.name!r}: {term} multiplies {len(term.factors)} values; "
                    f"the machine multiplies up to {MAX_FACTORS}",
                    "split the rule: let one projection's tag carry a part, or leave a factor out",
                )


def small_cores_only_learn(ir: Graph, target: Target) -> Iterator[Outcome]:
    """On a small core all synapses belong to the one rule that it computes."""
    remedy = (
        "let one projection with a rule have all synapses, or compile for a target that is no "
        "small core"
    )
    if "static" in target.lacks:
        for edge in ir.projections:
            if edge.plastic is None and len(edge.synapses):
                yield Violation(
                    "small_cores_only_learn",
                    edge.origin,
                    f"projection {edge.name!r} does not learn; target {target.name!r} is built "
                    "without synapses that do not (static)",
                    remedy,
                    FitRow("static", edge.post, 1, 0, "core"),
                )
    rules = len(ir.plastic)
    if "several" in target.lacks and rules != 1:
        yield Violation(
            "small_cores_only_learn",
            ir.name,
            f"{rules} projections learn; target {target.name!r} computes exactly one rule",
            remedy,
            FitRow("several", ir.name, 1, 0, "core"),
        )


def delay_limits_fit_the_wheel(ir: Graph, target: Target) -> Iterator[Outcome]:
    """Learned delays stay within the target's delay slots."""
    most = target.delay_slots - 1
    for edge in ir.plastic:
        assert edge.plastic is not None
        if Changes.DELAY not in edge.plastic.rule.products:
            continue
        deepest = delay_limits(edge.plastic.rule, ir.dt, edge.base_delay, most)[1]
        if deepest > most:
            yield Violation(
                "delay_limits_fit_the_wheel",
                edge.plastic.rule.origin,
                f"projection {edge.name!r} may learn delays of {deepest + edge.base_delay} steps; "
                f"the {target.delay_slots} delay slots of target {target.name!r} hold at most "
                f"{most + edge.base_delay}",
                "use a smaller delay_max, or a target with more delay slots",
                FitRow("delay_slots", edge.post, deepest + 1, target.delay_slots, "core"),
            )


RULES: tuple[Rule, ...] = (
    has_a_population,
    target_can_learn,
    small_cores_only_learn,
    delay_limits_fit_the_wheel,
    delay_fits_the_wheel,
    receptor_exists,
    neuron_parts_are_there,
    refractory_period_fits,
    every_population_gets_input,
    every_source_is_used,
    projection_has_synapses,
    dense_is_not_mostly_zero,
    reset_is_below_threshold,
)


def _note(rule: str, subject: str, message: str) -> Finding:
    severity: Literal["note"] = "note"
    return Finding(rule, severity, subject, message)
