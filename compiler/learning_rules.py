"""Ready-made learning rules under the field's names; each only writes the text of a Rule.

``print(sl.STDP(w_max=1.0).dw)`` shows what it is, and a Rule of one's own can start from there.
Amplitudes are changes of the weight in the network's units, times are in seconds. In the
equations a pre-event is a spike's arrival at the synapse and ``Δt = t_post - t_pre``; a trace is
``x1 = Σ exp(-(t - t_pre)/τ)`` over all earlier events, or over the youngest one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from .checks import Reasons, choice, numbers
from .learning import Rule
from .learning_traces import Trace, Window

Pairing = Literal["all", "nearest"]
AtZero = Literal["ignore", "potentiate", "depress"]

# The names are the field's, and they read like the classes whose objects they make.
# ruff: noqa: N802


def STDP(
    w_max: float,
    a_plus: float = 0.01,
    a_minus: float = 0.012,
    tau_plus: float = 20e-3,
    tau_minus: float = 20e-3,
    *,
    dependence: Literal["additive", "multiplicative"] = "additive",
    pairing: Pairing = "all",
    at_zero: AtZero = "ignore",
    dendritic_delay: float = 0.0,
    **more: Any,
) -> Rule:
    """Pair-based spike-timing-dependent plasticity.

    ``Δw = a_plus·exp(-Δt/tau_plus)`` for ``Δt > 0``, ``-a_minus·exp(Δt/tau_minus)`` for
    ``Δt < 0``; multiplicative: times ``w_max - w`` and ``w - w_min`` (Song, Miller and Abbott 2000;
    van Rossum, Bi and Turrigiano 2000).

    Args:
        w_max: largest weight.
        a_plus, a_minus: amplitudes; shares of the distance to the limits when multiplicative.
        tau_plus, tau_minus: time constants.
        dependence: on the weight.
        pairing: every pair counts, or only the nearest ones (Morrison, Diesmann and Gerstner 2008,
            symmetric interpretation).
        at_zero: what happens at ``Δt = 0``.
        dendritic_delay: by which the postsynaptic spike reaches the synapse later.
        more: w_min, enable, rounding, seed of :class:`Rule`.
    """
    reasons = Reasons("STDP")
    choice(reasons, "dependence", dependence, ("additive", "multiplicative"))
    choice(reasons, "at_zero", at_zero, ("ignore", "potentiate", "depress"))
    nearest = _nearest(reasons, pairing)
    reasons.done()
    up, down = ("", "") if dependence == "additive" else ("*(w_max - w)", "*(w - w_min)")
    products = [(a_plus, f"x1*y0{up}"), (-a_minus, f"y1*x0{down}")]
    if at_zero == "potentiate":
        products.append((a_plus, f"x0*y0{up}"))
    elif at_zero == "depress":
        products.append((-a_minus, f"x0*y0{down}"))
    traces = {"x1": Trace(tau_plus, nearest=nearest), "y1": Trace(tau_minus, nearest=nearest)}
    return _rule("STDP", products, traces, w_max=w_max, post_delay=dendritic_delay, **more)


def TripletSTDP(
    w_max: float,
    a2_plus: float = 0.0,
    a2_minus: float = 7.1e-3,
    a3_plus: float = 6.5e-3,
    a3_minus: float = 0.0,
    tau_plus: float = 16.8e-3,
    tau_minus: float = 33.7e-3,
    tau_x: float = 101e-3,
    tau_y: float = 114e-3,
    *,
    pairing: Pairing = "all",
    slow_limit: float = 12.0,
    **more: Any,
) -> Rule:
    """The triplet rule of Pfister and Gerstner (2006), equations 3 and 4.

    At a postsynaptic spike ``w += x1·(a2_plus + a3_plus·y2)``, at a presynaptic one
    ``w -= y1·(a2_minus + a3_minus·x2)``; the defaults are the minimal all-to-all model of the
    visual cortex data (their table 4). Amplitudes are absolute: scale them with ``w_max``.

    Args:
        w_max: largest weight.
        a2_plus, a2_minus, a3_plus, a3_minus: amplitudes of pairs and triplets.
        tau_plus, tau_minus, tau_x, tau_y: time constants of x1, y1, x2, y2.
        pairing: every spike counts, or only the nearest.
        slow_limit: largest x2 and y2 that a device can hold; they rise to ``rate·tau``.
        more: w_min, enable, rounding, seed, post_delay of :class:`Rule`.
    """
    reasons = Reasons("TripletSTDP")
    nearest = _nearest(reasons, pairing)
    reasons.done()
    products = [
        (a2_plus, "x1*y0"),
        (a3_plus, "x1*y2*y0"),
        (-a2_minus, "y1*x0"),
        (-a3_minus, "y1*x2*x0"),
    ]
    taus = {"x1": tau_plus, "x2": tau_x, "y1": tau_minus, "y2": tau_y}
    traces = {
        name: Trace(tau, nearest=nearest, limit=None if nearest or name[1] == "1" else slow_limit)
        for name, tau in taus.items()
    }
    return _rule("TripletSTDP", products, traces, w_max=w_max, **more)


def SymmetricSTDP(
    w_max: float, eta: float = 0.01, tau: float = 20e-3, alpha: float = 0.0, **more: Any
) -> Rule:
    """Spikes that come together strengthen, in either order; each presynaptic one weakens.

    ``Δw = eta·exp(-|Δt|/tau)`` per pair and ``-eta·alpha`` per presynaptic spike. At inhibitory
    synapses ``alpha = 2·rate·tau`` holds the postsynaptic rate at ``rate`` (Vogels et al. 2011).

    Args:
        w_max: largest weight.
        eta: amplitude.
        tau: time constant.
        alpha: depression by a presynaptic spike, in units of ``eta``.
        more: further arguments of :class:`Rule`.
    """
    products = [(eta, "x1*y0"), (eta, "y1*x0"), (-eta * alpha, "x0")]
    return _rule(
        "SymmetricSTDP", products, {"x1": Trace(tau), "y1": Trace(tau)}, w_max=w_max, **more
    )


def AntiHebbian(
    w_max: float,
    a_minus: float = 0.01,
    a_plus: float = 0.0,
    tau_minus: float = 20e-3,
    tau_plus: float = 20e-3,
    growth: float = 0.0,
    **more: Any,
) -> Rule:
    """A presynaptic spike that helps to fire weakens the synapse.

    ``Δw = -a_minus·exp(-Δt/tau_minus)`` for ``Δt > 0``, ``a_plus·exp(Δt/tau_plus)`` for
    ``Δt < 0``, and ``+growth`` per presynaptic spike (Bell, Han, Sugawara and Grant 1997).

    Args:
        w_max: largest weight.
        a_minus, a_plus: amplitudes.
        tau_minus, tau_plus: time constants.
        growth: strengthening by a presynaptic spike alone.
        more: further arguments of :class:`Rule`.
    """
    products = [(-a_minus, "x1*y0"), (a_plus, "y1*x0"), (growth, "x0")]
    traces = {"x1": Trace(tau_minus), "y1": Trace(tau_plus)}
    return _rule("AntiHebbian", products, traces, w_max=w_max, **more)


def RewardSTDP(
    w_max: float,
    eta: float = 1e-3,
    tau_tag: float = 1.0,
    a_plus: float = 1.0,
    a_minus: float = 1.0,
    tau_plus: float = 20e-3,
    tau_minus: float = 20e-3,
    *,
    dt: float = 1e-3,
    epoch: int = 4,
    tag_max: float = 8.0,
    **more: Any,
) -> Rule:
    """Reward-modulated STDP with an eligibility tag (Izhikevich 2007).

    Pairs change the synapse's tag ``c`` as STDP changes weights, ``dc/dt = -c/tau_tag + STDP``;
    every ``2^epoch`` steps the weight changes by ``eta·m·c``, where ``m`` is the modulator that
    the host sends (an integer from -128 to 127; 0 while there is no reward).

    Args:
        w_max: largest weight.
        eta: change of the weight per unit of the tag, of the modulator, and epoch.
        tau_tag: time constant of the tag.
        a_plus, a_minus: changes of the tag.
        tau_plus, tau_minus: time constants of the pairs.
        dt: the network's step.
        epoch: k; the tag decays, and the weight changes, every ``2^k`` steps.
        tag_max: largest tag that a device can hold.
        more: further arguments of :class:`Rule`.
    """
    reasons = Reasons("RewardSTDP")
    numbers(reasons, "tau_tag", tau_tag, ndim=(0,), above=0.0)
    numbers(reasons, "dt", dt, ndim=(0,), above=0.0)
    if type(epoch) is not int or not 0 <= epoch <= 16:
        reasons.add(f"epoch must be an integer from 0 to 16, got {epoch!r}")
    reasons.done()
    lost = -math.expm1(-dt * 2**epoch / tau_tag)
    u = f"u{epoch}"
    tag = [(a_plus, "x1*y0"), (-a_minus, "y1*x0"), (-lost, f"tag*{u}")]
    return _rule(
        "RewardSTDP",
        [(eta, f"tag*m*{u}")],
        {"x1": Trace(tau_plus), "y1": Trace(tau_minus)},
        tag,
        w_max=w_max,
        tag_max=tag_max,
        dt=dt,
        **more,
    )


def Supervised(w_max: float, eta: float = 0.01, tau: float = 20e-3, **more: Any) -> Rule:
    """The delta rule with spikes: weights follow the teacher's spikes minus the neuron's own.

    ``Δw = eta·x1·(t0 - y0)`` (ReSuMe without its non-Hebbian term, Ponulak and Kasiński 2010).
    The host sends the teacher's spikes, ``inputs={"NAME.teacher": …}``.

    Args:
        w_max: largest weight.
        eta: amplitude.
        tau: time constant of the presynaptic trace.
        more: further arguments of :class:`Rule`; ``w_min=-w_max`` lets weights change sign.
    """
    products = [(eta, "x1*t0"), (-eta, "x1*y0")]
    return _rule("Supervised", products, {"x1": Trace(tau)}, w_max=w_max, **more)


def RectangularSTDP(
    w_max: float,
    a_plus: float,
    a_minus: float,
    window_plus: int,
    window_minus: int,
    **more: Any,
) -> Rule:
    """Pair STDP with rectangular windows, as NeuroCoreX has it (Gautam et al. 2025).

    A postsynaptic spike adds ``a_plus`` if a presynaptic one came 1 … ``window_plus`` steps
    before, a presynaptic spike takes ``a_minus`` if a postsynaptic one came 1 … ``window_minus``
    steps before. Several spikes in a window count once.

    Args:
        w_max: largest weight.
        a_plus, a_minus: changes of the weight.
        window_plus, window_minus: lengths of the windows in steps, 1 to 32.
        more: further arguments of :class:`Rule`; ``units="raw"`` takes mantissas throughout.
    """
    reasons = Reasons("RectangularSTDP")
    for name, value in (("window_plus", window_plus), ("window_minus", window_minus)):
        if type(value) is not int or not 1 <= value <= 32:
            reasons.add(f"{name} must be an integer from 1 to 32, got {value!r}")
    reasons.done()
    traces = {
        "x1": Window([1.0] * window_plus, nearest=True),
        "y1": Window([1.0] * window_minus, nearest=True),
    }
    products = [(a_plus, "x1*y0"), (-a_minus, "y1*x0")]
    return _rule("RectangularSTDP", products, traces, w_max=w_max, **more)


def TapSTDP(a_pos: Sequence[float], a_neg: Sequence[float], w_max: float, **more: Any) -> Rule:
    """The STDP of SuperNeuroMAT: in every step, for each tap k, one of two constants is added.

    ``Δw = Σ_k (a_pos[k] if the presynaptic spike arrived k steps ago and the neuron fires now,
    else a_neg[k])``. Between neurons one step apart (delay 1) an arrival k steps ago is a spike
    ``k + 1`` steps ago, as SuperNeuroMAT counts. The part that does not depend on spikes is one
    product per step; ``a_pos - a_neg`` are windows, one for each sign, and tap 0 is ``x0*y0``.

    Args:
        a_pos, a_neg: a number per tap, up to 33 of each.
        w_max: largest weight.
        more: further arguments of :class:`Rule`; ``w_min`` is 0 unless given.
    """
    reasons = Reasons("TapSTDP")
    pos = numbers(reasons, "a_pos", a_pos, ndim=(1,))
    neg = numbers(reasons, "a_neg", a_neg, ndim=(1,))
    if not reasons and len(pos) != len(neg):
        reasons.add(f"a_pos has {len(pos)} taps, a_neg {len(neg)}")
    if not reasons and not 1 <= len(pos) <= 33:
        reasons.add(f"there are {len(pos)} taps; 1 to 33 are possible")
    reasons.done()
    step = pos - neg
    products = [(float(neg.sum()), "u"), (float(step[0]), "x0*y0")]
    traces: dict[str, Trace | Window] = {}
    for name, sign in (("x1", 1.0), ("x2", -1.0)):
        values = [max(sign * v, 0.0) for v in step[1:].tolist()]
        if any(values):
            products.append((sign, f"{name}*y0"))
            traces[name] = Window(values)
    return _rule("TapSTDP", products, traces, w_max=w_max, **more)


def Oja(w_max: float, eta: float = 0.01, tau: float = 20e-3, **more: Any) -> Rule:
    """Oja's rule (1982) with traces in place of rates: Hebbian growth that normalises itself.

    At each postsynaptic spike ``Δw = eta·(x1 - y1·w)``.

    Args:
        w_max: largest weight.
        eta: amplitude.
        tau: time constant of both traces.
        more: further arguments of :class:`Rule`.
    """
    products = [(eta, "x1*y0"), (-eta, "y1*w*y0")]
    return _rule("Oja", products, {"x1": Trace(tau), "y1": Trace(tau)}, w_max=w_max, **more)


def DelaySTDP(log2_rate: int = -2, window: int = 31, lead: int = 0, **more: Any) -> Rule:
    """Delays that learn when their spike is needed; weights stay.

    At each postsynaptic spike, of the youngest presynaptic spike that arrived in the last
    ``window`` steps: ``Δdelay = 2^log2_rate·(age - lead - delay)``, so that next time it takes
    effect ``lead`` steps before the neuron fires (in the spirit of Hüning, Glünder and Palm 1998).
    In raw units: delays are wheel delays, counted from the arrival.

    Args:
        log2_rate: the share of the difference that is learned at once, as a power of two.
        window: oldest arrival in steps, up to 32.
        lead: steps before the postsynaptic spike.
        more: delay_min, delay_max (wheel delays), enable, rounding, seed of :class:`Rule`.
    """
    reasons = Reasons("DelaySTDP")
    for name, value, low, high in (
        ("log2_rate", log2_rate, -16, 0),
        ("window", window, 1, 32),
        ("lead", lead, 0, 31),
    ):
        if type(value) is not int or not low <= value <= high:
            reasons.add(f"{name} must be an integer from {low} to {high}, got {value!r}")
    if not reasons and lead >= window:
        reasons.add(f"lead {lead} leaves nothing of a window of {window} steps")
    reasons.done()
    ages = [float(max(age - lead, 0)) for age in range(1, window + 1)]
    text = f"2^{log2_rate}*y0*(x1 - delay*sgn(x1))"
    traces = {"x1": Window(ages, nearest=True)}
    return Rule(ddelay=text, traces=traces, units="raw", **more)


def LoihiSTDP(
    log2_plus: int = -2,
    log2_minus: int = -2,
    tau_plus: float = 20e-3,
    tau_minus: float = 20e-3,
    *,
    impulse: int = 16,
    w_min: int = 0,
    w_max: int = 127,
    order: Literal["events", "lava"] = "events",
    **more: Any,
) -> Rule:
    """Pair STDP in the integers of Loihi's learning engine (Davies et al. 2018).

    ``Δw = 2^log2_plus·x1·y0 - 2^log2_minus·y1·x0`` with traces of ``impulse`` at a spike; weights
    are mantissas, so the population needs a given scale (``sl.Quantization(scale=…)``).

    Lava's STDPLoihi sees traces as they are after the step, its own spikes included, and rounds
    what both products make of a weight as one. ``order="lava"`` does that: one step later, when
    its traces have all of it, by products that are looked at in every step (docs/learning.md).

    Args:
        log2_plus, log2_minus: learning rates as powers of two.
        tau_plus, tau_minus: time constants of the traces.
        impulse: what a spike adds to a trace.
        w_min, w_max: limits of the mantissas.
        order: "events", at the spikes; or "lava". Between two populations Lava's rule
            pairs a spike when it is fired, so that ``post_delay`` is then one step.
        more: further arguments of :class:`Rule`.
    """
    reasons = Reasons("LoihiSTDP")
    choice(reasons, "order", order, ("events", "lava"))
    reasons.done()
    traces: dict[str, Trace | Window] = {
        "x1": Trace(tau_plus, impulse), "y1": Trace(tau_minus, impulse)
    }  # fmt: skip
    dw = f"2^{log2_plus}*x1*y0 - 2^{log2_minus}*y1*x0"
    if order == "lava":
        # 1 in the step after a spike: the events of the step whose traces are now complete.
        traces |= {"x2": Window([1]), "y2": Window([1])}
        dw = f"2^{log2_plus}*u*x1*y2 - 2^{log2_minus}*u*y1*x2"
    return Rule(dw=dw, traces=traces, w_min=w_min, w_max=w_max, units="raw", **more)


def _nearest(reasons: Reasons, pairing: str) -> bool:
    choice(reasons, "pairing", pairing, ("all", "nearest"))
    return pairing == "nearest"


def _rule(
    name: str,
    products: Sequence[tuple[float, str]],
    traces: dict[str, Any],
    tag: Sequence[tuple[float, str]] = (),
    **more: Any,
) -> Rule:
    """The Rule of these products; those with coefficient 0, and traces that nobody reads, go."""
    reasons = Reasons(name)
    for value, product in (*products, *tag):
        numbers(reasons, f"the coefficient of {product}", value, ndim=(0,))
    reasons.done()
    dw, dtag = _text(products), _text(tag)
    used = {n: trace for n, trace in traces.items() if n in dw or n in dtag}
    return Rule(dw=dw, dtag=dtag, traces=used, **more)


def _text(products: Iterable[tuple[float, str]]) -> str:
    text = ""
    for value, product in products:
        number = float(value)
        if number:
            sign = " - " if number < 0 else " + "
            text += f"{sign}{abs(number)!r}*{product}"
    return text[3:] if text.startswith(" + ") else text.replace(" - ", "-", 1)
