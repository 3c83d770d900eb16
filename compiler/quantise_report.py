"""What quantisation did, as plain data, as findings, and as a text table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .bounds import Drive, integer_drive
from .ir import Finding, PopulationNode, ProjectionEdge
from .scale import Exponents
from .target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORST = 3
"""Weights with the largest errors that a projection's report names."""


def population_report(
    real: PopulationNode,
    node: PopulationNode,
    drive: Drive,
    chosen: Exponents,
    sums: NDArray[np.float64],
    target: Target,
) -> dict[str, Any]:
    """Scale, shift, errors and worst cases of one population; JSON data."""
    p, q, scale = real.params, node.params, node.scale
    profile = q["profile"]
    return {
        "size": real.size,
        "scale": _range(scale),
        "shift": chosen.shift,
        "decay": {
            name: entry
            for name, factor, k in (
                ("u0", p["factor_u"][:, 0], profile["decay_u"][:, 0]),
                ("u1", p["factor_u"][:, 1], profile["decay_u"][:, 1]),
                ("v", p["factor_v"], profile["decay_v"]),
                ("threshold", p["factor_adapt"], profile["adapt_decay"]),
            )
            if (entry := _decay(factor, k)) is not None
        },
        "error": {
            name: _number(np.max(np.abs(integer / scale - p[name])))
            for name, integer in (
                ("threshold", q["threshold"]),
                ("bias", q["bias"]),
                ("v_init", q["v_init"]),
                ("v_reset", profile["v_reset"]),
                ("adapt_step", profile["adapt_step"]),
                ("leak_step", profile["leak_step"]),
            )
            if np.any(p[name])
        },
        "accumulator": {
            "worst": [int(row.max()) for row in sums],
            "available": target.accumulator_max,
        },
        "state": {
            "worst": _number(np.max(drive.worst * scale)),
            "available": target.state_max,
            "can_saturate": bool((drive.worst * scale > target.state_max).any()),
        },
    }


def projection_report(
    before: ProjectionEdge, after: ProjectionEdge, node: PopulationNode, shift: int
) -> dict[str, Any]:
    """Exponent and weight errors of one projection; JSON data.

    ``error_histogram`` counts them in tenths of a mantissa step, from -1 to 1;
    ``worst_errors`` has pre, post, weight and what it became.

    ``clipped`` counts weights beyond the mantissa's range; the pass refuses those, so that it is
    zero in every Program, and measured here all the same.
    """
    w, m = before.synapses.weight, after.synapses.weight
    per_unit = node.scale[after.synapses.post]
    step = np.ldexp(1.0 / per_unit, shift + after.exponent)
    error = m * step - w
    largest = float(np.abs(w).max(initial=0.0))
    return {
        "synapses": len(w),
        "exponent": after.exponent,
        "shift": shift,
        "mantissa": [int(m.min(initial=0)), int(m.max(initial=0))],
        "clipped": int((np.abs(error) > step * (1 + 1e-9)).sum()),
        "became_zero": int(((m == 0) & (w != 0)).sum()),
        "largest_weight": largest,
        "rms_error": _number(np.sqrt(np.mean(error**2))) if len(w) else 0.0,
        "max_error": _number(np.abs(error).max(initial=0.0)),
        "error_histogram": _histogram(error / step),
        "worst_errors": [
            [
                int(after.synapses.pre[i]),
                int(after.synapses.post[i]),
                float(w[i]),
                float(m[i] * step[i]),
            ]
            for i in _largest(np.abs(error))
        ],
    }


def _histogram(steps: NDArray[np.float64]) -> list[int]:
    """How many errors are in each tenth from -1 to 1 of a mantissa's step; none is further off."""
    # What is clipped here is rounding in the last digit.
    place = np.clip(np.floor((steps + 1) * 10), 0, 19).astype(np.int64)
    return np.bincount(place, minlength=20).tolist()


def _largest(values: NDArray[np.float64]) -> list[int]:
    """Where the WORST largest values above 0 are, the first ones of equal values."""
    limit = np.partition(values, -WORST)[-WORST] if len(values) > WORST else 0.0
    found = np.flatnonzero((values >= limit) & (values > 0))
    return found[np.argsort(-values[found], kind="stable")][:WORST].tolist()


