"""What a rule and the projection that it belongs to must agree about: limits, delays, masks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .checks import Reasons, at, more, show, whole_steps
from .microcode import MAX_POST_DELAY
from .origin import warn_user

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .connectors import Table
    from .learning import Rule


def check_learning(
    reasons: Reasons,
    rule: Rule,
    synapses: Table,
    enable: NDArray[np.uint8],
    dt: float,
    from_source: bool,
) -> None:
    """Note what of a projection contradicts its rule.

    Args:
        reasons: where findings go.
        rule: of the projection.
        synapses: weights in network units, delays in steps as the user means them.
        enable: (k,) which of them learn.
        dt: seconds per step.
        from_source: whether the projection starts at a source.
    """
    learns = enable == 1
    if rule.dt is not None and not math.isclose(rule.dt, dt, rel_tol=1e-9):
        reasons.add(
            f"its rule is made for steps of {show(rule.dt)} s, the network has {show(dt)} s: "
            f"give the rule dt={show(dt)}"
        )
    if len(synapses) and not learns.any():
        reasons.add("enable is False everywhere: no synapse learns; leave learning out instead")
    if rule.units == "network" and rule.w_max is not None:
        for beyond, name, limit in (
            (learns & (synapses.weight < rule.w_min), "w_min", rule.w_min),
            (learns & (synapses.weight > rule.w_max), "w_max", rule.w_max),
        ):
            if beyond.any():
                i = int(np.argmax(beyond))
                reasons.add(
                    f"the weight from {synapses.pre[i]} to {synapses.post[i]}, "
                    f"{show(synapses.weight[i])}, is beyond {name} = {show(limit)}{more(beyond)}"
                )
    steps = post_delay_steps(rule, dt)
    if steps > MAX_POST_DELAY:
        reasons.add(
            f"post_delay of {show(rule.post_delay)} s is {steps} steps of {show(dt)} s; at most "
            f"{MAX_POST_DELAY} are possible"
        )
    elif rule.units == "network" and whole_steps(np.array(rule.post_delay), dt)[1]:
        warn_user(
            f"{reasons.subject}: post_delay of {show(rule.post_delay)} s is no whole number of "
            f"steps of {show(dt)} s; rounded to {show(steps * dt)} s"
        )
    if rule.needs_delays:
        _check_delays(reasons, rule, synapses, learns, dt, from_source)


def _check_delays(
    reasons: Reasons,
    rule: Rule,
    synapses: Table,
    learns: NDArray[np.bool_],
    dt: float,
    from_source: bool,
) -> None:
    base = 0 if from_source else 1
    low, high = delay_limits(rule, dt, base, 63)
    wheel = synapses.delay.astype(np.int64) - base
    for beyond, name in (
        (learns & (wheel < low), "delay_min"),
        (learns & (wheel > high), "delay_max"),
    ):
        if beyond.any():
            reasons.add(
                f"{at('delay', beyond)} of {int(synapses.delay[beyond][0])} steps is beyond "
                f"{name}{more(beyond)}"
            )
    if low > high or low < 0 or high > 63:
        reasons.add(
            f"delay_min and delay_max allow {low + base} to {high + base} steps of {show(dt)} s; "
            f"possible are {base} to {63 + base}"
        )


def post_delay_steps(rule: Rule, dt: float) -> int:
    """``post_delay`` in steps."""
    if rule.units == "raw":
        return round(rule.post_delay)
    return int(whole_steps(np.array(rule.post_delay), dt)[0])


def delay_limits(rule: Rule, dt: float, base: int, deepest: int) -> tuple[int, int]:
    """Limits of the learned wheel delays in steps.

    Args:
        rule: whose ``delay_min`` and ``delay_max`` are in seconds as the user means delays; in
            raw units they are wheel delays.
        dt: seconds per step.
        base: what a wheel delay misses of the delay, 0 or 1 steps.
        deepest: largest wheel delay there is.
    """

    def steps(value: float | None, default: int) -> int:
        if value is None:
            return default
        if rule.units == "raw":
            return round(value)
        return int(whole_steps(np.array(value), dt)[0]) - base

    return steps(rule.delay_min, 0), steps(rule.delay_max, deepest)
