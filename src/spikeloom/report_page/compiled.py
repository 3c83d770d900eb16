"""Sections from what the compiler reported; a Program of something else may report what it likes.

A section raises KeyError, TypeError, ValueError, AttributeError or IndexError where the report is
not as this compiler writes it; the page then shows that part as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .svg import histogram, number, share
from .table import table, text

MOST_ROWS, MOST_HISTOGRAMS = 200, 24


def _left_out(shown: int, all_: int) -> str:
    return f'<p class="soft">{all_ - shown:,} others are not shown.</p>' if shown < all_ else ""


def projections(report: Mapping[str, Any]) -> str:
    """Errors of the weights."""
    entries = list(report["projections"].items())
    if not entries:
        return "<p>There are no projections.</p>"
    entries.sort(key=lambda item: -_relative(item[1]))
    rows = [
        [
            text(name),
            number(int(entry["synapses"])),
            f"{int(entry['mantissa'][0])} … {int(entry['mantissa'][1])}",
            number(int(entry["exponent"])),
            number(float(entry["largest_weight"])),
            number(_maybe(entry["rms_error"])),
            number(_maybe(entry["max_error"])),
            f"{_relative(entry):.2%}",
            number(int(entry["became_zero"])),
        ]
        for name, entry in entries[:MOST_ROWS]
    ]
    header = ["projection", "synapses", "mantissas", "exponent", "largest weight"]
    header += ["RMS error", "largest error", "of the largest weight", "became 0"]
    parts = [
        "<p>Weights as integers, the largest relative errors first; errors in the network's "
        "units.</p>",
        table(header, rows),
        _left_out(len(rows), len(entries)),
        '<div class="pair">',
    ]
    drawn = [(n, e) for n, e in entries if e.get("error_histogram") and e["synapses"]]
    for name, entry in drawn[:MOST_HISTOGRAMS]:
        parts.append(_errors(name, entry))
    parts.append("</div>")
    parts.append(_left_out(min(len(drawn), MOST_HISTOGRAMS), len(drawn)))
    return "".join(parts)


def _errors(name: str, entry: Mapping[str, Any]) -> str:
    counts = [int(count) for count in entry["error_histogram"]]
    chart = histogram(
        counts, -1.0, 1.0, "error in steps of the mantissa", f"errors of the weights of {name}"
    )
    worst = "".join(
        f"<li>{int(pre)} → {int(post)}: {number(float(w))} became {number(float(got))}</li>"
        for pre, post, w, got in entry["worst_errors"]
    )
    told = f'<p class="soft">largest errors</p><ul>{worst}</ul>' if worst else "<p>exact</p>"
    return f"<div><h3>{text(name)}</h3>{chart}{told}</div>"


def _relative(entry: Mapping[str, Any]) -> float:
    largest, error = float(entry["largest_weight"]), entry["max_error"]
    return float(error) / largest if largest and error is not None else 0.0


def _maybe(value: Any) -> float | None:
    return None if value is None else float(value)


def populations(report: Mapping[str, Any]) -> str:
    """Errors of the neurons' parameters."""
    entries = list(report["populations"].items())
    rows = []
    for name, entry in entries[:MOST_ROWS]:
        scale = entry["scale"]
        span = scale if isinstance(scale, (int, float)) else f"{scale[0]:.6g} … {scale[1]:.6g}"
        decays = [
            f"τ of {text(what)}: {number(_maybe(d['tau_steps']))} became "
            f"{'at once' if d['tau_steps_got'] is None else number(float(d['tau_steps_got']))} "
            f"steps ({float(d['relative_error']):.2%})"
            for what, d in entry["decay"].items()
        ]
        wrong = [
            f"{text(what)}: {number(_maybe(error))}"
            for what, error in entry["error"].items()
            if error
        ]
        rows.append(
            [
                text(name),
                number(int(entry["size"])),
                text(span if isinstance(span, str) else number(float(span))),
                "<br>".join(decays) or "no decay",
                "<br>".join(wrong) or "none",
            ]
        )
    header = ["population", "neurons", "bits per unit", "time constants", "largest other errors"]
    return (
        "<p>Least significant bits of u, v and the threshold per unit of the network; each time "
        "constant of the neuron that suffers most; other errors in the network's units.</p>"
        + table(header, rows, left=(3, 4))
        + _left_out(len(rows), len(entries))
    )


