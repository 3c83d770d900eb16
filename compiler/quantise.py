"""Pass 4: from reals to the machine's integers, without clipping anything in silence.

A population's scale ``S`` says how many least significant bits of the state one unit of the
network takes. A weight ``w`` becomes a mantissa ``m = round(w·S / 2^(s+e))``: ``e`` belongs to
the projection, the shift ``s`` to the population's profiles, and ``(m << e) << s`` arrives in u.
``choose_scale`` picks what the user does not give; docs/compiler.md explains the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import CompileError, NetworkError
from .bounds import Drive, accumulator_sums, real_drive
from .checks import Reasons, choice, numbers
from .connectors import Table
from .fit import together
from .ir import Finding, Graph, PopulationNode, ProjectionEdge, build
from .origin import did_you_mean
from .quantise_neurons import quantise_neurons
from .quantise_plastic import check_scale, in_network_units, quantise_rules
from .quantise_report import population_report, projection_report, quantisation_findings
from .scale import Exponents, choose_exponents, choose_scale
from .target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rounding = Literal["nearest", "toward_zero"]


@dataclass(frozen=True, eq=False)
class Quantization:
    """How reals become integers.

    Args:
        scale: state LSBs per network unit: ``"auto"``, one number for all populations, or a
            mapping of population to a number or a (size,) array; populations that the mapping
            leaves out are automatic. With a given scale representable numbers are exact.
        per_neuron: automatic scales use each neuron's own weights instead of its population's
            largest.
        rounding: of weights: ``"nearest"`` or ``"toward_zero"``.
        multiple_of: thresholds, and what a spike adds to u, are multiples of this power of two
            (1 to 2048) in state LSBs, and a bias of more than 12 bits one of a smaller power; 64
            is what Lava's fixed_pt models can hold.

    Raises:
        NetworkError: a scale is not positive, multiple_of is no power of two, or a word is
            unknown.
    """

    scale: Any = "auto"
    per_neuron: bool = False
    rounding: Rounding = "nearest"
    multiple_of: int = 1

    def __post_init__(self) -> None:
        reasons = Reasons("Quantization")
        choice(reasons, "rounding", self.rounding, ("nearest", "toward_zero"))
        multiple = self.multiple_of
        if type(multiple) is not int or not 0 < multiple <= 2048 or multiple & (multiple - 1):
            reasons.add(f"multiple_of must be a power of two from 1 to 2048, got {multiple!r}")
        if not isinstance(self.per_neuron, bool):
            reasons.add(f"per_neuron must be True or False, got {self.per_neuron!r}")
        if isinstance(self.scale, Mapping):
            for name, value in self.scale.items():
                if value != "auto" if isinstance(value, str) else True:
                    numbers(reasons, f"scale[{name!r}]", value, above=0.0)
        elif isinstance(self.scale, str):
            choice(reasons, "scale", self.scale, ("auto",))
        else:
            numbers(reasons, "scale", self.scale, ndim=(0,), above=0.0)
        if self.per_neuron is True and not isinstance(self.scale, (str, Mapping)):
            reasons.add("per_neuron belongs to automatic scales; scale gives one to all neurons")
        reasons.done()

    def explicit(self, name: str, size: int) -> NDArray[np.float64] | None:
        """(size,) the scale that the user gave for a population; None: automatic."""
        value = self.scale.get(name, "auto") if isinstance(self.scale, Mapping) else self.scale
        if isinstance(value, str):
            return None
        reasons = Reasons(f"Quantization, scale[{name!r}]")
        array = numbers(reasons, "the scale", value, above=0.0)
        if array.ndim == 1 and len(array) != size:
            reasons.add(f"{len(array)} values for {size} neurons")
        reasons.done()
        return np.broadcast_to(array, (size,)).copy()


@dataclass(frozen=True)
class Quantise:
    """Choose scales and exponents, round, and report what that did.

    Attributes:
        target: widths of the numbers.
        quantization: what the user asked for.
    """

    target: Target
    quantization: Quantization

    def apply(self, ir: Graph) -> Graph:
        """The integer graph, with a report and findings.

        Raises:
            CompileError: a number cannot be represented at the given scale.
            FitError: an accumulator could overflow at the given scale.
        """
        self._check_names(ir)
        populations: list[PopulationNode] = []
        edges: list[ProjectionEdge] = []
        findings: list[Finding] = []
        report: dict[str, Any] = {"populations": {}, "projections": {}, "rules": {}}
        errors: list[CompileError] = []
        for population in ir.populations:
            try:
                node, into, entry = self._population(ir, population)
            except CompileError as error:  # go on, to tell everything at once
                errors.append(error)
                continue
            populations.append(node)
            edges += into
            report["populations"][population.name] = entry["population"]
            report["projections"].update(entry["projections"])
            report["rules"].update(entry["rules"])
            findings += entry["findings"]
        if errors:
            raise together(errors, "populations cannot be quantised")
        order = {edge.name: edge.index for edge in edges}
        for name in ("projections", "rules"):
            report[name] = dict(sorted(report[name].items(), key=lambda item: order[item[0]]))
        return build(
            ir,
            [*ir.sources, *populations],
            edges,
            level="integer",
            findings=ir.findings + tuple(findings),
            report=report,
        )

    def _check_names(self, ir: Graph) -> None:
        if not isinstance(self.quantization.scale, Mapping):
            return
        known = [p.name for p in ir.populations]
        for name in self.quantization.scale:
            if name not in known:
                raise NetworkError(
                    "Quantization: scale names no population",
                    found=repr(name),
                    expected="one of " + ", ".join(map(repr, known)),
                    remedy=did_you_mean(name, known),
                )

    def _population(
        self, ir: Graph, population: PopulationNode
    ) -> tuple[PopulationNode, list[ProjectionEdge], dict[str, Any]]:
        explicit = self.quantization.explicit(population.name, population.size)
        multiple = self.quantization.multiple_of
        incoming = tuple(
            in_network_units(e, explicit, multiple) for e in ir.incoming(population.name)
        )
        drive = real_drive(population, incoming)
        if explicit is None:
            scale = choose_scale(
                population, incoming, drive, self.target, self.quantization.per_neuron
            )
        else:
            scale = explicit
        check_scale(incoming, scale)
        scale, chosen = choose_exponents(
            population, incoming, scale, self.target, automatic=explicit is None,
            rounding=self.quantization.rounding, multiple_of=multiple,
        )  # fmt: skip
        params = quantise_neurons(population, scale, chosen.shift, self.target, multiple)
        node = replace(population, params=params, scale=scale)
        into = [_edge(edge, chosen) for edge in incoming]
        rules, learned, findings = quantise_rules(into, scale, chosen, ir.dt, self.target)
        into = [replace(edge, plastic=learned.get(edge.name)) for edge in into]
        sums = accumulator_sums(population.size, into)
        entry = _entry(population, incoming, node, into, drive, chosen, sums, self.target)
        entry["rules"] = rules
        entry["findings"] += findings
        return node, into, entry


def _edge(edge: ProjectionEdge, chosen: Exponents) -> ProjectionEdge:
    s = edge.synapses
    mantissas = Table(s.start, s.post, chosen.mantissa[edge.name], s.delay)
    return replace(edge, synapses=mantissas, exponent=chosen.exponent[edge.name])


def _entry(
    real: PopulationNode,
    real_edges: tuple[ProjectionEdge, ...],
    node: PopulationNode,
    edges: list[ProjectionEdge],
    drive: Drive,
    chosen: Exponents,
    sums: NDArray[np.float64],
    target: Target,
) -> dict[str, Any]:
    population = population_report(real, node, drive, chosen, sums, target)
    projections = {
        before.name: projection_report(before, after, node, chosen.shift)
        for before, after in zip(real_edges, edges, strict=True)
    }
    findings = quantisation_findings(
        real, node, real_edges, edges, drive, projections, target, automatic=chosen.automatic
    )
    return {"population": population, "projections": projections, "findings": findings}
