"""The compiler's report as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def format_report(report: Mapping[str, Any]) -> str:
    """Tables of resources, populations and projections, then warnings and notes.

    Args:
        report: ``Program.report`` of a compiled network.
    """
    cores = report["cores"]
    parts = [
        f"network {report['network']!r} on target {report['target']!r}: "
        f"{cores['used']} of {cores['available']} cores, "
        f"{report['synapses']['dense']:,} dense and "
        f"{report['synapses']['sparse']:,} sparse synapses",
        _resources(report["resources"]),
        _populations(report["populations"]),
    ]
    if report["projections"]:
        parts.append(_projections(report["projections"]))
    if "twins" in report.get("mapping", {}):
        parts.append(_twins(report["mapping"]["twins"]))
    if "sums" in report:
        parts.append("\n".join(_sums(name, entry) for name, entry in report["sums"].items()))
    parts += [_rule(name, entry) for name, entry in report["rules"].items()]
    for kind in ("warnings", "notes"):
        if report[kind]:
            parts.append("\n".join([kind, *(f"  {text}" for text in report[kind])]))
    return "\n\n".join(parts) + "\n"


def _resources(resources: Mapping[str, Any]) -> str:
    rows = [("resource", "in all", "fullest core", "per core", "used")]
    for name, entry in resources.items():
        share = entry["largest_core"] / entry["per_core"] if entry["per_core"] else 0.0
        rows.append(
            (
                name,
                f"{entry['total']:,}",
                f"{entry['largest_core']:,}",
                f"{entry['per_core']:,}",
                f"{share:.1%}",
            )
        )
    return _table(rows)


def _populations(populations: Mapping[str, Any]) -> str:
    rows = [
        (
            "population",
            "size",
            "scale",
            "shift",
            "worst tau error",
            "worst accumulator",
            "available",
            "worst state",
            "available",
        )
    ]
    for name, entry in populations.items():
        errors = [d["relative_error"] for d in entry["decay"].values()]
        worst = entry["state"]["worst"]
        rows.append(
            (
                name,
                f"{entry['size']:,}",
                _span(entry["scale"]),
                str(entry["shift"]),
                f"{max(errors):.2%}" if errors else "-",
                f"{max(entry['accumulator']['worst']):,}",
                f"{entry['accumulator']['available']:,}",
                "unbounded" if worst is None else f"{worst:,.0f}",
                f"{entry['state']['available']:,}",
            )
        )
    return _table(rows)


def _projections(projections: Mapping[str, Any]) -> str:
    rows = [
        (
            "projection",
            "synapses",
            "exponent",
            "mantissas",
            "clipped",
            "became 0",
            "RMS error",
            "max error",
            "largest weight",
        )
    ]
    for name, entry in projections.items():
        low, high = entry["mantissa"]
        rows.append(
            (
                name,
                f"{entry['synapses']:,}",
                str(entry["exponent"]),
                f"{low} … {high}",
                str(entry["clipped"]),
                f"{entry['became_zero']:,}",
                f"{entry['rms_error']:.3g}",
                f"{entry['max_error']:.3g}",
                f"{entry['largest_weight']:.4g}",
            )
        )
    return _table(rows)


def _twins(entry: Mapping[str, Any]) -> str:
    """What the limit of cores per spike costs."""
    of = ", ".join(
        f"{told['twins']:,} of {told['neurons']:,} neurons of {name}"
        for name, told in entry["populations"].items()
    )
    return (
        f"twins, since a spike goes to at most {entry['fan_out']:,} "
        f"core{'s' if entry['fan_out'] > 1 else ''}: {of}; {entry['synapses']:,} more synapses"
    )


def _sums(name: str, entry: Mapping[str, Any]) -> str:
    """What it costs that others add up a population's inputs."""
    levels = f" in {entry['levels']} levels" if entry["levels"] > 1 else ""
    return (
        f"sums for {name}{levels}: {entry['neurons']:,} neurons add up {entry['moved']:,} synapses "
        f"with {entry['synapses']:,} of their own"
    )


def _rule(name: str, entry: Mapping[str, Any]) -> str:
    """A projection's learning rule: its text, its traces, and its products as integers."""
    low, high = entry["weights"]
    lines = [
        f"rule of {name}: {entry['enabled']:,} synapses learn, weights {low} … {high} in steps of "
        f"{entry['step']:.4g}, rounding {entry['rounding']}",
        *(f"  {text} = {entry[text]}" for text in ("dw", "dtag", "ddelay") if text in entry),
        *(f"  {trace}: {_trace(facts)}" for trace, facts in entry["traces"].items()),
    ]
    rows = [
        ("  product", "when", "changes", "integer", "shift", "error", "typical steps", "chance")
    ]
    for group in entry["groups"]:
        for product in group["products"]:
            rows.append(
                (
                    f"  {product['coefficient']:.6g}*{product['product']}",
                    group["when"],
                    group["changes"],
                    f"{product['integer']:,}",
                    str(group["shift"]),
                    f"{product['relative_error']:.2%}",
                    f"{product['typical_steps']:.4g}",
                    f"{product['chance']:.2%}",
                )
            )
    return "\n".join([*lines, _table(rows)])


def _trace(facts: Mapping[str, Any]) -> str:
    kind = ", nearest event only" if facts["nearest"] else ""
    if facts["kind"] == "window":
        return f"window {facts['table']} in steps of {facts['lsb']:.4g}{kind}"
    wanted, got = facts["tau_steps"], facts["tau_steps_got"]
    tau = "" if wanted is None or got is None else f", tau {got:.4g} for {wanted:.4g} steps"
    return (
        f"impulse {facts['impulse']} in steps of {facts['lsb']:.4g}, decay {facts['decay']}/4096"
        f"{tau}{kind}"
    )


def _span(value: float | Sequence[float]) -> str:
    if isinstance(value, (int, float)):
        return f"{value:.6g}"
    return f"{value[0]:.6g} … {value[1]:.6g}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side; the first to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}"
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