def saturation(report: Mapping[str, Any]) -> str:
    """How far sums and state can go at worst."""
    entries = list(report["populations"].items())
    rows = []
    for name, entry in entries[:MOST_ROWS]:
        sums, state = entry["accumulator"], entry["state"]
        most = max(int(value) for value in sums["worst"])
        of = most / float(sums["available"])
        reach = state["worst"]
        of_state = math.inf if reach is None else float(reach) / float(state["available"])
        rows.append(
            [
                text(name),
                number(most),
                share(of),
                f"{of:.1%}",
                number(_maybe(reach)),
                share(of_state),
                "unbounded" if math.isinf(of_state) else f"{of_state:.1%}",
                "can saturate" if state["can_saturate"] else "cannot saturate",
            ]
        )
    header = ["population", "worst sum of a step", "", "of the accumulator"]
    header += ["worst u or v", "", "of the state", ""]
    return (
        "<p>Every synapse gets a spike in every step. The accumulators' bound is proven and never "
        "reached; a state that reaches its end stops there, and is counted. In least significant "
        "bits, without graded input.</p>"
        + table(header, rows, left=(7,))
        + _left_out(len(rows), len(entries))
    )


def rules(report: Mapping[str, Any]) -> str:
    """Learning rules as microcode, and what an event changes."""
    entries = list(report["rules"].items())
    if not entries:
        return "<p>Nothing learns.</p>"
    parts = [
        "<p>What a typical event changes, in steps of the weight (its least significant bit); "
        "<i>chance</i> is how often a stochastic rounding makes it one step at least.</p>"
    ]
    for name, entry in entries[:MOST_ROWS]:
        low, high = entry["weights"]
        parts.append(
            f"<h3>{text(name)}</h3><p>{number(int(entry['enabled']))} synapses learn; weights "
            f"{number(int(low))} … {number(int(high))} in steps of {number(float(entry['step']))}; "
            f"rounding {text(entry['rounding'])}.</p>"
        )
        texts = [kind for kind in ("dw", "dtag", "ddelay") if kind in entry]
        parts += [f"<p><code>{kind} = {text(entry[kind])}</code></p>" for kind in texts]
        rows = [
            [
                text(f"{float(product['coefficient']):.6g} {product['product']}"),
                text(group["when"]),
                text(group["changes"]),
                f"{int(product['integer']):,} / 2^{int(group['shift'])}",
                f"{float(product['relative_error']):.2%}",
                number(float(product["typical_steps"])),
                f"{float(product['chance']):.1%}",
            ]
            for group in entry["groups"]
            for product in group["products"]
        ]
        header = ["product", "event", "changes", "as an integer", "error", "expected change"]
        parts.append(table([*header, "chance"], rows, left=(1, 2)))
    return "".join(parts) + _left_out(min(len(entries), MOST_ROWS), len(entries))


def findings(report: Mapping[str, Any]) -> str:
    """Warnings and notes."""
    parts = []
    for kind, style in (("warnings", "warn"), ("notes", "fine")):
        told = [text(line) for line in report[kind]]
        if told:
            items = "".join(f'<li class="{style}">{line}</li>' for line in told[:MOST_ROWS])
            parts.append(f"<h3>{kind.capitalize()}</h3><ul>{items}</ul>")
            parts.append(_left_out(min(len(told), MOST_ROWS), len(told)))
    return "".join(parts) or "<p>The compiler found nothing to complain of.</p>"
