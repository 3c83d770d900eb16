"""Traces as integers: how large an impulse is, how fast it decays, what a window's table holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .learning import SUMMED, Rule, Trace, Window
from .microcode import Trace as IntegerTrace
from .microcode import TraceKind

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LSB_LOG2 = 1000
"""Window values beyond 2 to this power, or its inverse, are refused."""


@dataclass(frozen=True)
class QuantisedTrace:
    """A trace as the machine has it.

    Attributes:
        trace: the integers.
        lsb: the rule's units per least significant bit.
        typical: value right after an event, in LSBs (a window's largest).
        report: plain JSON data.
        warnings: what was lost.
    """

    trace: IntegerTrace
    lsb: float
    typical: int
    report: dict[str, Any]
    warnings: tuple[str, ...] = ()


def quantise_trace(
    name: str, rule: Rule, dt: float, trace_max: int, refuse: Callable[[str], None]
) -> QuantisedTrace:
    """One of the rule's traces.

    Args:
        name: x1, x2, y1 or y2.
        rule: that defines it.
        dt: seconds per step.
        trace_max: largest value that the target holds.
        refuse: is told what makes the trace impossible.
    """
    given = rule.traces[name]
    if isinstance(given, Window):
        return _window(name, rule, given, trace_max, refuse)
    return _exponential(name, rule, given, dt, trace_max, refuse)


def _exponential(
    name: str, rule: Rule, given: Trace, dt: float, trace_max: int, refuse: Callable[[str], None]
) -> QuantisedTrace:
    raw = rule.units == "raw"
    if raw:
        impulse = round(given.impulse)
        if impulse != given.impulse or not 1 <= impulse <= trace_max:
            refuse(f"trace {name}: an impulse of {given.impulse:g} is no integer 1 … {trace_max}")
        lsb = 1.0
    else:
        limit = given.limit or given.impulse * (1.0 if given.nearest else SUMMED)
        impulse = max(round(trace_max * (given.impulse / limit)), 1)
        # Products see a trace from the step after the event on, by when a real one has decayed.
        lsb = given.impulse * given.factor(dt) / impulse
    factor = given.factor(dt)
    decay = int(np.rint(4096.0 * (1.0 - factor)))
    warnings = []
    if decay in (0, 4096) and factor != 1.0 - decay / 4096.0:
        what = "never decays" if decay == 0 else "is forgotten at once"
        warnings.append(f"trace {name}: tau of {given.tau:.4g} s is rounded to one that {what}")
    left = 1.0 - decay / 4096.0
    report = {
        "kind": "exponential",
        "nearest": given.nearest,
        "impulse": impulse,
        "lsb": lsb,
        "limit": trace_max * lsb,
        "decay": decay,
        "tau_steps": -1.0 / math.log(factor) if 0 < factor < 1 else None,
        "tau_steps_got": -1.0 / math.log(left) if 0 < left < 1 else None,
    }
    trace = IntegerTrace(TraceKind.EXPONENTIAL, given.nearest, impulse, decay)
    return QuantisedTrace(trace, lsb, impulse, report, tuple(warnings))


def _window(
    name: str, rule: Rule, given: Window, trace_max: int, refuse: Callable[[str], None]
) -> QuantisedTrace:
    values = np.array(given.values)
    largest = float(values.max())
    limit = given.limit or (largest if given.nearest else float(values.sum()))
    if not largest:
        refuse(f"window {name} is 0 throughout")
        return QuantisedTrace(IntegerTrace(), 1.0, 0, {})
    if rule.units == "raw":
        lsb = 1.0
        if (values != np.rint(values)).any() or largest > trace_max:
            refuse(f"window {name}: in raw units values are integers 0 … {trace_max}")
            return QuantisedTrace(IntegerTrace(), 1.0, 0, {})
    else:
        lsb = limit / trace_max
        exact = 2.0 ** np.clip(math.ceil(math.log2(lsb)), -MAX_LSB_LOG2, MAX_LSB_LOG2)
        if (values / exact == np.rint(values / exact)).all():
            lsb = float(exact)
    table = np.minimum(np.rint(values / lsb), trace_max).astype(np.int64)
    got = np.trim_zeros(table, "b")
    warnings = []
    lost = int(((table == 0) & (values > 0)).sum())
    if lost:
        warnings.append(f"window {name}: {lost} of {len(values)} values became 0")
    if not given.nearest and int(table.sum()) > trace_max and given.limit is None:
        warnings.append(
            f"window {name}: the sum of all values, {int(table.sum())}, is beyond {trace_max}"
        )
    report = {
        "kind": "window",
        "nearest": given.nearest,
        "table": got.tolist(),
        "lsb": lsb,
        "limit": trace_max * lsb,
        "max_error": float(np.abs(table * lsb - values).max()),
    }
    trace = IntegerTrace(TraceKind.WINDOW, given.nearest, table=tuple(got.tolist()))
    return QuantisedTrace(trace, lsb, int(table.max()), report, tuple(warnings))