def quantisation_findings(
    real: PopulationNode,
    node: PopulationNode,
    real_edges: Sequence[ProjectionEdge],
    edges: Sequence[ProjectionEdge],
    drive: Drive,
    projections: dict[str, dict[str, Any]],
    target: Target,
    *,
    automatic: bool,
) -> list[Finding]:
    """Damage is a warning; what the network itself says is a note."""
    findings = [
        *_decay_findings(real, node),
        *_firing_findings(real, node, drive, integer_drive(node, edges)),
    ]
    before = {edge.name: edge for edge in real_edges}
    for name, entry in projections.items():
        lost, k = entry["became_zero"], entry["synapses"]
        if not automatic and entry["max_error"] and _whole(before[name], node.scale):
            text = (
                f"whole numbers of LSBs, yet rounded: {target.weight_bits} bits cannot hold them "
                f"all (largest error {entry['max_error']:.3g})"
            )
            findings.append(_warn("whole_weights_are_exact", name, text))
        if lost and lost == k:
            findings.append(_warn("weights_survive", name, f"all {k} weights became 0"))
        elif lost:
            findings.append(_note("weights_survive", name, f"{lost} of {k} weights became 0"))
    worst = float(np.max(drive.worst * node.scale))
    if math.isfinite(worst) and worst > target.state_max:
        text = (
            f"in the worst case u or v reaches {worst:.3g}, beyond the state's "
            f"{target.state_max}: saturation is possible (and is counted)"
        )
        findings.append(_note("state_has_headroom", real.name, text))
    return findings


def _whole(edge: ProjectionEdge, scale: NDArray[np.float64]) -> bool:
    """Whether all weights are whole at this scale, as if they were meant to be exact."""
    scaled = edge.synapses.weight * scale[edge.synapses.post]
    return bool((scaled == np.rint(scaled)).all())


def _decay_findings(real: PopulationNode, node: PopulationNode) -> list[Finding]:
    p, profile = real.params, node.params["profile"]
    findings = []
    for name, factor, k in (
        ("tau_syn", p["factor_u"], profile["decay_u"]),
        ("tau_mem", p["factor_v"], profile["decay_v"]),
        ("tau_threshold", p["factor_adapt"], profile["adapt_decay"]),
    ):
        for value, what in ((0, "never decays"), (4096, "decays at once")):
            lost = (k == value) & (factor != 1.0 - value / 4096.0)
            if lost.any():
                steps = -1.0 / np.log(factor[lost].flat[0])
                text = f"{name} of {steps:.4g} steps is rounded to a state that {what}"
                findings.append(_warn("decay_is_representable", real.name, text))
    return findings


def _firing_findings(
    real: PopulationNode, node: PopulationNode, before: Drive, after: Drive
) -> list[Finding]:
    p, q = real.params, node.params
    spiking = p["spiking"] == 1
    could = spiking & (before.v_high > p["threshold"])
    can = spiking & (after.v_high > q["threshold"])
    findings = []
    lost = np.flatnonzero(could & ~can)
    if len(lost):
        text = (
            f"{len(lost)} of {real.size} neurons (the first is {lost[0]}) can no longer reach "
            f"their threshold after quantisation"
        )
        findings.append(_warn("neurons_can_fire", real.name, text))
    driven = (before.largest_weight > 0) | (p["bias"] != 0)
    never = np.flatnonzero(spiking & ~could & driven)
    if len(never):
        text = (
            f"{len(never)} of {real.size} neurons (the first is {never[0]}) cannot reach their "
            f"threshold even if every synapse gets a spike in every step"
        )
        findings.append(_note("neurons_can_fire", real.name, text))
    # A neuron that its bias keeps firing may well be meant so; one that fires for no reason is not.
    always = spiking & (before.v_rest > p["threshold"])
    became = spiking & (after.v_rest > q["threshold"]) & ~always
    for which, tell, what in (
        (always & (p["bias"] != 0), _note, "fire whatever their input is"),
        (always & (p["bias"] == 0), _warn, "fire without bias or input: v rests above threshold"),
        (became, _warn, "fire whatever their input is after quantisation"),
    ):
        found = np.flatnonzero(which)
        if len(found):
            text = f"{len(found)} of {real.size} neurons (the first is {found[0]}) {what}"
            findings.append(tell("neurons_can_be_silent", real.name, text))
    return findings


def _decay(factor: NDArray[np.float64], k: NDArray[np.uint16]) -> dict[str, Any] | None:
    """The neuron whose decay suffers most; None where nothing decays."""
    lost = 1.0 - factor
    active = (lost > 0) & (lost < 1)
    if not active.any():
        return None
    relative = np.where(active, np.abs(k / 4096.0 / np.where(active, lost, 1.0) - 1.0), -1.0)
    i = int(np.argmax(relative))
    got = 1.0 - k[i] / 4096.0
    return {
        "k": int(k[i]),
        "tau_steps": _number(-1.0 / math.log(factor[i])),
        "tau_steps_got": _number(-1.0 / math.log(got)) if 0 < got < 1 else None,
        "relative_error": _number(relative[i]),
    }


def _warn(rule: str, subject: str, message: str) -> Finding:
    return Finding(rule, "warning", subject, message)


def _note(rule: str, subject: str, message: str) -> Finding:
    return Finding(rule, "note", subject, message)


def _range(values: NDArray[np.float64]) -> float | list[float]:
    low, high = float(values.min()), float(values.max())
    return low if low == high else [low, high]


def _number(value: Any) -> float | None:
    """A number as JSON has it: not infinite."""
    return float(value) if np.isfinite(value) else None
